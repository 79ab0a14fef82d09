"""Carry one piece of a table: rows read, sent and noted as done in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from runbook_lib.bringback.copy import lines
from runbook_lib.bringback.copy.pieces import order
from runbook_lib.bringback.copy.plan import TablePlan
from runbook_lib.errors import RunbookError, StepFailed
from runbook_lib.mysql import Database

_EXACT = "NO_AUTO_VALUE_ON_ZERO"
_PACKET = 4 << 20


def piece_order(table: TablePlan, number: int, where: str, *, state: str) -> dict[str, Any]:
    """Write down what a worker needs to carry a piece."""
    condition = f" WHERE {where}" if where else ""
    rows = f" FROM {table.name.sql}{condition}{order(table.key)}"
    names = ", ".join(f"`{column.name.replace('`', '``')}`" for column in table.columns)
    return {
        "number": number,
        "way": table.way,
        "lines": f"SELECT {lines.line(table.columns)}{rows}",
        "raw": f"SELECT {', '.join(lines.raw(column) for column in table.columns)}{rows}",
        "values": f"SELECT {lines.values(table.columns)}{rows}",
        "load": lines.load_statement(table.staging, table.columns, source="LOCAL INFILE '{file}'"),
        "insert": f"INSERT INTO {table.staging.sql} ({names}) VALUES ",
        "within": f"INSERT INTO {table.staging.sql} ({names}) SELECT {names}{rows}",
        "count": f"SELECT COUNT(*) FROM {table.name.sql}{condition}",
        "done": f"UPDATE `{state}`.`pieces` SET done = %s WHERE number = {number} AND done IS NULL",
    }


def prepare(copy: Database, source: Database) -> None:
    """Set both sessions: nothing is converted, corrected or checked on the way."""
    copy.execute("SET SESSION sql_mode = ''")
    source.execute(f"SET SESSION sql_mode = '{_EXACT},ALLOW_INVALID_DATES', SESSION foreign_key_checks = 0")
    # A table that is only read must not be locked by INSERT … SELECT.
    source.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    if source.is_mariadb:
        # MariaDB loads the first rows of an empty table in bulk where both checks are off, under a lock on the whole
        # table: the other workers would wait.
        source.execute("SET SESSION check_constraint_checks = 0")
    else:
        source.execute("SET SESSION unique_checks = 0")


def carry(copy: Database, source: Database, piece: Mapping[str, Any]) -> int:
    """Carry one piece and give its rows; 0 if another worker has done it already.

    Raises:
        StepFailed: the server took another number of rows than were sent; nothing of the piece is kept.
    """
    source.execute("START TRANSACTION")
    try:
        rows = _WAYS[piece["way"]](copy, source, piece)
        if not source.execute(piece["done"], (rows,)):
            source.execute("ROLLBACK")
            return 0
        source.execute("COMMIT")
    except BaseException:
        with suppress(RunbookError):  # a connection that is gone has been rolled back by the server
            source.execute("ROLLBACK")
        raise
    return rows


def _load(copy: Database, source: Database, piece: Mapping[str, Any]) -> int:
    sent = [0, 0]

    def write(stream: BinaryIO) -> None:
        for (line,) in copy.stream(piece["lines"]):
            if line is None:
                sent[1] += 1  # longer than max_allowed_packet: such a piece is sent value by value
            elif not sent[1]:
                stream.write(line)
                stream.write(b"\n")
            sent[0] += 1

    taken = source.load_lines(piece["load"], write)
    if sent[1]:
        source.execute("ROLLBACK")
        source.execute("START TRANSACTION")
        sent[0] = 0
        taken = source.load_lines(piece["load"], lambda stream: _write_raw(copy, piece, stream, sent))
    return _same(taken, sent[0])


def _write_raw(copy: Database, piece: Mapping[str, Any], stream: BinaryIO, sent: list[int]) -> None:
    for row in copy.stream(piece["raw"]):
        stream.write(b"\t".join([lines.escaped(value) for value in row]) + b"\n")
        sent[0] += 1


def _insert(copy: Database, source: Database, piece: Mapping[str, Any]) -> int:
    sent = taken = 0
    for batch in _batches(copy.stream(piece["values"])):
        sent += len(batch)
        taken += source.execute(piece["insert"] + ",".join(batch))
    return _same(taken, sent)


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for (value,) in rows:
        if value is None:
            raise StepFailed(
                "A row is too long to be sent in one statement.",
                hint="Switch local_infile on at the source for the time of the copy, or name a bucket for S3.",
            )
        text = value.decode("ascii") if isinstance(value, bytes) else value
        if size + len(text) > _PACKET and batch:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _within(_copy: Database, source: Database, piece: Mapping[str, Any]) -> int:
    return source.execute(piece["within"])


def _s3(copy: Database, source: Database, piece: Mapping[str, Any]) -> int:
    unload, load = piece["s3"]
    copy.execute(unload)
    return _same(source.execute(load), int(copy.value(piece["count"])))


_WAYS = {"load": _load, "insert": _insert, "local": _within, "s3": _s3}


def _same(taken: int, sent: int) -> int:
    if taken != sent:
        raise StepFailed(
            f"{sent:,} rows were sent and {taken:,} were taken; nothing of this piece is kept.",
            hint="A row may break a unique key or be cut off on its way; the server's log may say more.",
        )
    return taken
