"""Whether an approval is of this plan, and whether the plan is still of this source."""

from __future__ import annotations

from runbook_lib.bringback.copy.codec import revived
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.planning import fingerprint
from runbook_lib.bringback.copy.reading import read_server
from runbook_lib.bringback.copy.state import find_states
from runbook_lib.errors import ApprovalRefused
from runbook_lib.mysql import Database


def approved_plan(source: Database, plan: CopyBackPlan, wanted: str) -> CopyBackPlan:
    """Return the plan that is approved: this one, or the one an earlier run began under the same id."""
    for state in find_states(source):
        if (stored := state.get("plan")) is not None:
            kept: CopyBackPlan = revived(CopyBackPlan, stored)
            if kept.id == wanted:
                return kept
    if wanted != plan.id:
        raise ApprovalRefused(
            f'The approval "{wanted}" is not the id of this plan, which is {plan.id}.',
            hint="The choices or the source have changed since it was approved; read the plan above and approve it "
            f'with approve="{plan.id}".',
            plan_id=plan.id,
        )
    return plan


def require_as_planned(source: Database, plan: CopyBackPlan) -> None:
    """Stop a plan whose tables, triggers or other objects at the source are made otherwise now.

    Raises:
        ApprovalRefused: they are.
    """
    names = [table.name for table in plan.tables]
    others = [one.now for one in plan.replaced]
    schemas = {name.schema for name in names} | {one.schema for one in others}
    now = read_server(source, name=plan.source, schemas=schemas)
    if fingerprint(names, now, others) != plan.fingerprint:
        raise ApprovalRefused(
            "The source's tables, triggers or other objects have been changed since the plan was made.",
            hint="Prove and plan again, and read the new plan.",
            plan_id=plan.id,
        )
