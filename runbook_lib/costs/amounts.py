"""What is billed on each day, by AWS's metrics and by the rule, for every cluster at once. Not measured is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runbook_lib.costs.holdings import Holding, listed_gib
from runbook_lib.costs.lineage import Lineage
from runbook_lib.costs.units import Month
from runbook_lib.costs.usage import Grid, Usage

Marks = NDArray[np.bool_]
_AT_THE_CAP = 1e-6  # as close as two sums of floats come
_NOTHING_GIB = 0.01
_CLOSE = 0.02  # the part by which a billed amount may differ from the rule's and still be the automated backup's
_FAR_BELOW = 0.9
_LEAST_RUN = 3  # days that a retention of one day, or of more, must last to be told from a flaw of the metrics
_MOST_RUNS = 4
_AROUND = 14  # days without a point of the snapshots that show that there were none


@dataclass(frozen=True, kw_only=True, eq=False)
class Amounts:
    """Daily billed GiB, `grid[cluster, day]`: NaN where nobody measured it, zero where there was nothing to bill.

    `automated_gib` and `snapshot_gib` are AWS's metrics taken apart; `billed_gib` is both, and may be known where they
    are not. `model_gib` is the rule, worked out from volume and use before the free amount, plus the snapshots, NaN on
    days that cannot be compared. `listed_gib` are the snapshots of today's list alone: those deleted since are in the
    metric, and nowhere else. `one_day` marks days on which the metrics show a retention of one day.
    """

    usage: Usage
    who: tuple[Lineage, ...]
    automated_gib: Grid = field(repr=False)
    snapshot_gib: Grid = field(repr=False)
    billed_gib: Grid = field(repr=False)
    model_gib: Grid = field(repr=False)
    model_other_reading_gib: Grid = field(repr=False)
    listed_gib: Grid = field(repr=False)
    one_day: Marks = field(repr=False)
    missing: Marks = field(repr=False)

    def span(self, month: Month, *, until: date | None = None) -> slice:
        """Return the columns of a month's settled days."""
        return self.usage.span(month.first, min(month.last, self.usage.settled, until or month.last))

    def gib_months(self, grid: Grid, month: Month, *, until: date | None = None) -> Grid:
        """Return each cluster's GB-months of a month: settled days added up, divided by all days of the month.

        Days that nobody measured are not in it: where `missing_of` counts some, it is a least amount.
        """
        total: Grid = np.nansum(grid[:, self.span(month, until=until)], axis=1) / month.days
        return total

    def mean(self, grid: Grid, month: Month) -> Grid:
        """Return the mean of each cluster's measured days of a month, NaN where there is none."""
        part = grid[:, self.span(month)]
        count = (~np.isnan(part)).sum(axis=1)
        mean: Grid = np.where(count > 0, np.nansum(part, axis=1) / np.maximum(count, 1), np.nan)
        return mean

    def settled_days(self, month: Month) -> int:
        """Count the days of a month whose points are taken as complete."""
        first, last = max(month.first, self.usage.first), min(month.last, self.usage.settled, self.usage.days[-1])
        return max(0, (last - first).days + 1)

    def missing_of(self, month: Month) -> NDArray[np.int_]:
        """Count each cluster's days of a month that nobody measured. They are not filled."""
        count: NDArray[np.int_] = self.missing[:, self.span(month)].sum(axis=1)
        return count

    def measured_of(self, month: Month) -> NDArray[np.int_]:
        """Count each cluster's days of a month with an amount, where it lived or left something."""
        span = self.span(month)
        count: NDArray[np.int_] = (~np.isnan(self.billed_gib[:, span]) & self.usage.expected[:, span]).sum(axis=1)
        return count

    def last_settled(self, grid: Grid) -> Grid:
        """Return each cluster's amount on the last settled day, NaN where nobody measured it."""
        return grid[:, self.last_column]

    @property
    def last_column(self) -> int:
        """The last settled day's column."""
        return int(max(0, min(self.usage.column(self.usage.settled), self.usage.volume_gib.shape[1] - 1)))

    def row(self, label: str) -> int:
        """Return a cluster's row by its label."""
        return self.usage.row(label)


def amounts(usage: Usage, who: Sequence[Lineage], held: tuple[Holding, ...]) -> Amounts:
    """Work the rule out for every cluster and day."""
    usage, who = _apart(usage, who, held)
    listed = listed_gib(held, usage)
    none = _none_outside(usage, listed)
    over = usage.used_gib - usage.volume_gib
    one_day, unclear = _one_day(usage, who, over)
    by_rule = np.where(unclear, np.nan, np.where(one_day, 0.0, np.maximum(over, 0.0)))
    snapshots = _snapshots(usage, by_rule, none)
    automated = np.maximum(usage.billed_gib - snapshots, 0.0)
    derived = np.isnan(usage.snapshot_gib) & ~np.isclose(snapshots, listed, rtol=1e-3, atol=_NOTHING_GIB)
    lives = np.array([lineage.lives for lineage in who], dtype=np.bool_)[:, None]
    gone = ~usage.expected | (~lives & np.isnan(usage.volume_gib) & np.isnan(usage.used_gib))
    comparable = ~unclear & ~derived & ~np.isnan(usage.billed_gib)
    model = np.where(gone, 0.0, by_rule) + snapshots
    other = np.where(gone, 0.0, _other_reading(usage, who, one_day, over)) + snapshots
    nothing = ~usage.expected & np.isnan(usage.billed_gib)
    return Amounts(
        usage=usage,
        who=tuple(who),
        automated_gib=np.where(nothing, 0.0, automated),
        snapshot_gib=np.where(nothing, 0.0, snapshots),
        billed_gib=np.where(nothing, 0.0, usage.billed_gib),
        model_gib=np.where(nothing, 0.0, np.where(comparable, model, np.nan)),
        model_other_reading_gib=np.where(nothing, 0.0, np.where(comparable, other, np.nan)),
        listed_gib=listed,
        one_day=one_day,
        missing=usage.missing(),
    )


def _apart(usage: Usage, who: Sequence[Lineage], held: Sequence[Holding]) -> tuple[Usage, tuple[Lineage, ...]]:
    """Take snapshots that were copied from elsewhere out of the metrics of a namesake that lives here.

    Those whose size is not known stay in the namesake's metrics, and their own row says so.
    """
    names = {lineage.label: row for row, lineage in enumerate(who)}
    foreign = [holding for holding in held if holding.metered_with and holding.metered_with != holding.label]
    if not foreign:
        return usage, tuple(who)
    billed, snapshot, expected = usage.billed_gib.copy(), usage.snapshot_gib.copy(), usage.expected.copy()
    unsized = {holding.label: holding.metered_with for holding in foreign if holding.size_gib is None}
    for holding in foreign:
        own, namesake = names[holding.label], names[holding.metered_with]
        days = slice(max(0, usage.column(holding.costs_from)), None)
        if holding.label in unsized or holding.size_gib is None:
            expected[own] = False
            continue
        known = usage.billed_gib[namesake, days]
        for grid in (billed, snapshot):
            grid[namesake, days] = np.maximum(grid[namesake, days] - holding.size_gib, 0.0)
            grid[own, days] = np.where(np.isnan(known), np.nan, np.nan_to_num(grid[own, days]) + holding.size_gib)
    found = replace(usage, billed_gib=billed, snapshot_gib=snapshot, expected=expected)
    return found, tuple(replace(lineage, within=unsized.get(lineage.label, "")) for lineage in who)


def _snapshots(usage: Usage, by_rule: Grid, none: Marks) -> Grid:
    """Return the snapshots' part of what is billed.

    AWS gives no point of SnapshotStorageUsed where nothing is outside the window, and may lose one. Without it the part
    is what the rule leaves of the billed amount where the rule is known; nothing where the billed amount is nothing, or
    where the rule lacks its measures and today's list and the days around have none. Else it is not known.
    """
    billed = usage.billed_gib
    left = np.maximum(billed - by_rule, 0.0)
    left = np.where((left < _NOTHING_GIB) | (billed < _NOTHING_GIB), 0.0, left)
    unruled = np.isnan(usage.used_gib) | np.isnan(usage.volume_gib)
    derived = np.where(np.isnan(left) & unruled & none & ~np.isnan(billed), 0.0, left)
    found: Grid = np.where(
        np.isnan(usage.snapshot_gib), derived, np.where(np.isnan(billed), np.nan, usage.snapshot_gib)
    )
    return found


def _none_outside(usage: Usage, listed: Grid) -> Marks:
    """Mark days without a point of the snapshots on which there were none outside the window."""
    absent = np.isnan(usage.snapshot_gib)
    none: Marks = absent & (_count_around(~absent, _AROUND) == 0) & (listed == 0)
    return none


def _count_around(marks: Marks, days: int) -> NDArray[np.int_]:
    """Count the marks of so many days before and after each day."""
    sums = np.pad(np.cumsum(marks, axis=1), ((0, 0), (days + 1, days)), mode="edge")
    sums[:, : days + 1] = 0
    count: NDArray[np.int_] = sums[:, 2 * days + 1 :] - sums[:, : -2 * days - 1]
    return count


def _evidence(usage: Usage, over: Grid) -> tuple[Marks, Marks]:
    """Mark the days whose metrics show that the automated backup was paid, and those on which it was free.

    With a point of the snapshots the parts are measured. Without it, a billed amount that is just what the rule gives
    is the automated backup's, and one far below it shows that nothing of it was paid; one above it shows neither.
    """
    absent = np.isnan(usage.snapshot_gib)
    automated = usage.billed_gib - usage.snapshot_gib
    close = np.abs(usage.billed_gib - over) <= np.maximum(_NOTHING_GIB, _CLOSE * over)
    used = over > _NOTHING_GIB
    paid = np.where(absent, used & close, automated > _NOTHING_GIB)
    free = used & np.where(absent, usage.billed_gib < _FAR_BELOW * over, automated <= _NOTHING_GIB)
    return paid, free & ~paid


def _one_day(usage: Usage, who: Sequence[Lineage], over: Grid) -> tuple[Marks, Marks]:
    """Tell the days on which automated backups were free, as with a retention of one day; and days that are not clear.

    AWS says today's retention only. Where the metrics of a past day show another one, and do so for a while, that day
    is held to what they show; single days and quick changes cannot be told from a flaw of the metrics. Of a cluster
    whose retention changed, days that show nothing are what the days on both sides show, or else not clear.
    """
    retention = np.array([lineage.retention_days for lineage in who], dtype=np.int_)[:, None]
    one_day = np.broadcast_to(retention == 1, usage.billed_gib.shape).copy()
    unclear = np.zeros_like(one_day)
    paid, free = _evidence(usage, over)
    against = np.where(retention == 1, paid & (over > _NOTHING_GIB), free)
    for row in np.flatnonzero(against.any(axis=1)):
        evidence = np.where(free[row], 1, np.where(paid[row], -1, 0))
        known = np.flatnonzero(evidence)
        runs = np.split(known, np.flatnonzero(np.diff(evidence[known])) + 1)
        now = bool(retention[row, 0] == 1) if retention[row, 0] else evidence[known[-1]] > 0
        unclear[row] = True
        for index, run in enumerate(runs):
            shows, last = bool(evidence[run[0]] > 0), index == len(runs) - 1
            if len(runs) > _MOST_RUNS or (len(run) < _LEAST_RUN and not (last and shows == now)):
                continue
            end = unclear.shape[1] if last and shows == now else run[-1] + 1
            one_day[row, run[0] : end], unclear[row, run[0] : end] = shows, False
    return one_day, unclear & ~(over <= 0)  # a use within the free amount costs nothing, whatever the retention


def _other_reading(usage: Usage, who: Sequence[Lineage], one_day: Marks, over: Grid) -> Grid:
    """Apply the cap's other reading: AWS says the metric itself does not exceed the cap.

    A use at the cap may have been any larger, and then the other reading bills up to the cap. A use beyond today's cap
    shows that the retention was longer on that day: nothing is said of it then.
    """
    retention = np.array([lineage.retention_days for lineage in who], dtype=np.int_)
    cap = _cap(np.nan_to_num(carried_forward(usage.volume_gib)), retention[:, None])
    at_the_cap = np.isfinite(cap) & (np.abs(usage.used_gib - cap) <= np.where(np.isfinite(cap), cap, 0.0) * _AT_THE_CAP)
    found: Grid = np.where(one_day, 0.0, np.where(at_the_cap, cap, np.maximum(over, 0.0)))
    return found


def _cap(volume: Grid, retention: NDArray[np.int_]) -> Grid:
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


def only(every: Amounts, rows: Sequence[int]) -> Amounts:
    """Return the amounts of some rows."""
    chosen = np.asarray(rows, dtype=np.intp)
    usage = every.usage

    def part(value: object) -> dict[str, Any]:
        grids = {entry.name: getattr(value, entry.name) for entry in fields(value)}  # type: ignore[arg-type]
        return {name: grid[chosen] for name, grid in grids.items() if isinstance(grid, np.ndarray)}

    names = tuple(usage.clusters[row] for row in rows)
    who = tuple(every.who[row] for row in rows)
    return replace(every, who=who, **{**part(every), "usage": replace(usage, clusters=names, **part(usage))})
