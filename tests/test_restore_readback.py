"""Read-back: each setting of the source and of the copy side by side, none forgotten, none called same that is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape

from runbook_lib import restore
from runbook_lib.aws import connect
from runbook_lib.clusters import find_cluster
from runbook_lib.display.read_back import read_back_sheet
from runbook_lib.display.restore import restore_result
from runbook_lib.inventory import Inventory, TableName
from runbook_lib.proof import Pair, TableVerdict
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.rehearsal.source import make_source
from runbook_lib.restore import (
    Applied,
    Choices,
    RestorePlan,
    Verification,
    instance_settings,
    plan_restore,
    settings,
)
from runbook_lib.restore.compare import Comparison
from runbook_lib.restore.origins import from_time
from runbook_lib.restore.read_back import (
    CARRIED,
    CARRIED_BY_INSTANCE,
    Compared,
    Described,
    ReadBack,
    compare,
    read_back,
)
from runbook_lib.restore.verify import SOURCE_GONE
from runbook_lib.times import utc_now
from tests.builders import NOW, asked, cluster, described_cluster, instance
from tests.hints import held_to_the_notebooks

_RDS = botocore.session.get_session().get_service_model("rds")
CARRIED_MEMBERS = {member for member, _ in (settings.SENT | settings.AFTER).values()}


def some(shape: Shape, name: str) -> Any:
    """Make a value of a shape that is no default of AWS."""
    kind = shape.type_name
    if kind == "structure":
        return {member: some(part, member) for member, part in shape.members.items()}  # type: ignore[attr-defined]
    if kind == "list":
        return [some(shape.member, name)]  # type: ignore[attr-defined]
    if kind == "map":
        return {}
    plain: dict[str, Any] = {"string": f"some-{name}", "boolean": True, "timestamp": NOW, "double": 2.5}
    return plain.get(kind, 7)


def filled(shape: str, **members: Any) -> dict[str, Any]:
    """Describe something of which every member AWS knows has a value that is no default."""
    every: Mapping[str, Shape] = _RDS.shape_for(shape).members
    return {name: some(part, name) for name, part in every.items()} | members


SOURCE = filled(
    "DBCluster",
    **described_cluster(),
    AutoMinorVersionUpgrade=False,
    LocalWriteForwardingStatus="enabled",
    PreferredMaintenanceWindow="sun:19:00-sun:19:30",
) | {"TagList": [{"Key": "team", "Value": "data"}], "BackupRetentionPeriod": 7}
WRITER = filled("DBInstance", DBInstanceIdentifier="staging-db-1", AutoMinorVersionUpgrade=False)


def plan_of(purpose: str = "cutover") -> RestorePlan:
    moment = asked(NOW.replace(hour=10))
    origin = from_time(cluster(**SOURCE), instances=[instance(1, **WRITER)], asked=moment, now=NOW)
    return plan_restore(origin, choices=Choices(purpose=purpose))


def as_sent(plan: RestorePlan) -> dict[str, Any]:
    """Describe the copy as AWS would if it kept to every call of the plan, and gave defaults for the rest."""
    sent = {name for call in plan.calls if call.operation != "CreateDBInstance" for name in call.request}
    members = {member for name, (member, _) in (settings.SENT | settings.AFTER).items() if name in sent}
    copy = {name: SOURCE[name] for name in (*members, *CARRIED)}
    secret = {**SOURCE["MasterUserSecret"], "SecretArn": "arn:aws:secretsmanager:…:its-own"}
    tags = {"TagList": [{"Key": "team", "Value": "data"}, {"Key": "recovery:plan", "Value": plan.id}]}
    what = {"DBClusterIdentifier": plan.target, "DBClusterArn": "arn:copy", "MasterUserSecret": secret}
    if plan.purpose == "copy":
        copy |= {"DeletionProtection": False, "BackupRetentionPeriod": 1}
    return copy | tags | what


def instance_as_sent(plan: RestorePlan) -> dict[str, Any]:
    (call,) = plan.calls_of("CreateDBInstance")
    members = {member for name, (member, _) in instance_settings.CREATED.items() if name in call.request}
    kept = {name: WRITER[name] for name in (*members, *CARRIED_BY_INSTANCE)}
    return kept | {"DBInstanceIdentifier": call.request["DBInstanceIdentifier"]}


def compared(plan: RestorePlan, *, copy: dict[str, Any], writer: dict[str, Any], **source: Any) -> ReadBack:
    before = cluster(**SOURCE | {"DBClusterMembers": described_cluster()["DBClusterMembers"][1:]})
    return compare(
        plan,
        planned_from=before,
        source=Described(cluster=cluster(**before.raw | source), instances=[instance(1, **WRITER)]),
        copy=Described(
            cluster=cluster(**{name: None for name in described_cluster() if name != "ClusterCreateTime"} | copy),
            instances=[instance(1, **{"DBInstanceClass": None, "Engine": None, "PromotionTier": None} | writer)],
        ),
    )


def only(rows: ReadBack, name: str, what: str = "cluster") -> Compared:
    (row,) = [row for row in rows.rows if row.name == name and row.what == what]
    return row


def test_every_member_of_aws_is_read_back_or_is_no_setting() -> None:
    """It should look at each member of DBCluster and DBInstance in botocore's own list that can differ."""
    plan = plan_of()
    rows = compared(plan, copy=as_sent(plan), writer=instance_as_sent(plan)).rows
    seen = {row.name.partition(".")[0] for row in rows if row.what == "cluster"}
    no_setting = settings.NOT_SETTINGS - set(CARRIED)
    assert set(_RDS.shape_for("DBCluster").members) == (seen - {"tag team"}) | no_setting
    seen = {row.name for row in rows if row.what == f"{plan.target}-1"}
    no_setting = instance_settings.NOT_SETTINGS - set(CARRIED_BY_INSTANCE)
    assert set(_RDS.shape_for("DBInstance").members) == seen | no_setting


def test_of_a_source_without_one_default_everything_is_carried_or_named() -> None:
    plan = plan_of()
    rows = compared(plan, copy=as_sent(plan), writer=instance_as_sent(plan))
    assert rows.of("differs") == ()
    named = {row.name for row in rows.of("as planned")}
    assert named == {*settings.BY_HAND, *instance_settings.BY_HAND, "MasterUserSecret"}
    sent = {name for call in plan.calls for name in call.request}
    assert sent >= {*settings.SENT, *settings.AFTER, *settings.PASSWORD, *instance_settings.CREATED}
    assert {setting.name for setting in plan.settings if setting.how == "by hand"} >= set(settings.BY_HAND)


@pytest.mark.parametrize("member", sorted(CARRIED_MEMBERS | set(CARRIED)))
def test_a_setting_that_did_not_arrive_is_red(member: str) -> None:
    plan = plan_of()
    copy = {name: value for name, value in as_sent(plan).items() if name != member}
    rows = compared(plan, copy=copy, writer=instance_as_sent(plan))
    assert {row.name for row in rows.of("differs")} == {member}


@pytest.mark.parametrize("member", sorted({member for member, _ in instance_settings.CREATED.values()}))
def test_a_setting_that_did_not_arrive_at_the_instance_is_red(member: str) -> None:
    plan = plan_of()
    writer = {name: value for name, value in instance_as_sent(plan).items() if name != member}
    rows = compared(plan, copy=as_sent(plan), writer=writer)
    assert member in {row.name for row in rows.of("differs")}


def test_a_cheap_copy_differs_as_planned_and_says_why() -> None:
    plan = plan_of("copy")
    rows = compared(plan, copy=as_sent(plan), writer=instance_as_sent(plan))
    assert rows.holds
    assert "cheap" in only(rows, "DeletionProtection").why
    assert (only(rows, "BackupRetentionPeriod").source, only(rows, "BackupRetentionPeriod").copy) == ("7", "1")
    assert only(rows, "AvailabilityZone", f"{plan.target}-1").verdict == "as planned"


def test_a_copy_that_is_protected_against_the_plan_is_red() -> None:
    plan = plan_of("copy")
    kept = as_sent(plan) | {"BackupRetentionPeriod": 3}
    assert not compared(plan, copy=kept, writer=instance_as_sent(plan)).holds


@pytest.mark.parametrize(
    ("secret", "why"), [(None, "only one of the two"), (SOURCE["MasterUserSecret"], "both use one secret")]
)
def test_the_password_secret_is_its_own_or_red(secret: Any, why: str) -> None:
    plan = plan_of()
    rows = compared(plan, copy=as_sent(plan) | {"MasterUserSecret": secret}, writer=instance_as_sent(plan))
    assert only(rows, "MasterUserSecret").verdict == "differs"
    assert why in only(rows, "MasterUserSecret").why


def test_a_source_changed_since_is_not_the_restores_fault() -> None:
    plan = plan_of()
    rows = compared(plan, copy=as_sent(plan), writer=instance_as_sent(plan), BackupRetentionPeriod=14)
    assert only(rows, "BackupRetentionPeriod").why == "the source has been changed since the plan"
    assert rows.holds


def test_a_lost_tag_and_an_instance_nobody_planned_are_red() -> None:
    plan = plan_of()
    rows = compared(plan, copy=as_sent(plan) | {"TagList": []}, writer={"DBInstanceIdentifier": "another"})
    assert {row.what for row in rows.of("differs")} == {"cluster", f"{plan.target}-1", "another"}
    assert only(rows, "tag team").verdict == "differs"


@pytest.fixture(scope="module")
def aws() -> Iterator[ControlPlane]:
    with ControlPlane(None, pace=brisk()) as plane, plane.in_environment():
        yield plane


# What the stand-in describes of a cluster and keeps when it is set; the rest is shown with described clusters above.
HELD = {
    "IAMDatabaseAuthenticationEnabled": True,
    "BacktrackWindow": 86_400,
    "StorageType": "aurora-iopt1",
    "EnabledCloudwatchLogsExports": ["audit", "error"],
    "PreferredBackupWindow": "18:00-18:30",
    "PreferredMaintenanceWindow": "sun:19:00-sun:19:30",
    "Port": 3311,
    "DeletionProtection": True,
    "CopyTagsToSnapshot": True,
    "BackupRetentionPeriod": 9,
    "MonitoringInterval": 30,
    "PerformanceInsightsEnabled": True,
    "PerformanceInsightsRetentionPeriod": 31,
    "DatabaseInsightsMode": "advanced",
    "AutoMinorVersionUpgrade": False,
    "NetworkType": "DUAL",
    "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
}
NAMES = {"IAMDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
         "EnabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
         "PerformanceInsightsEnabled": "EnablePerformanceInsights"}  # fmt: skip


@pytest.mark.thorough
def test_through_a_restore_every_setting_arrives_and_a_change_afterwards_is_seen(aws: ControlPlane) -> None:
    make_source(connect(), identifier="plain")
    rds = connect().client("rds")
    plain = find_cluster(connect(), "plain").raw
    rds.create_db_cluster(
        DBClusterIdentifier="unusual",
        Engine="aurora-mysql",
        MasterUsername="admin",
        ManageMasterUserPassword=True,
        DBSubnetGroupName=plain["DBSubnetGroup"],
        VpcSecurityGroupIds=[group["VpcSecurityGroupId"] for group in plain["VpcSecurityGroups"]],
        DBClusterParameterGroupName=plain["DBClusterParameterGroup"],
        StorageEncrypted=True,
        MonitoringRoleArn="arn:aws:iam::123456789012:role/monitoring",
        ServerlessV2ScalingConfiguration={"MinCapacity": 1.0, "MaxCapacity": 8.0},
        Tags=[{"Key": "team", "Value": "data"}],
        **{NAMES.get(name, name): value for name, value in HELD.items()},
    )
    rds.get_waiter("db_cluster_available").wait(DBClusterIdentifier="unusual", WaiterConfig={"Delay": 1})
    rds.create_db_instance(
        DBInstanceIdentifier="unusual-1",
        DBClusterIdentifier="unusual",
        DBInstanceClass="db.r6g.xlarge",
        Engine="aurora-mysql",
        DBParameterGroupName="plain-instance",
        PromotionTier=3,
        AutoMinorVersionUpgrade=False,
        EnablePerformanceInsights=True,
        PerformanceInsightsRetentionPeriod=31,
    )
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="unusual-1", WaiterConfig={"Delay": 1})
    session = connect()
    source = find_cluster(session, "unusual")
    chosen = Choices(purpose="cutover")
    plan = restore.propose(session, source, asked=asked(None), now=utc_now(), choices=chosen)
    applied = restore.apply(session, plan, approve=plan.id)
    rows = read_back(session, applied, source=source)
    assert rows is not None
    assert [row for row in rows.rows if row.verdict == "differs"] == []
    lost = {name for name, value in HELD.items() if source.raw.get(name) != value}
    assert lost == set(), "the stand-in does not hold these: show them above"
    assert {row.name for row in rows.of("same")} >= set(HELD) | {"ServerlessV2ScalingConfiguration", "DBSubnetGroup"}
    rds.modify_db_cluster(DBClusterIdentifier=plan.target, DeletionProtection=False, ApplyImmediately=True)
    again = read_back(session, applied, source=source)
    assert again is not None
    assert [row.name for row in again.of("differs")] == ["DeletionProtection"]


def test_a_red_setting_fails_the_notebook_and_says_what_to_set() -> None:
    plan = plan_of()
    applied = Applied(plan=plan, approved_id=plan.id, began=NOW)
    empty = Inventory(schemas=(), rows={})
    verified = Verification(
        cluster=cluster(), server_version="8.0", copy=empty, proof=None, source_trouble=SOURCE_GONE, finished=NOW
    )
    copy = {name: value for name, value in as_sent(plan).items() if name != "VpcSecurityGroups"}
    fine, red = (compared(plan, copy=described, writer=instance_as_sent(plan)) for described in (as_sent(plan), copy))
    assert restore_result(applied, verified, asked=None, compared=fine).outcome == "succeeded"
    result = restore_result(applied, verified, asked=None, compared=red)
    assert result.outcome == "check-failed"
    assert "VpcSecurityGroups" in result.next[0]
    assert "✘ DIFFERS" in str(read_back_sheet(red))
    assert "✘ DIFFERS" not in str(read_back_sheet(fine))


def test_a_restore_that_is_not_proved_is_no_success_and_a_proved_one_leads_on() -> None:
    plan = plan_of("copy")  # what is kept for good is not cleaned up
    applied = Applied(plan=plan, approved_id=plan.id, began=NOW)
    rooms = TableName(schema="staging", name="rooms")
    verdict = TableVerdict(pair=Pair(expected=rooms, found=rooms), verdict="same", expected_rows=1, found_rows=1)
    proved = Comparison(expected="copy", found="prod", tables=(verdict,))
    of = Verification(
        cluster=cluster(),
        server_version="8.0",
        copy=Inventory(schemas=(), rows={}),
        proof=proved,
        source_trouble="",
        finished=NOW,
    )
    result = restore_result(applied, of, asked=None)
    assert result.outcome == "succeeded"
    steps = held_to_the_notebooks(result)
    assert steps[0] == {"cluster": plan.source, "copy": plan.target}, "the next notebook comes first"
    assert {"only": plan.target} in steps
    lacking = replace(proved, unread=((TableName(schema="staging", name="secrets"), "SELECT command denied"),))
    partly = restore_result(applied, replace(of, proof=lacking), asked=None)
    assert (partly.outcome, lacking.verdict) == ("check-failed", "different")
    assert "1 table is not proved" in partly.headline
    assert "staging.secrets (SELECT command denied)" in partly.facts["not proved"]
    silent = restore_result(applied, replace(of, proof=None, source_trouble="no answer"), asked=None)
    assert silent.outcome == "check-failed"
