"""Each snapshot with its size and the day it begins to cost: the part of the bill that grows by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from runbook_lib.backups import ClusterSnapshot
from runbook_lib.costs.estate import COPIED, Estate, cluster_of, costs_from, origin
from runbook_lib.costs.lineage import Lineage, key_of
from runbook_lib.costs.usage import Grid, Usage

_LOOKED_BACK = 35  # days over which the metric must leave the same over for unmeasured snapshots
_STEADY = 1e-3


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One snapshot that somebody made. `size_gib` is None where nothing measured it.

    A snapshot is as large as the volume was on its day. DescribeDBClusterSnapshots has no such size: its
    AllocatedStorage is not an Aurora volume's. `label` is its cluster's; `metered_with` is the cluster whose metrics it
    is in, which is another one where it was copied here and a namesake of its source lives here.
    """

    snapshot: ClusterSnapshot
    origin: str
    costs_from: date
    size_gib: float | None
    sized_by: str
    of_living_cluster: bool
    label: str = ""
    metered_with: str = ""

    @property
    def name(self) -> str:
        """The snapshot's identifier."""
        return self.snapshot.identifier

    def costs_on(self, day: date) -> bool:
        """Tell whether it is billed on a day."""
        return day >= self.costs_from

    def usd_month(self, usd_gib_month: float) -> float | None:
        """Return what it costs a month once it is outside the window."""
        return None if self.size_gib is None else self.size_gib * usd_gib_month


def holdings(estate: Estate, usage: Usage, who: Sequence[Lineage]) -> tuple[Holding, ...]:
    """Work out the size and the first cost of every snapshot that can cost, the oldest first.

    The size is VolumeBytesUsed of the day it was taken, of a copy that of the snapshot it was copied from. Where
    nothing tells it (older than the metrics, copied from elsewhere), what SnapshotStorageUsed leaves over is shared out
    among the unmeasured snapshots of that metric.
    """
    rows = {lineage.resource_id: row for row, lineage in enumerate(who)}
    by_arn = {snapshot.arn: snapshot for snapshot in estate.snapshots if snapshot.arn}
    namesakes = {name: lineage.label for lineage in reversed(who) if not lineage.copied_from for name in lineage.names}
    found = []
    for snapshot in estate.snapshots:
        begins, row = costs_from(snapshot, estate), rows.get(key_of(snapshot, estate))
        if begins is None or row is None:
            continue
        size = _size(usage, row, snapshot, by_arn)
        lineage = who[row]
        found.append(
            Holding(
                snapshot=snapshot,
                origin=origin(snapshot),
                costs_from=begins,
                size_gib=size,
                sized_by="volume on its day" if size is not None else "",
                of_living_cluster=cluster_of(snapshot, estate) is not None,
                label=lineage.label,
                metered_with=namesakes.get(snapshot.cluster, lineage.label) if lineage.copied_from else lineage.label,
            )
        )
    strangers = {
        lineage.label
        for row, lineage in enumerate(who)
        if lineage.is_stranger and not (np.isnan(usage.volume_gib[row]) & np.isnan(usage.used_gib[row])).all()
    }
    return _with_rest(found, usage, strangers)


def listed_gib(held: tuple[Holding, ...], usage: Usage) -> Grid:
    """Add up, for each cluster and day, the snapshots of today's list that the rule bills on that day."""
    grid = np.zeros_like(usage.volume_gib)
    rows = {name: row for row, name in enumerate(usage.clusters)}
    for holding in held:
        row = rows.get(holding.label)
        if row is not None and holding.size_gib is not None:
            grid[row, max(0, usage.column(holding.costs_from)) :] += holding.size_gib
    return grid


def _size(usage: Usage, row: int, snapshot: ClusterSnapshot, by_arn: Mapping[str, ClusterSnapshot]) -> float | None:
    if origin(snapshot) == COPIED:
        source = by_arn.get(str(snapshot.raw.get("SourceDBClusterSnapshotArn")))
        if source is None or origin(source) == COPIED:
            return None
        snapshot = source
    column = usage.column(snapshot.created.date())
    if not 0 <= column < usage.volume_gib.shape[1]:
        return None
    between = _between(usage.volume_gib[row], column)
    if between is not None:
        return between
    # a snapshot of a day not settled yet, or of a cluster's last hours, is as large as the volume was the day before
    before = float(usage.volume_gib[row, column - 1]) if column else np.nan
    return None if np.isnan(before) else before


def _between(volume: Grid, column: int) -> float | None:
    """Return the size of a day, in a gap between the points on both sides: a volume does not jump there and back."""
    if not np.isnan(volume[column]):
        return float(volume[column])
    known = np.flatnonzero(~np.isnan(volume))
    if not len(known) or column < known[0] or column > known[-1]:
        return None
    return float(np.interp(column, known, volume[known]))


def _with_rest(found: list[Holding], usage: Usage, strangers: Collection[str]) -> tuple[Holding, ...]:
    """Share what the metric leaves over among the snapshots that nothing measured.

    Of `strangers`, clusters that had a name here and of which nothing else is known, the snapshots may be in it too.

    The metric also has snapshots that were deleted since. Where what it leaves over has moved in the last weeks (the
    days that are not settled yet are looked at too), or was there before these began to cost, some were, and nobody can
    tell how much is whose: then the size is not known.
    """
    rows = {name: row for row, name in enumerate(usage.clusters)}
    last = min(usage.column(usage.settled), usage.snapshot_gib.shape[1] - 1)
    by_meter: dict[str, list[Holding]] = {}
    for holding in found:
        by_meter.setdefault(holding.metered_with, []).append(holding)
    shares: dict[str, float] = {}
    for name, own in by_meter.items():
        unmeasured = [holding for holding in own if holding.size_gib is None and holding.costs_on(usage.days[last])]
        if len({holding.label for holding in unmeasured}) != 1 or name not in rows or name in strangers:
            continue  # nothing to share, or things that are no kin
        left = usage.snapshot_gib[rows[name]].copy()
        for holding in own:
            if holding.size_gib is not None:
                left[max(0, usage.column(holding.costs_from)) :] -= holding.size_gib
        begins = [max(0, usage.column(holding.costs_from)) for holding in unmeasured]
        now = _known(left[max(last - _LOOKED_BACK + 1, *begins) :])
        before = _known(left[max(0, min(begins) - _LOOKED_BACK) : min(begins)])
        if not len(now) or now[-1] <= 0 or np.ptp(now) > _STEADY * now[-1]:
            continue
        if len(before) and abs(before[-1]) > _STEADY * now[-1]:
            continue
        shares |= {holding.snapshot.arn or holding.name: float(now[-1]) / len(unmeasured) for holding in unmeasured}
    shared = "share of what the metric leaves over"
    return tuple(
        replace(holding, size_gib=shares[key], sized_by=shared)
        if holding.size_gib is None and (key := holding.snapshot.arn or holding.name) in shares
        else holding
        for holding in found
    )


def _known(part: Grid) -> Grid:
    return part[~np.isnan(part)]
