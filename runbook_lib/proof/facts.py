"""The columns and keys of a server's tables, read in three statements however many tables there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName
from runbook_lib.mysql import Database, literal
from runbook_lib.proof.folding import Arithmetic, arithmetic_of

_COLUMNS = (
    "SELECT table_schema, table_name, column_name, data_type, column_type, is_nullable, character_set_name,"
    " collation_name, character_octet_length, extra, generation_expression"
    " FROM information_schema.columns WHERE {schemas} ORDER BY table_schema, table_name, ordinal_position"
)
_KEYS = (
    "SELECT table_schema, table_name, index_name, column_name, sub_part, non_unique, {usable}"
    " FROM information_schema.statistics WHERE {schemas} ORDER BY table_schema, table_name, index_name, seq_in_index"
)
# an index that is invisible (MySQL) or ignored (MariaDB) cannot be forced, and so not be walked by
_USABLE = {"is_visible": "is_visible = 'YES'", "ignored": "ignored = 'NO'"}
_TABLES = (
    "SELECT table_schema, table_name, table_rows, table_type FROM information_schema.tables"
    " WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND {schemas}"
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column as information_schema describes it. `octets` is the most bytes a text or binary value can have."""

    name: str
    kind: str
    type: str
    nullable: bool
    charset: str
    collation: str
    octets: int
    extra: str
    generated: str

    @property
    def is_virtual(self) -> bool:
        """Tell a column whose values are computed on reading: it holds no data of its own."""
        return bool(self.generated) and "STORED" not in self.extra and "PERSISTENT" not in self.extra


@dataclass(frozen=True, kw_only=True)
class Index:
    """A unique index over whole columns, in its order."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """One base table. `rows` is the server's estimate, good for progress only; `arithmetic` is what its server has.

    `versioned` tells one that keeps the history of its rows (MariaDB): its present rows are compared, and the number of
    those in its history.
    """

    table: TableName
    columns: Mapping[str, Column]
    unique: tuple[Index, ...]
    rows: int
    arithmetic: Arithmetic = "numbers"
    versioned: bool = False


def read_facts(database: Database, *, schemas: Iterable[str] = ()) -> dict[TableName, TableFacts]:
    """Read the base tables of some schemas, or of all that are not the server's own."""
    wanted = ", ".join(map(literal, sorted(schemas)))
    others = ", ".join(map(literal, sorted(SYSTEM_SCHEMAS)))
    where = f"table_schema IN ({wanted})" if wanted else f"table_schema NOT IN ({others})"
    columns: dict[TableName, dict[str, Column]] = defaultdict(dict)
    for schema, table, name, kind, type_, nullable, charset, collation, octets, extra, generated in database.rows(
        _COLUMNS.format(schemas=where)
    ):
        columns[TableName(schema=schema, name=table)][str(name)] = Column(
            name=str(name),
            kind=str(kind).lower(),
            type=_text(type_),
            nullable=nullable == "YES",
            charset=charset or "",
            collation=collation or "",
            octets=int(octets or 0),
            extra=str(extra).upper(),
            generated=_text(generated),
        )
    unique = _unique(database.rows(_KEYS.format(schemas=where, usable=_usable(database))))
    arithmetic = arithmetic_of(database)
    return {
        name: TableFacts(
            table=name,
            columns=columns[name],
            unique=unique.get(name, ()),
            rows=int(rows or 0),
            arithmetic=arithmetic,
            versioned=kind == "SYSTEM VERSIONED",
        )
        for name, rows, kind in (
            (TableName(schema=schema, name=table), rows, kind)
            for schema, table, rows, kind in database.rows(_TABLES.format(schemas=where))
        )
    }


def _usable(database: Database) -> str:
    """Return the condition under which an index may be named in a statement, as this server's version has it."""
    known = database.rows(
        "SELECT LOWER(column_name) FROM information_schema.columns"
        " WHERE table_schema = 'information_schema' AND table_name = 'STATISTICS'"
    )
    return next((condition for column, condition in _USABLE.items() if (column,) in known), "1")


def _unique(found: Iterable[tuple[object, ...]]) -> dict[TableName, tuple[Index, ...]]:
    parts: dict[tuple[TableName, str], list[str]] = defaultdict(list)
    unusable: set[tuple[TableName, str]] = set()
    for schema, table, index, column, prefix, non_unique, usable in found:
        key = (TableName(schema=str(schema), name=str(table)), str(index))
        parts[key].append(str(column))
        # an index over an expression has no column, one over a prefix does not tell all rows apart
        if column is None or prefix is not None or int(str(non_unique)) or not int(str(usable)):
            unusable.add(key)
    indexes: dict[TableName, tuple[Index, ...]] = {}
    for (table, index), names in parts.items():
        if (table, index) not in unusable:
            indexes[table] = (*indexes.get(table, ()), Index(name=index, columns=tuple(names)))
    return indexes


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
