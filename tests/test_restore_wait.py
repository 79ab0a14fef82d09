"""Waiting is patient with trouble and stops at dead ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from runbook_lib.aws import AwsSession, connect
from runbook_lib.clusters import find_cluster
from runbook_lib.errors import StepFailed, TimedOut, TryLater, Unreachable
from runbook_lib.rehearsal.control import brisk
from runbook_lib.restore import apply, propose
from runbook_lib.restore import wait as waiting
from runbook_lib.restore.wait import CLUSTER_DEAD_ENDS, Clock, Patience, doubting, wait_until
from runbook_lib.times import AskedTime, utc_now
from tests.control_support import MemoryData, add_instance, cluster, plain_cluster, refused, settle, stand_in


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


def test_right_after_a_change_available_is_the_status_of_before() -> None:
    """Terraform's provider waits for 30 s after ModifyDBCluster before it believes the status."""
    clock = FakeClock()
    times = Clock(now=lambda: clock.now, sleep=clock.sleep)
    read = doubting(lambda: "available", times)
    for _ in range(40):
        said, at = read(), clock.now
        assert (said == "available") is (at >= 30), at
        clock.sleep(1)
    seen = doubting(answers("available", "modifying", "available"), times)
    assert [seen() for _ in range(3)] == ["available, as before the change", "modifying", "available"]


def test_a_state_that_does_not_pass_is_waited_out_for_half_an_hour_only() -> None:
    clock = FakeClock()
    patience = Patience(
        cast("AwsSession", None),
        deadline=timedelta(hours=6),
        clock=Clock(now=lambda: clock.now, sleep=clock.sleep),
    )
    left = [TryLater("changing", code="InvalidDBClusterStateFault")] * 3

    def step() -> str:
        if left:
            raise left.pop()
        return "done"

    assert patience.do(step, what="modify") == "done"

    def never() -> str:
        raise TryLater("stopped", code="InvalidDBClusterStateFault")

    began = clock.now
    with pytest.raises(TryLater):
        patience.do(never, what="restore")
    assert 30 * 60 <= clock.now - began < 31 * 60


def test_a_change_that_is_not_seen_yet_is_waited_for_and_refuses_every_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ModifyDBCluster the status is "available" for some seconds, and other changes are refused meanwhile."""
    pace = replace(brisk(), unseen=timedelta(seconds=1.5))  # time enough for two calls on a busy machine
    with stand_in(data=MemoryData(), pace=pace) as running, running.plane.in_environment():
        monkeypatch.setattr(waiting, "_PAUSE_S", 0.1)
        rds = running.rds
        plain_cluster(rds, "prod", MasterUserPassword=None, ManageMasterUserPassword=True, Port=3307)
        add_instance(rds, "prod-1", of="prod")
        rds.modify_db_cluster(DBClusterIdentifier="prod", PreferredMaintenanceWindow="sun:19:00-sun:19:30")
        assert cluster(rds, "prod")["Status"] == "available"
        for change in (
            lambda: add_instance(rds, "prod-2", of="prod"),
            lambda: rds.modify_db_cluster(DBClusterIdentifier="prod", DeletionProtection=True),
        ):
            with refused("InvalidDBClusterStateFault", "modifying"):
                change()
        settle(rds, "prod")
        session = connect()
        plan = propose(
            session, find_cluster(session, "prod"), asked=AskedTime(text="latest", moment=None), now=utc_now()
        )
        assert len(plan.calls_of("ModifyDBCluster")) == 2  # one before the instances, one after them
        apply(session, plan, approve=plan.id)
        assert find_cluster(session, plan.target).raw["MasterUserSecret"]["SecretStatus"] == "active"
