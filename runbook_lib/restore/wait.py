"""Waiting for AWS, patiently: for hours if need be, never for a dead end."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta

from runbook_lib.errors import StepFailed, TimedOut, TryLater, Unreachable
from runbook_lib.times import duration_text

log = logging.getLogger(__name__)

# botocore's own waiters give up after 30 minutes and know few of these; AWS says that a restore can take hours.
CLUSTER_DEAD_ENDS = {
    "migration-failed": "Look at the cluster's events for the reason.",
    "cloning-failed": "Look at the cluster's events for the reason, and start again.",
    "inaccessible-encryption-credentials": "Give RDS the use of the KMS key again; then restore anew.",
    "inaccessible-encryption-credentials-recoverable": "Give RDS the use of the KMS key again within seven days.",
    "incompatible-restore": "Look at the cluster's events; choose another second or a snapshot.",
    "incompatible-parameters": "Compare the parameter group's family with the engine version.",
    "failed": "Look at the cluster's events for the reason.",
    "deleting": "Somebody is deleting the cluster; find out who, and start again.",
    "stopped": "Start the cluster, then run again.",
}
INSTANCE_DEAD_ENDS = {
    "failed": "Look at the instance's events for the reason.",
    "restore-error": "Look at the instance's events for the reason.",
    "incompatible-network": "Check the subnet group: free addresses, zones, DNS of the VPC.",
    "incompatible-option-group": "Check the option group.",
    "incompatible-parameters": "Compare the parameter group's family with the engine version.",
    "incompatible-restore": "Look at the instance's events for the reason.",
    "insufficient-capacity": "Choose another availability zone or instance class.",
    "inaccessible-encryption-credentials": "Give RDS the use of the KMS key again.",
    "storage-full": "Look at the instance's events for the reason.",
    "deleting": "Somebody is deleting the instance; find out who, and start again.",
}

_SHORTEST_S, _LONGEST_S = 0.2, 30.0
_HEARTBEAT_S = 15.0


def wait_until(
    read_status: Callable[[], str],
    *,
    what: str,
    dead_ends: dict[str, str],
    deadline: timedelta,
    ready: str = "available",
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Ask for the status until it is `ready`, ever more rarely, with a log line at each change and heartbeat.

    A throttled or unanswered question is not an answer: it is asked again.

    Raises:
        StepFailed: a status that never becomes ready.
        TimedOut: the deadline has passed; what was begun goes on at AWS and is adopted by the next run.
    """
    began, shown_at, shown = clock(), float("-inf"), ""
    while True:
        elapsed = clock() - began
        try:
            status = read_status()
        except (TryLater, Unreachable) as trouble:
            log.warning("%s: no answer (%s); asking again", what, trouble.message)
            status = shown or "unknown"
        if status != shown or elapsed - shown_at >= _HEARTBEAT_S:
            log.info("%s: %s (%s)", what, status, duration_text(timedelta(seconds=round(elapsed))))
            shown, shown_at = status, elapsed
        if status == ready:
            return
        if status in dead_ends:
            raise StepFailed(f"{what} ended as {status}.", hint=dead_ends[status], status=status)
        if elapsed > deadline.total_seconds():
            raise TimedOut(
                f"{what} was still {status} after {duration_text(deadline)}.",
                hint="AWS goes on; run again with the same parameters and approval to go on waiting.",
                status=status,
            )
        pause = min(max(elapsed / 10, _SHORTEST_S), _LONGEST_S)
        sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret
