"""The swap itself: under locks, in an order that leaves the old state or the new one wherever it is cut off.

MySQL (Aurora too) renames tables under LOCK TABLES, so writers wait from the last look at the source's rows until
triggers stand on the new tables. MariaDB refuses that (error 1192): there the RENAME waits on a second connection,
and others hold writers off table by table until it is through and the triggers stand (see `renaming`). Should a write
slip in between all the same, an insert is taken over afterwards, with the triggers it missed; a change or a deletion
stays in the dated schema, and is listed there.

What a client that is killed may leave behind is a table without its triggers, for as long as until the next run:
they are kept in the state before they are taken away, and every run and every undo makes the missing ones first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runbook_lib.bringback.copy.facts import StoredObject
from runbook_lib.bringback.copy.objects import drop_statement, make, there
from runbook_lib.bringback.copy.plan import rename_statement
from runbook_lib.bringback.copy.renaming import WAITED_TOO_LONG, OutsideRename
from runbook_lib.bringback.copy.state import State
from runbook_lib.errors import RunbookError, StepFailed, TryLater
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted

log = logging.getLogger(__name__)

LOCK_SECONDS = 60  # a statement that runs longer on one of the tables makes the swap give up, not the application


@dataclass(frozen=True, kw_only=True)
class Swap:
    """Tables renamed in one statement, the triggers in their way, and the triggers they have afterwards.

    `aliases` are the names under which tables are read and written before the rename.
    """

    renames: tuple[tuple[TableName, TableName], ...]
    off: tuple[StoredObject, ...]
    on: tuple[StoredObject, ...]
    aliases: tuple[tuple[TableName, str], ...] = ()


def is_done(database: Database, swap: Swap) -> bool:
    """Tell whether the RENAME has happened: it moves all tables or none.

    Raises:
        StepFailed: some are moved and some are not, so somebody else has renamed tables.
    """
    targets = {new for _, new in swap.renames}
    origins = [old for old, _ in swap.renames if old not in targets]
    here = [name for name in origins if exists(database, name)]
    if not here:
        return True
    if len(here) == len(origins):
        return False
    lost = ", ".join(str(name) for name in origins if name not in here)
    raise StepFailed(
        f"{lost} is not where this plan left it.", hint="Somebody has renamed or dropped it: look before going on."
    )


def exists(database: Database, table: TableName) -> bool:
    """Tell whether a base table stands there."""
    return bool(
        database.value(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
            " AND table_type = 'BASE TABLE'",
            (table.schema, table.name),
        )
    )


def mend(database: Database, triggers: Sequence[StoredObject]) -> tuple[str, ...]:
    """Make those triggers again that are missing, as after a run that was killed; give their names."""
    here = there(database, triggers)
    missing = [one for one in triggers if (one.kind, one.schema, one.name) not in here]
    for one in missing:
        make(database, one)
    return tuple(one.title for one in missing)


def do_swap(
    database: Database,
    swap: Swap,
    state: State,
    *,
    inside: Callable[[Database], None],
    afterwards: Callable[[Database], None],
) -> None:
    """Lock, run `inside` in a transaction, take the triggers away, rename, make the new triggers.

    `inside` sees the tables as nobody else changes them; when it raises, nothing has happened. `afterwards` is run
    after the rename where writers could not be held off until then (MariaDB).

    Raises:
        TryLater: the locks were not to be had in time; nothing was changed.
        StepFailed: the server refused a step; the triggers are as they were.
    """
    database.execute(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}, SESSION foreign_key_checks = 0")
    try:
        if database.is_mariadb:
            held = [old for old, _ in swap.renames if exists(database, old)]
            places = {new for _, new in swap.renames}
            outside = OutsideRename(database, held, swap.on)
            with outside.ready([table for table in held if table in places], seconds=LOCK_SECONDS):
                _swap_under_locks(database, swap, state, inside=inside, outside=outside)
        else:
            _swap_under_locks(database, swap, state, inside=inside, outside=None)
    except RunbookError as error:
        if not is_done(database, swap):
            mend(database, swap.off)
        if error.facts.get("code") in WAITED_TOO_LONG:
            raise TryLater(
                f"The tables could not be locked within {LOCK_SECONDS} seconds; nothing was changed.",
                hint="Look for long transactions on them (SHOW PROCESSLIST), end them, and run the same plan again.",
            ) from error
        raise
    finally:
        database.execute("SET SESSION foreign_key_checks = DEFAULT, SESSION lock_wait_timeout = DEFAULT")
    if database.is_mariadb:
        mend(database, swap.on)
        afterwards(database)


def _swap_under_locks(
    database: Database, swap: Swap, state: State, *, inside: Callable[[Database], None], outside: OutsideRename | None
) -> None:
    database.execute(f"USE {quoted(state.schema)}")  # a DELETE by alias wants any schema to be chosen
    database.execute(_lock_statement(database, swap, state))
    try:
        database.execute("SET SESSION autocommit = 0")
        inside(database)
        database.execute("COMMIT")
        database.execute("SET SESSION autocommit = 1")
        for one in swap.off:
            database.execute(drop_statement(one))
        if outside:
            outside.run(rename_statement(swap.renames), done=lambda own: is_done(own, swap))
        else:
            database.execute(rename_statement(swap.renames))
            for one in swap.on:
                make(database, one)
    except BaseException:
        database.execute("ROLLBACK")
        raise
    finally:
        database.execute("SET SESSION autocommit = 1")
        database.execute("UNLOCK TABLES")


def _lock_statement(database: Database, swap: Swap, state: State) -> str:
    locks = [f"{old.sql} WRITE" for old, _ in swap.renames if exists(database, old)]
    locks += [f"{name.sql} AS {alias} WRITE" for name, alias in swap.aliases]
    return f"LOCK TABLES {', '.join([*locks, f'{state.facts} WRITE'])}"
