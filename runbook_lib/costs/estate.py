"""What there is that can cost: clusters, snapshots of every kind, retained backups and restored copies of a region.

All Aurora engines are read, because AWS bills their backups under one usage type; a review then shows the clusters it
was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from runbook_lib.aws import AwsSession
from runbook_lib.backups import (
    DESCRIBE_SNAPSHOTS,
    ClusterSnapshot,
    RetainedBackup,
    list_retained_backups,
    snapshot_from,
)
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES, TAG_PREFIX, Cluster, cluster_from
from runbook_lib.costs.rule import begins_to_cost
from runbook_lib.errors import InputRefused
from runbook_lib.times import parse_timestamp

BY_HAND, AWS_BACKUP, COPIED, AUTOMATED = "by hand", "AWS Backup", "copied", "automated"


@dataclass(frozen=True, kw_only=True)
class Estate:
    """The Aurora clusters, snapshots and backups of a region as AWS describes them now.

    `instance_classes` gives the classes of each cluster's instances, by cluster identifier.
    """

    clusters: tuple[Cluster, ...]
    snapshots: tuple[ClusterSnapshot, ...]
    retained: tuple[RetainedBackup, ...]
    instance_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every cluster name that metrics may exist for, also those of clusters that are gone."""
        living = [cluster.identifier for cluster in self.clusters]
        gone = [snapshot.cluster for snapshot in self.snapshots] + [backup.cluster for backup in self.retained]
        return tuple(dict.fromkeys([*living, *gone]))

    @property
    def by_name(self) -> dict[str, Cluster]:
        """The living clusters by their names."""
        return {cluster.identifier: cluster for cluster in self.clusters}

    @property
    def copies(self) -> tuple[Cluster, ...]:
        """The restored copies still alive: what a runbook made and tagged."""
        return tuple(cluster for cluster in self.clusters if cluster.is_ours)


def read_estate(session: AwsSession) -> Estate:
    """Read everything that can cost, in a handful of paged calls.

    Raises:
        AccessDenied: one of the Describe calls is not allowed.
    """
    clusters = tuple(
        cluster_from(entry)
        for entry in DESCRIBE_CLUSTERS.pages(session)
        if str(entry.get("Engine", "")).startswith("aurora")
    )
    copied = any(cluster.is_ours for cluster in clusters)
    return Estate(
        clusters=clusters,
        snapshots=_read_snapshots(session),
        retained=list_retained_backups(session),
        instance_classes=_read_instances(session) if copied else {},
    )


def _read_snapshots(session: AwsSession) -> tuple[ClusterSnapshot, ...]:
    entries = list(DESCRIBE_SNAPSHOTS.pages(session))
    # AWS's reference names only automated and manual as listed by default, so what AWS Backup made is asked for apart;
    # an AWS that refuses to know that type has listed everything already.
    with suppress(InputRefused):
        entries += DESCRIBE_SNAPSHOTS.pages(session, SnapshotType="awsbackup")
    found = {
        entry["DBClusterSnapshotArn"]: snapshot_from(entry)
        for entry in entries
        if str(entry.get("Engine", "")).startswith("aurora") and entry.get("SnapshotCreateTime")
    }
    return tuple(sorted(found.values(), key=lambda snapshot: (snapshot.created, snapshot.identifier)))


def _read_instances(session: AwsSession) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in DESCRIBE_INSTANCES.pages(session):
        if name := entry.get("DBClusterIdentifier"):
            found[name] = (*found.get(name, ()), entry.get("DBInstanceClass", ""))
    return found


def origin(snapshot: ClusterSnapshot) -> str:
    """Tell where a snapshot is from. Only AWS's own daily ones, `automated`, never cost anything."""
    if snapshot.kind == "automated":
        return AUTOMATED
    if snapshot.kind == "awsbackup" or snapshot.identifier.startswith("awsbackup:"):
        return AWS_BACKUP
    if any(name.startswith("aws:backup:") for name in snapshot.tags):
        return AWS_BACKUP
    return COPIED if snapshot.raw.get("SourceDBClusterSnapshotArn") else BY_HAND


def cluster_of(snapshot: ClusterSnapshot, estate: Estate) -> Cluster | None:
    """Return the living cluster a snapshot was taken of; None when that is gone.

    A new cluster of the same name is another one: its window does not cover the old one's snapshots.
    """
    cluster = estate.by_name.get(snapshot.cluster)
    if cluster is None or (snapshot.resource_id and snapshot.resource_id != cluster.resource_id):
        return None
    return cluster


def costs_from(snapshot: ClusterSnapshot, estate: Estate) -> date | None:
    """Return the first day a snapshot is billed; None for AWS's own, which never are."""
    if origin(snapshot) == AUTOMATED:
        return None
    cluster = cluster_of(snapshot, estate)
    return begins_to_cost(snapshot.created.date(), retention_days=cluster.retention_days if cluster else None)


def expires(copy: Cluster, *, now: datetime) -> datetime | None:
    """Return when a restored copy was to be deleted by its tag, None without one."""
    text = copy.tags.get(f"{TAG_PREFIX}expires", "")
    try:
        # read as if much later, because an expiry usually lies in the future, which a timestamp may not
        return parse_timestamp(text, now=now + timedelta(days=36_500)).moment if text else None
    except InputRefused:
        return None  # somebody wrote the tag by hand: shown as a copy without an expiry


def owner(tags: Mapping[str, str], owner_tag: str) -> str:
    """Return whom something belongs to by its tag, in whatever case the tag is written."""
    return next((value for name, value in tags.items() if name.lower() == owner_tag.lower()), "")
