"""How much of one schema is in another: the same tables, and how much of their rows is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Database, quoted
from runbook_lib.schemas.facts import SchemaFacts, Survey
from runbook_lib.schemas.names import malformed

MOST_ROWS = 500_000
"""Tables estimated larger than this are not compared row by row: each side would be read and hashed whole."""


@dataclass(frozen=True, kw_only=True)
class TableLikeness:
    """One table against its namesake. `same` counts its rows that are in the other as well; None if not compared."""

    table: str
    other: str
    rows: int | None
    same: int | None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """A schema against the one whose copy or forerunner it may be."""

    schema: str
    other: str
    tables: tuple[TableLikeness, ...]
    only_own: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """Return the share of compared rows that are in the other schema too, 0 to 1; None without any."""
        rows = sum(table.rows or 0 for table in self.tables if table.same is not None)
        return sum(table.same or 0 for table in self.tables) / rows if rows else None

    @property
    def is_copy(self) -> bool:
        """Tell whether every row of every table is in the other schema as well."""
        return not self.only_own and all(t.same is not None and t.same == t.rows for t in self.tables)


def forerunner_of(name: str, schemas: Mapping[str, object]) -> str:
    """Return the schema that has the same name without or with a leading underscore, empty if there is none."""
    other = name[1:] if name.startswith("_") else f"_{name}"
    return other if other in schemas else ""


def artefact_of(facts: SchemaFacts, survey: Survey) -> str:
    """Return the schema that the malformed names of a schema point to, if all its tables have such names; else empty.

    A dump that quotes `staging.apartments` as one name makes a table of that name in whatever schema it has chosen.
    """
    names = [malformed(table.name) for table in facts.base_tables]
    meant = {name.meant_schema if name else "" for name in names}
    if len(meant) != 1:
        return ""
    schema = meant.pop()
    return schema if schema in survey.schemas and schema != facts.name else ""


def compare_schemas(database: Database, survey: Survey, schema: str, other: str) -> Likeness:
    """Compare each table of a schema that has a namesake in another, row by row where that is affordable."""
    own, others = survey.schemas[schema], survey.schemas[other]
    shared = [table for table in own.base_tables if table.name in others.tables]
    compared = []
    for table in shared:
        if max(table.rows_estimate, others.tables[table.name].rows_estimate) > MOST_ROWS:
            note = f"not compared: about {table.rows_estimate:,} rows"
            compared.append(TableLikeness(table=table.name, other=table.name, rows=None, same=None, note=note))
        else:
            compared.append(compare_tables(database, (schema, table.name), (other, table.name)))
    return Likeness(
        schema=schema,
        other=other,
        tables=tuple(compared),
        only_own=tuple(table.name for table in own.base_tables if table.name not in others.tables),
    )


def compare_tables(database: Database, table: tuple[str, str], other: tuple[str, str]) -> TableLikeness:
    """Count the rows of one table that another has as well, every column taken in; duplicates count as often as both
    have them.

    Rows are compared by SHA-256 over their values as text: each value is written in hexadecimal, so that no separator
    can stand in a value, and NULL has a sign of its own. FLOAT values are compared as the server writes them.
    """
    first, second = _columns(database, table), _columns(database, other)
    if set(first) != set(second):
        return TableLikeness(table=table[1], other=other[1], rows=None, same=None, note="the columns differ")
    parts = ", ".join(f"IFNULL(HEX(CAST({quoted(column)} AS BINARY)), 'N')" for column in sorted(first))
    digest = f"SHA2(CONCAT_WS(',', {parts}), 256)"
    sql = (
        "SELECT COALESCE(SUM(a.n), 0), COALESCE(SUM(LEAST(a.n, COALESCE(b.n, 0))), 0) FROM "  # noqa: S608  # quoted
        f"(SELECT {digest} h, COUNT(*) n FROM {quoted(*table)} GROUP BY h) a LEFT JOIN "
        f"(SELECT {digest} h, COUNT(*) n FROM {quoted(*other)} GROUP BY h) b ON a.h = b.h"
    )
    try:
        rows, same = database.rows(sql)[0]
    except RunbookError as error:
        return TableLikeness(table=table[1], other=other[1], rows=None, same=None, note=error.message)
    return TableLikeness(table=table[1], other=other[1], rows=int(rows), same=int(same))


def _columns(database: Database, table: tuple[str, str]) -> tuple[str, ...]:
    found = database.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s", table
    )
    return tuple(str(name) for (name,) in found)
