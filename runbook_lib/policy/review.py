"""Hold a given policy against what the notebooks need: what is missing, too wide, never true, or not to be judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runbook_lib.policy.evaluation import Wanted, is_never_met, judge, like
from runbook_lib.policy.reading import Statement, read_document

Kind = Literal["missing", "too wide", "never true", "could not judge"]

_ACCOUNT, _REGION = "123456789012", "ap-northeast-1"
# Reads that tell nothing but how AWS resources are set up. Every other read may tell data, code or secrets.
_HARMLESS = (
    "rds:Describe*", "rds:ListTagsForResource", "cloudwatch:Describe*", "cloudwatch:Get*", "cloudwatch:List*",
    "backup:Describe*", "backup:List*", "pricing:*", "kms:Describe*", "kms:List*", "sts:GetCallerIdentity",
)  # fmt: skip
# Services that answer for every region from this one (Service endpoints and quotas, AWS General Reference).
_GLOBAL = {"iam": "us-east-1", "ce": "us-east-1", "pricing": "us-east-1"}
_TAKES_TAGS = (
    "rds:RestoreDBCluster*", "rds:CreateDBInstance", "rds:CreateDBClusterEndpoint", "rds:AddTagsToResource",
    "rds:RemoveTagsFromResource", "secretsmanager:CreateSecret", "secretsmanager:TagResource",
)  # fmt: skip
_A_READ = Wanted(action="rds:DescribeDBClusters", absent=("rds:cluster-tag/",))
_REQUEST_KEYS = ("aws:RequestTag/", "aws:TagKeys", "rds:req-tag/")
_RESOURCE_KEYS = {
    # kind of resource: the keys that others do not have
    "cluster": "rds:cluster-tag/", "db": "rds:db-tag/", "cluster-snapshot": "rds:cluster-snapshot-tag/",
    "cluster-pg": "rds:cluster-pg-tag/", "pg": "rds:pg-tag/", "og": "rds:og-tag/", "subgrp": "rds:subgrp-tag/",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be, or that could not be judged, in a sentence."""

    kind: Kind
    sentence: str


def review(given: Sequence[Statement], wanted: Mapping[str, Any], *, region: str = "") -> tuple[Finding, ...]:
    """Compare a given policy with the document that `policy_for` makes for the same notebooks and sources.

    `region` is where the notebooks will be run; empty means that nobody knows.
    """
    needed = read_document(wanted)
    actions = {action for statement in needed if statement.effect == "Allow" for action in statement.actions}
    return (
        *_never_true(given),
        *_missing(given, needed, region),
        *_too_wide(given, actions),
        *_others(given, needed, actions),
    )


def _never_true(given: Iterable[Statement]) -> Iterator[Finding]:
    for statement in given:
        keys = [
            condition.key
            for condition in statement.conditions
            if condition.key.lower().startswith("rds:cluster-tag/") and is_never_met(condition, statement, _A_READ)
        ]
        clusters_only = not statement.not_resources and all(":cluster:" in name for name in statement.resources)
        if keys and statement.effect == "Allow" and not clusters_only:
            yield Finding(
                kind="never true",
                sentence=f"The condition on {keys[0]} is there on the cluster resource only: a Describe call names no "
                "resource, and a restore is decided on cluster-pg, og and subgrp too. With it this statement denies "
                f"what it means to allow: {', '.join(statement.actions)}.",
            )


def _missing(given: Sequence[Statement], needed: Iterable[Statement], region: str) -> Iterator[Finding]:
    lacking: dict[str, list[str]] = {}
    doubtful: dict[tuple[str, ...], list[str]] = {}
    needed = list(needed)
    for statement in needed:
        for action in statement.actions if statement.effect == "Allow" else ():
            for resource in statement.resources:
                sample = _sample(action, resource, statement, region)
                verdict, own = judge(given, sample), judge(needed, sample)
                if verdict.answer == "unknown":
                    # what is needed has denials of its own, such as that of deleting a source
                    if reasons := tuple(reason for reason in verdict.depends_on if reason not in own.depends_on):
                        doubtful.setdefault(reasons, []).append(action)
                elif verdict.answer != "allowed":
                    lacking.setdefault(action, []).append(resource)
    for action, resources in lacking.items():
        on = "" if resources == ["*"] else f" on {', '.join(resources)}"
        yield Finding(kind="missing", sentence=f"{action}{on}.")
    for reasons, actions in doubtful.items():
        listed = ", ".join(dict.fromkeys(actions))
        yield Finding(
            kind="could not judge",
            sentence=f"Whether {listed} is allowed depends on {' and '.join(reasons)}: look at that by hand.",
        )


def _sample(action: str, resource: str, statement: Statement, region: str) -> Wanted:
    """Make a request of a needed permission: on a resource of that pattern, with what is known of such a request."""
    service, region = action.partition(":")[0], _region_of(action, resource) or region
    context: dict[str, list[str]] = {"aws:SecureTransport": ["true"]}
    for condition in statement.conditions:
        if condition.operator == "Null":
            context[condition.key] = ["x"]
        elif condition.key == "kms:ViaService":
            where = f"{region}.amazonaws.com" if region else "x"
            context[condition.key] = [condition.values[0].replace("*", where)]
        else:
            context[condition.key] = list(condition.values)
    if region:
        context["aws:RequestedRegion"] = [region]
    absent = [] if any(like(pattern, action, folded=True) for pattern in _TAKES_TAGS) else [*_REQUEST_KEYS]
    kind = resource.split(":")[5] if service == "rds" and resource != "*" else ""
    absent += [key for of, key in _RESOURCE_KEYS.items() if of != kind]
    absent += ["aws:ResourceTag/"] if resource == "*" else []
    return Wanted(action=action, resource=resource, context=context, absent=tuple(absent))


def _region_of(action: str, resource: str) -> str:
    """Return the region that a request goes to, empty where the ARN does not say it."""
    if home := _GLOBAL.get(action.partition(":")[0]):
        return home
    named = resource.split(":")[3] if resource.startswith("arn:") else ""
    return "" if "*" in named else named


def _too_wide(given: Sequence[Statement], needed: set[str]) -> Iterator[Finding]:
    allowing = [statement for statement in given if statement.effect == "Allow"]
    listed = dict.fromkeys(
        action for statement in allowing if not statement.not_actions for action in statement.actions
    )
    for pattern in listed:
        if any(like(harmless, pattern, folded=True) for harmless in _HARMLESS):
            continue
        if "*" in pattern or "?" in pattern:
            yield Finding(kind="too wide", sentence=f"{pattern} covers more than the notebooks call.")
        elif not any(action.lower() == pattern.lower() for action in needed):
            yield Finding(kind="too wide", sentence=f"{pattern} is needed by no notebook.")
    for element, attribute in (("NotAction", "not_actions"), ("NotResource", "not_resources")):
        if any(getattr(statement, attribute) for statement in allowing):
            yield Finding(kind="too wide", sentence=f"{element} allows whatever it does not name.")


def _others(given: Sequence[Statement], needed: Sequence[Statement], actions: set[str]) -> Iterator[Finding]:
    """Try what a recovery must never do: change what is not its own."""
    kinds = {"DBInstance": "db", "Snapshot": "cluster-snapshot"}
    deletions = {"rds:DeleteDBCluster", "rds:DeleteDBInstance", "rds:ModifyDBCluster"}
    changing = {action for action in actions if action.startswith("rds:") and not action.startswith("rds:Describe")}
    for action in sorted(changing | deletions):
        kind = next((kind for part, kind in kinds.items() if part in action), "cluster")
        probe = Wanted(
            action=action,
            resource=f"arn:aws:rds:{_REGION}:{_ACCOUNT}:{kind}:somebody-elses",
            context={"aws:SecureTransport": ["true"], "aws:RequestedRegion": [_REGION]},
            absent=(*_REQUEST_KEYS, "aws:ResourceTag/", *_RESOURCE_KEYS.values()),
        )
        if judge(needed, probe).answer == "allowed":
            continue
        what, verdict = probe.resource.rpartition(":")[2], judge(given, probe)
        if verdict.answer == "allowed":
            yield Finding(kind="too wide", sentence=f"{action} is allowed on others' resources too (tried: {what}).")
        elif verdict.answer == "unknown":
            reasons = " and ".join(verdict.depends_on)
            yield Finding(
                kind="could not judge",
                sentence=f"Whether {action} is allowed on others' resources too depends on {reasons}.",
            )
