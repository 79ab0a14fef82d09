"""The facts of a timeline as frozen values. Every moment is aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runbook_lib.inventory import TableName

FAILED_STATES = frozenset({"FAILED", "ERROR", "TIMEOUT", "STOPPED", "EXPIRED"})
"""How a Glue run can end other than well. Source: AWS Glue API, JobRunState."""


@dataclass(frozen=True, kw_only=True)
class GlueRun:
    """One run of a Glue job. `completed` is None while it runs; `error` is what Glue says of a failure."""

    job: str
    run_id: str
    started: datetime
    completed: datetime | None
    state: str
    error: str = ""

    @property
    def failed(self) -> bool:
        """Tell whether it ended badly."""
        return self.state in FAILED_STATES

    def covers(self, moment: datetime, *, slack: timedelta = timedelta(0)) -> bool:
        """Tell whether it was running in a moment, or within `slack` of it: two clocks differ a little."""
        return self.started - slack <= moment and (self.completed is None or moment <= self.completed + slack)


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One event that RDS tells of a cluster, an instance or a snapshot."""

    at: datetime
    source_type: str
    source: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Destruction:
    """One statement of the binary log that takes data away, or many deletes of one table in a row.

    `kind` is "DROP TABLE", "DROP DATABASE", "TRUNCATE", "DELETE" or "DROP PARTITION"; `table.name` is empty for a
    whole schema. `rows` is the number deleted where the log tells it. `made` is when the table had last been made,
    `remade` when it was made again after this, `refilled` when it got rows again; None: not within what was read.
    """

    at: datetime
    until: datetime
    kind: str
    table: TableName
    rows: int | None = None
    made: datetime | None = None
    remade: datetime | None = None
    refilled: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Birth:
    """When a table that is there now was made, as the server remembers it."""

    at: datetime
    table: TableName


@dataclass(frozen=True, kw_only=True)
class Series:
    """A figure CloudWatch measured over time. `points` are in order; `unit` is for the reader."""

    metric: str
    title: str
    unit: str
    points: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, kw_only=True)
class SourceRead:
    """What one source gave, or why it could not be read: an unread source is never an empty one.

    `needs` are the rights that reading it takes.
    """

    name: str
    found: str = ""
    why_not: str = ""
    needs: str = ""

    @property
    def was_read(self) -> bool:
        """Tell whether it was read."""
        return not self.why_not


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Everything that was read about the time from `since` to `until`. `log_since` is where the binary log begins."""

    since: datetime
    until: datetime
    runs: tuple[GlueRun, ...] = ()
    happenings: tuple[Happening, ...] = ()
    snapshots: tuple[tuple[datetime, str], ...] = ()
    births: tuple[Birth, ...] = ()
    destructions: tuple[Destruction, ...] = ()
    series: tuple[Series, ...] = ()
    sources: tuple[SourceRead, ...] = ()
    log_since: datetime | None = field(default=None)

    def source(self, name: str) -> SourceRead:
        """Return what is said of a source; one that was never asked was not read."""
        return next(
            (source for source in self.sources if source.name == name),
            SourceRead(name=name, why_not="it was not asked"),
        )

    @property
    def volume_gib(self) -> float | None:
        """The volume's size where the timeline begins, before any damage; None where nobody measured it."""
        volume = next((series for series in self.series if series.metric == "VolumeBytesUsed"), None)
        return volume.points[0][1] if volume else None
