"""Days that cost suddenly more: only where both the dollars and the percentage are large enough to look into."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from runbook_lib.costs.amounts import Amounts
from runbook_lib.costs.units import Month, usd_text
from runbook_lib.costs.usage import Grid
from runbook_lib.errors import InputRefused

Part = Literal["automated", "snapshots"]
_BEFORE = 7  # a day is held against the median of the week before it
_LEAST_KNOWN = 3


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
    """A day on which a part of a cluster's backups rose over the week before, in dollars a month at that day's pace."""

    cluster: str
    day: date
    part: Part
    usd_month: float
    usual_usd_month: float

    @property
    def rise_usd(self) -> float:
        """How many dollars a month more."""
        return self.usd_month - self.usual_usd_month

    @property
    def rise_part(self) -> float:
        """By which part it rose; infinite from nothing."""
        return self.rise_usd / self.usual_usd_month if self.usual_usd_month else float("inf")


def anomalies(found: Amounts, month: Month, *, usd_gib_month: float, at_least: Thresholds) -> tuple[Anomaly, ...]:
    """Find the first day of each rise in a month that passes both thresholds, the dearest first.

    Automated backups and snapshots are looked at apart: a load that changes much would drown in the snapshots' sum.
    """
    parts: tuple[tuple[Part, Grid], ...] = (("automated", found.automated_gib), ("snapshots", found.snapshot_gib))
    hits = [hit for part, gib in parts for hit in _rises(found, month, part, gib * usd_gib_month, at_least)]
    return tuple(sorted(hits, key=lambda hit: -hit.rise_usd))


def _rises(found: Amounts, month: Month, part: Part, usd: Grid, at_least: Thresholds) -> Iterator[Anomaly]:
    span = found.usage.span(month.first, min(month.last, found.usage.settled))
    for column in range(max(_LEAST_KNOWN, span.start), min(span.stop, usd.shape[1])):
        before = usd[:, max(0, column - _BEFORE) : column]
        known = (~np.isnan(before)).sum(axis=1) >= _LEAST_KNOWN
        usual = np.zeros(len(usd))
        usual[known] = np.nanmedian(before[known], axis=1)
        rise = usd[:, column] - usual
        since_yesterday = usd[:, column] - before[:, -1]  # a rise is shown on its first day only
        large = known & (rise >= at_least.usd) & (rise >= at_least.part * usual) & (since_yesterday >= at_least.usd)
        for row in np.flatnonzero(large):
            yield Anomaly(
                cluster=found.usage.clusters[row],
                day=found.usage.days[column],
                part=part,
                usd_month=float(usd[row, column]),
                usual_usd_month=float(usual[row]),
            )
