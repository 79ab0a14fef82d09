"""A table in pieces: ranges of its key, each copied in a transaction of its own and noted when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.facts import Column

ROWS = 50_000
BYTES = 32 << 20
_NUMBERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"}
_TIMES = {"date", "datetime", "timestamp", "time"}
_TEXTS = {"char", "varchar"}
_BYTES = {"binary", "varbinary"}


def can_cut(key: Sequence[Column]) -> bool:
    """Tell whether ranges of this key mean the same written as values and read as an index."""
    return bool(key) and all(column.kind in _NUMBERS | _TIMES | _TEXTS | _BYTES for column in key)


def cut(database: Database, table: TableName, key: Sequence[Column], *, rows: int, size: int) -> list[str]:
    """Return conditions that share the rows out, in the key's order; one empty condition for a small table.

    `rows` and `size` (bytes) are the server's estimates. The bounds are read from the index, so they hold for keys
    with gaps, of several columns and of text.
    """
    step = max(1000, min(ROWS, int(ROWS * BYTES / (size or 1)) if size > BYTES else ROWS))
    if rows and size:
        step = max(1000, min(ROWS, int(BYTES / max(1, size / rows))))
    if rows <= step // 2 or not can_cut(key):
        return [""]
    conditions: list[str] = []
    low: tuple[str, ...] | None = None
    while True:
        high = _bound(database, table, key, low, step)
        parts = [_beyond(key, low, ">")] if low else []
        parts += [_beyond(key, high, "<=")] if high else []
        conditions.append(" AND ".join(parts))
        if high is None:
            return conditions
        low = high


def order(key: Sequence[str]) -> str:
    """Write ORDER BY for a key, empty without one."""
    return f" ORDER BY {', '.join(quoted(name) for name in key)}" if key else ""


def _bound(
    database: Database, table: TableName, key: Sequence[Column], low: tuple[str, ...] | None, step: int
) -> tuple[str, ...] | None:
    columns = ", ".join(_shown(column) for column in key)
    where = f" WHERE {_beyond(key, low, '>')}" if low else ""
    sorted_by = order([column.name for column in key])
    found = database.rows(f"SELECT {columns} FROM {table.sql}{where}{sorted_by} LIMIT 1 OFFSET {step - 1}")
    return tuple(_written(column, value) for column, value in zip(key, found[0], strict=True)) if found else None


def _shown(column: Column) -> str:
    name = quoted(column.name)
    return f"HEX({name})" if column.kind in _TEXTS | _BYTES else f"CAST({name} AS CHAR)"


def _written(column: Column, value: Any) -> str:
    if column.kind in _TEXTS:
        return f"_{column.charset} X'{value}'"
    if column.kind in _BYTES:
        return f"X'{value}'"
    return str(value) if column.kind in _NUMBERS else f"'{value}'"


def _beyond(key: Sequence[Column], bound: tuple[str, ...], sign: str) -> str:
    """Write "the key is beyond a bound" for a key of several columns, in the form that the server reads as a range."""
    strict = sign[0]
    arms = []
    for index in range(len(key)):
        equal = [f"{quoted(key[at].name)} = {bound[at]}" for at in range(index)]
        last = sign if index == len(key) - 1 else strict
        arms.append(" AND ".join([*equal, f"{quoted(key[index].name)} {last} {bound[index]}"]))
    return f"({' OR '.join(f'({arm})' for arm in arms)})" if len(arms) > 1 else arms[0]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One part of a table's rows. `table` is its place in the plan, `where` a condition, empty for all rows."""

    number: int
    table: int
    where: str


class Pieces:
    """The pieces of every table of one copy back, kept in its state at the server."""

    def __init__(self, database: Database, state: str) -> None:
        self.database = database
        self.name = quoted(state, "pieces")

    def make(self) -> None:
        """Make the table that holds them, unless it is there."""
        self.database.execute(
            f"CREATE TABLE IF NOT EXISTS {self.name} (number INT PRIMARY KEY, tbl INT NOT NULL,"
            " part LONGTEXT NOT NULL, done BIGINT NULL, KEY (tbl)) ENGINE=InnoDB"
        )

    def add(self, table: int, parts: list[str]) -> None:
        """Note what a table is copied in."""
        last = int(self.database.value(f"SELECT COALESCE(MAX(number), 0) FROM {self.name}"))
        self.database.execute_many(
            f"INSERT INTO {self.name} (number, tbl, part) VALUES (%s, %s, %s)",
            [(last + number, table, part) for number, part in enumerate(parts, 1)],
        )

    def tables(self) -> set[int]:
        """Return the tables whose pieces are noted."""
        return {int(row[0]) for row in self.database.rows(f"SELECT DISTINCT tbl FROM {self.name}")}

    def in_ranges(self, table: int) -> bool:
        """Tell whether a table is noted in pieces by ranges of its key."""
        return bool(self.database.value(f"SELECT COUNT(*) FROM {self.name} WHERE tbl = %s AND part <> ''", (table,)))

    def finish(self, number: int, rows: int) -> None:
        """Note a piece as copied, in the transaction that is open if there is one."""
        self.database.execute(f"UPDATE {self.name} SET done = %s WHERE number = %s", (rows, number))

    def forget(self, table: int) -> None:
        """Have a table copied again."""
        self.database.execute(f"DELETE FROM {self.name} WHERE tbl = %s", (table,))

    def left(self) -> list[Piece]:
        """Return the pieces that are not copied yet."""
        found = self.database.rows(f"SELECT number, tbl, part FROM {self.name} WHERE done IS NULL ORDER BY number")
        return [Piece(number=int(number), table=int(table), where=str(part)) for number, table, part in found]

    def copied(self) -> dict[int, int]:
        """Return the rows copied so far by table."""
        found = self.database.rows(f"SELECT tbl, SUM(done) FROM {self.name} WHERE done IS NOT NULL GROUP BY tbl")
        return {int(table): int(rows) for table, rows in found}
