"""Read a server's binary log over the network, as a replica does: what was run, and in which second.

SHOW BINLOG EVENTS has no times, and the log clients are not on every machine, so the replication protocol is spoken
by the package mysql-replication. The server sends whole files; nothing on it is changed or held.

The account needs REPLICATION CLIENT (MariaDB: BINLOG MONITOR) for the list of files and REPLICATION SLAVE for their
content. On Aurora MySQL the log is off unless the cluster's parameter binlog_format says otherwise, and readers have
none. Source: MySQL manual, SHOW BINARY LOGS and "Privileges Provided by MySQL"; Aurora User Guide, "Configuring
Aurora MySQL binary logging".
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pymysql

from runbook_lib.mysql.connection import Database, error_of
from runbook_lib.mysql.dialing import Credentials, Endpoint, GuardedConnection, settings_of

# The package advises every reader to have column names logged, which nobody needs for a date and a number of rows.
logging.getLogger("pymysqlreplication").setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """One file of the binary log, the oldest first in a list. `size` in bytes."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class LoggedStatement:
    """A statement as it was logged, with the schema the session was in. `at` is aware UTC, to the second."""

    at: datetime
    schema: str
    sql: str


@dataclass(frozen=True, kw_only=True)
class LoggedRows:
    """One row event: `deleted` rows of a table taken away, or some written (then it is 0). `size` in bytes."""

    at: datetime
    schema: str
    table: str
    deleted: int
    size: int


LogEntry = LoggedStatement | LoggedRows


def list_log_files(database: Database) -> tuple[LogFile, ...]:
    """Return the files of the binary log, the oldest first. None if the server writes no log.

    Raises:
        AccessDenied: the account may not list them.
    """
    if not database.value("SELECT @@log_bin"):
        return ()
    return tuple(LogFile(name=row[0], size=int(row[1])) for row in database.rows("SHOW BINARY LOGS"))


def began(endpoint: Endpoint, credentials: Credentials, file: LogFile) -> datetime:
    """Return the second a file of the log was begun, without reading the rest of it."""
    from pymysqlreplication.event import FormatDescriptionEvent

    with _stream(endpoint, credentials, file=file.name, only=[FormatDescriptionEvent]) as events:
        for event in _translated(events, endpoint):
            return _second(event)
    return datetime.fromtimestamp(0, UTC)


def read_log(
    endpoint: Endpoint,
    credentials: Credentials,
    *,
    files: Sequence[LogFile],
    since: datetime,
    until: datetime,
) -> Iterator[LogEntry]:
    """Read files that follow each other, and give what is dated between two moments, both included.

    Of row events only the table is read, and the number of rows where they were deleted. Raises as `Database.rows`.
    """
    from pymysqlreplication.event import QueryEvent
    from pymysqlreplication.row_event import DeleteRowsEvent, WriteRowsEvent

    wanted = {file.name for file in files}
    with _stream(
        endpoint, credentials, file=files[0].name, only=[QueryEvent, DeleteRowsEvent, WriteRowsEvent]
    ) as events:
        for event in _translated(events, endpoint):
            if events.log_file not in wanted:
                return  # begun since the list was taken
            at = _second(event)
            if not since <= at <= until:
                continue
            if isinstance(event, QueryEvent):
                yield LoggedStatement(at=at, schema=_text(event.schema), sql=_text(event.query))
            else:
                # The number of rows is known only by decoding them, and decoding needs no column to be understood.
                deleted = len(event.rows) if isinstance(event, DeleteRowsEvent) else 0
                yield LoggedRows(
                    at=at,
                    schema=_text(event.schema),
                    table=_text(event.table),
                    deleted=deleted,
                    size=int(event.event_size),
                )


def _stream(endpoint: Endpoint, credentials: Credentials, *, file: str, only: list[type]) -> Any:
    from pymysqlreplication import BinLogStreamReader

    return closing(
        BinLogStreamReader(
            connection_settings={
                **settings_of(endpoint, credentials),
                "charset": "utf8mb4",
                "connect_timeout": 10,
            },
            # A server ends an older replica that has the same number, so ours must be nobody else's.
            server_id=2**31 + secrets.randbelow(2**31 - 1),
            log_file=file,
            log_pos=4,
            pymysql_wrapper=GuardedConnection,
            resume_stream=True,
            blocking=False,
            only_events=only,
            ignore_decode_errors=True,
            enable_logging=False,
        )
    )


def _translated(events: Any, endpoint: Endpoint) -> Iterator[Any]:
    try:
        yield from events
    except pymysql.MySQLError as error:
        raise error_of(error, endpoint) from error


def _second(event: Any) -> datetime:
    return datetime.fromtimestamp(event.timestamp, UTC)


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
