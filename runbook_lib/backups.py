"""What AWS holds to go back to: snapshots, retained backups of deleted clusters, and what AWS Backup keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.clusters import ENGINE, Cluster, utc
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.looking import Seen, look_at_once
from runbook_lib.tags import tags_of
from runbook_lib.times import TimeWindow

DESCRIBE_SNAPSHOTS = declare("rds", "DescribeDBClusterSnapshots", items="DBClusterSnapshots")
LIST_RECOVERY_POINTS = declare("backup", "ListRecoveryPointsByResource", items="RecoveryPoints")
DESCRIBE_AUTOMATED_BACKUPS = declare("rds", "DescribeDBClusterAutomatedBackups", items="DBClusterAutomatedBackups")


@dataclass(frozen=True, kw_only=True)
class ClusterSnapshot:
    """One DB cluster snapshot. `kind` is AWS's word: automated, manual, awsbackup. `created` is aware UTC."""

    identifier: str
    arn: str
    cluster: str
    resource_id: str
    kind: str
    status: str
    created: datetime
    engine_version: str
    tags: Mapping[str, str]
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def is_usable(self) -> bool:
        """Tell whether AWS would restore from it now."""
        return self.status == "available"


@dataclass(frozen=True, kw_only=True)
class RetainedBackup:
    """The automated backup that outlives a deleted cluster; restored by `resource_id`, not by name."""

    cluster: str
    resource_id: str
    status: str
    window: TimeWindow | None
    retention_days: int
    engine_version: str
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class RecoveryPoint:
    """What AWS Backup keeps of a cluster: one moment, or every second since `created` where `is_continuous`."""

    name: str
    vault: str
    status: str
    created: datetime
    is_continuous: bool
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def is_usable(self) -> bool:
        """Tell whether AWS Backup would restore from it now."""
        return self.status in ("COMPLETED", "AVAILABLE")


@dataclass(frozen=True, kw_only=True)
class Held:
    """Everything AWS holds to go back to, or why it could not be looked at."""

    snapshots: Seen[ClusterSnapshot]
    retained: Seen[RetainedBackup]
    recovery_points: Seen[RecoveryPoint]


def look_at_backups(session: AwsSession, cluster: Cluster) -> Held:
    """Look at everything there is of a cluster. What the caller may not see is said so, never shown as none.

    Raises:
        CredentialsRefused: AWS does not know the caller any more.
    """
    for service in ("rds", "backup"):
        session.client(service)
    snapshots, retained, points = look_at_once(
        lambda: list_snapshots(session, cluster),
        lambda: list_retained_backups(session),
        lambda: list_recovery_points(session, cluster),
    )
    return Held(snapshots=snapshots, retained=retained, recovery_points=points)


def list_snapshots(session: AwsSession, cluster: Cluster) -> tuple[ClusterSnapshot, ...]:
    """Return the snapshots of an Aurora MySQL cluster, the oldest first.

    Snapshots still being made have no creation time yet and are left out.
    """
    found = [
        snapshot_from(entry)
        for entry in DESCRIBE_SNAPSHOTS.pages(session, DBClusterIdentifier=cluster.identifier)
        if entry.get("Engine") == ENGINE and entry.get("SnapshotCreateTime")
    ]
    return tuple(sorted(found, key=lambda snapshot: (snapshot.created, snapshot.identifier)))


def snapshots_of_type(session: AwsSession, kind: str) -> list[Mapping[str, Any]]:
    """Return every cluster snapshot of a region of one type (automated, manual, awsbackup), as AWS describes it.

    They are of any engine, with those that are still being made.
    """
    try:
        return list(DESCRIBE_SNAPSHOTS.pages(session, SnapshotType=kind))
    except InputRefused:
        if kind != "awsbackup":
            raise
        # AWS's reference names no such type; an AWS that refuses it has them in the list of everything
        return [entry for entry in DESCRIBE_SNAPSHOTS.pages(session) if entry.get("SnapshotType") != "automated"]


def snapshot_from(described: Mapping[str, Any]) -> ClusterSnapshot:
    """Read one entry of DescribeDBClusterSnapshots."""
    created = utc(described["SnapshotCreateTime"])
    assert created is not None
    return ClusterSnapshot(
        identifier=described["DBClusterSnapshotIdentifier"],
        arn=described.get("DBClusterSnapshotArn", ""),
        cluster=described.get("DBClusterIdentifier", ""),
        resource_id=described.get("DbClusterResourceId", ""),
        kind=described.get("SnapshotType", ""),
        status=described.get("Status", ""),
        created=created,
        engine_version=described.get("EngineVersion", ""),
        tags=tags_of(described),
        raw=described,
    )


def list_retained_backups(session: AwsSession) -> tuple[RetainedBackup, ...]:
    """Return the automated backups kept of clusters that were deleted."""
    found = []
    only = [{"Name": "status", "Values": ["retained"]}]  # at most 40 a region, however many clusters live
    for entry in DESCRIBE_AUTOMATED_BACKUPS.pages(session, Filters=only):
        # active ones are of living clusters, and so are those that are being created
        if entry.get("Engine") != ENGINE or entry.get("Status") != "retained":
            continue
        window = entry.get("RestoreWindow") or {}
        earliest, latest = utc(window.get("EarliestTime")), utc(window.get("LatestTime"))
        found.append(
            RetainedBackup(
                cluster=entry.get("DBClusterIdentifier", ""),
                resource_id=entry.get("DbClusterResourceId", ""),
                status=entry.get("Status", ""),
                window=TimeWindow(earliest=earliest, latest=latest) if earliest and latest else None,
                retention_days=int(entry.get("BackupRetentionPeriod") or 0),
                engine_version=entry.get("EngineVersion", ""),
                raw=entry,
            )
        )
    return tuple(found)


def _name_of(arn: str) -> str:
    """Return the name a restore takes: what AWS Backup keeps of a cluster is a snapshot, awsbackup:job-…"""
    return arn.partition(":cluster-snapshot:")[2] or arn.rpartition(":")[2]


def find_snapshot(session: AwsSession, name: str, *, account: str) -> ClusterSnapshot:
    """Read one snapshot by its name or ARN, AWS Backup's and those that another account shares too.

    `account` is the caller's: what is another's is shared, and AWS shows it only when that is asked for by ARN.

    Raises:
        NotFound: there is no such snapshot, or the caller may not see it.
        InputRefused: it is of another engine, or still being made.
    """
    shared = name.startswith("arn:") and name.split(":")[4:5] != [account]
    request: dict[str, Any] = {"DBClusterSnapshotIdentifier": name, **({"IncludeShared": True} if shared else {})}
    missing = NotFound(f'There is no snapshot "{name}".', hint="Take a name from inspect_backups.")
    try:
        found = DESCRIBE_SNAPSHOTS(session, **request).get("DBClusterSnapshots") or ()
    except NotFound as error:
        raise missing from error
    if not found:
        raise missing
    if found[0].get("Engine") != ENGINE:
        raise InputRefused(f'The snapshot "{name}" is not of Aurora MySQL.', hint="Take a name from inspect_backups.")
    if not found[0].get("SnapshotCreateTime"):
        raise InputRefused(f'The snapshot "{name}" is still being made.', hint="Wait until it is available.")
    return snapshot_from(found[0])


def list_recovery_points(session: AwsSession, cluster: Cluster) -> tuple[RecoveryPoint, ...]:
    """Return what AWS Backup keeps of a cluster, the oldest first."""
    found = []
    for entry in LIST_RECOVERY_POINTS.pages(session, ResourceArn=cluster.arn, ManagedByAWSBackupOnly=True):
        created = utc(entry.get("CreationDate"))
        arn = entry.get("RecoveryPointArn", "")
        if created:
            found.append(
                RecoveryPoint(
                    name=_name_of(arn),
                    vault=entry.get("BackupVaultName", ""),
                    status=entry.get("Status", ""),
                    created=created,
                    is_continuous=":continuous:" in arn,
                    raw=entry,
                )
            )
    return tuple(sorted(found, key=lambda point: (point.created, point.name)))
