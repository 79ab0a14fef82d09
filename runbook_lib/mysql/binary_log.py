"""Read a server's binary log over the network, as a replica does: what was run, and in which second.

SHOW BINLOG EVENTS has no times, and the log clients are not on every machine, so the replication protocol is spoken
here. The server sends whole files; nothing on it is changed or held.

What may pass is listed: every event is either read, or of a kind that is known to change no data, or it becomes a
`LoggedGap` that says why it was not read. Compressed ones are unpacked. A server sends its log decrypted.

The account needs REPLICATION CLIENT (MariaDB: BINLOG MONITOR) for the list of files and REPLICATION SLAVE for their
content. On Aurora MySQL the log is off unless the cluster's parameter binlog_format says otherwise, and readers have
none. Source: MySQL manual, SHOW BINARY LOGS, "Privileges Provided by MySQL" and the source documentation of
`mysql::binlog::event`; MariaDB documentation, "Replication protocol"; Aurora User Guide, "Configuring Aurora MySQL
binary logging".
"""

from __future__ import annotations

import codecs
import io
import secrets
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import IO, Any

import pymysql
from pymysql.charset import charset_by_id

from runbook_lib.mysql.binary_rows import Bytes, ColumnChange, Image, NotDecoded, TableMap, Wire, row_images, table_map
from runbook_lib.mysql.connection import Database, error_of
from runbook_lib.mysql.dialing import Credentials, Endpoint, GuardedConnection, settings_of

_COM_BINLOG_DUMP, _DO_NOT_WAIT = 0x12, 1
_HEADER = struct.Struct("<IBIIIH")
_QUERY_HEADER = struct.Struct("<IIBHH")
_CHECKSUM_BYTES = 4

_QUERY, _ROTATE, _FORMAT, _XID, _LOAD_QUERY, _TABLE_MAP, _INCIDENT = 2, 4, 15, 16, 18, 19, 26
_PAYLOAD, _PARTIAL_UPDATE, _QUERY_COMPRESSED = 40, 39, 165
_GTIDS = {33, 34, 42, 162}
_GTID_OF_MYSQL, _BEFORE_COMMIT = {33, 34}, 42  # flags, server's id, number, and what may run beside it
# WRITE, UPDATE and DELETE of both versions, then MariaDB's compressed ones
_ROWS = {23: "insert", 24: "update", 25: "delete", 30: "insert", 31: "update", 32: "delete", 39: "update",
         166: "insert", 167: "update", 168: "delete", 169: "insert", 170: "update", 171: "delete"}  # fmt: skip
_WITH_EXTRA = {30, 31, 32, 39, 169, 170, 171}
_COMPRESSED_ROWS = {166, 167, 168, 169, 170, 171}
# These change no data: ends and lists of files, variables of a statement, marks of transactions and of replication,
# the text beside row events, the content of a file whose loading is an event of its own, MariaDB's note of encryption.
_HARMLESS = {0, 3, 5, 9, 11, 13, 14, 17, 27, 28, 29, 35, 36, 37, 38, 41, 160, 161, 163, 164}
_IGNORABLE = 0x80  # of an event's flags: whoever does not know it may leave it out

# How long a statement's variables are, in their order; what comes after an unknown one is not needed.
_VARIABLES = {0: 4, 1: 8, 3: 4, 4: 6, 7: 2, 8: 2, 9: 8, 10: 4, 13: 3, 16: 1, 17: 8, 18: 2, 19: 1, 20: 1, 128: 3, 129: 8}
_SQL_MODE, _CHARSET, _INVOKER = 1, 4, 11
_WITH_LENGTH, _CATALOG, _UPDATED_SCHEMAS = {5, 6}, 2, 12
_MOST_SCHEMAS = 254  # more are not named
_ENCODINGS = {"ujis": "euc_jp", "eucjpms": "euc_jp", "euckr": "euc_kr", "sjis": "cp932", "macroman": "mac_roman",
              "macce": "mac_latin2", "tis620": "tis_620", "hp8": "hp_roman8", "greek": "iso8859_7",
              "hebrew": "iso8859_8", "latin2": "iso8859_2", "latin5": "iso8859_9", "latin7": "iso8859_13"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """One file of the binary log, the oldest first in a list. `size` in bytes."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class LoggedStatement:
    """A statement as it was logged, with the schema and the sql_mode that its session was in.

    `at` is aware UTC, to the second; `transaction` numbers the transactions as they were read; `thread` is the
    connection's number, 0 where the log does not say it; `account` is named for a few statements only. `committed` is
    when its transaction was, by the server's own clock, where the log says it (MySQL's does, for most).
    """

    at: datetime
    schema: str
    sql: str
    mode: int = 0
    transaction: int = 0
    thread: int = 0
    account: str = ""
    committed: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class LoggedRows:
    """One row event: so many rows of a table written ("insert"), changed ("update") or taken away ("delete").

    `columns` says of an update what it changed, by the column's place from 0; `names` are all columns' names where the
    server logs them. `images` are the rows, before and after, where they were asked for, `wires` how to read them.
    """

    at: datetime
    schema: str
    table: str
    verb: str
    rows: int
    columns: Mapping[int, ColumnChange] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    width: int = 0
    transaction: int = 0
    thread: int = 0
    committed: datetime | None = None
    images: Sequence[tuple[Image | None, Image | None]] = field(default=(), repr=False)
    wires: tuple[Wire, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class LoggedGap:
    """Something that stands in the log in that second and was not read. `table` where that much is known."""

    at: datetime
    why: str
    table: tuple[str, str] | None = None


LogEntry = LoggedStatement | LoggedRows | LoggedGap


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
    with _dump(endpoint, credentials, file=file.name) as events:
        for event in events:
            if event[4] == _FORMAT:
                return _second(struct.unpack_from("<I", event)[0])
    return _second(0)


def read_log(
    endpoint: Endpoint,
    credentials: Credentials,
    *,
    files: Sequence[LogFile],
    since: datetime,
    until: datetime,
    images: bool = False,
) -> Iterator[LogEntry]:
    """Read files that follow each other, and give what is dated between two moments, both included.

    With `images` each row comes with its values, as bytes that `binary_values` reads, and each commit as a statement.
    Where the connection ends in the middle, the last entry is a gap that says so.

    Raises:
        AccessDenied, Unreachable, StepFailed: nothing could be read, as `Database.rows`.
    """
    decoder = _Decoder({file.name for file in files}, images=images)
    last: datetime | None = None
    with _dump(endpoint, credentials, file=files[0].name) as events:
        try:
            for event in events:
                for entry in decoder.entries(event):
                    last = entry.at
                    if since <= entry.at <= until:
                        yield entry
                if decoder.behind:
                    return  # begun since the list was taken
        except (pymysql.MySQLError, OSError) as error:
            if last is None:
                raise error_of(error, endpoint) if isinstance(error, pymysql.MySQLError) else error from error
            yield LoggedGap(at=min(max(last, since), until), why=f"the server sent no more: {error}")


class _Decoder:
    """What has to be kept from one event to the next."""

    def __init__(self, files: set[str], *, images: bool = False) -> None:
        self._files = files
        self._keep = images
        self._checksums = False
        self._post_headers: bytes = b""
        self._tables: dict[int, TableMap] = {}
        self._transaction = 0
        self._thread = 0
        self._committed: datetime | None = None
        self.behind = False

    def entries(self, event: bytes) -> Iterator[LogEntry]:
        """Return what one event says; nothing for one that changes no data."""
        timestamp, kind, _, _, _, flags = _HEADER.unpack_from(event)
        at = _second(timestamp)
        if kind == _FORMAT:
            self._begin_file(event)
        elif kind == _ROTATE:
            name = event[_HEADER.size + 8 :]
            names = {name.decode(errors="replace"), name[:-_CHECKSUM_BYTES].decode(errors="replace")}
            self.behind = not names & self._files
        elif self._checksums and zlib.crc32(event[:-_CHECKSUM_BYTES]) != struct.unpack("<I", event[-4:])[0]:
            yield LoggedGap(at=at, why="an event's checksum is wrong")
        else:
            body = event[_HEADER.size : -_CHECKSUM_BYTES if self._checksums else None]
            yield from self._read(at, kind, flags, body)

    def _begin_file(self, event: bytes) -> None:
        # version, server's version, when it was begun, length of a header; then a byte for each kind of event
        self._post_headers = event[_HEADER.size + 2 + 50 + 4 + 1 : -1 - _CHECKSUM_BYTES]
        self._checksums = event[-1 - _CHECKSUM_BYTES] == 1
        self._tables.clear()

    def _read(self, at: datetime, kind: int, flags: int, body: bytes) -> Iterator[LogEntry]:
        try:
            if kind in _GTIDS:
                self._transaction, self._thread = self._transaction + 1, 0
                self._committed = _committed(body) if kind in _GTID_OF_MYSQL else None
            elif kind in (_QUERY, _QUERY_COMPRESSED, _LOAD_QUERY):
                yield self._statement(at, kind, body)
            elif kind == _TABLE_MAP:
                number, found = table_map(body, id_bytes=self._id_bytes(kind))
                self._tables[number] = found
            elif kind in _ROWS:
                yield self._rows(at, kind, body)
            elif kind == _XID and self._keep:  # its date is that of the commit
                yield LoggedStatement(
                    at=at, schema="", sql="COMMIT", transaction=self._transaction, committed=self._committed
                )
            elif kind == _PAYLOAD:
                yield from self._unpacked(at, body)
            elif kind == _INCIDENT:
                yield LoggedGap(at=at, why="the server itself lost events of its log here (an incident event)")
            elif kind not in _HARMLESS | {_XID} and not flags & _IGNORABLE:
                yield LoggedGap(at=at, why=f"an event of the unknown kind {kind}")
        except (NotDecoded, struct.error, IndexError, zlib.error, ValueError) as error:
            yield LoggedGap(at=at, why=f"an event of kind {kind} could not be decoded: {error}")

    def _id_bytes(self, kind: int) -> int:
        length = self._post_headers[kind - 1] if kind <= len(self._post_headers) else 8
        return 4 if length == 6 else 6  # before MySQL 5.1.4

    def _statement(self, at: datetime, kind: int, body: bytes) -> LoggedStatement:
        thread, _, schema_length, _, variables_length = _QUERY_HEADER.unpack_from(body)
        begin = _QUERY_HEADER.size + (13 if kind == _LOAD_QUERY else 0)
        variables = _variables(body[begin : begin + variables_length])
        read = Bytes(body, begin + variables_length)
        schema = read.take(schema_length + 1)[:-1].decode(errors="replace")
        text = read.take(read.left)
        if kind == _QUERY_COMPRESSED:
            text = _inflated(text)
        self._thread = thread
        collation = int.from_bytes(variables.get(_CHARSET, b"")[:2], "little")
        return LoggedStatement(
            at=at,
            schema=schema,
            sql=text.decode(_encoding(collation), errors="backslashreplace"),
            mode=int.from_bytes(variables.get(_SQL_MODE, b""), "little"),
            transaction=self._transaction,
            thread=thread,
            account=variables.get(_INVOKER, b"").decode(errors="replace"),
            committed=self._committed,
        )

    def _rows(self, at: datetime, kind: int, body: bytes) -> LogEntry:
        read = Bytes(body)
        number = read.number(self._id_bytes(kind))
        read.take(2)
        if kind in _WITH_EXTRA:
            read.take(read.number(2) - 2)
        table = self._tables.get(number)
        if table is None:
            return LoggedGap(at=at, why="rows of a table that the log does not name")
        rest = body[read.at :]
        try:
            if kind in _COMPRESSED_ROWS:
                rest = _inflated_rows(rest, updated=_ROWS[kind] == "update")
            partial = kind == _PARTIAL_UPDATE
            images = row_images(rest, table, verb=_ROWS[kind], partial=partial, keep=self._keep)
        except (NotDecoded, zlib.error, IndexError) as error:
            what = f"rows of {table.schema}.{table.table} ({_ROWS[kind]}) could not be decoded: {error}"
            return LoggedGap(at=at, why=what, table=(table.schema, table.table))
        return LoggedRows(
            at=at,
            schema=table.schema,
            table=table.table,
            verb=_ROWS[kind],
            rows=images.rows,
            columns=images.columns,
            names=table.names,
            width=len(table.sizes),
            transaction=self._transaction,
            thread=self._thread,
            committed=self._committed,
            images=images.images,
            wires=table.wires if self._keep else (),
        )

    def _unpacked(self, at: datetime, body: bytes) -> Iterator[LogEntry]:
        """Read the events of a compressed transaction. They have no checksums of their own."""
        read = Bytes(body)
        algorithm = 255
        while (what := read.packed()) != 0:
            length = read.packed()
            value = Bytes(read.take(length))
            if what == 2:  # the field that names the algorithm
                algorithm = value.packed()
        payload = io.BytesIO(read.take(read.left))
        if algorithm not in (0, 255):
            yield LoggedGap(at=at, why=f"a transaction is compressed in the unknown way {algorithm}")
            return
        content = payload if algorithm else _zstd_file(payload)
        try:
            while header := content.read(_HEADER.size):
                timestamp, kind, _, size, _, flags = _HEADER.unpack(header)
                yield from self._read(_second(timestamp), kind, flags, content.read(size - _HEADER.size))
        except Exception as error:  # noqa: BLE001  # the decompressor's own kinds differ by Python version
            yield LoggedGap(at=at, why=f"a compressed transaction could not be unpacked: {error}")


def _committed(body: bytes) -> datetime | None:
    """Return when a transaction was committed: microseconds in seven bytes, of which the highest bit says something."""
    found = int.from_bytes(body[_BEFORE_COMMIT : _BEFORE_COMMIT + 7], "little") & (1 << 55) - 1
    return datetime.fromtimestamp(found / 1e6, UTC) if found else None


def _zstd_file(packed: IO[bytes]) -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdFile(packed)


def _variables(block: bytes) -> dict[int, bytes]:
    read, found = Bytes(block), {}
    try:
        while read.left:
            kind = read.number(1)
            if kind in _VARIABLES:
                found[kind] = read.take(_VARIABLES[kind])
            elif kind in _WITH_LENGTH:
                read.take(read.number(1))
            elif kind == _CATALOG:
                read.take(read.number(1) + 1)
            elif kind == _INVOKER:
                user = read.take(read.number(1))
                found[kind] = user + b"@" + read.take(read.number(1))
            elif kind == _UPDATED_SCHEMAS:
                for _ in range(count if (count := read.number(1)) < _MOST_SCHEMAS else 0):
                    read.at = read.data.index(b"\0", read.at) + 1
            else:
                break
    except (NotDecoded, ValueError):
        pass  # what was read so far counts: the statement stands behind the whole block
    return found


@cache
def _encoding(collation: int) -> str:
    try:
        found: Any = charset_by_id(collation)
    except KeyError:  # 0: none is logged; MariaDB's newest collations are all of Unicode
        return "utf-8"
    name = str(_ENCODINGS.get(found.name, found.encoding))
    try:
        codecs.lookup(name)  # there is none called binary; decoding nothing would not tell
    except LookupError:
        return "utf-8"
    return name


def _inflated(packed: bytes) -> bytes:
    """Unpack what MariaDB compressed: a byte with the way and the bytes of the length, the length, zlib's stream."""
    way, length_bytes = packed[0] >> 4 & 7, packed[0] & 7
    if not packed[0] & 0x80 or way:
        raise NotDecoded(f"it is compressed in the unknown way {way}")
    return zlib.decompress(packed[1 + length_bytes :])


def _inflated_rows(rest: bytes, *, updated: bool) -> bytes:
    read = Bytes(rest)
    bits = (read.packed() + 7) // 8 * (2 if updated else 1)
    read.take(bits)
    return rest[: read.at] + _inflated(rest[read.at :])


def _second(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _dump(endpoint: Endpoint, credentials: Credentials, *, file: str) -> Any:
    return closing(_events(endpoint, credentials, file))


def _events(endpoint: Endpoint, credentials: Credentials, file: str) -> Iterator[bytes]:
    """Ask for the log from the beginning of a file, as far as it goes now, and give its events one by one."""
    try:
        connection = GuardedConnection(**settings_of(endpoint, credentials), charset="utf8mb4", connect_timeout=10)
    except pymysql.MySQLError as error:
        raise error_of(error, endpoint) from error
    with closing(connection):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET @master_binlog_checksum = @@global.binlog_checksum")
                cursor.execute("SET @source_binlog_checksum = @@global.binlog_checksum, @mariadb_slave_capability = 4")
            # A server ends an older replica that has the same number, so ours must be nobody else's.
            number = 2**31 + secrets.randbelow(2**31 - 1)
            asked = struct.pack("<IHI", 4, _DO_NOT_WAIT, number) + file.encode()
            connection._execute_command(_COM_BINLOG_DUMP, asked)  # type: ignore[attr-defined]
        except pymysql.MySQLError as error:
            raise error_of(error, endpoint) from error
        yield from _packets(connection, endpoint)


def _packets(connection: Any, endpoint: Endpoint) -> Iterator[bytes]:
    first = True
    while True:
        try:
            packet = connection._read_packet()
        except pymysql.MySQLError as error:
            if first:
                raise error_of(error, endpoint) from error
            raise
        if packet.is_eof_packet():
            return
        yield packet.get_all_data()[1:]
        first = False
