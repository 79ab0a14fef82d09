"""Look at both servers again after a bring-back or its undo: rows, and everything that hangs on the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from runbook_lib.aws import AwsSession
from runbook_lib.bringback.copy import CopiedBack, CopyUndone, CopyUndoPlan, verify_copied, verify_undone
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.cutover import CutOver, CutOverVerification, Pairing, find_pairing, verify_cut_over
from runbook_lib.bringback.rules import Wanted
from runbook_lib.bringback.sides import Sides, changed_since, prove_pairing, sides_of
from runbook_lib.inventory import TableName, list_tables
from runbook_lib.mysql import Database
from runbook_lib.proof import Pair, Proof, TableVerdict, prove
from runbook_lib.swap.facts import ForeignKey, Grant, ServerFacts
from runbook_lib.swap.reading import read_server
from runbook_lib.times import utc_now

Done = CutOver | CopiedBack | CopyUndone


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was seen afterwards. `wrong` says in words what is not as it should be; empty when all holds.

    `proof` holds the tables that the plan was about, or after a cut-over all of them. `moved` are tables of the serving
    side that are not as they were proved before, `since` says which tables applications have written to since the swap:
    neither is wrong. After a copy back (`is_copied`) the proof says how its tables differ from the copy.
    """

    proof: Proof
    names: CutOverVerification | None = None
    moved: tuple[TableName, ...] = ()
    since: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    is_copied: bool = False
    finished: datetime = field(default_factory=utc_now)

    @property
    def holds(self) -> bool:
        """Tell whether everything is as the plan wanted it."""
        return not self.wrong


def verify_done(session: AwsSession, done: Done, *, pairing: Pairing, wanted: Wanted, before: Proof) -> Verified:
    """Read both servers again and say what is not as it should be.

    `before` is the proof that a cut-over or copy back was planned with; for the undo of a copy back, the one of the
    tables that it puts back, see `prove_kept`.
    """
    if isinstance(done, CutOver):
        return _after_cut_over(session, done, pairing, wanted, before)
    sides = sides_of(session, pairing, secret=wanted.secret)
    if isinstance(done, CopyUndone):
        return _after_undo(sides, done, before)
    return _after_copy(sides, done)


def _after_cut_over(
    session: AwsSession, done: CutOver, before_that: Pairing, wanted: Wanted, before: Proof
) -> Verified:
    origin = before_that.origin(before_that.copy.identifier, before_that.copy.tags)
    pairing = find_pairing(session, cluster=before_that.name, copy=origin)
    names = verify_cut_over(session, done, secret=wanted.secret)
    proof = prove_pairing(session, pairing, secret=wanted.secret, personal=wanted.personal)
    wrong = [f"{seen.kind} {seen.name} is {seen.status}" for seen in (names.names if names else ()) if not seen.holds]
    held = {table.pair.expected for table in proof.tables if table.expected_rows is not None}
    gone = [table.pair.expected for table in before.tables if table.expected_rows is not None]
    wrong += [f"{name} is not in the copy any more" for name in gone if name not in held]
    return Verified(proof=proof, names=names, moved=changed_since(before, proof), wrong=tuple(wrong))


def _after_copy(sides: Sides, done: CopiedBack) -> Verified:
    found = verify_copied(sides.copy, sides.source, done)
    assert found is not None, "something was applied"
    plan = done.plan
    with sides.source.connect() as database:
        server = read_server(database, name=plan.damaged, schemas=_schemas(plan))
        written = _written_since(database, plan, _swapped_at(done))
    said = dict(zip(_named(found.proof, found.wrong), found.wrong, strict=True))
    since = {name: text for name, text in said.items() if name in written and _is_there(found.proof, name)}
    return Verified(
        proof=found.proof,
        is_copied=True,
        since=tuple(since.values()),
        wrong=(
            *(text for name, text in said.items() if name not in since),
            *_unproved(plan, found.proof),
            *(f"{title} is not there, or is another one" for title in found.lacking),
            *_lacking_around(plan, server),
            *done.problems,
        ),
    )


def _named(proof: Proof, wrong: tuple[str, ...]) -> list[TableName]:
    """Return the tables that sentences of a verification are about, in their order."""
    names = sorted((table.pair.expected for table in proof.tables), key=lambda name: -len(str(name)))
    return [next(name for name in names if text.startswith(f"{name}:")) for text in wrong]


def _is_there(proof: Proof, name: TableName) -> bool:
    """Tell whether a table holds rows: one that is gone or emptied was not merely written to."""
    return any(table.pair.expected == name and table.found_rows for table in proof.tables)


def _unproved(plan: CopyBackPlan, proof: Proof) -> Iterator[str]:
    proved = {table.pair.expected for table in proof.tables}
    for table in plan.tables:
        if table.rows_from == "restored" and table.name not in proved:
            yield f"{table.name} was not compared"


def _schemas(plan: CopyBackPlan) -> set[str]:
    return {table.name.schema for table in plan.tables} | {made.schema for made in plan.made} | set(plan.new_schemas)


def _lacking_around(plan: CopyBackPlan, server: ServerFacts) -> Iterator[str]:
    """Say what the tables brought back lack: foreign keys, counters, and rights that the plan gives again."""
    present = {_key(key) for key in server.foreign_keys}
    for key in plan.foreign_keys:
        if _key(key) not in present:
            yield f"foreign key {key.name} of {key.table} is not there, or is another one"
    for table in plan.tables:
        held = server.tables.get(table.name)
        if held is None:
            yield f"table {table.name} is not there"
        elif table.counted and (held.counter or 0) < table.counter:
            yield f"counter of {table.name} is {held.counter or 'not there'}, below {table.counter}"
    if plan.grants and not server.grants:
        yield "whether the rights were given again could not be looked at: this account may not see grants"
        return
    held_rights = {_place(grant): grant.rights for grant in server.grants}
    for grant in plan.grants:
        if lacking := grant.rights - held_rights.get(_place(grant), frozenset()):
            yield f"grant of {', '.join(sorted(lacking))} on {grant.where} to {grant.account} is not there"


def _key(key: ForeignKey) -> tuple[object, ...]:
    return key.table, key.columns, key.parent, key.parent_columns


def _place(grant: Grant) -> tuple[str, ...]:
    return grant.kind, grant.schema, grant.name, grant.account


def _swapped_at(done: CopiedBack) -> datetime | None:
    """Return when the swap was done; None where an earlier run did it."""
    swap = next((phase for phase in done.phases if phase.name == "swap"), None)
    return swap.began if swap else done.began


def _written_since(database: Database, plan: CopyBackPlan, moment: datetime | None) -> set[TableName]:
    """Return the tables that the server says were written to after the swap. What it does not know, it does not say."""
    if moment is None:
        return set()
    ago = (utc_now() - moment).total_seconds()
    if not database.is_mariadb:
        database.execute("SET SESSION information_schema_stats_expiry = 0")
    names = {table.name for table in plan.tables}
    found = database.rows(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE TIMESTAMPDIFF(SECOND, update_time, NOW()) <= %s",
        (int(ago),),
    )
    return {name for schema, table in found if (name := TableName(schema=str(schema), name=str(table))) in names}


def prove_kept(sides: Sides, plan: CopyUndoPlan) -> Proof:
    """Prove the damaged tables that an undo puts back, where they are kept, under the names they will have."""
    pairs = [Pair(expected=table.name, found=table.dated) for table in plan.undoes.tables if table.dated]
    proof = prove(sides.copy, sides.source, pairs=pairs) if pairs else None
    if proof is None:
        return Proof(expected=sides.copy.name, found=sides.source.name, tables=())
    tables = tuple(replace(table, pair=replace(table.pair, found=table.pair.expected)) for table in proof.tables)
    return replace(proof, tables=tables)


def _after_undo(sides: Sides, done: CopyUndone, before: Proof) -> Verified:
    found = verify_undone(sides.copy, sides.source, done, before=before)
    assert found is not None, "something was undone"
    with sides.source.connect() as database:
        present = set(list_tables(database))
    verdicts: Mapping[TableName, TableVerdict] = {table.pair.expected: table for table in before.tables}
    wrong = [*found.wrong, *(f"{title} is not as it was" for title in found.lacking), *done.problems]
    for table in done.plan.undoes.tables:
        if table.dated is None and table.name in present:
            wrong.append(f"{table.name} is there, and was not before the copy back")
        elif table.dated is not None and table.name not in verdicts:
            wrong.append(f"{table.name} was not compared")
    return Verified(proof=found.proof, wrong=tuple(wrong))
