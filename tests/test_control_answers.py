"""Events, pages, custom endpoints, backtrack and what there is to choose from, as AWS answers; and dated history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.control_support import (
    Stand,
    add_instance,
    cluster,
    gone,
    plain_cluster,
    refused,
    settle,
    stand_in,
)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with stand_in() as running:
        plain_cluster(running.rds, "prod", BacktrackWindow=86_400)
        add_instance(running.rds, "prod-1", of="prod")
        yield running


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def messages(stand: Stand, **asked: Any) -> list[str]:
    return [event["Message"] for event in stand.rds.describe_events(**asked)["Events"]]


def test_without_data_an_endpoint_is_a_name_as_aws_gives_it(stand: Stand) -> None:
    found = cluster(stand.rds, "prod")
    assert found["Endpoint"].startswith("prod.cluster-")
    assert found["Endpoint"].endswith(".ap-northeast-1.rds.amazonaws.com")
    assert found["ReaderEndpoint"].startswith("prod.cluster-ro-")
    assert found["Port"] == 3306


def test_events_are_those_of_the_last_hour_unless_asked_and_of_14_days_at_most(stand: Stand) -> None:
    """FACTS 1.15; API reference, DescribeEvents, Duration: "Default: 60"."""
    source = {"SourceIdentifier": "prod", "SourceType": "db-cluster"}
    stand.plane.history.event("prod", "an hour and a half ago", at=now() - timedelta(minutes=90))
    stand.plane.history.event("prod", "thirteen days ago", at=now() - timedelta(days=13))
    stand.plane.history.event("prod", "fifteen days ago", at=now() - timedelta(days=15))
    assert messages(stand, **source) == ["DB cluster created."]
    assert messages(stand, Duration=120, **source) == ["an hour and a half ago", "DB cluster created."]
    fortnight = messages(stand, StartTime=now() - timedelta(days=14), **source)
    assert fortnight == ["thirteen days ago", "an hour and a half ago", "DB cluster created."]
    with refused("InvalidParameterValue", "14 days"):
        messages(stand, StartTime=now() - timedelta(days=15), **source)


def test_a_source_name_needs_its_kind_and_events_are_filtered(stand: Stand) -> None:
    """API reference, DescribeEvents, SourceIdentifier."""
    with refused("InvalidParameterCombination"):
        messages(stand, SourceIdentifier="prod")
    with refused("InvalidParameterValue"):
        messages(stand, SourceType="db-nothing")
    assert messages(stand, SourceIdentifier="prod-1", SourceType="db-instance") == ["DB instance created."]
    assert "DB instance created." not in messages(stand, SourceType="db-cluster")
    stand.plane.history.event(
        "prod-1", "failed over", at=now() - timedelta(minutes=5), kind="db-instance", categories=["failover"]
    )
    assert messages(stand, EventCategories=["failover"]) == ["failed over"]


def test_lists_come_in_pages_of_20_to_100(stand: Stand) -> None:
    """API reference, MaxRecords: "Minimum 20, maximum 100". moto has no pages (FACTS §5)."""
    days = [now() - timedelta(days=6, hours=hour) for hour in range(45)]
    names = sorted(stand.plane.history.automated_snapshot("prod", at=day) for day in days)
    first = stand.rds.describe_db_cluster_snapshots(DBClusterIdentifier="prod", MaxRecords=20)
    assert len(first["DBClusterSnapshots"]) == 20
    assert first["Marker"]
    walked = stand.rds.get_paginator("describe_db_cluster_snapshots").paginate(
        DBClusterIdentifier="prod", PaginationConfig={"PageSize": 20}
    )
    assert [one["DBClusterSnapshotIdentifier"] for page in walked for one in page["DBClusterSnapshots"]] == names
    events = stand.rds.get_paginator("describe_events").paginate(
        SourceType="db-cluster-snapshot", Duration=14 * 24 * 60, PaginationConfig={"PageSize": 50}
    )
    assert sum(len(page["Events"]) for page in events) == 2 * len(names)
    for describe in ("describe_db_clusters", "describe_db_instances", "describe_db_cluster_automated_backups"):
        with refused("InvalidParameterValue", "MaxRecords"):
            getattr(stand.rds, describe)(MaxRecords=19)
    with refused("InvalidParameterValue", "Marker"):
        stand.rds.describe_db_clusters(Marker="made up")


def test_custom_endpoints_are_made_listed_and_removed(stand: Stand) -> None:
    """API reference, CreateDBClusterEndpoint; moto has none (FACTS §5)."""
    rds = stand.rds
    asked = {"DBClusterIdentifier": "prod", "DBClusterEndpointIdentifier": "reports", "EndpointType": "READER"}
    with refused("DBInstanceNotFound"):
        rds.create_db_cluster_endpoint(StaticMembers=["nobody"], **asked)
    made = rds.create_db_cluster_endpoint(StaticMembers=["prod-1"], **asked)
    assert made["EndpointType"] == "CUSTOM"
    with refused("DBClusterEndpointAlreadyExistsFault"):
        rds.create_db_cluster_endpoint(**asked)
    listed = rds.describe_db_cluster_endpoints(DBClusterIdentifier="prod")["DBClusterEndpoints"]
    assert [one["EndpointType"] for one in listed] == ["WRITER", "READER", "CUSTOM"]
    assert cluster(rds, "prod")["CustomEndpoints"] == [made["Endpoint"]]
    rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier="reports")
    with refused("DBClusterEndpointNotFoundFault"):
        rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier="reports")


def test_backtrack_goes_back_where_it_was_enabled_and_only_so_far(stand: Stand) -> None:
    """FACTS 1.14; API reference, BacktrackDBCluster."""
    rds = stand.rds
    stand.plane.history.cluster_created("prod", at=now() - timedelta(days=30))
    earliest = cluster(rds, "prod")["EarliestBacktrackTime"]
    assert abs(earliest - (now() - timedelta(hours=24))) < timedelta(minutes=1)
    with refused("InvalidParameterValue", "earliest backtrack time"):
        rds.backtrack_db_cluster(DBClusterIdentifier="prod", BacktrackTo=now() - timedelta(hours=30))
    with refused("InvalidParameterValue", "future"):
        rds.backtrack_db_cluster(DBClusterIdentifier="prod", BacktrackTo=now() + timedelta(hours=1))
    logged = {"ParameterName": "binlog_format", "ParameterValue": "ROW", "ApplyMethod": "pending-reboot"}
    group = cluster(rds, "prod")["DBClusterParameterGroup"]
    rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName=group, Parameters=[logged])
    with refused("InvalidParameterCombination", "Force"):  # API reference: needed "when binary logging is enabled"
        rds.backtrack_db_cluster(DBClusterIdentifier="prod", BacktrackTo=now() - timedelta(hours=1))
    with stand.plane.held():
        begun = rds.backtrack_db_cluster(DBClusterIdentifier="prod", BacktrackTo=now() - timedelta(hours=1), Force=True)
        assert begun["Status"] == "applying"
        assert cluster(rds, "prod")["Status"] == "backtracking"
    settle(rds, "prod")
    listed = rds.describe_db_cluster_backtracks(DBClusterIdentifier="prod")["DBClusterBacktracks"]
    assert [one["Status"] for one in listed] == ["completed"]
    plain_cluster(rds, "straight")
    with refused("InvalidDBClusterStateFault", "not enabled"):
        rds.backtrack_db_cluster(DBClusterIdentifier="straight", BacktrackTo=now())
    with refused("InvalidParameterValue", "259200"):
        plain_cluster(rds, "too-far", BacktrackWindow=259_201)


def test_there_are_versions_classes_quotas_and_certificates_to_choose_from(stand: Stand) -> None:
    rds = stand.rds
    versions = rds.describe_db_engine_versions(Engine="aurora-mysql")["DBEngineVersions"]
    (default,) = rds.describe_db_engine_versions(Engine="aurora-mysql", DefaultOnly=True)["DBEngineVersions"]
    assert default["EngineVersion"] in {one["EngineVersion"] for one in versions}
    assert default["DBParameterGroupFamily"] == "aurora-mysql8.0"
    options = rds.describe_orderable_db_instance_options(Engine="aurora-mysql", DBInstanceClass="db.r6g.large")
    zones = {zone["Name"] for one in options["OrderableDBInstanceOptions"] for zone in one["AvailabilityZones"]}
    assert zones == {"ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"}
    quotas = {one["AccountQuotaName"]: one for one in rds.describe_account_attributes()["AccountQuotas"]}
    assert quotas["DBClusters"]["Used"] >= 1
    assert quotas["DBClusters"]["Max"] == 40
    assert rds.describe_certificates()["Certificates"]


def test_a_retained_backup_can_be_entered_and_restored(stand: Stand) -> None:
    """FACTS 1.12; a window shrinks with the retention."""
    last = now() - timedelta(days=1)
    resource_id = stand.plane.history.retained_backup("buried", since=now() - timedelta(days=10), last=last)
    gone(stand.rds, "buried")
    (backup,) = stand.rds.describe_db_cluster_automated_backups(DbClusterResourceId=resource_id)[
        "DBClusterAutomatedBackups"
    ]
    assert backup["Status"] == "retained"
    assert backup["RestoreWindow"]["EarliestTime"] > now() - timedelta(days=7, minutes=6)
    assert backup["RestoreWindow"]["LatestTime"] == last
    stand.rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="risen",
        SourceDbClusterResourceId=resource_id,
        RestoreToTime=now() - timedelta(days=2),
    )
    settle(stand.rds, "risen")


def test_a_manual_snapshot_can_be_dated(stand: Stand) -> None:
    at = now() - timedelta(days=40)
    stand.plane.history.manual_snapshot("prod", "before-the-move", at=at, tags={"keep": "yes"})
    (found,) = stand.rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="before-the-move")[
        "DBClusterSnapshots"
    ]
    assert (found["SnapshotCreateTime"], found["SnapshotType"]) == (at, "manual")
    assert found["TagList"] == [{"Key": "keep", "Value": "yes"}]


def test_glue_runs_have_their_own_dates_and_states_newest_first(stand: Stand) -> None:
    """FACTS 1.15. moto's runs begin now and succeed by being looked at."""
    history, glue = stand.plane.history, stand.client("glue")
    yesterday, today = now() - timedelta(days=1), now() - timedelta(hours=2)
    history.glue_run("daily_etl", started=yesterday, completed=yesterday + timedelta(minutes=12))
    history.glue_run(
        "daily_etl", started=today, completed=today + timedelta(minutes=3), state="FAILED", error="KeyError: 'rooms'"
    )
    history.glue_run("daily_etl", started=now(), state="RUNNING")
    runs = glue.get_job_runs(JobName="daily_etl")["JobRuns"]
    assert [run["JobRunState"] for run in runs] == ["RUNNING", "FAILED", "SUCCEEDED"]
    assert (runs[1]["StartedOn"], runs[1]["CompletedOn"]) == (today, today + timedelta(minutes=3))
    assert runs[1]["ErrorMessage"] == "KeyError: 'rooms'"
    assert "CompletedOn" not in runs[0]
    assert glue.get_job_run(JobName="daily_etl", RunId=runs[2]["Id"])["JobRun"]["JobRunState"] == "SUCCEEDED"
    assert glue.get_jobs()["Jobs"][0]["Name"] == "daily_etl"


def test_metrics_and_costs_are_what_was_entered(stand: Stand) -> None:
    """FACTS §2 and §5."""
    day = now().replace(hour=0, minute=0, second=0) - timedelta(days=3)
    stand.plane.history.datapoints("SnapshotStorageUsed", cluster="prod", points=[(day, 100.0), (day, 50.0)])
    points = stand.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/RDS",
        MetricName="SnapshotStorageUsed",
        Dimensions=[{"Name": "DBClusterIdentifier", "Value": "prod"}],
        StartTime=day,
        EndTime=day + timedelta(days=1),
        Period=86_400,
        Statistics=["Sum"],
    )["Datapoints"]
    assert [point["Sum"] for point in points] == [150.0]
    result = {
        "TimePeriod": {"Start": "2026-10-01", "End": "2026-10-02"},
        "Total": {"UsageQuantity": {"Amount": "1.5", "Unit": "GB-Month"}},
        "Groups": [],
        "Estimated": False,
    }
    stand.plane.history.costs({"ResultsByTime": [result], "DimensionValueAttributes": []})
    answer = stand.client("ce").get_cost_and_usage(
        TimePeriod={"Start": "2026-10-01", "End": "2026-11-01"}, Granularity="DAILY", Metrics=["UsageQuantity"]
    )
    assert answer["ResultsByTime"] == [result]


def test_prices_are_those_shipped_and_a_filter_without_match_gives_nothing(stand: Stand) -> None:
    """FACTS §2: the price list's items are JSON strings."""
    pricing = stand.client("pricing")
    region = {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "ap-northeast-1"}
    usage = {"Type": "TERM_MATCH", "Field": "usagetype", "Value": "APN1-Aurora:BackupUsage"}
    found = pricing.get_products(ServiceCode="AmazonRDS", Filters=[region, usage])["PriceList"]
    assert found
    assert all(isinstance(one, str) for one in found)
    nowhere = {**region, "Value": "nowhere"}
    assert pricing.get_products(ServiceCode="AmazonRDS", Filters=[nowhere])["PriceList"] == []
