"""How far a swap has come: kept in a schema of its own at the server, changed together with what it tells of."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from runbook_lib.errors import InputRefused, StepFailed
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.names import STATE_PREFIX

T = TypeVar("T")
_NO_SUCH = {1049, 1146}  # unknown database, no such table


class State:
    """The state of one swap: facts by name."""

    def __init__(self, database: Database, schema: str) -> None:
        self.database = database
        self.schema = schema
        self.facts = quoted(schema, "facts")

    def make(self) -> None:
        """Make the schema and its table, unless they are there."""
        self.database.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(self.schema)} CHARACTER SET utf8mb4")
        self.database.execute(
            f"CREATE TABLE IF NOT EXISTS {self.facts} (name VARCHAR(64) CHARACTER SET ascii PRIMARY KEY,"
            " value LONGTEXT NOT NULL) ENGINE=InnoDB"
        )

    def get(self, name: str) -> Any:
        """Return a fact as JSON had it, None if it is not there or there is no state at all."""
        try:
            found = self.database.value(f"SELECT value FROM {self.facts} WHERE name = %s", (name,))
        except (StepFailed, InputRefused) as error:
            if error.facts.get("code") in _NO_SUCH:
                return None
            raise
        return None if found is None else json.loads(found)

    def get_as(self, kind: type[T], name: str) -> T | None:
        """Return a fact as a value of that type, None if it is not there.

        Raises:
            StepFailed: another version of these runbooks has written it.
        """
        if (found := self.get(name)) is None:
            return None
        wanted: Any = kind
        try:
            value: T = _adapter(wanted).validate_python(found)
        except ValidationError as error:
            raise StepFailed(
                f'"{name}" in `{self.schema}` was written by another version of these runbooks and cannot be read.',
                hint=f"Finish or undo it with that version; or drop the schema `{self.schema}` if it is not needed.",
            ) from error
        return value

    def put(self, name: str, value: Any) -> None:
        """Keep a fact, in the transaction that is open if there is one. Values of ours become JSON."""
        self.database.execute(
            f"REPLACE INTO {self.facts} (name, value) VALUES (%s, %s)", (name, json.dumps(as_json(value)))
        )

    def forget(self, name: str) -> None:
        """Take a fact away."""
        self.database.execute(f"DELETE FROM {self.facts} WHERE name = %s", (name,))


def find_states(database: Database) -> tuple[State, ...]:
    """Return the state of every swap that the server knows of."""
    found = database.rows(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s ORDER BY schema_name",
        (STATE_PREFIX.replace("_", "\\_") + "%",),
    )
    return tuple(State(database, str(schema)) for (schema,) in found)


def as_json(value: object) -> Any:
    """Return a frozen value, or several in a list or dictionary, as what `json.dumps` takes."""
    return _adapter(object).dump_python(value, mode="json")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
