"""CloudWatch's alarms in the stand-in: judged when they are looked at. moto keeps alarms and never judges one.

Known is what the watch's alarms use: one metric, one period, a static threshold, what missing data means.
Source: Amazon CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

_COMPARES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Maximum": max,
    "Minimum": min,
    "Sum": sum,
    "SampleCount": len,
    "Average": lambda values: sum(values) / len(values),
}
_MISSING = {"breaching": "ALARM", "notBreaching": "OK", "missing": "INSUFFICIENT_DATA", None: "INSUFFICIENT_DATA"}


class Alarms:
    """The alarms of a region. `ahead` is how far a test has let time go on since the last metric was sent."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region
        self.ahead = timedelta(0)

    def judge(self) -> None:
        """Set the state of every alarm on a single metric as CloudWatch would have it now."""
        from moto.cloudwatch.models import cloudwatch_backends  # moto reads a service's whole model when it is imported

        backend = cloudwatch_backends[self._account][self._region]
        now = datetime.now(UTC) + self.ahead
        for alarm in backend.alarms.values():
            if not alarm.metric_name or alarm.statistic not in _STATISTICS or alarm.evaluation_periods != 1:
                continue
            since = now - timedelta(seconds=alarm.period)
            points: list[Any] = [point for point in backend.metric_data if _is_of(point, alarm, since, now)]
            values = [float(point.value) for point in points]
            state = _MISSING.get(alarm.treat_missing_data, alarm.state_value)
            if values:
                beyond = _COMPARES[alarm.comparison_operator](_STATISTICS[alarm.statistic](values), alarm.threshold)
                state = "ALARM" if beyond else "OK"
            if state != alarm.state_value:
                alarm.update_state(f"{len(values)} datapoints in {alarm.period} s", "{}", state)


def _is_of(point: Any, alarm: Any, since: datetime, now: datetime) -> bool:
    at = point.timestamp
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return (
        (point.namespace, point.name) == (alarm.namespace, alarm.metric_name)
        and {(each.name, each.value) for each in point.dimensions} == {(d.name, d.value) for d in alarm.dimensions}
        and since < at <= now
    )
