"""How far a copy back has come: kept in a schema of its own at the source, changed together with what it tells of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from runbook_lib.bringback.copy.names import STATE_PREFIX
from runbook_lib.errors import InputRefused, StepFailed
from runbook_lib.mysql import Database, quoted

_NO_SUCH = {1049, 1146}  # unknown database, no such table


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One part of a table's rows that is copied in one transaction. `where` is a condition, empty for all rows."""

    number: int
    table: int
    where: str


class State:
    """The state of one copy back."""

    def __init__(self, database: Database, schema: str) -> None:
        self.database = database
        self.schema = schema
        self.facts = quoted(schema, "facts")
        self.pieces = quoted(schema, "pieces")

    def make(self) -> None:
        """Make the schema and its tables, unless they are there."""
        self.database.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(self.schema)} CHARACTER SET utf8mb4")
        self.database.execute(
            f"CREATE TABLE IF NOT EXISTS {self.facts} (name VARCHAR(64) CHARACTER SET ascii PRIMARY KEY,"
            " value LONGTEXT NOT NULL) ENGINE=InnoDB"
        )
        self.database.execute(
            f"CREATE TABLE IF NOT EXISTS {self.pieces} (number INT PRIMARY KEY, tbl INT NOT NULL,"
            " part LONGTEXT NOT NULL, done BIGINT NULL, KEY (tbl)) ENGINE=InnoDB"
        )

    def get(self, name: str) -> Any:
        """Return a fact, None if it is not there or there is no state at all."""
        try:
            found = self.database.value(f"SELECT value FROM {self.facts} WHERE name = %s", (name,))
        except (StepFailed, InputRefused) as error:
            if error.facts.get("code") in _NO_SUCH:
                return None
            raise
        return None if found is None else json.loads(found)

    def put(self, name: str, value: Any) -> None:
        """Keep a fact, in the transaction that is open if there is one."""
        self.database.execute(
            f"REPLACE INTO {self.facts} (name, value) VALUES (%s, %s)",
            (name, json.dumps(value, default=str)),
        )

    def forget(self, name: str) -> None:
        """Take a fact away."""
        self.database.execute(f"DELETE FROM {self.facts} WHERE name = %s", (name,))

    def add_pieces(self, table: int, parts: list[str]) -> None:
        """Note what a table is copied in, unless that has been noted before."""
        last = int(self.database.value(f"SELECT COALESCE(MAX(number), 0) FROM {self.pieces}"))
        self.database.execute_many(
            f"INSERT INTO {self.pieces} (number, tbl, part) VALUES (%s, %s, %s)",
            [(last + number, table, part) for number, part in enumerate(parts, 1)],
        )

    def tables_in_pieces(self) -> set[int]:
        """Return the tables whose pieces are noted."""
        return {int(row[0]) for row in self.database.rows(f"SELECT DISTINCT tbl FROM {self.pieces}")}

    def in_ranges(self, table: int) -> bool:
        """Tell whether a table is noted in pieces by ranges of its key."""
        return bool(self.database.value(f"SELECT COUNT(*) FROM {self.pieces} WHERE tbl = %s AND part <> ''", (table,)))

    def finish(self, number: int, rows: int) -> None:
        """Note a piece as copied, in the transaction that is open if there is one."""
        self.database.execute(f"UPDATE {self.pieces} SET done = %s WHERE number = %s", (rows, number))

    def forget_pieces(self, table: int) -> None:
        """Have a table copied anew."""
        self.database.execute(f"DELETE FROM {self.pieces} WHERE tbl = %s", (table,))

    def left(self) -> list[Piece]:
        """Return the pieces that are not copied yet."""
        found = self.database.rows(f"SELECT number, tbl, part FROM {self.pieces} WHERE done IS NULL ORDER BY number")
        return [Piece(number=int(number), table=int(table), where=str(part)) for number, table, part in found]

    def copied(self) -> dict[int, int]:
        """Return the rows copied so far by table."""
        found = self.database.rows(f"SELECT tbl, SUM(done) FROM {self.pieces} WHERE done IS NOT NULL GROUP BY tbl")
        return {int(table): int(rows) for table, rows in found}


def find_states(database: Database) -> tuple[State, ...]:
    """Return the state of every copy back that the server knows of."""
    found = database.rows(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s ORDER BY schema_name",
        (STATE_PREFIX.replace("_", "\\_") + "%",),
    )
    return tuple(State(database, str(schema)) for (schema,) in found)
