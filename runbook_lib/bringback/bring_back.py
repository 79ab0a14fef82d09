"""One bring-back, whichever way was chosen: propose, apply, verify, and the same for its undo."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.approval import require_checks
from runbook_lib.aws import AwsSession, Identity
from runbook_lib.bringback.copy import (
    CopiedBack,
    CopyBackPlan,
    CopyChoices,
    CopyUndone,
    CopyUndoPlan,
    apply_copy_back,
    apply_undo,
    propose_undo,
    propose_with_checks,
)
from runbook_lib.bringback.cutover import (
    CutOver,
    CutOverPlan,
    CutOverVerification,
    Pairing,
    apply_cut_over,
    check_cut_over,
    find_pairing,
    propose_cut_over,
    propose_undo_cut_over,
    verify_cut_over,
)
from runbook_lib.bringback.rules import read_rules
from runbook_lib.bringback.schedule import check_schedule
from runbook_lib.bringback.sides import changed_since, prove_pairing, sides_of
from runbook_lib.checks import Check
from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName
from runbook_lib.proof import Proof
from runbook_lib.times import utc_now

WAYS = ("compare", "copy", "cutover", "undo copy", "undo cutover")
Plan = CutOverPlan | CopyBackPlan | CopyUndoPlan
Done = CutOver | CopiedBack | CopyUndone


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person chose, as the notebook's parameters say it.

    `way` "compare" plans nothing. `tables` are names of tables or schemas, separated by commas; empty takes what the
    proof calls damaged. `rows` says what becomes of rows written since, see `read_rules`. `secret` and `personal` are
    as in `prove_pairing`.
    """

    way: str = "compare"
    tables: str = ""
    rows: str = "replace"
    secret: str = ""
    personal: str = "*"

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            hint = f"Set `way` to one of: {', '.join(WAYS)}."
            raise InputRefused(f'There is no way "{self.way}".', hint=hint)

    @property
    def undo(self) -> bool:
        """Tell whether an earlier bring-back is to be taken back."""
        return self.way.startswith("undo ")

    @property
    def choices(self) -> CopyChoices:
        """Return what a copy back is to do."""
        return read_rules(self.rows, tables=tuple(part for piece in self.tables.split(",") if (part := piece.strip())))


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What would be done, and what speaks against it. `plan` is None where two servers are only compared."""

    wanted: Wanted
    pairing: Pairing
    proof: Proof = field(repr=False)
    plan: Plan | None = None
    checks: tuple[Check, ...] = ()

    @property
    def id(self) -> str:
        """The plan's id, by which it is approved; empty without a plan."""
        return self.plan.id if self.plan else ""

    @property
    def is_undo(self) -> bool:
        """Tell whether the plan takes an earlier bring-back back."""
        plan = self.plan
        return isinstance(plan, CopyUndoPlan) or (isinstance(plan, CutOverPlan) and plan.direction == "undo")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was seen afterwards. `moved` are tables of the serving side that are not as they were proved before.

    `lost` says what is not as it should be, in words; empty when all holds.
    """

    proof: Proof
    names: CutOverVerification | None
    moved: tuple[TableName, ...]
    lost: tuple[str, ...]
    finished: datetime

    @property
    def holds(self) -> bool:
        """Tell whether everything is as the plan wanted it."""
        return not self.lost


def propose_bring_back(
    session: AwsSession,
    pairing: Pairing,
    proof: Proof,
    *,
    wanted: Wanted,
    identity: Identity,
    named: str,
    now: datetime,
) -> Proposed:
    """Make the plan of the chosen way, or of its undo, and its checks. Changes nothing.

    `named` is the cluster as the person wrote it: a cut-over is only for one that was named.

    Raises:
        NotFound, InputRefused: there is nothing to undo, or the choices cannot be used.
    """
    plan: Plan
    if wanted.way == "compare":
        return Proposed(wanted=wanted, pairing=pairing, proof=proof)
    jobs = check_schedule(session)
    if wanted.way.endswith("cutover"):
        name = pairing.name
        copy = pairing.copy.identifier
        plan = (
            propose_undo_cut_over(session, source=name)
            if wanted.undo
            else propose_cut_over(session, source=name, copy=copy, now=now)
        )
        checks = check_cut_over(session, plan, identity=identity, named=named, proof=proof)
        return Proposed(wanted=wanted, pairing=pairing, proof=proof, plan=plan, checks=(*checks, jobs))
    if pairing.state != "apart":
        raise InputRefused(
            f"{pairing.name} is {pairing.state}: its tables are not copied back now.",
            hint='Finish the cut-over first, or undo it (way="undo cutover").',
        )
    sides = sides_of(session, pairing, secret=wanted.secret)
    if wanted.undo:
        return Proposed(wanted=wanted, pairing=pairing, proof=proof, plan=propose_undo(sides.source))
    plan, checks = propose_with_checks(sides.copy, sides.source, proof=proof, choices=wanted.choices, now=now)
    return Proposed(wanted=wanted, pairing=pairing, proof=proof, plan=plan, checks=(*checks, jobs))


def apply_bring_back(session: AwsSession, proposed: Proposed, *, approve: str, run_id: str = "") -> Done | None:
    """Apply what is proposed if `approve` is its id; None where there is no plan.

    Raises:
        CheckFailed: the plan is approved, and a check speaks against it.
        ApprovalRefused: the approval is of another plan.
    """
    plan = proposed.plan
    if plan is None:
        return None
    require_checks(proposed.checks, plan, approve=approve)
    if isinstance(plan, CutOverPlan):
        return apply_cut_over(session, plan, approve=approve)
    sides = sides_of(session, proposed.pairing, secret=proposed.wanted.secret)
    if isinstance(plan, CopyUndoPlan):
        return apply_undo(sides.source, plan, approve=approve, restored=sides.copy)
    return apply_copy_back(sides.copy, sides.source, plan, approve=approve, run_id=run_id)


def verify_bring_back(session: AwsSession, proposed: Proposed, done: Done | None) -> Verified | None:
    """Read both servers anew, prove them again, and say what is not as it should be. None when nothing was applied."""
    if done is None or not done.done:
        return None
    wanted, before = proposed.wanted, proposed.proof
    before_that = proposed.pairing
    origin = before_that.origin(before_that.copy.identifier, before_that.copy.tags)
    pairing = find_pairing(session, cluster=before_that.name, copy=origin)
    names = verify_cut_over(session, done, secret=wanted.secret) if isinstance(done, CutOver) else None
    proof = prove_pairing(session, pairing, secret=wanted.secret, personal=wanted.personal)
    moved = changed_since(before, proof) if isinstance(done, CutOver) else ()
    return Verified(
        proof=proof, names=names, moved=moved, lost=(*_lost(done, names, proof, before),), finished=utc_now()
    )


def _lost(done: Done, names: CutOverVerification | None, proof: Proof, before: Proof) -> tuple[str, ...]:
    if isinstance(done, CutOver):
        wrong = [
            f"{seen.kind} {seen.name} is {seen.status}" for seen in (names.names if names else ()) if not seen.holds
        ]
        now = {verdict.pair.expected for verdict in proof.tables if verdict.expected_rows is not None}
        gone = [verdict.pair.expected for verdict in before.tables if verdict.expected_rows is not None]
        return (*wrong, *(f"{name} is not in the copy any more" for name in gone if name not in now))
    found = {verdict.pair.expected: verdict for verdict in proof.tables}
    if isinstance(done, CopyUndone):
        tables = done.plan.undoes.tables
        return tuple(
            f"{table.name} is {'there' if found[table.name].found_rows is not None else 'not there'}"
            for table in tables
            if table.name in found and (found[table.name].found_rows is None) != (table.dated is None)
        )
    lost = []
    for table in done.plan.tables:
        one = found.get(table.name)
        if one is None or table.rows_from != "restored":
            continue
        may_change = table.rule == "newer wins" or done.plan.conflicts == "source"
        if one.missing or (one.changed and not may_change) or (one.extra and table.rule == "replace"):
            lost.append(f"{table.name}: {one.missing} rows missing, {one.changed} changed, {one.extra} more")
    return tuple(lost)
