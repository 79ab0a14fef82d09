"""How one table of the estate is written down, and the SQL that makes it.

A table's columns stand in one text, words apart: `id` is an AUTO_INCREMENT key, `paid_on=date` a column of a kind
(`kinds.py`), `memo=note?` one that may be NULL, `day=date!` a part of the primary key where that is not `id`,
`room_id>rooms` a foreign key, `room_id~rooms` a reference that no constraint keeps. A reference whose name does not
end in `_id` holds its parent's text key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from runbook_lib.mysql import quoted
from runbook_lib.rehearsal.story.kinds import Make, kind

COLLATION = "CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
_COLUMN = re.compile(r"(?P<name>\w+)(?:=(?P<kind>\w+(?:\([^)]*\))?)|(?P<link>[>~])(?P<parent>\w+))?(?P<mark>[?!]?)")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column that a load fills. `parent` names the table it points at, or is empty."""

    name: str
    sql: str
    nullable: bool
    parent: str
    constrained: bool
    in_key: bool
    make: Make | None

    @property
    def definition(self) -> str:
        """Return the column's line in CREATE TABLE."""
        null = "" if "NOT NULL" in self.sql else " NULL DEFAULT NULL" if self.nullable else " NOT NULL"
        return f"{quoted(self.name)} {self.sql}{null}"


@dataclass(frozen=True)
class Table:
    """One table. `extra` are further lines of CREATE TABLE as they are.

    `twins` says that every so-manieth row is written twice, for a table without a key.
    """

    name: str
    rows: int
    text: str
    extra: tuple[str, ...] = ()
    options: str = COLLATION
    twins: int = 0

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Read the columns out of the text."""
        return tuple(_column(word) for word in self.text.split())

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Return the names of the primary key's columns; none for a table without one."""
        return tuple(column.name for column in self.columns if column.in_key)

    @cached_property
    def column_list(self) -> str:
        """Return the filled columns as they stand in INSERT."""
        return ", ".join(quoted(column.name) for column in self.columns)

    @property
    def counted(self) -> bool:
        """Tell whether the key is an AUTO_INCREMENT number."""
        return self.columns[0].name == "id"

    def index_of(self, column: str) -> int:
        """Return the place of a column within a row."""
        return next(at for at, candidate in enumerate(self.columns) if candidate.name == column)

    def create(self, schema: str, *, name: str = "", related: bool = True) -> str:
        """Write CREATE TABLE; `related=False` leaves the foreign keys out."""
        lines = [column.definition for column in self.columns]
        if self.key:
            lines.append(f"PRIMARY KEY ({', '.join(quoted(part) for part in self.key)})")
        lines.extend(self.extra)
        for column in self.columns:
            if column.parent:
                lines.append(f"KEY {quoted('ix_' + column.name)} ({quoted(column.name)})")
            if column.constrained and related:
                lines.append(
                    f"CONSTRAINT {quoted(f'fk_{self.name}_{column.name}')} FOREIGN KEY ({quoted(column.name)})"
                    f" REFERENCES {quoted(column.parent)} (`id`)"
                )
        body = ",\n  ".join(lines)
        head = f"CREATE TABLE {quoted(schema, name or self.name)}"
        return f"{head} (\n  {body}\n) ENGINE=InnoDB DEFAULT {self.options}"

    def insert(self, schema: str, rows: list[list[str]]) -> str:
        """Write one INSERT of several rows, each a list of SQL literals."""
        values = ",".join(["(" + ",".join(row) + ")" for row in rows])
        return f"INSERT INTO {quoted(schema, self.name)} ({self.column_list}) VALUES {values}"  # noqa: S608 - our own literals


def _column(word: str) -> Column:
    found = _COLUMN.fullmatch(word)
    assert found, f"unreadable column: {word}"
    make = None
    if found["name"] == "id":
        sql = f"{'BIGINT' if found['kind'] == 'big' else 'INT'} UNSIGNED NOT NULL AUTO_INCREMENT"
    elif found["parent"]:
        sql = "INT UNSIGNED" if found["name"].endswith("_id") else "VARCHAR(24)"
    else:
        sql, make = kind(found["kind"] or found["name"])
    return Column(
        name=found["name"],
        sql=sql,
        nullable=found["mark"] == "?",
        parent=found["parent"] or "",
        constrained=found["link"] == ">",
        in_key=found["mark"] == "!" or found["name"] == "id",
        make=make,
    )
