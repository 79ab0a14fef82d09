"""Waiting for AWS: for hours if need be, never for a dead end; trouble that passes is waited out."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from runbook_lib.aws import AwsSession
from runbook_lib.errors import CredentialsRefused, StepFailed, TimedOut, TryLater, Unreachable
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
DOUBT_VARIABLE = "RUNBOOK_STATUS_DOUBT_SECONDS"
"""For rehearsals, whose changes are seen sooner."""
_DOUBT_S = 30.0  # how long Terraform's provider waits after ModifyDBCluster before it looks at the status


def doubting(read_status: Callable[[], str], clock: Clock) -> Callable[[], str]:
    """Read a status right after a change: for half a minute `available` is still the one of before.

    It is believed as soon as another status has been seen.
    """
    began, limit = clock.now(), float(os.environ.get(DOUBT_VARIABLE) or _DOUBT_S)
    seen: set[str] = set()

    def read() -> str:
        status = read_status()
        if status != "available":
            seen.add(status)
        elif not seen and clock.now() - began < limit:
            return "available, as before the change"
        return status

    return read


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Where the seconds come from, and how one is waited for."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def wait_until(
    read_status: Callable[[], str],
    *,
    what: str,
    dead_ends: dict[str, str],
    deadline: timedelta,
    ready: str = "available",
    clock: Clock | None = None,
) -> None:
    """Ask for the status until it is `ready`, ever more rarely, with a log line at each change and heartbeat.

    A throttled or unanswered question is not an answer: it is asked again.

    Raises:
        StepFailed: a status that never becomes ready.
        TimedOut: the deadline has passed; what was begun goes on at AWS and is adopted by the next run.
    """
    clock = clock or Clock()
    began, shown_at, shown = clock.now(), float("-inf"), ""
    while True:
        elapsed = clock.now() - began
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
        clock.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret


log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE_S = 5.0
# Capacity does not come back while one waits for seconds; the reader has to choose another class or zone.
_NO_USE_WAITING = ("Capacity",)
_STATE_PASSES_S = 30 * 60.0  # a change of a cluster takes minutes; a state that lasts longer does not pass by itself


class Patience:
    """Repeats steps that met passing trouble. A step must be safe to repeat: look first, then act."""

    def __init__(
        self,
        session: AwsSession,
        *,
        deadline: timedelta,
        clock: Clock | None = None,
    ) -> None:
        self._session = session
        self._deadline = deadline
        self._clock = clock or Clock()
        self._began = self._clock.now()

    def do(self, step: Callable[[], T], *, what: str) -> T:
        """Do a step until it succeeds or meets trouble that waiting does not mend.

        An expired sign-in is asked for anew: AWS goes on meanwhile, so the run waits instead of being lost.

        Raises:
            StepFailed: the sign-in has expired and comes from variables that nobody can renew for a running process.
            TimedOut: the deadline has passed.
        """
        began = self._clock.now()
        while True:
            try:
                return step()
            except CredentialsRefused as error:
                self._sign_in_again(error, what)
            except TryLater as error:
                code = str(error.facts.get("code", ""))
                waited = self._clock.now() - began
                if any(word in code for word in _NO_USE_WAITING) or ("State" in code and waited > _STATE_PASSES_S):
                    raise
                self._pause(what, error.message)
            except Unreachable as error:
                self._pause(what, error.message)

    def wait(
        self, read_status: Callable[[], str], *, what: str, dead_ends: dict[str, str], after_change: bool = False
    ) -> None:
        """Wait until something is available; `after_change` when it has just been asked to change.

        Raises as `wait_until`.
        """
        asked = doubting(read_status, self._clock) if after_change else read_status
        wait_until(
            lambda: self.do(asked, what=what),
            what=what,
            dead_ends=dead_ends,
            deadline=self._left(),
            clock=self._clock,
        )

    def _left(self) -> timedelta:
        return max(timedelta(seconds=1), self._deadline - timedelta(seconds=self._clock.now() - self._began))

    def _sign_in_again(self, error: CredentialsRefused, what: str) -> None:
        if not self._session.renew():
            raise StepFailed(
                f"{error.message} They come from this process's environment, so this run cannot renew them.",
                hint="AWS goes on. Sign in, and run again with the same parameters and approval: what was made is "
                "found and taken up.",
            ) from error
        self._pause(what, "the AWS sign-in has expired; sign in again in another terminal, this run waits for it")

    def _pause(self, what: str, why: str) -> None:
        if self._clock.now() - self._began > self._deadline.total_seconds():
            raise TimedOut(
                f"{what}: still no success after {duration_text(self._deadline)}: {why}",
                hint="Run again with the same parameters and approval to go on.",
            )
        log.warning("%s: %s; trying again", what, why)
        self._clock.sleep(_PAUSE_S)
