"""Who is who: a cluster by its resource id, through renames and cut-overs, with the metrics that were its own.

CloudWatch names a cluster by its identifier of the day; snapshots keep the resource id (Amazon RDS API reference,
DBClusterSnapshot). A name may have belonged to several clusters one after the other: each day belongs to one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runbook_lib.backups import ClusterSnapshot
from runbook_lib.clusters import Cluster, utc
from runbook_lib.costs.estate import Estate
from runbook_lib.costs.usage import Grid, Usage
from runbook_lib.tags import TAG_PREFIX

_STRANGER = "before:"


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """One cluster, living or gone. `names` are the identifiers it had, the latest last; `label` is how it is shown.

    `created` is None where AWS no longer says it. `copied_from` names the region or account of a cluster that is known
    only by snapshots copied from there. `evident` is the day of the first snapshot or backup that it left. `within`
    names the cluster in whose metrics these snapshots are, where nobody can tell them apart.
    """

    label: str
    resource_id: str
    names: tuple[str, ...]
    cluster: Cluster | None = field(repr=False)
    created: date | None
    evident: date | None = None
    copied_from: str = ""
    within: str = ""

    @property
    def retention_days(self) -> int:
        """Its retention today, 0 where it is gone."""
        return self.cluster.retention_days if self.cluster else 0

    @property
    def lives(self) -> bool:
        """Tell whether the cluster exists."""
        return self.cluster is not None

    @property
    def is_stranger(self) -> bool:
        """Tell whether it is known by points of a name alone: nobody can tell which snapshots it left."""
        return self.resource_id.startswith(_STRANGER)


def lineages(estate: Estate) -> tuple[Lineage, ...]:
    """Find every cluster of the region that metrics may exist for: the living, and those that left something."""
    left: dict[str, list[ClusterSnapshot]] = {}
    for snapshot in estate.snapshots:
        left.setdefault(key_of(snapshot, estate), []).append(snapshot)
    found = [_living(cluster, left.pop(_key(cluster), ())) for cluster in estate.clusters]
    taken = {lineage.label for lineage in found}
    retained = {backup.resource_id or f"name:{backup.cluster}": backup for backup in estate.retained}
    alive = {lineage.resource_id for lineage in found}
    for key in dict.fromkeys([*left, *(key for key in retained if key not in alive)]):
        snapshots, backup = left.get(key, []), retained.get(key)
        names = dict.fromkeys([*(snapshot.cluster for snapshot in snapshots), *([backup.cluster] if backup else ())])
        origins = {copied_from(snapshot) for snapshot in snapshots}
        origin = min(origins) if origins and all(origins) and not backup else ""
        name, what = list(names)[-1], f"copied from {origin}" if origin else "gone"
        label = f"{name} ({what})" if origin or name in taken else name  # what is of elsewhere always says so
        label = label if label not in taken else f"{name} ({key[-6:]}, {what})"
        taken.add(label)
        days = [snapshot.created.date() for snapshot in snapshots]
        days += [backup.window.earliest.date()] if backup and backup.window else []
        found.append(
            Lineage(
                label=label,
                resource_id=key,
                names=tuple(names),
                cluster=None,
                created=None if origin else _made([*(s.raw for s in snapshots), *([backup.raw] if backup else ())]),
                evident=min(days, default=None),
                copied_from=origin,
            )
        )
    return tuple(found)


def key_of(snapshot: ClusterSnapshot, estate: Estate) -> str:
    """Return the key of the cluster a snapshot was taken of: its resource id, or a name where AWS gives none."""
    if snapshot.resource_id:
        return snapshot.resource_id
    namesake = estate.by_name.get(snapshot.cluster)
    return _key(namesake) if namesake else f"name:{snapshot.cluster}"


def copied_from(snapshot: ClusterSnapshot) -> str:
    """Return the region, or in the same region the account, that a snapshot was copied from; empty for its own."""
    source, own = (str(arn).split(":") for arn in (snapshot.raw.get("SourceDBClusterSnapshotArn") or "", snapshot.arn))
    if len(source) < 6 or len(own) < 6 or source[3:5] == own[3:5]:
        return ""
    return source[3] if source[3] != own[3] else f"account {source[4]}"


def _key(cluster: Cluster) -> str:
    return cluster.resource_id or f"name:{cluster.identifier}"


def _living(cluster: Cluster, snapshots: Sequence[ClusterSnapshot]) -> Lineage:
    was = cluster.tags.get(f"{TAG_PREFIX}was", "")
    former = [*(snapshot.cluster for snapshot in snapshots), *([was] if was else ())]
    return Lineage(
        label=cluster.identifier,
        resource_id=_key(cluster),
        names=(*dict.fromkeys(name for name in former if name != cluster.identifier), cluster.identifier),
        cluster=cluster,
        created=cluster.created.date() if cluster.raw.get("ClusterCreateTime") else None,
        evident=min((snapshot.created.date() for snapshot in snapshots), default=None),
    )


def _made(described: Sequence[Mapping[str, Any]]) -> date | None:
    moments = [utc(entry.get("ClusterCreateTime")) for entry in described]
    return min((moment.date() for moment in moments if moment), default=None)


def attributed(usage: Usage, who: Sequence[Lineage]) -> tuple[Usage, tuple[Lineage, ...]]:
    """Give each day of each name's metrics to the cluster that had the name on that day.

    Points that belong to none of `who` are of an earlier cluster of that name, which gets a row of its own: they were
    billed. Every day a cluster is known to have cost or lived is `expected`, whether there is a point or not.
    """
    rows = {name: row for row, name in enumerate(usage.clusters)}
    points = _measured(usage)
    owners = _owners(usage, who, rows, points)
    parts: list[list[tuple[int, slice]]] = [[] for _ in who]
    before: list[tuple[str, int, int]] = []
    for name, owned in owners.items():
        stops = [start for start, _ in owned[1:]] + [points.shape[1]]
        free = owned[0][0] if owned else points.shape[1]
        for (start, index), stop in zip(owned, stops[-len(owned) :] if owned else (), strict=True):
            if start < stop:
                parts[index].append((rows[name], slice(start, stop)))
        if free and points[rows[name], :free].any():
            before.append((name, rows[name], free))
    earlier = [
        Lineage(label=f"{name} (an earlier cluster)", resource_id=f"{_STRANGER}{name}", names=(name,), cluster=None,
                created=None)
        for name, _, _ in before
    ]  # fmt: skip
    parts += [[(row, slice(0, stop))] for _, row, stop in before]
    everybody = (*who, *earlier)
    grids = _gathered(usage, parts)
    found = Usage(
        clusters=tuple(lineage.label for lineage in everybody),
        first=usage.first,
        settled=usage.settled,
        expected=np.zeros(grids["billed_gib"].shape, dtype=np.bool_),
        metrics_asked=usage.metrics_asked,
        **grids,
    )
    measured = _measured(found)
    for index, lineage in enumerate(everybody):
        found.expected[index] = _expected(lineage, found, measured[index])
    return found, everybody


_GRIDS = ("volume_gib", "used_gib", "snapshot_gib", "billed_gib")


def _measured(usage: Usage) -> NDArray[np.bool_]:
    """Mark the days on which a row has a point of any metric: whose it is was there, or had left something."""
    found: NDArray[np.bool_] = np.any([~np.isnan(getattr(usage, name)) for name in _GRIDS], axis=0)
    return found


def _owners(
    usage: Usage, who: Sequence[Lineage], rows: Mapping[str, int], points: NDArray[np.bool_]
) -> dict[str, list[tuple[int, int]]]:
    """Return who had each name from which column on, in order of time."""
    claims: dict[str, list[int]] = {}
    for index, lineage in enumerate(who):
        for name in lineage.names:
            claims.setdefault(name, []).append(index)
    owners = {}
    for name, claiming in claims.items():
        # a snapshot that was copied here has no series of its own: one of that name is somebody else's
        own = [index for index in claiming if not who[index].copied_from]
        starts = [(_since(who[index], name, usage, rows, points, claims), index) for index in own]
        owners[name] = sorted(starts, key=lambda entry: (entry[0], who[entry[1]].names[-1] == name))
    return owners


def _since(
    lineage: Lineage,
    name: str,
    usage: Usage,
    rows: Mapping[str, int],
    points: NDArray[np.bool_],
    claims: Mapping[str, list[int]],
) -> int:
    """Return the first column on which a name may be this cluster's."""
    since = max(0, usage.column(lineage.created)) if lineage.created else 0
    place = lineage.names.index(name)
    if place and len(claims[name]) > 1:
        former = np.flatnonzero(points[rows[lineage.names[place - 1]], since:])
        since += int(former[-1]) + 1 if len(former) else 0
    return since


def _gathered(usage: Usage, parts: Sequence[Sequence[tuple[int, slice]]]) -> dict[str, Grid]:
    """Put the rows of each cluster's names together: a size is the latest name's, amounts of several names add up.

    A name that a cluster no longer has may still be billed for snapshots. The sum is not known on a day that lacks the
    point of the name the cluster had: what is billed under another one is a part of it.
    """
    found = {name: np.full((len(parts), usage.billed_gib.shape[1]), np.nan) for name in _GRIDS}
    for index, pieces in enumerate(parts):
        for name in _GRIDS:
            grid, into = getattr(usage, name), found[name][index]
            for row, span in pieces:
                piece, known = grid[row, span], into[span]
                both = piece if name == "volume_gib" else known + piece
                into[span] = np.where(np.isnan(piece), known, np.where(np.isnan(known), piece, both))
        if len(pieces) > 1:
            lacking = _lacking(usage, pieces)
            for name in ("billed_gib", "snapshot_gib"):
                found[name][index, lacking[name]] = np.nan
    return found


def _lacking(usage: Usage, pieces: Sequence[tuple[int, slice]]) -> dict[str, NDArray[np.bool_]]:
    """Mark the days on which what is billed under one name is not all that a cluster of several names was billed.

    The name of a day is the one with a volume or a use, which only a living cluster has. Without either it may be the
    one before or the one after it, before the first of them any: then only a name that is billed on other names' days
    too leaves in doubt whether a point is the cluster's of the day.
    """
    rows, every = [row for row, _ in pieces], np.arange(usage.billed_gib.shape[1])
    owned = np.zeros((len(pieces), len(every)), dtype=np.bool_)
    for place, (_, span) in enumerate(pieces):
        owned[place, span] = True
    points = {name: owned & ~np.isnan(getattr(usage, name)[rows]) for name in _GRIDS}
    lives = points["volume_gib"] | points["used_gib"]
    named, certain = np.argmax(lives, axis=0), lives.any(axis=0)
    days = np.flatnonzero(certain)
    if not len(days):
        return {name: np.zeros(len(every), dtype=np.bool_) for name in _GRIDS}
    at = np.searchsorted(days, every, side="right")
    before = named[days[np.maximum(at - 1, 0)]]
    after = np.where(certain, before, named[days[np.minimum(at, len(days) - 1)]])
    known = (before == after) & (at > 0)  # before the first of these days nothing tells the name
    elsewhere = points["billed_gib"] & certain & (np.arange(len(pieces))[:, None] != named)
    doubtful = {name: (point & elsewhere.any(axis=1)[:, None]).any(axis=0) for name, point in points.items()}
    return {name: (~point[before, every] | ~point[after, every]) & (known | doubtful[name])
            for name, point in points.items()}  # fmt: skip


def _expected(lineage: Lineage, usage: Usage, measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the days on which AWS must have billed or measured something of a cluster: it has the points `measured`."""
    known = np.flatnonzero(measured)
    days = np.zeros(len(measured), dtype=np.bool_)
    starts = [usage.column(day) for day in (lineage.created, None if lineage.created else lineage.evident) if day]
    starts += [int(known[0])] if len(known) else []
    if lineage.cluster and not starts:
        starts = [usage.column(lineage.cluster.window.earliest.date()) if lineage.cluster.window else 0]
    if not starts:
        return days
    lasts = lineage.lives or lineage.evident is not None
    days[max(0, min(starts)) : None if lasts else int(known[-1]) + 1 if len(known) else 0] = True
    return days
