"""Look again after a try: the clone is gone, and production is set as it was."""

from __future__ import annotations

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import describe_cluster
from runbook_lib.errors import NotFound
from runbook_lib.guard.try_load.apply import Tried
from runbook_lib.restore.copies.leftovers import read_region
from runbook_lib.restore.plan import fingerprint


def verify_try(session: AwsSession, tried: Tried) -> tuple[str, ...] | None:
    """Read the region again and name what is not as planned; None when nothing was tried."""
    if not tried.done or tried.plan is None:
        return None
    plan = tried.plan
    world = read_region(session)
    present = {cluster.identifier for cluster in world.clusters}
    wrong = [f"the clone {name} is still there" for name in (plan.clone.target, *tried.removed) if name in present]
    try:
        if fingerprint(describe_cluster(session, plan.source.identifier).raw) != plan.clone.fingerprint:
            wrong.append(f"the settings of {plan.source.identifier} are not what they were before")
    except NotFound:
        wrong.append(f"{plan.source.identifier} is not there")
    return (*wrong, *tried.trouble)
