"""Connections to a MySQL-compatible server."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import DictCursor, SSCursor

from runbook_lib.errors import AccessDenied, InputRefused, RunbookError, StepFailed, TimedOut, Unreachable
from runbook_lib.mysql.dialing import Credentials, Endpoint, GuardedConnection, settings_of, unidentified

_DENIED = {
    ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR,
    ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.PROCACCESS_DENIED_ERROR,
}  # fmt: skip
_GONE = {
    CR.CR_CONNECTION_ERROR,
    CR.CR_CONN_HOST_ERROR,
    CR.CR_UNKNOWN_HOST,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
}

# a statement that ran longer than max_execution_time (MySQL, milliseconds) or max_statement_time (MariaDB, seconds)
_TOO_LONG = {3024, 1969}

_ALL_ROWS = 2**64 - 1  # sql_select_limit may be set for a whole server
Row = tuple[Any, ...]

_PIPED = 1 << 18  # bytes gathered before they go through the pipe


class Database:
    """One open connection. Use it as a context manager; not shared between threads."""

    def __init__(
        self, connection: pymysql.Connection[Any], endpoint: Endpoint, credentials: Credentials | None = None
    ) -> None:
        self._connection = connection
        self.endpoint = endpoint
        self.credentials = credentials
        self.version = str(connection.get_server_info())  # type: ignore[no-untyped-call]  # pymysql's stubs

    @property
    def is_mariadb(self) -> bool:
        """Tell the engine family, for the few places where MySQL and MariaDB differ."""
        return "mariadb" in self.version.lower()

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement and return all its rows."""
        with self._translated(), self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def value(self, sql: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        """Run one statement and return the first value of its first row, None if there is no row."""
        found = self.rows(sql, values)
        return found[0][0] if found else None

    def named_rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement and return its rows by column name, for SHOW statements whose columns vary."""
        with self._translated(), self._connection.cursor(DictCursor) as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def stream(self, sql: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one statement and yield its rows, without holding them all. Read it to the end."""
        with self._translated(), self._connection.cursor(SSCursor) as cursor:
            cursor.execute(sql, values)
            yield from cursor

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> int:
        """Run one statement that changes something; return the number of rows it touched."""
        with self._translated(), self._connection.cursor() as cursor:
            return int(cursor.execute(sql, values))

    def execute_many(self, sql: str, values: Sequence[Sequence[Any]]) -> int:
        """Run one INSERT for many rows, in as few packets as pymysql can."""
        with self._translated(), self._connection.cursor() as cursor:
            return int(cursor.executemany(sql, values) or 0)

    def limit_reads(self, seconds: float) -> None:
        """Let the server end every later SELECT of this connection that runs longer. It is `TimedOut` then."""
        if self.is_mariadb:
            self.execute(f"SET SESSION max_statement_time = {seconds}")
        else:
            self.execute(f"SET SESSION max_execution_time = {max(1, round(seconds * 1000))}")

    def load_lines(self, statement: str, write: Callable[[BinaryIO], object]) -> int:
        """Run a LOAD DATA LOCAL whose lines `write` puts into the stream it is given; return the number of rows loaded.

        `statement` holds `{file}` where the file's name belongs: the lines go through a pipe and never lie on a disk.
        The connection must be `opened_again(..., local_infile=True)`. Run it in a transaction: when `write` fails, the
        server has taken what came before for everything, and only a rollback takes that away.

        Raises:
            StepFailed, AccessDenied, Unreachable: as every statement; or what `write` raised.
        """
        reading, writing = os.pipe()
        failed: list[BaseException] = []

        def feed() -> None:
            try:
                with os.fdopen(writing, "wb", buffering=_PIPED) as stream:
                    write(stream)
            except BrokenPipeError:
                pass  # the server refused the statement, which is what the caller is told
            except BaseException as error:  # noqa: BLE001  # carried over to the calling thread
                failed.append(error)

        feeder = threading.Thread(target=feed, name="lines")
        feeder.start()
        try:
            return self.execute(statement.replace("{file}", f"/dev/fd/{reading}"))
        finally:
            os.close(reading)
            feeder.join()
            if failed:
                raise failed[0]

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        if self._connection.open:
            self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except pymysql.MySQLError as error:
            raise error_of(error, self.endpoint) from error


def connect(
    endpoint: Endpoint,
    credentials: Credentials,
    *,
    schema: str = "",
    time_zone: str = "+00:00",
    options: Mapping[str, Any] | None = None,
) -> Database:
    """Open a connection: utf8mb4, autocommit, session time zone UTC, and all rows of what is asked for.

    Unless it stays on this machine it is encrypted, and the server is identified by its certificate before it is sent
    the password (see `runbook_lib.mysql.dialing`). `options` go to pymysql as they are.

    Raises:
        AccessDenied: the account or its password is not accepted.
        Unreachable: nothing answers at the endpoint, or it has no host.
        StepFailed: the server could not be identified; it was sent no password.
        InputRefused: RUNBOOK_MYSQL_CA or RUNBOOK_MYSQL_VIA cannot be used.
    """
    try:
        connection = GuardedConnection(
            **settings_of(endpoint, credentials),
            database=schema or None,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=10,
            **(options or {}),
        )
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = %s, sql_select_limit = %s", (time_zone, _ALL_ROWS))
    except pymysql.MySQLError as error:
        raise error_of(error, endpoint) from error
    return Database(connection, endpoint, credentials)


def opened_again(database: Database, *, schema: str = "", local_infile: bool = False) -> Database:
    """Open another connection to the same server as the same account.

    With `local_infile` the server may ask this connection for a file: for a server that is trusted, and only for the
    time of loading. Raises as `connect`.
    """
    assert database.credentials is not None
    return connect(
        database.endpoint, database.credentials, schema=schema, options={"local_infile": True} if local_infile else None
    )


def error_of(error: pymysql.MySQLError, endpoint: Endpoint) -> RunbookError:
    """Sort an error of pymysql by what the reader must do."""
    code = error.args[0] if error.args else 0
    refused = getattr(error, "original_exception", None) or error.__cause__
    if isinstance(refused, ssl.SSLError):
        return unidentified(str(endpoint), getattr(refused, "verify_message", "") or refused.reason or str(refused))
    said = str(error.args[1] if len(error.args) > 1 else error)
    facts: dict[str, Any] = {"code": code, "endpoint": str(endpoint)}
    if code in _DENIED:
        return AccessDenied(
            f"The database at {endpoint} refuses this account: {said}.",
            hint="Check the account and its password or rights; the password is the one of the restore point.",
            **facts,
        )
    if code in _GONE:
        return Unreachable(
            f"The database at {endpoint} does not answer.",
            hint="Check that an instance is available, the security group, the network or VPN, and the port.",
            **facts,
        )
    if code == 0 and isinstance(error, pymysql.err.InterfaceError):  # pymysql's own word for one that is not open
        return Unreachable(
            f"The connection to the database at {endpoint} was closed before it could answer.",
            hint="Run again with the same parameters: what was begun is taken up.",
            **facts,
        )
    if code in _TOO_LONG:
        return TimedOut(
            f"The database at {endpoint} ended a statement that ran longer than it may: {said}.",
            hint="Allow it longer, or run it at a quieter time.",
            **facts,
        )
    if code == ER.BAD_DB_ERROR:
        return InputRefused(f"{said} at {endpoint}.", hint="Check the schema's name.", **facts)
    return StepFailed(f"The database at {endpoint} says {code}: {said}.", **facts)
