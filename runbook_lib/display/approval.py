"""What every plan says of its approval, and what every applied plan shows of its phases."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.phases import Phase
from runbook_lib.times import duration_text


def approval_sheet(shown: Table | Stack, plan_id: str, *, approve: str, given: str, closed: str = "") -> Stack:
    """Show checks, or a plan, with how to approve exactly that plan below it; `closed` says why it cannot be now."""
    closing = closed or how_to_go_on(plan_id, approve, given=given)
    return Stack(tables=(shown,), closing=closing)


def how_to_go_on(
    plan_id: str, approve: str, *, given: str, cell: str = "the next cell", does: str = "applies it", asks: str = ""
) -> str:
    """Say whether a plan is approved, and how to approve exactly that one.

    `approve` is the parameter as it stands, `given` the parameters that approve this plan, `cell` the one that acts,
    `does` what it does then; `asks` is something to think of first.
    """
    if approve.strip() == plan_id:
        return f"This plan is approved ({plan_id}): {cell} {does}."
    if approve:
        return f'The approval "{approve}" is not of this plan: {cell} will refuse. To approve this one: {given}.'
    first = f"{asks} If not" if asks else "To go on"
    return f"Nothing is approved, so nothing will be changed. {first}: read the plan, then run again with {given}."


def phases_table(approved_id: str, phases: Iterable[Phase], *, note: str = "") -> Table:
    """Show an applied plan phase by phase."""
    rows = tuple(
        (phase.name, f"{phase.began:%H:%M:%S}", duration_text(timedelta(seconds=phase.seconds))) for phase in phases
    )
    return Table(title=f"Applied plan {approved_id}", columns=("phase", "began, UTC", "took"), rows=rows, note=note)
