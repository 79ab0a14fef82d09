"""What is measured of each table of a generation, in one statement a table: rows, empty columns, broken text.

How closely goes by how much of a table differs from what is live, which the comparison to the row has told: nothing
more is asked of a table that is the same, and where a few rows differ no share of rows can have moved past its bound.
What one row can move (a sum, a mean, the last other value, a moment) is asked of each column that may have changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any, Literal

from runbook_lib.errors import RunbookError
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.facts import Column, ServerFacts, TableFacts

# What Latin-1, cp1252 or Shift JIS readings of UTF-8 leave behind, and the sign for what could not be read.
_BROKEN = ("Ã", "Â", "â€", "ã€", "ã‚", "ãƒ", "å¤", "繧", "縺", "譁", "ï¿½", "\ufffd")
_TEXT = re.compile(r"(?:var)?char|(?:tiny|medium|long)?text|enum|set")
_ROOMY = frozenset(["char", "varchar", "tinytext", "text", "mediumtext", "longtext"])
_NUMBERS = frozenset(["tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double"])
_MOMENTS = frozenset(["date", "datetime", "timestamp"])
_SHAPES = frozenset([
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
    "geomcollection",
])  # fmt: skip
_BYTES = frozenset(["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector", "bit"])
# Words for "nothing" that a careless export leaves in a text.
_NOTHING = (
    "NULL", "null", "Null", "\\N", "None", "none", "nan", "NaN", "NAN", "NaT", "undefined", "#N/A", "(null)", "[null]",
    "<null>", "<NA>", "N/A", "n/a", "nil", "-", "--", "''", '""', "{}", "[]", "inf", "-inf",
    "#REF!", "#VALUE!", "#NAME?",
)  # fmt: skip
_UNSEEN = ("\u200b", "\u200e", "\u200f", "\u2060", "\ufeff", "\u00a0")  # signs that nobody sees
SHARE = 0.02  # of a table's rows; where no more differ, no check that goes by a share of rows can find anything
_MOST_EXAMPLES = 3
_AT_ONCE = 4  # tables, each over a connection of its own


Closely = Literal["rows", "ends", "all"]
"""What is asked of a table: its rows; what one row can move too, of the columns that may have changed; all."""

Wanted = tuple[TableFacts, Closely, Collection[str]]
"""A table, how closely, and for "ends" the names of the columns that may have changed."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One column in short. Counts are of rows that are not NULL (`filled`), hold `?`, broken letters, stray signs,
    or an empty text (`blank`).

    `constant`: every value is the same. `letters` are all letters of a text column, `total` the sum of a number's
    values, `low` and `high` the first and last moment as the server writes them; None where the column has none.
    """

    filled: int
    questions: int = 0
    broken: int = 0
    stray: int = 0
    blank: int = 0
    constant: bool = False
    letters: float | None = None
    total: float | None = None
    low: str | None = None
    high: str | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One table: its exact rows, the shape of each column, and how many rows are its header: they hold its names."""

    rows: int
    headers: int = 0
    columns: Mapping[str, Shape] = field(default_factory=dict)


def measure(
    connect: Callable[[], Database], tables: Iterable[Wanted]
) -> tuple[dict[TableName, Measured], dict[TableName, str]]:
    """Return what was measured of each table, and of those that could not be read why not. Several are read at once."""
    found: dict[TableName, Measured] = {}
    denied: dict[TableName, str] = {}
    wanted = Queue[Wanted]()
    for each in tables:
        wanted.put(each)

    def work() -> None:
        with connect() as database:
            while True:
                try:
                    each = wanted.get_nowait()
                except Empty:
                    return
                try:
                    found[each[0].name] = _measure(database, *each)
                except RunbookError as error:
                    denied[each[0].name] = error.message

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in [pool.submit(work) for _ in range(min(_AT_ONCE, wanted.qsize()))]:
            done.result()
    return found, denied


def _measure(database: Database, table: TableFacts, closely: Closely, changed: Collection[str]) -> Measured:
    keys = {part for key in (table.key, *table.uniques) for part in key}
    asked = [
        (column, name, sql)
        for column in table.loaded
        if closely != "ends" or column.name in changed
        for name, sql in _asked(column, closely, is_key=column.name in keys or column.name.endswith("_id"))
    ]
    headers = "0" if closely == "rows" else _headers(table, set(changed) if closely == "ends" else None)
    wanted = ", ".join(["COUNT(*)", headers, *(sql for _, _, sql in asked)])
    row = database.rows(f"SELECT {wanted} FROM {table.name.sql}")[0]
    found: dict[str, dict[str, Any]] = {}
    for (column, name, _), value in zip(asked, row[2:], strict=True):
        found.setdefault(column.name, {})[name] = _KINDS[name](value) if value is not None else None
    shapes = {
        column: Shape(**{name: value for name, value in values.items() if value is not None})
        for column, values in found.items()
    }
    return Measured(rows=int(row[0]), headers=int(row[1] or 0), columns=shapes)


def _headers(table: TableFacts, changed: set[str] | None) -> str:
    """Count the rows that hold the names of their columns: the first line of a file, loaded as if it were data.

    Where a column cannot have changed (None: each can), there is no new one.
    """
    texts = [column for column in table.loaded if column.kind in _ROOMY and (_room(column) or 0) >= len(column.name)]
    if changed is not None and any(column.name not in changed for column in texts[:4]):
        return "0"
    same = [f"{quoted(column.name)} = {_bytes(column.name)}" for column in texts[:4]]
    return f"COALESCE(SUM({' AND '.join(same)}), 0)" if same else "0"


_KINDS: dict[str, Callable[[Any], Any]] = {
    "filled": int, "questions": int, "broken": int, "stray": int, "blank": int, "constant": bool, "letters": float,
    "total": float, "low": str, "high": str,
}  # fmt: skip


def _asked(column: Column, closely: Closely, *, is_key: bool) -> Iterator[tuple[str, str]]:
    """Return what is asked of a column, each as the name in `Shape` and its expression. A key's sum tells nothing."""
    name = quoted(column.name)
    is_text = bool(_TEXT.fullmatch(column.kind))
    if closely == "rows":
        return
    yield "filled", f"COUNT({name})"
    if column.kind in _MOMENTS:
        yield "low", f"CAST(MIN({name}) AS CHAR)"
        yield "high", f"CAST(MAX({name}) AS CHAR)"
    if column.kind in _NUMBERS and not is_key:
        yield "total", f"SUM(CAST({name} AS DOUBLE))"
    if is_text:
        yield "letters", f"SUM(CHAR_LENGTH({name}))"
        yield "constant", f"MIN(CRC32({name})) = MAX(CRC32({name}))"
    elif column.kind in _NUMBERS | _MOMENTS:
        yield "constant", f"MIN({name}) = MAX({name})"
    if is_text and closely == "all":
        text = _utf8(column)
        yield "questions", f"COALESCE(SUM(INSTR({text}, {_bytes('?')}) > 0), 0)"
        yield "broken", f"COALESCE(SUM({_broken(text, name)}), 0)"
        yield "stray", f"COALESCE(SUM({_stray(text, name)}), 0)"
        yield "blank", f"COALESCE(SUM(CHAR_LENGTH({name}) = 0), 0)"


def _utf8(column: Column) -> str:
    """Return a text as its bytes in UTF-8: by most collations `Ã` is an `a`, and a byte order mark nothing."""
    name = quoted(column.name)
    same = column.charset in ("utf8mb4", "utf8mb3", "utf8", "ascii") and column.kind not in ("enum", "set")
    return f"CAST({name if same else f'CONVERT({name} USING utf8mb4)'} AS BINARY)"


def _bytes(text: str) -> str:
    return f"X'{text.encode().hex()}'"


def _broken(text: str, name: str) -> str:
    """Write the test for broken letters; a text in ASCII has none, and most begin with one byte."""
    first = [sign for sign in _BROKEN if sign.encode()[:1] == b"\xc3"]
    others = [sign for sign in _BROKEN if sign not in first]
    found = [
        f"(INSTR({text}, X'c3') > 0 AND ({' OR '.join(f'INSTR({text}, {_bytes(sign)}) > 0' for sign in first)}))",
        *(f"INSTR({text}, {_bytes(sign)}) > 0" for sign in others),
    ]
    return f"LENGTH({name}) <> CHAR_LENGTH({name}) AND ({' OR '.join(found)})"


def _stray(text: str, name: str) -> str:
    """Write the test for what does not belong into a text; the cheap conditions first."""
    words = ", ".join(_bytes(word) for word in _NOTHING)
    marks = f"{text} LIKE {_bytes('%&%;%')}"
    unseen = " OR ".join(f"INSTR({text}, {_bytes(sign)}) > 0" for sign in _UNSEEN)
    ends = f"LEFT({text}, 1) IN (X'20', X'09') OR RIGHT({text}, 1) IN (X'20', X'09', X'0d', X'0a')"
    return (
        f"(LENGTH({name}) < 10 AND {text} IN ({words}))"
        f" OR (LEFT({text}, 1) = {_bytes(chr(34))} AND RIGHT({text}, 1) = {_bytes(chr(34))})"
        f" OR {ends} OR (INSTR({text}, {_bytes('&')}) > 0 AND {marks}) OR INSTR({text}, {_bytes('</')}) > 0"
        f" OR (LENGTH({name}) <> CHAR_LENGTH({name}) AND ({unseen}))"
    )


def orphans(
    database: Database, child: TableName, columns: Sequence[str], parent: TableName, parent_columns: Sequence[str]
) -> int:
    """Return how many rows of `child` have no parent: what a foreign key would refuse."""
    pairs = list(zip(columns, parent_columns, strict=True))
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


def told_apart(database: Database, table: TableFacts) -> int:
    """Return how many different rows a table has, its own numbers left out: columns that count, and keys of one column.

    0 where nothing is left to tell them apart by.
    """
    named = {column.name for column in table.loaded if column.counted or (column.name,) == table.key}
    columns = [column for column in table.loaded if column.name not in named]
    if not columns:
        return 0
    content = ", ".join(f"COALESCE({_as_text(column)}, X'00')" for column in columns)
    return int(database.value(f"SELECT COUNT(DISTINCT SHA2(CONCAT_WS(X'1f', {content}), 256)) FROM {table.name.sql}"))


def _as_text(column: Column) -> str:
    name = quoted(column.name)
    if column.kind in _SHAPES:
        return f"HEX(ST_AsBinary({name}))"
    return f"HEX({name})" if column.kind in _BYTES else f"CAST({name} AS CHAR)"


_SIZES = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8, "float": 4, "double": 8}
_LENGTH = re.compile(r"\((\d+)(?:,(\d+))?\)")
_TEXTS = {"tinytext": 255, "text": 65_535, "mediumtext": 16_777_215, "longtext": 4_294_967_295}


def is_narrower(new: Column, old: Column) -> bool:
    """Tell whether a column takes fewer values than before, as far as types tell; another kind counts as that."""
    if old.charset in ("utf8mb4", "utf16", "utf32") and new.charset not in (old.charset, "utf8mb4", "utf16", "utf32"):
        return True
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
