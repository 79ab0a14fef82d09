"""Carry one piece of a table: rows read, sent and noted as done in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from runbook_lib.bringback.copy.transport import lines
from runbook_lib.errors import RunbookError, StepFailed
from runbook_lib.mysql import Database

_EXACT = "NO_AUTO_VALUE_ON_ZERO"
_PACKET = 4 << 20


def prepare(restored: Database, damaged: Database) -> None:
    """Set both sessions: nothing is converted, corrected or checked on the way."""
    restored.execute("SET SESSION sql_mode = ''")
    damaged.execute(f"SET SESSION sql_mode = '{_EXACT},ALLOW_INVALID_DATES', SESSION foreign_key_checks = 0")
    # A table that is only read must not be locked by INSERT … SELECT.
    damaged.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    if damaged.is_mariadb:
        # MariaDB loads the first rows of an empty table in bulk where both checks are off, under a lock on the whole
        # table: the other workers would wait.
        damaged.execute("SET SESSION check_constraint_checks = 0")
    else:
        damaged.execute("SET SESSION unique_checks = 0")


def carry(restored: Database, damaged: Database, piece: Mapping[str, Any]) -> int:
    """Carry a piece and return its number of rows; 0 if another worker has done it already.

    Raises:
        StepFailed: the server took another number of rows than were sent; nothing of the piece is kept.
    """
    if piece["empty"]:
        return _carry_whole(restored, damaged, piece)
    damaged.execute("START TRANSACTION")
    try:
        rows = _WAYS[piece["way"]](restored, damaged, piece)
        if not damaged.execute(piece["done"], (rows,)):
            damaged.execute("ROLLBACK")
            return 0
        damaged.execute("COMMIT")
    except BaseException:
        with suppress(RunbookError):  # a connection that is gone has been rolled back by the server
            damaged.execute("ROLLBACK")
        raise
    return rows


def _carry_whole(restored: Database, damaged: Database, piece: Mapping[str, Any]) -> int:
    """Carry a table whose engine knows no transactions: what an earlier run has left of it is emptied first."""
    if damaged.value(piece["filled"]):
        damaged.execute(piece["empty"])
    rows = _WAYS[piece["way"]](restored, damaged, piece)
    damaged.execute(piece["done"], (rows,))
    return rows


def _load(restored: Database, damaged: Database, piece: Mapping[str, Any]) -> int:
    sent = [0, 0]

    def write(stream: BinaryIO) -> None:
        for (line,) in restored.stream(piece["lines"]):
            if line is None:
                sent[1] += 1  # longer than max_allowed_packet: such a piece is sent value by value
            elif not sent[1]:
                stream.write(line)
                stream.write(b"\n")
            sent[0] += 1

    taken = damaged.load_lines(piece["load"], write)
    if sent[1]:
        damaged.execute(piece["empty"] or "ROLLBACK")
        if not piece["empty"]:
            damaged.execute("START TRANSACTION")
        sent[0] = 0
        taken = damaged.load_lines(piece["load"], lambda stream: _write_raw(restored, piece, stream, sent))
    return _same(taken, sent[0])


def _write_raw(restored: Database, piece: Mapping[str, Any], stream: BinaryIO, sent: list[int]) -> None:
    for row in restored.stream(piece["raw"]):
        stream.write(b"\t".join([lines.escaped(value) for value in row]) + b"\n")
        sent[0] += 1


def _insert(restored: Database, damaged: Database, piece: Mapping[str, Any]) -> int:
    sent = taken = 0
    for batch in _batches(restored.stream(piece["values"])):
        sent += len(batch)
        taken += damaged.execute(piece["insert"] + ",".join(batch))
    return _same(taken, sent)


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for (value,) in rows:
        if value is None:
            raise StepFailed(
                "A row is too long to be sent in one statement.",
                hint="Switch local_infile on at the damaged server for the time of the copy, or name a bucket for S3.",
            )
        text = value.decode("ascii") if isinstance(value, bytes) else value
        if size + len(text) > _PACKET and batch:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _within(_restored: Database, damaged: Database, piece: Mapping[str, Any]) -> int:
    return damaged.execute(piece["within"])


def _s3(restored: Database, damaged: Database, piece: Mapping[str, Any]) -> int:
    unload, load = piece["s3"]
    restored.execute(unload)
    return _same(damaged.execute(load), int(restored.value(piece["count"])))


_WAYS = {"load": _load, "insert": _insert, "local": _within, "s3": _s3}


def _same(taken: int, sent: int) -> int:
    if taken != sent:
        raise StepFailed(
            f"{sent:,} rows were sent and {taken:,} were taken; nothing of this piece is kept.",
            hint="A row may break a unique key or be cut off on its way; the server's log may say more.",
        )
    return taken
