"""Whatever happens on the way, a restore is finished or stopped with a sentence: nothing doubled, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import restore
from runbook_lib.aws import AwsSession, connect
from runbook_lib.clusters import DESCRIBE_CLUSTERS, describe_cluster, find_cluster
from runbook_lib.errors import ApprovalRefused, InputRefused, StepFailed, TryLater
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.rehearsal.source import CLUSTER, make_source
from runbook_lib.restore import Applied, RestorePlan
from runbook_lib.restore.wait import Clock
from runbook_lib.times import iso, parse_timestamp, utc_now
from tests.applying import plan_of
from tests.matrix import thorough

ROOT = Path(__file__).parents[1]
MUTATING_CALLS_OF_A_CUTOVER = 5  # restore, settings, writer, reader, password


@pytest.fixture
def aws() -> Iterator[ControlPlane]:
    """Return a stand-in of AWS without servers, whose cluster has been restorable for a week."""
    with ControlPlane(None, pace=brisk()) as plane, plane.in_environment():
        make_source(connect(), identifier=CLUSTER)
        plane.history.cluster_created(CLUSTER, at=utc_now() - timedelta(days=30))
        yield plane


@pytest.fixture
def moment() -> str:
    return iso(utc_now() - timedelta(hours=3))


def steady(session: AwsSession) -> dict[str, Any]:
    raw = dict(find_cluster(session, CLUSTER).raw)
    return {**raw, "EarliestRestorableTime": None, "LatestRestorableTime": None}


def made(session: AwsSession) -> list[str]:
    found = DESCRIBE_CLUSTERS.pages(session)
    return sorted(
        name
        for entry in found
        if entry["DBClusterIdentifier"] != CLUSTER
        for name in (
            entry["DBClusterIdentifier"],
            *(member["DBInstanceIdentifier"] for member in entry["DBClusterMembers"]),
        )
    )


def run(aws: ControlPlane, moment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.applying", moment, "cutover"],
        cwd=ROOT,
        env={**os.environ, **aws.environment()},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "killed_after",
    [after if after == 3 else thorough(after) for after in range(1, MUTATING_CALLS_OF_A_CUTOVER + 1)],
)
def test_killed_after_any_change_the_next_run_makes_the_same_one_copy(
    aws: ControlPlane, moment: str, killed_after: int
) -> None:
    session, before = connect(), steady(connect())
    plan = plan_of(session, moment, "cutover")
    victim: list[subprocess.Popen[str]] = []
    started = threading.Event()
    seen: list[object] = []

    def kill(request: object) -> None:
        seen.append(request)
        if len(seen) == killed_after:
            started.wait(30)
            os.kill(victim[0].pid, signal.SIGKILL)

    aws.faults.after = kill
    victim.append(run(aws, moment))
    started.set()
    victim[0].communicate(timeout=60)
    assert victim[0].returncode == -signal.SIGKILL
    aws.faults.clear()
    applied = restore.apply(session, plan_of(session, moment, "cutover"), approve=plan.id)
    assert sorted(applied.changed) == made(session) == [plan.target, f"{plan.target}-1", f"{plan.target}-2"]
    copy = describe_cluster(session, plan.target)
    assert copy.status == "available"
    assert copy.secret_arn
    assert copy.raw["PreferredMaintenanceWindow"] == before["PreferredMaintenanceWindow"]
    assert len(aws.requests.of("RestoreDBClusterToPointInTime")) == 1
    assert len(aws.requests.of("CreateDBInstance")) == 2 + 2, "the source's two and the copy's two"
    assert steady(session) == before


@pytest.mark.thorough
def test_a_second_engineer_beside_the_first_makes_no_second_copy(aws: ControlPlane, moment: str) -> None:
    session, before = connect(), steady(connect())
    plan = plan_of(session, moment, "cutover")
    done: list[Applied] = []

    def engineer() -> None:
        own = connect()
        done.append(restore.apply(own, plan_of(own, moment, "cutover"), approve=plan.id))

    both = [threading.Thread(target=engineer) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(120)
    assert len(done) == 2
    assert done[0].changed == done[1].changed
    assert made(session) == sorted(done[0].changed)
    assert steady(session) == before


def apply(session: AwsSession, plan: RestorePlan) -> Applied:
    return restore.apply(session, plan, approve=plan.id)


@pytest.mark.release
@pytest.mark.thorough
def test_thirty_percent_throttled_is_only_slower(aws: ControlPlane, moment: str) -> None:
    session, before = connect(), steady(connect())
    plan = plan_of(session, moment, "copy")
    aws.faults.throttle_share(0.3)
    applied = apply(session, plan)
    aws.faults.clear()
    assert made(session) == sorted(applied.changed)
    assert steady(session) == before


@pytest.mark.parametrize(
    ("operation", "sent"),
    [
        ("RestoreDBClusterToPointInTime", 0.5),
        ("CreateDBInstance", 0.5),
        thorough("ModifyDBCluster", 0.5),
        thorough("RestoreDBClusterToPointInTime", 0.0),
        thorough("CreateDBInstance", 0.0),
        thorough("ModifyDBCluster", 0.0),
    ],
)
def test_an_answer_cut_off_makes_nothing_twice(
    aws: ControlPlane, moment: str, operation: str, sent: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should look again before it repeats a change whose answer was lost: AWS may have done it."""
    monkeypatch.setattr("runbook_lib.restore.wait._PAUSE_S", 0.05)
    session = connect()
    plan = plan_of(session, moment, "copy")
    aws.faults.cut(operation, sent=sent)
    applied = apply(session, plan)
    assert made(session) == sorted(applied.changed) == [plan.target, f"{plan.target}-1"]


@pytest.mark.thorough
def test_a_burst_of_internal_failures_is_waited_out(
    aws: ControlPlane, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook_lib.restore.wait._PAUSE_S", 0.05)
    session = connect(attempts=2)
    plan = plan_of(session, moment, "copy")
    aws.faults.fail(times=7)
    assert sorted(apply(session, plan).changed) == made(session)


def test_a_dead_end_stops_and_says_what_to_do(aws: ControlPlane, moment: str) -> None:
    session, before = connect(), steady(connect())
    aws.faults.next_cluster_ends("incompatible-restore")
    with pytest.raises(StepFailed, match="incompatible-restore") as stopped:
        apply(session, plan_of(session, moment, "copy"))
    assert stopped.value.exit_code == 5
    assert "another second or a snapshot" in stopped.value.hint
    assert steady(session) == before


@pytest.mark.thorough
def test_a_zone_without_room_stops_and_names_the_ways_out(aws: ControlPlane, moment: str) -> None:
    session = connect()
    plan = plan_of(session, moment, "cutover")
    aws.faults.refuse_capacity("")
    with pytest.raises(TryLater) as stopped:
        apply(session, plan)
    assert "zone or instance class" in stopped.value.hint
    aws.faults.clear()
    assert sorted(apply(session, plan).changed) == made(session), "the next run goes on with the cluster that is there"


def sign_in(file: Path, key: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = x\n")


@pytest.mark.thorough
def test_an_expired_sign_in_is_waited_for_and_taken_up(
    aws: ControlPlane, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    sign_in(file, "AKIAFIRSTSIGNIN00000")
    session = connect()
    plan = plan_of(session, moment, "copy")
    aws.faults.after = lambda request: aws.faults.expired_keys.add("AKIAFIRSTSIGNIN00000")
    pauses: list[float] = []

    def sign_in_again(seconds: float) -> None:
        pauses.append(seconds)
        sign_in(file, "AKIASECONDSIGNIN0000")

    monkeypatch.setattr("runbook_lib.restore.wait.Clock", lambda: Clock(sleep=sign_in_again))
    applied = apply(session, plan)
    assert pauses
    assert made(connect()) == sorted(applied.changed)


def test_a_sign_in_that_cannot_be_renewed_stops_with_what_to_do(aws: ControlPlane, moment: str) -> None:
    session = connect()
    plan = plan_of(session, moment, "copy")
    key = aws.environment()["AWS_ACCESS_KEY_ID"]
    aws.faults.after = lambda request: aws.faults.expired_keys.add(key)
    with pytest.raises(StepFailed) as stopped:
        apply(session, plan)
    assert "run again with the same parameters and approval" in stopped.value.hint
    aws.faults.clear()
    assert sorted(apply(session, plan).changed) == made(session)


def test_a_source_changed_since_the_approval_makes_the_plan_stale(aws: ControlPlane, moment: str) -> None:
    session = connect()
    old = plan_of(session, moment, "cutover")
    session.client("rds").modify_db_cluster(DBClusterIdentifier=CLUSTER, BackupRetentionPeriod=8, ApplyImmediately=True)
    new = plan_of(session, moment, "cutover")
    mark = len(aws.requests.mutating)
    with pytest.raises(ApprovalRefused):
        restore.apply(session, new, approve=old.id)
    assert len(aws.requests.mutating) == mark


def test_applied_again_whole_it_tells_the_same(aws: ControlPlane, moment: str) -> None:
    session = connect()
    plan = plan_of(session, moment, "copy")
    first, again = apply(session, plan), apply(session, plan)
    assert first.changed == again.changed
    assert json.dumps(again.adopted) == json.dumps(first.changed)


@pytest.mark.thorough
def test_a_deleted_cluster_is_restored_from_its_retained_backup(aws: ControlPlane) -> None:
    gone = aws.history.retained_backup(
        "gone-db", since=utc_now() - timedelta(days=9), last=utc_now() - timedelta(days=2)
    )
    session = connect()
    asked = parse_timestamp("3 days ago", now=utc_now())
    choices = restore.Choices(restore_from=gone, instance_class="db.r6g.large")
    plan = restore.propose(session, None, asked=asked, now=utc_now(), choices=choices)
    assert plan.calls[0].request["SourceDbClusterResourceId"] == gone
    assert "keeps no groups" in plan.note
    checks = restore.check_restore(session, plan, None, identity=session.identity(), now=utc_now())
    restore.require_checks(checks, plan, approve=plan.id)
    assert "window" not in {check.subject for check in checks}
    assert sorted(apply(session, plan).changed) == made(session)


@pytest.mark.thorough
def test_a_snapshot_from_before_the_window_passes_the_checks(aws: ControlPlane) -> None:
    session = connect()
    name = aws.history.manual_snapshot(CLUSTER, "before-the-window", at=utc_now() - timedelta(days=20))
    asked = parse_timestamp("latest", now=utc_now())
    plan = restore.propose(
        session, find_cluster(session), asked=asked, now=utc_now(), choices=restore.Choices(restore_from=name)
    )
    checks = restore.check_restore(session, plan, find_cluster(session), identity=session.identity(), now=utc_now())
    restore.require_checks(checks, plan, approve=plan.id)
    assert sorted(apply(session, plan).changed) == made(session)


def test_an_origin_that_is_not_there_or_lacks_a_class_is_refused(aws: ControlPlane) -> None:
    gone = aws.history.retained_backup(
        "gone-db", since=utc_now() - timedelta(days=9), last=utc_now() - timedelta(days=2)
    )
    asked = parse_timestamp("3 days ago", now=utc_now())
    for choices, says, hint in (
        ({"restore_from": "no-such"}, "no snapshot", ""),
        ({"restore_from": "cluster-NONE"}, "no retained backup", ""),
        ({}, "No cluster", ""),
        ({"restore_from": gone}, "which class", "instance_class"),
    ):
        with pytest.raises(InputRefused, match=says) as refused:
            restore.propose(connect(), None, asked=asked, now=utc_now(), choices=restore.Choices(**choices))
        assert hint in refused.value.hint
