"""What there is that can cost: clusters, snapshots of every kind, retained backups and restored copies of a region.

All Aurora engines are read, because AWS bills their backups under one usage type; a review then shows the clusters it
was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from typing import Any

from runbook_lib.aws import AwsSession
from runbook_lib.backups import (
    ClusterSnapshot,
    RetainedBackup,
    list_retained_backups,
    snapshot_from,
    snapshots_of_type,
)
from runbook_lib.clusters import DESCRIBE_CLUSTERS, Cluster, cluster_from, described_instances
from runbook_lib.costs.rule import begins_to_cost
from runbook_lib.errors import InputRefused
from runbook_lib.looking import Seen, look_at_once
from runbook_lib.tags import TAG_PREFIX
from runbook_lib.times import parse_timestamp

BY_HAND, AWS_BACKUP, COPIED, AUTOMATED = "by hand", "AWS Backup", "copied", "automated"


@dataclass(frozen=True, kw_only=True)
class Estate:
    """The Aurora clusters, snapshots and backups of a region as AWS describes them now.

    `instance_classes` gives the classes of each cluster's instances, by cluster identifier. `unseen` says what could
    not be looked at: then there may be more, and every sum is a least amount.
    """

    clusters: tuple[Cluster, ...]
    snapshots: tuple[ClusterSnapshot, ...]
    retained: tuple[RetainedBackup, ...]
    instance_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()

    @property
    def lists_all_snapshots(self) -> bool:
        """Tell whether every snapshot could be looked at."""
        return not any("snapshots" in text for text in self.unseen)

    @cached_property
    def by_name(self) -> dict[str, Cluster]:
        """The living clusters by their names."""
        return {cluster.identifier: cluster for cluster in self.clusters}

    @cached_property
    def by_resource_id(self) -> dict[str, Cluster]:
        """The living clusters by their resource ids, which a rename does not change."""
        return {cluster.resource_id: cluster for cluster in self.clusters if cluster.resource_id}

    @property
    def copies(self) -> tuple[Cluster, ...]:
        """The restored copies still alive: what a runbook made and tagged."""
        return tuple(cluster for cluster in self.clusters if cluster.is_ours)


def read_estate(session: AwsSession) -> Estate:
    """Read everything that can cost, in a handful of paged calls, several beside each other.

    AWS's own daily snapshots cost nothing and are read too: they tell the former names of a cluster that was renamed,
    which its metrics have, and how large the copies made of them are. What may not be read beside the clusters is said
    in `unseen`, never taken for nothing.

    Raises:
        AccessDenied: the clusters may not be described.
    """
    clusters = tuple(
        cluster_from(entry)
        for entry in DESCRIBE_CLUSTERS.pages(session)
        if str(entry.get("Engine", "")).startswith("aurora")
    )
    copied = [cluster.identifier for cluster in clusters if cluster.is_ours]
    daily, by_hand, of_backup, retained, instances = look_at_once(
        *(partial(snapshots_of_type, session, kind) for kind in ("automated", "manual", "awsbackup")),
        lambda: list_retained_backups(session),
        lambda: described_instances(session, copied).values(),
    )
    kinds: dict[str, Seen[Any]] = {
        "AWS's own daily snapshots": daily,
        "snapshots": by_hand,
        "AWS Backup's snapshots": of_backup,
        "retained automated backups": retained,
        "instances of restored copies": instances,
    }
    return Estate(
        clusters=clusters,
        snapshots=_snapshots([*daily, *by_hand, *of_backup]),
        retained=tuple(retained),
        instance_classes=_classes(instances),
        unseen=tuple(f"{kind} {seen.why_not}" for kind, seen in kinds.items() if seen.why_not),
    )


def _snapshots(entries: Iterable[Mapping[str, Any]]) -> tuple[ClusterSnapshot, ...]:
    found = {
        entry.get("DBClusterSnapshotArn") or entry["DBClusterSnapshotIdentifier"]: snapshot_from(entry)
        for entry in entries
        if str(entry.get("Engine", "")).startswith("aurora") and entry.get("SnapshotCreateTime")
    }
    return tuple(sorted(found.values(), key=lambda snapshot: (snapshot.created, snapshot.identifier)))


def _classes(instances: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in instances:
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

    A cluster keeps its resource id when it is renamed. A new cluster of the same name is another one: its window does
    not cover the old one's snapshots.
    """
    if snapshot.resource_id:
        found = estate.by_resource_id.get(snapshot.resource_id)
        namesake = estate.by_name.get(snapshot.cluster)
        return found or (namesake if namesake and not namesake.resource_id else None)
    return estate.by_name.get(snapshot.cluster)


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
