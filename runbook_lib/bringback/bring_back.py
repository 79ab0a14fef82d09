"""One bring-back, whichever way was chosen: propose, apply, verify, and the same for its undo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.approval import approval_of, refusal, require_checks
from runbook_lib.aws import AwsSession, Identity
from runbook_lib.bringback.copy import (
    CopyBackPlan,
    CopyUndoPlan,
    apply_copy_back,
    apply_undo,
    propose_undo,
    propose_with_checks,
)
from runbook_lib.bringback.copy.clashes import Clash, foresee_clashes
from runbook_lib.bringback.cutover import (
    CutOverPlan,
    Pairing,
    apply_cut_over,
    check_cut_over,
    propose_cut_over,
    propose_undo_cut_over,
)
from runbook_lib.bringback.rules import WAYS, Wanted, chosen_otherwise
from runbook_lib.bringback.schedule import check_schedule
from runbook_lib.bringback.sides import Sides, sides_of
from runbook_lib.bringback.verify import Done, Verified, prove_kept, verify_done
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.given import Given
from runbook_lib.inventory import list_tables
from runbook_lib.proof import Proof
from runbook_lib.swap.state import find_states

__all__ = [
    "WAYS",
    "Done",
    "Proposed",
    "Verified",
    "Wanted",
    "apply_bring_back",
    "propose_bring_back",
    "verify_bring_back",
]

Plan = CutOverPlan | CopyBackPlan | CopyUndoPlan


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What would be done, and what speaks against it. `plan` is None where two servers are only compared.

    `proof` is the comparison it was planned with; `kept` that of the tables which the undo of a copy back puts back.
    """

    wanted: Wanted
    pairing: Pairing
    proof: Proof = field(repr=False)
    plan: Plan | None = None
    checks: tuple[Check, ...] = ()
    kept: Proof | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """The plan's id, by which it is approved; empty without a plan."""
        return self.plan.id if self.plan else ""

    @property
    def is_undo(self) -> bool:
        """Tell whether the plan takes an earlier bring-back back."""
        plan = self.plan
        return isinstance(plan, CopyUndoPlan) or (isinstance(plan, CutOverPlan) and plan.direction == "undo")

    @property
    def stops(self) -> str:
        """Say which checks speak against the plan, so that it cannot be approved; empty while none does."""
        found = ", ".join(check.subject for check in self.checks if check.state == "bad")
        return f"STOP: {found}. Do what stands beside it, and make the plan again." if found else ""


def propose_bring_back(
    session: AwsSession, pairing: Pairing, proof: Proof, *, wanted: Wanted, identity: Identity, now: datetime
) -> Proposed:
    """Make the plan of the chosen way, or of its undo, and its checks. Changes nothing.

    A cut-over is only for a cluster that was named: `wanted.cluster`.

    Raises:
        NotFound, InputRefused: there is nothing to undo, or the choices cannot be used.
    """
    plan: Plan
    if wanted.way == "compare":
        return Proposed(wanted=wanted, pairing=pairing, proof=proof)
    jobs = check_schedule(session)
    if wanted.way.endswith("cutover"):
        name, copy = pairing.name, pairing.copy.identifier
        plan = (
            propose_undo_cut_over(session, source=name)
            if wanted.undo
            else propose_cut_over(session, source=name, copy=copy, now=now)
        )
        checks = check_cut_over(session, plan, identity=identity, named=wanted.cluster, proof=proof)
        return Proposed(wanted=wanted, pairing=pairing, proof=proof, plan=plan, checks=(*checks, jobs))
    if pairing.state != "apart":
        raise InputRefused(
            f"{pairing.name} is {pairing.state}: its tables are not copied back now.",
            hint='Finish the cut-over first, or undo it (way="undo cutover").',
        )
    sides = sides_of(session, pairing, secret=wanted.secret)
    if wanted.undo:
        undo = _planned_undo(sides)
        return Proposed(wanted=wanted, pairing=pairing, proof=proof, plan=undo, kept=prove_kept(sides, undo))
    plan, found = propose_with_checks(sides.copy, sides.source, proof=proof, choices=wanted.choices, now=now)
    if plan.resumes and (otherwise := chosen_otherwise(plan, wanted)):
        raise InputRefused(
            "A copy back has begun to swap tables and is not finished; it was planned with other choices.",
            hint=f'Finish it first, with {otherwise}; or undo it with way="undo copy".',
        )
    return Proposed(
        wanted=wanted,
        pairing=pairing,
        proof=proof,
        plan=plan,
        checks=(*found, *_row_checks(plan, proof, wanted), *_clash_checks(sides, plan, proof), jobs),
    )


def _planned_undo(sides: Sides) -> CopyUndoPlan:
    """Plan the undo of the newest copy back.

    Raises:
        NotFound: there is none; says which one is undone already, and which one cannot be undone any more and why.
    """
    with sides.source.connect() as database:
        present = {*list_tables(database)}
        states = find_states(database)
        undone = [str(at) for state in states if (at := state.get("undone"))]
        begun = any(state.get("undo begun") and not state.get("undone") for state in states)
    try:
        undo = propose_undo(sides.source)
    except NotFound as error:
        if not undone:
            raise
        raise NotFound(
            f"The newest copy back is undone already, since {max(undone)}. Nothing was changed now.",
            hint='Set way="compare" to see how the tables are now.',
        ) from error
    # an undo that has begun has moved them back
    missing = (
        [] if begun else [table.dated for table in undo.undoes.tables if table.dated and table.dated not in present]
    )
    if missing:
        raise NotFound(
            f"The copy back {undo.of} cannot be undone any more: {', '.join(map(str, missing[:3]))} "
            f"{'is' if len(missing) == 1 else 'are'} gone. It could be undone until these tables were dropped.",
            hint="What they held can come back only by another restore.",
        )
    return undo


def _row_checks(plan: CopyBackPlan, proof: Proof, wanted: Wanted) -> Iterator[Check]:
    """Say before the copying what the swap would stop at: rows that both sides have, rows that lose their parent."""
    known = {str(table.name) for table in plan.tables} | {table.name.schema for table in plan.tables}
    known |= {table.name.sql for table in plan.tables}
    if unknown := sorted(set(wanted.choices.rules) - known):
        yield bad(
            "rules for tables",
            f"No table that is copied back is called {', '.join(unknown)}.",
            f"Correct `rows`; it may name {_some(sorted(known - {table.name.sql for table in plan.tables}))}.",
        )
    verdicts = {table.pair.expected: table for table in proof.tables}
    kept = [table for table in plan.tables if table.merged and table.rows_from == "restored" and table.name in verdicts]
    both = [table for table in kept if table.key and verdicts[table.name].changed]
    subject = "rows that both sides have"
    if both and not plan.conflicts:
        said = "; ".join(f"{table.name}: {verdicts[table.name].changed:,} rows" for table in both)
        hint = 'Choose whose are taken: conflicts="copy" or conflicts="source".'
        if any(table.rule == "keep new" for table in both):
            yield bad(subject, f"They have the same key and other values, and no choice decides: {said}.", hint)
        else:
            yield warn(subject, f"Where {both[0].newer_by} is the same on both sides, no choice decides: {said}.", hint)
    else:
        yield ok(subject, f"conflicts={plan.conflicts!r} decides." if both else "None needs a decision.")
    rules = {table.name: table for table in plan.tables}
    for key in plan.foreign_keys:
        parent = rules.get(key.parent)
        child = verdicts.get(key.table)
        if parent and parent.rule == "replace" and child and child.extra and rules[key.table] in kept:
            yield warn(
                "rows without a parent",
                f"{child.extra:,} rows of {key.table} are kept; rows of {key.parent} that they may point at are not.",
                f'If the swap stops for that, set rows="{wanted.rows}; {key.parent}: keep new".',
            )


def _clash_checks(sides: Sides, plan: CopyBackPlan, proof: Proof) -> Iterator[Check]:
    """Say before the copying which rows written since have the unique value of another row of the copy."""
    written = {table.pair.expected for table in proof.tables if table.extra or table.expected_rows is None}
    kept = [table for table in plan.tables if table.merged and table.rows_from == "restored" and table.name in written]
    if plan.conflicts or plan.resumes or not kept:
        return
    with sides.copy.connect() as restored, sides.source.connect() as damaged:
        found = foresee_clashes(restored, damaged, kept)
    subject = "unique values that both sides have"
    hint = 'Choose whose rows are taken: conflicts="copy" or conflicts="source".'
    if too_many := [str(clash.table.name) for clash in found if clash.rows is None]:
        said = (
            f"{', '.join(too_many)}: too many rows to look at before; if any clash, the swap stops with nothing changed"
        )
        yield unknown(subject, said, hint)
    yield from _alike_checks([clash for clash in found if clash.keys], hint)
    clashing = [clash for clash in found if clash.rows and not clash.keys]
    said = "; ".join(f"{each.table.name}: {each.rows:,} rows ({', '.join(each.unique)})" for each in clashing)
    if any(clash.table.rule == "keep new" for clash in clashing):
        yield bad(subject, f"Rows written since have the unique value of another row of the copy: {said}.", hint)
    elif clashing:
        yield warn(subject, f"Rows written since have the unique value of another row of the copy: {said}.", hint)
    elif not too_many:
        yield ok(subject, "No row written since has the unique value of another row of the copy.")


def _alike_checks(found: Sequence[Clash], hint: str) -> Iterator[Check]:
    """Say which keys of rows written since are equal to those of the copy by their collation only."""
    if not found:
        return
    subject = "keys that are equal and not the same"
    tables = "; ".join(
        f"{clash.table.name}: {clash.rows:,} rows ({', '.join(clash.unique)}: {' · '.join(clash.keys)})"
        for clash in found
    )
    said = f"The source has keys that the server takes for keys of the copy, in other letters: {tables}."
    decided = all(clash.table.rule == "newer wins" for clash in found)
    if decided:
        yield warn(subject, f"{said} Where the deciding column is the same on both sides, no choice decides.", hint)
    else:
        yield bad(subject, said, hint)


def _some(names: Iterable[str]) -> str:
    listed = [*names]
    return ", ".join(listed[:6]) + (" …" if len(listed) > 6 else "")


def apply_bring_back(session: AwsSession, proposed: Proposed, *, approve: str | Given, run_id: str = "") -> Done | None:
    """Apply what is proposed if `approve` is its id; None where there is no plan.

    The approval of a copy back that was begun or finished before is taken up, if it was planned with the same choices:
    what is done is not done twice.

    Raises:
        CheckFailed: the plan is approved, and a check speaks against it.
        ApprovalRefused: the approval is of another plan, or the plan is one of other choices than those of now.
    """
    plan, given = proposed.plan, approval_of(proposed, approve)
    if plan is None:
        return None
    require_checks(proposed.checks, plan, approve=given)
    if isinstance(plan, CutOverPlan):
        return apply_cut_over(session, plan, approve=given)
    sides = sides_of(session, proposed.pairing, secret=proposed.wanted.secret)
    if isinstance(plan, CopyUndoPlan):
        return apply_undo(sides.source, plan, approve=given, restored=sides.copy)
    if given and given != plan.id:
        _require_same_choices(sides, plan, given, proposed.wanted)
    return apply_copy_back(sides.copy, sides.source, plan, approve=given, run_id=run_id)


def _require_same_choices(sides: Sides, plan: CopyBackPlan, given: str, wanted: Wanted) -> None:
    with sides.source.connect() as database:
        kept = [state.get_as(CopyBackPlan, "plan") for state in find_states(database)]
    for earlier in kept:
        if earlier and earlier.id == given and (otherwise := chosen_otherwise(earlier, wanted)):
            raise refusal(plan, given, why=f"It is of a copy back that was planned with {otherwise}")


def verify_bring_back(session: AwsSession, proposed: Proposed, done: Done | None) -> Verified | None:
    """Read both servers again and say what is not as it should be. None when nothing was applied."""
    if done is None or not done.done:
        return None
    before = proposed.kept or proposed.proof
    return verify_done(session, done, pairing=proposed.pairing, wanted=proposed.wanted, before=before)
