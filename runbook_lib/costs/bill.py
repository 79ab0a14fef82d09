"""AWS's bill, from Cost Explorer: one request a view, each at a price, made only when asked for.

`End` is exclusive, amounts are strings, and a day's UsageQuantity is already a part of a GB-month. Credits, refunds
and tax are left out: they say nothing about backups. Source: AWS Cost Explorer API reference, GetCostAndUsage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.costs.pricelist import AURORA_BACKUP, RDS_BACKUP, plain_usage
from runbook_lib.costs.units import Month
from runbook_lib.errors import CredentialsRefused, StepFailed

_GET_COST_AND_USAGE = declare("ce", "GetCostAndUsage")

USD_A_REQUEST = 0.01  # Cost Explorer's price of one request, and of each further page
VIEWS = 2  # a view by month, a view by day
SETTLES_ON_DAY = 10  # of the month after: until about then a month's bill still moves
MOST_MONTHS = 14  # Cost Explorer refuses a start before that, the running month included
_LEFT_OUT = ["Credit", "Refund", "Tax"]


@dataclass(frozen=True, kw_only=True)
class BillLine:
    """What was billed for Aurora's backups in a period, and for RDS backups outside Aurora, which stand apart."""

    first: date
    end: date  # exclusive
    gib_months: float
    usd: float
    other_usd: float
    estimated: bool


@dataclass(frozen=True, kw_only=True)
class Bill:
    """The bill by month and, for the month reviewed, by day. Without one, `note` says why."""

    months: tuple[BillLine, ...] = ()
    days: tuple[BillLine, ...] = ()
    requests: int = 0
    note: str = ""

    @property
    def asked_usd(self) -> float:
        """What asking Cost Explorer cost."""
        return self.requests * USD_A_REQUEST

    def of(self, month: Month) -> BillLine | None:
        """Return a month's line."""
        return next((line for line in self.months if line.first == month.first), None)


def read_bill(session: AwsSession, months: tuple[Month, ...], *, month: Month, now: datetime) -> Bill:
    """Read the bill of all months, and of the days of one.

    Whatever keeps the bill from us (no permission, Cost Explorer not switched on, another currency) gives an empty
    bill that says so: the review stands on metrics, and comes without it.
    """
    tomorrow = now.date()  # today is not over: the bill is asked for up to its beginning
    try:
        oldest = Month.holding(now).plus(1 - MOST_MONTHS).first
        end = min(months[-1].plus(1).first, tomorrow)
        by_month, asked = _view(session, "MONTHLY", max(oldest, months[0].first), end)
        by_day, asked_more = _view(session, "DAILY", max(oldest, month.first), end)
    except (StepFailed, CredentialsRefused) as error:
        return Bill(note=f"No bill: {error.message}")
    return Bill(months=tuple(by_month), days=tuple(by_day), requests=asked + asked_more)


def moves_until(month: Month) -> date:
    """Return the day after which a month's bill is taken as final."""
    return month.plus(1).first + timedelta(days=SETTLES_ON_DAY - 1)


def _view(session: AwsSession, granularity: str, start: date, end: date) -> tuple[list[BillLine], int]:
    if start >= end:
        return [], 0
    request: dict[str, Any] = {
        "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
        "Granularity": granularity,
        "Metrics": ["UnblendedCost", "UsageQuantity"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        "Filter": {
            "And": [
                {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Relational Database Service"]}},
                {"Dimensions": {"Key": "REGION", "Values": [session.region]}},
                {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": _LEFT_OUT}}},
            ]
        },
    }
    answers = list(_pages(session, request))
    periods: dict[str, dict[str, Any]] = {}
    try:
        for period in (period for answer in answers for period in answer["ResultsByTime"]):
            # a period with many groups goes on, on the next page
            known = periods.setdefault(period["TimePeriod"]["Start"], {**period, "Groups": []})
            known["Groups"] += period.get("Groups", ())
        return [_line(period) for period in periods.values()], len(answers)
    except (LookupError, TypeError, ValueError) as error:
        raise StepFailed(
            f"Cost Explorer's answer lacks something: {error}.", hint='Leave "bill" out of `ask`, or look again later.'
        ) from error


def _pages(session: AwsSession, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        answer = _GET_COST_AND_USAGE(session, **request, **({"NextPageToken": token} if token else {}))
        yield answer
        token = answer.get("NextPageToken", "")
        if not token:
            return


def _line(period: dict[str, Any]) -> BillLine:
    sums = {AURORA_BACKUP.usage: [0.0, 0.0], RDS_BACKUP.usage: [0.0, 0.0]}
    for group in period.get("Groups", ()):
        usage, metrics = plain_usage(group["Keys"][0]), group["Metrics"]
        if usage in sums:
            if metrics["UnblendedCost"]["Unit"] != "USD":
                raise StepFailed(
                    f"Cost Explorer answers in {metrics['UnblendedCost']['Unit']}, not in USD.",
                    hint='Leave "bill" out of `ask`: the metrics and prices of this review are in USD.',
                )
            sums[usage][0] += float(metrics["UnblendedCost"]["Amount"])
            sums[usage][1] += float(metrics["UsageQuantity"]["Amount"])
    return BillLine(
        first=date.fromisoformat(period["TimePeriod"]["Start"]),
        end=date.fromisoformat(period["TimePeriod"]["End"]),
        gib_months=sums[AURORA_BACKUP.usage][1],
        usd=sums[AURORA_BACKUP.usage][0],
        other_usd=sums[RDS_BACKUP.usage][0],
        estimated=bool(period.get("Estimated")),
    )
