"""Two servers of one engine for the tests of proofs, and the shortest way to fill and prove them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runbook_lib.inventory import TableName
from runbook_lib.mysql import Credentials, Database
from runbook_lib.proof import Proof, ProofOptions, Side, TableVerdict, prove
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine

SCHEMA = "trap"


@dataclass
class TwoServers:
    """The right data and what is there instead, each on a server of its own. `begin` empties both."""

    engine: Engine
    plane: DataPlane
    master: Credentials
    expected: Database
    found: Database

    def side(self, name: str) -> Side:
        return Side(name=name, connect=lambda: self.plane.admin(name))

    def begin(self, *statements: str) -> None:
        for database in (self.expected, self.found):
            database.execute("SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'")
            database.execute("SET SESSION foreign_key_checks = 1")  # what the test before has set
            database.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")
            database.execute(f"CREATE DATABASE {SCHEMA} DEFAULT CHARACTER SET utf8mb4")
            database.execute(f"USE {SCHEMA}")
            for statement in statements:
                database.execute(statement)

    def change(self, *statements: str) -> None:
        for statement in statements:
            self.found.execute(statement)

    def prove(self, **options: Any) -> Proof:
        sides = (self.side("expected"), self.side("found"))
        of_proof = {name: options.pop(name) for name in ("pairs", "schemas") if name in options}
        return prove(*sides, **({"schemas": (SCHEMA,)} | of_proof), options=ProofOptions(**({"workers": 2} | options)))

    def table(self, name: str = "t", **options: Any) -> TableVerdict:
        return self.prove(**options).table(TableName(schema=SCHEMA, name=name))


def counts(table: TableVerdict) -> tuple[int, int, int]:
    """Return the numbers of missing, extra and changed rows."""
    return table.missing, table.extra, table.changed


def numbers(table: str, columns: str, values: Iterable[int], row: str) -> str:
    """Return an INSERT of one row per number; `{n}` in `row` is the number."""
    return f"INSERT INTO {table} {columns} VALUES " + ", ".join(f"({row.format(n=n)})" for n in values)
