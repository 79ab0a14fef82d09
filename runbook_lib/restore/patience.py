"""Patience with AWS while a restore is under way: trouble that passes is waited out, up to the run's deadline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from runbook_lib.aws import AwsSession
from runbook_lib.errors import CredentialsRefused, StepFailed, TimedOut, TryLater, Unreachable
from runbook_lib.restore.wait import wait_until
from runbook_lib.times import duration_text

log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE_S = 5.0
# Capacity does not come back while one waits for seconds; the reader has to choose another class or zone.
_NO_USE_WAITING = ("Capacity",)


class Patience:
    """Repeats steps that met passing trouble. A step must be safe to repeat: look first, then act."""

    def __init__(
        self,
        session: AwsSession,
        *,
        deadline: timedelta,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._deadline = deadline
        self._sleep = sleep
        self._clock = clock
        self._began = clock()

    def do(self, step: Callable[[], T], *, what: str) -> T:
        """Do a step until it succeeds or meets trouble that waiting does not mend.

        An expired sign-in is asked for anew: AWS goes on meanwhile, so the run waits instead of being lost.

        Raises:
            StepFailed: the sign-in has expired and comes from variables that nobody can renew for a running process.
            TimedOut: the deadline has passed.
        """
        while True:
            try:
                return step()
            except CredentialsRefused as error:
                self._sign_in_again(error, what)
            except TryLater as error:
                if any(word in str(error.facts.get("code", "")) for word in _NO_USE_WAITING):
                    raise
                self._pause(what, error.message)
            except Unreachable as error:
                self._pause(what, error.message)

    def wait(self, read_status: Callable[[], str], *, what: str, dead_ends: dict[str, str]) -> None:
        """Wait until something is available. Raises as `wait_until`."""
        wait_until(
            lambda: self.do(read_status, what=what),
            what=what,
            dead_ends=dead_ends,
            deadline=self._left(),
            sleep=self._sleep,
            clock=self._clock,
        )

    def _left(self) -> timedelta:
        return max(timedelta(seconds=1), self._deadline - timedelta(seconds=self._clock() - self._began))

    def _sign_in_again(self, error: CredentialsRefused, what: str) -> None:
        if not self._session.renew():
            raise StepFailed(
                f"{error.message} They come from this process's environment, so they cannot be renewed here.",
                hint="AWS goes on. Sign in, and run again with the same parameters and approval: what was made is "
                "found and taken up.",
            ) from error
        self._pause(what, "the AWS sign-in has expired; sign in again in another terminal, this run waits for it")

    def _pause(self, what: str, why: str) -> None:
        if self._clock() - self._began > self._deadline.total_seconds():
            raise TimedOut(
                f"{what}: still no success after {duration_text(self._deadline)}: {why}",
                hint="Run again with the same parameters and approval to go on.",
            )
        log.warning("%s: %s; trying again", what, why)
        self._sleep(_PAUSE_S)
