"""Show a drill: its plan, how long each phase took, what was proved, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from runbook_lib.checks import Check
from runbook_lib.display.approval import approval_sheet, phases_table
from runbook_lib.display.checks import checks_table
from runbook_lib.display.restore import calls_table, stops
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.drills.apply import Drilled
from runbook_lib.drills.plan import DrillPlan
from runbook_lib.drills.values import HOWS, TableResult
from runbook_lib.times import duration_text, iso, utc_text

_NOT_HELD = "No drill was held: the plan above is not approved."
_MARKS = {"unexplained": "bad", "not known": "warn", "explained": "good", "same": "good", "sealed": "good"}
_SHOWN = 60


def plan_sheet(plan: DrillPlan) -> Stack:
    """Show what a drill would do: the second, the copy, its cost and bounds, and what goes first."""
    restore, usd = plan.restore, plan.usd
    limit = f"${plan.wanted.budget_usd:.2f} are allowed"
    proof = plan.proof
    facts = (
        ("the second", f"{utc_text(restore.moment)}: {plan.chosen}"),
        ("is restored into", f"{restore.target}, a copy of {restore.source}"),
        (
            "held against",
            f"the proof of {utc_text(proof.second)} in the record {proof.run_id}" if proof else "no proof",
        ),
        ("and against", f"{restore.source} as it lives on, with its binary log since that second"),
        ("the source", "is only read: no call below names it but as what is restored"),
        ("afterwards", f"the copy is deleted; if that fails, its tag lets it go after {plan.wanted.hours} hours"),
        ("costs at most", f"{limit}; not known: {plan.cost.note}" if usd is None else f"${usd:.2f}; {limit}"),
        ("goes first", ", ".join(copy.name for copy in plan.earlier) or "nothing is left of earlier drills"),
        ("standing approval", _standing(plan)),
        ("plan id", plan.id),
    )
    return Stack(
        headline=f"Plan {plan.id}: restore {restore.source} to {iso(restore.moment)}, prove it and delete it",
        tables=(Table(title="What the plan is", columns=("", ""), rows=facts), calls_table(restore)),
        closing="Then the copy is proved and deleted: DeleteDBInstance, DeleteDBCluster.",
    )


def _standing(plan: DrillPlan) -> str:
    if plan.signed is None:
        return "none: it waits for a person"
    return f"does NOT cover it: {plan.outside}" if plan.outside else plan.signed.words


def checks_sheet(plan: DrillPlan, checks: Sequence[Check], *, approve: str) -> Stack:
    """Show every check of a drill, and how to approve exactly that plan."""
    given, shown = f'approve="{plan.id}"', checks_table(checks, before="the drill")
    if plan.signed is not None and not approve and not plan.outside and not stops(checks):
        return Stack(tables=(shown,), closing="Within the standing approval: the next cell holds the drill.")
    return approval_sheet(shown, plan.id, approve=approve, given=given, closed=stops(checks))


def drilled_sheet(drilled: Drilled) -> Stack:
    """Show what was done, phase by phase, beside the objective."""
    if not drilled.done:
        return Stack(headline=_NOT_HELD)
    took, limit = drilled.recovery_time, drilled.plan.wanted.recovery_time_minutes
    objective = f"; the objective is {duration_text(timedelta(minutes=limit))}" if limit else ""
    headline = f"Restored and proved in {duration_text(took)}{objective}" if took else "The copy was NOT proved"
    return Stack(headline=headline, tables=(phases_table(drilled.approved_id, drilled.phases),))


def proof_sheet(drilled: Drilled) -> Stack:
    """Show what became of every table, what is unexplained first."""
    if not drilled.done:
        return Stack(headline=_NOT_HELD)
    proof = drilled.proof
    if proof is None:
        return Stack(headline="The copy was NOT proved.", closing=" ".join(drilled.trouble))
    ordered = sorted(proof.tables, key=lambda table: (HOWS.index(table.how), table.table))
    table = Table(
        title="The copy's tables",
        columns=(
            "",
            "table",
            "rows",
            "differ from the source",
            "changed since, by the log",
            "of them looked at",
            "why",
        ),
        rows=tuple(
            (each.how, str(each.table), _number(each.rows), each.differing, each.touched, each.checked, _why(each))
            for each in ordered[:_SHOWN]
        ),
        marks={place: _MARKS[each.how] for place, each in enumerate(ordered[:_SHOWN])},
        left_out=max(0, len(ordered) - _SHOWN),
        note="sealed: as in the earlier proof. same: as on the source. explained: each row that differs was changed "
        "since by the source's log, and is in the copy what the log says it was before.",
    )
    others = tuple((str(what),) for what in proof.objects) + tuple(
        (said,) for said in (proof.objects_why_not, *proof.remarks) if said
    )
    more = (Table(title="Beside the tables", columns=("",), rows=others),) if others else ()
    log = f"The source's log since then could not be read: {proof.log_why_not}." if proof.log_why_not else ""
    return Stack(headline=proof.words, tables=(table, *more), closing=log)


def _number(rows: int | None) -> str | int:
    return "not known" if rows is None else rows


def _why(table: TableResult) -> str:
    more = table.unexplained_rows - len(table.unexplained)
    said = [table.why, *map(str, table.unexplained), *([f"and {more:,} more"] if more > 0 else [])]
    return "\n".join(part for part in said if part)


def verified_sheet(wrong: tuple[str, ...] | None) -> Stack:
    """Show whether the copy is gone and the source is set as it was."""
    if wrong is None:
        return Stack(headline="Nothing to verify: no drill was held.")
    if not wrong:
        return Stack(headline="Looked again: the copy is gone, and the source is set as it was.")
    table = Table(title="Not as planned", columns=("what",), rows=tuple((line,) for line in wrong))
    return Stack(headline=f"{len(wrong)} things are NOT as planned", tables=(table,))


def drill_result(drilled: Drilled, wrong: tuple[str, ...] | None, *, person: str) -> Result:
    """Sum the drill up: what is not proved, or misses an objective, is a failed check."""
    plan, proof = drilled.plan, drilled.proof
    if not drilled.done:
        return Result(
            notebook="drill_restore",
            outcome="planned",
            headline=f"A drill can restore {plan.restore.source} to {iso(plan.restore.moment)}",
            cluster=plan.restore.source,
            plan_id=plan.id,
            next=(
                f'Approve it: run again with second="asked", timestamp="{iso(plan.restore.moment)}" and '
                f'approve="{plan.id}".',
            ),
        )
    found = [*_against(drilled), *(wrong or ())]
    took = drilled.recovery_time
    return Result(
        notebook="drill_restore",
        outcome="check-failed" if found else "succeeded",
        headline=found[0] if found else f"{plan.restore.source} of {iso(plan.restore.moment)} was restored and proved",
        cluster=plan.restore.source,
        plan_id=drilled.approved_id,
        approved_by=drilled.approved_by or person,
        changed=tuple(f"cluster {drilled.left}" for _ in (1,) if drilled.left),
        recovery=_recovery(drilled),
        facts={
            "proof": proof.words if proof else "not made",
            "took": duration_text(took) if took else "not known",
            "second": plan.chosen,
            **({"found": "\n".join(found)} if found else {}),
        },
        next=_next(drilled, found),
    )


def _recovery(drilled: Drilled) -> dict[str, Any]:
    plan, proof, took = drilled.plan, drilled.proof, drilled.recovery_time
    usd_a_day, lived = plan.cost.usd_a_day, sum(phase.seconds for phase in drilled.phases)
    return {
        "asked": iso(plan.restore.moment),
        "recovery_point": iso(plan.restore.moment),
        "recovery_seconds": round(took.total_seconds(), 1) if took else None,
        "began": iso(drilled.began) if drilled.began else None,
        "finished": iso(drilled.proved) if drilled.proved else None,
        "phases": {phase.name: round(phase.seconds, 1) for phase in drilled.phases},
        "proof": proof.verdict if proof else "not known",
        "drill": {
            "verdict": proof.verdict if proof else "not known",
            "rows_proved": proof.rows_proved if proof else 0,
            "chosen": plan.chosen,
            "lag_seconds": round(plan.lag.total_seconds()) if plan.lag is not None else None,
            "recovery_time_minutes": plan.wanted.recovery_time_minutes or None,
            "recovery_point_minutes": plan.wanted.recovery_point_minutes or None,
            "usd": None if usd_a_day is None else round(usd_a_day * max(lived, 600) / 86_400, 4),
            "left": drilled.left,
        },
    }


def _against(drilled: Drilled) -> list[str]:
    plan, proof, found = drilled.plan, drilled.proof, list[str]()
    if proof is None:
        found.append("The copy was not proved")
    elif proof.verdict != "proved":
        found.append(proof.words)
    limit, took = timedelta(minutes=plan.wanted.recovery_time_minutes), drilled.recovery_time
    if limit and took and took > limit:
        found.append(f"It took {duration_text(took)}, the objective is {duration_text(limit)}")
    limit = timedelta(minutes=plan.wanted.recovery_point_minutes)
    if limit and (plan.lag is None or plan.lag > limit):
        said = "is not known" if plan.lag is None else f"lay {duration_text(plan.lag)} back"
        found.append(f"The latest restorable second {said}, the objective is {duration_text(limit)}")
    return found


def _next(drilled: Drilled, found: Sequence[str]) -> tuple[str, ...]:
    steps = []
    if drilled.left:
        steps.append(f'Delete the copy: open clean_up_restores with only="{drilled.left}".')
    if drilled.proof is not None and drilled.proof.verdict == "unexplained":
        steps.append("Keep this record and find out why the rows differ, before the log that knows is purged.")
    if found:
        steps.append("Hold the drill again when it is mended; until then this restore is not proved.")
    else:
        steps.append("Keep this record: what it sealed is what the next drill is held against.")
    return tuple(steps)
