"""What to do: everything that would save, and the clean-up of snapshots as a plan to approve."""

from __future__ import annotations

from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.snapshots.apply import CleanupDone
from runbook_lib.costs.snapshots.plan import CleanupPlan, saves_text
from runbook_lib.costs.units import usd_text
from runbook_lib.display.approval import how_to_go_on
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table

SHOWN = 60


def advice_sheet(outlook: Outlook, *, approve: str) -> Stack:
    """Show what could be saved, the clean-up plan with everything it would delete, and how to approve exactly that."""
    plan = outlook.plan
    headline = f"Plan {plan.id}: {saves_text(plan)}; nothing was deleted yet"
    return Stack(
        headline=headline if plan.delete else "No snapshot is old enough to be deleted",
        tables=(_advice(outlook), _delete(plan), _kept(plan)),
        closing=_how_to_go_on(plan, approve),
    )


def _advice(outlook: Outlook) -> Table:
    rows = tuple((entry.cluster, entry.what, entry.saves_usd_month, entry.why, entry.how) for entry in outlook.advice)
    return Table(
        title="What could be saved" if rows else "What could be saved: nothing was found",
        columns=("cluster", "what", "saves, USD a month", "why", "how") if rows else (),
        rows=rows[:SHOWN],
        left_out=max(0, len(rows) - SHOWN),
        note="What would save now comes first, then what begins to cost soon. Deleting snapshots and lengthening "
        "the retention are alternatives: their sums do not add up."
        + (f" There may be more: at least, because {outlook.left_out}." if outlook.left_out else "")
        if rows
        else "",
    )


def _delete(plan: CleanupPlan) -> Table:
    price = plan.usd_gib_month
    rows = tuple(
        (
            candidate.name,
            candidate.cluster if candidate.cluster_lives or "(" in candidate.cluster else f"{candidate.cluster} (gone)",
            candidate.origin,
            f"{candidate.created:%Y-%m-%d}",
            None if candidate.size_gib is None else round(candidate.size_gib, 1),
            None if candidate.size_gib is None else candidate.size_gib * price,
            "none: not tagged, not shared",
            f"no, {candidate.copies_left} left",
        )
        for candidate in plan.delete
    )
    return Table(
        title=f"Would be deleted: {len(rows)} snapshots that cost and are {plan.keep_days} days old or older",
        columns=("snapshot", "of cluster", "made", "taken", "size, GiB", "USD a month", "hold", "last copy?")
        if rows
        else (),
        rows=rows,
        note=(
            f"{len(plan.later)} more could go: they are for the next plan, which asks whom they are shared with. "
            if plan.later
            else ""
        )
        + "A hold that is written nowhere, neither as a tag nor as a share, cannot be seen. "
        "A deleted snapshot does not come back.",
    )


def _kept(plan: CleanupPlan) -> Table:
    price = plan.usd_gib_month
    rows = tuple(
        (kept.name, kept.cluster, None if kept.size_gib is None else kept.size_gib * price, kept.reason)
        for kept in plan.kept
    )
    return Table(
        title=f"Costs and stays: {len(rows)} snapshots",
        columns=("snapshot", "of cluster", "USD a month", "because") if rows else (),
        rows=rows[:SHOWN],
        left_out=max(0, len(rows) - SHOWN),
    )


def _how_to_go_on(plan: CleanupPlan, approve: str) -> str:
    if not plan.delete:
        return "There is nothing to delete, so there is nothing to approve."
    does = f"deletes {len(plan.delete)} snapshots"
    return how_to_go_on(plan.id, approve, given=f'approve="{plan.id}"', does=does)


def deleted_sheet(done: CleanupDone) -> Stack:
    """Show what was deleted and read again as gone; or that nothing was."""
    if not done.done:
        return Stack(headline="Nothing was deleted: the plan above is not approved.")
    rows = tuple((name, "gone") for name in done.deleted)
    table = Table(title=f"Applied plan {done.approved_id}", columns=("snapshot", "read again"), rows=rows)
    saved = usd_text(done.plan.usd_month)
    return Stack(headline=f"{len(rows)} snapshots deleted, {saved} a month less", tables=(table,))
