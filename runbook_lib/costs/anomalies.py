"""Days that cost suddenly more: only where both the dollars and the percentage are large enough to look into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from runbook_lib.costs.amounts import Amounts
from runbook_lib.costs.units import Month, usd_text
from runbook_lib.costs.usage import Grid
from runbook_lib.errors import InputRefused

Part = Literal["automated", "snapshots"]
USUAL = "$5 and 20%"
_BEFORE = 7  # a day is held against the median of the last seven days known before it
_LOOKED_BACK = 14
_LEAST_KNOWN = 3
_HISTORY = 62  # days in which a rise that came before is looked for
_OFTEN = 2
_AS_LARGE = 0.5


_WRITTEN = re.compile(r"\$?\s*(\d+(?:\.\d+)?)\s*(?:USD)?\s+and\s+(\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """From when on a rise is shown: both must be passed. `part` 0.2 is 20 %."""

    usd: float
    part: float

    def __str__(self) -> str:
        return f"{usd_text(self.usd)} a month and by {self.part:.0%}"


def thresholds(text: str) -> Thresholds:
    """Read both thresholds as a person writes them: "$5 and 20%".

    Raises:
        InputRefused: anything else.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if not found:
        raise InputRefused(
            f'"{text}" does not say from when on a rise is to be shown.', hint='Write it like "$5 and 20%".'
        )
    return Thresholds(usd=float(found[1]), part=float(found[2]) / 100)


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """A day on which a part of a cluster's backups rose over the week before, in dollars a month at that day's pace.

    `routine` says why it is no surprise: a snapshot of the list left the window, or the like has come at least twice
    before. It is empty for an outlier.
    """

    cluster: str
    day: date
    part: Part
    usd_month: float
    usual_usd_month: float
    routine: str = ""

    @property
    def rise_usd(self) -> float:
        """How many dollars a month more."""
        return self.usd_month - self.usual_usd_month

    @property
    def rise_part(self) -> float:
        """By which part it rose; infinite from nothing."""
        return self.rise_usd / self.usual_usd_month if self.usual_usd_month else float("inf")


def anomalies(found: Amounts, month: Month, *, usd_gib_month: float, at_least: Thresholds) -> tuple[Anomaly, ...]:
    """Find the first day of each rise in a month that passes both thresholds: outliers first, the dearest first.

    Automated backups and snapshots are looked at apart: a load that changes much would drown in the snapshots' sum. A
    day that nobody measured neither makes a rise nor hides one: the next day measured is held against the last before.
    """
    parts: tuple[tuple[Part, Grid], ...] = (("automated", found.automated_gib), ("snapshots", found.snapshot_gib))
    hits = [hit for part, gib in parts for hit in _rises(found, part, gib * usd_gib_month, at_least) if
            month.first <= hit.day <= month.last]  # fmt: skip
    return tuple(sorted(hits, key=lambda hit: (bool(hit.routine), -hit.rise_usd)))


def _rises(found: Amounts, part: Part, usd: Grid, at_least: Thresholds) -> Iterator[Anomaly]:
    usage = found.usage
    lived = np.where(usage.expected, usd, np.nan)  # before a cluster was made is no day to compare with
    # without the snapshots' point the parts are told by the rule; where that lacks its measures too, by nothing
    unruled = np.isnan(usage.used_gib) | np.isnan(usage.volume_gib)
    lived = np.where(np.isnan(usage.snapshot_gib) & unruled, np.nan, lived)
    last = found.last_column
    begin = max(_LEAST_KNOWN, last - _HISTORY)
    earlier: dict[int, list[float]] = {}
    for column in range(begin, last + 1):
        now = lived[:, column]
        window = lived[:, max(0, column - _LOOKED_BACK) : column]
        for row in np.flatnonzero(now - _least(window) >= at_least.usd).tolist():
            before = window[row][~np.isnan(window[row])][-_BEFORE:]
            if len(before) < _LEAST_KNOWN:
                continue
            usual, since = float(np.median(before)), float(now[row] - before[-1])
            rise = float(now[row]) - usual
            # a rise is shown on its first day only
            if rise < at_least.usd or rise < at_least.part * usual or since < at_least.usd:
                continue
            yield Anomaly(
                cluster=usage.clusters[row],
                day=usage.days[column],
                part=part,
                usd_month=float(now[row]),
                usual_usd_month=usual,
                routine=_routine(found, part, row, column, since, earlier.setdefault(row, [])),
            )
            earlier[row].append(since)


def _least(window: Grid) -> Grid:
    filled = np.where(np.isnan(window), np.inf, window)
    least: Grid = filled.min(axis=1)
    return least


def _routine(found: Amounts, part: Part, row: int, column: int, since: float, earlier: Sequence[float]) -> str:
    if part == "snapshots" and found.listed_gib[row, column] > found.listed_gib[row, column - 1]:
        return "a snapshot left the window, as foreseen"
    if sum(rise >= _AS_LARGE * since for rise in earlier) >= _OFTEN:
        return "the like came before"
    return ""
