"""What AWS tells of a time: Glue runs, RDS events, and figures of CloudWatch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.aws.metrics import metric_results
from runbook_lib.clusters import Cluster, utc
from runbook_lib.errors import InputRefused
from runbook_lib.timeline.values import Deletions, GlueRun, Happening, Series

LIST_JOBS = declare("glue", "ListJobs", items="JobNames")
GET_JOB_RUNS = declare("glue", "GetJobRuns", items="JobRuns")
DESCRIBE_EVENTS = declare("rds", "DescribeEvents", items="Events")

_LONGEST_RUN = timedelta(days=7)  # Glue Developer Guide, job timeout: more than that is refused
_DAILY = re.compile(r"rds:.+-\d{4}(-\d\d){4}")  # AWS's own snapshots: rds:<cluster>-YYYY-MM-DD-HH-MM
_AT_ONCE = 4
_MOST_DELETIONS = 200  # two pages: snapshots are deleted all over the region, and AWS does not tell of which cluster
EVENTS_KEPT = timedelta(days=14)  # RDS API Reference, DescribeEvents; without a start it gives the last hour only
_STEP = timedelta(minutes=5)  # VolumeBytesUsed and VolumeWriteIOPs come no oftener; kept for 63 days

# Aurora User Guide, "Amazon CloudWatch metrics for Amazon Aurora"; all are there by DBClusterIdentifier.
_METRICS = (
    ("VolumeBytesUsed", "volume size", "GiB", 2.0**-30),
    ("VolumeWriteIOPs", "writes to the volume", "per 5 minutes", 1.0),
    ("WriteIOPS", "writes of the instances", "per second", 1.0),
    ("DMLThroughput", "inserts, updates, deletes", "per second", 1.0),
    ("DDLThroughput", "changes of definition", "per second", 1.0),
)


def job_names(session: AwsSession, wanted: str) -> tuple[str, ...]:
    """Return the names in a comma-separated parameter; of an empty one, every Glue job of the account and region."""
    named = tuple(name for part in wanted.split(",") if (name := part.strip()))
    return named or tuple(str(name) for name in LIST_JOBS.pages(session))


def list_runs(session: AwsSession, jobs: Sequence[str], *, since: datetime, until: datetime) -> tuple[GlueRun, ...]:
    """Return the runs of Glue jobs that were under way between two moments, the oldest first.

    Raises:
        NotFound: there is no such job.
        AccessDenied: the caller may not use glue:GetJobRuns.
    """
    found = [
        run for job in jobs for run in takewhile(lambda run: run.started >= since - _LONGEST_RUN, _runs(session, job))
    ]
    near = [run for run in found if run.started <= until and (run.completed is None or run.completed >= since)]
    return tuple(sorted(near, key=lambda run: (run.started, run.run_id)))


def _runs(session: AwsSession, job: str) -> Iterator[GlueRun]:
    """Read a job's runs, the newest first as AWS lists them, as far as they are taken."""
    pages = GET_JOB_RUNS.pages(session, JobName=job, MaxResults=200)
    return (_run(entry) for entry in pages if entry.get("StartedOn"))


def _run(entry: dict[str, Any]) -> GlueRun:
    started = utc(entry["StartedOn"])
    assert started is not None
    return GlueRun(
        job=entry.get("JobName", ""),
        run_id=entry.get("Id", ""),
        started=started,
        completed=utc(entry.get("CompletedOn")),
        state=entry.get("JobRunState", ""),
        error=entry.get("ErrorMessage", ""),
    )


def list_events(
    session: AwsSession, cluster: Cluster, *, since: datetime, until: datetime, now: datetime
) -> tuple[Happening, ...]:
    """Return what RDS tells of a cluster and its instances, the oldest first. It forgets after 14 days.

    One question for each of them, however much else happens in the region: AWS takes one source at a time.

    Raises:
        InputRefused: the whole time is longer ago than that.
        AccessDenied: the caller may not use rds:DescribeEvents.
    """
    own = [("db-cluster", cluster.identifier), *(("db-instance", name) for name in cluster.writer_first)]
    asked = [{"SourceType": kind, "SourceIdentifier": name} for kind, name in own]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = pool.map(lambda source: [*_events(session, since=since, until=until, now=now, **source)], asked)
        return tuple(sorted((event for events in found for event in events), key=lambda event: event.at))


def list_deleted_snapshots(
    session: AwsSession, cluster: Cluster, *, since: datetime, until: datetime, now: datetime
) -> Deletions:
    """Return which cluster snapshots were deleted, the oldest first. It forgets after 14 days.

    AWS does not tell of which cluster a snapshot was: those that its own daily names say to be of another one are left
    out, and every one made by hand is in it, of whatever cluster of the region.

    Raises:
        InputRefused: the whole time is longer ago than that.
        AccessDenied: the caller may not use rds:DescribeEvents.
    """
    asked = {"SourceType": "db-cluster-snapshot", "EventCategories": ["deletion"]}
    events = _events(session, since=since, until=until, now=now, **asked)
    read = tuple(islice(events, _MOST_DELETIONS))
    daily = [event for event in read if _DAILY.fullmatch(event.source)]
    own = [event for event in daily if event.source[4:-17] == cluster.identifier]
    own += [
        replace(event, message=f"{event.message} (AWS does not tell of which cluster it was)")
        for event in read
        if event not in daily
    ]
    return Deletions(events=tuple(sorted(own, key=lambda event: event.at)), are_all=next(events, None) is None)


def _events(
    session: AwsSession, *, since: datetime, until: datetime, now: datetime, **asked: Any
) -> Iterator[Happening]:
    start = max(since, now - EVENTS_KEPT)
    if start >= until:
        raise InputRefused("That time is more than 14 days ago, and RDS keeps its events no longer.")
    for entry in DESCRIBE_EVENTS.pages(session, **asked, StartTime=start, EndTime=until):
        if at := utc(entry.get("Date")):
            message = str(entry.get("Message") or "").strip()
            kind, name = str(asked["SourceType"]), str(asked.get("SourceIdentifier") or entry.get("SourceIdentifier"))
            yield Happening(at=at, source_type=kind, source=name, message=message)


def read_series(session: AwsSession, cluster: Cluster, *, since: datetime, until: datetime) -> tuple[Series, ...]:
    """Return the figures of the cluster that CloudWatch has any points of, all in one request.

    Raises:
        AccessDenied: the caller may not use cloudwatch:GetMetricData.
    """
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/RDS",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "DBClusterIdentifier", "Value": cluster.identifier}],
                },
                "Period": int(_STEP.total_seconds()),
                "Stat": "Average",
            },
        }
        for number, (metric, *_) in enumerate(_METRICS)
    ]
    points: dict[int, list[tuple[datetime, float]]] = {}
    start = since.replace(minute=since.minute // 5 * 5, second=0, microsecond=0)
    for result in metric_results(session, queries, start=start, end=until):
        number = int(result["Id"][1:])
        moments = [utc(moment) for moment in result["Timestamps"]]
        points.setdefault(number, []).extend(
            (moment, float(value) * _METRICS[number][3])
            for moment, value in zip(moments, result["Values"], strict=True)
            if moment
        )
    return tuple(
        Series(metric=metric, title=title, unit=unit, points=tuple(sorted(points[number])))
        for number, (metric, title, unit, _) in enumerate(_METRICS)
        if points.get(number)
    )
