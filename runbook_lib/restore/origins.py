"""What a restore starts from: a second of a living cluster, a snapshot, or the retained backup of a deleted cluster.

Each names the AWS call that begins the restore, and what is known of the settings to carry over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook_lib.aws import AwsSession
from runbook_lib.backups import ClusterSnapshot, RetainedBackup, find_snapshot, list_retained_backups
from runbook_lib.clusters import ENGINE, Cluster, Instance, instances_of
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.times import AskedTime, utc_text

RESTORE_TO_TIME, RESTORE_FROM_SNAPSHOT = "RestoreDBClusterToPointInTime", "RestoreDBClusterFromSnapshot"
COPY_ON_WRITE = "copy-on-write"
_RESOURCE_ID = re.compile(r"cluster-[A-Z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the data comes from. `described` is the newest description of the settings there is.

    `instances` are described as AWS describes DBInstance, the writer first. `note` says what is not known.
    """

    operation: str
    request: Mapping[str, Any]
    source: str
    source_arn: str
    resource_id: str
    moment: datetime
    described: Mapping[str, Any] = field(repr=False)
    instances: tuple[Mapping[str, Any], ...] = field(repr=False)
    note: str = ""

    @property
    def is_of_a_gone_cluster(self) -> bool:
        """Tell whether the cluster is gone, as far as is known: then its name may be free."""
        return bool(self.note)


def from_time(cluster: Cluster, *, instances: Sequence[Instance], asked: AskedTime, now: datetime) -> Origin:
    """Start from a second of a living cluster.

    Raises:
        InputRefused: a moment outside the window, or AWS gives no window now.
    """
    if cluster.window is None:
        raise InputRefused(
            f'AWS gives no restorable times for "{cluster.identifier}" while it is {cluster.status}.',
            hint="Wait until the cluster is available, or choose another way back in inspect_backups.",
        )
    moment = cluster.window.resolve(asked, now=now)
    return Origin(
        operation=RESTORE_TO_TIME,
        request={
            "SourceDBClusterIdentifier": cluster.identifier,
            "RestoreType": "full-copy",
            "RestoreToTime": moment,
        },
        source=cluster.identifier,
        source_arn=cluster.arn,
        resource_id=cluster.resource_id,
        moment=moment,
        described=cluster.raw,
        instances=tuple(instance.raw for instance in instances),
    )


def from_clone(cluster: Cluster, *, instances: Sequence[Instance], now: datetime) -> Origin:
    """Start from a living cluster as it is: a copy-on-write clone, which shares its pages and takes no time.

    Source: Aurora User Guide, "Cloning a volume for an Amazon Aurora DB cluster".
    """
    return Origin(
        operation=RESTORE_TO_TIME,
        request={
            "SourceDBClusterIdentifier": cluster.identifier,
            "RestoreType": COPY_ON_WRITE,
            "UseLatestRestorableTime": True,
        },
        source=cluster.identifier,
        source_arn=cluster.arn,
        resource_id=cluster.resource_id,
        moment=now,
        described=cluster.raw,
        instances=tuple(instance.raw for instance in instances),
    )


def from_snapshot(snapshot: ClusterSnapshot, *, cluster: Cluster | None, instances: Sequence[Instance] = ()) -> Origin:
    """Start from a snapshot, with the settings of the cluster it is of, where that still lives.

    Raises:
        InputRefused: the snapshot cannot be used now.
    """
    if not snapshot.is_usable:
        raise InputRefused(
            f'The snapshot "{snapshot.identifier}" is {snapshot.status}.',
            hint="Wait until it is available, or choose another in inspect_backups.",
        )
    same = cluster if cluster and _is_of(snapshot, cluster) else None
    described = same.raw if same else _of_snapshot(snapshot)
    return Origin(
        operation=RESTORE_FROM_SNAPSHOT,
        request={
            # A snapshot restore takes the region's default version unless one is given
            # (RestoreDBClusterFromSnapshot, RDS API Reference).
            "SnapshotIdentifier": snapshot.arn or snapshot.identifier,
            "Engine": ENGINE,
            "EngineVersion": snapshot.engine_version,
        },
        source=snapshot.cluster,
        source_arn=snapshot.arn,
        resource_id=snapshot.resource_id,
        moment=snapshot.created.replace(microsecond=0),
        described=described,
        instances=tuple(instance.raw for instance in instances) if same else (),
        note="" if same else "The cluster is gone; a snapshot keeps no groups: check security and parameter groups.",
    )


def _is_of(snapshot: ClusterSnapshot, cluster: Cluster) -> bool:
    """Tell whether a snapshot is of that cluster: by its resource id, for a name may have been given to another."""
    if snapshot.resource_id and cluster.resource_id:
        return snapshot.resource_id == cluster.resource_id
    return snapshot.cluster == cluster.identifier


def _refuse_shared(snapshot: ClusterSnapshot, *, account: str) -> None:
    """Refuse what AWS refuses: an encrypted snapshot of another account is restored from a copy of one's own only.

    Source: Aurora User Guide, "Restoring from a DB cluster snapshot".
    """
    owner = snapshot.arn.split(":")[4] if snapshot.arn.count(":") > 4 else account
    if owner != account and snapshot.raw.get("StorageEncrypted") is not False:
        raise InputRefused(
            f'The snapshot "{snapshot.arn}" of account {owner} is encrypted: AWS restores only a copy of it.',
            hint="Copy it first, under a key of yours: `aws rds copy-db-cluster-snapshot "
            f"--source-db-cluster-snapshot-identifier {snapshot.arn} --target-db-cluster-snapshot-identifier NAME "
            "--kms-key-id KEY`. Then set `restore_from` to NAME.",
        )


def _of_snapshot(snapshot: ClusterSnapshot) -> dict[str, Any]:
    kept = ("Port", "KmsKeyId", "IAMDatabaseAuthenticationEnabled", "StorageType", "TagList", "MasterUsername")
    return {name: snapshot.raw[name] for name in kept if name in snapshot.raw}


def from_retained(backup: RetainedBackup, *, asked: AskedTime, now: datetime) -> Origin:
    """Start from a second of a deleted cluster, by its resource id.

    Raises:
        InputRefused: a moment outside the window that is still kept.
    """
    if backup.window is None:
        raise InputRefused(
            f'AWS names no restorable window for the deleted cluster "{backup.cluster}" ({backup.status}).',
            hint="Choose another way back in inspect_backups.",
        )
    moment = backup.window.resolve(asked, now=now)
    kept = (
        *("Port", "KmsKeyId", "IAMDatabaseAuthenticationEnabled", "StorageType", "BackupRetentionPeriod"),
        *("EngineVersion", "MasterUsername"),
    )
    return Origin(
        operation=RESTORE_TO_TIME,
        request={
            "SourceDbClusterResourceId": backup.resource_id,
            "RestoreType": "full-copy",
            "RestoreToTime": moment,
        },
        source=backup.cluster,
        source_arn=str(backup.raw.get("DBClusterAutomatedBackupsArn", "")),
        resource_id=backup.resource_id,
        moment=moment,
        described={name: backup.raw[name] for name in kept if name in backup.raw},
        instances=(),
        note="The cluster is gone; its backup keeps no groups: check security and parameter groups.",
    )


def read_origin(
    session: AwsSession, cluster: Cluster | None, *, asked: AskedTime, now: datetime, restore_from: str = ""
) -> Origin:
    """Read what the restore starts from: the cluster's own past unless something else is named.

    `restore_from` is a snapshot's name or ARN (AWS Backup's, "awsbackup:job-…", and shared ones too), or the resource
    id ("cluster-ABC…") of a deleted cluster's retained backup. No snapshot's name can be taken for one: RDS writes
    resource ids in capitals, names in small letters.

    Raises:
        NotFound: there is no such snapshot or retained backup.
        InputRefused: it cannot be used, or nothing was named.
    """
    if _RESOURCE_ID.fullmatch(restore_from):
        for backup in list_retained_backups(session):
            if backup.resource_id == restore_from:
                return from_retained(backup, asked=asked, now=now)
        raise NotFound(
            f'There is no retained backup of a deleted cluster with the resource id "{restore_from}".',
            hint="Take the resource id from inspect_backups.",
        )
    if restore_from:
        account = session.identity().account
        snapshot = find_snapshot(session, restore_from, account=account)
        _refuse_shared(snapshot, account=account)
        same = cluster if cluster and _is_of(snapshot, cluster) else None
        return from_snapshot(snapshot, cluster=same, instances=instances_of(session, same) if same else ())
    if cluster is None:
        raise InputRefused("No cluster was named.", hint="Set `cluster`, or `restore_from`.")
    return from_time(cluster, instances=instances_of(session, cluster), asked=asked, now=now)


def origin_text(origin: Origin) -> str:
    """Say in a line what the data comes from."""
    if origin.operation == RESTORE_FROM_SNAPSHOT:
        return f"the snapshot {origin.request['SnapshotIdentifier']} of {utc_text(origin.moment)}"
    if "SourceDbClusterResourceId" in origin.request:
        return f"the retained backup of the deleted cluster {origin.source}"
    if origin.request.get("RestoreType") == COPY_ON_WRITE:
        return f"{origin.source} as it is when the clone is made"
    return f"the automated backups of {origin.source}"
