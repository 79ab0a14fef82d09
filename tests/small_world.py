"""A small world for notebooks that are stepped through in this process: the stand-in, and two servers for its data.

The damaged cluster is `prod`, `prod-copy` is restored from it. A restore is made in no time: what its data would be is
there already, on the second server. Everything else is real: the notebooks, AWS's answers, tables and their swap.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_lib import restore
from runbook_lib.clusters import find_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.mysql import Credentials, Database, Endpoint
from runbook_lib.mysql import connect as dial
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine
from runbook_lib.runbook import connect
from runbook_lib.times import AskedTime, utc_now
from tests import control_support
from tests.control_support import MemoryData

COPY_ROWS = {1: "one", 2: "two", 3: "three"}
DAMAGED_ROWS = {1: "one", 2: "changed since", 9: "written since"}
SCHEMA = (
    "CREATE DATABASE shop",
    "CREATE TABLE shop.items (id INT PRIMARY KEY, name VARCHAR(30))",
    "CREATE TABLE shop.notes (id INT PRIMARY KEY, said VARCHAR(30))",
)
OURS = ("shop", "runbook_copyback_")
MASTER = Credentials(user="admin", password="first-7")  # of both servers, before AWS manages it


class TwoData(MemoryData):
    """A data plane of two servers: the source's, and one that every copy answers with."""

    plane: DataPlane
    first: str = ""

    def server(self, resource_id: str) -> str:
        return "found" if resource_id == self.first else "expected"

    def create(self, resource_id: str, *, master: Credentials) -> None:
        self.first = self.first or resource_id
        super().create(resource_id, master=master)
        self.plane.set_master_password(self.server(resource_id), master.password)

    def endpoint(self, resource_id: str) -> Endpoint:
        return self.plane.endpoint(self.server(resource_id))

    def set_master_password(self, resource_id: str, password: str) -> None:
        super().set_master_password(resource_id, password)
        self.plane.set_master_password(self.server(resource_id), password)


@dataclass
class World:
    """The stand-in, its two servers, and where records go. `more` are statements that make both sides richer."""

    data: TwoData
    folder: Path
    stand: control_support.Stand
    more: tuple[str, ...] = ()
    number: Iterator[int] = field(default_factory=itertools.count)

    @property
    def rds(self) -> Any:
        """Return the client of an account that may do everything."""
        return self.stand.rds

    def damage(self) -> None:
        """Make the source as the damage has left it, and nothing else."""
        with self.source() as database:
            self._clear(database)
            self._fill(database, DAMAGED_ROWS)

    def source(self, cluster: str = "prod") -> Database:
        """Open the source, or the copy, by the account that the notebooks take."""
        session = connect()
        found = find_cluster(session, cluster)
        return open_database(found, credentials_for(session, found))

    def make_copy(self) -> None:
        """Make what the copy holds, and restore it."""
        self.fill_the_copy()
        session = connect()
        plan = restore.propose(
            session,
            find_cluster(session, "prod"),
            asked=AskedTime(text="latest", moment=None),
            now=utc_now(),
            choices=restore.Choices(target="prod-copy"),
        )
        restore.apply(session, plan, approve=plan.id)

    def fill_the_copy(self) -> None:
        """Make what every copy holds."""
        with dial(self.data.plane.endpoint("expected"), MASTER) as database:
            self._fill(database, COPY_ROWS)

    @staticmethod
    def _clear(database: Database) -> None:
        for (schema,) in database.rows("SELECT schema_name FROM information_schema.schemata"):
            if str(schema).startswith(OURS):
                database.execute(f"DROP DATABASE `{schema}`")

    def _fill(self, database: Database, rows: Mapping[int, str]) -> None:
        for statement in (*SCHEMA, *(self.more if rows is COPY_ROWS else ())):
            database.execute(statement)
        for key, name in rows.items():
            database.execute("INSERT INTO shop.items (id, name) VALUES (%s, %s)", (key, name))
        if rows is COPY_ROWS:
            database.execute("INSERT INTO shop.notes VALUES (1, 'kept')")

    def run(self, *statements: str) -> None:
        """Run statements on the source."""
        with self.source() as database:
            for statement in statements:
                database.execute(statement)

    def items(self) -> dict[int, str]:
        """Return what the source's table holds now."""
        with self.data.plane.admin("found") as database:
            return {int(key): str(name) for key, name in database.rows("SELECT id, name FROM shop.items")}


@contextmanager
def small_world(folder: Path, *, more: tuple[str, ...] = (), watched: bool = False) -> Iterator[World]:
    """Start it, in this process's environment. `watched` servers count the use of their tables."""
    data = TwoData()
    plane = DataPlane(choose_engine(""), folder / "servers", performance_schema=watched)
    with plane, control_support.stand_in(data=data) as stand:
        data.plane = plane
        for name in ("expected", "found"):
            plane.create(name, master=MASTER)
            plane.open(name)
        with stand.plane.in_environment():
            control_support.production(stand)
            yield World(data, folder, stand, more)
