"""Show a cut-over: its plan call by call, what was done, and who has which name afterwards."""

from __future__ import annotations

from runbook_lib.bringback.cutover import CutOver, CutOverPlan, CutOverVerification, to_tell
from runbook_lib.display.approval import phases_table
from runbook_lib.display.restore import request_text
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.times import duration_text

HOW_LONG = "AWS's guides speak of about two minutes (DB cluster) to ten (DB instance) for a new name to take effect"


def cutover_plan_sheet(plan: CutOverPlan) -> Stack:
    """Show everything a cut-over or its undo would do, in order."""
    calls = plan.calls
    if not calls:
        return Stack(headline=f"Nothing is left to do: {_state(plan)}.")
    begun = " and has begun: what is done is not done again" if plan.begun else ""
    return Stack(
        headline=f"Plan {plan.id}: {_aim(plan)}{begun}. {len(calls)} AWS calls, none of them made by this run yet",
        tables=(_facts(plan), _names_table(plan), _calls_table(plan), tell_table(plan)),
    )


def _aim(plan: CutOverPlan) -> str:
    if plan.direction == "undo":
        return f"{plan.name} goes back to the damaged cluster"
    return f"{plan.pairing.copy.identifier} takes the name {plan.name}"


def _state(plan: CutOverPlan) -> str:
    serving = plan.pairing.serving
    return f"{plan.name} is the cluster {serving.resource_id}" if serving else f"nothing has the name {plan.name}"


def _facts(plan: CutOverPlan) -> Table:
    source, copy = plan.pairing.source, plan.pairing.copy
    undone = plan.direction == "undo"
    rows = [
        ("changes the cluster", f"{plan.name} ({source.resource_id})"),
        ("the copy", f"{copy.identifier} ({copy.resource_id}), restored to {copy.tags.get('recovery:moment', '?')}"),
        ("the damaged one is kept as", plan.damaged if not undone else f"{plan.damaged} until then"),
        ("nobody can connect", f"between the last two renames. {HOW_LONG}; we poll, and ask at once"),
        (
            "lost from service",
            "what was written to the copy while it had the name: it stays in the copy"
            if undone
            else "what was written to the damaged cluster since that second: it stays there, see the checks",
        ),
        (
            "undo",
            "cut over again" if undone else 'the same notebook with way="undo cutover": a plan with an id of its own',
        ),
        ("if it is stopped", "run it again with the same parameters and approval: it goes on"),
        ("plan id", plan.id),
    ]
    return Table(title="What the plan is", columns=("", ""), rows=tuple(rows))


def _names_table(plan: CutOverPlan) -> Table:
    rows = tuple(
        (rename.kind, rename.resource_id or "to be made", rename.was, rename.becomes) for rename in plan.renames
    )
    note = "Renaming an instance restarts it. The names of instances come first, those of the clusters last."
    return Table(title="Every name, in order", columns=("", "is", "now", "becomes"), rows=rows, note=note)


def _calls_table(plan: CutOverPlan) -> Table:
    rows = tuple(
        (number, call.operation, call.why, request_text(call.request)) for number, call in enumerate(plan.calls, 1)
    )
    title, columns = f"The AWS calls that are left, in order: {len(rows)}", ("", "call", "why", "with")
    return Table(title=title, columns=columns, rows=rows, folded=True)


def tell_table(plan: CutOverPlan) -> Table:
    """Show what does not follow the names by itself, with the commands."""
    rows = tuple((duty.whom, duty.why, "\n".join(duty.commands)) for duty in to_tell(plan))
    return Table(title="What must be told afterwards", columns=("whom", "why", "commands"), rows=rows)


def cut_over_sheet(done: CutOver) -> Stack | Table:
    """Show what was done, phase by phase; or that nothing was."""
    if not done.done:
        return Stack(headline="Nothing was changed: the plan above is not approved.")
    gap = done.without_name
    note = (
        f"No cluster had the name for {duration_text(gap)}, from the first of the last two renames to its answer."
        if gap is not None
        else "This run finished one that had begun: how long nothing had the name, it does not know."
    )
    return phases_table(done.approved_id, done.phases, note=note)


def cutover_verified_sheet(found: CutOverVerification) -> Stack:
    """Show who has which name now, and that the endpoint answers."""
    rows = tuple((_word(seen.holds), seen.kind, seen.name, seen.found or "—", seen.status) for seen in found.names)
    right = "every name is where it should be" if found.holds else "a name is NOT where it should be"
    held = found.inventory
    return Stack(
        headline=f"{found.serving.identifier} answers ({found.server_version}) with {len(held.rows)} tables and "
        f"{sum(held.rows.values()):,} rows; {right}",
        tables=(
            Table(
                title="Who has which name, re-read from AWS",
                columns=("", "", "name", "is now", "status"),
                rows=rows,
                marks={index: "good" if seen.holds else "bad" for index, seen in enumerate(found.names)},
                note=f"Endpoint: {found.serving.endpoint}",
            ),
        ),
    )


def _word(holds: bool) -> str:
    return "right" if holds else "✘ WRONG"
