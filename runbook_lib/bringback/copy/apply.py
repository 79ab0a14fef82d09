"""Apply an approved copy back: tables made, filled, proved, merged and swapped, and taken up where a run stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from runbook_lib.bringback.copy.approval import approved_plan, require_as_planned
from runbook_lib.bringback.copy.checks import require, source_checks
from runbook_lib.bringback.copy.codec import revived
from runbook_lib.bringback.copy.loading import Progress
from runbook_lib.bringback.copy.objects import refused_definers
from runbook_lib.bringback.copy.outcome import CopiedBack
from runbook_lib.bringback.copy.phases import Phases
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.remaining import Remaining
from runbook_lib.bringback.copy.rows import Merged
from runbook_lib.bringback.copy.running import Run
from runbook_lib.bringback.copy.state import State
from runbook_lib.bringback.copy.undo import undo_statements
from runbook_lib.errors import CheckFailed
from runbook_lib.proof import Side
from runbook_lib.times import utc_now


def apply_copy_back(
    copy: Side,
    source: Side,
    plan: CopyBackPlan,
    *,
    approve: str,
    run_id: str = "",
    progress: Progress | None = None,
    step: Callable[[str], object] | None = None,
) -> CopiedBack:
    """Apply the plan if `approve` is its id; without an approval do nothing and say so in the value.

    A run that was killed is finished by running it again: what is copied stays copied, and how far it came is kept at
    the source. `step` is told each phase's name as it begins.

    Raises:
        ApprovalRefused: the approval is of another plan, or the source's tables have changed since.
        CheckFailed: a check speaks against it, a copied table differs from the copy, rows conflict that no choice
            decides, or a row would lose its parent. Nothing has been swapped.
        TryLater: the tables could not be locked in time. Nothing has been swapped.
        StepFailed: a server refused a step.
    """
    wanted = approve.strip()
    if not wanted:
        return CopiedBack(plan=plan)
    with copy.connect() as reading, source.connect() as writing:
        plan = approved_plan(writing, plan, wanted)
        state = State(writing, plan.state)
        if finished := state.get("done"):
            return _told(plan, finished)
        run = Run(copy, source, plan, state, phases=Phases(plan, step), progress=progress)
        if (kept := state.get("plan")) is None or revived(CopyBackPlan, kept).id != plan.id:
            require_as_planned(writing, plan)
            require(source_checks(reading, writing, plan), plan)
            state.make()
            if refused := refused_definers(writing, plan.made, table=state.pieces):
                raise CheckFailed(
                    f"The account may not make triggers, views or routines for {', '.join(refused)}.",
                    hint="Grant it SET_USER_ID (8.2 and later SET_ANY_DEFINER and, for a definer that has it, "
                    "SYSTEM_USER; MariaDB SET USER), or make them anew under another definer. No table was made.",
                )
            state.put("began", utc_now().isoformat())
            state.put("run", run_id)
            state.put("plan", plan.as_json())  # last: with it the run counts as begun
        run.all(reading, writing)
        summary = {
            "rows": run.copied_rows,
            "merged": [merged.as_json() for merged in run.merged],
            "left": [left.as_json() for left in run.left],
            "undo": list(undo_statements(plan)),
            "problems": list(run.problems),
            "began": state.get("began"),
        }
        state.put("done", summary)
    return CopiedBack(
        plan=plan,
        approved_id=plan.id,
        phases=tuple(run.phases.done),
        copied_rows=run.copied_rows,
        proof=run.proof,
        merged=run.merged,
        left=run.left,
        undo=undo_statements(plan),
        problems=run.problems,
        began=datetime.fromisoformat(summary["began"]),
    )


def _told(plan: CopyBackPlan, finished: dict[str, Any]) -> CopiedBack:
    return CopiedBack(
        plan=plan,
        approved_id=plan.id,
        copied_rows=finished["rows"],
        merged=tuple(revived(Merged, one) for one in finished["merged"]),
        left=tuple(revived(Remaining, one) for one in finished.get("left", ())),
        undo=tuple(finished["undo"]),
        problems=tuple(finished["problems"]),
        began=datetime.fromisoformat(finished["began"]),
    )
