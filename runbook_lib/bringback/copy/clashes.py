"""Foresee what the swap would stop at: a row written since that has a key or unique value of another row of the copy.

The swap finds such rows itself, under its locks and by one statement. Here they are looked for beforehand, when both
rows are still on two servers: all values of the damaged table's keys are held against the copy, in pieces. A key may be
equal to another one by its collation only ("a" and "A", trailing blanks, accents): then both rows are one row to the
server, and two to everybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.bringback.copy.plan import TablePlan
from runbook_lib.mysql import Database, quoted

MOST_ROWS = 100_000  # of a damaged table; more are not read only to foresee something
LISTED = 10  # keys that are shown
_PIECE = 500


@dataclass(frozen=True, kw_only=True)
class Clash:
    """One table's rows written since that clash, by one unique key. `rows` is None where too many rows were to read.

    With `keys` its key is equal to one of the copy and is not the same; these are some of them, the copy's last.
    """

    table: TablePlan
    unique: tuple[str, ...] = ()
    rows: int | None = None
    keys: tuple[str, ...] = ()


def foresee_clashes(restored: Database, damaged: Database, tables: Sequence[TablePlan]) -> tuple[Clash, ...]:
    """Look for rows of damaged tables whose key or unique value another row of the copy has.

    Both servers are only read, each by its own comparison of values.
    """
    found: list[Clash] = []
    for table in tables:
        collated = any(column.collation for column in table.compared if column.name in table.key)
        if not table.key or not (table.uniques or collated):
            continue
        if damaged.rows(f"SELECT 1 FROM {table.name.sql} LIMIT 1 OFFSET {MOST_ROWS}"):
            found.append(Clash(table=table))
            continue
        rows, keys = _alike(restored, damaged, table) if collated else (0, ())
        if rows:
            found.append(Clash(table=table, unique=table.key, rows=rows, keys=keys))
        for unique in table.uniques:
            if rows := _count(restored, damaged, table, unique):
                found.append(Clash(table=table, unique=unique, rows=rows))
    return tuple(found)


def _alike(restored: Database, damaged: Database, table: TablePlan) -> tuple[int, tuple[str, ...]]:
    """Count the keys of the damaged table that the copy has in other letters; return some with those of the copy."""
    asked = f"SELECT {', '.join(map(quoted, table.key))} FROM {table.name.sql}"
    keys = damaged.rows(asked)
    found: list[tuple[Any, ...]] = []
    for piece in (keys[at : at + _PIECE] for at in range(0, len(keys), _PIECE)):
        values = tuple(value for key in piece for value in key)
        taken = restored.rows(f"{asked} WHERE {_among(table.key, len(piece))}", values)
        found += {tuple(key) for key in taken} - {tuple(key) for key in piece}
    listed = []
    for theirs in sorted(found)[:LISTED]:
        ours = damaged.rows(f"{asked} WHERE {_among(table.key, 1)}", theirs)
        listed.append(" and ".join([*map(_shown, ours), _shown(theirs)]))
    return len(found), tuple(listed)


def _shown(key: Sequence[Any]) -> str:
    return ", ".join(repr(value) if isinstance(value, str) else str(value) for value in key)


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
    """Write that a row is one of some, in a way that both engines answer by an index of several columns too."""
    if len(names) == 1:
        return f"{quoted(names[0])} IN ({', '.join(['%s'] * count)})"
    return " OR ".join([f"({' AND '.join(f'{quoted(name)} = %s' for name in names)})"] * count)
