"""The story's own proof of what the data is: counts, a hash over every byte, and every definition.

It is the measure that the library's restores are held against, so it shares no code with `runbook_lib.proof`, and
hashes in Python: a restored copy must give exactly the same value, on either engine.

What it cannot be fooled by: a value is read as the bytes the server stores and stands behind its length, NULL has a
sign of its own, rows are sorted and kept apart by their lengths, so separators, empty texts, duplicates and swapped
values all tell. A FLOAT is widened to DOUBLE before it becomes text, because the server's text of a FLOAT is rounded.

What it leaves out on purpose: AUTO_INCREMENT counters. A rolled-back insert moves a counter without leaving an event
in the binary log, so a copy made by replay may rightly stand at another next number. It assumes that nobody writes
while it reads.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from runbook_lib.errors import StepFailed
from runbook_lib.mysql import Database, quoted

SYSTEM_SCHEMAS = ("mysql", "information_schema", "performance_schema", "sys")

_LISTED = ", ".join(f"'{schema}'" for schema in SYSTEM_SCHEMAS)
_COUNTER = re.compile(r"(?m)^(\) ENGINE=.*?) AUTO_INCREMENT=\d+")


@dataclass(frozen=True, kw_only=True)
class TableProof:
    """One table: exact number of rows, SHA-256 over all of them in hexadecimal, definition without its counter."""

    rows: int
    sha256: str
    definition: str


@dataclass(frozen=True, kw_only=True)
class SchemaProof:
    """One schema: its defaults, and its objects by name. Routines are named "FUNCTION x", "PROCEDURE x".

    Triggers and routines stand behind the SQL mode they run under.
    """

    defaults: str
    tables: Mapping[str, TableProof] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    triggers: Mapping[str, str] = field(default_factory=dict)
    routines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EstateProof:
    """Everything a server holds outside its system schemas."""

    schemas: Mapping[str, SchemaProof]

    @property
    def tables(self) -> int:
        """Count the base tables of all schemas."""
        return sum(len(schema.tables) for schema in self.schemas.values())

    @property
    def rows(self) -> int:
        """Count the rows of all tables."""
        return sum(table.rows for schema in self.schemas.values() for table in schema.tables.values())

    def as_json(self) -> dict[str, Any]:
        """Return the proof as what `json.dumps` takes."""
        return asdict(self)

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> EstateProof:
        """Read back what `as_json` gave."""
        schemas = {
            name: SchemaProof(
                **(schema | {"tables": {key: TableProof(**one) for key, one in schema["tables"].items()}})
            )
            for name, schema in stored["schemas"].items()
        }
        return EstateProof(schemas=schemas)


def take_proof(database: Database) -> EstateProof:
    """Read everything a server holds and prove it. The account must see all schemas, so: an administrator.

    The session's settings that change how a server writes values are set for the time of reading and put back.

    Raises:
        runbook_lib.errors.StepFailed: a row is larger than `max_allowed_packet`, so the server gives NULL for it.
    """
    with _plain_session(database):
        columns = _columns(database)
        schemas = database.rows(
            "SELECT schema_name, default_character_set_name, default_collation_name"  # noqa: S608 - constant
            f" FROM information_schema.schemata WHERE schema_name NOT IN ({_LISTED}) ORDER BY schema_name"
        )
        proofs = {
            str(name): SchemaProof(
                defaults=f"{charset} {collation}",
                tables={
                    table: _table(database, name, table, shown)
                    for table, shown in sorted(columns.get(name, {}).items())
                },
                views=_views(database, name),
                triggers=_triggers(database, name),
                routines=_routines(database, name),
            )
            for name, charset, collation in schemas
        }
    return EstateProof(schemas=proofs)


def differences(expected: EstateProof, found: EstateProof) -> tuple[str, ...]:
    """Say in lines how two proofs differ; nothing if they are equal."""
    lines: list[str] = []
    for name in sorted({*expected.schemas, *found.schemas}):
        wanted, got = expected.schemas.get(name), found.schemas.get(name)
        if wanted is None or got is None:
            lines.append(f"schema {_named(name)}: {_presence(wanted)}")
            continue
        if wanted.defaults != got.defaults:
            lines.append(f"schema {_named(name)}: defaults {wanted.defaults} expected, {got.defaults} found")
        lines.extend(_table_lines(name, wanted.tables, got.tables))
        for what in ("views", "triggers", "routines"):
            lines.extend(_object_lines(name, what[:-1], getattr(wanted, what), getattr(got, what)))
    return tuple(lines)


def _table_lines(schema: str, wanted: Mapping[str, TableProof], got: Mapping[str, TableProof]) -> Iterator[str]:
    for table in sorted({*wanted, *got}):
        one, other, named = wanted.get(table), got.get(table), _named(schema, table)
        if one is None or other is None:
            counted = f" ({(one or other).rows} rows)" if (one or other) else ""  # type: ignore[union-attr]
            yield f"{named}: {_presence(one)}{counted}"
            continue
        if one.rows != other.rows:
            yield f"{named}: {one.rows} rows expected, {other.rows} found"
        elif one.sha256 != other.sha256:
            yield f"{named}: {one.rows} rows as expected, but their content differs"
        if one.definition != other.definition:
            yield f"{named}: the definition differs: {_first_difference(one.definition, other.definition)}"


def _object_lines(schema: str, what: str, wanted: Mapping[str, str], got: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*wanted, *got}):
        one, other = wanted.get(name), got.get(name)
        if one is None or other is None:
            yield f"{what} {_named(schema, name)}: {_presence(one)}"
        elif one != other:
            yield f"{what} {_named(schema, name)}: the definition differs: {_first_difference(one, other)}"


def _presence(wanted: object) -> str:
    return "not expected, but found" if wanted is None else "expected, but not there"


def _first_difference(one: str, other: str) -> str:
    mine, theirs = one.splitlines(), other.splitlines()
    for left, right in zip(mine, theirs, strict=False):
        if left != right:
            return f"{left.strip()!r} expected, {right.strip()!r} found"
    return f"{len(mine)} lines expected, {len(theirs)} found"


def _named(*parts: str) -> str:
    return ".".join(f"`{part}`" if "." in part else part for part in parts)


@contextmanager
def _plain_session(database: Database) -> Iterator[None]:
    settings = {"sql_mode": "", "time_zone": "+00:00", "sql_quote_show_create": 1}
    names = list(settings)
    kept = database.rows("SELECT " + ", ".join(f"@@SESSION.{name}" for name in names))[0]
    put = "SET " + ", ".join(f"SESSION {name} = %s" for name in names)
    database.execute(put, tuple(settings.values()))
    try:
        yield
    finally:
        database.execute(put, kept)


def _columns(database: Database) -> dict[str, dict[str, list[tuple[str, str]]]]:
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for schema, table, column, kind in database.rows(
        "SELECT c.table_schema, c.table_name, c.column_name, c.data_type"  # noqa: S608 - constant
        " FROM information_schema.columns c JOIN information_schema.tables t"
        " ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'"
        f" WHERE c.table_schema NOT IN ({_LISTED}) ORDER BY c.table_schema, c.table_name, c.ordinal_position"
    ):
        found.setdefault(schema, {}).setdefault(table, []).append((column, kind.lower()))
    return found


def _table(database: Database, schema: str, table: str, columns: list[tuple[str, str]]) -> TableProof:
    named = quoted(schema, table)
    definition = str(database.rows(f"SHOW CREATE TABLE {named}")[0][1])
    packed = ", ".join(_packed(column, kind) for column, kind in columns)
    rows = [row[0] for row in database.rows(f"SELECT CONCAT({packed}) FROM {named}")]  # noqa: S608 - quoted
    if None in rows:
        raise StepFailed(
            f"A row of {_named(schema, table)} is larger than the server's max_allowed_packet.",
            hint="Raise max_allowed_packet on the server and take the proof again.",
        )
    seal = hashlib.sha256()
    for row in sorted(rows):
        seal.update(len(row).to_bytes(8, "big") + row)
    return TableProof(rows=len(rows), sha256=seal.hexdigest(), definition=_COUNTER.sub(r"\1", definition))


def _packed(column: str, kind: str) -> str:
    """Return the expression for one value: "n" for NULL, else its length in bytes, a colon and the bytes."""
    name = quoted(column)
    value = f"CAST({f'CAST({name} AS DOUBLE)' if kind == 'float' else name} AS BINARY)"
    return f"IFNULL(CONCAT(LENGTH({value}), ':', {value}), 'n')"


def _views(database: Database, schema: str) -> dict[str, str]:
    # not SHOW CREATE VIEW: MySQL writes the same view in other words while one of its tables is missing
    found = database.rows(
        "SELECT table_name, definer, security_type, check_option, character_set_client, collation_connection,"
        " view_definition FROM information_schema.views WHERE table_schema = %s ORDER BY table_name",
        (schema,),
    )
    return {str(name): "\n".join(str(part) for part in parts) for name, *parts in found}


def _triggers(database: Database, schema: str) -> dict[str, str]:
    found = database.rows(
        "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s ORDER BY trigger_name",
        (schema,),
    )
    return {str(name): _program(database, "TRIGGER", schema, name) for (name,) in found}


def _routines(database: Database, schema: str) -> dict[str, str]:
    found = database.rows(
        "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = %s"
        " ORDER BY routine_type, routine_name",
        (schema,),
    )
    return {f"{kind} {name}": _program(database, kind, schema, name) for kind, name in found}


def _program(database: Database, kind: str, schema: str, name: str) -> str:
    shown = database.rows(f"SHOW CREATE {kind} {quoted(schema, name)}")[0]
    return f"sql_mode {shown[1]}\n{shown[2]}"
