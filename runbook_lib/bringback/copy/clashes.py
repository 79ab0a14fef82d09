"""Foresee what the swap would stop at: a row written since that has the unique value of another row of the copy.

The swap finds such rows itself, under its locks and by one statement. Here they are looked for beforehand, when both
rows are still on two servers: all values of the damaged table's unique keys are held against the copy, in pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.bringback.copy.plan import TablePlan
from runbook_lib.mysql import Database, quoted

MOST_ROWS = 100_000  # of a damaged table; more are not read only to foresee something
_PIECE = 500


@dataclass(frozen=True, kw_only=True)
class Clash:
    """One table's rows written since that clash, by one unique key. `rows` is None where too many rows were to read."""

    table: TablePlan
    unique: tuple[str, ...] = ()
    rows: int | None = None


def foresee_clashes(restored: Database, damaged: Database, tables: Sequence[TablePlan]) -> tuple[Clash, ...]:
    """Look for rows of damaged tables whose key the copy does not have, and whose unique value another row of it has.

    Both servers are only read, each by its own comparison of values.
    """
    found: list[Clash] = []
    for table in tables:
        if not table.key or not table.uniques:
            continue
        if damaged.rows(f"SELECT 1 FROM {table.name.sql} LIMIT 1 OFFSET {MOST_ROWS}"):
            found.append(Clash(table=table))
            continue
        for unique in table.uniques:
            if rows := _count(restored, damaged, table, unique):
                found.append(Clash(table=table, unique=unique, rows=rows))
    return tuple(found)


def _count(restored: Database, damaged: Database, table: TablePlan, unique: Sequence[str]) -> int:
    names = (*table.key, *unique)
    filled = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in unique)
    listed = ", ".join(map(quoted, names))
    rows = damaged.rows(f"SELECT {listed} FROM {table.name.sql} WHERE {filled}")
    size = len(table.key)
    clashing = 0
    for piece in (rows[at : at + _PIECE] for at in range(0, len(rows), _PIECE)):
        taken = restored.rows(
            f"SELECT {listed} FROM {table.name.sql} WHERE {_among(unique, len(piece))}",
            tuple(value for row in piece for value in row[size:]),
        )
        if {tuple(row) for row in taken} <= {tuple(row) for row in piece}:
            continue  # each is the row of the same key
        for row in piece:
            clashing += _clashes(restored, table, row[:size], dict(zip(unique, row[size:], strict=True)))
    return clashing


def _clashes(restored: Database, table: TablePlan, key: Sequence[Any], values: dict[str, Any]) -> bool:
    """Ask the copy about one row: is its key unknown there, and its value another row's?"""
    same_key = " AND ".join(f"{quoted(name)} = %s" for name in table.key)
    same_value = " AND ".join(f"{quoted(name)} = %s" for name in values)
    known, taken = (
        restored.value(f"SELECT COUNT(*) FROM {table.name.sql} WHERE {where}", tuple(given))
        for where, given in ((same_key, key), (same_value, values.values()))
    )
    return not known and bool(taken)


def _among(names: Sequence[str], count: int) -> str:
    row = f"({', '.join(['%s'] * len(names))})"
    return f"({', '.join(map(quoted, names))}) IN ({', '.join([row] * count)})"
