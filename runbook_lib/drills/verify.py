"""Look again after a drill: the copy is gone, and the source is set as it was."""

from __future__ import annotations

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import describe_cluster
from runbook_lib.drills.apply import Drilled
from runbook_lib.errors import NotFound
from runbook_lib.restore.copies.leftovers import read_region
from runbook_lib.restore.plan import fingerprint


def verify_drill(session: AwsSession, drilled: Drilled) -> tuple[str, ...] | None:
    """Read the region again and name what is not as planned; None when no drill was held."""
    if not drilled.done:
        return None
    plan = drilled.plan
    present = {cluster.identifier for cluster in read_region(session).clusters}
    gone = (plan.restore.target, *drilled.removed)
    wrong = [f"the copy {name} is still there" for name in gone if name in present]
    try:
        if fingerprint(describe_cluster(session, plan.source.identifier).raw) != plan.restore.fingerprint:
            wrong.append(f"the settings of {plan.source.identifier} are not what they were before")
    except NotFound:
        wrong.append(f"{plan.source.identifier} is not there")
    return (*wrong, *drilled.trouble)
