"""What another retention, or snapshots in its place, would cost: at the change rate measured here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from runbook_lib.costs.amounts import Amounts, carried_forward
from runbook_lib.costs.holdings import Holding
from runbook_lib.costs.rates import Change
from runbook_lib.costs.rule import LONGEST_RETENTION_DAYS, automated_backup
from runbook_lib.costs.usage import Grid

RETENTIONS = tuple(range(1, LONGEST_RETENTION_DAYS + 1))
GRID_RETENTIONS = (1, 3, 5, 7, 10, 14, 21, 28, 35)
GRID_KEPT = (0, 7, 14, 21, 30, 35, 60, 90)


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


def retention_costs(
    found: Amounts, held: Sequence[Holding], rates: Sequence[Change], *, usd_gib_month: float
) -> dict[str, tuple[RetentionCost, ...]]:
    """Work out what each cluster of `rates` would cost a month at each retention from 1 to 35 days.

    Snapshots are those there are today; the volume at a window's start is the measured one, before the first known day
    the first known one. A cluster whose change rate is not known is left out, and so is one with a snapshot outside the
    window whose size nothing tells: a sum without it would be too small.
    """
    volume = carried_forward(found.usage.volume_gib)
    rows = {name: row for row, name in enumerate(found.usage.clusters)}
    last, day = found.last_column, found.usage.settled
    by_cluster: dict[str, list[Holding]] = {}
    for holding in held:
        by_cluster.setdefault(holding.label, []).append(holding)
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
        and all(holding.size_gib is not None for holding in by_cluster.get(rate.cluster, ()))
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
    known = volume[~np.isnan(volume)]
    before = start if not np.isnan(start) else float(known[0]) if len(known) else rate.volume_gib
    used = before + (rate.gib_a_day or 0.0) * days
    return automated_backup(used_gib=used, volume_gib=rate.volume_gib, retention_days=days).billed_gib()


@dataclass(frozen=True, kw_only=True, eq=False)
class ProtectionGrid:
    """Dollars a month of a retention (rows) with a daily snapshot kept so many days (columns).

    `today` is where the clusters are: their retention, weighed by size, and how long daily snapshots would have to be
    kept to give the snapshots billed today, None where those were not measured. `today_usd` is what they really cost at
    the last settled day's pace, None where that was not measured: clusters of several retentions together are in no
    cell.
    """

    retentions: tuple[int, ...]
    kept: tuple[int, ...]
    usd: Grid
    today: tuple[float, float | None]
    today_usd: float | None
    volume_gib: float
    gib_a_day: float
    left_out: int  # clusters whose rate is not known: in no sum


def protection_grid(found: Amounts, rates: Sequence[Change], *, usd_gib_month: float) -> ProtectionGrid:
    """Set snapshots kept against retention, for all clusters of `rates` whose rate is known, taken together."""
    known = [rate for rate in rates if rate.gib_a_day is not None]
    volume = sum(rate.volume_gib for rate in known)
    records = sum(rate.gib_a_day or 0.0 for rate in known)
    rows = [found.usage.row(rate.cluster) for rate in known]
    snapshots = float(found.last_settled(found.snapshot_gib)[rows].sum()) if rows else 0.0
    billed = float(found.last_settled(found.billed_gib)[rows].sum()) if rows else float("nan")
    retention = sum(rate.retention_days * rate.volume_gib for rate in known) / volume if volume else 0.0
    usd = np.array(
        [[_combined_gib(volume, records, days, kept) * usd_gib_month for kept in GRID_KEPT] for days in GRID_RETENTIONS]
    )
    return ProtectionGrid(
        retentions=GRID_RETENTIONS,
        kept=GRID_KEPT,
        usd=usd,
        today=(retention, _as_if_kept(retention, snapshots, volume)),
        today_usd=None if np.isnan(billed) else billed * usd_gib_month,
        volume_gib=volume,
        gib_a_day=records,
        left_out=len(rates) - len(known),
    )


def _as_if_kept(retention: float, snapshots: float, volume: float) -> float | None:
    if np.isnan(snapshots):
        return None
    return retention + snapshots / volume if snapshots and volume else 0.0


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
