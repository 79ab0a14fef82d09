"""Show a load: what was loaded, what its audit found, the difference to the row, the plan, and what came of it."""

from __future__ import annotations

from runbook_lib.display.approval import how_to_go_on, phases_table
from runbook_lib.display.checks import checks_table
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.guard.load import Load, Proposed
from runbook_lib.guard.load_audit import LoadAudit
from runbook_lib.guard.publish import PublishDone, PublishPlan, PublishUndone, PublishUndoPlan
from runbook_lib.proof import TableVerdict

_SHOWN = 40
_UNDOING = "No load is looked at here."


def load_sheet(load: Load) -> Stack:
    """Show the tables of the next generation beside those that are live."""
    generation = load.generation
    if generation is None:
        return Stack(headline=load.absent or _UNDOING)
    names = sorted(generation.loaded)
    rows = []
    for name in names:
        now, new = generation.rows(generation.live, name), generation.rows(generation.next, name)
        rows.append((name, _count(now) if name in generation.current else "not there", _count(new), _step(now, new)))
    staying = sorted(set(generation.current) - set(names))
    table = Table(
        title=f"{len(names)} tables in {generation.next}",
        columns=("table", f"rows in {generation.live}", "rows in the load", "change"),
        rows=tuple(rows[:_SHOWN]),
        note=_left_out(len(names)),
    )
    stays = (
        f"{len(staying)} tables of {generation.live} are not in the load and stay: {', '.join(staying[:8])}."
        if staying
        else ""
    )
    past = f"{len(load.past)} loads were published before." if load.past else "No load was published here before."
    return Stack(headline=f"The load into {generation.next}", tables=(table,), closing=f"{past} {stays}".strip())


def _count(rows: int | None) -> str:
    return "could not be read" if rows is None else f"{rows:,}"


def _step(now: int | None, new: int | None) -> str:
    if now is None or new is None:
        return ""
    return f"{new - now:+,}" if new != now else "same number"


def _left_out(count: int) -> str:
    return f"{count - _SHOWN} more tables are left out here." if count > _SHOWN else ""


def audit_table(audit: LoadAudit | None) -> Stack | Table:
    """Show every check of the load, those that hold it first."""
    return Stack(headline=_UNDOING) if audit is None else checks_table(audit.checks, before="publishing")


def difference_sheet(audit: LoadAudit | None) -> Stack:
    """Show what the load changes, to the row: gone, added and changed by table."""
    if audit is None:
        return Stack(headline=_UNDOING)
    if audit.difference is None:
        return Stack(headline="The load was not compared with what is live, table by table: see the check above.")
    tables = sorted(audit.difference.tables, key=lambda table: (-table.missing, -table.changed, table.pair))
    shown = [table for table in tables if table.missing or table.extra or table.changed or table.definition]
    gone, added, changed = (sum(getattr(table, what) for table in tables) for what in ("missing", "extra", "changed"))
    table = Table(
        title="Rows that would be gone, added and changed",
        columns=("table", "rows now", "gone", "added", "changed", "in columns", "definition"),
        rows=tuple(_difference_row(table) for table in shown[:_SHOWN]),
        marks={place: "bad" for place, table in enumerate(shown[:_SHOWN]) if table.missing},
        note=_left_out(len(shown)),
    )
    same = len(tables) - len(shown)
    headline = f"{gone:,} rows would be gone, {added:,} added, {changed:,} changed; {same} tables stay the same"
    return Stack(headline=headline, tables=(table,) if shown else ())


def _difference_row(table: TableVerdict) -> tuple[object, ...]:
    rows = "" if table.expected_rows is None else table.expected_rows
    made = "; ".join(table.definition[:2])
    return (
        table.pair.expected.name,
        rows,
        table.missing,
        table.extra,
        table.changed,
        ", ".join(table.columns[:5]),
        made,
    )


def plan_sheet(proposed: Proposed, *, approve: str) -> Stack:
    """Show what would be done, statement by statement, and how to approve exactly that."""
    plan = proposed.plan
    if plan is None:
        return Stack(headline="There is nothing to plan.", closing=proposed.load.absent)
    facts = _undo_facts(plan) if isinstance(plan, PublishUndoPlan) else _publish_facts(proposed, plan)
    statements = Table(
        title="The statements, in order",
        columns=("", "statement"),
        rows=tuple((number, _short(text)) for number, text in enumerate(plan.statements, 1)),
    )
    what = "undo the last publish" if isinstance(plan, PublishUndoPlan) else f"publish into `{plan.live}`"
    return Stack(
        headline=f"Plan {plan.id}: {what}",
        tables=(Table(title="What would be done", columns=("", ""), rows=facts), statements),
        closing=_closing(proposed, approve),
    )


def _publish_facts(proposed: Proposed, plan: PublishPlan) -> tuple[tuple[str, str], ...]:
    new = sorted(set(plan.tables) - set(plan.replaced))
    signed = proposed.load.signed
    rows = [
        ("tables that change places", f"{len(plan.replaced)}"),
        ("new tables", ", ".join(new[:8]) or "none"),
        ("tables that stay", f"{len(plan.staying)}"),
        ("the generation before is kept in", plan.was),
        ("triggers made again", ", ".join(trigger.title for trigger in plan.triggers) or "none"),
        ("foreign keys that follow", ", ".join(f"{tie.name} of {tie.table}" for tie in plan.ties) or "none"),
        ("old generations that go", ", ".join(old.schema for old in plan.drops) or "none"),
        ("accepted by name", ", ".join(plan.accepted) or "nothing"),
        ("standing approval", signed.words if signed else "none"),
        ("where", plan.place),
        ("plan id", plan.id),
    ]
    if proposed.load.stands:
        rows.insert(-2, ("outside its bounds", "; ".join(proposed.outside) or "nothing"))
    return tuple(rows)


def _undo_facts(plan: PublishUndoPlan) -> tuple[tuple[str, str], ...]:
    written = "; ".join(f"{table}: {then:,} rows then, {now:,} now" for table, then, now in plan.changed[:8])
    return (
        ("publish that is undone", f"{plan.undoes.id}, of {plan.undoes.at:%Y-%m-%d %H:%M} UTC"),
        ("tables that come back", f"{len(plan.undoes.replaced)}"),
        ("the load is kept in", plan.undoes.undone),
        ("written since, by number of rows", written or "no table has another number of rows"),
        ("where", plan.undoes.place),
        ("plan id", plan.id),
    )


def _short(statement: str) -> str:
    return statement if len(statement) < 300 else f"{statement[:280]} … ({statement.count(',') + 1} tables)"


def _closing(proposed: Proposed, approve: str) -> str:
    plan = proposed.plan
    assert plan is not None
    if proposed.audit and proposed.audit.holding:
        names = ", ".join(dict.fromkeys(check.subject for check in proposed.audit.holding))
        return f"The load is held by: {names}. An approval changes nothing. What is meant is accepted by name (accept)."
    if proposed.load.stands and not approve.strip():
        said = "; ".join(proposed.outside)
        return (
            f"Outside the standing approval: {said}."
            if said
            else "Within the standing approval: the next cell publishes."
        )
    return how_to_go_on(plan.id, approve, given=f'approve="{plan.id}"')


def done_sheet(done: PublishDone | PublishUndone | None) -> Stack | Table:
    """Show what was done, or that nothing was."""
    if done is None:
        return Stack(headline="Nothing was changed: there is no load.")
    if not done.done:
        return Stack(headline="Nothing was changed: the plan above is not approved.")
    if isinstance(done, PublishUndone):
        return Stack(headline=f"Undone by plan {done.approved_id}; the load is kept in {done.kept_in}.")
    return phases_table(done.approved_id, done.phases, note=f"Approved by {done.approved_by}.")


def verified_sheet(wrong: tuple[str, ...] | None) -> Stack:
    """Show whether the server is as planned."""
    if wrong is None:
        return Stack(headline="Nothing to verify: nothing was changed.")
    if not wrong:
        return Stack(headline="Looked again: every table, trigger and foreign key is as planned.")
    table = Table(title="Not as planned", columns=("what",), rows=tuple((line,) for line in wrong))
    return Stack(headline=f"{len(wrong)} things are NOT as planned", tables=(table,))


def publish_result(
    proposed: Proposed,
    done: PublishDone | PublishUndone | None,
    wrong: tuple[str, ...] | None,
    *,
    cluster: str,
    person: str,
) -> Result:
    """Sum the run up. The outcome follows what was looked at again, and a load that is held is a failed check."""
    plan, wanted = proposed.plan, proposed.load.wanted
    held = proposed.audit.holding if proposed.audit else ()
    if done is not None and done.done:
        return _result_of_done(done, wrong or (), cluster=cluster, person=person)
    if held or proposed.outside:
        reasons = [f"{check.subject}: {check.sentence}" for check in held] or list(proposed.outside)
        return Result(
            notebook="publish_load",
            cluster=cluster,
            outcome="check-failed",
            headline=f"The load is held, nothing was changed: {reasons[0]}",
            facts={"held by": "\n".join(reasons)},
            next=(
                "Look at the load's log, mend it, and load the next generation again.",
                'What is meant is accepted by the name of its check, such as accept="rows gone".',
            ),
        )
    if plan is None:
        return Result(
            notebook="publish_load",
            cluster=cluster,
            outcome="check-failed",
            headline=proposed.load.absent,
            next=("Look whether the load has run, and at its log; then run this again.",),
        )
    return Result(
        notebook="publish_load",
        cluster=cluster,
        outcome="planned",
        headline=f"A plan to {'undo the last publish' if wanted.way == 'undo' else f'publish into {wanted.live}'}",
        next=(f'Approve it: run again with the same parameters and approve="{plan.id}".',),
    )


def _result_of_done(done: PublishDone | PublishUndone, wrong: tuple[str, ...], *, cluster: str, person: str) -> Result:
    if isinstance(done, PublishUndone):
        undoes, by = done.plan.undoes, person
        headline = f"The load of {undoes.at:%Y-%m-%d %H:%M} UTC is taken back; it is kept in {done.kept_in}"
        changed = tuple(f"table {undoes.live}.{name}" for name in undoes.replaced)
        step = f"Mend the load; its tables, and what was written to them since, are in {done.kept_in}."
    else:
        plan, by = done.plan, done.approved_by
        headline = f"{len(plan.tables)} tables are published into {plan.live}; the generation before is in {plan.was}"
        changed = tuple(f"table {plan.live}.{name}" for name in plan.tables)
        step = 'To take it back: run again with way="undo".'
    if wrong:
        headline = f"{wrong[0]}; {headline}"
    return Result(
        notebook="publish_load",
        cluster=cluster,
        outcome="check-failed" if wrong else "succeeded",
        headline=headline,
        plan_id=done.approved_id,
        approved_by=by,
        changed=changed,
        facts={"not as planned": "\n".join(wrong)} if wrong else {},
        next=(step,),
    )
