"""Every way back to an asked moment, whether it reaches it, and what it loses. Pure functions of facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.backups import ClusterSnapshot, RetainedBackup
from runbook_lib.clusters import Cluster
from runbook_lib.errors import InputRefused
from runbook_lib.times import AskedTime, utc_text


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way back. `reaches` is the second it gives (aware UTC), None when it is out, and then `why_not` says why.

    `lost` is how much of the time before the asked moment it does not bring back.
    """

    name: str
    source: str
    reaches: datetime | None
    lost: timedelta = timedelta()
    why_not: str = ""
    note: str = ""


def ways_back(
    cluster: Cluster,
    *,
    snapshots: Sequence[ClusterSnapshot],
    retained: Sequence[RetainedBackup],
    asked: AskedTime,
    now: datetime,
) -> tuple[Way, ...]:
    """Give every way back to the asked moment, the usable ones first, the least loss first.

    Of each kind of snapshot only the newest from before the moment counts: any older one loses more.
    """
    ways = [_point_in_time(cluster, asked=asked, now=now)]
    before = [s for s in snapshots if asked.moment is None or s.created <= asked.moment]
    newest = {snapshot.kind: snapshot for snapshot in before if snapshot.is_usable}
    ways += [_from_snapshot(snapshot, asked=asked, now=now) for snapshot in newest.values()]
    if not newest:
        oldest = f"; the oldest is of {utc_text(snapshots[0].created)}" if snapshots else ""
        ways.append(
            Way(
                name="snapshot",
                source=cluster.identifier,
                reaches=None,
                why_not=f"there is no usable snapshot from before that moment{oldest}",
            )
        )
    # A retained backup is another cluster's data; it is a way back only for one that was deleted and made again.
    same = [backup for backup in retained if backup.cluster == cluster.identifier]
    ways += [_from_retained(backup, asked=asked, now=now) for backup in same]
    return tuple(sorted(ways, key=lambda way: (way.reaches is None, way.lost)))


def recommended(ways: Sequence[Way]) -> Way | None:
    """Give the way that loses least, None when none is usable. Ties go to the point-in-time restore."""
    usable = [way for way in ways if way.reaches is not None]
    return min(usable, key=lambda way: (way.lost, way.name != "point-in-time restore")) if usable else None


def _point_in_time(cluster: Cluster, *, asked: AskedTime, now: datetime) -> Way:
    name = "point-in-time restore"
    if cluster.window is None:
        return Way(
            name=name,
            source=cluster.identifier,
            reaches=None,
            why_not=f"AWS gives no restorable times while the cluster is {cluster.status}",
        )
    try:
        return Way(
            name=name,
            source=cluster.identifier,
            reaches=cluster.window.resolve(asked, now=now),
            note="a new cluster; the source stays as it is",
        )
    except InputRefused as refusal:
        return Way(name=name, source=cluster.identifier, reaches=None, why_not=str(refusal))


def _from_snapshot(snapshot: ClusterSnapshot, *, asked: AskedTime, now: datetime) -> Way:
    name = f"{snapshot.kind} snapshot"
    wanted = asked.moment or now
    return Way(
        name=name,
        source=snapshot.identifier,
        reaches=snapshot.created,
        lost=wanted - snapshot.created,
        note="a new cluster as of the snapshot",
    )


def _from_retained(backup: RetainedBackup, *, asked: AskedTime, now: datetime) -> Way:
    name = "retained backup of the deleted cluster of this name"
    if backup.window is None:
        return Way(name=name, source=backup.resource_id, reaches=None, why_not="AWS names no restorable window for it")
    try:
        reached = backup.window.resolve(asked, now=now)
    except InputRefused as refusal:
        return Way(name=name, source=backup.resource_id, reaches=None, why_not=str(refusal))
    lost = max(timedelta(), (asked.moment or now) - reached)
    note = "a new cluster; parameter groups are not kept with the backup"
    return Way(name=name, source=backup.resource_id, reaches=reached, lost=lost, note=note)
