"""The exact second of each DROP, TRUNCATE and mass DELETE, from the binary log."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.errors import StepFailed
from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName
from runbook_lib.mysql import (
    Credentials,
    Endpoint,
    LogEntry,
    LogFile,
    LoggedRows,
    began,
    connect,
    list_log_files,
    read_log,
)
from runbook_lib.timeline.statements import Effect, effects
from runbook_lib.timeline.values import Destruction
from runbook_lib.times import utc_text

log = logging.getLogger(__name__)

MASS_DELETE_ROWS = 1000
"""So many rows of one table, deleted without a pause of a minute, are told; fewer are everyday work."""

_PAUSE = timedelta(minutes=1)
_MOST_BYTES = 512 * 2**20  # about a minute of reading; beyond it the newest part is read, and that is said


class LogNotRead(StepFailed):
    """The server writes no binary log, or keeps none of it."""

    headline = "No binary log"


@dataclass(frozen=True, kw_only=True)
class LogReading:
    """What the binary log told. `since` is the second from which it is complete; `note` says what was left out."""

    since: datetime
    destructions: tuple[Destruction, ...]
    files: int
    note: str = ""

    @property
    def text(self) -> str:
        """Say what was found, and in how much."""
        return f"{len(self.destructions)} in {self.files} files from {utc_text(self.since)}{self.note}"


def read_destructions(endpoint: Endpoint, credentials: Credentials, *, since: datetime, until: datetime) -> LogReading:
    """Read the files of the binary log that reach into the time between two moments.

    Raises:
        LogNotRead: the server writes no binary log.
        AccessDenied: the account may not read it.
        Unreachable: nothing answers at the endpoint.
    """
    with connect(endpoint, credentials) as database:
        files = list_log_files(database)
    if not files:
        raise LogNotRead(
            "The server writes no binary log, so no statement's second is known.",
            hint="On Aurora it is switched on by binlog_format in the cluster's parameter group, before an incident.",
        )
    chosen, complete_since, cut = _reaching_into(endpoint, credentials, files, since=since)
    log.info("reading %d of %d files of the binary log", len(chosen), len(files))
    entries = list(read_log(endpoint, credentials, files=chosen, since=since, until=until))
    return LogReading(
        # a session may write older dates than the file's own (SET timestamp): what is there was not left out
        since=min([complete_since, *(entry.at for entry in entries)]),
        destructions=destructions_in(entries),
        files=len(chosen),
        note=f"; older files were left out, {_MOST_BYTES >> 20} MiB are read at most" if cut else "",
    )


def _reaching_into(
    endpoint: Endpoint, credentials: Credentials, files: Sequence[LogFile], *, since: datetime
) -> tuple[list[LogFile], datetime, bool]:
    """Choose files from the newest back to the first one begun by `since`, as long as they are not too much."""
    chosen: list[LogFile] = []
    size = 0
    for file in reversed(files):
        size += file.size
        if chosen and size > _MOST_BYTES:
            return chosen, began(endpoint, credentials, chosen[0]), True
        chosen.insert(0, file)
        if began(endpoint, credentials, file) <= since:
            return chosen, since, False
    return chosen, began(endpoint, credentials, chosen[0]), False


@dataclass
class _Loss:
    """A loss while what became of it is followed."""

    kind: str
    table: TableName
    at: datetime
    until: datetime
    rows: int | None
    size: int
    made: datetime | None
    written: int = 0
    remade: datetime | None = None
    refilled: datetime | None = None

    def is_made(self, at: datetime) -> None:
        self.remade = self.remade or at

    def is_filled(self, at: datetime, size: int) -> None:
        # Deleted rows are back when half as much was written again: an application's next row is no reload. Of a
        # dropped or truncated table the log does not tell how much it held.
        self.written += size
        if self.refilled is None and 2 * self.written >= self.size:
            self.refilled = at

    def told(self) -> Destruction:
        return Destruction(
            at=self.at,
            until=self.until,
            kind=self.kind,
            table=self.table,
            rows=self.rows,
            made=self.made,
            remade=self.remade,
            refilled=self.refilled,
        )


def destructions_in(entries: Iterable[LogEntry]) -> tuple[Destruction, ...]:
    """Find what takes data away among entries of the log, and what became of each table afterwards."""
    losses: list[_Loss] = []
    last: dict[TableName, _Loss] = {}  # of each table: a load drops the same ones every night
    made: dict[TableName, datetime] = {}
    for entry in entries:
        size = entry.size if isinstance(entry, LoggedRows) else 0
        for effect in _effects_of(entry):
            if effect.verb == "made":
                made[effect.table] = entry.at
                for loss in _last_of(last, effect.table):
                    loss.is_made(entry.at)
            elif effect.verb == "filled":
                for loss in _last_of(last, effect.table):
                    loss.is_filled(entry.at, size)
            elif begun := _lose(last, entry, effect, made=made.get(effect.table)):
                losses.append(begun)
    return tuple(loss.told() for loss in losses if loss.rows is None or loss.rows >= MASS_DELETE_ROWS)


def _effects_of(entry: LogEntry) -> tuple[Effect, ...]:
    if not isinstance(entry, LoggedRows):
        return effects(entry.sql, schema=entry.schema)
    if entry.schema.lower() in SYSTEM_SCHEMAS:
        return ()
    verb = "DELETE" if entry.deleted else "filled"
    return (Effect(verb=verb, table=TableName(schema=entry.schema, name=entry.table)),)


def _last_of(last: dict[TableName, _Loss], table: TableName) -> list[_Loss]:
    """Return what is open of a table: its own last loss, and that of its whole schema."""
    return [last[name] for name in (table, TableName(schema=table.schema, name="")) if name in last]


def _lose(last: dict[TableName, _Loss], entry: LogEntry, effect: Effect, *, made: datetime | None) -> _Loss | None:
    """Begin a loss and give it, or add to the one that is going on. Everyday deletes do not end an earlier loss."""
    before = last.get(effect.table)
    rows, size = (entry.deleted, entry.size) if isinstance(entry, LoggedRows) else (None, 0)
    if rows is not None and before:
        if before.rows is not None and entry.at - before.until <= _PAUSE:
            before.until, before.rows, before.size = entry.at, before.rows + rows, before.size + size
            return None
        if rows < MASS_DELETE_ROWS and (before.rows is None or before.rows >= MASS_DELETE_ROWS):
            return None
    loss = _Loss(kind=effect.verb, table=effect.table, at=entry.at, until=entry.at, rows=rows, size=size, made=made)
    last[effect.table] = loss
    return loss
