"""One engineer's run in a process of its own, so that a test can kill it: plan, approve, apply, tell what was made."""

from __future__ import annotations

import json
import sys

from runbook_lib import restore
from runbook_lib.aws import connect
from runbook_lib.clusters import find_cluster
from runbook_lib.restore import RestorePlan
from runbook_lib.times import AskedTime, parse_timestamp, utc_now


def plan_of(session: object, moment: str, purpose: str) -> RestorePlan:
    """Plan the restore of the only cluster to a written moment."""
    from runbook_lib.aws import AwsSession

    assert isinstance(session, AwsSession)
    asked: AskedTime = parse_timestamp(moment, now=utc_now())
    choices = restore.Choices(purpose=purpose)
    return restore.propose(session, find_cluster(session), asked=asked, now=utc_now(), choices=choices)


def main(moment: str, purpose: str) -> None:
    """Apply the plan for a moment and write what was changed to stdout."""
    session = connect()
    plan = plan_of(session, moment, purpose)
    applied = restore.apply(session, plan, approve=plan.id, run_id="test", incident="night")
    sys.stdout.write(json.dumps({"changed": applied.changed, "adopted": applied.adopted}))


if __name__ == "__main__":
    main(*sys.argv[1:])
