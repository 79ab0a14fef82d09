"""Look at the damaged server again after a copy back, or after its undo: everything that the plan promised.

An application may have written meanwhile. The rows that were brought back were proved before the swap, and what was
merged was counted, so a table that differs by more was either written to since, which its server knows by the time of
its last change, or is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.bringback.copy.apply import CopiedBack
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.bringback.copy.remaining import only_in_dated, prove_tables
from runbook_lib.bringback.copy.undo import CopyUndone
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database
from runbook_lib.proof import Pair, Proof, Side, TableVerdict, prove
from runbook_lib.swap.definition import constraints_of, is_foreign
from runbook_lib.swap.facts import ServerFacts
from runbook_lib.swap.foreign_keys import still_tied
from runbook_lib.swap.objects import not_made_as, steady
from runbook_lib.swap.reading import read_server
from runbook_lib.swap.rename import exists
from runbook_lib.swap.state import State


@dataclass(frozen=True, kw_only=True)
class CopyVerification:
    """What the damaged server holds now, against what was planned.

    `wrong` says which tables are absent or hold other rows than planned; `lacking` names triggers, views, routines,
    events, foreign keys, rights and counters that are not as planned; `problems` are what the apply itself could not
    do; `unseen` is what could not be looked at. `since` are tables that were written to afterwards, as they may be.
    """

    proof: Proof
    wrong: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    since: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """Say in a sentence each what is not as planned, or could not be looked at."""
        return (
            *self.wrong,
            *(f"{name} is missing, or not as planned" for name in self.lacking),
            *self.problems,
            *(f"{what}; so it is not verified" for what in self.unseen),
        )

    @property
    def holds(self) -> bool:
        """Tell whether everything is as planned."""
        return not self.failures


def verify_copied(
    restored: Side, damaged: Side, copied: CopiedBack, *, proof: Proof | None = None
) -> CopyVerification | None:
    """Prove the tables brought back against the restored ones, and look at everything that was planned around them.

    No restored row may be missing or changed, but for those that gave way by the chosen rule and in tables that were
    written to since. Rows that only the damaged server has are right: they were kept, or written since. `proof` is one
    made after the copy back that holds these tables, if there is one. None when nothing was applied.
    """
    if not copied.done:
        return None
    plan = copied.plan
    with damaged.connect() as database:
        steady(database)
        absent = [table.name for table in plan.tables if not exists(database, table.name)]
        brought = {t.name: t for t in plan.tables if t.rows_from == "restored" and t.name not in absent}
        proof = proof or prove_tables(
            restored, damaged, {Pair(expected=name, found=name): table for name, table in brought.items()}
        )
        written = _written_since(database, State(database, plan.state).get_as(datetime, "swapped"))
        wrong = [f"{name} is absent" for name in absent]
        since: list[str] = []
        for name in brought:
            if said := _differs(proof, name, copied):
                (since if written(name) else wrong).append(said)
        known = {left.table: left.rows or 0 for left in copied.left}
        for table in plan.tables:
            if table.rows_from != "damaged" or table.name in absent:
                continue
            more = only_in_dated(database, table)
            if more and (more.rows or 0) > known.get(str(table.name), 0):
                said = f"{table.name}: {more.rows:,} rows of before the swap are missing or changed"
                (since if written(table.name) else wrong).append(said)
        now = read_server(database, name=plan.damaged, schemas={table.name.schema for table in plan.tables})
        lacking = [item.title for item in not_made_as(database, plan.made)]
    present = [table for table in plan.tables if table.name not in absent]
    return CopyVerification(
        proof=proof,
        wrong=tuple(wrong),
        lacking=(
            *lacking,
            *_definitions(present, now),
            *_foreign_keys(plan, now),
            *_rights(plan, now),
            *_counters(present, now),
        ),
        problems=copied.problems,
        unseen=_unseen(plan, now),
        since=tuple(since),
    )


def verify_undone(
    restored: Side, damaged: Side, undone: CopyUndone, *, before: Proof, proof: Proof | None = None
) -> CopyVerification | None:
    """Prove the damaged server as before the copy back: every table must differ in what it differed then.

    `before` is the proof that the copy back was planned with. None when nothing was undone.
    """
    if not undone.done:
        return None
    plan = undone.plan.undoes
    concerned = {table.name for table in plan.tables}
    earlier = [table for table in before.tables if table.pair.expected in concerned]
    proof = proof or prove(restored, damaged, pairs=[table.pair for table in earlier])
    now = {table.pair.expected: table for table in proof.tables}
    wrong: list[str] = []
    since: list[str] = []
    with damaged.connect() as database:
        steady(database)
        written = _written_since(database, State(database, plan.state).get_as(datetime, "undone"))
        for table in plan.tables:
            if exists(database, table.name) != (table.dated is not None):
                wrong.append(f"{table.name} is {'absent' if table.dated else 'still there'}")
        for then in earlier:
            name = then.pair.expected
            if (found := now.get(name)) is None:
                wrong.append(f"{name} was not compared")
            elif _counts(found) != _counts(then):
                (since if written(name) else wrong).append(_said(found))
        lacking = not_made_as(database, (*plan.triggers_off, *(changed.now for changed in plan.replaced)))
        tied = still_tied(database, plan.stand_ins)
    return CopyVerification(
        proof=proof,
        wrong=tuple(wrong),
        lacking=(*(item.title for item in lacking), *tied),
        problems=undone.problems,
        since=tuple(since),
    )


def _differs(proof: Proof, name: TableName, copied: CopiedBack) -> str:
    """Say how a table brought back differs by more than the merge explains; empty where it does not."""
    try:
        found = proof.table(name)
    except KeyError:
        return f"{name} was not compared"
    merged = next((table for table in copied.merged if table.table == str(name)), None)
    dropped, updated = (merged.dropped, merged.updated) if merged else (0, 0)
    # a row whose key changed its letters is one that is missing and one that is extra
    return _said(found) if found.missing + found.changed > dropped + updated else ""


def _written_since(database: Database, moment: datetime | None) -> Callable[[TableName], bool]:
    """Return what tells whether a table was changed after a moment, by the server's own time of its last change."""
    if not database.is_mariadb:
        database.execute("SET SESSION information_schema_stats_expiry = 0")

    def written(table: TableName) -> bool:
        found = database.value(
            "SELECT update_time FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            (table.schema, table.name),
        )
        return bool(found and moment and found >= moment)

    return written


def _definitions(tables: Iterable[TablePlan], now: ServerFacts) -> Iterator[str]:
    """Name what a table lacks of its columns, indexes, foreign keys and checks."""
    for table in tables:
        if (found := now.tables.get(table.name)) is None:
            continue
        made = constraints_of(found.create)
        gone = [text for text in table.constraints if text not in made and not is_foreign(text)]
        gone += [column.name for column in table.columns if found.column(column.name) != column]
        if gone:
            yield f"definition of {table.name} ({'; '.join(gone)})"


def _foreign_keys(plan: CopyBackPlan, now: ServerFacts) -> tuple[str, ...]:
    return tuple(f"foreign key {key.name} of {key.table}" for key in plan.foreign_keys if key not in now.foreign_keys)


def _rights(plan: CopyBackPlan, now: ServerFacts) -> tuple[str, ...]:
    held = {(grant.kind, grant.schema, grant.name, grant.account): grant.rights for grant in now.grants}
    statements = {grant.statement for grant in now.grants}
    again = (text for changed in plan.replaced for text in changed.grants)
    return (
        *(
            f"right {grant.statement}"
            for grant in plan.grants
            if grant.rights - held.get((grant.kind, grant.schema, grant.name, grant.account), frozenset())
        ),
        *(f"right {text}" for text in again if text not in statements),
    )


def _counters(tables: Iterable[TablePlan], now: ServerFacts) -> tuple[str, ...]:
    return tuple(
        f"AUTO_INCREMENT of {table.name} ({found.counter}, {table.counter} was planned)"
        for table in tables
        if table.counted and (found := now.tables.get(table.name)) and (found.counter or 0) < table.counter
    )


def _unseen(plan: CopyBackPlan, now: ServerFacts) -> tuple[str, ...]:
    if now.unseen & {"accounts", "rights"} and (plan.grants or any(changed.grants for changed in plan.replaced)):
        return ("The account may not see the rights of others",)
    return ()


def _counts(table: TableVerdict) -> tuple[object, ...]:
    return table.verdict, table.missing, table.extra, table.changed


def _said(table: TableVerdict) -> str:
    return (
        f"{table.pair.expected}: {table.verdict}, {table.missing:,} rows missing, {table.extra:,} extra,"
        f" {table.changed:,} changed"
    )
