"""Waiting is patient with trouble and stops at dead ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from runbook_lib.errors import StepFailed, TimedOut, TryLater, Unreachable
from runbook_lib.restore.wait import CLUSTER_DEAD_ENDS, Clock, wait_until


class FakeClock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def wait(read: Callable[[], str], *, hours: float = 6) -> FakeClock:
    clock = FakeClock()
    wait_until(
        read,
        what="cluster copy",
        dead_ends=CLUSTER_DEAD_ENDS,
        deadline=timedelta(hours=hours),
        clock=Clock(now=lambda: clock.now, sleep=clock.sleep),
    )
    return clock


def answers(*statuses: str | Exception) -> Callable[[], str]:
    left: Iterator[str | Exception] = iter(statuses)

    def read() -> str:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return read


def test_it_waits_through_hours_asking_ever_more_rarely() -> None:
    clock = wait(answers(*["creating"] * 300, "available"))
    assert clock.now > 3600
    assert max(clock.pauses) <= 36
    assert clock.pauses[0] < 1


def test_throttling_and_silence_are_not_answers() -> None:
    wait(answers("creating", TryLater("busy"), Unreachable("gone"), "available"))


@pytest.mark.parametrize("status", sorted(CLUSTER_DEAD_ENDS))
def test_a_dead_end_stops_at_once_and_says_what_to_do(status: str) -> None:
    with pytest.raises(StepFailed, match=status) as stopped:
        wait(answers("creating", status))
    assert stopped.value.hint


def test_the_deadline_says_that_aws_goes_on() -> None:
    with pytest.raises(TimedOut) as late:
        wait(lambda: "creating", hours=1)
    assert "run again" in late.value.hint
