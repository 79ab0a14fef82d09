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
class Deletions:
    """Which snapshots were deleted, the oldest first; more than these were where they are not all."""

    events: tuple[Happening, ...]
    are_all: bool


CHANGED = frozenset({"UPDATE", "DROP COLUMN", "DROP SYSTEM VERSIONING", "DISCARD TABLESPACE"})
"""Kinds of damage that no later row undoes: what was there before is not in the log's later part."""


@dataclass(frozen=True, kw_only=True)
class Destruction:
    """One statement of the binary log that takes data away or changes much of a table, or many that belong together.

    `kind` is "DROP TABLE" (a table renamed away is gone under that name), "DROP DATABASE", "DROP VIEW" (or TRIGGER,
    PROCEDURE and so on), "TRUNCATE", "DROP PARTITION" (truncated and exchanged ones too), "DELETE", "UPDATE", "DROP
    COLUMN" or "CASCADE" (rows that a foreign key took along and the log does not hold); `table.name` is empty for a
    whole schema. `rows` is the number taken away or changed where the log tells it, `of` the number that the table
    had, by the log's own count. `made` is when the table had last been made, `remade` when it was made again after
    this, `refilled` when it had as many rows again, `written` how many were written since; None: not within what was
    read. `counted` tells that those rows could be counted.

    Of an UPDATE, `columns` are those it changed, `nulls` and `flat` those that became NULL, or got one value, in every
    row it changed. `thread` and `account` are whose it was as far as the log says. `like` is the statement without its
    values where it was logged as text, and then `whole` tells that it had no condition. `usual` tells that other
    nights did the same to the table.
    """

    at: datetime
    until: datetime
    kind: str
    table: TableName
    rows: int | None = None
    of: int | None = None
    made: datetime | None = None
    remade: datetime | None = None
    refilled: datetime | None = None
    written: int = 0
    counted: bool = True
    columns: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    detail: str = ""
    like: str = ""
    whole: bool = False
    thread: int = 0
    account: str = ""
    usual: bool = False
    parent: bool = False

    @property
    def share(self) -> float | None:
        """The rows as a share of those that the table had; None where either is not known."""
        return None if self.rows is None or not self.of else self.rows / self.of


@dataclass(frozen=True, kw_only=True)
class TableChange:
    """What one transaction did to one table. `of` is the number of rows it had before; None: not known."""

    table: TableName
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    columns: tuple[str, ...] = ()
    of: int | None = None


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """One transaction of the binary log: when, by which connection as far as the log says, and what it changed."""

    at: datetime
    thread: int
    account: str
    tables: tuple[TableChange, ...]

    @property
    def rows(self) -> int:
        """All rows that it wrote, changed or took away."""
        return sum(table.inserted + table.updated + table.deleted for table in self.tables)


@dataclass(frozen=True, kw_only=True)
class LogGap:
    """A part of the binary log that was not read: from when to when, how many events, and why."""

    since: datetime
    until: datetime
    events: int
    why: str


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

    `needs` are the rights that reading it takes. `left_out` says which part of it was not read, although the rest was.
    """

    name: str
    found: str = ""
    why_not: str = ""
    needs: str = ""
    left_out: str = ""

    @property
    def was_read(self) -> bool:
        """Tell whether it was read."""
        return not self.why_not


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Everything that was read about the time from `since` to `until`. `log_since` is where the binary log begins.

    `gaps` are the parts of the log that were not read, `untold` what a log of this kind cannot tell, in sentences,
    `transactions` the largest ones.
    """

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
    gaps: tuple[LogGap, ...] = ()
    untold: tuple[str, ...] = ()
    transactions: tuple[Transaction, ...] = ()

    def source(self, name: str) -> SourceRead:
        """Return what is said of a source; one that was never asked was not read."""
        return next(
            (source for source in self.sources if source.name == name),
            SourceRead(name=name, why_not="it was not asked"),
        )
