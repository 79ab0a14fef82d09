"""Rows that a foreign key took along: servers before MySQL 9.6, and MariaDB, do not log them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice

from runbook_lib.drills.touched import TableTouches, Values
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Side
from runbook_lib.proof.keys import Key

_TIES = (
    "SELECT k.constraint_schema, k.constraint_name, k.table_schema, k.table_name, k.referenced_table_schema,"
    " k.referenced_table_name, k.column_name, k.referenced_column_name"
    " FROM information_schema.referential_constraints r JOIN information_schema.key_column_usage k"
    " ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name"
    " AND k.table_name = r.table_name WHERE r.delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT')"
    " OR r.update_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT') ORDER BY 1, 2, 3, 4, k.ordinal_position"
)
_AT_ONCE = 200
Candidates = Mapping[TableName, dict[Values, str]]


def explain_cascades(
    copy: Database,
    source: Side,
    tables: Mapping[TableName, TableTouches],
    candidates: Candidates,
    keys: Mapping[TableName, Key],
) -> Mapping[TableName, str]:
    """Take rows from the candidates that went, or lost their parent, with a row that the log touched.

    A row goes with its parent: its columns in the copy name a row of the parent that was deleted or changed since, or
    that went in this way itself. Return the tables of which that cannot be told, and why.
    """
    with source.connect() as database:
        ties = list(_ties(database))
    unclear: dict[TableName, str] = {}
    again = True
    while again:
        again = False
        for child, parent, columns, referenced in ties:
            left = [key for key, kind in candidates.get(child, {}).items() if kind != "extra"]
            if not left or parent not in tables or child not in keys:
                continue
            if parent not in keys or keys[parent].names != referenced:
                if tables[parent].is_touched:
                    unclear[child] = f"its rows may have gone with rows of {parent}, by another key than is followed"
                continue
            for key, of_parent in _parents(copy, child, columns, keys[child], left):
                if of_parent in tables[parent].taken:
                    del candidates[child][key]
                    tables[child].taken.add(key)
                    again = True
    return {name: why for name, why in unclear.items() if candidates.get(name)}


def _ties(database: Database) -> Iterator[tuple[TableName, TableName, tuple[str, ...], tuple[str, ...]]]:
    found: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for schema, name, child_schema, child, parent_schema, parent, column, referenced in database.rows(_TIES):
        found[schema, name, child_schema, child, parent_schema, parent].append((column, referenced))
    for (_, _, child_schema, child, parent_schema, parent), pairs in found.items():
        yield (
            TableName(schema=child_schema, name=child),
            TableName(schema=parent_schema, name=parent),
            tuple(column for column, _ in pairs),
            tuple(referenced for _, referenced in pairs),
        )


def _parents(
    copy: Database, child: TableName, columns: tuple[str, ...], key: Key, wanted: list[Values]
) -> Iterator[tuple[Values, Values]]:
    """Return of rows of the copy their keys and the keys of their parents."""
    asked = ", ".join([*key.values, *(f"CAST({quoted(column)} AS BINARY)" for column in columns)])
    rest, known, width = iter(wanted), set(wanted), len(key.columns)
    while some := list(islice(rest, _AT_ONCE)):
        where = " OR ".join(f"({key.equals(key.edge(value))})" for value in some)
        for row in copy.rows(f"SELECT {asked} FROM {child.sql} WHERE {where}"):  # noqa: S608  # quoted
            if tuple(row[:width]) in known:
                yield tuple(row[:width]), tuple(row[width:])
