"""The RENAME where the locks of the swap must be let go for it (MariaDB), with writers held off until triggers stand.

MariaDB renames no table under LOCK TABLES (error 1192), and no table that has a trigger into another schema (1435).
So the RENAME waits on a connection of its own, and behind the locks of the swap so does, for each table, a gate: a
connection that wants to lock this one table. The server gives a table to who waits to lock or rename it before it gives
it to who waits to write, and a RENAME takes its names in the order of their bytes (MariaDB Server, sql/mdl.h, the
priorities of MDL_SHARED_NO_READ_WRITE and MDL_EXCLUSIVE; mdl.cc, acquire_locks). When the locks of the swap are let go
the gates have their tables at once; each is opened when the RENAME stands before it. A table that gets triggers is then
waited for again, behind the RENAME and before all writers, and they are made under its lock.

A connection that dies lets its lock go, so nobody is kept waiting by a client that was killed. LOCK TABLES takes the
tables along whose foreign keys point at the one that is named, so a table that is pointed at has no gate: one statement
of each writer that waits for it can slip in before the RENAME, as where connections or time are short, and is taken
over afterwards.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from runbook_lib.bringback.copy.facts import StoredObject
from runbook_lib.bringback.copy.objects import make
from runbook_lib.errors import RunbookError
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, opened_again

log = logging.getLogger(__name__)

MOST = 40  # gates, a connection each; tables that get triggers come first, and the others' late rows are taken over
WAITED_TOO_LONG = {1205, 1213}  # error codes: a lock was not to be had in time, or two waited for each other
_A_MOMENT = 1.0  # seconds for all gates; a writer that holds one table and wants another could hold up the RENAME


class _Gate:
    """A connection that holds one table until the RENAME stands before it, and makes its triggers behind it.

    Where it has nothing to hold (`holds` is false) it only does the second: the RENAME stands before the first of its
    names from the beginning, and a table that the source had lost is not there yet.
    """

    def __init__(self, database: Database, table: TableName, triggers: Sequence[StoredObject], *, holds: bool) -> None:
        self.table = table
        self.holds = holds
        self.triggers = triggers
        self.number = int(database.value("SELECT CONNECTION_ID()"))
        self.has_it = threading.Event()
        self.may_open = threading.Event()
        self.is_open = threading.Event()
        self._database = database
        self._thread: threading.Thread | None = None

    def start(self, done: Callable[[Database], bool], over: threading.Event) -> None:
        """Wait for the table's lock from now on."""
        self._thread = threading.Thread(target=self._stand, args=(done, over), name="gate")
        self._thread.start()

    def is_alive(self) -> bool:
        """Tell whether it has anything left to do."""
        return self._thread is not None and self._thread.is_alive()

    def join(self) -> None:
        """Return when it has nothing left to do."""
        if self._thread:
            self._thread.join()

    def _stand(self, done: Callable[[Database], bool], over: threading.Event) -> None:
        try:
            if self.holds:
                self._database.execute(f"LOCK TABLES {self.table.sql} WRITE")
            self.has_it.set()
            self.may_open.wait()
        except RunbookError as error:
            log.info("no gate for %s: %s", self.table, error)
            self.holds = False
            self.has_it.set()
        finally:
            self._let_go()
            self.is_open.set()
        while self.triggers:
            ended = over.is_set()
            try:
                self._database.execute(f"LOCK TABLES {self.table.sql} WRITE")
                if done(self._database):
                    for one in self.triggers:
                        make(self._database, one)
                    return
            except RunbookError as error:
                log.info("triggers of %s wait: %s", self.table, error)
            finally:
                self._let_go()
            if ended:
                return
            time.sleep(0.001)

    def _let_go(self) -> None:
        try:
            self._database.execute("UNLOCK TABLES")
        except RunbookError as error:  # the server has let go of its lock with the connection
            log.info("the gate of %s has lost its connection: %s", self.table, error)


class OutsideRename:
    """Connections that are ready for one RENAME, opened before anybody has to wait."""

    def __init__(self, database: Database, held: Sequence[TableName], triggers: Sequence[StoredObject]) -> None:
        self._watching = database
        self._order = sorted(held, key=lambda table: (table.schema.encode(), table.name.encode()))
        self._triggers: dict[TableName, list[StoredObject]] = defaultdict(list)
        for one in triggers:
            self._triggers[TableName(schema=one.schema, name=one.table)].append(one)

    @contextmanager
    def ready(self, gated: Sequence[TableName], *, seconds: int) -> Iterator[OutsideRename]:
        """Open the connections; every wait for a lock ends after some seconds."""
        free = [table for table in self._order[1:] if table not in self._pointed_at()]
        first = sorted(set(gated) & set(free), key=lambda table: (table not in self._triggers, table))[:MOST]
        behind = [table for table in self._order if table in self._triggers and table not in first]
        chosen = {*first, *free[-1:], *behind}
        new = [table for table in self._triggers if table not in self._order][: MOST - len(first)]
        not_held = {*behind, *new}
        with ExitStack() as opened:

            def connection() -> Database:
                own = opened.enter_context(opened_again(self._watching))
                own.execute(f"SET SESSION lock_wait_timeout = {seconds}, SESSION foreign_key_checks = 0")
                return own

            self._renaming = connection()
            self._trying = connection()
            self._trying.execute("SET SESSION lock_wait_timeout = 0")
            self._gates: list[_Gate] = []
            try:
                for table in (*(one for one in self._order if one in chosen), *new):
                    triggers = self._triggers.get(table, ())
                    self._gates.append(_Gate(connection(), table, triggers, holds=table not in not_held))
            except RunbookError as error:
                log.warning("the server takes no more connections, so there are %d gates: %s", len(self._gates), error)
            yield self

    def run(self, statement: str, *, done: Callable[[Database], bool]) -> None:
        """Rename, while the watching connection holds locks on all the tables; it lets them go.

        `done` tells whether the tables are renamed. Triggers of tables without a gate are left for the caller to make.
        """
        failed: list[BaseException] = []
        number = int(self._renaming.value("SELECT CONNECTION_ID()"))

        def rename() -> None:
            try:
                self._renaming.execute(statement)
            except BaseException as error:  # noqa: BLE001  # carried over to the calling thread
                failed.append(error)

        over = threading.Event()
        renaming = threading.Thread(target=rename, name="rename")
        renaming.start()
        try:
            self._until_waiting({number: renaming.is_alive})
            for gate in self._gates:
                gate.start(done, over)
            self._until_waiting({gate.number: gate.is_alive for gate in self._gates if gate.holds})
            if not any(gate.holds for gate in self._gates):
                self._let_the_others_wait()
            self._watching.execute("UNLOCK TABLES")
            self._open_one_by_one(renaming, time.monotonic() + _A_MOMENT)
        finally:
            for gate in self._gates:
                gate.may_open.set()
            self._watching.execute("UNLOCK TABLES")
            renaming.join()
            over.set()
            for gate in self._gates:
                gate.join()
        if failed:
            raise failed[0]

    def _open_one_by_one(self, renaming: threading.Thread, until: float) -> None:
        """Open each gate when the RENAME stands before it, the last when those with triggers wait again.

        When that takes too long the caller opens those that are left.
        """
        if not all(gate.has_it.wait(max(0.0, until - time.monotonic())) for gate in self._gates if gate.holds):
            return
        standing = [gate for gate in self._gates if gate.holds]
        for gate in standing:
            self._until_taken(self._order[self._order.index(gate.table) - 1], renaming, until)
            if gate is standing[-1]:
                self._let_the_others_wait()
                again = [one for one in standing[:-1] if one.triggers]
                self._until_waiting({one.number: one.is_alive for one in again}, until)
            if time.monotonic() > until:
                return
            gate.may_open.set()
            gate.is_open.wait()

    def _let_the_others_wait(self) -> None:
        """Have those that hold nothing wait behind the RENAME; a table that is not there yet cannot be waited for."""
        others = [gate for gate in self._gates if not gate.holds]
        for gate in others:
            gate.may_open.set()
        first = [gate for gate in others if gate.triggers and gate.table == self._order[0]]
        self._until_waiting({gate.number: gate.is_alive for gate in first}, time.monotonic() + _A_MOMENT)

    def _pointed_at(self) -> set[TableName]:
        """Return the tables that foreign keys of other tables point at."""
        found = self._watching.rows(
            "SELECT DISTINCT referenced_table_schema, referenced_table_name FROM information_schema.key_column_usage"
            " WHERE referenced_table_name IS NOT NULL"
            " AND (table_schema, table_name) <> (referenced_table_schema, referenced_table_name)"
        )
        return {TableName(schema=str(schema), name=str(name)) for schema, name in found}

    def _until_taken(self, table: TableName, renaming: threading.Thread, until: float) -> None:
        """Return when nobody may read a table any more: the RENAME has it, and goes on to the next."""
        while renaming.is_alive() and time.monotonic() < until:
            try:
                self._trying.rows(f"SELECT 1 FROM {table.sql} LIMIT 0")
            except RunbookError as error:
                if error.facts.get("code") not in WAITED_TOO_LONG:
                    raise
                time.sleep(0.001)  # for the RENAME to come before the next
                return
            time.sleep(0.001)

    def _until_waiting(self, wanted: dict[int, Callable[[], bool]], until: float = 0.0) -> None:
        """Return when all of these connections stand waiting for a table's lock, or have ended, or it is `until`."""
        while alive := [number for number, is_alive in wanted.items() if is_alive()]:
            if until and time.monotonic() > until:
                return
            waiting = self._watching.value(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%%'"
                f" AND id IN ({', '.join(map(str, alive))})"
            )
            if int(waiting or 0) == len(alive):
                return
            time.sleep(0.001)
