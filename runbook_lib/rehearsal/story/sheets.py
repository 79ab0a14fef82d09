"""What the vendor's dump holds: every staging table's rows, invented from a seed, in memory.

A sheet is the vendor's side of one table. The nightly load writes sheets into the database; what the application
writes in between goes into both, because the vendor's next dump has it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from runbook_lib.mysql import quoted
from runbook_lib.rehearsal.story.definitions import Column, Table
from runbook_lib.rehearsal.story.kinds import NULL, Draw
from runbook_lib.rehearsal.story.staging import SCHEMA, TABLES

Row = list[str]  # SQL literals, in the order of the table's columns

_BATCH_ROWS = 300
_TRIES = 50  # for an unused composite key; tables are drawn far sparser than their keys allow


@dataclass(kw_only=True)
class Sheet:
    """One table's rows as the vendor has them, and the dice they are drawn with."""

    table: Table
    rng: Random
    rows: list[Row] = field(default_factory=list)
    next_id: int = 1
    drawn: int = 0
    keys: set[tuple[str, ...]] = field(default_factory=set)

    def batches(self) -> list[list[Row]]:
        """Cut the rows into the batches that one INSERT each loads."""
        return [self.rows[at : at + _BATCH_ROWS] for at in range(0, len(self.rows), _BATCH_ROWS)]

    def change(self, row: Row, values: Mapping[str, str]) -> str:
        """Change a row in the sheet, and return the UPDATE that does the same in the database."""
        where = self._where(row)
        for column, value in values.items():
            row[self.table.index_of(column)] = value
        settings = ", ".join(f"{quoted(column)} = {value}" for column, value in values.items())
        return f"UPDATE {quoted(SCHEMA, self.table.name)} SET {settings} WHERE {where}"  # noqa: S608 - our own literals

    def remove(self, row: Row) -> str:
        """Remove a row from the sheet, and return the DELETE that does the same in the database."""
        self.rows.remove(row)
        return f"DELETE FROM {quoted(SCHEMA, self.table.name)} WHERE {self._where(row)}"  # noqa: S608 - our own literals

    def key_of(self, row: Row) -> dict[str, str]:
        """Return a row's primary key, column by column as SQL literals; empty for a table without one."""
        return {part: row[self.table.index_of(part)] for part in self.table.key}

    def _where(self, row: Row) -> str:
        return " AND ".join(f"{quoted(part)} = {value}" for part, value in self.key_of(row).items())


Sheets = Mapping[str, Sheet]


def invent(seed: int, *, moment: datetime) -> dict[str, Sheet]:
    """Draw the whole of staging as it is at `moment` (aware UTC): the same rows for the same seed and moment."""
    sheets = {table.name: Sheet(table=table, rng=Random(f"{seed}:{table.name}")) for table in TABLES}  # noqa: S311 - dice
    for table in _parents_first():
        if table.name == "m_prefectures":
            sheets[table.name].next_id = 0  # the vendor's "unknown": a load without NO_AUTO_VALUE_ON_ZERO renumbers it
        grow(sheets, table.name, table.rows, moment=moment)
    return sheets


def grow(sheets: Sheets, name: str, count: int, *, moment: datetime) -> list[Row]:
    """Add `count` new rows to a sheet and give them."""
    sheet = sheets[name]
    added: list[Row] = []
    while len(added) < count:
        row = _row(sheets, sheet, moment)
        added.append(row)
        twins = sheet.table.twins
        if twins and len(added) % twins == 0 and len(added) < count:
            added.append(list(row))
    sheet.rows.extend(added)
    return added


def invent_free(table: Table, rng: Random, *, moment: datetime) -> list[Row]:
    """Draw the rows of a table that points at no other."""
    sheet = Sheet(table=table, rng=rng)
    return grow({table.name: sheet}, table.name, table.rows, moment=moment)


def _row(sheets: Sheets, sheet: Sheet, moment: datetime) -> Row:
    for _ in range(_TRIES):
        sheet.drawn += 1
        draw = Draw(rng=sheet.rng, ordinal=sheet.drawn, moment=moment)
        row = [_value(sheets, sheet, column, draw) for column in sheet.table.columns]
        if not sheet.table.key or sheet.table.counted:
            return row
        key = tuple(row[sheet.table.index_of(part)] for part in sheet.table.key)
        if key not in sheet.keys:
            sheet.keys.add(key)
            return row
    raise AssertionError(f"no unused key left in {sheet.table.name}")


def _value(sheets: Sheets, sheet: Sheet, column: Column, draw: Draw) -> str:
    if column.name == "id":
        number = sheet.next_id
        # gaps as deleted rows and rolled back inserts leave them
        sheet.next_id += 1 if draw.rng.randrange(25) else draw.rng.randint(2, 12)
        return str(number)
    if column.nullable and draw.rng.randrange(6) == 0:
        return NULL
    if column.parent:
        parent = sheets[column.parent]
        return draw.rng.choice(parent.rows)[0]
    assert column.make is not None
    return column.make(draw)


def _parents_first() -> list[Table]:
    by_name = {table.name: table for table in TABLES}
    ordered: dict[str, Table] = {}

    def add(table: Table) -> None:
        for column in table.columns:
            if column.parent and column.parent not in ordered:
                add(by_name[column.parent])
        ordered[table.name] = table

    for table in TABLES:
        if table.name not in ordered:
            add(table)
    return list(ordered.values())
