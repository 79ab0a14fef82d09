"""RestoreDBClusterToPointInTime and RestoreDBClusterFromSnapshot, as AWS would answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.control_support import (
    MemoryData,
    Stand,
    cluster,
    gone,
    plain_cluster,
    production,
    refused,
    settle,
    settle_snapshot,
    stand_in,
)

LATEST = {"UseLatestRestorableTime": True}


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with stand_in(data=MemoryData()) as running:
        production(running)
        now = datetime.now(UTC)
        running.plane.history.cluster_created("prod", at=now - timedelta(days=30))
        yield running


def restore(stand: Stand, name: str, **asked: Any) -> dict[str, Any]:
    stand.rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier=name, **{"SourceDBClusterIdentifier": "prod", **asked}
    )
    return settle(stand.rds, name)


def test_a_restore_goes_to_the_asked_second_and_makes_a_cluster_without_instances(stand: Stand) -> None:
    """FACTS 1.1; API reference, RestoreDBClusterToPointInTime."""
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    copy = restore(stand, "to-a-second", RestoreToTime=moment)
    assert copy["DBClusterMembers"] == []
    assert stand.data is not None
    assert stand.data.moments[copy["DbClusterResourceId"]] == moment


@pytest.mark.parametrize("days", [-8, 1])
def test_a_time_outside_the_window_is_refused_with_the_time_and_the_limit(stand: Stand, days: int) -> None:
    """FACTS 1.7, §5."""
    source = cluster(stand.rds, "prod")
    limit = source["EarliestRestorableTime" if days < 0 else "LatestRestorableTime"]
    asked = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    with refused("InvalidParameterValue", limit.strftime("%Y-%m-%dT%H:%M")):
        restore(stand, "outside", RestoreToTime=asked)
    with refused("InvalidParameterValue", asked.isoformat()):
        restore(stand, "outside", RestoreToTime=asked)
    gone(stand.rds, "outside")


def test_both_ends_of_the_window_as_they_were_read_can_be_restored_to(stand: Stand) -> None:
    """API reference, DBCluster: EarliestRestorableTime and LatestRestorableTime are the limits, both included."""
    source = cluster(stand.rds, "prod")
    for name, end in (("first-end", "EarliestRestorableTime"), ("last-end", "LatestRestorableTime")):
        restore(stand, name, RestoreToTime=source[end])


def test_a_time_and_the_latest_time_exclude_each_other_and_one_is_needed(stand: Stand) -> None:
    """FACTS 1.6; API reference, RestoreToTime: "Must be specified if UseLatestRestorableTime isn't provided"."""
    with refused("InvalidParameterCombination", "UseLatestRestorableTime"):
        restore(stand, "both", RestoreToTime=datetime.now(UTC) - timedelta(days=1), **LATEST)
    with refused("InvalidParameterCombination", "either"):
        restore(stand, "neither")


def test_a_clone_takes_no_time_and_holds_the_source_as_it_is(stand: Stand) -> None:
    """FACTS 1.6; API reference, RestoreType."""
    with refused("InvalidParameterCombination", "copy-on-write"):
        restore(stand, "cloned", RestoreType="copy-on-write", RestoreToTime=datetime.now(UTC) - timedelta(days=1))
    copy = restore(stand, "cloned", RestoreType="copy-on-write", **LATEST)
    assert copy["CloneGroupId"] == cluster(stand.rds, "prod")["CloneGroupId"]
    assert stand.data is not None
    assert stand.data.servers[copy["DbClusterResourceId"]].startswith("clone of cluster-")


def test_a_missing_source_and_an_existing_target_are_refused(stand: Stand) -> None:
    """API reference, errors of RestoreDBClusterToPointInTime; moto overwrites the target (FACTS §5)."""
    with refused("DBClusterNotFoundFault"):
        restore(stand, "copy-of-nothing", SourceDBClusterIdentifier="nothing", **LATEST)
    before = cluster(stand.rds, "prod")["DbClusterResourceId"]
    with refused("DBClusterAlreadyExistsFault"):
        restore(stand, "prod", **LATEST)
    assert cluster(stand.rds, "prod")["DbClusterResourceId"] == before


def test_what_is_not_sent_falls_to_the_defaults_of_aws(stand: Stand) -> None:
    """FACTS 1.2; the default of each parameter in the API reference; FACTS §5 for what moto copies."""
    copy = restore(stand, "bare", **LATEST)
    default_group = stand.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"]
    assert copy["VpcSecurityGroups"][0]["VpcSecurityGroupId"] in {one["GroupId"] for one in default_group}
    assert copy["DBClusterParameterGroup"] == "default.aurora-mysql8.0"
    assert copy["DBSubnetGroup"] == "default"
    assert copy["DeletionProtection"] is False
    assert copy["IAMDatabaseAuthenticationEnabled"] is False
    assert copy["CopyTagsToSnapshot"] is False
    assert copy["BacktrackWindow"] == 0
    assert copy["EnabledCloudwatchLogsExports"] == []
    assert copy["TagList"] == []
    assert copy["PreferredBackupWindow"] != "17:00-17:30"
    assert "StorageType" not in copy
    assert "ServerlessV2ScalingConfiguration" not in copy


def test_what_aws_carries_over_is_carried(stand: Stand) -> None:
    """FACTS 1.2."""
    source, copy = cluster(stand.rds, "prod"), restore(stand, "carried", **LATEST)
    for name in ("Engine", "EngineVersion", "KmsKeyId", "StorageEncrypted", "MasterUsername", "BackupRetentionPeriod"):
        assert copy[name] == source[name], name


def test_what_is_sent_is_taken(stand: Stand) -> None:
    source = cluster(stand.rds, "prod")
    groups = [one["VpcSecurityGroupId"] for one in source["VpcSecurityGroups"]]
    copy = restore(
        stand,
        "full",
        DBSubnetGroupName="prod-subnets",
        DBClusterParameterGroupName="prod-cluster",
        VpcSecurityGroupIds=groups,
        DeletionProtection=True,
        CopyTagsToSnapshot=True,
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=["error"],
        BacktrackWindow=3_600,
        StorageType="aurora-iopt1",
        BackupRetentionPeriod=1,
        ServerlessV2ScalingConfiguration={"MinCapacity": 1, "MaxCapacity": 2},
        Tags=[{"Key": "incident", "Value": "42"}],
        **LATEST,
    )
    assert copy["DBSubnetGroup"] == "prod-subnets"
    assert copy["DBClusterParameterGroup"] == "prod-cluster"
    assert [one["VpcSecurityGroupId"] for one in copy["VpcSecurityGroups"]] == groups
    assert (copy["DeletionProtection"], copy["CopyTagsToSnapshot"], copy["BacktrackWindow"]) == (True, True, 3_600)
    assert copy["EnabledCloudwatchLogsExports"] == ["error"]
    assert copy["StorageType"] == "aurora-iopt1"
    assert copy["BackupRetentionPeriod"] == 1
    assert copy["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 1.0, "MaxCapacity": 2.0}
    assert copy["TagList"] == [{"Key": "incident", "Value": "42"}]


def test_roles_endpoints_and_the_managed_secret_are_never_carried(stand: Stand) -> None:
    """FACTS 1.2 and 1.5 (aws/aws-cdk#21730)."""
    stand.rds.add_role_to_db_cluster(DBClusterIdentifier="prod", RoleArn="arn:aws:iam::123456789012:role/load")
    stand.rds.create_db_cluster_endpoint(
        DBClusterIdentifier="prod", DBClusterEndpointIdentifier="reports", EndpointType="READER"
    )
    copy = restore(stand, "alone", **LATEST)
    assert "MasterUserSecret" in cluster(stand.rds, "prod")
    assert "MasterUserSecret" not in copy
    assert copy["AssociatedRoles"] == []
    assert copy.get("CustomEndpoints", []) == []


@pytest.mark.parametrize(
    "sent",
    [
        {"MonitoringInterval": 60, "MonitoringRoleArn": "arn:aws:iam::123456789012:role/monitor"},
        {"EnablePerformanceInsights": False},  # whatever the value
        {"PerformanceInsightsRetentionPeriod": 7},
    ],
)
def test_monitoring_parameters_are_refused_on_a_restore(stand: Stand, sent: dict[str, Any]) -> None:
    """FACTS 1.3 (boto/boto3#4634)."""
    with refused("InvalidParameterCombination", "Limitless"):
        restore(stand, "watched", **sent, **LATEST)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"DBSubnetGroupName": "nowhere"}, "DBSubnetGroupNotFoundFault"),
        ({"DBClusterParameterGroupName": "nothing"}, "DBClusterParameterGroupNotFound"),
        ({"VpcSecurityGroupIds": ["sg-00000000"]}, "InvalidParameterValue"),
        ({"KmsKeyId": "00000000-0000-0000-0000-000000000000"}, "KMSKeyNotAccessibleFault"),
        ({"BackupRetentionPeriod": 36}, "InvalidParameterValue"),
    ],
)
def test_what_does_not_exist_is_refused(stand: Stand, sent: dict[str, Any], code: str) -> None:
    """FACTS 1.8 for the codes."""
    with refused(code):
        restore(stand, "lost", **sent, **LATEST)


def test_times_are_absent_while_a_cluster_is_being_restored(stand: Stand) -> None:
    """FACTS 1.6."""
    with stand.plane.held():
        stand.rds.restore_db_cluster_to_point_in_time(
            DBClusterIdentifier="young", SourceDBClusterIdentifier="prod", **LATEST
        )
        begun = cluster(stand.rds, "young")
        assert begun["Status"] == "creating"
        assert "EarliestRestorableTime" not in begun
        assert "LatestRestorableTime" not in begun
    grown = settle(stand.rds, "young")
    assert grown["EarliestRestorableTime"] <= grown["LatestRestorableTime"] <= datetime.now(UTC)


def test_a_deleted_cluster_is_restored_from_its_retained_backup(stand: Stand) -> None:
    """FACTS 1.11 and 1.12."""
    doomed = plain_cluster(stand.rds, "doomed")
    resource_id = doomed["DbClusterResourceId"]
    stand.rds.delete_db_cluster(DBClusterIdentifier="doomed", SkipFinalSnapshot=True, DeleteAutomatedBackups=False)
    gone(stand.rds, "doomed")
    (backup,) = stand.rds.describe_db_cluster_automated_backups(DbClusterResourceId=resource_id)[
        "DBClusterAutomatedBackups"
    ]
    assert backup["Status"] == "retained"
    stand.rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="revived",
        SourceDbClusterResourceId=resource_id,
        RestoreToTime=backup["RestoreWindow"]["LatestTime"],
    )
    assert settle(stand.rds, "revived")["MasterUsername"] == "admin"
    with refused("DBClusterAutomatedBackupNotFoundFault"):
        stand.rds.restore_db_cluster_to_point_in_time(
            DBClusterIdentifier="ghost", SourceDbClusterResourceId="cluster-UNKNOWN", **LATEST
        )


def test_a_snapshot_restore_takes_the_default_version_unless_one_is_sent(stand: Stand) -> None:
    """FACTS 1.18."""
    stand.rds.create_db_cluster_snapshot(DBClusterIdentifier="prod", DBClusterSnapshotIdentifier="by-hand")
    settle_snapshot(stand.rds, "by-hand")
    asked = {"SnapshotIdentifier": "by-hand", "Engine": "aurora-mysql"}
    stand.rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="from-hand", **asked)
    stand.rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="same-version", EngineVersion="8.0.mysql_aurora.3.04.3", **asked
    )
    drifted, same = settle(stand.rds, "from-hand"), settle(stand.rds, "same-version")
    assert drifted["EngineVersion"] != cluster(stand.rds, "prod")["EngineVersion"] == same["EngineVersion"]
    assert drifted["DeletionProtection"] is False
    assert drifted["KmsKeyId"] == cluster(stand.rds, "prod")["KmsKeyId"]
    assert stand.data is not None
    assert stand.data.servers[drifted["DbClusterResourceId"]].startswith("snapshot of ")


def test_an_automated_snapshot_is_restored_by_its_name(stand: Stand) -> None:
    """FACTS 1.18."""
    at = datetime.now(UTC) - timedelta(days=1)
    assert stand.data is not None
    stand.data.snapshots["nightly"] = "prod"
    name = stand.plane.history.automated_snapshot("prod", at=at, data_id="nightly")
    assert name == f"rds:prod-{at:%Y-%m-%d-%H-%M}"
    stand.rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="from-night", SnapshotIdentifier=name, Engine="aurora-mysql"
    )
    settle(stand.rds, "from-night")
    with refused("InvalidDBClusterSnapshotStateFault"):
        stand.rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)
    with refused("DBClusterSnapshotNotFoundFault"):
        stand.rds.restore_db_cluster_from_snapshot(
            DBClusterIdentifier="x", SnapshotIdentifier="nothing", Engine="aurora-mysql"
        )


def test_a_new_secret_is_made_when_it_is_asked_for_and_its_password_is_set(stand: Stand) -> None:
    """FACTS 1.5."""
    copy = restore(stand, "secretive", **LATEST)
    with stand.plane.held():
        stand.rds.modify_db_cluster(
            DBClusterIdentifier="secretive", ManageMasterUserPassword=True, ApplyImmediately=True
        )
        assert cluster(stand.rds, "secretive")["MasterUserSecret"]["SecretStatus"] == "creating"
    ready = settle(stand.rds, "secretive")["MasterUserSecret"]
    assert ready["SecretStatus"] == "active"
    text = stand.client("secretsmanager").get_secret_value(SecretId=ready["SecretArn"])["SecretString"]
    assert stand.data is not None
    assert json.loads(text) == {"username": "admin", "password": stand.data.passwords[copy["DbClusterResourceId"]]}
