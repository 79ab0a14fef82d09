"""Model, metrics and bill held against each other, month by month: what they do not agree on is shown, not smoothed.

There are three answers: they agree, they do not, and they cannot be compared, because points are missing or the metrics
contradict themselves. The last is never shown as one of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from runbook_lib.costs.amounts import Amounts
from runbook_lib.costs.bill import Bill, BillLine, moves_until
from runbook_lib.costs.units import Month, usd_text
from runbook_lib.costs.usage import Grid

TOLERANCE = 0.05  # beyond this part of the metrics a month is red
_NOTHING_GIB = 0.005


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One period: GB-months by the rule, by AWS's metrics and on the bill (None without one), and dollars."""

    month: Month
    until: date
    model_gib_months: float
    metrics_gib_months: float
    billed_gib_months: float | None
    metrics_usd: float
    billed_usd: float | None
    estimated: bool
    still_moves: bool
    missing_days: int
    incomparable_days: int  # cluster-days with metrics that the rule cannot be held against
    compared_gib_months: float  # the metrics of the days that the rule can be held against
    other_reading_gib_months: float  # how much more, at most, the other reading of the cap bills

    @property
    def unexplained_gib_months(self) -> float | None:
        """What the bill has more than the metrics (less: negative)."""
        return None if self.billed_gib_months is None else self.billed_gib_months - self.metrics_gib_months

    @property
    def unexplained_usd(self) -> float | None:
        """What the bill has more than the metrics at list price (less: negative)."""
        return None if self.billed_usd is None else self.billed_usd - self.metrics_usd

    @property
    def model_is_off(self) -> bool:
        """Tell whether the rule and AWS's metrics disagree beyond the tolerance, on the days that can be compared."""
        return _is_off(self.model_gib_months - self.compared_gib_months, self.compared_gib_months)

    @property
    def bill_is_off(self) -> bool:
        """Tell whether the bill and AWS's metrics disagree beyond the tolerance, in GB-months or in dollars.

        Where points are missing the metrics are a least amount: then only a bill below it disagrees.
        """
        size, usd = self.unexplained_gib_months or 0.0, self.unexplained_usd or 0.0
        if self.missing_days and size >= 0 and usd >= 0:
            return False
        return _is_off(size, self.metrics_gib_months) or _is_off(usd, self.metrics_usd)

    @property
    def not_comparable(self) -> bool:
        """Tell whether what is known is too little to say that they agree."""
        whole = self.metrics_gib_months
        return not self.is_off and bool(
            self.missing_days or whole - self.compared_gib_months > max(TOLERANCE * whole, _NOTHING_GIB)
        )

    @property
    def is_off(self) -> bool:
        """Tell whether any two disagree."""
        return self.bill_is_off or self.model_is_off

    @property
    def verdict(self) -> str:
        """Say in a sentence whether they agree, and by how much they do not."""
        said = []
        if self.model_is_off:
            by = self.model_gib_months - self.compared_gib_months
            said.append(f"the rule gives {abs(by):,.1f} GB-months {_more(by)} than the metrics")
        if self.bill_is_off:
            size, usd = self.unexplained_gib_months or 0.0, self.unexplained_usd or 0.0
            money = f"{usd_text(abs(usd))} {_more(usd)}"
            said.append(f"the bill has {abs(size):,.1f} GB-months {_more(size)} than the metrics, {money}")
        if self.not_comparable:
            said.append("not comparable")
        if self.missing_days:
            said.append(f"{self.missing_days} days of a cluster have no metrics")
        if self.incomparable_days:
            said.append(
                f"on {self.incomparable_days} days of a cluster the metrics do not tell the retention or the parts, "
                "so the rule gives at least this"
            )
        if not said:
            return "agree" if self.billed_gib_months is not None else "rule and metrics agree"
        return "; ".join(said)


def compare(
    found: Amounts, bill: Bill, months: tuple[Month, ...], *, usd_gib_month: float, today: date
) -> tuple[Comparison, ...]:
    """Compare every month, and the month still running up to the last day that both the metrics and the bill have."""
    compared = []
    for month in months:
        line, until = _line(bill, month, found.usage.settled)
        if found.settled_days(month) == 0:
            continue

        def total(grid: Grid, month: Month = month, until: date = until) -> float:
            return float(np.sum(found.gib_months(grid, month, until=until)))

        span = found.span(month, until=until)
        metrics = total(found.billed_gib)
        compared_gib = np.where(np.isnan(found.model_gib), 0.0, found.billed_gib)
        unclear = np.isnan(found.model_gib[:, span]) & ~np.isnan(found.billed_gib[:, span])
        compared.append(
            Comparison(
                month=month,
                until=until,
                model_gib_months=total(found.model_gib),
                metrics_gib_months=metrics,
                billed_gib_months=line.gib_months if line else None,
                metrics_usd=metrics * usd_gib_month,
                billed_usd=line.usd if line else None,
                estimated=bool(line and line.estimated),
                still_moves=bool(line and today <= moves_until(month)),
                missing_days=int(found.missing[:, span].sum()),
                incomparable_days=int(unclear.sum()),
                compared_gib_months=total(compared_gib),
                other_reading_gib_months=total(found.model_other_reading_gib - found.model_gib),
            )
        )
    return tuple(compared)


def _line(bill: Bill, month: Month, settled: date) -> tuple[BillLine | None, date]:
    """Return a month's bill up to the last settled day: from the days where the month is still running."""
    if settled >= month.last:
        return bill.of(month), month.last
    days = [line for line in bill.days if month.first <= line.first <= settled]
    if not days:
        return None, settled
    return (
        BillLine(
            first=month.first,
            end=days[-1].end,
            gib_months=sum(line.gib_months for line in days),
            usd=sum(line.usd for line in days),
            other_usd=sum(line.other_usd for line in days),
            estimated=any(line.estimated for line in days),
        ),
        days[-1].end - timedelta(days=1),
    )


def listed_against_metric(found: Amounts) -> tuple[float, float]:
    """Return the snapshots' GiB on the last settled day: those of today's list by the rule, and AWS's metric.

    What the metric has more are snapshots deleted since, or some that nothing measured. Clusters whose metric has no
    point of that day are in neither.
    """
    listed, metric = found.last_settled(found.listed_gib), found.last_settled(found.snapshot_gib)
    return float(listed[~np.isnan(metric)].sum()), float(np.nansum(metric))


def _is_off(difference: float, base: float) -> bool:
    return abs(difference) > max(TOLERANCE * abs(base), _NOTHING_GIB)


def _more(difference: float) -> str:
    return "more" if difference > 0 else "less"
