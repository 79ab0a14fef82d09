"""A plan says everything that would be done, and its id changes with what would be done, not with the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.backups import RetainedBackup
from runbook_lib.clusters import Cluster
from runbook_lib.errors import InputRefused
from runbook_lib.restore import Choices, RestorePlan, plan_restore
from runbook_lib.restore.origins import from_retained, from_time
from runbook_lib.times import TimeWindow
from tests import builders
from tests.builders import NOW, asked, cluster, instance

MOMENT = NOW - timedelta(hours=2)


def plan(purpose: str = "copy", target: str = "", later: int = 0, **members: Any) -> RestorePlan:
    origin = from_time(
        cluster(**members),
        instances=[instance(1), instance(2)],
        asked=asked(MOMENT),
        now=NOW + timedelta(seconds=later),
    )
    return plan_restore(origin, choices=Choices(purpose=purpose, target=target))


def test_the_same_plan_made_later_has_the_same_id() -> None:
    moved = {"LatestRestorableTime": NOW, "EarliestRestorableTime": NOW - timedelta(days=6, hours=23)}
    assert plan().id == plan(later=600, **moved).id


@pytest.mark.parametrize(
    "change",
    [
        {"DeletionProtection": False},
        {"VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-2"}]},
        {"EngineVersion": "8.0.mysql_aurora.3.09.0"},
        {"DbClusterResourceId": "cluster-OTHER"},
        {"AssociatedRoles": [{"RoleArn": "arn:aws:iam::123456789012:role/s3", "FeatureName": "s3Import"}]},
    ],
)
def test_a_changed_source_makes_another_plan(change: dict[str, Any]) -> None:
    assert plan().id != plan(**change).id


def test_another_purpose_or_target_is_another_plan() -> None:
    assert len({plan().id, plan("cutover").id, plan(target="other-name").id}) == 3


def test_no_call_names_the_source_as_its_target() -> None:
    for call in plan("cutover").calls:
        assert call.request["DBClusterIdentifier"] != "staging-db"
        assert call.request.get("DBInstanceIdentifier") not in ("staging-db-1", "staging-db-2")


def test_a_copy_is_cheap_and_a_cutover_is_as_the_source() -> None:
    copy, cutover = (plan(purpose).calls[0].request for purpose in ("copy", "cutover"))
    assert copy["BackupRetentionPeriod"] == 1
    assert copy["DeletionProtection"] is False
    assert cutover["BackupRetentionPeriod"] == 7
    assert cutover["DeletionProtection"] is True
    assert len(plan("copy").calls_of("CreateDBInstance")) == 1
    assert len(plan("cutover").calls_of("CreateDBInstance")) == 2


def test_what_a_restore_would_reset_is_sent_along() -> None:
    request = plan("cutover").calls[0].request
    assert request["VpcSecurityGroupIds"] == ["sg-1"]
    assert request["DBClusterParameterGroupName"] == "staging-params"
    assert request["DBSubnetGroupName"] == "private"
    assert request["Port"] == 3307


def test_monitoring_is_never_sent_with_the_restore_but_afterwards() -> None:
    made = plan("cutover", MonitoringInterval=60, MonitoringRoleArn="arn:aws:iam::123456789012:role/monitor")
    assert "MonitoringInterval" not in made.calls[0].request
    (after,) = made.calls_of("ModifyDBCluster")
    assert after.request["MonitoringInterval"] == 60


def test_the_sources_own_tags_are_carried_but_not_awss() -> None:
    keys = [tag["Key"] for tag in plan().calls[0].request["Tags"]]
    assert "team" in keys
    assert not any(key.startswith("aws:") for key in keys)


@pytest.mark.parametrize("target", ["staging-db", "1abc", "a--b", "ends-", "ünicode", "x" * 64])
def test_an_unusable_target_is_refused(target: str) -> None:
    with pytest.raises(InputRefused):
        plan(target=target)


def test_only_a_cluster_that_is_gone_leaves_its_own_name_to_the_new_one() -> None:
    """The application knows that name; a restore into a name that is taken is refused by AWS and by the checks."""
    living = from_time(cluster(), instances=[instance(1)], asked=asked(MOMENT), now=NOW)
    choices = Choices(purpose="cutover", target=living.source)
    with pytest.raises(InputRefused, match="is the source itself"):
        plan_restore(living, choices=choices)
    raw = {"DBClusterIdentifier": living.source, "EngineVersion": "8.0.mysql_aurora.3.08.2"}
    gone = RetainedBackup(
        cluster=living.source,
        resource_id="cluster-GONE",
        status="retained",
        window=TimeWindow(earliest=NOW - timedelta(days=7), latest=NOW - timedelta(minutes=5)),
        retention_days=7,
        engine_version=raw["EngineVersion"],
        raw=raw,
    )
    origin = from_retained(gone, asked=asked(MOMENT), now=NOW)
    made = plan_restore(origin, choices=replace(choices, instance_class="db.r6g.large"))
    assert made.target == made.source == living.source
    (managed,) = made.calls_of("ModifyDBCluster")
    assert managed.request["ManageMasterUserPassword"] is True, "the secret of a deleted cluster is deleted with it"
    known = plan_restore(origin, choices=replace(choices, instance_class="db.r6g.large", secret="the-account"))
    assert known.calls_of("ModifyDBCluster") == ()


def test_a_long_source_name_still_gives_a_legal_target() -> None:
    made = plan(DBClusterIdentifier="a" * 63)
    assert len(made.target) <= 63


def test_a_purpose_that_is_none_is_refused() -> None:
    with pytest.raises(InputRefused):
        plan("rollback")


def test_a_source_without_restorable_times_is_refused() -> None:
    with pytest.raises(InputRefused, match="no restorable times"):
        plan(EarliestRestorableTime=None)


SHUFFLED = builders.cluster(
    AvailabilityZones=["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"],
    VpcSecurityGroups=[{"VpcSecurityGroupId": f"sg-{number}", "Status": "active"} for number in range(3)],
    EnabledCloudwatchLogsExports=["audit", "error", "slowquery"],
    AssociatedRoles=[{"RoleArn": f"arn:{number}", "FeatureName": "", "Status": "ACTIVE"} for number in range(3)],
    TagList=[{"Key": key, "Value": "x"} for key in "abc"],
    MasterUserSecret={"SecretArn": "arn:secret", "SecretStatus": "active"},
    LocalWriteForwardingStatus="enabled",
)


@given(st.randoms(use_true_random=False), st.sampled_from(["active", "rotating", "creating", "impaired"]))
def test_no_order_of_aws_and_no_passing_state_makes_another_plan(dice: Random, secret: str) -> None:
    """AWS promises no order of zones, tags, groups, members and roles."""
    members = {
        name: dice.sample(value, len(value)) if isinstance(value, list) else value
        for name, value in SHUFFLED.raw.items()
    }
    members["MasterUserSecret"] = {"SecretArn": "arn:secret", "SecretStatus": secret}
    members["LocalWriteForwardingStatus"] = dice.choice(["enabled", "enabling"])
    members["VpcSecurityGroups"] = [
        {**group, "Status": dice.choice(["active", "adding"])} for group in members["VpcSecurityGroups"]
    ]
    members["Status"] = dice.choice(["available", "backing-up", "modifying"])
    assert plan_of(builders.cluster(**members)).id == plan_of(SHUFFLED).id


@pytest.mark.parametrize(
    "change",
    [
        {"VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-9", "Status": "active"}]},
        {"TagList": [{"Key": "a", "Value": "y"}]},
        {"MasterUserSecret": {"SecretArn": "arn:other", "SecretStatus": "active"}},
        {"LocalWriteForwardingStatus": "disabled"},
    ],
)
def test_a_change_of_what_is_in_a_list_makes_another_plan(change: dict[str, Any]) -> None:
    assert plan_of(builders.cluster(**{**SHUFFLED.raw, **change})).id != plan_of(SHUFFLED).id


def plan_of(source: Cluster) -> RestorePlan:
    origin = from_time(source, instances=[builders.instance()], asked=builders.asked(None), now=builders.NOW)
    return plan_restore(origin)
