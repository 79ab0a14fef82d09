"""What could go wrong with a drill, looked at before: the restore's own checks, the budget, and the objectives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from runbook_lib.aws import AwsSession, Identity
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.drills.plan import DrillPlan
from runbook_lib.restore.checks import check_restore
from runbook_lib.times import duration_text, utc_text


def check_drill(session: AwsSession, plan: DrillPlan, *, identity: Identity, now: datetime) -> tuple[Check, ...]:
    """Make every check of a drill; none changes anything. Raises as `check_restore`."""
    return tuple(_checks(session, plan, identity=identity, now=now))


def _checks(session: AwsSession, plan: DrillPlan, *, identity: Identity, now: datetime) -> Iterator[Check]:
    yield _budget(plan)
    yield _recovery_point(plan)
    yield _earlier_proof(plan)
    for check in check_restore(session, plan.restore, plan.source, identity=identity, now=now):
        if check.subject == "target name":
            yield _name(plan, check)
        elif check.subject != "scheduled jobs":  # the source stays as it is, so its jobs go on
            yield check


def _budget(plan: DrillPlan) -> Check:
    limit, usd, hours = plan.wanted.budget_usd, plan.usd, plan.wanted.hours
    if usd is None:
        return unknown("budget", f"What the copy costs is not known: {plan.cost.note}", "Look at its price yourself.")
    said = f"${usd:.2f} if the copy lives until it expires, after {hours} hours; ${limit:.2f} are allowed"
    return (
        ok("budget", f"{said}.") if usd <= limit else bad("budget", f"{said}.", "Raise `budget_usd` or lower `hours`.")
    )


def _recovery_point(plan: DrillPlan) -> Check:
    if plan.lag is None:
        return unknown("recovery point", "AWS names no restorable window now", "Look again when it is available.")
    said = f"the latest restorable second lies {duration_text(plan.lag)} back"
    limit = timedelta(minutes=plan.wanted.recovery_point_minutes)
    if not limit:
        return ok("recovery point", f"No objective is given; {said}.")
    if plan.lag <= limit:
        return ok("recovery point", f"The objective is {duration_text(limit)}; {said}.")
    return warn(
        "recovery point",
        f"The objective is {duration_text(limit)}, but {said}.",
        "The drill can be held and will fail by this: look at inspect_backups.",
    )


def _earlier_proof(plan: DrillPlan) -> Check:
    if plan.proof is None:
        return warn(
            "earlier proof",
            "No record holds a sealed proof, so the copy is held against the living source and its log alone.",
            "Nothing to do: this drill leaves the first one.",
        )
    return ok("earlier proof", f"Of {utc_text(plan.proof.second)}, sealed in the record {plan.proof.run_id}.")


def _name(plan: DrillPlan, check: Check) -> Check:
    left = [copy for copy in plan.earlier if copy.name == plan.restore.target]
    if not left:
        return check
    if left[0].held:
        return bad("target name", f"{left[0].name} is there: {left[0].held}.", "Look at it in clean_up_restores.")
    return ok("target name", f"{left[0].name} is left of an earlier drill of this second; it goes first.")
