"""Look at both servers again after a bring-back or its undo: rows, and everything that hangs on the tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from runbook_lib.aws import AwsSession
from runbook_lib.bringback.copy import CopiedBack, CopyUndone, CopyUndoPlan, verify_copied, verify_undone
from runbook_lib.bringback.cutover import CutOver, CutOverVerification, Pairing, find_pairing, verify_cut_over
from runbook_lib.bringback.rules import Wanted
from runbook_lib.bringback.sides import Sides, changed_since, prove_pairing, sides_of
from runbook_lib.inventory import TableName
from runbook_lib.proof import Pair, Proof, prove
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
    proof = prove_pairing(session, pairing, secret=wanted.secret)
    wrong = [f"{seen.kind} {seen.name} is {seen.status}" for seen in (names.names if names else ()) if not seen.holds]
    held = {table.pair.expected for table in proof.tables if table.expected_rows is not None}
    gone = [table.pair.expected for table in before.tables if table.expected_rows is not None]
    wrong += [f"{name} is not in the copy any more" for name in gone if name not in held]
    return Verified(proof=proof, names=names, moved=changed_since(before, proof), wrong=tuple(wrong))


def _after_copy(sides: Sides, done: CopiedBack) -> Verified:
    found = verify_copied(sides.copy, sides.source, done)
    assert found is not None, "something was applied"
    emptied = {str(table.pair.expected) for table in found.proof.tables if table.expected_rows and not table.found_rows}
    again = tuple(text for text in found.since if text.partition(": ")[0] in emptied)  # wiped once more, by whomever
    return Verified(
        proof=found.proof,
        is_copied=True,
        since=tuple(text for text in found.since if text not in again),
        wrong=(*again, *found.failures),
    )


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
    return Verified(proof=found.proof, since=found.since, wrong=found.failures)
