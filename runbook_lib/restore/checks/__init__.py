"""Checks that fail in seconds, not after forty minutes: everything a restore meets, looked at before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runbook_lib.aws import AwsSession, Identity
from runbook_lib.checks import Check, State
from runbook_lib.clusters import Cluster
from runbook_lib.restore.checks.caller import check_account, check_permissions, needs_of_plan
from runbook_lib.restore.checks.hazards import check_certificates, check_events, check_jobs, check_password
from runbook_lib.restore.checks.place import check_groups, check_key, check_security_groups, customers_own, key_of
from runbook_lib.restore.checks.room import check_classes, check_quotas, check_version
from runbook_lib.restore.checks.target import check_names, check_window
from runbook_lib.restore.plan import RestorePlan

__all__ = ["Check", "Given", "State", "check_restore"]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the parameters say of a restore's surroundings.

    `account` is the one that is expected, empty for any; `glue_jobs` names jobs, separated by commas; `secret` names a
    database account in Secrets Manager.
    """

    account: str = ""
    glue_jobs: str = ""
    secret: str = ""


def check_restore(
    session: AwsSession,
    plan: RestorePlan,
    source: Cluster | None,
    *,
    identity: Identity,
    now: datetime,
    given: Given | None = None,
) -> tuple[Check, ...]:
    """Make every check of a plan; none changes anything, and none keeps another from being made.

    `source` is None where the cluster is gone; then what its backup tells of it is checked.

    Raises:
        CredentialsRefused: the caller is not known any more; nothing else can be looked at then.
    """
    source, given = source or plan.described_source(), given or Given()
    key = key_of(session, source)
    needs = needs_of_plan(plan, source, key=customers_own(key, source), secret=given.secret, account=identity.account)
    jobs = [name for part in given.glue_jobs.split(",") if (name := part.strip())]
    return (
        check_account(identity, source, account=given.account),
        check_permissions(session, identity, needs, source=source),
        *([check_window(plan, source, now=now)] if plan.is_of_a_living_cluster else []),
        check_names(session, plan),
        check_quotas(session, plan),
        check_groups(session, plan),
        check_security_groups(session, plan),
        check_key(source, key),
        check_version(session, source),
        check_classes(session, plan, source),
        check_password(plan, source),
        check_certificates(source, region=session.region, now=now),
        check_events(session, plan, source),
        check_jobs(session, jobs),
    )
