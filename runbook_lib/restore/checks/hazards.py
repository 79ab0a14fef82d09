"""What may go wrong although the restore goes right: password, certificates, the copy's events, jobs that run again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.checks import Check, ok, unknown, warn
from runbook_lib.clusters import Cluster
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.looking import Seen, look
from runbook_lib.mysql import Authorities, authorities, is_identified
from runbook_lib.restore.plan import RestorePlan
from runbook_lib.timeline.aws_facts import LIST_JOBS

CLUSTER_PARAMETERS = declare("rds", "DescribeDBClusterParameters", items="Parameters")
TRIGGERS = declare("glue", "GetTriggers", items="Triggers")

_BY_ITSELF = ("SCHEDULED", "EVENT", "CONDITIONAL")  # the fourth type, ON_DEMAND, fires only when somebody asks


def check_password(plan: RestorePlan, source: Cluster) -> Check:
    """Tell with which password the copy will open. The restored one is that of the moment (aws/aws-cdk#21730)."""
    subject, user = "master password", source.raw.get("MasterUsername", "")
    if any(call.request.get("ManageMasterUserPassword") for call in plan.calls):
        return ok(
            subject,
            f"The copy gets a managed password of its own for {user}, in a new secret: the source's does not open it.",
        )
    return warn(
        subject,
        f"The source's password is not managed by RDS: the copy opens with the password of {user} at that second.",
        "If it was changed since, set a new one on the copy afterwards (ModifyDBCluster, MasterUserPassword).",
    )


def check_certificates(source: Cluster, *, region: str, now: datetime) -> Check:
    """Tell by which certificates the databases will be identified, and of which date these are."""
    subject = "certificates"
    if source.endpoint.host and not is_identified(source.endpoint):
        return ok(subject, "The databases are on this machine; no certificate is asked for.")
    try:
        return judge_certificates(authorities(), region=region, now=now)
    except InputRefused as error:
        return warn(subject, f"The databases cannot be opened: {error.message}", error.hint)


def judge_certificates(held: Authorities, *, region: str, now: datetime) -> Check:
    """Decide from the authorities in use. The shipped ones are for the regions they are named by."""
    subject, whose = "certificates", "that ship with this version" if held.is_shipped else f"in {held.path}"
    said = f"the {held.count} authorities {whose}, the newest of {held.newest:%Y-%m-%d}"
    hint = f"Download AWS's bundle for {region} and name it by RUNBOOK_MYSQL_CA; without it no database can be opened."
    if held.is_shipped and region not in held.regions:
        return warn(subject, f"Of {region} there is none among {said}.", hint)
    if held.ends <= now:
        return warn(subject, f"One of {said} ended on {held.ends:%Y-%m-%d}.", hint)
    return ok(subject, f"The databases are identified by {said}; the first to end does so on {held.ends:%Y-%m-%d}.")


def check_events(session: AwsSession, plan: RestorePlan, source: Cluster) -> Check:
    """Tell whether the copy will run the source's scheduled events on its own."""
    group = str(source.raw.get("DBClusterParameterGroup") or "")
    found = look(
        lambda: (
            parameter
            for parameter in CLUSTER_PARAMETERS.pages(session, DBClusterParameterGroupName=group)
            if parameter.get("ParameterName") == "event_scheduler"
        )
    )
    return judge_events(found, group=group, target=plan.target)


def judge_events(found: Seen[dict[str, Any]], *, group: str, target: str) -> Check:
    """Decide from the parameter `event_scheduler` of the cluster's group. MySQL 8.0's own default is ON."""
    subject = "event scheduler"
    if found.why_not:
        return unknown(subject, f"Whether the copy runs events {found.why_not}")
    value = str(found[0].get("ParameterValue", "")) if found else ""
    if value.upper() in ("ON", "1"):
        return warn(
            subject,
            f"It is ON in {group}: {target} will run the source's events on its own data as soon as it is there.",
            "Give the copy a parameter group with event_scheduler OFF, or on the copy: "
            "`SELECT event_schema, event_name FROM information_schema.events`, then ALTER EVENT … DISABLE each.",
        )
    if not value:
        return Check(
            subject=subject,
            state="unknown",
            sentence=f"{group} does not set it: the engine's default holds, which is ON in MySQL 8.0.",
            hint="`SELECT @@event_scheduler` on the source tells; information_schema.events lists what would run.",
        )
    return ok(subject, f"It is {value} in {group}.")


def check_jobs(session: AwsSession, jobs: Sequence[str]) -> Check:
    """Tell whether the jobs that may have done the damage will run again by themselves."""
    subject = "scheduled jobs"
    if not jobs:
        return warn(subject, "No job was named in `glue_jobs`.", "Make sure by hand that the damage is not done again.")
    missing: list[str] = []
    triggers = look(lambda: _triggers(session, jobs, missing))
    absent = look(lambda: sorted({*missing} - {str(name) for name in LIST_JOBS.pages(session)})) if missing else Seen()
    return judge_jobs(jobs, triggers, region=session.region, absent=absent)


def _triggers(session: AwsSession, jobs: Sequence[str], missing: list[str]) -> Iterator[dict[str, Any]]:
    for job in jobs:
        try:
            found = [*TRIGGERS.pages(session, DependentJobName=job)]
        except NotFound:
            found = []
        if not found:
            missing.append(job)  # no trigger starts that job, or there is no such job: Glue does not say which
        yield from found


def judge_jobs(
    jobs: Sequence[str], triggers: Seen[dict[str, Any]], *, region: str, absent: Seen[str] | None = None
) -> Check:
    """Decide from the triggers that start these jobs. What starts a job from outside Glue is not seen.

    `absent` are those of the jobs that Glue does not have, or why that could not be looked at.
    """
    subject, absent = "scheduled jobs", Seen() if absent is None else absent
    if why_not := triggers.why_not or absent.why_not:
        return unknown(subject, f"Whether {', '.join(jobs)} will run again {why_not}")
    active = {
        trigger["Name"]: trigger.get("Schedule") or str(trigger.get("Type", "")).lower()
        for trigger in triggers
        if trigger.get("State") in ("ACTIVATED", "ACTIVATING") and trigger.get("Type") in _BY_ITSELF
    }
    if active:
        listed = ", ".join(f"{name} ({when})" for name, when in active.items())
        commands = "; ".join(f"`aws glue stop-trigger --region {region} --name {name}`" for name in active)
        return warn(subject, f"{', '.join(jobs)} will run again: active is {listed}.", f"Stop it first: {commands}.")
    if absent:
        return Check(
            subject=subject,
            state="unknown",
            sentence=f"There is no Glue job {', '.join(absent)} in this account and {region}, so nobody looked at it.",
            hint="Correct `glue_jobs`; if the job is elsewhere, stop it there before it runs again.",
        )
    note = "Schedulers outside Glue (Airflow, EventBridge, Step Functions) are not seen from here."
    return ok(subject, f"No active Glue trigger starts {', '.join(jobs)}. {note}")
