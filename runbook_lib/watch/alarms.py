"""The alarms of a watch, as CloudFormation or Terraform: one for each metric, missing data breaching.

An alarm looks at the worst value of two intervals of the watch: one late run is no alarm, a runner that died is one by
then. Events are only a second way: EventBridge tells of a Glue run that failed, timed out or was stopped at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from runbook_lib.errors import InputRefused
from runbook_lib.watch.declared import ALARM_AT, wanted_checks
from runbook_lib.watch.metrics import DIMENSION, HEARTBEAT, NAMESPACE

_LONGEST_S = 604_800  # CloudWatch API Reference, PutMetricAlarm: Period times EvaluationPeriods
_STATES = ("FAILED", "TIMEOUT", "STOPPED", "ERROR")


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm on one metric: it begins where the metric `compares` with the threshold, or is missing."""

    metric: str
    description: str
    compares: str
    threshold: float

    def name(self, scope: str) -> str:
        """Return its name, which is one of its kind in an account and region."""
        return f"recovery-{scope}-{self.metric}"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What alarms are wanted for: a cluster, or (`cluster` empty) all of a region; how often the watch runs."""

    region: str
    cluster: str = ""
    every_s: float = 3600
    leave_out: str = ""
    jobs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 60 <= self.every_s <= _LONGEST_S / 2:
            raise InputRefused("A watch runs every minute at the oftenest, and every three days at the least.")

    @property
    def scope(self) -> str:
        """Return the value of the metrics' dimension."""
        return self.cluster or self.region

    @property
    def period_s(self) -> int:
        """Return the seconds that an alarm looks back: two intervals, in whole minutes."""
        return int(-(-2 * self.every_s // 60) * 60)


def alarms(wanted: Wanted) -> tuple[Alarm, ...]:
    """Return the alarms: of each check, and of the heartbeat."""
    found = [
        Alarm(
            metric=declared.metric,
            description=f"{declared.meaning} What to do: {declared.command(wanted.cluster)}. Look first: "
            f"{_watch(wanted)} (check {declared.name}). Missing data: the watch itself does not run.",
            compares="GreaterThanOrEqualToThreshold",
            threshold=ALARM_AT,
        )
        for declared in wanted_checks(one_cluster=bool(wanted.cluster), leave_out=wanted.leave_out)
    ]
    beat = Alarm(
        metric=HEARTBEAT,
        description=f"The watch has not ended a run for {wanted.period_s:,} s: nobody looks. "
        f"Look at its runner, then run it by hand: {_watch(wanted)}.",
        compares="LessThanThreshold",
        threshold=1,
    )
    return (*found, beat)


def _watch(wanted: Wanted) -> str:
    where = f"-p cluster {wanted.cluster}" if wanted.cluster else f"-p region {wanted.region}"
    return f"runbook run watch_backups {where}"


def cloudformation(wanted: Wanted) -> str:
    """Write a CloudFormation template in YAML."""
    topic = {"Ref": "Topic"}
    resources: dict[str, Any] = {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": f"Recovery of {wanted.scope}"[:100]}},
        "TopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {"Topics": [topic], "PolicyDocument": _topic_policy(topic, {"Ref": "AWS::AccountId"})},
        },
        "LoadFailed": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Description": _RULE,
                "EventPattern": _pattern(wanted),
                "State": "ENABLED",
                "Targets": [{"Id": "topic", "Arn": topic}],
            },
        },
    }
    for alarm in alarms(wanted):
        resources[alarm.metric] = {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": alarm.name(wanted.scope),
                "AlarmDescription": alarm.description,
                "Namespace": NAMESPACE,
                "MetricName": alarm.metric,
                "Dimensions": [{"Name": DIMENSION, "Value": wanted.scope}],
                "Statistic": "Maximum",
                "Period": wanted.period_s,
                "EvaluationPeriods": 1,
                "ComparisonOperator": alarm.compares,
                "Threshold": alarm.threshold,
                "TreatMissingData": "breaching",
                "AlarmActions": [topic],
                "OKActions": [topic],
            },
        }
    whole = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Alarms on the recovery of {wanted.scope}",
        "Resources": resources,
        "Outputs": {"TopicArn": {"Description": "Subscribe whoever is to be woken", "Value": topic}},
    }
    return str(yaml.safe_dump(_apart(whole), sort_keys=False, width=110, allow_unicode=True))


_RULE = "A Glue run that failed, timed out or was stopped"


def _apart(value: Any) -> Any:
    """Return a copy without shared parts, which YAML would write as references."""
    return json.loads(json.dumps(value))


def _topic_policy(topic: Any, account: Any) -> dict[str, Any]:
    def allowed(sid: str, service: str, **more: Any) -> dict[str, Any]:
        who = {"Service": f"{service}.amazonaws.com"}
        return {"Sid": sid, "Effect": "Allow", "Principal": who, "Action": "sns:Publish", "Resource": topic, **more}

    # EventBridge gets no condition: whether it sends the account is unverified, and a refusal would be silence
    own = {"StringEquals": {"aws:SourceAccount": account}}
    statements = [allowed("Alarms", "cloudwatch", Condition=own), allowed("Events", "events")]
    return {"Version": "2012-10-17", "Statement": statements}


def _pattern(wanted: Wanted) -> dict[str, Any]:
    detail: dict[str, Any] = {"state": list(_STATES)} | ({"jobName": list(wanted.jobs)} if wanted.jobs else {})
    return {"source": ["aws.glue"], "detail-type": ["Glue Job State Change"], "detail": detail}


def terraform(wanted: Wanted) -> str:
    """Write Terraform's HCL; a `${` or `%{` in a text would be an expression there and is escaped."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", wanted.scope)
    topic = f"aws_sns_topic.recovery_{name}.arn"
    blocks = [
        'data "aws_caller_identity" "current" {}',
        _block("aws_sns_topic", f"recovery_{name}", {"name": f"recovery-{wanted.scope}"}),
        _block(
            "aws_sns_topic_policy",
            f"recovery_{name}",
            {"arn": Raw(topic), "policy": Raw(_encoded(_topic_policy(Raw(topic), Raw(_ACCOUNT))))},
        ),
        _block(
            "aws_cloudwatch_event_rule",
            f"load_failed_{name}",
            {
                "name": f"recovery-{wanted.scope}-load-failed",
                "description": _RULE,
                "event_pattern": Raw(_encoded(_pattern(wanted))),
            },
        ),
        _block(
            "aws_cloudwatch_event_target",
            f"load_failed_{name}",
            {"rule": Raw(f"aws_cloudwatch_event_rule.load_failed_{name}.name"), "arn": Raw(topic)},
        ),
    ]
    for alarm in alarms(wanted):
        values = {
            "alarm_name": alarm.name(wanted.scope),
            "alarm_description": alarm.description,
            "namespace": NAMESPACE,
            "metric_name": alarm.metric,
            "dimensions": {DIMENSION: wanted.scope},
            "statistic": "Maximum",
            "period": wanted.period_s,
            "evaluation_periods": 1,
            "comparison_operator": alarm.compares,
            "threshold": alarm.threshold,
            "treat_missing_data": "breaching",
            "alarm_actions": [Raw(topic)],
            "ok_actions": [Raw(topic)],
        }
        blocks.append(_block("aws_cloudwatch_metric_alarm", f"{name}_{alarm.metric.lower()}", values))
    return "\n\n".join([*blocks, f'output "topic_arn" {{\n  value = {topic}\n}}\n'])


_ACCOUNT = "data.aws_caller_identity.current.account_id"


class Raw(str):
    """An expression of Terraform's, not a text."""

    __slots__ = ()


def _block(kind: str, name: str, values: Mapping[str, Any]) -> str:
    lines = [f"  {key} = {_written(value)}" for key, value in values.items()]
    return "\n".join([f'resource "{kind}" "{name}" {{', *lines, "}"])


def _encoded(value: Any) -> str:
    return f"jsonencode({_written(value)})"


def _written(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, Mapping):
        return "{" + ", ".join(_pairs(value)) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value)


def _pairs(value: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{json.dumps(key)} = {_written(inner)}" for key, inner in value.items())
