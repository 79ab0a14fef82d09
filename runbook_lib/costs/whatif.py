"""What another retention, or snapshots in its place, would cost: at the change rate measured here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from runbook_lib.costs.amounts import Amounts, carried_forward
from runbook_lib.costs.holdings import Holding
from runbook_lib.costs.rule import LONGEST_RETENTION_DAYS, automated_backup
from runbook_lib.costs.usage import Grid

RETENTIONS = tuple(range(1, LONGEST_RETENTION_DAYS + 1))
GRID_RETENTIONS = (1, 3, 5, 7, 10, 14, 21, 28, 35)
GRID_KEPT = (0, 7, 14, 21, 30, 35, 60, 90)
_MEASURED_DAYS = 14  # the change rate is the median of the last two weeks: one big load does not make it


@dataclass(frozen=True, kw_only=True)
class Change:
    """How fast a cluster changes: GiB of change records a day, None where the metrics do not tell."""

    cluster: str
    volume_gib: float
    gib_a_day: float | None
    retention_days: int

    @property
    def part_a_day(self) -> float | None:
        """The part of the volume that changes a day."""
        return self.gib_a_day / self.volume_gib if self.gib_a_day is not None and self.volume_gib else None


@dataclass(frozen=True, kw_only=True)
class RetentionCost:
    """What a retention would cost a month: the automated backup, and the snapshots then outside the window."""

    retention_days: int
    automated_usd: float
    snapshots_usd: float

    @property
    def usd(self) -> float:
        """Both together."""
        return self.automated_usd + self.snapshots_usd


def changes(found: Amounts, retention_days: Sequence[int]) -> tuple[Change, ...]:
    """Measure each living cluster's change rate.

    The window needs its volume at the start plus a change record for each day, so the records of a day are on average
    (used − volume at the start) / retention. While the cap holds, the true rate is higher than this.
    """
    usage = found.usage
    volume = carried_forward(usage.volume_gib)
    last = found.last_column
    measured = []
    for row, name in enumerate(usage.clusters):
        if retention_days[row] and not np.isnan(usage.volume_gib[row, max(0, last - 1) : last + 1]).all():
            measured.append(
                Change(
                    cluster=name,
                    volume_gib=float(volume[row, last]),
                    gib_a_day=_records_a_day(usage.used_gib[row], volume[row], last, retention_days[row]),
                    retention_days=retention_days[row],
                )
            )
    return tuple(measured)


def _records_a_day(used: Grid, volume: Grid, last: int, retention: int) -> float | None:
    columns = np.arange(max(retention, last - _MEASURED_DAYS + 1), last + 1)
    rates = (used[columns] - volume[columns - retention]) / retention
    known = rates[~np.isnan(rates)]
    return max(0.0, float(np.median(known))) if len(known) else None


def retention_costs(
    found: Amounts, held: Sequence[Holding], rates: Sequence[Change], *, usd_gib_month: float
) -> dict[str, tuple[RetentionCost, ...]]:
    """Work out what each cluster of `rates` would cost a month at each retention from 1 to 35 days.

    Snapshots are those there are today; the volume at a window's start is the measured one. A cluster whose change
    rate is not known is left out.
    """
    volume = carried_forward(found.usage.volume_gib)
    rows = {name: row for row, name in enumerate(found.usage.clusters)}
    last, day = found.last_column, found.usage.settled
    by_cluster: dict[str, list[Holding]] = {}
    for holding in held:
        by_cluster.setdefault(holding.snapshot.cluster, []).append(holding)
    return {
        rate.cluster: tuple(
            RetentionCost(
                retention_days=days,
                automated_usd=_automated_gib(rate, volume[rows[rate.cluster]], last, days) * usd_gib_month,
                snapshots_usd=_outside_gib(by_cluster.get(rate.cluster, ()), day, days) * usd_gib_month,
            )
            for days in RETENTIONS
        )
        for rate in rates
        if rate.gib_a_day is not None
    }


def together(costs: Iterable[Sequence[RetentionCost]]) -> tuple[RetentionCost, ...]:
    """Add up several clusters' costs at each retention."""
    every = list(costs)
    return tuple(
        RetentionCost(
            retention_days=days,
            automated_usd=sum(own[index].automated_usd for own in every),
            snapshots_usd=sum(own[index].snapshots_usd for own in every),
        )
        for index, days in enumerate(RETENTIONS)
    )


def _outside_gib(held: Sequence[Holding], day: date, retention_days: int) -> float:
    return sum(
        holding.size_gib or 0.0
        for holding in held
        if not holding.of_living_cluster or (day - holding.snapshot.created.date()).days >= retention_days
    )


def _automated_gib(rate: Change, volume: Grid, last: int, days: int) -> float:
    start = float(volume[max(0, last - days)])
    before = start if not np.isnan(start) else rate.volume_gib
    used = before + (rate.gib_a_day or 0.0) * days
    return automated_backup(used_gib=used, volume_gib=rate.volume_gib, retention_days=days).billed_gib()


@dataclass(frozen=True, kw_only=True, eq=False)
class ProtectionGrid:
    """Dollars a month of a retention (rows) with a daily snapshot kept so many days (columns).

    `today` is where the clusters are: their retention, weighed by size, and how long daily snapshots would have to be
    kept to give the snapshots billed today.
    """

    retentions: tuple[int, ...]
    kept: tuple[int, ...]
    usd: Grid
    today: tuple[float, float]
    volume_gib: float
    gib_a_day: float


def protection_grid(found: Amounts, rates: Sequence[Change], *, usd_gib_month: float) -> ProtectionGrid:
    """Set snapshots kept against retention, for all clusters of `rates` taken together."""
    volume = sum(rate.volume_gib for rate in rates)
    records = sum(rate.gib_a_day or 0.0 for rate in rates)
    rows = [found.usage.row(rate.cluster) for rate in rates]
    billed = float(found.last_settled(found.snapshot_gib)[rows].sum()) if rows else 0.0
    retention = sum(rate.retention_days * rate.volume_gib for rate in rates) / volume if volume else 0.0
    usd = np.array(
        [[_combined_gib(volume, records, days, kept) * usd_gib_month for kept in GRID_KEPT] for days in GRID_RETENTIONS]
    )
    return ProtectionGrid(
        retentions=GRID_RETENTIONS,
        kept=GRID_KEPT,
        usd=usd,
        today=(retention, retention + billed / volume if billed and volume else 0.0),
        volume_gib=volume,
        gib_a_day=records,
    )


def _combined_gib(volume: float, records: float, retention: int, kept: int) -> float:
    automated = automated_backup(used_gib=volume + records * retention, volume_gib=volume, retention_days=retention)
    return automated.billed_gib() + max(0, kept - retention) * volume


def cheaper_retention(costs: Sequence[RetentionCost], *, today: int) -> RetentionCost | None:
    """Return the longer retention that costs less than today's because it makes snapshots free, if there is one.

    A shorter one is never proposed: it takes protection away.
    """
    now = next((cost for cost in costs if cost.retention_days == today), None)
    longer = [cost for cost in costs if now and cost.retention_days > today and cost.usd < now.usd - 0.005]
    return min(longer, key=lambda cost: cost.usd) if longer else None
