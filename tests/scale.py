"""An account as large as they come, on the stand-in: clusters, instances, snapshots and events, without a call."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from runbook_lib.rehearsal.control import ControlPlane
from runbook_lib.rehearsal.control.aurora.clusters import register
from runbook_lib.rehearsal.control.aurora.models import Instance, Snapshot

KINDS = ("automated", "automated", "automated", "manual", "awsbackup")


def fill(
    plane: ControlPlane, *, now: datetime, clusters: int = 1_000, snapshots: int = 20_000, events: int = 9_000
) -> None:
    """Enter so many clusters of an instance each, snapshots of every kind, and events of the last two days.

    Every hundredth event is a snapshot that was deleted.
    """
    rds = plane.rds
    names = [f"team-{number:04}" for number in range(clusters)]
    with rds.world.lock:
        for name in names:
            _cluster(rds, name, now)
        for number in range(snapshots):
            turn, part = divmod(number, len(KINDS))
            of, kind = rds.cluster(names[turn % clusters]), KINDS[part]
            at = now - timedelta(days=1 + turn // clusters, hours=part)
            name = f"rds:{of.db_cluster_identifier}-{at:%Y-%m-%d-%H-%M}" if kind == "automated" else f"kept-{number}"
            rds.cluster_snapshots[name] = Snapshot(rds, of, name, snapshot_type=kind, at=at)
        kept = [*rds.cluster_snapshots.values()]
        for number in range(events):
            at = now - timedelta(hours=30) * (number / events)
            if number % 100 == 0:
                rds.record(kept[number % len(kept)], "Deleted manual snapshot", "deletion", at=at)
            else:
                rds.record(rds.cluster(names[number % clusters]), "The backup is complete.", "backup", at=at)


def _cluster(rds: Any, name: str, now: datetime) -> None:
    settings = {"engine": "aurora-mysql", "master_username": "admin", "master_user_password": "not-ours-1"}
    made = register(rds, {**settings, "backup_retention_period": 7, "db_cluster_identifier": name})
    made.created = made.cluster_create_time = now - timedelta(days=90)
    made.backups_since, made.status = made.created, "available"
    member = Instance(
        rds,
        {
            "db_instance_identifier": f"{name}-1",
            "db_cluster_identifier": name,
            "db_instance_class": "db.r6g.large",
            "engine": "aurora-mysql",
        },
    )
    member.status = "available"
    rds.databases[f"{name}-1"] = member
