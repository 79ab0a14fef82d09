"""What CloudWatch measured of the backups: one row a cluster, one column a day, in GiB.

AWS gives one point a day and charged snapshot, so backup metrics are read with Sum over a day; an average of them
would be one snapshot's size. Source: Aurora User Guide, "Understanding Amazon Aurora backup storage usage".
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runbook_lib.aws import AwsSession
from runbook_lib.aws.metrics import metric_results
from runbook_lib.costs.rule import GIB
from runbook_lib.costs.units import days_from, midnight

# Source: CloudWatch API reference, GetMetricData. Answers of more points than the second come in pages.
QUERIES_A_REQUEST = 500
POINTS_A_PAGE = 100_800
USD_A_METRIC = 0.01 / 1000  # CloudWatch's price of one metric asked for
_AT_ONCE = 4  # far below CloudWatch's 50 requests a second: one answer is read while AWS writes the next
DAYS_UNSETTLED = 2  # today and yesterday: their points may still be missing or grow

_METRICS = {
    "volume_gib": ("VolumeBytesUsed", "Average"),
    "used_gib": ("BackupRetentionPeriodStorageUsed", "Sum"),
    "snapshot_gib": ("SnapshotStorageUsed", "Sum"),
    "billed_gib": ("TotalBackupStorageBilled", "Sum"),
}
Grid = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Usage:
    """Daily sizes in GiB, `grid[cluster, day]`; NaN where AWS gave no point, which is never filled.

    `used_gib` is before the free amount; `snapshot_gib` are snapshots outside the window; `billed_gib` is everything
    AWS bills. `settled` is the last day whose points are taken as complete. `expected` marks the days on which a
    cluster lived or left something, so that AWS must have billed or measured it (`lineage.attributed` fills it).
    """

    clusters: tuple[str, ...]
    first: date
    settled: date
    volume_gib: Grid = field(repr=False)
    used_gib: Grid = field(repr=False)
    snapshot_gib: Grid = field(repr=False)
    billed_gib: Grid = field(repr=False)
    expected: NDArray[np.bool_] = field(repr=False, default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))
    metrics_asked: int = 0

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The days of the columns."""
        return days_from(self.first, self.volume_gib.shape[1])

    @property
    def asked_usd(self) -> float:
        """What asking CloudWatch cost."""
        return self.metrics_asked * USD_A_METRIC

    def column(self, day: date) -> int:
        """Return a day's column; it may lie outside the grid."""
        return (day - self.first).days

    def span(self, first: date, last: date) -> slice:
        """Return the columns of the days from `first` to `last`, both included, as far as they are in the grid."""
        return slice(max(0, self.column(first)), max(0, self.column(last) + 1))

    def row(self, cluster: str) -> int:
        """Return a cluster's row."""
        return self.clusters.index(cluster)

    def missing(self) -> NDArray[np.bool_]:
        """Mark the settled days on which a cluster must have been billed and AWS gave no amount."""
        marked: NDArray[np.bool_] = self.expected & np.isnan(self.billed_gib)
        marked[:, max(0, self.column(self.settled) + 1) :] = False
        return marked


def read_usage(session: AwsSession, clusters: Sequence[str], *, first: date, last: date, now: datetime) -> Usage:
    """Read the four metrics of every cluster for the days from `first` to `last`, both included.

    It makes as few requests as AWS allows: 500 metrics in each, one page for every 100,800 points.

    Raises:
        AccessDenied: the caller may not use cloudwatch:GetMetricData.
        StepFailed: CloudWatch could not give a metric.
    """
    names = tuple(dict.fromkeys(clusters))
    days = (last - first).days + 1
    grids = {name: np.full((len(names), days), np.nan) for name in _METRICS}
    queries = [_query(name, row, cluster) for row, cluster in enumerate(names) for name in _METRICS]
    epoch = midnight(first)

    def read_part(asked: list[dict[str, Any]]) -> None:
        for result in metric_results(session, asked, start=epoch, end=midnight(last + timedelta(days=1))):
            name, _, row = result["Id"].rpartition("_")
            columns = [(at - epoch).days for at in result["Timestamps"]]
            grids[name][int(row), columns] = np.asarray(result["Values"], dtype=np.float64) / GIB

    parts = [queries[start : start + QUERIES_A_REQUEST] for start in range(0, len(queries), QUERIES_A_REQUEST)]
    session.client("cloudwatch")  # made before the threads need it: making one is not safe among them, using it is
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        list(pool.map(read_part, parts))
    return Usage(
        clusters=names,
        first=first,
        settled=now.date() - timedelta(days=DAYS_UNSETTLED),
        metrics_asked=len(queries),
        **grids,
    )


def _query(name: str, row: int, cluster: str) -> dict[str, Any]:
    metric, statistic = _METRICS[name]
    dimensions = [{"Name": "DBClusterIdentifier", "Value": cluster}]
    return {
        "Id": f"{name}_{row}",
        "MetricStat": {
            "Metric": {"Namespace": "AWS/RDS", "MetricName": metric, "Dimensions": dimensions},
            "Period": 86_400,
            "Stat": statistic,
        },
    }
