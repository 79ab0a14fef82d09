"""The RENAME where the locks of the swap must be let go for it (MariaDB), without a moment for writers before triggers.

MariaDB renames no table under LOCK TABLES (error 1192), and no table that has a trigger into another schema (1435).
So the RENAME waits on a connection of its own, and so does, for every table that gets triggers, one that wants to
lock it: the server gives a table to who waits for its lock before it gives it to who waits to write. The order in
which a RENAME takes its names is the order of their bytes, and the last of them is held until all of these wait
(MariaDB Server, sql/mdl.h, the priorities of MDL_SHARED_NO_READ_WRITE; mdl.cc, acquire_locks). A connection that dies
lets its lock go, so nobody is kept waiting by a client that was killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from runbook_lib.bringback.copy.facts import StoredObject
from runbook_lib.bringback.copy.objects import make
from runbook_lib.errors import RunbookError
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, opened_again

log = logging.getLogger(__name__)

MOST = 60  # connections that wait for tables with triggers; where more have some, the last ones are served afterwards
WAITED_TOO_LONG = {1205, 1213}  # error codes: a lock was not to be had in time, or two waited for each other


class _Waiting:
    """Something done on a connection of its own, which stands waiting for the lock of a table."""

    def __init__(self, database: Database, name: str, act: Callable[[Database], object], *, seconds: int) -> None:
        self.database = opened_again(database)
        self.database.execute(f"SET SESSION lock_wait_timeout = {seconds}, SESSION foreign_key_checks = 0")
        self.number = self.database.value("SELECT CONNECTION_ID()")
        self.failed: BaseException | None = None
        self._act = act
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._act(self.database)
        except BaseException as error:  # noqa: BLE001  # carried over to the calling thread
            self.failed = error

    def until_it_waits(self, watching: Database) -> None:
        """Return when it stands waiting, or has ended."""
        while self._thread.is_alive() and not watching.value(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %s AND state LIKE 'Waiting for table%%'",
            (self.number,),
        ):
            time.sleep(0.002)

    def is_alive(self) -> bool:
        """Tell whether it has not ended."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Return when it has ended."""
        self._thread.join()

    def close(self) -> None:
        """End the connection once it has nothing to do any more, and with it its locks."""
        self._thread.join()
        self.database.close()


def rename_from_outside(
    database: Database,
    statement: str,
    *,
    held: Sequence[TableName],
    triggers: Sequence[StoredObject],
    done: Callable[[Database], bool],
    seconds: int,
) -> None:
    """Run the RENAME while `database` holds locks on `held`, and make the triggers before anybody else writes.

    `database` lets its locks go. `done` tells whether the tables are renamed. Triggers whose lock was not to be had
    are left for the caller to make.
    """
    order = sorted(held, key=lambda table: (table.schema.encode(), table.name.encode()))
    by_table: dict[TableName, list[StoredObject]] = defaultdict(list)
    for one in triggers:
        by_table[TableName(schema=one.schema, name=one.table)].append(one)
    over = threading.Event()
    with ExitStack() as opened:

        def start(name: str, act: Callable[[Database], object]) -> _Waiting:
            found = _Waiting(database, name, act, seconds=seconds)
            opened.callback(found.close)
            found.until_it_waits(database)
            return found

        def guard() -> None:
            for table, made in list(by_table.items())[:MOST]:
                start("guard", partial(_make_under_lock, table=table, triggers=made, done=done, over=over))

        renaming = start("rename", lambda own: own.execute(statement))
        gate: _Waiting | None = None
        try:
            if by_table and len(order) > 1:
                gate = start("gate", lambda own: own.execute(f"LOCK TABLES {order[-1].sql} WRITE"))
                database.execute("UNLOCK TABLES")
                gate.join()
                _until_taken(database, order[-2], renaming)
            guard()
        finally:
            database.execute("UNLOCK TABLES")
            if gate:
                gate.join()
                gate.database.execute("UNLOCK TABLES")
            renaming.join()
            over.set()
    if renaming.failed:
        raise renaming.failed


def _until_taken(database: Database, table: TableName, renaming: _Waiting) -> None:
    """Return when nobody may read a table any more: the RENAME has it, or stands waiting for it."""
    with opened_again(database) as other:
        other.execute("SET SESSION lock_wait_timeout = 0")
        while renaming.is_alive():
            try:
                other.rows(f"SELECT 1 FROM {table.sql} LIMIT 0")
            except RunbookError as error:
                if error.facts.get("code") in WAITED_TOO_LONG:
                    return
                raise
            time.sleep(0.001)


def _make_under_lock(
    own: Database,
    *,
    table: TableName,
    triggers: Sequence[StoredObject],
    done: Callable[[Database], bool],
    over: threading.Event,
) -> None:
    """Lock a table as soon as it is renamed, make its triggers, and let it go."""
    while True:
        ended = over.is_set()
        try:
            own.execute(f"LOCK TABLES {table.sql} WRITE")
            if done(own):
                for one in triggers:
                    make(own, one)
                return
        except RunbookError as error:
            log.info("triggers of %s wait: %s", table, error)
        finally:
            own.execute("UNLOCK TABLES")
        if ended:
            return
        time.sleep(0.001)
