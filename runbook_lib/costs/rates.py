"""How fast a cluster changes, from the window that is really there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from runbook_lib.costs.amounts import Amounts, carried_forward
from runbook_lib.costs.lineage import Lineage
from runbook_lib.costs.rule import LONGEST_RETENTION_DAYS
from runbook_lib.costs.usage import Grid

_MEASURED_DAYS = 14
_LOAD = 2.0  # a day that changes so many times more than a usual one, beyond its neighbours, is a load
_AROUND = 3
_HALF_A_DAY = timedelta(hours=12)


@dataclass(frozen=True, kw_only=True)
class Change:
    """How fast a living cluster changes: GiB of change records a usual day, None where the metrics do not tell.

    `volume_gib` is NaN where nothing measured it. `low` and `high` are the least and the most that the windows of the
    days measured give; `days` is how many days those windows span. `loads` are days of the present window that changed
    much more than a usual day, with the GiB that they changed more; they are in no rate. `filling_days` is how many
    days the present window still grows.
    """

    cluster: str
    volume_gib: float
    gib_a_day: float | None
    retention_days: int
    low: float | None = None
    high: float | None = None
    days: int = 0
    loads: tuple[tuple[date, float], ...] = ()
    filling_days: int = 0
    grows_gib_a_day: float = 0.0

    @property
    def part_a_day(self) -> float | None:
        """The part of the volume that changes a day."""
        return self.gib_a_day / self.volume_gib if self.gib_a_day is not None and self.volume_gib else None


def changes(found: Amounts) -> tuple[Change, ...]:
    """Measure each living cluster's change rate.

    The window needs its volume at the start plus a change record for each day, so the records of a usual day are
    (used − volume at the start − loads) / days of the window. The window starts on the cluster's first day or the day
    minus the retention, whichever is later, and while it fills after the retention was lengthened at the earliest
    restorable time. While the cap holds, the true rate is higher than this.
    """
    volume = carried_forward(found.usage.volume_gib)
    living = [(row, lineage) for row, lineage in enumerate(found.who) if lineage.lives]
    return tuple(_change(found, volume[row], row, lineage) for row, lineage in living)


def _change(found: Amounts, volume: Grid, row: int, lineage: Lineage) -> Change:
    usage, retention = found.usage, lineage.retention_days
    used = usage.used_gib[row]
    last = found.last_column
    known = np.flatnonzero(~np.isnan(used[: last + 1]) & ~np.isnan(volume[: last + 1]))
    if not len(known) or known[-1] < last - _MEASURED_DAYS:
        size = float(volume[last])
        return Change(cluster=lineage.label, volume_gib=size, gib_a_day=None, retention_days=retention)
    last = int(known[-1])
    begins = _begins(found, lineage)
    first = int(np.argmax(~np.isnan(volume)))
    ends = [day for day in known[-_MEASURED_DAYS:].tolist() if day > begins]
    ends = [day for day in ends if day > last - max(1, _MEASURED_DAYS - retention + 1)] or ends[-1:]
    oldest = max(0, begins, (ends[0] if ends else last) - retention)
    grew, over = _grew(used, oldest, last)
    rates: list[float] = []
    spans: list[int] = []
    loads: list[tuple[int, float]] = []
    for day in ends:
        start = max(begins, day - retention, 0)
        # a young cluster's first point may be missing: its next one is as near
        before = float(volume[max(start, first)]) if start >= first - _AROUND else np.nan
        if not np.isnan(before) and start < day:
            window = slice(start + 1 - oldest, day + 1 - oldest)
            rate, loads = _of_window(grew[window], over[window], float(used[day]) - before, start)
            rates.append(max(0.0, rate))
            spans.append(start)
    span = max(1, last - max(begins, first, last - _MEASURED_DAYS))
    return Change(
        cluster=lineage.label,
        volume_gib=float(volume[last]),
        gib_a_day=float(np.median(rates)) if rates else None,
        retention_days=retention,
        low=min(rates, default=None),
        high=max(rates, default=None),
        days=last - min(spans) if spans else 0,
        loads=tuple((usage.days[column], gib) for column, gib in loads),
        filling_days=max(0, begins + retention - last) if begins >= 0 else 0,
        grows_gib_a_day=float(volume[last] - volume[last - span]) / span if last >= span else 0.0,
    )


def _begins(found: Amounts, lineage: Lineage) -> int:
    """Return the column before which the present window cannot begin, negative where that is too long ago.

    It is the cluster's first day; or, where the window is shorter than the retention, its earliest restorable time.
    """
    made = found.usage.column(lineage.created) if lineage.created else -LONGEST_RETENTION_DAYS
    window = lineage.cluster.window if lineage.cluster else None
    if window and window.latest - window.earliest < timedelta(days=lineage.retention_days) - _HALF_A_DAY:
        return max(made, found.usage.column(window.earliest.date()))
    return made


def _of_window(grew: Grid, over: Grid, total: float, start: int) -> tuple[float, list[tuple[int, float]]]:
    """Return the records of a usual day of one window, and the loads in it with what they changed more.

    `grew` is by how much the use grew on each of its days, `over` over how many days that is, and `total` all its
    records. Each day of a gap may have grown as a usual one.
    """
    span = len(grew)
    rate = total / span
    loads: list[tuple[int, float]] = []
    filled = np.where(np.isnan(grew), 0.0, grew)
    most = float(filled.max()) - min(0.0, float(filled.min()))
    if most <= _LOAD * max(0.0, (total - most) / span):
        return rate, loads  # the quick answer for most: no day can be a load
    for column in np.argsort(-filled)[: max(1, span // 4)].tolist():
        around = [grew[i] for i in range(max(0, column - _AROUND), min(span, column + _AROUND + 1)) if i != column]
        known = sorted(gib for gib in around if not np.isnan(gib))
        if not known:
            break  # a day alone is no load: there is nothing to hold it against
        usual = float(np.median(known))
        excess = float(grew[column]) - usual * float(over[column])
        if np.isnan(excess) or excess <= (_LOAD + over[column] - 1) * max(0.0, (total - excess) / span):
            break
        total -= excess
        rate = total / span
        loads.append((start + 1 + column, excess))
    return rate, loads


def _grew(used: Grid, start: int, last: int) -> tuple[Grid, Grid]:
    """Return by how much the use grew on each day from `start` on, the first NaN, and over how many days that is.

    Over a gap it is on the day after it.
    """
    part = used[start : last + 1]
    known = np.flatnonzero(~np.isnan(part))
    grew, over = np.full(len(part), np.nan), np.ones(len(part))
    grew[known[1:]], over[known[1:]] = np.diff(part[known]), np.diff(known)
    return grew, over


def together(rates: Sequence[Change]) -> Change | None:
    """Add several clusters' rates up, of those whose rate is known; None where none is."""
    known = [rate for rate in rates if rate.gib_a_day is not None]
    if not known:
        return None
    return Change(
        cluster="",
        volume_gib=sum(rate.volume_gib for rate in known),
        gib_a_day=sum(rate.gib_a_day or 0.0 for rate in known),
        retention_days=0,
        low=sum(rate.low or 0.0 for rate in known),
        high=sum(rate.high or 0.0 for rate in known),
        days=min(rate.days for rate in known),
    )
