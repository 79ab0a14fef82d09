"""Show a try: its plan, how the load ended on the clone, what it would have done, and production's own log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from runbook_lib.checks import Check
from runbook_lib.costs.copies import clone_text
from runbook_lib.display.approval import approval_sheet, phases_table
from runbook_lib.display.checks import checks_table
from runbook_lib.display.proof import proof_sheet
from runbook_lib.display.restore import calls_table, stops
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.guard.try_load import Tried, TryPlan
from runbook_lib.guard.try_load.difference import damage_of
from runbook_lib.times import duration_text

_NO_LOAD = "No load is named, so there is nothing to try: set `load`."
_NOT_TRIED = "Nothing was tried: the plan above is not approved."
_SHOWN = 60


def plan_sheet(plan: TryPlan | None, *, region: str) -> Stack:
    """Show what a try would do: the load, the clone, its cost, and what goes first."""
    if plan is None:
        return Stack(headline=_NO_LOAD)
    expires = duration_text(plan.clone.expires_after or timedelta(0))
    facts = (
        ("the load", plan.load.words),
        ("is run against", f"{plan.clone.target}, a clone of {plan.clone.source} as it is then"),
        ("with", "a password that the clone alone has; the load is given no other"),
        ("production", "stays as it is: no call below names it as its target, and no statement goes there"),
        ("afterwards", f"the clone is deleted; if that fails, its tag lets it go after {expires}"),
        ("costs", clone_text(plan.clone, region=region)),
        ("goes first", ", ".join(clone.name for clone in plan.earlier) or "nothing is left of earlier tries"),
        ("plan id", plan.id),
    )
    return Stack(
        headline=f"Plan {plan.id}: try a load on a clone of {plan.clone.source}",
        tables=(Table(title="What the plan is", columns=("", ""), rows=facts), calls_table(plan.clone)),
        closing="Then the load is run and compared, and the clone deleted: DeleteDBInstance, DeleteDBCluster.",
    )


def checks_sheet(plan: TryPlan | None, checks: Sequence[Check], *, approve: str) -> Stack:
    """Show every check of a try, and how to approve exactly that plan."""
    if plan is None:
        return Stack(headline=_NO_LOAD)
    given = f'approve="{plan.id}"'
    shown = checks_table(checks, before="the try")
    return approval_sheet(shown, plan.id, approve=approve, given=given, closed=stops(checks))


def tried_sheet(tried: Tried) -> Stack:
    """Show what was done, phase by phase, and how the load ended."""
    if not tried.done or tried.outcome is None:
        return Stack(headline=_NO_LOAD if tried.plan is None else _NOT_TRIED)
    outcome = tried.outcome
    took = duration_text(timedelta(seconds=round(outcome.seconds)))
    headline = f"The load FAILED after {took}: {outcome.error}" if outcome.error else f"The load ended well in {took}"
    tables = [phases_table(tried.approved_id, tried.phases)]
    if outcome.steps:
        tables.append(
            Table(
                title="Changes of definitions: how long, in which way, what waited",
                columns=("statement", "took", "way", "what waited meanwhile"),
                rows=tuple(
                    (step.statement, f"{step.seconds:.2f} s", step.how, step.locked) for step in outcome.steps[:_SHOWN]
                ),
                left_out=max(0, len(outcome.steps) - _SHOWN),
                note="On a clone nobody else works: in production a statement also waits for those who use the table.",
            )
        )
    if outcome.counts:
        tables.append(Table(title="Statements that were run", columns=("kind", "number"), rows=outcome.counts))
    if outcome.said:
        lines = tuple((line,) for line in outcome.said.splitlines())
        tables.append(Table(title="Its last lines", columns=("",), rows=lines, folded=len(lines) > 8))
    return Stack(headline=headline, tables=tuple(tables))


def difference_sheet(tried: Tried) -> Stack:
    """Show what the load would have done to production, to the row."""
    if not tried.done:
        return Stack(headline=_NOT_TRIED)
    if tried.difference is None:
        return Stack(headline="What the load did is NOT known: the clone was not compared.", closing=_trouble(tried))
    sheet = proof_sheet(tried.difference)
    before = tried.proved
    proved = (
        "Before the load the clone held exactly what the source holds."
        if before and before.verdict == "same"
        else "Before the load the clone was NOT proved to be the source: what differed then is in the difference too."
    )
    return replace(
        sheet, headline=f"The load would do this. {_capital(damage_of(tried.difference).words)}", closing=proved
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def source_sheet(tried: Tried) -> Stack:
    """Show what was written to production meanwhile; what is taken for the load's write is red."""
    if not tried.done or tried.source is None:
        return Stack(headline=_NOT_TRIED)
    seen = tried.source
    if seen.why_not:
        return Stack(
            headline="Whether the load wrote to production is NOT known: its binary log could not be read.",
            closing=f"{seen.why_not}. The load was given the clone's password only.",
        )
    red = seen.by_the_load
    rows = tuple((write.what, write.how, write.rows or "", _whose(write.is_loads)) for write in seen.writes[:_SHOWN])
    table = Table(
        title="Written to production while the load ran",
        columns=("what", "how", "rows", "whose"),
        rows=rows,
        marks={place: "bad" for place, write in enumerate(seen.writes[:_SHOWN]) if write.is_loads},
        left_out=max(0, len(seen.writes) - _SHOWN),
        note="A write counts as the load's where a connection that was not there before changed a table that the load "
        "changed on the clone, or a definition. An application that connects anew for each request looks alike.",
    )
    headline = (
        f"PRODUCTION WAS WRITTEN TO, and it may have been the load: {red[0].what}"
        if red
        else f"No write of the load is in production's log; {len(seen.writes)} others are"
    )
    gaps = f"NOT read in it: {'; '.join(seen.gaps[:3])}." if seen.gaps else ""
    return Stack(headline=headline, tables=(table,) if rows else (), closing=gaps)


def _whose(is_loads: bool) -> str:
    return "the load's, perhaps" if is_loads else "the application's"


def _trouble(tried: Tried) -> str:
    return " ".join(tried.trouble)


def verified_sheet(wrong: tuple[str, ...] | None) -> Stack:
    """Show whether the clone is gone and production is set as it was."""
    if wrong is None:
        return Stack(headline="Nothing to verify: nothing was tried.")
    if not wrong:
        return Stack(headline="Looked again: the clone is gone, and production is set as it was.")
    table = Table(title="Not as planned", columns=("what",), rows=tuple((line,) for line in wrong))
    return Stack(headline=f"{len(wrong)} things are NOT as planned", tables=(table,))


def try_result(tried: Tried, wrong: tuple[str, ...] | None, *, cluster: str, person: str) -> Result:
    """Sum the try up: a load that fails, loses tables or rows, or may have written to production, is a failed check."""
    if not tried.done or tried.plan is None:
        plan = tried.plan
        return Result(
            notebook="try_load",
            outcome="planned",
            headline=f"{plan.load.words} can be tried on a clone" if plan else _NO_LOAD,
            cluster=cluster,
            plan_id=plan.id if plan else "",
            next=(f'Approve it: run again with the same parameters and approve="{plan.id}".',) if plan else (),
        )
    found = _against(tried, wrong or ())
    damage = damage_of(tried.difference).words if tried.difference else "not known"
    outcome = tried.outcome
    return Result(
        notebook="try_load",
        outcome="check-failed" if found else "succeeded",
        headline=found[0] if found else f"The load can be run: {damage}",
        cluster=cluster,
        plan_id=tried.approved_id,
        approved_by=person,
        changed=tuple(f"clone {tried.left}" for _ in (1,) if tried.left),
        facts={
            "what it would do": damage,
            "the load": f"failed: {outcome.error}" if outcome and outcome.error else "ended well",
            **({"found": "\n".join(found)} if found else {}),
        },
        next=_next(tried, found),
    )


def _against(tried: Tried, wrong: Sequence[str]) -> list[str]:
    found = []
    if tried.source and tried.source.by_the_load:
        found.append(f"Production was written to while the load ran: {tried.source.by_the_load[0].what}")
    if tried.difference is None:
        found.append("What the load would do is not known: the clone was not compared")
    elif (damage := damage_of(tried.difference)).loses or damage.not_proved:
        found.append(f"The load would harm production: {damage.words}")
    if tried.outcome and tried.outcome.error:
        found.append(f"The load failed on the clone: {tried.outcome.error}")
    return [*found, *wrong]


def _next(tried: Tried, found: Sequence[str]) -> tuple[str, ...]:
    steps = []
    if tried.source and tried.source.by_the_load:
        steps.append("Look at production at once: open inspect_backups.")
    if tried.left:
        steps.append(f'Delete the clone: open clean_up_restores with only="{tried.left}".')
    if found:
        steps.append("Mend the load and try it again; do not let it run tonight.")
    else:
        steps.append("Let it load the next generation, and publish that with publish_load: then a bad night is held.")
    return tuple(steps)
