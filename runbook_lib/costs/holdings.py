"""Each snapshot with its size and the day it begins to cost: the part of the bill that grows by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from runbook_lib.backups import ClusterSnapshot
from runbook_lib.costs.estate import Estate, cluster_of, costs_from, origin
from runbook_lib.costs.usage import Grid, Usage


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One snapshot that somebody made. `size_gib` is None where nothing measured it.

    A snapshot is as large as the volume was on its day. DescribeDBClusterSnapshots has no such size: its
    AllocatedStorage is not an Aurora volume's.
    """

    snapshot: ClusterSnapshot
    origin: str
    costs_from: date
    size_gib: float | None
    sized_by: str
    of_living_cluster: bool

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


def holdings(estate: Estate, usage: Usage) -> tuple[Holding, ...]:
    """Work out the size and the first cost of every snapshot that can cost, the oldest first.

    The size is VolumeBytesUsed of the day it was taken. Where that day has none (older than the metrics), what the
    last settled day's SnapshotStorageUsed leaves over is shared out among the cluster's unmeasured snapshots.
    """
    rows = {name: row for row, name in enumerate(usage.clusters)}
    found = []
    for snapshot in estate.snapshots:
        begins = costs_from(snapshot, estate)
        if begins is None:
            continue
        size = _volume_on(usage, rows.get(snapshot.cluster), snapshot.created.date())
        found.append(
            Holding(
                snapshot=snapshot,
                origin=origin(snapshot),
                costs_from=begins,
                size_gib=size,
                sized_by="volume on its day" if size is not None else "",
                of_living_cluster=cluster_of(snapshot, estate) is not None,
            )
        )
    return _with_rest(found, usage, rows)


def listed_gib(held: tuple[Holding, ...], usage: Usage) -> Grid:
    """Add up, for each cluster and day, the snapshots of today's list that the rule bills on that day."""
    grid = np.zeros_like(usage.volume_gib)
    rows = {name: row for row, name in enumerate(usage.clusters)}
    for holding in held:
        row = rows.get(holding.snapshot.cluster)
        if row is not None and holding.size_gib is not None:
            grid[row, max(0, usage.column(holding.costs_from)) :] += holding.size_gib
    return grid


def _volume_on(usage: Usage, row: int | None, day: date) -> float | None:
    column = usage.column(day)
    if row is None or not 0 <= column < usage.volume_gib.shape[1]:
        return None
    # the day's own point, else the day before: a snapshot of a day not settled yet, or of a cluster's last hours
    for candidate in (column, column - 1):
        if candidate >= 0 and not np.isnan(usage.volume_gib[row, candidate]):
            return float(usage.volume_gib[row, candidate])
    return None


def _with_rest(found: list[Holding], usage: Usage, rows: dict[str, int]) -> tuple[Holding, ...]:
    column = min(usage.column(usage.settled), usage.snapshot_gib.shape[1] - 1)
    day = usage.days[column]
    rest: dict[str, float] = {}
    unmeasured: dict[str, int] = {}
    for holding in found:
        if not holding.costs_on(day):
            continue
        name = holding.snapshot.cluster
        rest[name] = rest.get(name, 0.0) - (holding.size_gib or 0.0)
        unmeasured[name] = unmeasured.get(name, 0) + (holding.size_gib is None)
    shares: dict[str, float] = {}
    for name, count in unmeasured.items():
        measured = float(usage.snapshot_gib[rows[name], column]) if name in rows else float("nan")
        left = measured + rest[name]
        if count and left > 0:
            shares[name] = left / count
    return tuple(
        _sized(holding, shares.get(holding.snapshot.cluster))
        if holding.size_gib is None and holding.costs_on(day)
        else holding
        for holding in found
    )


def _sized(holding: Holding, size_gib: float | None) -> Holding:
    if size_gib is None:
        return holding
    return Holding(
        snapshot=holding.snapshot,
        origin=holding.origin,
        costs_from=holding.costs_from,
        size_gib=size_gib,
        sized_by="share of what the metric leaves over",
        of_living_cluster=holding.of_living_cluster,
    )
