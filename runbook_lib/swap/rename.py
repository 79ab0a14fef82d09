"""The swap itself: under locks, in an order that leaves the old state or the new one wherever it is cut off.

MySQL (Aurora too) renames tables under LOCK TABLES, so writers wait from the last look at the rows until the triggers
are on the new tables. MariaDB refuses that (error 1192): there the locks are let go right before the RENAME, and a
statement that has waited for them may come in between, to the old table and without its trigger; so too on MySQL beside
`free` tables. Nothing is taken over after the RENAME, for that would bring back what an application has deleted since;
who asked for the swap lists what came in between.

What a client that is killed may leave behind is a table without its triggers, for as long as until the next run:
they are kept in the state before they are taken away, and every run and every undo makes the missing ones first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from runbook_lib.errors import RunbookError, StepFailed, TryLater
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.facts import StoredObject
from runbook_lib.swap.objects import drop_statement, existing, make, statements_of
from runbook_lib.swap.state import State

log = logging.getLogger(__name__)

LOCK_SECONDS = 60  # a statement that runs longer on one of the tables makes the swap give up, not the application
_WAITED_TOO_LONG = {1205, 1213}  # error codes: a lock was not to be had in time, or two waited for each other

Renames = tuple[tuple[TableName, TableName], ...]
Step = Callable[[Database], object]


@dataclass(frozen=True, kw_only=True)
class Swap:
    """Tables renamed in one statement, the triggers in their way, and the triggers they have afterwards.

    `aliases` are the names under which tables are read and written before the rename, empty for a table's own.
    `free` tables cannot be locked beside the others: MySQL with GTIDs locks no engine without transactions with one
    that has them (error 1785).
    """

    renames: Renames
    off: tuple[StoredObject, ...]
    on: tuple[StoredObject, ...]
    aliases: tuple[tuple[TableName, str], ...] = ()
    free: frozenset[TableName] = frozenset()

    @property
    def statements(self) -> tuple[str, ...]:
        """Write the swap: triggers away, because a table with one cannot change its schema; one RENAME; triggers on."""
        return (
            *(drop_statement(trigger) for trigger in self.off),
            *((rename_statement(self.renames),) if self.renames else ()),
            *(statement for trigger in self.on for statement in statements_of(trigger)),
        )


def rename_statement(renames: Renames) -> str:
    """Write the one statement that renames them all, or none."""
    return "RENAME TABLE " + ",\n  ".join(f"{old.sql} TO {new.sql}" for old, new in renames)


def create_schema(name: str, charset: str, collation: str) -> str:
    """Write the statement that makes a schema."""
    return f"CREATE DATABASE IF NOT EXISTS {quoted(name)} CHARACTER SET {charset} COLLATE {collation}"


def is_done(database: Database, swap: Swap) -> bool:
    """Tell whether the RENAME has happened: it moves all tables or none.

    Raises:
        StepFailed: some are moved and some are not, so somebody else has renamed tables.
    """
    targets = {new for _, new in swap.renames}
    origins = [old for old, _ in swap.renames if old not in targets]
    found = present(database, origins)
    unmoved = [name for name in origins if name in found]
    if not unmoved:
        return True
    if len(unmoved) == len(origins):
        return False
    lost = ", ".join(str(name) for name in origins if name not in unmoved)
    raise StepFailed(
        f"{lost} is not where this plan left it.", hint="Somebody has renamed or dropped it: look before going on."
    )


def exists(database: Database, table: TableName) -> bool:
    """Tell whether the server has a base table of this name."""
    return bool(
        database.value(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
            " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
            (table.schema, table.name),
        )
    )


def present(database: Database, tables: Iterable[TableName]) -> set[TableName]:
    """Return those of some tables that the server has as base tables, in one question whatever their number."""
    wanted = set(tables)
    if not wanted:
        return set()
    schemas = sorted({table.schema for table in wanted})
    rows = database.rows(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')"
        f" AND table_schema IN ({', '.join(['%s'] * len(schemas))})",
        schemas,
    )
    folded = {(str(schema).casefold(), str(name).casefold()) for schema, name in rows}
    exact = {(str(schema), str(name)) for schema, name in rows}
    any_case = bool(database.value("SELECT @@lower_case_table_names"))
    return {
        table
        for table in wanted
        if (table.schema, table.name) in exact
        or (any_case and (table.schema.casefold(), table.name.casefold()) in folded)
    }


def mend(
    database: Database, triggers: Sequence[StoredObject], *, refused: dict[str, str] | None = None
) -> tuple[str, ...]:
    """Make those triggers again that are missing, as after a run that was killed; return their names.

    With `refused`, a trigger that the server does not take is put down there, and the others are made.
    """
    found = existing(database, triggers)
    missing = [trigger for trigger in triggers if trigger.id not in found]
    _make_all(database, missing, refused)
    return tuple(trigger.title for trigger in missing)


def _make_all(database: Database, triggers: Sequence[StoredObject], refused: dict[str, str] | None) -> None:
    for trigger in triggers:
        try:
            make(database, trigger)
        except StepFailed as error:
            if refused is None:
                raise
            refused[trigger.title] = error.message


def _nothing(_: Database) -> None:
    return None


def do_swap(
    database: Database,
    swap: Swap,
    state: State,
    *,
    inside: Step = _nothing,
    between: Step = _nothing,
    refused: dict[str, str] | None = None,
) -> None:
    """Lock, run `inside`, take the triggers away, rename, make the new triggers.

    `inside` sees the tables as nobody else changes them; when it raises, what it has not committed is taken back.
    `between` is run where the locks are let go before the rename. Where there is nothing to do but the rename, which is
    atomic by itself, no table is locked before it. `refused`: as in `mend`.

    Raises:
        TryLater: the locks were not to be had in time; nothing was changed.
        StepFailed: the server refused a step; the triggers are as they were.
    """
    database.execute(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}, SESSION foreign_key_checks = 0")
    try:
        if swap.off or swap.on or inside is not _nothing:
            _swap_under_locks(database, swap, state, (inside, between), refused)
        else:
            database.execute(rename_statement(swap.renames))
    except RunbookError as error:
        if not is_done(database, swap):
            mend(database, swap.off)
        if error.facts.get("code") in _WAITED_TOO_LONG:
            raise TryLater(
                f"The tables could not be locked within {LOCK_SECONDS} seconds; nothing was changed.",
                hint="Look for long transactions on them (SHOW PROCESSLIST), end them, and run the same plan again.",
            ) from error
        raise
    finally:
        database.execute("SET SESSION foreign_key_checks = DEFAULT, SESSION lock_wait_timeout = DEFAULT")


def _swap_under_locks(
    database: Database, swap: Swap, state: State, steps: tuple[Step, Step], refused: dict[str, str] | None
) -> None:
    inside, between = steps
    database.execute(f"USE {quoted(state.schema)}")  # a DELETE by alias wants any schema to be chosen
    database.execute(_lock_statement(database, swap, state))
    try:
        inside(database)
        for trigger in swap.off:
            database.execute(drop_statement(trigger))
        if database.is_mariadb or swap.free:
            database.execute("UNLOCK TABLES")
            between(database)
        database.execute(rename_statement(swap.renames))
        _make_all(database, swap.on, refused)
    except BaseException:
        database.execute("ROLLBACK")
        raise
    finally:
        database.execute("SET SESSION autocommit = 1")
        database.execute("UNLOCK TABLES")


def _lock_statement(database: Database, swap: Swap, state: State) -> str:
    found = present(database, (old for old, _ in swap.renames))
    locks = [f"{old.sql} WRITE" for old, _ in swap.renames if old not in swap.free and old in found]
    for name, alias in swap.aliases:
        if name not in swap.free:
            locks.append(f"{name.sql} AS {alias} WRITE" if alias else f"{name.sql} WRITE")
    # a trigger may hang on a table that stays where it is and only gets another name
    hanging = {TableName(schema=trigger.schema, name=trigger.table) for trigger in (*swap.off, *swap.on)}
    named = {old for old, _ in swap.renames} | {name for name, alias in swap.aliases if not alias} | swap.free
    locks += [f"{name.sql} WRITE" for name in sorted(present(database, hanging - named))]
    return f"LOCK TABLES {', '.join([*locks, f'{state.facts} WRITE'])}"
