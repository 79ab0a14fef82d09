"""What is measured of each table of a generation, in one statement a table: rows, empty columns, broken text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runbook_lib.errors import RunbookError
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, literal, quoted
from runbook_lib.swap.facts import Column, ForeignKey, ServerFacts, TableFacts

# What Latin-1, cp1252 or Shift JIS readings of UTF-8 leave behind, and the sign for what could not be read.
_BROKEN = ("Ã", "Â", "â€", "ã€", "ã‚", "ãƒ", "å¤", "繧", "縺", "譁", "ï¿½", "\ufffd")
_TEXT = re.compile(r"(?:var)?char|(?:tiny|medium|long)?text|enum|set")
_MOST_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One table: its exact rows; by column the rows that are not NULL, hold a question mark, or broken letters."""

    rows: int
    filled: Mapping[str, int] = field(default_factory=dict)
    questions: Mapping[str, int] = field(default_factory=dict)
    broken: Mapping[str, int] = field(default_factory=dict)


def measure(database: Database, tables: Iterable[TableFacts]) -> tuple[dict[TableName, Measured], dict[TableName, str]]:
    """Return what was measured of each table, and of those that could not be read why not."""
    found: dict[TableName, Measured] = {}
    denied: dict[TableName, str] = {}
    for table in tables:
        try:
            found[table.name] = _measure(database, table)
        except RunbookError as error:
            denied[table.name] = error.message
    return found, denied


def _measure(database: Database, table: TableFacts) -> Measured:
    columns = [column for column in table.columns if not column.generated]
    texts = [column for column in columns if _TEXT.fullmatch(column.kind)]
    wanted = ["COUNT(*)", *(f"COUNT({quoted(column.name)})" for column in columns)]
    for column in texts:
        name = quoted(column.name)
        broken = " OR ".join(f"INSTR({_utf8(column)}, {literal(sign)} COLLATE utf8mb4_bin) > 0" for sign in _BROKEN)
        wanted += [f"COALESCE(SUM(INSTR({name}, '?') > 0), 0)", f"COALESCE(SUM({broken}), 0)"]
    row = [int(value) for value in database.rows(f"SELECT {', '.join(wanted)} FROM {table.name.sql}")[0]]
    filled = dict(zip((column.name for column in columns), row[1:], strict=False))
    rest = row[1 + len(columns) :]
    return Measured(
        rows=row[0],
        filled=filled,
        questions={column.name: rest[2 * place] for place, column in enumerate(texts)},
        broken={column.name: rest[2 * place + 1] for place, column in enumerate(texts)},
    )


def _utf8(column: Column) -> str:
    return f"CONVERT({quoted(column.name)} USING utf8mb4)"


def orphans(database: Database, key: ForeignKey, *, child: TableName, parent: TableName) -> int:
    """Return how many rows of `child` have no parent: what a foreign key would refuse."""
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    same = " AND ".join(f"p.{quoted(theirs)} = c.{quoted(own)}" for own, theirs in pairs)
    whole = " AND ".join(f"c.{quoted(own)} IS NOT NULL" for own, _ in pairs)
    return int(
        database.value(
            f"SELECT COUNT(*) FROM {child.sql} c WHERE {whole}"
            f" AND NOT EXISTS (SELECT 1 FROM {parent.sql} p WHERE {same})"
        )
    )


def doubled(database: Database, table: TableName, columns: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """Return how many keys stand in a table more than once, and a few of them. Keys with a NULL are none."""
    names = ", ".join(quoted(column) for column in columns)
    whole = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
    inner = f"SELECT {names}, COUNT(*) AS times FROM {table.sql} WHERE {whole} GROUP BY {names} HAVING COUNT(*) > 1"
    count = int(database.value(f"SELECT COUNT(*) FROM ({inner}) AS doubled"))
    shown = database.rows(f"{inner} LIMIT {_MOST_EXAMPLES}") if count else ()
    return count, tuple(", ".join(str(value) for value in row[:-1]) for row in shown)


_SIZES = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8, "float": 4, "double": 8}
_LENGTH = re.compile(r"\((\d+)(?:,(\d+))?\)")
_TEXTS = {"tinytext": 255, "text": 65_535, "mediumtext": 16_777_215, "longtext": 4_294_967_295}


def is_narrower(new: Column, old: Column) -> bool:
    """Tell whether a column takes fewer values than before, as far as types tell; another kind counts as that."""
    if new.full_type == old.full_type:
        return old.nullable and not new.nullable
    if new.kind in _SIZES and old.kind in _SIZES:
        whole = {"float", "double"} & {new.kind, old.kind}
        signs = ("unsigned" in new.full_type) != ("unsigned" in old.full_type)
        return (
            signs or _SIZES[new.kind] < _SIZES[old.kind] or bool(whole and (new.kind in whole) != (old.kind in whole))
        )
    sizes = [_room(column) for column in (new, old)]
    if sizes[0] is not None and sizes[1] is not None:
        return sizes[0] < sizes[1]
    if new.kind != old.kind:
        return True
    lengths = [_LENGTH.search(column.full_type) for column in (new, old)]
    if all(lengths):
        parts = [[int(part or 0) for part in found.groups()] for found in lengths if found]
        return any(a < b for a, b in zip(*parts, strict=True)) or parts[0][0] - parts[0][1] < parts[1][0] - parts[1][1]
    return new.full_type != old.full_type


def _room(column: Column) -> int | None:
    if column.kind in _TEXTS:
        return _TEXTS[column.kind]
    found = _LENGTH.search(column.full_type)
    return int(found[1]) if found and column.kind in ("char", "varchar") else None


def owned(server: ServerFacts, schema: str) -> dict[str, TableFacts]:
    """Return the base tables of a schema by name."""
    return {name.name: table for name, table in server.tables.items() if name.schema == schema}
