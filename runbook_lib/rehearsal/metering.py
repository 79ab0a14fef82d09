"""A stand-in for what AWS meters: CloudWatch's daily backup metrics and Cost Explorer's bill, inside moto's server.

moto answers GetMetricData from a list it walks for every day of every metric, without AWS's limits, and gives
Cost Explorer whatever was queued. Here both follow AWS's rules: at most 500 metrics a request and 100,800 points a
page; Sum, Average and SampleCount as CloudWatch computes them; a bill that ends before `End`, groups by usage type,
leaves out the record types it is told to and says which days are still estimated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from moto.ce.responses import CostExplorerResponse
from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

_QUERIES, _POINTS, _DAY = 500, 100_800, 86_400


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One day of one usage type on the bill. `record` is Cost Explorer's RECORD_TYPE."""

    day: date
    usage_type: str
    region: str
    quantity: float
    usd: float
    record: str = "Usage"
    service: str = "Amazon Relational Database Service"


@dataclass
class Metering:
    """The seeded history. `estimated_from` is the first day whose bill may still move."""

    charges: list[Charge] = field(default_factory=list)
    estimated_from: date = date.max
    denied: set[str] = field(default_factory=set)  # "GetMetricData", "GetCostAndUsage"
    keeps_more: bool = False  # for worlds whose today is not this machine's
    page_size: int = 5000  # groups a page of Cost Explorer
    requests: list[dict[str, Any]] = field(default_factory=list)
    _points: dict[tuple[str, str], tuple[date, Sequence[float | None], Sequence[int]]] = field(default_factory=dict)

    def put(
        self, metric: str, cluster: str, *, first: date, sums: Sequence[float | None], counts: Sequence[int] = ()
    ) -> None:
        """Seed a metric's daily sums in bytes, from `first` on; None is a day without points.

        `counts` says of how many points each sum is made, one unless given.
        """
        self._points[metric, cluster] = (first, sums, counts)

    @contextmanager
    def installed(self) -> Iterator[Metering]:
        """Answer moto's GetMetricData and GetCostAndUsage from here while the context lasts."""
        answers: tuple[tuple[type, str, Callable[..., Any]], ...] = (
            (CloudWatchResponse, "get_metric_data", self._metric_data),
            (CostExplorerResponse, "get_cost_and_usage", self._bill),
        )
        kept = [getattr(response, name) for response, name, _ in answers]
        for response, name, answer in answers:
            setattr(response, name, _method(answer))
        try:
            yield self
        finally:
            for (response, name, _), method in zip(answers, kept, strict=True):
                setattr(response, name, method)

    def _metric_data(self, response: CloudWatchResponse) -> ActionResult | tuple[int, dict[str, Any], str]:
        request = response._get_params()
        self.requests.append({"operation": "GetMetricData", **request})
        queries = request["MetricDataQueries"]
        if len(queries) > _QUERIES:
            raise ValidationError(f"The collection MetricDataQueries must not have a size greater than {_QUERIES}.")
        begin = int(request.get("NextToken") or 0)
        found = [(query["Id"], self._series(query["MetricStat"], *_span(request))) for query in queries]
        results, position = [], 0
        for name, points in found:
            first, last = max(0, begin - position), max(0, begin + _POINTS - position)
            wanted, position = points[first:last], position + len(points)
            if wanted or (begin == 0 and not points):
                results.append(self._result(name, wanted))
        answer: dict[str, Any] = {"MetricDataResults": results}
        if begin + _POINTS < position:
            answer["NextToken"] = str(begin + _POINTS)
        if "X-Amz-Target" in response.headers:  # the protocol boto3 speaks: written here, which is ten times as fast
            return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(answer)
        return ActionResult(answer)

    def _result(self, name: str, points: Sequence[tuple[int, float]]) -> dict[str, Any]:
        status = "Forbidden" if "GetMetricData" in self.denied else "Complete"
        stamps, values = [stamp for stamp, _ in points], [value for _, value in points]
        return {"Id": name, "Label": name, "Timestamps": stamps, "Values": values, "StatusCode": status}

    def _series(self, stat: dict[str, Any], start: datetime, end: datetime) -> list[tuple[int, float]]:
        """Return a metric's days between two midnights as epoch seconds and values."""
        if int(stat["Period"]) != _DAY:
            raise ValidationError("This stand-in keeps whole days only.")
        metric, cluster, statistic = (
            stat["Metric"]["MetricName"],
            stat["Metric"]["Dimensions"][0]["Value"],
            stat["Stat"],
        )
        first, sums, counts = self._points.get((metric, cluster), (start.date(), (), ()))
        epoch = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
        begin = max(0, (start.date() - first).days)
        part = sums[begin : (end.date() - first).days]
        if statistic == "Average" and counts:
            part = [None if total is None else total / counts[index] for index, total in enumerate(part, start=begin)]
        elif statistic == "SampleCount":
            part = [None if total is None else float(counts[index] if counts else 1)
                    for index, total in enumerate(part, start=begin)]  # fmt: skip
        elif statistic not in ("Sum", "Average"):
            raise ValidationError(f"This stand-in knows Sum, Average and SampleCount, not {statistic}.")
        stamp = epoch + begin * _DAY
        return [(stamp + index * _DAY, value) for index, value in enumerate(part) if value is not None]

    def _bill(self, response: CostExplorerResponse) -> tuple[int, dict[str, Any], str]:
        request = json.loads(response.body)
        self.requests.append({"operation": "GetCostAndUsage", **request})
        if "GetCostAndUsage" in self.denied:
            denied = {"__type": "AccessDeniedException", "message": "User is not authorized: ce:GetCostAndUsage"}
            return 400, {}, json.dumps(denied)
        start, end = (date.fromisoformat(request["TimePeriod"][name]) for name in ("Start", "End"))
        if start < _oldest(datetime.now(UTC).date()) and not self.keeps_more:
            message = "Start date is too far in the past: data is available for the last 14 months."
            return 400, {}, json.dumps({"__type": "ValidationException", "message": message})
        periods = [self._period(request, first, last) for first, last in _periods(start, end, request["Granularity"])]
        begin = int(request.get("NextPageToken") or 0)
        page, end_of_page, position = [], begin + self.page_size, 0
        for period in periods:
            groups = period["Groups"]
            part = groups[max(0, begin - position) : max(0, end_of_page - position)]
            if part or (not groups and begin <= position < end_of_page):
                page.append({**period, "Groups": part})
            position += len(groups)
        answer: dict[str, Any] = {"ResultsByTime": page}
        if end_of_page < position:
            answer["NextPageToken"] = str(end_of_page)
        return 200, {}, json.dumps(answer)

    def _period(self, request: dict[str, Any], first: date, end: date) -> dict[str, Any]:
        sums: dict[str, list[float]] = {}
        for charge in self.charges:
            if first <= charge.day < end and _passes(request["Filter"], charge):
                total = sums.setdefault(charge.usage_type, [0.0, 0.0])
                total[0] += charge.usd
                total[1] += charge.quantity
        groups = [
            {
                "Keys": [usage_type],
                "Metrics": {
                    "UnblendedCost": {"Amount": f"{usd:.10f}", "Unit": "USD"},
                    "UsageQuantity": {"Amount": f"{quantity:.10f}", "Unit": "GB-Month"},
                },
            }
            for usage_type, (usd, quantity) in sorted(sums.items())
        ]
        period = {"Start": first.isoformat(), "End": end.isoformat()}
        return {"TimePeriod": period, "Total": {}, "Groups": groups, "Estimated": end > self.estimated_from}


def _oldest(today: date) -> date:
    """Return the first day that Cost Explorer has: 14 months with the running one (AWS Cost Management guide)."""
    months = today.year * 12 + today.month - 1 - 13
    return date(months // 12, months % 12 + 1, 1)


def _method(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make a method of a bound one: moto calls it with its response, whose class it is set on."""
    return lambda response: answer(response)


def _passes(rule: dict[str, Any], charge: Charge) -> bool:
    if "And" in rule:
        return all(_passes(part, charge) for part in rule["And"])
    if "Not" in rule:
        return not _passes(rule["Not"], charge)
    value = {"SERVICE": charge.service, "REGION": charge.region, "RECORD_TYPE": charge.record}[
        rule["Dimensions"]["Key"]
    ]
    return value in rule["Dimensions"]["Values"]


def _periods(start: date, end: date, granularity: str) -> Iterator[tuple[date, date]]:
    while start < end:
        step = start + timedelta(days=1)
        if granularity == "MONTHLY":
            step = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield start, min(step, end)
        start = step


def _span(request: dict[str, Any]) -> tuple[datetime, datetime]:
    start, end = (
        moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        for moment in (request["StartTime"], request["EndTime"])
    )
    return start, end
