"""Compare what a schema holds beside its tables: views, routines, triggers, events, sequences, by their definitions.

And say what an account may not see of all that, by the rights it has: what is not seen was not compared.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from runbook_lib.errors import RunbookError
from runbook_lib.inventory import SYSTEM_SCHEMAS
from runbook_lib.mysql import Database, literal, quoted

_QUERIES = {
    "view": "SELECT table_schema, table_name, view_definition AS definition, check_option, security_type, definer"
    " FROM information_schema.views WHERE {table_schema}",
    "routine": "SELECT routine_schema, CONCAT(LOWER(routine_type), ' ', routine_name),"
    " routine_definition AS definition, dtd_identifier AS returns,"
    " sql_data_access, is_deterministic, security_type, definer, sql_mode"
    " FROM information_schema.routines WHERE {routine_schema}",
    "trigger": "SELECT trigger_schema, trigger_name, action_statement AS definition, action_timing AS timing,"
    " event_manipulation AS event, event_object_table AS on_table, action_order, definer, sql_mode"
    " FROM information_schema.triggers WHERE {trigger_schema}",
    "event": "SELECT event_schema, event_name, event_definition AS definition, event_type, execute_at, interval_value,"
    " interval_field, starts, ends, status, on_completion, definer, sql_mode"
    " FROM information_schema.events WHERE {event_schema}",
}
_PARAMETERS = (
    "SELECT specific_schema, CONCAT(LOWER(routine_type), ' ', specific_name), ordinal_position, parameter_mode,"
    " parameter_name, dtd_identifier FROM information_schema.parameters"
    " WHERE {specific_schema} AND ordinal_position > 0 ORDER BY 1, 2, 3"
)
_SEQUENCES = (
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'SEQUENCE' AND {table_schema}"
)
_COLUMN = re.compile(r"\{(\w+)\}")
_GRANT = re.compile(r"(?P<act>GRANT|REVOKE) (?P<what>.+?) ON (?P<where>.+?) (?:TO|FROM) ", re.S)
_SCHEMA = re.compile(r"`((?:[^`]|``)+)`\.\*")
_LISTED = re.compile(r",\s*(?![^(]*\))")
_TABLES_KNOWN = frozenset({"BASE TABLE", "SYSTEM VERSIONED", "SEQUENCE", "VIEW", "SYSTEM VIEW", "TEMPORARY",
                           "TEMPORARY SEQUENCE"})  # fmt: skip
_OF_OBJECTS = {"SHOW VIEW": "definitions of views", "TRIGGER": "triggers", "EVENT": "events"}
_OF_ROUTINES = ("SELECT", "SHOW_ROUTINE", "SHOW CREATE ROUTINE")

Key = tuple[str, str, str]
"""The kind, schema and name of an object."""


@dataclass(frozen=True, kw_only=True, order=True)
class ObjectDifference:
    """A view, routine, trigger, event or sequence that is "missing", "changed" or "new since"; `what` says in what."""

    kind: str
    schema: str
    name: str
    verdict: str
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.schema}.{self.name}"


def read_objects(database: Database, schemas: Collection[str]) -> dict[Key, dict[str, str]]:
    """Read the objects of some schemas, or of all that are not the server's own: each part of a definition by name."""
    found: dict[Key, dict[str, str]] = {}
    for kind, sql in _QUERIES.items():
        for row in database.named_rows(_within(sql, schemas)):
            (_, schema), (_, name), *parts = row.items()
            found[kind, str(schema), str(name)] = {part.lower(): _text(value) for part, value in parts}
    for schema, name, _, *parts in database.rows(_within(_PARAMETERS, schemas)):
        known = found.get(("routine", str(schema), str(name)))
        if known is not None:
            known["parameters"] = f"{known.get('parameters', '')}({' '.join(map(_text, parts))})"
    if database.is_mariadb:
        for schema, name in database.rows(_within(_SEQUENCES, schemas)):
            (row,) = database.named_rows(f"SELECT * FROM {quoted(schema, name)}")  # noqa: S608  # quoted
            found["sequence", str(schema), str(name)] = {part.lower(): _text(value) for part, value in row.items()}
    return found


def compare_objects(
    expected: Mapping[Key, Mapping[str, str]], found: Mapping[Key, Mapping[str, str]]
) -> tuple[ObjectDifference, ...]:
    """Say which objects differ, and in which part of their definition."""
    return tuple(sorted(_differences(expected, found)))


def _differences(
    expected: Mapping[Key, Mapping[str, str]], found: Mapping[Key, Mapping[str, str]]
) -> Iterator[ObjectDifference]:
    for key in {*expected, *found}:
        kind, schema, name = key
        if key not in found or key not in expected:
            verdict = "missing" if key in expected else "new since"
            yield ObjectDifference(kind=kind, schema=schema, name=name, verdict=verdict)
            continue
        ours, theirs = expected[key], found[key]
        what = tuple(_part(part, ours.get(part, ""), theirs.get(part, "")) for part in {**ours, **theirs}
                     if ours.get(part, "") != theirs.get(part, ""))  # fmt: skip
        if what:
            yield ObjectDifference(kind=kind, schema=schema, name=name, verdict="changed", what=what)


def _part(name: str, expected: str, found: str) -> str:
    if name == "definition":  # it may hold anything, values too
        return "definition"
    return f"{name.replace('_', ' ')}: {expected or 'nothing'} expected, {found or 'nothing'} found"


def unseen_tables(database: Database, schemas: Collection[str]) -> tuple[str, ...]:
    """Say which tables an account may not see, and which are of a kind that is not known here."""
    rights = _Rights(database)
    said = [] if rights.has("SELECT", schemas) else [
        f"the account sees only the tables that it has rights on: it lacks SELECT on {_named(schemas)}"
    ]  # fmt: skip
    kinds = "SELECT table_type, COUNT(*) FROM information_schema.tables WHERE {table_schema} GROUP BY table_type"
    for kind, count in database.rows(_within(kinds, schemas)):
        if str(kind).upper() not in _TABLES_KNOWN:
            said.append(f"{count} tables are of the unknown kind {kind} and were not compared")
    return tuple(said)


def unseen_objects(database: Database, schemas: Collection[str]) -> tuple[str, ...]:
    """Say which objects beside tables an account may not see, so that they were not compared."""
    rights = _Rights(database)
    lacking = {what: right for right, what in _OF_OBJECTS.items() if not rights.has(right, schemas)}
    if not any(rights.has(right, ()) for right in _OF_ROUTINES):
        lacking["routines of others"] = "SELECT on *.* or SHOW_ROUTINE"
    return tuple(f"{what} (the account lacks {right})" for what, right in lacking.items())


class _Rights:
    """What an account holds on whole schemas, its active roles included."""

    def __init__(self, database: Database) -> None:
        self._everywhere: set[str] = set()
        self._on: dict[str, set[str]] = {}
        self._revoked: dict[str, set[str]] = {}
        try:
            lines = [str(row[0]) for row in database.rows("SHOW GRANTS")]
            roles = str(database.value("SELECT CURRENT_ROLE()") or "NONE")
            if roles.upper() != "NONE" and not database.is_mariadb:
                lines += [str(row[0]) for row in database.rows(f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")]
        except RunbookError:  # then nothing is known to be seen
            lines = []
        for line in lines:
            if found := _GRANT.match(line):
                self._take(
                    found["act"], {right.strip().upper() for right in _LISTED.split(found["what"])}, found["where"]
                )

    def _take(self, act: str, rights: set[str], where: str) -> None:
        if where == "*.*":
            self._everywhere |= rights
        elif schema := _SCHEMA.fullmatch(where):
            name = schema[1].replace("``", "`")
            (self._on if act == "GRANT" else self._revoked).setdefault(name, set()).update(rights)

    def has(self, right: str, schemas: Collection[str]) -> bool:
        """Tell whether a right holds on all these schemas; without schemas, on every one that there may be."""
        either = {right, "ALL PRIVILEGES"}
        taken = {name for name, rights in self._revoked.items() if rights & either}
        if self._everywhere & either:
            return not (taken & set(schemas) if schemas else taken)
        given = [re.compile(_pattern(name)) for name, rights in self._on.items() if rights & either]
        return bool(schemas) and all(any(one.fullmatch(schema) for one in given) for schema in schemas)


def _pattern(name: str) -> str:
    """Make of a schema's name in a grant, where _ and % stand for others unless escaped, a regular expression."""
    parts = re.findall(r"\\.|.", name, re.S)
    return "".join(re.escape(part[-1]) if len(part) > 1 else {"_": ".", "%": ".*"}.get(part, re.escape(part))
                   for part in parts)  # fmt: skip


def _named(schemas: Collection[str]) -> str:
    return ", ".join(sorted(schemas)) if schemas else "*.*"


def _within(sql: str, schemas: Collection[str]) -> str:
    wanted, others = (", ".join(map(literal, sorted(names))) for names in (schemas, SYSTEM_SCHEMAS))
    return _COLUMN.sub(lambda found: f"{found[1]} IN ({wanted})" if wanted else f"{found[1]} NOT IN ({others})", sql)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else "" if value is None else str(value)


def unreadable(objects: Iterable[tuple[Key, Mapping[str, str]]]) -> tuple[str, ...]:
    """Name the objects of which the account sees that they are, but not what they do."""
    return tuple(f"{kind} {schema}.{name}" for (kind, schema, name), parts in objects
                 if "definition" in parts and not parts["definition"])  # fmt: skip
