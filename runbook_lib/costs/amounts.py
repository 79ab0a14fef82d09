"""What is billed on each day, by AWS's metrics and by the rule, for every cluster at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from runbook_lib.costs.holdings import Holding, listed_gib
from runbook_lib.costs.units import Month
from runbook_lib.costs.usage import Grid, Usage

_HABIT_DAYS = 14
_AT_THE_CAP = 1e-6  # as close as two sums of floats come


@dataclass(frozen=True, kw_only=True, eq=False)
class Amounts:
    """Daily billed GiB, `grid[cluster, day]`, NaN where AWS gave nothing.

    `automated_gib` and `snapshot_gib` are AWS's metrics taken apart; `model_gib` is the rule, worked out from the
    volume and the use before the free amount, plus the snapshots. `listed_gib` are the snapshots of today's list alone:
    those deleted since are in the metric, and nowhere else.
    """

    usage: Usage
    automated_gib: Grid = field(repr=False)
    snapshot_gib: Grid = field(repr=False)
    model_gib: Grid = field(repr=False)
    model_other_reading_gib: Grid = field(repr=False)
    listed_gib: Grid = field(repr=False)

    def gib_months(self, grid: Grid, month: Month, *, until: date | None = None) -> Grid:
        """Return each cluster's GB-months of a month: settled days added up, divided by all days of the month."""
        last = min(month.last, self.usage.settled, until or month.last)
        part = grid[:, self.usage.span(month.first, last)]
        total: Grid = np.nansum(part, axis=1) / month.days
        return total

    def settled_days(self, month: Month) -> int:
        """Count the days of a month whose points are taken as complete."""
        first, last = max(month.first, self.usage.first), min(month.last, self.usage.settled, self.usage.days[-1])
        return max(0, (last - first).days + 1)

    def missing_days(self, month: Month) -> int:
        """Count cluster-days of a month for which AWS gave no amount. They are not filled."""
        return int(self.usage.missing()[:, self.usage.span(month.first, month.last)].sum())

    def last_settled(self, grid: Grid) -> Grid:
        """Return each cluster's amount on the last settled day, nothing where there is no point."""
        return np.nan_to_num(grid[:, self.last_column])

    @property
    def last_column(self) -> int:
        """The last settled day's column."""
        return int(max(0, min(self.usage.column(self.usage.settled), self.usage.volume_gib.shape[1] - 1)))


def amounts(usage: Usage, held: tuple[Holding, ...], retention_days: Sequence[int]) -> Amounts:
    """Work the rule out for every cluster and day. `retention_days` is in the order of `usage.clusters`, 0 if gone.

    AWS tells only today's retention; a cluster whose retention was changed is modelled by today's.
    """
    retention = np.asarray(retention_days)[:, None]
    snapshots = np.where(np.isnan(usage.billed_gib), np.nan, np.nan_to_num(usage.snapshot_gib))
    used, other = _automated_by_rule(usage, retention)
    return Amounts(
        usage=usage,
        automated_gib=np.maximum(usage.billed_gib - snapshots, 0.0),
        snapshot_gib=snapshots,
        model_gib=used + np.nan_to_num(usage.snapshot_gib),
        model_other_reading_gib=other + np.nan_to_num(usage.snapshot_gib),
        listed_gib=listed_gib(held, usage),
    )


def _automated_by_rule(usage: Usage, retention: Grid) -> tuple[Grid, Grid]:
    """Apply the rule of `costs.rule.automated_backup` to whole grids, under both readings of the cap.

    AWS says the metric itself does not exceed the cap; then a use at the cap may have been any larger, and the other
    reading bills up to the cap.
    """
    volume = np.nan_to_num(carried_forward(usage.volume_gib))  # a deleted cluster's last size stays its free amount
    used, cap = np.nan_to_num(usage.used_gib), _cap(volume, retention)
    billed = np.maximum(np.minimum(used, cap) - volume, 0.0)
    other = np.where(used >= cap * (1 - _AT_THE_CAP), cap, np.maximum(used - volume, 0.0))
    free = retention == 1
    return np.where(free, 0.0, billed), np.where(free, 0.0, other)


def _cap(volume: Grid, retention: Grid) -> Grid:
    """Add up the volume over each day's window; before the first day known it counts as it was then."""
    days = volume.shape[1]
    cap = np.full_like(volume, np.inf)
    sums = np.concatenate([np.zeros((len(volume), 1)), np.cumsum(volume, axis=1)], axis=1)
    for length in np.unique(retention[retention > 1]):
        rows = retention[:, 0] == length
        ends = np.arange(1, days + 1)
        begins = np.maximum(ends - int(length), 0)
        short = int(length) - (ends - begins)  # days of the window that lie before the grid
        cap[rows] = sums[rows][:, ends] - sums[rows][:, begins] + short * volume[rows][:, :1]
    return cap


def carried_forward(grid: Grid) -> Grid:
    """Return each row with its gaps filled by the last value before them: for sizes, never for amounts."""
    index = np.where(np.isnan(grid), 0, np.arange(grid.shape[1]))
    np.maximum.accumulate(index, axis=1, out=index)
    filled: Grid = np.take_along_axis(grid, index, axis=1)
    return filled


def forecast_gib_months(found: Amounts, held: tuple[Holding, ...], month: Month) -> Grid:
    """Return each cluster's GB-months at the month's end: settled days as measured, the rest foreseen.

    Foreseen is: the automated backup as on the last settled day; the snapshots there are now, each from the day it
    begins to cost; and deletions at the pace of the median day of the last two weeks, so that a rotation goes on, and
    one great clean-up is not taken for a habit. Snapshots not yet made are inside the window for most of a month.
    """
    total = found.gib_months(found.automated_gib + found.snapshot_gib, month)
    ahead = (month.last - found.usage.settled).days
    if ahead <= 0:
        return total
    automated = found.last_settled(found.automated_gib)
    snapshots = found.last_settled(found.snapshot_gib)
    deleted, entering = _deleted_a_day(found), _entering_gib(found, held, ahead)
    for offset in range(ahead):
        snapshots = np.maximum(snapshots + entering[:, offset] - deleted, 0.0)
        if found.usage.settled + timedelta(days=offset + 1) >= month.first:
            total = total + (automated + snapshots) / month.days
    return total


def _entering_gib(found: Amounts, held: tuple[Holding, ...], days: int) -> Grid:
    """Return the GiB that begin to cost on each of the days after the last settled one."""
    grid = np.zeros((len(found.usage.clusters), days))
    rows = {name: row for row, name in enumerate(found.usage.clusters)}
    for holding in held:
        row, offset = rows.get(holding.snapshot.cluster), (holding.costs_from - found.usage.settled).days - 1
        if row is not None and holding.size_gib is not None and 0 <= offset < days:
            grid[row, offset] += holding.size_gib
    return grid


def _deleted_a_day(found: Amounts) -> Grid:
    """Return the GiB of snapshots that leave on a usual day: what began to cost, less by how much the metric grew."""
    last = found.last_column
    if last < 2:
        return np.zeros(len(found.snapshot_gib))
    span = slice(max(1, last - _HABIT_DAYS + 1), last + 1)
    grew = np.diff(np.nan_to_num(found.snapshot_gib), axis=1)[:, span.start - 1 : span.stop - 1]
    began = np.diff(found.listed_gib, axis=1)[:, span.start - 1 : span.stop - 1]
    usual: Grid = np.maximum(np.median(began - grew, axis=1), 0.0)
    return usual
