"""Apply an approved drop: checked again, recorded first, under locks, and verified by looking again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from runbook_lib.approval import approval_of, is_approved
from runbook_lib.errors import ApprovalRefused, CheckFailed, StepFailed
from runbook_lib.events import announce
from runbook_lib.given import Given
from runbook_lib.mysql import Database, quoted
from runbook_lib.schemas.audit import Audit, audit_again
from runbook_lib.schemas.drop.plan import DropPlan, propose_drop
from runbook_lib.times import TimeWindow

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """What came of a plan. Without an approval nothing was done (`approved_id` empty)."""

    plan: DropPlan | None
    approved_id: str = ""
    changed: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Tell whether the plan was applied."""
        return bool(self.approved_id)


@dataclass(frozen=True, kw_only=True)
class DropVerification:
    """What the server holds afterwards: is the schema gone, and is everything else as it was before."""

    gone: bool
    others_changed: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Tell whether exactly the planned thing happened."""
        return self.gone and not self.others_changed


def apply_drop(
    database: Database, audit: Audit, plan: DropPlan | None, *, approve: str | Given, window: TimeWindow | None
) -> Dropped:
    """Drop what the plan names if `approve` is its id and every proof still holds; otherwise do nothing.

    Tables are locked, probed once more under the lock and dropped there, so nobody can put a row in between; the
    schema itself goes only when nothing else has appeared in it. What others read in the seconds between the audit and
    this call cannot be told from the audit's own reading.

    Raises:
        ApprovalRefused: the approval is of another plan, or what it was made for has changed.
        CheckFailed: a proof does not hold.
        StepFailed: rows or objects appeared at the last moment; nothing more was dropped.
    """
    if not approval_of(plan, approve):
        return Dropped(plan=plan)
    if plan is None:
        raise ApprovalRefused("There is an approval, but no schema is chosen.", hint="Set `drop`, or empty `approve`.")
    is_approved(plan, approve, why=f"What would be dropped with `{plan.schema}` may have changed since then")
    if plan.refused:
        raise CheckFailed(plan.refused, hint="Nothing was changed. Prove what is missing, then plan again.")
    fresh = propose_drop(database, audit_again(database, audit), drop=plan.schema, cluster=plan.server, window=window)
    assert fresh is not None
    if fresh.refused:
        raise CheckFailed(fresh.refused, hint="Nothing was changed; this has come about since the plan was shown.")
    if fresh.id != plan.id:
        raise ApprovalRefused(
            f"`{plan.schema}` has changed since the plan was shown.", hint=f"Read the new plan, {fresh.id}, first."
        )
    announce("schema-definitions", schema=plan.schema, plan=plan.id, definitions=list(plan.ddl))
    announce("schema-drop", schema=plan.schema, plan=plan.id, tables=len(plan.tables), way_back=plan.way_back)
    _drop(database, plan)
    changed = (*(f"table {plan.schema}.{table}" for table in plan.tables), f"schema {plan.schema}")
    return Dropped(plan=plan, approved_id=plan.id, changed=changed)


def _drop(database: Database, plan: DropPlan) -> None:
    if plan.tables:
        database.execute("SET SESSION lock_wait_timeout = 30")  # a long transaction would make everybody wait behind us
        try:
            database.execute(plan.statements[0])
            if not plan.filled:
                _still_empty(database, plan)
            database.execute(
                "SET SESSION foreign_key_checks = 0"
            )  # only among these tables: nothing else refers to them
            database.execute(plan.statements[1])
        finally:
            database.execute("UNLOCK TABLES")
            database.execute("SET SESSION foreign_key_checks = DEFAULT")
    appeared = sorted(
        str(name)
        for (name,) in database.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type <> 'VIEW'",
            (plan.schema,),
        )
    )
    if appeared:
        raise StepFailed(
            f"{', '.join(appeared)} appeared in `{plan.schema}` while it was being dropped; the schema was left.",
            hint="Somebody uses it: find out who, and plan again.",
        )
    database.execute(f"DROP DATABASE {quoted(plan.schema)}")


def _still_empty(database: Database, plan: DropPlan) -> None:
    for table in plan.tables:
        if database.value(f"SELECT EXISTS (SELECT 1 FROM {quoted(plan.schema, table)})"):  # noqa: S608  # quoted
            raise StepFailed(
                f"`{plan.schema}`.`{table}` has a row now; nothing was dropped.", hint="Somebody writes to it: ask who."
            )


def verify_drop(database: Database, audit: Audit, dropped: Dropped) -> DropVerification | None:
    """Look at the server again: the schema must be gone, and every other table still be there.

    Returns None when nothing was applied. Raises as `survey`.
    """
    if not dropped.done or dropped.plan is None:
        return None
    schema = dropped.plan.schema
    left: dict[str, set[str]] = {}
    for name, table in database.rows("SELECT table_schema, table_name FROM information_schema.tables"):
        left.setdefault(str(name), set()).add(str(table))
    schemas = {str(name) for (name,) in database.rows("SELECT schema_name FROM information_schema.schemata")}
    lost = [
        f"{name}.{table}"
        for name, facts in audit.survey.schemas.items()
        if name != schema
        for table in facts.tables
        if table not in left.get(name, ())
    ]
    lost += [name for name in audit.survey.schemas if name not in schemas | {schema}]
    return DropVerification(gone=schema not in schemas, others_changed=tuple(lost))
