"""Clusters and instances of the stand-in: made, changed, renamed and deleted as on AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.control_support import (
    PASSWORD,
    MemoryData,
    Stand,
    add_instance,
    cluster,
    gone,
    instance,
    plain_cluster,
    refused,
    settle,
    settle_instance,
    settle_snapshot,
    stand_in,
)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with stand_in(data=MemoryData()) as running:
        yield running


def data_of(stand: Stand) -> MemoryData:
    assert stand.data is not None
    return stand.data


def drop(rds: Any, name: str, **asked: Any) -> None:
    rds.delete_db_cluster(**{"DBClusterIdentifier": name, "SkipFinalSnapshot": True, **asked})


def test_a_new_cluster_is_creating_then_available_with_its_real_endpoint(stand: Stand) -> None:
    with stand.plane.held():
        stand.rds.create_db_cluster(
            DBClusterIdentifier="first", Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword=PASSWORD
        )
        for _ in range(2):  # moto's changes by being looked at (FACTS §5)
            assert cluster(stand.rds, "first")["Status"] == "creating"
    made = settle(stand.rds, "first")
    real = data_of(stand).endpoint(made["DbClusterResourceId"])
    assert (made["Endpoint"], made["Port"]) == (real.host, real.port)
    assert data_of(stand).passwords[made["DbClusterResourceId"]] == PASSWORD
    assert made["BackupRetentionPeriod"] == 1  # API reference, CreateDBCluster: Default: 1


def test_a_snapshot_is_creating_and_cannot_be_restored_until_it_is_there(stand: Stand) -> None:
    plain_cluster(stand.rds, "pictured")
    with stand.plane.held():
        stand.rds.create_db_cluster_snapshot(DBClusterIdentifier="pictured", DBClusterSnapshotIdentifier="picture")
        found = stand.rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="picture")["DBClusterSnapshots"]
        assert (found[0]["Status"], found[0]["PercentProgress"]) == ("creating", 0)
        with refused("InvalidDBClusterSnapshotStateFault", "creating"):
            stand.rds.restore_db_cluster_from_snapshot(
                DBClusterIdentifier="x", SnapshotIdentifier="picture", Engine="aurora-mysql"
            )
    settle_snapshot(stand.rds, "picture")


def test_data_that_cannot_be_made_leaves_a_dead_end_and_its_reason(stand: Stand) -> None:
    """FACTS 1.9."""
    data_of(stand).broken = "the disk is full"
    try:
        stand.rds.create_db_cluster(
            DBClusterIdentifier="broken", Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword=PASSWORD
        )
        settle(stand.rds, "broken", "incompatible-restore")
    finally:
        data_of(stand).broken = ""
    events = stand.rds.describe_events(SourceIdentifier="broken", SourceType="db-cluster")["Events"]
    assert "the disk is full" in events[-1]["Message"]


def test_an_instance_waits_for_its_cluster_and_comes_later_and_opens_the_endpoint(stand: Stand) -> None:
    """FACTS 1.1."""
    plain_cluster(stand.rds, "grows")
    with stand.plane.held():
        stand.rds.create_db_cluster(
            DBClusterIdentifier="too-early", Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword=PASSWORD
        )
        with refused("InvalidDBClusterStateFault", "creating"):
            add_instance(stand.rds, "too-early-1", of="too-early")
        stand.rds.create_db_instance(
            DBInstanceIdentifier="grows-1",
            DBClusterIdentifier="grows",
            DBInstanceClass="db.r6g.large",
            Engine="aurora-mysql",
        )
        begun = instance(stand.rds, "grows-1")
        assert begun["DBInstanceStatus"] == "creating"
        assert "Endpoint" not in begun
    made, owner = settle_instance(stand.rds, "grows-1"), cluster(stand.rds, "grows")
    assert made["Endpoint"]["Port"] == owner["Port"]
    assert owner["DbClusterResourceId"] in data_of(stand).answering
    add_instance(stand.rds, "grows-2", of="grows", PromotionTier=0)
    members = cluster(stand.rds, "grows")["DBClusterMembers"]
    writers = {one["DBInstanceIdentifier"]: one["IsClusterWriter"] for one in members}
    assert writers == {"grows-1": True, "grows-2": False}
    assert instance(stand.rds, "grows-1")["DbiResourceId"] != instance(stand.rds, "grows-2")["DbiResourceId"]


def test_the_endpoint_closes_with_the_last_instance_and_a_reader_is_promoted_before(stand: Stand) -> None:
    owner = plain_cluster(stand.rds, "shrinks")["DbClusterResourceId"]
    for name in ("shrinks-1", "shrinks-2"):
        add_instance(stand.rds, name, of="shrinks")
    stand.rds.delete_db_instance(DBInstanceIdentifier="shrinks-1", SkipFinalSnapshot=True)
    (left,) = [
        one for one in cluster(stand.rds, "shrinks")["DBClusterMembers"] if one["DBInstanceIdentifier"] == "shrinks-2"
    ]
    assert left["IsClusterWriter"]
    with refused("InvalidDBClusterStateFault", "still contains DB instances"):
        drop(stand.rds, "shrinks")
    assert owner in data_of(stand).answering
    stand.rds.delete_db_instance(DBInstanceIdentifier="shrinks-2", SkipFinalSnapshot=True)
    drop(stand.rds, "shrinks")
    gone(stand.rds, "shrinks")
    assert owner not in data_of(stand).answering


def test_a_cluster_that_names_no_security_group_falls_to_the_default_group(stand: Stand) -> None:
    """moto leaves it empty (FACTS §5)."""
    made = plain_cluster(stand.rds, "open-door")
    (group,) = [one["VpcSecurityGroupId"] for one in made["VpcSecurityGroups"]]
    (found,) = stand.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert found["GroupName"] == "default"


def test_a_managed_password_is_in_the_secret_and_in_force(stand: Stand) -> None:
    stand.rds.create_db_cluster(
        DBClusterIdentifier="managed", Engine="aurora-mysql", MasterUsername="boss", ManageMasterUserPassword=True
    )
    made = settle(stand.rds, "managed")
    secret = made["MasterUserSecret"]
    assert secret["SecretStatus"] == "active"
    kept = json.loads(stand.client("secretsmanager").get_secret_value(SecretId=secret["SecretArn"])["SecretString"])
    assert kept == {"username": "boss", "password": data_of(stand).passwords[made["DbClusterResourceId"]]}
    with refused("InvalidParameterCombination"):
        stand.rds.modify_db_cluster(DBClusterIdentifier="managed", MasterUserPassword="another-one")
    with refused("InvalidParameterCombination", "apply immediately"):
        stand.rds.modify_db_cluster(DBClusterIdentifier="managed", RotateMasterUserPassword=True)


def test_a_rename_keeps_instances_and_data_and_takes_no_name_that_is_taken(stand: Stand) -> None:
    """FACTS 1.13; moto loses the members and can replace another cluster (FACTS §5)."""
    before = plain_cluster(stand.rds, "old-name")
    plain_cluster(stand.rds, "taken-name")
    add_instance(stand.rds, "old-name-1", of="old-name")
    with refused("DBClusterAlreadyExistsFault"):
        stand.rds.modify_db_cluster(
            DBClusterIdentifier="old-name", NewDBClusterIdentifier="taken-name", ApplyImmediately=True
        )
    stand.rds.modify_db_cluster(
        DBClusterIdentifier="old-name", NewDBClusterIdentifier="New-Name", ApplyImmediately=True
    )
    gone(stand.rds, "old-name")
    after = settle(stand.rds, "new-name")
    assert after["DbClusterResourceId"] == before["DbClusterResourceId"]
    assert (after["Endpoint"], after["Port"]) == (before["Endpoint"], before["Port"])
    assert [one["DBInstanceIdentifier"] for one in after["DBClusterMembers"]] == ["old-name-1"]
    assert instance(stand.rds, "old-name-1")["DBClusterIdentifier"] == "new-name"


def test_without_apply_immediately_a_new_name_waits(stand: Stand) -> None:
    """API reference, ModifyDBCluster, ApplyImmediately."""
    plain_cluster(stand.rds, "patient")
    stand.rds.modify_db_cluster(DBClusterIdentifier="patient", NewDBClusterIdentifier="impatient")
    waiting = settle(stand.rds, "patient")
    assert waiting["PendingModifiedValues"]["DBClusterIdentifier"] == "impatient"


def test_settings_are_changed_and_a_changing_cluster_is_left_alone(stand: Stand) -> None:
    plain_cluster(stand.rds, "changes")
    with stand.plane.held():
        stand.rds.modify_db_cluster(
            DBClusterIdentifier="changes",
            BackupRetentionPeriod=14,
            DeletionProtection=True,
            CloudwatchLogsExportConfiguration={"EnableLogTypes": ["error", "audit"]},
            ApplyImmediately=True,
        )
        with refused("InvalidDBClusterStateFault", "modifying"):
            stand.rds.modify_db_cluster(DBClusterIdentifier="changes", BackupRetentionPeriod=3)
    changed = settle(stand.rds, "changes")
    assert (changed["BackupRetentionPeriod"], changed["DeletionProtection"]) == (14, True)
    assert changed["EnabledCloudwatchLogsExports"] == ["audit", "error"]
    with refused("InvalidParameterValue"):
        stand.rds.modify_db_cluster(DBClusterIdentifier="changes", BackupRetentionPeriod=0)


def test_a_lowered_retention_takes_the_older_automated_snapshots_and_no_manual_one(stand: Stand) -> None:
    """Aurora User Guide: an automated backup is kept for the retention; a snapshot made by hand until it is deleted."""
    plain_cluster(stand.rds, "lowered")
    now, history = datetime.now(UTC), stand.plane.history
    for days in (1, 3):
        history.automated_snapshot("lowered", at=now - timedelta(days=days, minutes=-90))
    history.manual_snapshot("lowered", "by-hand", at=now - timedelta(days=3))

    def left() -> list[str]:
        found = stand.rds.describe_db_cluster_snapshots(DBClusterIdentifier="lowered")["DBClusterSnapshots"]
        return sorted(one["SnapshotType"] for one in found)

    stand.rds.modify_db_cluster(DBClusterIdentifier="lowered", DeletionProtection=False)
    settle(stand.rds, "lowered")
    assert left() == ["automated", "automated", "manual"]
    stand.rds.modify_db_cluster(DBClusterIdentifier="lowered", BackupRetentionPeriod=1)
    settle(stand.rds, "lowered")
    assert left() == ["automated", "manual"]
    drop(stand.rds, "lowered")


def test_the_window_follows_creation_and_retention_and_stays_behind_the_clock(stand: Stand) -> None:
    """API reference, DBCluster: EarliestRestorableTime and LatestRestorableTime."""
    plain_cluster(stand.rds, "windowed")
    created = datetime.now(UTC) - timedelta(days=3)
    stand.plane.history.cluster_created("windowed", at=created)
    young = cluster(stand.rds, "windowed")
    assert abs(young["EarliestRestorableTime"] - created) < timedelta(seconds=1)
    assert young["EarliestRestorableTime"] == young["ClusterCreateTime"].replace(microsecond=0)
    stand.rds.modify_db_cluster(DBClusterIdentifier="windowed", BackupRetentionPeriod=2)
    narrowed = settle(stand.rds, "windowed")
    assert narrowed["EarliestRestorableTime"] > created + timedelta(hours=23)
    assert narrowed["LatestRestorableTime"] <= datetime.now(UTC)


def test_backtrack_cannot_be_enabled_later(stand: Stand) -> None:
    """FACTS 1.2; Aurora User Guide, Backtracking: only for clusters created with it."""
    plain_cluster(stand.rds, "no-way-back")
    with refused("InvalidParameterCombination", "created without"):
        stand.rds.modify_db_cluster(DBClusterIdentifier="no-way-back", BacktrackWindow=3_600)


def test_deleting_is_refused_while_protected_or_unsure_about_the_final_snapshot(stand: Stand) -> None:
    """API reference, DeleteDBCluster."""
    plain_cluster(stand.rds, "guarded", DeletionProtection=True)
    with refused("InvalidParameterCombination", "protected"):
        drop(stand.rds, "guarded")
    stand.rds.modify_db_cluster(DBClusterIdentifier="guarded", DeletionProtection=False)
    settle(stand.rds, "guarded")
    with refused("InvalidParameterCombination", "required"):
        stand.rds.delete_db_cluster(DBClusterIdentifier="guarded")
    with refused("InvalidParameterCombination", "can't be specified"):
        drop(stand.rds, "guarded", FinalDBSnapshotIdentifier="last")
    with refused("DBClusterNotFoundFault"):
        drop(stand.rds, "nothing")


def test_a_final_snapshot_outlives_the_cluster_and_can_be_restored(stand: Stand) -> None:
    plain_cluster(stand.rds, "leaves-one")
    stand.rds.delete_db_cluster(DBClusterIdentifier="leaves-one", FinalDBSnapshotIdentifier="leaves-one-final")
    gone(stand.rds, "leaves-one")
    settle_snapshot(stand.rds, "leaves-one-final")
    stand.rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="comes-back", SnapshotIdentifier="leaves-one-final", Engine="aurora-mysql"
    )
    settle(stand.rds, "comes-back")


def test_deleting_a_cluster_ends_its_window_too_unless_its_backups_are_kept(stand: Stand) -> None:
    """FACTS 1.11; API reference, DeleteAutomatedBackups: the default is to remove them immediately."""
    resource_id = plain_cluster(stand.rds, "forgotten")["DbClusterResourceId"]
    snapshot = stand.plane.history.automated_snapshot("forgotten", at=datetime.now(UTC))
    drop(stand.rds, "forgotten")
    gone(stand.rds, "forgotten")
    with refused("DBClusterAutomatedBackupNotFoundFault"):
        stand.rds.describe_db_cluster_automated_backups(DbClusterResourceId=resource_id)
    with refused("DBClusterSnapshotNotFoundFault"):
        stand.rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=snapshot)


def test_a_retained_backup_is_listed_and_deleted(stand: Stand) -> None:
    """API reference, DescribeDBClusterAutomatedBackups, DeleteDBClusterAutomatedBackup."""
    rds = stand.rds
    resource_id = plain_cluster(rds, "kept")["DbClusterResourceId"]
    (active,) = rds.describe_db_cluster_automated_backups(DBClusterIdentifier="kept")["DBClusterAutomatedBackups"]
    assert active["Status"] == "active"
    with refused("InvalidDBClusterAutomatedBackupStateFault"):
        rds.delete_db_cluster_automated_backup(DbClusterResourceId=resource_id)
    drop(rds, "kept", DeleteAutomatedBackups=False)
    gone(rds, "kept")
    listed = rds.describe_db_cluster_automated_backups(Filters=[{"Name": "status", "Values": ["retained"]}])
    (backup,) = [one for one in listed["DBClusterAutomatedBackups"] if one["DbClusterResourceId"] == resource_id]
    assert backup["RestoreWindow"]["EarliestTime"] <= backup["RestoreWindow"]["LatestTime"]
    rds.delete_db_cluster_automated_backup(DbClusterResourceId=resource_id)
    with refused("DBClusterAutomatedBackupNotFoundFault"):
        rds.delete_db_cluster_automated_backup(DbClusterResourceId=resource_id)


def test_tags_are_kept_on_clusters_instances_and_snapshots(stand: Stand) -> None:
    rds = stand.rds
    made = plain_cluster(rds, "tagged")
    arns = [made["DBClusterArn"], add_instance(rds, "tagged-1", of="tagged")["DBInstanceArn"]]
    rds.create_db_cluster_snapshot(DBClusterIdentifier="tagged", DBClusterSnapshotIdentifier="tagged-snapshot")
    settle_snapshot(rds, "tagged-snapshot")
    found = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="tagged-snapshot")["DBClusterSnapshots"]
    arns.append(found[0]["DBClusterSnapshotArn"])
    for arn in arns:
        rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "run", "Value": "1"}, {"Key": "x", "Value": "y"}])
        rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["x"])
        assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "run", "Value": "1"}]
    assert cluster(rds, "tagged")["TagList"] == [{"Key": "run", "Value": "1"}]


def test_a_cluster_is_found_by_name_arn_and_filter(stand: Stand) -> None:
    rds = stand.rds
    made = plain_cluster(rds, "findable")
    for name in ("findable", "FINDABLE", made["DBClusterArn"]):
        assert cluster(rds, name)["DbClusterResourceId"] == made["DbClusterResourceId"]
    by_filter = rds.describe_db_clusters(Filters=[{"Name": "db-cluster-id", "Values": ["findable"]}])["DBClusters"]
    assert [one["DBClusterIdentifier"] for one in by_filter] == ["findable"]
    assert rds.describe_db_clusters(Filters=[{"Name": "engine", "Values": ["postgres"]}])["DBClusters"] == []
    with refused("DBClusterNotFoundFault"):
        cluster(rds, "not-findable")


def test_roles_and_the_http_endpoint_have_calls_of_their_own(stand: Stand) -> None:
    """FACTS 1.4; API reference, AddRoleToDBCluster, EnableHttpEndpoint."""
    rds = stand.rds
    arn = plain_cluster(rds, "roles")["DBClusterArn"]
    for name in ("load", "unload"):
        rds.add_role_to_db_cluster(DBClusterIdentifier="roles", RoleArn=f"arn:aws:iam::123456789012:role/{name}")
    with refused("DBClusterRoleAlreadyExists"):
        rds.add_role_to_db_cluster(DBClusterIdentifier="roles", RoleArn="arn:aws:iam::123456789012:role/load")
    rds.remove_role_from_db_cluster(DBClusterIdentifier="roles", RoleArn="arn:aws:iam::123456789012:role/load")
    rds.enable_http_endpoint(ResourceArn=arn)
    found = cluster(rds, "roles")
    assert [one["RoleArn"].rpartition("/")[2] for one in found["AssociatedRoles"]] == ["unload"]
    assert found["HttpEndpointEnabled"] is True
    rds.disable_http_endpoint(ResourceArn=arn)
    assert cluster(rds, "roles")["HttpEndpointEnabled"] is False


def test_a_stopped_cluster_answers_nothing_until_it_is_started(stand: Stand) -> None:
    """API reference, StopDBCluster."""
    rds = stand.rds
    resource_id = plain_cluster(rds, "sleeper")["DbClusterResourceId"]
    add_instance(rds, "sleeper-1", of="sleeper")
    rds.stop_db_cluster(DBClusterIdentifier="sleeper")
    settle(rds, "sleeper", "stopped")
    assert instance(rds, "sleeper-1")["DBInstanceStatus"] == "stopped"
    assert resource_id not in data_of(stand).answering
    rds.start_db_cluster(DBClusterIdentifier="sleeper")
    settle(rds, "sleeper")
    assert resource_id in data_of(stand).answering
    with refused("InvalidDBClusterStateFault"):
        rds.start_db_cluster(DBClusterIdentifier="sleeper")


def test_default_groups_are_named_and_found_as_on_aws(stand: Stand) -> None:
    rds = stand.rds
    made = plain_cluster(rds, "defaults")
    assert made["DBClusterOptionGroupMemberships"][0]["DBClusterOptionGroupName"] == "default:aurora-mysql-8-0"
    (group,) = rds.describe_db_cluster_parameter_groups(DBClusterParameterGroupName=made["DBClusterParameterGroup"])[
        "DBClusterParameterGroups"
    ]
    assert group["DBParameterGroupFamily"] == "aurora-mysql8.0"
    (own,) = add_instance(rds, "defaults-1", of="defaults")["DBParameterGroups"]
    assert own["DBParameterGroupName"] == "default.aurora-mysql8.0"


def test_a_key_that_cannot_be_used_refuses_the_restore(stand: Stand) -> None:
    """API reference, RestoreDBClusterToPointInTime: KMSKeyNotAccessibleFault."""
    kms = stand.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    plain_cluster(stand.rds, "locked", StorageEncrypted=True, KmsKeyId=key)
    kms.disable_key(KeyId=key)
    with refused("KMSKeyNotAccessibleFault"):
        stand.rds.restore_db_cluster_to_point_in_time(
            DBClusterIdentifier="unlocked", SourceDBClusterIdentifier="locked", UseLatestRestorableTime=True
        )


def test_snapshots_are_copied_and_deleted_by_hand(stand: Stand) -> None:
    rds = stand.rds
    plain_cluster(rds, "copied")
    nightly = stand.plane.history.automated_snapshot("copied", at=datetime.now(UTC))
    rds.create_db_cluster_snapshot(DBClusterIdentifier="copied", DBClusterSnapshotIdentifier="one")
    with refused("DBClusterSnapshotAlreadyExistsFault"):
        rds.create_db_cluster_snapshot(DBClusterIdentifier="copied", DBClusterSnapshotIdentifier="one")
    settle_snapshot(rds, "one")
    rds.copy_db_cluster_snapshot(SourceDBClusterSnapshotIdentifier="one", TargetDBClusterSnapshotIdentifier="two")
    settle_snapshot(rds, "two")
    kinds = {
        kind: [
            one["DBClusterSnapshotIdentifier"]
            for one in rds.describe_db_cluster_snapshots(DBClusterIdentifier="copied", SnapshotType=kind)[
                "DBClusterSnapshots"
            ]
        ]
        for kind in ("automated", "manual")
    }
    assert kinds == {"automated": [nightly], "manual": ["one", "two"]}
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="one")
    with refused("DBClusterSnapshotNotFoundFault"):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="one")
    with refused("DBClusterNotFoundFault"):
        rds.create_db_cluster_snapshot(DBClusterIdentifier="nothing", DBClusterSnapshotIdentifier="three")
