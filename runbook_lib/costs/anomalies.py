"""Days that cost suddenly more: only where both the dollars and the percentage are large enough to look into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from runbook_lib.costs.amounts import Amounts
from runbook_lib.costs.months import Month

_BEFORE = 7  # a day is held against the median of the week before it
_LEAST_KNOWN = 3


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """A day on which a cluster's backups cost more than the week before, as dollars a month at that day's pace."""

    cluster: str
    day: date
    usd_month: float
    usual_usd_month: float
    by_snapshots: bool

    @property
    def rise_usd(self) -> float:
        """How many dollars a month more."""
        return self.usd_month - self.usual_usd_month

    @property
    def rise_part(self) -> float:
        """By which part it rose; infinite from nothing."""
        return self.rise_usd / self.usual_usd_month if self.usual_usd_month else float("inf")


def anomalies(
    found: Amounts, month: Month, *, usd_gib_month: float, at_least_usd: float, at_least_part: float
) -> tuple[Anomaly, ...]:
    """Find the first day of each rise in a month that passes both thresholds, the dearest first."""
    total = found.automated_gib + found.snapshot_gib
    span = found.usage.span(month.first, min(month.last, found.usage.settled))
    hits: list[Anomaly] = []
    for column in range(max(_LEAST_KNOWN, span.start), min(span.stop, total.shape[1])):
        before = total[:, max(0, column - _BEFORE) : column]
        known = (~np.isnan(before)).sum(axis=1) >= _LEAST_KNOWN
        usual = np.zeros(len(total))
        usual[known] = np.nanmedian(before[known], axis=1)
        rise = (total[:, column] - usual) * usd_gib_month
        yesterday = (total[:, column] - before[:, -1]) * usd_gib_month  # a rise is told on its first day only
        large = known & (rise >= at_least_usd) & (rise >= at_least_part * usual * usd_gib_month)
        for row in np.flatnonzero(large & (yesterday >= at_least_usd)):
            by_snapshots = found.snapshot_gib[row, column] - found.snapshot_gib[row, column - 1]
            by_automated = found.automated_gib[row, column] - found.automated_gib[row, column - 1]
            hits.append(
                Anomaly(
                    cluster=found.usage.clusters[row],
                    day=found.usage.days[column],
                    usd_month=float(total[row, column]) * usd_gib_month,
                    usual_usd_month=float(usual[row]) * usd_gib_month,
                    by_snapshots=bool(by_snapshots > by_automated),
                )
            )
    return tuple(sorted(hits, key=lambda hit: -hit.rise_usd))
