"""The watch: each defect is named by its check and no other, what is denied is unknown, a healthy week is quiet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runbook_lib.aws.metrics import PUT_METRIC_DATA
from runbook_lib.errors import InputRefused
from runbook_lib.policy.document import Scope, policy_for
from runbook_lib.policy.notebooks import NOTEBOOKS, calls_of
from runbook_lib.records.store import Store
from runbook_lib.times import utc_now
from runbook_lib.watch import Watched
from runbook_lib.watch.alarms import Wanted, alarms
from runbook_lib.watch.declared import ALARM_AT, CHECKS, VALUES, wanted_checks
from runbook_lib.watch.loads import last_due
from runbook_lib.watch.metrics import HEARTBEAT, Beat, cloudwatch, prometheus, states_of
from tests.matrix import thorough
from tests.scale import fill
from tests.test_policy import allow, as_user, run_notebook
from tests.watching import CHOICES, DEFECTS, World, runs, setting, shared, statements, stored, watch_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with watch_world(tmp_path_factory.mktemp("watch")) as made:
        deploy(made, Wanted(region=made.stand.plane.region, cluster="prod"))
        yield made


def deploy(world: World, wanted: Wanted) -> None:
    """Make the alarms in the stand-in, as the templates would."""
    client = world.stand.client("cloudwatch")
    for alarm in alarms(wanted):
        client.put_metric_alarm(
            AlarmName=alarm.name(wanted.scope),
            AlarmDescription=alarm.description,
            Namespace="RecoveryRunbooks",
            MetricName=alarm.metric,
            Dimensions=[{"Name": "Watch", "Value": wanted.scope}],
            Statistic="Maximum",
            Period=wanted.period_s,
            EvaluationPeriods=1,
            ComparisonOperator=alarm.compares,
            Threshold=alarm.threshold,
            TreatMissingData="breaching",
        )


def troubles(seen: Watched) -> dict[str, str]:
    return {finding.declared.name: finding.state for finding in seen.troubles}


def ringing(world: World, seen: Watched | None, *, exit_code: int = 0) -> set[str]:
    """Send the metrics of a run, and return the metrics whose alarm is in ALARM."""
    from moto.cloudwatch.models import cloudwatch_backends

    region = world.stand.plane.region
    cloudwatch_backends[world.stand.plane.account][region].metric_data.clear()
    kept = stored(seen)["watch"] if seen else None
    states = states_of(kept, one_cluster=True, leave_out="", scope="prod")
    beat = Beat(notebook="watch_backups", scope="prod", ended=utc_now(), exit_code=exit_code, seconds=1.0)
    for request in cloudwatch(states, beat):
        PUT_METRIC_DATA(world.session, **request)
    return in_alarm(world)


def in_alarm(world: World) -> set[str]:
    found = world.stand.client("cloudwatch").get_paginator("describe_alarms").paginate()
    return {alarm["MetricName"] for page in found for alarm in page["MetricAlarms"] if alarm["StateValue"] == "ALARM"}


def test_where_all_is_well_nothing_is_found_and_no_alarm_rings(world: World) -> None:
    seen = world.look()
    assert troubles(seen) == {}, seen.troubles
    assert len(seen.findings) == len(CHECKS)
    assert ringing(world, seen) == set()


OFTEN = (
    "the restorable time lags", "the retention was lowered", "no snapshot for 26 hours", "a public snapshot",
    "nothing lies apart", "the last drill failed", "a table is gone", "the load is late", "a copy is past its expiry",
    "the chain is broken",
)  # fmt: skip


@pytest.mark.parametrize("name", [name if name in OFTEN else thorough(name) for name in DEFECTS])
def test_each_defect_is_named_by_its_check_and_no_other_and_its_alarm_rings(world: World, name: str) -> None:
    check, plant = DEFECTS[name]
    with plant(world):
        seen = world.look()
        assert troubles(seen) == {check: "bad"}, [(each.declared.name, each.check.sentence) for each in seen.troubles]
        (found,) = seen.troubles
        assert found.check.hint
        assert found.command.startswith("runbook run ")
        assert ringing(world, seen, exit_code=3) == {found.declared.metric}


def test_after_all_of_them_is_well_again(world: World) -> None:
    """It should be that each defect was taken away again: what was found was that one, and nothing stays red."""
    seen = world.look()
    assert troubles(seen) == {}, seen.troubles
    assert ringing(world, seen) == set()


# ---- three answers ---------------------------------------------------------------------------------------------------

DENIED = {
    "rds:DescribeDBClusterSnapshots": {"snapshot-missing", "snapshots-shared"},
    "rds:DescribeDBClusterSnapshotAttributes": {"snapshots-shared"},
    "kms:ListAliases": {"encryption"},
    "rds:DescribeDBInstances": {"certificate"},
    "rds:DescribeCertificates": {"certificate"},
    "rds:DescribeDBEngineVersions": {"engine-support"},
    "rds:DescribeDBMajorEngineVersions": {"engine-support"},
    "rds:DescribeAccountAttributes": {"quota"},
    "glue:GetJobRuns": {"load"},
    "secretsmanager:GetSecretValue": {"binary-log", "contract", "tables-lost", "loader-account"},
}
ALL_OF_A_CLUSTER = {declared.name for declared in CHECKS if declared.level == "cluster"}


@pytest.mark.parametrize("action", [*DENIED][:2] + [thorough(action) for action in [*DENIED][2:]])
def test_what_is_denied_is_unknown_and_never_ok(world: World, action: str) -> None:
    with denied(world, action):
        seen = world.look()
    assert troubles(seen) == dict.fromkeys(DENIED[action], "unknown"), action
    assert all(action in each.check.sentence for each in seen.troubles), [each.check.sentence for each in seen.troubles]
    assert ringing(world, seen) == {each.declared.metric for each in seen.troubles}


@contextmanager
def denied(world: World, *actions: str) -> Iterator[None]:
    world.stand.plane.faults.deny(*actions)
    try:
        yield
    finally:
        world.stand.plane.faults.clear()


def test_what_lies_apart_is_unknown_only_where_nothing_was_found_by_the_other_way(world: World) -> None:
    """It should be ok by a locked vault although copy jobs are denied, and unknown where neither shows any."""
    with denied(world, "backup:ListCopyJobs"):
        assert troubles(world.look()) == {}
    with denied(world, "backup:ListBackupVaults"):
        assert troubles(world.look()) == {"kept-apart": "unknown"}
        world.stand.plane.vault.copied(world.prod.arn, at=utc_now() - timedelta(days=1), account="999988887777")
        assert troubles(world.look()) == {}
        world.stand.plane.vault._copies.clear()


def test_without_its_schedule_the_load_is_judged_by_its_past(world: World) -> None:
    with denied(world, "glue:GetTriggers"):
        assert troubles(world.look()) == {}
        with runs(world, lambda found: found[:1]):  # one run is no past
            assert troubles(world.look()) == {"load": "unknown"}


def test_without_a_list_of_clusters_everything_about_them_is_unknown(world: World) -> None:
    with denied(world, "rds:DescribeDBClusters"):
        seen = world.look(cluster="")
    assert {each.declared.name for each in seen.troubles} >= ALL_OF_A_CLUSTER | {"cluster-gone", "copies-expired"}
    assert {each.state for each in seen.troubles} == {"unknown"}


def test_without_records_what_they_would_tell_is_unknown(world: World) -> None:
    before, world.store = world.store, Store(world.folder / "nowhere")
    try:
        seen = world.look()
    finally:
        world.store = before
    told = {"settings-weakened", "drill", "tables-lost", "cluster-gone", "records-unpublished", "records-chain"}
    assert troubles(seen) == dict.fromkeys(told, "unknown")


def test_the_first_watch_says_that_there_is_nothing_to_compare_with(world: World) -> None:
    before, world.store = world.store, Store(world.folder / "store-drills")
    world.drill(world.store)
    try:
        assert troubles(world.look()) == {"settings-weakened": "warn", "tables-lost": "warn"}
    finally:
        world.store = before


def test_a_database_that_nobody_named_an_account_for_is_unknown_until_it_is_left_out(world: World) -> None:
    assert troubles(world.look(loader="")) == {"loader-account": "unknown"}
    seen = world.look(loader="", leave_out="loader-account, drill")
    assert troubles(seen) == {}
    assert not {"loader-account", "drill"} & {each.declared.name for each in seen.findings}
    with pytest.raises(InputRefused, match="There is no check drills"):
        world.look(leave_out="drills")


def test_a_reader_of_single_schemas_sees_them_whole_and_a_table_it_cannot_see_is_unknown_not_gone(world: World) -> None:
    """It should be well where every known table is seen, and unknown where one may be there behind a missing right."""
    name = "watch/reader"
    world.stand.client("secretsmanager").create_secret(
        Name=name, SecretString=json.dumps({"username": "reader", "password": "reads-7"})
    )
    made = ("CREATE USER reader IDENTIFIED BY 'reads-7'", "GRANT SELECT ON shop.* TO reader")
    with statements(world, *made, "GRANT SELECT ON shop__next.* TO reader", undo=("DROP USER reader",)):
        others = "loader-account, binary-log"  # which need more rights
        seen = world.look(secret=name, leave_out=others)
        assert troubles(seen) == {}, seen.troubles
        table = statements(world, "CREATE TABLE shop__next.t (id INT)", undo=("DROP TABLE shop__next.t",))
        with table, world.other_store("reader") as store:
            world.keep(world.look(secret=name, leave_out=others), store)
            world.run("REVOKE SELECT ON shop__next.* FROM reader")
            seen = world.look(secret=name, leave_out=others)
        assert troubles(seen) == {"tables-lost": "unknown"}, seen.troubles


@pytest.mark.parametrize("promises", ["window seven days", "window 0 days", "backups 7 days"])
def test_a_promise_that_cannot_be_read_is_refused(world: World, promises: str) -> None:
    with pytest.raises(InputRefused, match="is no promise"):
        world.look(promises=promises)


# ---- what is worse than it was ---------------------------------------------------------------------------------------


def test_what_was_lost_stays_red_until_it_is_back_or_accepted(world: World) -> None:
    """It should not be well again an hour later, because the last record holds the damage already."""
    with world.other_store("worse") as store, setting(world.prod, backup_retention_period=8):
        for _ in range(2):
            seen = world.look()
            assert troubles(seen) == {"settings-weakened": "bad"}
            world.keep(seen, store)
        seen = world.look(accept="prod")
        assert troubles(seen) == {"settings-weakened": "warn", "tables-lost": "warn"}
        world.keep(seen, store)
        assert troubles(world.look()) == {}


def test_what_is_only_to_be_minded_rings_nothing(world: World) -> None:
    with setting(world.prod, kms_key_id=None):  # encrypted by a key of AWS's own
        seen = world.look()
    assert troubles(seen) == {"encryption": "warn"}
    assert ringing(world, seen) == set()


def test_aws_default_key_is_known_by_its_alias(world: World) -> None:
    from moto.kms.models import kms_backends

    kms = kms_backends[world.stand.plane.account][world.stand.plane.region]
    key = world.stand.client("kms").create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(key.rpartition("/")[2], "alias/aws/rds")
    with setting(world.prod, kms_key_id=key):
        assert troubles(world.look()) == {"encryption": "warn"}
    kms.delete_alias("alias/aws/rds")


def test_a_snapshot_may_be_shared_with_an_account_that_is_trusted(world: World) -> None:
    with shared(world, "999988887777"):
        assert troubles(world.look(trusted="111122223333, 999988887777")) == {}


def test_the_notebook_runs_with_exactly_its_policy_and_makes_the_calls_that_are_declared_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should read everything under the printed policy, ask for nothing else, and find all well."""
    plane, iam = world.stand.plane, world.stand.client("iam")
    iam.create_user(UserName="engineer")
    allow(iam, policy_for(calls_of(["watch_backups"]), Scope(sources=(world.prod.arn,))))
    session = as_user(plane, iam, monkeypatch)
    key = session.client("rds")._request_signer._credentials.access_key
    monkeypatch.setenv("RUNBOOK_RECORDS", str(world.store.root))
    mark = len(plane.requests)
    ran = run_notebook("watch_backups", cluster="prod", contract=str(world.contract), **CHOICES)
    asked = {str(one) for one in list(plane.requests)[mark:] if one.access_key == key} - {"sts:GetCallerIdentity"}
    uses = NOTEBOOKS["watch_backups"]
    assert asked - {*uses.all} == set()
    assert {*uses.always} - asked == set()
    assert troubles(ran["watched"]) == {}, ran["watched"].troubles
    assert not [request for request in list(plane.requests)[mark:] if request.mutating]


# ---- all of a region -------------------------------------------------------------------------------------------------


def test_all_of_a_region_is_watched_without_their_databases_and_a_cluster_that_goes_is_missed(world: World) -> None:
    rds = world.stand.plane.rds
    fill(world.stand.plane, now=utc_now(), clusters=2, snapshots=10, events=0)
    leave = "settings-weakened, kept-apart, encryption, drill"
    with world.other_store("region") as store:
        seen = world.look(cluster="", leave_out=leave)
        assert {each.about for each in seen.findings} == {"", "prod", "team-0000", "team-0001"}
        assert not {each.declared.level for each in seen.findings} & {"database"}
        world.keep(seen, store)
        gone = rds.clusters.pop("team-0001")
        for _ in range(2):
            seen = world.look(cluster="", leave_out=leave)
            assert [each.declared.name for each in seen.troubles if "team-0001" in each.check.sentence] == [
                "cluster-gone"
            ]
            world.keep(seen, store)
        accepted = world.look(cluster="", leave_out=leave, accept="team-0001")
        assert "cluster-gone" not in troubles(accepted)
    rds.clusters.pop("team-0000")
    for name in ("team-0000-1", "team-0001-1"):
        del rds.databases[name]
    for name in [name for name, kept in rds.cluster_snapshots.items() if "team" in kept.db_cluster_identifier]:
        del rds.cluster_snapshots[name]
    assert gone


# ---- metrics and alarms ----------------------------------------------------------------------------------------------


def test_no_metric_lacks_an_alarm_and_no_alarm_a_metric() -> None:
    for cluster, leave_out in (("prod", ""), ("", ""), ("prod", "drill, load")):
        wanted = Wanted(region="ap-northeast-1", cluster=cluster, leave_out=leave_out)
        states = states_of(None, one_cluster=bool(cluster), leave_out=leave_out, scope=wanted.scope)
        beat = Beat(notebook="w", scope=wanted.scope, ended=utc_now(), exit_code=0, seconds=1)
        (sent,) = cloudwatch(states, beat)
        metrics = [datum["MetricName"] for datum in sent["MetricData"]]
        assert sorted(metrics) == sorted(alarm.metric for alarm in alarms(wanted))
        assert len(set(metrics)) == len(metrics)
        assert {name for line in prometheus(states, beat).splitlines() if "_state{" in (name := line)} != set()
        gauges = {line.split()[2] for line in prometheus(states, beat).splitlines() if line.startswith("# TYPE")}
        assert gauges >= {declared.gauge for declared in wanted_checks(one_cluster=bool(cluster), leave_out=leave_out)}


def test_a_runner_that_was_killed_is_an_alarm_by_the_second_interval(world: World) -> None:
    """It should ring because nothing comes any more, although all was well when it came last."""
    assert ringing(world, world.look()) == set()
    plane = world.stand.plane
    try:
        plane.alarms.ahead = timedelta(minutes=119)
        assert in_alarm(world) == set()
        plane.alarms.ahead = timedelta(minutes=121)
        assert in_alarm(world) == {HEARTBEAT, *(declared.metric for declared in CHECKS)}
    finally:
        plane.alarms.ahead = timedelta(0)


def test_a_run_that_found_nothing_leaves_every_check_unknown(world: World) -> None:
    assert ringing(world, None, exit_code=5) == {declared.metric for declared in CHECKS}
    assert VALUES["warn"] < ALARM_AT <= VALUES["unknown"] < VALUES["bad"]


def test_the_metrics_file_is_what_prometheus_reads(world: World) -> None:
    with statements(world, "DELETE FROM shop.notes", undo=("INSERT INTO shop.notes VALUES (1)",)):
        kept = stored(world.look())["watch"]
    states = states_of(kept, one_cluster=True, leave_out="", scope="prod")
    beat = Beat(
        notebook="watch_backups", scope='a "name"\\', ended=datetime(2026, 1, 1, tzinfo=UTC), exit_code=3, seconds=2
    )
    families = {family.name: family for family in text_string_to_metric_families(prometheus(states, beat))}
    assert len(families) == len(CHECKS) + 3
    (sample,) = families["recovery_watch_tables_lost_state"].samples
    assert (sample.labels, sample.value) == ({"watch": 'a "name"\\', "cluster": "prod"}, 3)
    assert (
        families["recovery_run_end_timestamp_seconds"].samples[0].value == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    )
    assert all(family.documentation for family in families.values())


# ---- schedules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("cron(0 17 * * ? *)", "2026-11-28T17:00:00"),
        ("cron(15 3 * * ? *)", "2026-11-29T03:15:00"),
        ("cron(0/20 * * * ? *)", "2026-11-29T05:20:00"),
        ("cron(0 9 ? * MON-FRI *)", "2026-11-27T09:00:00"),
        ("cron(30 4 ? * 1 *)", "2026-11-29T04:30:00"),
        ("cron(0 0 1,15 * ? *)", "2026-11-15T00:00:00"),
        ("cron(0 6 1 JAN ? *)", "2026-01-01T06:00:00"),
        ("cron(0 6 L * ? *)", ""),
        ("cron(0 6 ? * 2#1 *)", ""),
        ("cron(0 25 * * ? *)", ""),
        ("cron(0 6 * * ?)", ""),
        ("rate(1 hour)", ""),
        ("", ""),
    ],
)
def test_a_schedule_is_read_or_not_understood_never_guessed(schedule: str, due: str) -> None:
    found = last_due(schedule, now=datetime(2026, 11, 29, 5, 27, tzinfo=UTC))
    assert (found.strftime("%Y-%m-%dT%H:%M:%S") if found else "") == due
