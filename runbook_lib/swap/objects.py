"""Triggers, views, routines, events and sequences: read as the server writes them, and made again as they were."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from runbook_lib.errors import AccessDenied, InputRefused, RunbookError, StepFailed, about
from runbook_lib.mysql import Database, literal, quoted
from runbook_lib.swap.facts import StoredObject

_DEFINER = re.compile(r"DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")
_NAME = r"(?:`(?:[^`]|``)*`|[\w$]+)"
_TRIGGER = re.compile(
    rf"(CREATE\s+(?:OR\s+REPLACE\s+)?(?:DEFINER=\S+\s+)?TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?){_NAME}(?:\s*\.\s*{_NAME})?",
    re.IGNORECASE,
)
_NO_SUCH_SCHEMA = 1049
_LISTS = {
    "SEQUENCE": "SELECT table_schema, table_name, '' FROM information_schema.tables WHERE table_type = 'SEQUENCE'"
    " AND table_schema IN ({}) ORDER BY table_schema, table_name",
    "TRIGGER": "SELECT trigger_schema, trigger_name, event_object_table FROM information_schema.triggers"
    " WHERE trigger_schema IN ({}) ORDER BY trigger_schema, event_object_table, action_timing, event_manipulation,"
    " action_order",
    "VIEW": "SELECT table_schema, table_name, CONCAT_WS(' ', definer, security_type, check_option, view_definition)"
    " FROM information_schema.views WHERE table_schema IN ({}) ORDER BY table_schema, table_name",
    "ROUTINE": "SELECT routine_schema, routine_name, routine_type FROM information_schema.routines"
    " WHERE routine_schema IN ({}) AND routine_type IN ('PROCEDURE', 'FUNCTION', 'PACKAGE', 'PACKAGE BODY')"
    " ORDER BY routine_schema, routine_type, routine_name",
    "EVENT": "SELECT event_schema, event_name, time_zone FROM information_schema.events WHERE event_schema IN ({})"
    " ORDER BY event_schema, event_name",
}


def read_objects(database: Database, schemas: Iterable[str]) -> tuple[StoredObject, ...]:
    """Return every object of the schemas with the statement that makes it. The session must quote every name.

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
    try:
        shown = database.rows(f"SHOW CREATE {kind} {quoted(schema, name)}")[0]
    except InputRefused as error:
        if kind != "VIEW" or error.facts.get("code") != _NO_SUCH_SCHEMA:
            raise
        # MySQL shows no view whose tables were in a schema that is gone
        return StoredObject(kind=kind, schema=schema, name=name, statement="", meaning=more)
    if kind == "SEQUENCE":
        # a number that was given out is never given again, so it goes on from the next one
        value = database.value(f"SELECT next_not_cached_value FROM {quoted(schema, name)}")
        goes_on = f"SELECT SETVAL({quoted(schema, name)}, {int(value)}, 0)"
        return StoredObject(kind=kind, schema=schema, name=name, statement=str(shown[1]), goes_on=goes_on)
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
        meaning=more if kind == "VIEW" else "",
    )


def statements_of(item: StoredObject) -> tuple[str, ...]:
    """Return the statements that make an object again, in the session they are run in."""
    zone = (f"SET SESSION time_zone = {literal(item.time_zone)}",) if item.time_zone else ()
    # A statement in ASCII means the same in every client character set, so the object keeps its own; for others the
    # session stays in utf8mb4, in which the statement is sent.
    charset = item.charset if item.statement.isascii() and item.charset.isalnum() else "utf8mb4"
    return (
        f"USE {quoted(item.schema)}",
        f"SET SESSION sql_mode = {literal(item.sql_mode)}",
        *zone,
        f"SET SESSION character_set_client = {charset}, SESSION collation_connection = {item.collation}",
        item.statement,
        *((item.goes_on,) if item.goes_on else ()),
    )


def trigger_named(trigger: StoredObject, name: str) -> StoredObject:
    """Return a trigger under another name.

    Raises:
        InputRefused: where its name stands in its definition cannot be told.
    """
    definer = definer_of(trigger)
    text = trigger.statement
    hidden = _DEFINER.sub(lambda found: re.sub(r"\s", "_", found[0]), text, count=1) if definer else text
    if (found := _TRIGGER.match(hidden)) is None:
        raise InputRefused(
            f"{trigger.title} has the name of a trigger that comes back, and cannot be given another.",
            hint="Drop it, or make it again under another name, and plan again.",
        )
    statement = f"{text[: found.end(1)]}{quoted(name)}{text[found.end() :]}"
    return dataclasses.replace(trigger, name=name, statement=statement)


def steady(database: Database) -> None:
    """Set the session to what our statements are written for, whatever the server's defaults are."""
    database.execute(
        "SET SESSION sql_mode = '', SESSION time_zone = '+00:00', SESSION sql_quote_show_create = 1,"
        " SESSION sql_safe_updates = 0, SESSION sql_select_limit = 18446744073709551615,"
        " SESSION character_set_client = utf8mb4, SESSION collation_connection = utf8mb4_general_ci"
    )


def make(database: Database, item: StoredObject) -> None:
    """Make an object; the session's settings are as usual again afterwards, its sql_mode empty.

    Raises:
        StepFailed, AccessDenied: the server refuses it.
    """
    _run(database, statements_of(item))


def _run(database: Database, statements: Sequence[str]) -> None:
    try:
        for statement in statements:
            database.execute(statement)
    finally:
        steady(database)


def make_sequences(database: Database, wanted: Sequence[StoredObject]) -> None:
    """Make those sequences among the objects that do not exist: a table's default may need them.

    Raises:
        StepFailed, AccessDenied: the server refuses one; the message names it.
    """
    sequences = [item for item in wanted if item.kind == "SEQUENCE"]
    found = existing(database, sequences)
    for item in sequences:
        if item.id not in found:
            with about(item.title):
                make(database, item)


def make_all(database: Database, wanted: Sequence[StoredObject]) -> tuple[tuple[StoredObject, str], ...]:
    """Make objects that may need each other, whatever their order; return those that cannot be made, and why."""
    return _as_far_as_possible(wanted, lambda item: make(database, item))


def _as_far_as_possible(
    wanted: Sequence[StoredObject], act: Callable[[StoredObject], object]
) -> tuple[tuple[StoredObject, str], ...]:
    left: list[StoredObject] = list(wanted)
    while left:
        refused: list[tuple[StoredObject, str]] = []
        for item in left:
            try:
                act(item)
            except RunbookError as error:
                refused.append((item, error.message))
        if len(refused) == len(left):
            return tuple(refused)
        left = [item for item, _ in refused]
    return ()


def is_replaced_at_once(item: StoredObject, *, mariadb: bool) -> bool:
    """Tell whether the engine can put one definition in another's place in one statement."""
    return item.kind == "VIEW" or mariadb


def replace_statements(item: StoredObject, *, mariadb: bool) -> tuple[str, ...]:
    """Write what puts a definition in the place of another of its name."""
    if not is_replaced_at_once(item, mariadb=mariadb):
        return drop_statement(item), *statements_of(item)
    again = re.sub(r"^CREATE (?!OR REPLACE )", "CREATE OR REPLACE ", item.statement, count=1)
    return statements_of(dataclasses.replace(item, statement=again))


def put_in_place(database: Database, item: StoredObject) -> None:
    """Make an object, in the place of another of its name if there is one.

    Where the engine cannot do that at once (MySQL's routines and events), the former is made again if the new one is
    refused.

    Raises:
        StepFailed, AccessDenied: the server refuses it; the former is as it was.
    """
    mariadb = database.is_mariadb
    former = next((each for each in read_objects(database, [item.schema]) if each.id == item.id), None)
    if former is not None and former.is_made_as(item):
        return
    try:
        _run(database, replace_statements(item, mariadb=mariadb))
    except RunbookError:
        if (
            former is not None
            and not is_replaced_at_once(item, mariadb=mariadb)
            and not existing(database, [item]) & {item.id}
        ):
            make(database, former)
        raise


def put_all_in_place(database: Database, wanted: Sequence[StoredObject]) -> tuple[tuple[StoredObject, str], ...]:
    """Put objects in place that may need each other, whatever their order; return those refused, and why."""
    return _as_far_as_possible(wanted, lambda item: put_in_place(database, item))


def not_made_as(database: Database, wanted: Sequence[StoredObject]) -> tuple[StoredObject, ...]:
    """Return those objects that are not at the server, or are others there."""
    found = {item.id: item for item in read_objects(database, {item.schema for item in wanted})}
    return tuple(item for item in wanted if item.id not in found or not found[item.id].is_made_as(item))


def definer_of(item: StoredObject) -> str:
    """Return the account in whose name an object works, as accounts are written, empty if none is named."""
    found = _DEFINER.search(item.statement)
    if not found:
        return ""
    parts = re.findall(r"`((?:[^`]|``)*)`", found[0])
    return "@".join("'" + part.replace("``", "`").replace("'", "''") + "'" for part in parts)


def refused_definers(database: Database, wanted: Sequence[StoredObject], *, table: str) -> tuple[str, ...]:
    """Return those definers of objects in whose name the account may not make any, tried by a trigger on `table`.

    Some rights are not shown by SHOW GRANTS: MySQL asks for SYSTEM_USER where the definer has it.
    """
    definers = sorted({found[0] for item in wanted if (found := _DEFINER.search(item.statement))})
    refused = []
    for definer in definers:
        trigger = f"{table[: table.rindex('.')]}.`trial`"
        database.execute(f"DROP TRIGGER IF EXISTS {trigger}")  # of a run that was killed in between
        try:
            database.execute(f"CREATE {definer} TRIGGER {trigger} BEFORE INSERT ON {table} FOR EACH ROW SET @trial = 1")
            database.execute(f"DROP TRIGGER {trigger}")
        except AccessDenied:
            refused.append(definer.removeprefix("DEFINER="))
    return tuple(refused)


def drop_statement(item: StoredObject) -> str:
    """Write the statement that takes an object away."""
    return f"DROP {item.kind} IF EXISTS {quoted(item.schema, item.name)}"


def drop_statements(item: StoredObject) -> tuple[str, ...]:
    """Write what takes an object away, with the mode that MariaDB wants for a package."""
    if not item.kind.startswith("PACKAGE"):
        return (drop_statement(item),)
    return "SET SESSION sql_mode = 'ORACLE'", drop_statement(item), "SET SESSION sql_mode = ''"


def existing(database: Database, wanted: Sequence[StoredObject]) -> set[tuple[str, str, str]]:
    """Return kind, schema and name of those objects that exist at the server, of the schemas of `wanted`."""
    schemas = sorted({item.schema for item in wanted})
    found: set[tuple[str, str, str]] = set()
    if not schemas:
        return found
    for kind, sql in _LISTS.items():
        rows: list[tuple[Any, ...]] = database.rows(sql.format(", ".join(["%s"] * len(schemas))), tuple(schemas))
        found |= {(more if kind == "ROUTINE" else kind, str(schema), str(name)) for schema, name, more in rows}
    return found
