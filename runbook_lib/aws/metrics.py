"""CloudWatch's figures, read as every wing reads them: what was refused is never an empty answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from runbook_lib.aws.calls import declare
from runbook_lib.aws.session import AwsSession
from runbook_lib.errors import AccessDenied, StepFailed

PUT_METRIC_DATA = declare("cloudwatch", "PutMetricData", mutates=True)
GET_METRIC_DATA = declare("cloudwatch", "GetMetricData", items="MetricDataResults")


def metric_results(
    session: AwsSession, queries: Sequence[dict[str, Any]], *, start: datetime, end: datetime
) -> Iterator[dict[str, Any]]:
    """Return the results of metric queries with their points from `start` to before `end` (aware UTC), page by page.

    AWS leaves out the end too (GetMetricData, "EndTime").

    Raises:
        AccessDenied: the caller may not use cloudwatch:GetMetricData.
        StepFailed: CloudWatch could not read a metric, or answered what was not asked.
    """
    asked = {query["Id"] for query in queries}
    for result in GET_METRIC_DATA.pages(session, MetricDataQueries=list(queries), StartTime=start, EndTime=end):
        status = result.get("StatusCode")
        if status == "Forbidden":
            raise AccessDenied(
                "CloudWatch does not let this caller read the metrics of AWS/RDS.",
                hint="Ask for the permission cloudwatch:GetMetricData.",
            )
        if status == "InternalError":
            raise StepFailed("CloudWatch could not read a metric of AWS/RDS.", hint="Wait a minute and run again.")
        if result.get("Id") not in asked:  # whose figure it is cannot be known
            raise StepFailed(
                "CloudWatch answered with a metric that was not asked for.",
                hint="Run again; see what stands between this machine and AWS (a proxy, an endpoint of your own).",
            )
        pairs = zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True)
        within = [(at, value) for at, value in pairs if start <= at < end]  # a point of another time is nobody's
        yield {**result, "Timestamps": [at for at, _ in within], "Values": [value for _, value in within]}
