"""Publish an approved load. Killed at any statement it leaves the old generation or the new one; run again, it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.approval import is_approved
from runbook_lib.errors import ApprovalRefused, CheckFailed, RunbookError
from runbook_lib.events import announce
from runbook_lib.guard.generations import states_of
from runbook_lib.guard.load_audit import LoadAudit
from runbook_lib.guard.publish.plan import PublishPlan, fingerprint
from runbook_lib.mysql import Database, quoted
from runbook_lib.phases import Phase, Phases
from runbook_lib.proof import Side
from runbook_lib.swap.foreign_keys import make_ties, parent_of
from runbook_lib.swap.objects import existing, refused_definers
from runbook_lib.swap.reach import shut
from runbook_lib.swap.reading import read_server
from runbook_lib.swap.rename import create_schema, do_swap, is_done, mend
from runbook_lib.swap.state import State
from runbook_lib.times import utc_now

_AT_ONCE = 50  # tables counted by one statement


@dataclass(frozen=True, kw_only=True)
class PublishDone:
    """What was done of a plan: nothing at all (`approved_id` empty), or everything. `approved_by` says who approved."""

    plan: PublishPlan
    approved_id: str = ""
    approved_by: str = ""
    phases: tuple[Phase, ...] = ()
    dropped: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    began: datetime | None = None

    @property
    def done(self) -> bool:
        """Tell whether the plan was applied."""
        return bool(self.approved_id)


def apply_publish(
    side: Side,
    audit: LoadAudit,
    plan: PublishPlan,
    *,
    approve: str,
    approved_by: str,
    on_step: Callable[[str], object] | None = None,
) -> PublishDone:
    """Publish if `approve` is the plan's id; without an approval do nothing and say so in the value.

    Raises:
        ApprovalRefused: the approval is of another plan, or tables have been changed since it was made.
        CheckFailed: the audit found something, or could not look at something. Nothing was changed.
        TryLater: readers or writers held the tables for longer than the limit. Nothing was changed.
        StepFailed: the server refused a step.
    """
    wanted = approve.strip()
    with side.connect() as database:
        begun = _begun(database, plan.live, wanted) if wanted else None
        if begun is not None:
            plan, state = begun  # an earlier run of this approval: finish it, whatever the audit says by now
        else:
            if not is_approved(plan, approve, why="The load, the live tables or the parameters have changed since"):
                return PublishDone(plan=plan)
            _require(audit)
            _as_planned(database, plan)
            state = State(database, plan.state)
            if state.get("undone") is not None:  # the same load was published before and taken back
                database.execute(f"DROP DATABASE {quoted(state.schema)}")
        phases = Phases(on_step=on_step, plan=plan.id, target=plan.live)
        return _run(database, plan, state, phases=phases, by=approved_by)


def _begun(database: Database, live: str, wanted: str) -> tuple[PublishPlan, State] | None:
    for state in states_of(database, live):
        plan = state.get_as(PublishPlan, "plan")
        if plan is not None and plan.id == wanted and state.get("undone") is None:
            return plan, state
    return None


def _require(audit: LoadAudit) -> None:
    if found := audit.holding:
        said = " ".join(f"{check.subject}: {check.sentence}" for check in found)
        raise CheckFailed(
            f"The load is held. {said} Nothing was changed.",
            hint=" ".join(dict.fromkeys(check.hint for check in found if check.hint)),
            subjects=[check.subject for check in found],
        )


def _as_planned(database: Database, plan: PublishPlan) -> None:
    facts = read_server(database, name=plan.place, schemas=[plan.live, plan.next])
    tables = tuple(sorted(name.name for name in facts.tables if name.schema == plan.next))
    counts = _counts(database, plan.next, [name for name in tables if name in plan.rows])
    made = fingerprint(facts, plan.live, plan.next, plan.tables)
    if (tables, counts, made) != (plan.tables, dict(plan.rows), plan.fingerprint):
        raise ApprovalRefused(
            f"`{plan.next}` or `{plan.live}` has changed since the plan was made.",
            hint="The load may still be running. Look at it again, and read the new plan.",
            plan_id=plan.id,
        )


def _counts(database: Database, schema: str, tables: Sequence[str]) -> dict[str, int]:
    """Return the exact rows of tables, many in one statement."""
    found: dict[str, int] = {}
    for start in range(0, len(tables), _AT_ONCE):
        some = tables[start : start + _AT_ONCE]
        arms = [f"SELECT {place}, COUNT(*) FROM {quoted(schema, name)}" for place, name in enumerate(some)]  # noqa: S608
        found |= {some[int(place)]: int(count) for place, count in database.rows(" UNION ALL ".join(arms))}
    return found


def _run(database: Database, plan: PublishPlan, state: State, *, phases: Phases, by: str) -> PublishDone:
    began = utc_now()
    if state.get("done") is None:
        announce("publish", plan=plan.id, live=plan.live, statements=list(plan.statements))
        with phases.step("prepare"):
            state.make()
            _require_definers(database, plan, state)
            for name, value in (("live", plan.live), ("at", plan.at.isoformat()), ("was", plan.was), ("plan", plan)):
                state.put(name, value)
            database.execute(create_schema(plan.was, *plan.schema))
            shut(database, {plan.was}, plan.shut)
        with phases.step("exchange the tables"):
            if not is_done(database, plan.swap):
                mend(database, plan.swap.off)
                do_swap(database, plan.swap, state)
            mend(database, plan.swap.on)
            make_ties(database, plan.ties)
        state.put("done", {"rows": dict(plan.rows), "digests": dict(plan.digests), "by": by})
        announce("published", plan=plan.id, live=plan.live, at=plan.at.isoformat(), rows=dict(plan.rows))
    dropped, problems = [], []
    for old in plan.drops:
        with phases.step(f"drop {old.schema}"):
            try:
                _drop(database, old.schema, old.tables)
                State(database, old.state).put("dropped", utc_now().isoformat())
                dropped.append(old.schema)
            except RunbookError as error:
                problems.append(f"{old.schema} was not dropped: {error.message}")
    return PublishDone(
        plan=plan,
        approved_id=plan.id,
        approved_by=by,
        phases=tuple(phases.done),
        dropped=tuple(dropped),
        problems=tuple(problems),
        began=began,
    )


def _require_definers(database: Database, plan: PublishPlan, state: State) -> None:
    if refused := refused_definers(database, plan.triggers, table=state.facts):
        database.execute(f"DROP DATABASE {quoted(state.schema)}")
        raise CheckFailed(
            f"The account may not make triggers for {', '.join(refused)}. Nothing was changed.",
            hint="Grant it SET_USER_ID (8.2 and later SET_ANY_DEFINER and, for a definer that has it, SYSTEM_USER; "
            "MariaDB SET USER), or give the triggers another definer.",
        )


def _drop(database: Database, schema: str, tables: tuple[str, ...]) -> None:
    """Drop a generation if it still holds no other table than planned."""
    rows = database.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (schema,))
    found = {str(name) for (name,) in rows}
    if strange := found - set(tables):
        raise CheckFailed(f"`{schema}` holds {', '.join(sorted(strange)[:3])}, which no load made.")
    database.execute("SET SESSION foreign_key_checks = 0")
    try:
        for table in sorted(found):
            database.execute(f"DROP TABLE IF EXISTS {quoted(schema, table)}")
        database.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")
    finally:
        database.execute("SET SESSION foreign_key_checks = DEFAULT")


def verify_publish(side: Side, done: PublishDone) -> tuple[str, ...] | None:
    """Look at the server again and name what is not as planned; None when nothing was applied.

    Rows that an application has written since are no fault: tables, triggers and foreign keys are looked at.
    """
    if not done.done:
        return None
    plan = done.plan
    with side.connect() as database:
        rows = database.rows(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema IN (%s, %s, %s)",
            (plan.live, plan.next, plan.was),
        )
        found = {(str(schema), str(name)) for schema, name in rows}
        wanted = [(plan.live, name) for name in (*plan.tables, *plan.staying)]
        wanted += [(plan.was, name) for name in plan.replaced]
        wrong = [f"{schema}.{name} is not there" for schema, name in wanted if (schema, name) not in found]
        wrong += [f"{plan.next}.{name} is still there" for name in plan.tables if (plan.next, name) in found]
        triggers = existing(database, plan.triggers)
        wrong += [f"{trigger.title} is not there" for trigger in plan.triggers if trigger.id not in triggers]
        for tie in plan.ties:
            if parent_of(database, tie) != tie.parent:
                wrong.append(f"the foreign key {tie.name} of {tie.table} does not point at {tie.parent}")
    return (*wrong, *done.problems)
