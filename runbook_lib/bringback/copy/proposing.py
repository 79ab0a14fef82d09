"""Read both servers and make the plan of a copy back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from runbook_lib.bringback.copy.checks import copy_checks
from runbook_lib.bringback.copy.choices import CopyChoices
from runbook_lib.bringback.copy.codec import revived
from runbook_lib.bringback.copy.dumper import find_dumper
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.planning import Verdicts, plan_copy_back
from runbook_lib.bringback.copy.reading import read_server
from runbook_lib.bringback.copy.state import State, find_states
from runbook_lib.checks import Check
from runbook_lib.mysql import Database
from runbook_lib.proof import Proof, Side


def propose_copy_back(
    copy: Side, source: Side, *, proof: Proof | None, choices: CopyChoices | None = None, now: datetime
) -> CopyBackPlan:
    """Read what the plan needs of both servers, and make it. Changes nothing.

    A copy back that has begun to swap and has not ended is what is planned, whatever the choices: it must be finished
    or undone before anything else. One that had begun to copy is taken up when the plan is still the same.

    Raises:
        InputRefused: see `plan_copy_back`.
    """
    return propose_with_checks(copy, source, proof=proof, choices=choices, now=now)[0]


def propose_with_checks(
    copy: Side, source: Side, *, proof: Proof | None, choices: CopyChoices | None = None, now: datetime
) -> tuple[CopyBackPlan, tuple[Check, ...]]:
    """Make the plan and the checks for it from one reading."""
    with copy.connect() as reading, source.connect() as writing:
        here, there = read_server(reading, name=copy.name), read_server(writing, name=source.name)
        if unfinished := _unfinished(writing):
            return unfinished, copy_checks(unfinished, here, there)
        plan = plan_copy_back(
            here,
            there,
            verdicts=_verdicts(proof),
            choices=choices or CopyChoices(),
            now=now,
            dumper=find_dumper(),
            past=sum(state.get("done") is not None for state in find_states(writing)),
        )
        stored = State(writing, plan.state).get("plan")
        if stored is not None and (begun := revived(CopyBackPlan, stored)).id == plan.id:
            plan = replace(begun, resumes=True)
    return plan, copy_checks(plan, here, there)


def _verdicts(proof: Proof | None) -> Verdicts | None:
    if proof is None:
        return None
    return Verdicts(words={table.pair.expected: table.verdict for table in proof.tables}, damaged=proof.damaged)


def _unfinished(source: Database) -> CopyBackPlan | None:
    for state in find_states(source):
        if state.get("swap begun") is not None and state.get("done") is None and state.get("undone") is None:
            return replace(revived(CopyBackPlan, state.get("plan")), resumes=True)
    return None
