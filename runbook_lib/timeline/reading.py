"""Read every source of a timeline. One that cannot be read is named with the reason, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.aws import AwsSession
from runbook_lib.backups import ClusterSnapshot
from runbook_lib.clusters import Cluster
from runbook_lib.databases import credentials_for
from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName
from runbook_lib.looking import Seen, look, look_at_once
from runbook_lib.mysql import Credentials, connect
from runbook_lib.timeline.aws_facts import job_names, list_deleted_snapshots, list_events, list_runs, read_series
from runbook_lib.timeline.destructions import LogReading, read_destructions
from runbook_lib.timeline.values import Birth, Deletions, SourceRead, Timeline
from runbook_lib.times import utc_text

log = logging.getLogger(__name__)

GLUE, EVENTS, SNAPSHOTS, DELETED, FIGURES, TABLES, LOG = (
    "Glue runs", "cluster events", "snapshots", "deleted snapshots", "CloudWatch", "table creation times", "binary log",
)  # fmt: skip

_NEEDS = {
    GLUE: "glue:GetJobRuns (and glue:ListJobs for all jobs)",
    EVENTS: "rds:DescribeEvents",
    SNAPSHOTS: "rds:DescribeDBClusterSnapshots",
    DELETED: "rds:DescribeEvents",
    FIGURES: "cloudwatch:GetMetricData",
    TABLES: "a database account; it sees the tables it has any right on",
    LOG: "a database account with REPLICATION CLIENT (MariaDB: BINLOG MONITOR) and REPLICATION SLAVE",
}
_AFTER = timedelta(hours=12)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a timeline is asked about. `moment` None is the present; `hours` is how far it looks back from there.

    `jobs` are Glue jobs, comma separated, empty for all. `secret` as in `databases.credentials_for`.
    """

    moment: datetime | None
    now: datetime
    hours: float = 36
    jobs: str = ""
    secret: str = ""

    @property
    def since(self) -> datetime:
        """Where the timeline begins."""
        return (self.moment or self.now) - timedelta(hours=self.hours)

    @property
    def until(self) -> datetime:
        """Where it ends: half a day after the moment, or now."""
        return min(self.now, self.moment + _AFTER) if self.moment else self.now


def read_timeline(
    session: AwsSession, cluster: Cluster, *, asked: Asked, snapshots: Sequence[ClusterSnapshot] = ()
) -> Timeline:
    """Read all sources of the time asked about. Changes nothing.

    Raises:
        CredentialsRefused: AWS does not know the caller any more; everything else is said by its source.
    """
    since, until = asked.since, asked.until
    log.info("reading what happened from %s to %s", utc_text(since), utc_text(until))
    for service in ("glue", "rds", "cloudwatch"):
        session.client(service)
    runs, happenings, deleted, series = look_at_once(
        lambda: list_runs(session, job_names(session, asked.jobs), since=since, until=until),
        lambda: list_events(session, cluster, since=since, until=until, now=asked.now),
        lambda: [list_deleted_snapshots(session, cluster, since=since, until=until, now=asked.now)],
        lambda: read_series(session, cluster, since=since, until=until),
    )
    births, reading = _from_database(session, cluster, asked)
    taken = Seen(
        (
            (snapshot.created, f"{snapshot.kind} snapshot {snapshot.identifier}")
            for snapshot in snapshots
            if since <= snapshot.created <= until
        ),
        why_not=getattr(snapshots, "why_not", ""),
    )
    read: tuple[tuple[str, Seen[Any]], ...] = (
        (GLUE, runs), (EVENTS, happenings), (SNAPSHOTS, taken), (DELETED, deleted), (FIGURES, series),
        (TABLES, births), (LOG, reading),
    )  # fmt: skip
    return Timeline(
        since=since,
        until=until,
        runs=tuple(runs),
        happenings=(*happenings, *(deleted[0].events if deleted else ())),
        snapshots=tuple(taken),
        births=tuple(births),
        destructions=reading[0].destructions if reading else (),
        series=tuple(series),
        sources=tuple(_source(name, seen) for name, seen in read),
        log_since=reading[0].since if reading else None,
        gaps=reading[0].gaps if reading else (),
        untold=reading[0].untold if reading else (),
        transactions=reading[0].transactions if reading else (),
    )


def _source(name: str, seen: Seen[Any]) -> SourceRead:
    left_out = seen[0].left_out if seen and isinstance(seen[0], LogReading) else ""
    if seen and isinstance(seen[0], Deletions) and not seen[0].are_all:
        left_out = "more snapshots of this region were deleted later in this time: they were not read"
    return SourceRead(name=name, found=_found(seen), why_not=seen.why_not, needs=_NEEDS[name], left_out=left_out)


def _found(seen: Seen[Any]) -> str:
    if seen and isinstance(seen[0], LogReading):
        return seen[0].text
    if seen and isinstance(seen[0], Deletions):
        return str(len(seen[0].events))
    return str(len(seen))


def _from_database(session: AwsSession, cluster: Cluster, asked: Asked) -> tuple[Seen[Birth], Seen[LogReading]]:
    """Read what only the database knows; without access to it the timeline goes on without."""
    account = look(lambda: [credentials_for(session, cluster, secret=asked.secret)])
    if not account:
        return Seen(why_not=account.why_not), Seen(why_not=account.why_not)
    births = look(lambda: _births(cluster, account[0], since=asked.since))
    reading = look(lambda: [read_destructions(cluster.endpoint, account[0], since=asked.since, until=asked.until)])
    return births, reading


def _births(cluster: Cluster, credentials: Credentials, *, since: datetime) -> tuple[Birth, ...]:
    with connect(cluster.endpoint, credentials) as database:  # its session is in UTC, and so are these times
        rows = database.rows(
            "SELECT table_schema, table_name, create_time FROM information_schema.tables"
            " WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND create_time >= %s"
            " ORDER BY create_time, table_schema, table_name",
            (since.replace(tzinfo=None),),
        )
    return tuple(
        Birth(at=at.replace(tzinfo=UTC), table=TableName(schema=schema, name=name))
        for schema, name, at in rows
        if schema.lower() not in SYSTEM_SCHEMAS
    )
