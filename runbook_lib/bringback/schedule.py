"""Will something run again by itself, and damage what has just been brought back?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_lib.aws import AwsSession
from runbook_lib.checks import ok, unknown, warn
from runbook_lib.looking import Seen, look
from runbook_lib.restore.checks import Check
from runbook_lib.restore.checks.hazards import TRIGGERS

_BY_ITSELF = ("SCHEDULED", "EVENT", "CONDITIONAL")


def check_schedule(session: AwsSession) -> Check:
    """Look at every Glue trigger of the region: any of their jobs may be the one that did the damage."""
    return judge_schedule(look(lambda: TRIGGERS.pages(session)), region=session.region)


def judge_schedule(triggers: Seen[dict[str, Any]], *, region: str) -> Check:
    """Decide from the triggers. What starts a job from outside Glue is not seen here."""
    subject = "scheduled jobs"
    if triggers.why_not:
        return unknown(subject, f"Which jobs will run again {triggers.why_not}")
    active = [
        trigger for trigger in triggers if trigger.get("State") == "ACTIVATED" and trigger.get("Type") in _BY_ITSELF
    ]
    if not active:
        note = "Schedulers outside Glue (Airflow, EventBridge, Step Functions) are not seen from here."
        return ok(subject, f"No Glue trigger of this region is active. {note}")
    listed = ", ".join(
        f"{trigger['Name']} ({trigger.get('Schedule') or 'by event'}) starts {_jobs(trigger)}" for trigger in active
    )
    commands = "; ".join(f"`aws glue stop-trigger --region {region} --name {trigger['Name']}`" for trigger in active)
    return warn(subject, f"Active: {listed}.", f"Stop the one that did the damage: {commands}.")


def _jobs(trigger: Mapping[str, Any]) -> str:
    return ", ".join(str(action.get("JobName", "a crawler")) for action in trigger.get("Actions") or ()) or "nothing"
