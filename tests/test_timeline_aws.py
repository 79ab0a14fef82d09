"""What AWS tells of a time, and what is said where it may not be asked: against the strict stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest

from runbook_lib.aws import AwsSession, connect
from runbook_lib.backups import look_at_backups
from runbook_lib.clusters import Cluster, Instance, find_cluster
from runbook_lib.costs.copies import cost_of_one_copy, cost_of_plan
from runbook_lib.errors import CredentialsRefused
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.timeline import Asked, Timeline, read_timeline
from runbook_lib.timeline.aws_facts import list_runs
from runbook_lib.times import utc_now

NOW = utc_now()
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def control() -> Iterator[ControlPlane]:
    """An account with one cluster and two days of history; nobody can reach its database."""
    with ControlPlane(None, pace=brisk()) as plane, plane.in_environment():
        rds = connect(region=plane.region).client("rds")
        rds.create_db_cluster(
            DBClusterIdentifier="staging-db",
            Engine="aurora-mysql",
            MasterUsername="admin",
            MasterUserPassword="rehearsal-1",
        )
        history = plane.history
        history.cluster_created("staging-db", at=NOW - 100 * HOUR)
        history.glue_run("daily_etl", started=NOW - 3 * HOUR, completed=NOW - 2 * HOUR, state="FAILED", error="boom")
        history.glue_run("daily_etl", started=NOW - 90 * HOUR, completed=NOW - 89 * HOUR)
        history.glue_run("hourly", started=NOW - 5 * HOUR, completed=NOW - 4 * HOUR)
        history.event("staging-db", "Failover completed.", at=NOW - 20 * HOUR)
        history.manual_snapshot("staging-db", "before-release", at=NOW - 10 * HOUR)
        points = [(NOW - step * timedelta(minutes=5), 600.0 * 2**30) for step in range(1, 5)]
        history.datapoints("VolumeBytesUsed", cluster="staging-db", points=points)
        yield plane


@pytest.fixture
def session(control: ControlPlane) -> Iterator[AwsSession]:
    control.faults.clear()
    yield connect(region=control.region, attempts=1)
    control.faults.clear()


@pytest.fixture
def cluster(session: AwsSession) -> Cluster:
    return find_cluster(session, "staging-db")


def read(session: AwsSession, cluster: Cluster, **asked: object) -> Timeline:
    held = look_at_backups(session, cluster)
    return read_timeline(session, cluster, asked=Asked(now=NOW, **{"moment": None, **asked}), snapshots=held.snapshots)


def test_the_runs_of_the_named_jobs_in_that_time_are_told(session: AwsSession, cluster: Cluster) -> None:
    told = read(session, cluster, jobs="daily_etl").runs
    assert [(run.job, run.state, run.error, run.started) for run in told] == [
        ("daily_etl", "FAILED", "boom", NOW - 3 * HOUR)
    ]
    assert [run.job for run in read(session, cluster, jobs=" daily_etl , hourly ").runs] == ["hourly", "daily_etl"]
    assert [run.job for run in read(session, cluster, jobs="").runs] == ["hourly", "daily_etl"]


def test_a_job_that_does_not_exist_is_no_job_that_never_ran(session: AwsSession, cluster: Cluster) -> None:
    source = read(session, cluster, jobs="dayly_etl").source("Glue runs")
    assert not source.was_read
    assert "dayly_etl" in source.why_not or "EntityNotFound" in source.why_not


def test_events_from_before_the_last_hour_are_told(session: AwsSession, cluster: Cluster) -> None:
    """AWS gives the last 60 minutes to whoever names no start."""
    assert "Failover completed." in [event.message for event in read(session, cluster).happenings]


def test_a_time_longer_ago_than_events_are_kept_is_said(session: AwsSession, cluster: Cluster) -> None:
    source = read(session, cluster, moment=NOW - 24 * 20 * HOUR).source("cluster events")
    assert "more than 14 days ago" in source.why_not


def test_a_snapshot_that_was_deleted_is_told_and_of_which_cluster_where_its_name_says_it(
    control: ControlPlane, session: AwsSession, cluster: Cluster
) -> None:
    """It should be one question for the region's deletions, and show another cluster's daily snapshots to nobody."""
    history, log = control.history, control.rds.event_log
    daily = history.automated_snapshot("staging-db", at=NOW - 90 * HOUR)
    by_hand = history.manual_snapshot("staging-db", "before-the-move", at=NOW - 90 * HOUR)
    before, mark = len(log), len(control.requests)
    for name, message in ((daily, "Deleted automated snapshot"), (by_hand, "Deleted manual snapshot")):
        history.event(name, message, at=NOW - HOUR, kind="db-cluster-snapshot", categories=("deletion",))
    log.append({**log[-2], "SourceIdentifier": f"rds:another-staging-db-{NOW:%Y-%m-%d-%H-%M}"})
    told = read(session, cluster)
    deleted = {event.source: event.message for event in told.happenings if event.source_type == "db-cluster-snapshot"}
    assert deleted == {
        daily: "Deleted automated snapshot",
        by_hand: "Deleted manual snapshot (AWS does not tell of which cluster it was)",
    }
    assert told.source("deleted snapshots").found == "2"
    asked = [request for request in list(control.requests)[mark:] if request.operation == "DescribeEvents"]
    assert len(asked) == 2  # the cluster's and the deletions; it has no instance
    log += [{**log[-2], "SourceIdentifier": f"old-{number}", "Date": NOW} for number in range(200)]
    partly = read(session, cluster).source("deleted snapshots")
    assert partly.was_read
    assert "were not read" in partly.left_out
    del log[before:]


def test_runs_are_read_as_far_back_as_one_may_still_be_under_way(control: ControlPlane, session: AwsSession) -> None:
    """Glue lists the newest first and ends every run after seven days at the latest."""
    for days in range(10, 500):
        control.history.glue_run("yearly", started=NOW - timedelta(days=days), completed=NOW - timedelta(days=days - 2))
    mark = len(control.requests)
    found = list_runs(session, ["yearly"], since=NOW - timedelta(days=14), until=NOW - timedelta(days=12))
    assert [(NOW - run.started).days for run in found] == [16, 15, 14, 13, 12]
    assert len(list(control.requests)[mark:]) == 1


def test_figures_and_snapshots_are_told_with_the_volume_in_gib(session: AwsSession, cluster: Cluster) -> None:
    told = read(session, cluster)
    assert [(one.metric, {value for _, value in one.points}) for one in told.series] == [("VolumeBytesUsed", {600.0})]
    assert [at for at, _ in told.snapshots] == [NOW - 10 * HOUR]


def test_what_a_copy_costs_is_one_answer_on_the_board_in_the_plan_and_where_it_cannot_be_known(
    session: AwsSession, cluster: Cluster, control: ControlPlane
) -> None:
    at = NOW + timedelta(days=1)
    writer = Instance(
        identifier="staging-db-1",
        instance_class="db.r6g.large",
        status="available",
        zone="a",
        is_writer=True,
        promotion_tier=0,
        raw={},
    )
    plan = SimpleNamespace(source="staging-db", moment=at, instance_classes=("db.r6g.large",), is_io_optimized=False)
    board = cost_of_one_copy(session, cluster, [writer], at=at, now=NOW)
    planned = cost_of_plan(session, plan, now=NOW)
    assert board == planned
    assert board.usd_a_day is not None
    assert planned.text.startswith(f"${board.usd_a_day:,.2f} a day: one db.r6g.large and 600 GiB")
    control.faults.deny("cloudwatch:GetMetricData")
    denied = cost_of_plan(session, plan, now=NOW)
    assert denied.usd_a_day is None
    assert "a day and its storage" in denied.text
    assert "size is not known (" in denied.text


def test_without_a_database_the_timeline_goes_on_and_says_so(session: AwsSession, cluster: Cluster) -> None:
    told = read(session, cluster)
    assert len(told.runs) == 2
    for name in ("table creation times", "binary log"):
        assert "no database account" in told.source(name).why_not
        assert "REPLICATION SLAVE" in told.source("binary log").needs


@pytest.mark.parametrize(
    ("action", "source"),
    [
        ("glue:GetJobRuns", "Glue runs"),
        ("rds:DescribeEvents", "cluster events"),
        ("cloudwatch:GetMetricData", "CloudWatch"),
        ("rds:DescribeDBClusterSnapshots", "snapshots"),
    ],
)
def test_a_denied_source_names_its_permission_and_the_others_are_read(
    control: ControlPlane, session: AwsSession, cluster: Cluster, action: str, source: str
) -> None:
    control.faults.deny(action)
    told = read(session, cluster, jobs="daily_etl")
    assert told.source(source).why_not == f"could not be looked at: permission {action}"
    unread = [one.name for one in told.sources if not one.was_read and "database" not in one.why_not]
    assert unread == [source, *(["deleted snapshots"] if source == "cluster events" else [])]


def test_what_aws_backup_keeps_is_listed_or_its_permission_named(
    control: ControlPlane, session: AwsSession, cluster: Cluster
) -> None:
    control.vault.put(cluster.arn, at=NOW - 30 * HOUR)
    control.vault.put(cluster.arn, at=NOW - 90 * HOUR, status="AVAILABLE", continuous=True)
    seen = look_at_backups(session, cluster).recovery_points
    assert [(one.created, one.is_continuous, one.is_usable) for one in seen] == [
        (NOW - 90 * HOUR, True, True),
        (NOW - 30 * HOUR, False, True),
    ]
    control.faults.deny("backup:ListRecoveryPointsByResource")
    refused = look_at_backups(session, cluster).recovery_points
    assert (len(refused), refused.why_not) == (
        0,
        "could not be looked at: permission backup:ListRecoveryPointsByResource",
    )


def test_an_expired_sign_in_ends_the_reading(control: ControlPlane, session: AwsSession, cluster: Cluster) -> None:
    control.faults.expire_after(0)
    with pytest.raises(CredentialsRefused):
        read(session, cluster)
