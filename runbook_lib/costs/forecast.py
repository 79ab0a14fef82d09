"""What a month comes to at its end: settled days as measured, days that nobody measured and those to come foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from runbook_lib.costs.amounts import Amounts
from runbook_lib.costs.holdings import Holding
from runbook_lib.costs.rates import Change
from runbook_lib.costs.units import Month
from runbook_lib.costs.usage import Grid

_HABIT_DAYS = 14
_LOOKED_BACK = 7  # days for the last amount known
_LEAST_TAKEN = 3  # snapshots that make a habit


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """Each cluster's GB-months at the month's end, NaN where nothing was measured to foresee from.

    `low` counts days that nobody measured as nothing, takes the slowest change rate, more deletions and no new
    snapshot; `high` the fastest, and no deletion.
    """

    expected: Grid
    low: Grid
    high: Grid


def forecast(found: Amounts, held: Sequence[Holding], rates: Sequence[Change], month: Month) -> Forecast:
    """Foresee a month.

    Foreseen is: the automated backup as it was last, growing by the change rate while its window fills, and without a
    load once that leaves the window; the snapshots of today's list, each from the day it begins to cost; new ones,
    where at least three were taken at a pace; deletions at the pace of the median day of the last two weeks, so that a
    rotation goes on, and one great clean-up is not taken for a habit.
    """
    measured = found.gib_months(found.billed_gib, month)
    ahead = max(0, (month.last - found.usage.settled).days)
    gaps = _gaps(found, month)
    if not ahead:
        return Forecast(expected=measured + gaps, low=measured, high=measured + gaps)
    first = max(0, (month.first - found.usage.settled).days - 1)
    by_row = {rate.cluster: rate for rate in rates}
    paces = _deleted_a_day(found)
    entering, taken = _entering_gib(found, held, ahead)
    snapshots, automated = _last_known(found.snapshot_gib, found), _last_known(found.automated_gib, found)
    sums = [np.full(len(snapshots), np.nan) for _ in range(3)]
    for row, lineage in enumerate(found.who):
        rate = by_row.get(lineage.label)
        for index, (deleted, new) in enumerate(((paces[0][row], 1.0), (paces[1][row], 0.0), (0.0, 1.0))):
            comes = entering[row] + new * taken[row] - deleted
            held_gib = _never_below_nothing(float(snapshots[row]), comes)
            own = _automated(found, row, rate, float(automated[row]), ahead, index)
            sums[index][row] = float((held_gib + own)[first:].sum()) / month.days
    known = [measured + sums[0] + gaps, measured + sums[1], measured + sums[2] + gaps]
    return Forecast(expected=known[0], low=np.minimum(known[1], known[0]), high=np.maximum(known[2], known[0]))


def _automated(found: Amounts, row: int, rate: Change | None, last_gib: float, ahead: int, which: int) -> Grid:
    """Return the automated backup of each day to come."""
    column = found.last_column
    over = found.usage.used_gib[row] - found.usage.volume_gib[row]
    known = np.flatnonzero(~np.isnan(over[: column + 1]))
    if rate is None or rate.gib_a_day is None or not len(known) or known[-1] < column - _LOOKED_BACK:
        return np.full(ahead, last_gib)
    if rate.retention_days == 1:
        return np.zeros(ahead)
    a_day = (rate.gib_a_day, rate.low or 0.0, rate.high or 0.0)[which] - rate.grows_gib_a_day
    days = np.arange(1, ahead + 1) + (column - known[-1])
    fills = np.minimum(days, rate.filling_days) * a_day
    leaves = np.zeros(ahead)
    for taken, gib in rate.loads:
        leaves[max(0, (taken - found.usage.settled).days + rate.retention_days - 1) :] += gib
    foreseen: Grid = np.maximum(float(over[known[-1]]) + fills - leaves, 0.0)
    return foreseen


def _never_below_nothing(start: float, comes: Grid) -> Grid:
    """Add up day by day; what has been deleted cannot be deleted again."""
    path, level = np.empty(len(comes)), start
    for index, change in enumerate(comes.tolist()):
        level = max(level + change, 0.0)
        path[index] = level
    return path


def _last_known(grid: Grid, found: Amounts) -> Grid:
    """Return each cluster's last amount of the last days, NaN where nobody measured one."""
    part = grid[:, max(0, found.last_column - _LOOKED_BACK + 1) : found.last_column + 1]
    known = ~np.isnan(part)
    place = part.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    last: Grid = np.where(known.any(axis=1), part[np.arange(len(part)), place], np.nan)
    return last


def _gaps(found: Amounts, month: Month) -> Grid:
    """Return what the unmeasured days of a month come to, each as the day measured before it, else the one after it."""
    span = found.span(month)
    total = np.zeros(len(found.billed_gib))
    for row in np.flatnonzero(found.missing[:, span].any(axis=1)):
        known = np.flatnonzero(~np.isnan(found.billed_gib[row, : span.stop]) & found.usage.expected[row, : span.stop])
        if not len(known):
            total[row] = np.nan
            continue
        for column in np.flatnonzero(found.missing[row, span]) + span.start:
            place = max(0, int(np.searchsorted(known, column)) - 1)
            total[row] += float(found.billed_gib[row, known[place]]) / month.days
    return total


def _entering_gib(found: Amounts, held: Sequence[Holding], days: int) -> tuple[Grid, Grid]:
    """Return the GiB that begin to cost on each day after the last settled one: of today's list, and of new ones."""
    grid, taken = (np.zeros((len(found.usage.clusters), days)) for _ in range(2))
    rows = {name: row for row, name in enumerate(found.usage.clusters)}
    own: dict[int, list[Holding]] = {}
    for holding in held:
        row, offset = rows.get(holding.label), (holding.costs_from - found.usage.settled).days - 1
        if row is None:
            continue
        own.setdefault(row, []).append(holding)
        if holding.size_gib is not None and 0 <= offset < days:
            grid[row, offset] += holding.size_gib
    for row, listed in own.items():
        lineage = found.who[row]
        moments = sorted(holding.snapshot.created.date() for holding in listed if holding.of_living_cluster)
        recent = [day for day in moments if (found.usage.settled - day).days < 2 * _HABIT_DAYS]
        if not lineage.lives or len(recent) < _LEAST_TAKEN or listed[-1].size_gib is None:
            continue
        pace = int(np.median([max(1, (later - day).days) for day, later in pairwise(recent)]))
        begins = (recent[-1] - found.usage.settled).days - 1 + lineage.retention_days
        for offset in range(begins + pace, days, pace):
            if offset >= 0:
                taken[row, offset] += listed[-1].size_gib
    return grid, taken


def _deleted_a_day(found: Amounts) -> tuple[Grid, Grid]:
    """Return the GiB of snapshots that leave on a usual day and on the average day.

    It is what began to cost, less by how much the metric grew, over the days that both are known of.
    """
    last = found.last_column
    if last < 2:
        return np.zeros(len(found.snapshot_gib)), np.zeros(len(found.snapshot_gib))
    span = slice(max(0, last - _HABIT_DAYS), last + 1)
    grew = np.diff(found.snapshot_gib[:, span], axis=1)
    left = np.diff(found.listed_gib[:, span], axis=1) - grew
    left[np.isnan(left).all(axis=1)] = 0.0
    return np.maximum(np.nanmedian(left, axis=1), 0.0), np.maximum(np.nanmean(left, axis=1), 0.0)
