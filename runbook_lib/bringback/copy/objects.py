"""Triggers, views, routines and events: read as the server writes them, and made again as they were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from runbook_lib.bringback.copy.facts import StoredObject
from runbook_lib.errors import AccessDenied, RunbookError, StepFailed
from runbook_lib.mysql import Database, literal, quoted

_DEFINER = re.compile(r"DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")
_LISTS = {
    "TRIGGER": "SELECT trigger_schema, trigger_name, event_object_table FROM information_schema.triggers"
    " WHERE trigger_schema IN ({}) ORDER BY trigger_schema, event_object_table, action_timing, event_manipulation,"
    " action_order",
    "VIEW": "SELECT table_schema, table_name, '' FROM information_schema.views WHERE table_schema IN ({})"
    " ORDER BY table_schema, table_name",
    "ROUTINE": "SELECT routine_schema, routine_name, routine_type FROM information_schema.routines"
    " WHERE routine_schema IN ({}) AND routine_type IN ('PROCEDURE', 'FUNCTION') ORDER BY routine_schema, routine_name",
    "EVENT": "SELECT event_schema, event_name, time_zone FROM information_schema.events WHERE event_schema IN ({})"
    " ORDER BY event_schema, event_name",
}


def read_objects(database: Database, schemas: Iterable[str]) -> tuple[StoredObject, ...]:
    """Give every object of the schemas with the statement that makes it. The session must quote every name.

    Raises:
        AccessDenied: the account may not see a definition.
    """
    listed = sorted(schemas)
    if not listed:
        return ()
    found: list[StoredObject] = []
    for kind, sql in _LISTS.items():
        for schema, name, more in database.rows(sql.format(", ".join(["%s"] * len(listed))), tuple(listed)):
            found.append(_read(database, more if kind == "ROUTINE" else kind, str(schema), str(name), str(more)))
    return tuple(found)


def _read(database: Database, kind: str, schema: str, name: str, more: str) -> StoredObject:
    shown = database.rows(f"SHOW CREATE {kind} {quoted(schema, name)}")[0]
    if kind == "VIEW":
        statement, mode, charset, collation = shown[1], "", shown[2], shown[3]
    elif kind == "EVENT":
        statement, mode, charset, collation = shown[3], shown[1], shown[4], shown[5]
    else:
        statement, mode, charset, collation = shown[2], shown[1], shown[3], shown[4]
    if statement is None:
        raise StepFailed(
            f"The definition of the {kind.lower()} {schema}.{name} cannot be read.",
            hint="Give the account SHOW_ROUTINE (MariaDB: SHOW CREATE ROUTINE), or be the object's definer.",
        )
    return StoredObject(
        kind=kind,
        schema=schema,
        name=name,
        statement=str(statement),
        sql_mode=str(mode),
        charset=str(charset),
        collation=str(collation),
        time_zone=more if kind == "EVENT" else "",
        table=more if kind == "TRIGGER" else "",
    )


def statements_of(one: StoredObject) -> tuple[str, ...]:
    """Give the statements that make an object again, in the session they are run in."""
    zone = (f"SET SESSION time_zone = {literal(one.time_zone)}",) if one.time_zone else ()
    # A statement in ASCII means the same in every client character set, so the object keeps its own; for others the
    # session stays in utf8mb4, in which the statement is sent.
    charset = one.charset if one.statement.isascii() and one.charset.isalnum() else "utf8mb4"
    return (
        f"USE {quoted(one.schema)}",
        f"SET SESSION sql_mode = {literal(one.sql_mode)}",
        *zone,
        f"SET SESSION character_set_client = {charset}, SESSION collation_connection = {one.collation}",
        one.statement,
    )


AFTERWARDS = "SET SESSION character_set_client = utf8mb4, SESSION collation_connection = utf8mb4_general_ci"


def make(database: Database, one: StoredObject) -> None:
    """Make an object; the session's settings are as usual again afterwards, its sql_mode empty.

    Raises:
        StepFailed, AccessDenied: the server refuses it.
    """
    try:
        for statement in statements_of(one):
            database.execute(statement)
    finally:
        database.execute(AFTERWARDS)
        database.execute("SET SESSION sql_mode = '', SESSION time_zone = '+00:00'")


def make_all(database: Database, wanted: Sequence[StoredObject]) -> tuple[tuple[StoredObject, str], ...]:
    """Make objects that may need each other, whatever their order; give those that cannot be made, and why."""
    left: list[StoredObject] = list(wanted)
    while left:
        refused: list[tuple[StoredObject, str]] = []
        for one in left:
            try:
                make(database, one)
            except RunbookError as error:
                refused.append((one, error.message))
        if len(refused) == len(left):
            return tuple(refused)
        left = [one for one, _ in refused]
    return ()


def refused_definers(database: Database, wanted: Sequence[StoredObject], *, table: str) -> tuple[str, ...]:
    """Give those definers of objects in whose name the account may not make any, tried by a trigger on `table`.

    Some rights are not told by SHOW GRANTS: MySQL asks for SYSTEM_USER where the definer has it.
    """
    definers = sorted({found[0] for one in wanted if (found := _DEFINER.search(one.statement))})
    refused = []
    for definer in definers:
        trigger = f"{table[: table.rindex('.')]}.`trial`"
        try:
            database.execute(f"CREATE {definer} TRIGGER {trigger} BEFORE INSERT ON {table} FOR EACH ROW SET @trial = 1")
            database.execute(f"DROP TRIGGER {trigger}")
        except AccessDenied:
            refused.append(definer.removeprefix("DEFINER="))
    return tuple(refused)


def drop_statement(one: StoredObject) -> str:
    """Write the statement that takes an object away."""
    return f"DROP {one.kind} IF EXISTS {quoted(one.schema, one.name)}"


def there(database: Database, wanted: Sequence[StoredObject]) -> set[tuple[str, str, str]]:
    """Give kind, schema and name of those objects that exist at the server, of the schemas of `wanted`."""
    schemas = sorted({one.schema for one in wanted})
    found: set[tuple[str, str, str]] = set()
    if not schemas:
        return found
    for kind, sql in _LISTS.items():
        rows: list[tuple[Any, ...]] = database.rows(sql.format(", ".join(["%s"] * len(schemas))), tuple(schemas))
        found |= {(more if kind == "ROUTINE" else kind, str(schema), str(name)) for schema, name, more in rows}
    return found
