"""Every name that inspect_backups shows leads to a restore; what AWS would refuse is refused before the call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from runbook_lib.aws import AwsSession, connect
from runbook_lib.backups import DESCRIBE_SNAPSHOTS, list_retained_backups, look_at_backups
from runbook_lib.clusters import find_cluster
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.restore import Choices, apply, propose
from runbook_lib.restore.origins import from_snapshot, read_origin
from runbook_lib.times import AskedTime, utc_now
from tests import builders
from tests.control_support import (
    MemoryData,
    Stand,
    add_instance,
    plain_cluster,
    stand_in,
)

LATEST = AskedTime(text="latest", moment=None)
THEIRS = "arn:aws:rds:ap-northeast-1:999999999999:cluster-snapshot:theirs"


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Return an AWS with one cluster and servers behind it."""
    with stand_in(data=MemoryData()) as running, running.plane.in_environment():
        plain_cluster(running.rds, "prod")
        add_instance(running.rds, "prod-1", of="prod")
        yield running


@pytest.fixture
def session(stand: Stand) -> AwsSession:
    return connect()


def test_what_aws_backup_keeps_is_restored_by_the_name_that_is_shown(stand: Stand, session: AwsSession) -> None:
    """AWS Backup Developer Guide: a recovery point of a cluster is the snapshot awsbackup:job-…"""
    source = find_cluster(session, "prod")
    assert stand.data is not None
    stand.data.snapshots["kept"] = source.resource_id
    made = stand.plane.recovery_point("prod", at=utc_now() - timedelta(hours=3), data_id="kept")
    (shown,) = look_at_backups(session, source).recovery_points
    assert shown.name == made
    assert shown.name.startswith("awsbackup:job-")
    mark = len(stand.plane.requests)
    plan = propose(session, source, asked=LATEST, now=utc_now(), choices=Choices(restore_from=shown.name))
    reads = [str(request) for request in list(stand.plane.requests)[mark:]]
    assert reads.count("rds:DescribeDBClusterSnapshots") == 1  # by its name, not every snapshot there is
    applied = apply(session, plan, approve=plan.id)
    assert applied.changed[0] == plan.target
    arn = plan.calls[0].request["SnapshotIdentifier"]
    again = propose(session, source, asked=LATEST, now=utc_now(), choices=Choices(restore_from=arn))
    assert again.id == plan.id


def test_a_snapshot_is_its_clusters_by_the_resource_id_not_by_the_name() -> None:
    snapshot = builders.snapshot(created=builders.NOW - timedelta(days=1))
    taken = {"DbClusterResourceId": "cluster-OLDER", "DBClusterSnapshotArn": "arn:aws:rds:r:1:cluster-snapshot:s"}
    older = builders.snapshot_from({**snapshot.raw, **taken})
    assert from_snapshot(older, cluster=builders.cluster()).note  # another cluster has the name now
    renamed = builders.cluster(DBClusterIdentifier="prod-damaged", DbClusterResourceId="cluster-OLDER")
    assert not from_snapshot(older, cluster=renamed, instances=[builders.instance()]).note


def test_a_shared_snapshot_is_asked_for_as_such_and_an_encrypted_one_is_copied_first(
    session: AwsSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    described = {
        "DBClusterSnapshotIdentifier": "theirs",
        "DBClusterSnapshotArn": THEIRS,
        "DBClusterIdentifier": "elsewhere",
        "Engine": "aurora-mysql",
        "EngineVersion": "8.0.mysql_aurora.3.08.2",
        "Status": "available",
        "SnapshotCreateTime": builders.NOW,
        "StorageEncrypted": True,
    }

    def answer(self: object, session: AwsSession, **request: Any) -> dict[str, Any]:
        asked.append(request)
        return {"DBClusterSnapshots": [described]}

    monkeypatch.setattr(type(DESCRIBE_SNAPSHOTS), "__call__", answer)
    with pytest.raises(InputRefused, match="restores only a copy") as refusal:
        read_origin(session, None, asked=LATEST, now=builders.NOW, restore_from=THEIRS)
    assert f"--source-db-cluster-snapshot-identifier {THEIRS}" in refusal.value.hint
    assert asked[0] == {"DBClusterSnapshotIdentifier": THEIRS, "IncludeShared": True}
    described["StorageEncrypted"] = False
    assert read_origin(session, None, asked=LATEST, now=builders.NOW, restore_from=THEIRS).source_arn == THEIRS


def test_a_shared_snapshot_is_found_by_its_arn_and_is_in_no_list_of_ones_own(stand: Stand, session: AwsSession) -> None:
    """RDS API reference, DescribeDBClusterSnapshots: without IncludeShared they are not there."""
    source = find_cluster(session, "prod")
    taken = utc_now() - timedelta(days=2)
    arn = stand.plane.history.shared_snapshot("prod", "from-the-vendor", at=taken, owner="999999999999")
    assert arn == THEIRS.replace("theirs", "from-the-vendor")
    assert arn not in {snapshot.arn for snapshot in look_at_backups(session, source).snapshots}
    plan = propose(session, source, asked=LATEST, now=utc_now(), choices=Choices(restore_from=arn, target="vendors"))
    assert plan.calls[0].request["SnapshotIdentifier"] == arn
    with pytest.raises(NotFound):
        read_origin(session, source, asked=LATEST, now=utc_now(), restore_from="from-the-vendor")


def test_a_name_that_is_nowhere_is_not_found(stand: Stand, session: AwsSession) -> None:
    for name in ("no-such-snapshot", THEIRS):
        with pytest.raises(NotFound):
            read_origin(session, find_cluster(session, "prod"), asked=LATEST, now=utc_now(), restore_from=name)


@pytest.mark.parametrize(
    ("status", "is_a_deleted_clusters"), [("retained", True), ("creating", False), ("active", False)]
)
def test_only_a_retained_backup_is_a_deleted_clusters(
    status: str, is_a_deleted_clusters: bool, session: AwsSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DescribeDBClusterAutomatedBackups: the backup of a cluster that is being made is "creating"."""
    row = {"Engine": "aurora-mysql", "Status": status, "DbClusterResourceId": "cluster-X"}
    monkeypatch.setattr(type(DESCRIBE_SNAPSHOTS), "pages", lambda *_, **__: iter([row]))
    assert bool(list_retained_backups(session)) is is_a_deleted_clusters


def test_what_is_not_encrypted_is_restored_encrypted(stand: Stand, session: AwsSession) -> None:
    """Since 2026-02-18: StorageEncryptionType none becomes sse-rds, without a key that is named."""
    source = find_cluster(session, "prod")
    assert source.raw["StorageEncryptionType"] == "none"
    plan = propose(session, source, asked=LATEST, now=utc_now(), choices=Choices(target="encrypted"))
    apply(session, plan, approve=plan.id)
    copy = find_cluster(session, "encrypted")
    assert (copy.raw["StorageEncrypted"], copy.raw["StorageEncryptionType"]) == (True, "sse-rds")
    assert "KmsKeyId" not in copy.raw
