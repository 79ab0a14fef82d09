"""Read binary logs by their event headers, and cut them to what was committed up to a second.

The log clients' own --stop-datetime is not used. It looks at the date of single events, and those within one
transaction differ: a transaction that began before the asked second and was committed after it would be cut in half,
and the events a server writes for itself (start, rotation, checkpoint) carry the machine's clock, not the session's.
A transaction counts by the date of its last event, which is that of its COMMIT.

Sources: MySQL Internals, "Binary Log Event"; MariaDB Knowledge Base, "Binlog Event Header" and "GTID_EVENT".
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.errors import StepFailed

_MAGIC = b"\xfebin"
_HEADER = struct.Struct("<IBIIIH")  # date, type, server id, size, next position, flags
_QUERY_HEADER = struct.Struct("<IIBHH")  # thread, duration, length of the schema's name, error, length of the status

_QUERY, _STOP, _ROTATE, _FORMAT, _XID, _XA_PREPARE = 2, 3, 4, 15, 16, 38
_MYSQL_GTIDS = {33, 34, 42}  # named, anonymous, tagged
_MARIADB_GTID, _PAYLOAD, _COMPRESSED_QUERY = 162, 40, 165
_BETWEEN = {_STOP, _ROTATE, _FORMAT, 35, 161, 163}  # and previous GTIDs, checkpoint, GTID list
_FLAGS_AT = _HEADER.size + 12  # in MariaDB's GTID event
_STANDALONE, _XA_COMPLETED = 0x01, 0x80
_CHECKSUM = 4


@dataclass(frozen=True, kw_only=True)
class Position:
    """A place between two transactions: a log's file name and an offset in it."""

    file: str
    offset: int


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """One transaction, or one statement that commits by itself: its bytes and the second of its commit."""

    start: int
    end: int
    committed: datetime


@dataclass(frozen=True, kw_only=True)
class Event:
    """The header of one event."""

    start: int
    end: int
    kind: int
    date: int


def log_files(folder: Path) -> list[Path]:
    """Return the logs of a server in their order."""
    return sorted(path for path in folder.glob("binlog.*") if path.suffix[1:].isdigit())


def end_of(folder: Path) -> Position:
    """Return the place after the last whole transaction of a server's logs."""
    last = log_files(folder)[-1]
    found = transactions(last)
    return Position(file=last.name, offset=found[-1].end if found else _after_format(last))


def since(folder: Path, position: Position) -> Iterator[tuple[Path, list[Transaction]]]:
    """Return the logs from a position on, with their whole transactions after it."""
    for path in log_files(folder):
        if path.name >= position.file:
            start = position.offset if path.name == position.file else 0
            yield path, [each for each in transactions(path) if each.start >= start]


def transactions(path: Path) -> list[Transaction]:
    """Return the whole transactions of one log. One still being written at the end is left out.

    Raises:
        StepFailed: the file is no binary log.
    """
    found: list[Transaction] = []
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise StepFailed(f"{path.name} is no binary log.", hint="Rehearse again from the start.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
            group: list[Event] = []
            for event in _events(log):
                if event.kind in _BETWEEN or event.kind in _MYSQL_GTIDS or event.kind == _MARIADB_GTID:
                    found += _transaction(group)
                    group = []
                if event.kind not in _BETWEEN:
                    group.append(event)
            if group and _is_whole(log, group):
                found += _transaction(group)
    return found


def _events(log: mmap.mmap) -> Iterator[Event]:
    at = len(_MAGIC)
    while at + _HEADER.size <= len(log):
        date, kind, _, size, _, _ = _HEADER.unpack_from(log, at)
        if size < _HEADER.size or at + size > len(log):
            return  # still being written
        yield Event(start=at, end=at + size, kind=kind, date=date)
        at += size


def _transaction(group: Sequence[Event]) -> list[Transaction]:
    if not group:
        return []
    first, last = group[0], group[-1]
    return [Transaction(start=first.start, end=last.end, committed=datetime.fromtimestamp(last.date, UTC))]


def _is_whole(log: mmap.mmap, group: Sequence[Event]) -> bool:
    """Tell whether the last group of a log ends where it should: with its COMMIT, or its one statement."""
    first, last = group[0], group[-1]
    if last.kind in (_XID, _XA_PREPARE, _PAYLOAD):
        return True
    if last.kind not in (_QUERY, _COMPRESSED_QUERY):
        return False
    if first.kind == _MARIADB_GTID:
        alone = bool(log[first.start + _FLAGS_AT] & (_STANDALONE | _XA_COMPLETED))
    else:
        opening = next(_text(log, event) for event in group if event.kind == _QUERY)
        alone = opening != b"BEGIN" and not opening.startswith(b"XA START")
    return alone or _text(log, last) in (b"COMMIT", b"ROLLBACK")


def _text(log: mmap.mmap, event: Event) -> bytes:
    at = event.start + _HEADER.size
    _, _, schema, _, status = _QUERY_HEADER.unpack_from(log, at)
    return log[at + _QUERY_HEADER.size + status + schema + 1 : event.end - _CHECKSUM]


def _after_format(path: Path) -> int:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
        return next(event.end for event in _events(log) if event.kind == _FORMAT)


def cut(path: Path, chosen: Sequence[Transaction], *, target: Path) -> None:
    """Write a log that has the format event of another one and only the chosen transactions, byte for byte."""
    with path.open("rb") as source, target.open("xb") as out:
        out.write(source.read(_after_format(path)))
        for each in chosen:
            source.seek(each.start)
            out.write(source.read(each.end - each.start))
