"""Checks before a cut-over: the impossible stops it, what does not follow the name is said with its command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from runbook_lib import restore
from runbook_lib.aws import AwsSession, connect
from runbook_lib.bringback.cutover import check_cut_over, plan_cut_over, propose_cut_over, to_tell
from runbook_lib.bringback.cutover.pairing import Pairing
from runbook_lib.clusters import describe_cluster, find_cluster
from runbook_lib.errors import CheckFailed
from runbook_lib.inventory import TableName
from runbook_lib.proof import Pair, Proof, TableVerdict
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.rehearsal.source import CLUSTER, make_source
from runbook_lib.restore import Check
from runbook_lib.times import iso, parse_timestamp, utc_now
from tests.builders import NOW, cluster, instance
from tests.control_support import until

ROLE = "arn:aws:iam::123456789012:role/load-from-s3"


@pytest.fixture(scope="module")
def aws() -> Iterator[ControlPlane]:
    """Return a stand-in of AWS without servers, with a source and a copy that is to take its place."""
    with ControlPlane(None, pace=brisk()) as plane, plane.in_environment():
        session = connect()
        make_source(session, identifier=CLUSTER)
        plane.history.cluster_created(CLUSTER, at=utc_now() - timedelta(days=30))
        asked = parse_timestamp(iso(utc_now() - timedelta(hours=3)), now=utc_now())
        choices = restore.Choices(purpose="cutover", target="the-copy")
        plan = restore.propose(session, find_cluster(session, CLUSTER), asked=asked, now=utc_now(), choices=choices)
        restore.apply(session, plan, approve=plan.id)
        yield plane


def checked(session: AwsSession, *, named: str = CLUSTER) -> dict[str, Check]:
    plan = propose_cut_over(session, source=CLUSTER, now=utc_now())
    found = check_cut_over(session, plan, identity=session.identity(), named=named)
    return {one.subject: one for one in found}


def test_a_good_copy_has_nothing_against_it_and_is_told_what_to_mind(aws: ControlPlane) -> None:
    found = checked(connect())
    states = {subject: one.state for subject, one in found.items()}
    assert "bad" not in states.values()
    assert states["master password"] == "warn"
    assert states["what would be lost"] == "unknown", "nothing was compared here"
    assert all(states[name] == "ok" for name in ("the copy", "new names", "settings", "instances", "permissions"))


def test_a_cluster_that_nobody_named_is_not_renamed(aws: ControlPlane) -> None:
    session = connect()
    plan = propose_cut_over(session, source="", now=utc_now())
    checks = check_cut_over(session, plan, identity=session.identity(), named="")
    restore.require_checks(checks, plan, approve="")
    with pytest.raises(CheckFailed, match="named"):
        restore.require_checks(checks, plan, approve=plan.id)


def test_what_does_not_follow_the_name_is_named_with_its_command(aws: ControlPlane) -> None:
    """It should see roles, custom endpoints and proxies that stay behind, and alarms that do not."""
    session = connect()
    rds, alarms = session.client("rds"), session.client("cloudwatch")
    rds.add_role_to_db_cluster(DBClusterIdentifier=CLUSTER, RoleArn=ROLE)
    rds.create_db_cluster_endpoint(
        DBClusterIdentifier=CLUSTER, DBClusterEndpointIdentifier="reports", EndpointType="READER"
    )
    for name, watched in (("cpu", f"{CLUSTER}-1"), ("others", "another-cluster")):
        alarms.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/RDS",
            MetricName="CPUUtilization",
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": watched}],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=90,
            ComparisonOperator="GreaterThanThreshold",
        )
    found = checked(session)
    assert f"--role-arn {ROLE}" in found["IAM roles"].hint
    assert "--db-cluster-endpoint-identifier reports" in found["custom endpoints"].hint
    assert found["alarms"].state == "ok"
    assert "cpu" in found["alarms"].sentence
    assert "others" not in found["alarms"].sentence
    rds.remove_role_from_db_cluster(DBClusterIdentifier=CLUSTER, RoleArn=ROLE)
    rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier="reports")


def test_a_look_that_is_not_allowed_is_not_taken_for_nothing_there(aws: ControlPlane) -> None:
    aws.faults.deny("rds:DescribeDBProxies", "rds:DescribeGlobalClusters")
    found = checked(connect())
    aws.faults.clear()
    assert found["RDS Proxy"].state == found["global database"].state == "unknown"
    assert "rds:DescribeDBProxies" in found["RDS Proxy"].sentence


def test_a_taken_name_and_a_busy_cluster_stop_it(aws: ControlPlane) -> None:
    session = connect()
    plan = propose_cut_over(session, source=CLUSTER, now=utc_now())
    session.client("rds").create_db_cluster(
        DBClusterIdentifier=plan.damaged, Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword="not-ours-1"
    )
    assert checked(session)["new names"].state == "bad"
    until(lambda: describe_cluster(session, plan.damaged).status == "available")
    with aws.held():
        session.client("rds").modify_db_cluster(DBClusterIdentifier=CLUSTER, CopyTagsToSnapshot=True)
        assert checked(session)["states"].state == "bad"


def newer(name: str, extra: int, changed: int = 0) -> TableVerdict:
    table = TableName(schema="staging", name=name)
    return TableVerdict(pair=Pair(expected=table, found=table), verdict="damaged", extra=extra, changed=changed)


def test_rows_that_only_the_source_has_are_counted_as_lost(aws: ControlPlane) -> None:
    session = connect()
    plan = propose_cut_over(session, source=CLUSTER, now=utc_now())
    tables = (newer("inquiries", 6), newer("rooms", 0), newer("access_logs", 4), newer("apartments", 0, changed=2))
    proof = Proof(expected="copy", found="source", tables=tables)
    checks = check_cut_over(session, plan, identity=session.identity(), named=CLUSTER, proof=proof)
    lost = next(one for one in checks if one.subject == "what would be lost")
    assert (lost.state, lost.sentence) == (
        "warn",
        "10 rows of 2 tables are only in the source: staging.inquiries (6), staging.access_logs (4). "
        "2 rows have other values there.",
    )


def pairing(**copy: object) -> Pairing:
    own = {"source": "staging-db", "moment": iso(NOW - timedelta(hours=2)), "target": "the-copy", "plan": "x"}
    tags = [{"Key": f"recovery:{name}", "Value": value} for name, value in own.items()]
    raw = {"DBClusterIdentifier": "the-copy", "DbClusterResourceId": "cluster-COPY", "TagList": tags, **copy}
    arn = {"DBInstanceArn": "arn:aws:rds:ap-northeast-1:123456789012:db:x"}
    return Pairing(
        name="staging-db",
        source=cluster(),
        source_instances=(instance(1, **arn), instance(2, **arn)),
        copy=cluster(**raw),
        copy_instances=(instance(1, DBInstanceIdentifier="the-copy-1", **arn),),
    )


def test_terraform_is_told_by_commands_with_the_real_names() -> None:
    told = to_tell(plan_cut_over(pairing(), now=NOW))
    commands = next(one for one in told if one.whom == "Terraform").commands
    assert commands[0] == "terraform plan -refresh-only"
    assert "terraform state rm ADDRESS_OF_THE_CLUSTER && terraform import ADDRESS_OF_THE_CLUSTER staging-db" in commands
    assert any(line.endswith(" staging-db-2") for line in commands)


def test_the_plan_makes_the_copy_fit_only_where_it_is_not() -> None:
    same = plan_cut_over(pairing(), now=NOW)
    assert same.settings == ()
    assert [call.request["DBInstanceClass"] for call in same.made] == ["db.r6g.large"]
    cheap = plan_cut_over(pairing(BackupRetentionPeriod=1, DeletionProtection=False), now=NOW)
    assert cheap.settings[0].request == {
        "DBClusterIdentifier": "the-copy",
        "ApplyImmediately": True,
        "BackupRetentionPeriod": 7,
        "DeletionProtection": True,
    }
    assert cheap.id != same.id
