"""The story's own proof of a copy back that kept what the application wrote after the wipe."""

from __future__ import annotations

import re
from dataclasses import replace

from runbook_lib.mysql import Database, quoted
from runbook_lib.rehearsal.story.failure import WrittenRow
from runbook_lib.rehearsal.story.proof import EstateProof, SchemaProof, differences, take_proof
from runbook_lib.rehearsal.story.telling import Story

_SAID_TWICE = re.compile(r" CHARACTER SET \w+(?= COLLATE )")


def wrong_after_keeping(story: Story, database: Database) -> tuple[str, ...]:
    """Say in lines what is not as it should be: everything of the second before the wipe, and every row written since.

    Tables that the application did not write to must be equal byte by byte. One it did write to must have as many rows
    as before and as were inserted, and each row that was written must be there, exactly as it was written. Schemas
    that were not there before, such as those a copy back keeps the damaged tables in, are not looked at.
    """
    expected, found = _plain(story.proofs[story.restore_point]), _plain(take_proof(database))
    lines = differences(_with_written(expected, found, story.written_after), _only(expected, found))
    gone = [row for row in story.written_after if _count(database, row) != 1]
    return (*lines, *(f"{row.schema}.{row.table}: the row written at {row.moment} is not there" for row in gone))


def differences_of_what_was(expected: EstateProof, found: EstateProof) -> tuple[str, ...]:
    """Say in lines what is not as expected. Schemas that are not expected are not looked at, nor is how it is said.

    A copy back keeps the damaged tables in schemas of its own, and MySQL writes a character set beside its collation or
    not by how the same column was declared.
    """
    return differences(_plain(expected), _only(expected, _plain(found)))


def _only(expected: EstateProof, found: EstateProof) -> EstateProof:
    return replace(found, schemas={name: one for name, one in found.schemas.items() if name in expected.schemas})


def _plain(proof: EstateProof) -> EstateProof:
    """Leave out the character set beside its collation: MySQL writes it or not by how the same column was declared."""
    return replace(proof, schemas={name: _plain_schema(schema) for name, schema in proof.schemas.items()})


def _plain_schema(schema: SchemaProof) -> SchemaProof:
    tables = {
        name: replace(table, definition=_SAID_TWICE.sub("", table.definition)) for name, table in schema.tables.items()
    }
    return replace(schema, tables=tables)


def _with_written(expected: EstateProof, found: EstateProof, written: tuple[WrittenRow, ...]) -> EstateProof:
    """Expect of each table that was written to what is found, as far as its number of rows and definition are right."""
    schemas = dict(expected.schemas)
    for name, table in sorted({(row.schema, row.table) for row in written}):
        inserted = sum((row.schema, row.table, row.action) == (name, table, "insert") for row in written)
        before = schemas[name].tables[table]
        now = found.schemas[name].tables.get(table) if name in found.schemas else None
        wanted = replace(before, rows=before.rows + inserted, sha256=now.sha256 if now else before.sha256)
        schemas[name] = replace(schemas[name], tables={**schemas[name].tables, table: wanted})
    return replace(expected, schemas=schemas)


def _count(database: Database, row: WrittenRow) -> int:
    """Count the rows that are exactly as written; MySQL's JSON is equal to no text, MariaDB's is text itself."""
    types: dict[str, str] = dict(
        database.rows(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            (row.schema, row.table),
        )
    )
    match = " AND ".join(
        f"{quoted(column)} <=> {f'CAST({value} AS JSON)' if types.get(column) == 'json' else value}"
        for column, value in {**row.values, **row.key}.items()
    )
    return int(str(database.value(f"SELECT COUNT(*) FROM {quoted(row.schema, row.table)} WHERE {match}")))  # noqa: S608
