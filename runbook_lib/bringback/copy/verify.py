"""Look at the source again after a copy back, or after its undo: rows, triggers and everything else as planned."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.bringback.copy.apply import CopiedBack
from runbook_lib.bringback.copy.undo import CopyUndone
from runbook_lib.proof import Pair, Proof, Side, TableVerdict, prove
from runbook_lib.swap.foreign_keys import still_tied
from runbook_lib.swap.objects import not_made_as


@dataclass(frozen=True, kw_only=True)
class CopyVerification:
    """What the source holds now. `wrong` names tables whose rows are not as planned, `lacking` objects not there."""

    proof: Proof
    wrong: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Tell whether everything is as planned."""
        return not self.wrong and not self.lacking


def verify_copied(restored: Side, damaged: Side, copied: CopiedBack) -> CopyVerification | None:
    """Prove the tables brought back against the copy, under their own names now.

    No row of the copy may be missing or changed, but for those that gave way by the chosen rule. Rows that only the
    source has are right: they were kept, or written since. None when nothing was applied.
    """
    if not copied.done:
        return None
    plan = copied.plan
    proof = prove(
        restored, damaged, pairs=[Pair(expected=t.name, found=t.name) for t in plan.tables if t.rows_from == "restored"]
    )
    merged = {table.table: table for table in copied.merged}
    wrong = []
    for table in proof.tables:
        done = merged.get(str(table.pair.expected))
        if table.missing > (done.dropped if done else 0) or table.changed > (done.updated if done else 0):
            wrong.append(_said(table))
    with damaged.connect() as database:
        lacking = not_made_as(database, plan.made)
    return CopyVerification(
        proof=proof,
        wrong=tuple(wrong),
        lacking=tuple(item.title for item in lacking),
    )


def verify_undone(restored: Side, damaged: Side, undone: CopyUndone, *, before: Proof) -> CopyVerification | None:
    """Prove the source against the copy as before the copy back: every table must differ in what it differed then.

    `before` is the proof that the copy back was planned with. Rows written to a table since the undo show as wrong.
    """
    if not undone.done:
        return None
    plan = undone.plan.undoes
    concerned = {table.name for table in plan.tables}
    expected = [table for table in before.tables if table.pair.expected in concerned]
    proof = prove(restored, damaged, pairs=[table.pair for table in expected])
    wrong = [
        _said(now)
        for now, then in zip(proof.tables, sorted(expected, key=lambda table: table.pair), strict=True)
        if (now.verdict, now.missing, now.extra, now.changed) != (then.verdict, then.missing, then.extra, then.changed)
    ]
    with damaged.connect() as database:
        lacking = not_made_as(database, (*plan.triggers_off, *(changed.now for changed in plan.replaced)))
        tied = still_tied(database, plan.stand_ins)
    return CopyVerification(proof=proof, wrong=tuple(wrong), lacking=(*(item.title for item in lacking), *tied))


def _said(table: TableVerdict) -> str:
    return (
        f"{table.pair.expected}: {table.verdict}, {table.missing:,} rows missing, {table.extra:,} extra,"
        f" {table.changed:,} changed"
    )
