"""Checks before a restore: each says what it found and what to do; a red one stops, what is denied is unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runbook_lib.aws import AwsSession, Identity, connect
from runbook_lib.clusters import Cluster, find_cluster
from runbook_lib.display.checks import checks_table
from runbook_lib.errors import CheckFailed
from runbook_lib.looking import Seen
from runbook_lib.restore import Check, Choices, Given, RestorePlan, check_restore, plan_restore, propose, require_checks
from runbook_lib.restore.checks.caller import (
    Denial,
    _denials,
    check_account,
    judge_permissions,
    needs_of_plan,
    principal_of,
)
from runbook_lib.restore.checks.hazards import check_events, check_jobs, check_password, judge_events, judge_jobs
from runbook_lib.restore.checks.place import check_key, customers_own, judge_groups, judge_security_groups, key_of
from runbook_lib.restore.checks.room import check_classes, judge_classes, judge_quotas, judge_version
from runbook_lib.restore.checks.target import check_names, check_window, judge_names
from runbook_lib.restore.origins import from_time
from runbook_lib.times import AskedTime, utc_now
from tests import builders
from tests.control_support import Stand, add_instance, gone, plain_cluster, production, stand_in

LATEST = AskedTime(text="latest", moment=None)
ME = Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/engineer")


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Return an AWS with one source, under a customer's key and with every setting unlike the default."""
    with stand_in() as running, running.plane.in_environment():
        production(running)
        running.plane.history.glue_job("daily_etl", at=utc_now())
        yield running


@pytest.fixture
def session(stand: Stand) -> AwsSession:
    return connect()


def plan_of(session: AwsSession, **more: Any) -> tuple[RestorePlan, Cluster]:
    source = find_cluster(session, "prod")
    return propose(session, source, asked=LATEST, now=utc_now(), choices=Choices(**more)), source


def checks_of(session: AwsSession, **more: Any) -> dict[str, Check]:
    plan, source = plan_of(session, **more)
    found = check_restore(
        session,
        plan,
        source,
        identity=session.identity(),
        now=utc_now(),
        given=Given(glue_jobs="daily_etl", account="123456789012"),
    )
    return {check.subject: check for check in found}


def planned(**members: Any) -> RestorePlan:
    origin = from_time(builders.cluster(**members), instances=[builders.instance()], asked=LATEST, now=builders.NOW)
    return plan_restore(origin)


def test_a_sound_restore_passes_every_check_and_nothing_is_changed(stand: Stand, session: AwsSession) -> None:
    mark = len(stand.plane.requests)
    found = checks_of(session)
    asked = list(stand.plane.requests)[mark:]
    assert len(found) == 14
    # the window of a stand-in that has just begun is short, and its groups say nothing of the event scheduler
    assert {name: check.sentence for name, check in found.items() if check.state == "bad"} == {}
    left = {name: check for name, check in found.items() if name not in ("window", "event scheduler")}
    assert {name: check for name, check in left.items() if check.state != "ok"} == {}
    assert not [request for request in asked if request.mutating]
    assert len(asked) < 40


def test_a_name_of_somebody_else_is_red_and_an_earlier_run_of_the_plan_is_not(
    stand: Stand, session: AwsSession
) -> None:
    plain_cluster(stand.rds, "taken")
    add_instance(stand.rds, "taken-1", of="taken")
    found = check_names(session, plan_of(session, target="taken")[0])
    assert found.state == "bad"
    assert "taken and taken-1 exists already" in found.sentence
    stand.rds.delete_db_instance(DBInstanceIdentifier="taken-1")
    stand.rds.delete_db_cluster(DBClusterIdentifier="taken", SkipFinalSnapshot=True)
    gone(stand.rds, "taken")
    plan = planned()
    ours: Seen[Any] = Seen([(plan.target, {"recovery:plan": plan.id})])
    assert judge_names(plan, ours).state == "ok"
    assert "taken up" in judge_names(plan, ours).sentence


def test_what_a_trigger_of_glue_starts_again_is_named_with_the_command_that_stops_it(
    stand: Stand, session: AwsSession
) -> None:
    glue = stand.client("glue")
    glue.create_trigger(
        Name="nightly",
        Type="SCHEDULED",
        Schedule="cron(0 18 * * ? *)",
        Actions=[{"JobName": "daily_etl"}],
        StartOnCreation=True,
    )
    found = check_jobs(session, ["daily_etl", "no-such-job"])
    assert found.state == "warn"
    assert "cron(0 18 * * ? *)" in found.sentence
    assert "aws glue stop-trigger --region ap-northeast-1 --name nightly" in found.hint
    glue.stop_trigger(Name="nightly")
    assert check_jobs(session, ["daily_etl"]).state == "ok"
    found = check_jobs(session, ["daily_etl", "no-such-job"])
    assert (found.state, "no Glue job no-such-job" in found.sentence) == ("unknown", True)


def test_an_event_scheduler_that_is_on_is_told(stand: Stand, session: AwsSession) -> None:
    def turn(value: str) -> None:
        parameter = {"ParameterName": "event_scheduler", "ParameterValue": value, "ApplyMethod": "immediate"}
        stand.rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName="prod-cluster", Parameters=[parameter])

    plan, source = plan_of(session)
    turn("ON")
    found = check_events(session, plan, source)
    assert found.state == "warn"
    assert "DISABLE" in found.hint
    turn("OFF")
    assert check_events(session, plan, source).state == "ok"


def test_a_key_that_is_disabled_is_red(stand: Stand, session: AwsSession) -> None:
    source = find_cluster(session, "prod")
    key = source.raw["KmsKeyId"].rpartition("/")[2]
    stand.client("kms").disable_key(KeyId=key)
    try:
        assert check_key(source, key_of(session, source)).state == "bad"
    finally:
        stand.client("kms").enable_key(KeyId=key)


def test_a_class_without_offer_in_the_zone_of_a_cut_over_is_red_and_names_the_zones(session: AwsSession) -> None:
    plan, source = plan_of(session, purpose="cutover")
    wanted = [(call.request["DBInstanceClass"], "ap-northeast-1z") for call in plan.calls_of("CreateDBInstance")]
    offered: Seen[Any] = Seen([{"DBInstanceClass": "db.r6g.large", "AvailabilityZones": [{"Name": "ap-northeast-1a"}]}])
    found = judge_classes(wanted, offered)
    assert found.state == "bad"
    assert "db.r6g.large in ap-northeast-1z" in found.sentence
    assert "ap-northeast-1a" in found.hint
    assert judge_classes([("db.r6g.large", "")], offered).state == "ok"
    assert source.engine_version


def test_every_look_up_that_is_denied_is_unknown_and_names_its_permission(stand: Stand) -> None:
    """It should never take a denied look-up for "nothing found"."""
    reads = ["rds:DescribeDBClusters", "rds:DescribeDBInstances", "sts:GetCallerIdentity"]
    session = user(stand, "sees-little", [{"Effect": "Allow", "Action": reads, "Resource": "*"}])
    found = checks_of(session)
    missing = {
        "permissions": "iam:SimulatePrincipalPolicy",
        "quotas": "rds:DescribeAccountAttributes",
        "parameter and subnet groups": "rds:DescribeDB",
        "security groups": "ec2:DescribeSecurityGroups",
        "KMS key": "kms:DescribeKey",
        "engine version": "rds:DescribeDBEngineVersions",
        "instance class": "rds:DescribeOrderableDBInstanceOptions",
        "event scheduler": "rds:DescribeDBClusterParameters",
        "scheduled jobs": "glue:GetTriggers",
    }
    for subject, permission in missing.items():
        assert found[subject].state == "unknown", subject
        assert permission in found[subject].sentence, subject
    table = checks_table(tuple(found.values()))
    assert "9 unknown" in table.title
    assert table.rows[0][0] == "unknown"


def user(stand: Stand, name: str, statements: list[dict[str, Any]]) -> AwsSession:
    """Open a session as an IAM user with these permissions, enforced."""
    iam = stand.client("iam")
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    stand.plane.permissions.enforce(key["AccessKeyId"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        session = connect(attempts=1)
        session.identity()
    return session


def test_a_moment_that_is_about_to_leave_the_window_is_to_be_minded_and_one_outside_is_red() -> None:
    plan = planned()
    source = builders.cluster()
    assert check_window(plan, source, now=builders.NOW).state == "ok"
    soon = builders.cluster(EarliestRestorableTime=plan.moment - timedelta(minutes=20))
    assert check_window(plan, soon, now=builders.NOW).state == "warn"
    late = builders.cluster(
        EarliestRestorableTime=plan.moment + timedelta(seconds=1), LatestRestorableTime=builders.NOW
    )
    assert check_window(plan, late, now=builders.NOW).state == "bad"
    absent = builders.cluster(EarliestRestorableTime=None, LatestRestorableTime=None)
    assert check_window(plan, absent, now=builders.NOW).state == "unknown"


@pytest.mark.parametrize(
    ("account", "caller", "state"),
    [
        ("", "123456789012", "ok"),
        ("1234-5678-9012", "123456789012", "ok"),
        ("210987654321", "123456789012", "bad"),
        ("", "210987654321", "bad"),
        ("012345678901", "123456789012", "bad"),
    ],
)
def test_the_account_must_be_the_expected_one_and_the_sources(account: str, caller: str, state: str) -> None:
    identity = Identity(account=caller, arn=f"arn:aws:iam::{caller}:user/engineer")
    assert check_account(identity, builders.cluster(), account=account).state == state


@pytest.mark.parametrize(
    ("used", "most", "state"), [((1, 1), (40, 40), "ok"), ((40, 1), (40, 40), "bad"), ((1, 39), (40, 40), "bad")]
)
def test_quotas_count_what_the_plan_would_add(used: tuple[int, int], most: tuple[int, int], state: str) -> None:
    quotas: Seen[Any] = Seen(
        {"AccountQuotaName": name, "Used": used[index], "Max": most[index]}
        for index, name in enumerate(("DBClusters", "DBInstances"))
    )
    assert judge_quotas(quotas, instances=2).state == state
    assert judge_quotas(Seen(), instances=2).state == "unknown"


def test_what_is_not_there_any_more_is_red() -> None:
    assert judge_groups(Seen([("subnet group", "private")]), count=3).state == "bad"
    assert judge_version("8.0.mysql_aurora.3.01.0", Seen()).state == "unknown"
    assert judge_version("8.0.mysql_aurora.3.01.0", Seen([{"Status": "deprecated"}])).state == "warn"
    assert judge_security_groups(["sg-1", "sg-2"], Seen([{"GroupId": "sg-1", "GroupName": "db"}])).state == "bad"
    assert judge_security_groups(["sg-1"], Seen([{"GroupId": "sg-1", "GroupName": "default"}])).state == "warn"
    assert judge_security_groups([], Seen()).state == "warn"
    assert check_key(builders.cluster(), Seen([{"KeyState": "PendingDeletion", "Arn": "k"}])).state == "bad"
    assert check_key(builders.cluster(), Seen()).state == "unknown"  # AWS said nothing of encryption at all
    assert check_key(builders.cluster(), Seen([{"Arn": "k"}])).state == "unknown"
    for members, said in (
        ({"StorageEncrypted": True, "StorageEncryptionType": "sse-rds"}, "is encrypted by a key of AWS's own"),
        ({"StorageEncrypted": False, "StorageEncryptionType": "none"}, "AWS encrypts the copy"),
    ):
        found = check_key(builders.cluster(**members), Seen())
        assert (found.state, said in found.sentence) == ("ok", True)
    elsewhere = builders.cluster(KmsKeyId="arn:aws:kms:ap-northeast-1:999999999999:key/k")
    assert customers_own(Seen(why_not="could not be looked at"), elsewhere) == elsewhere.raw["KmsKeyId"]
    assert customers_own(Seen([{"Arn": "k", "KeyManager": "AWS"}]), elsewhere) == ""


def test_a_password_nobody_manages_is_that_of_the_restored_second() -> None:
    assert check_password(planned(), builders.cluster()).state == "warn"
    managed = {"MasterUserSecret": {"SecretArn": "arn:aws:secretsmanager:x:1:secret:y", "SecretStatus": "active"}}
    assert check_password(planned(**managed), builders.cluster(**managed)).state == "ok"


def test_an_unset_event_scheduler_is_not_known_to_be_off() -> None:
    assert judge_events(Seen(), group="g", target="t").state == "unknown"


def test_a_trigger_that_only_a_person_starts_is_no_schedule() -> None:
    by_hand = {"Name": "n", "Type": "ON_DEMAND", "State": "CREATED"}
    assert judge_jobs(["etl"], Seen([by_hand]), region="r").state == "ok"
    off = {"Name": "n", "Type": "SCHEDULED", "State": "DEACTIVATED"}
    assert judge_jobs(["etl"], Seen([off]), region="r").state == "ok"


def test_a_denied_call_is_red_and_a_denied_look_up_is_only_to_be_minded() -> None:
    denied = (Denial(action="rds:ModifyDBCluster", resource="arn:aws:rds:r:1:cluster:copy"),)
    found = judge_permissions(denied, (), asked=9, source="arn")
    assert (found.state, "rds:ModifyDBCluster on cluster:copy" in found.sentence) == ("bad", True)
    assert "runbook policy" in found.hint
    assert judge_permissions((), (Denial(action="glue:GetTriggers"),), asked=9, source="arn").state == "warn"
    assert judge_permissions((), (), asked=9, source="arn").state == "ok"


@pytest.mark.parametrize(
    ("action", "decision", "missing", "state"),
    [
        ("rds:ModifyDBCluster", "implicitDeny", [], "bad"),
        ("rds:ModifyDBCluster", "explicitDeny", [], "bad"),
        ("rds:ModifyDBCluster", "explicitDeny", ["aws:MultiFactorAuthPresent"], "unknown"),
        ("rds:ModifyDBCluster", "implicitDeny", ["aws:SourceIp"], "unknown"),
        ("rds:ModifyDBCluster", "notEvaluated", [], "unknown"),
        ("rds:ModifyDBCluster", None, [], "unknown"),
        ("kms:CreateGrant", "implicitDeny", [], "unknown"),
        ("kms:CreateGrant", "explicitDeny", [], "bad"),
        ("secretsmanager:GetSecretValue", "implicitDeny", [], "unknown"),
        ("iam:PassRole", "implicitDeny", [], "bad"),
    ],
)
@pytest.mark.parametrize("is_specific", [True, False])
def test_a_denial_that_may_be_none_stops_nothing(
    action: str, decision: str | None, missing: list[str], state: str, is_specific: bool
) -> None:
    """IAM API Reference, EvaluationResult; a key's own policy is not simulated."""
    said = {"EvalResourceDecision" if is_specific else "EvalDecision": decision, "MissingContextValues": missing}
    said = {name: value for name, value in said.items() if value is not None}
    result = {"EvalActionName": action, **({"ResourceSpecificResults": [said]} if is_specific else said)}
    found = judge_permissions([*_denials(result)], (), asked=1, source="arn")
    assert found.state == state
    assert action in found.sentence


def test_a_version_that_aws_lists_nothing_of_is_not_known(session: AwsSession) -> None:
    plan, source = plan_of(session)
    old = replace(source, engine_version="8.0.mysql_aurora.3.01.0")
    assert check_classes(session, plan, old).state == "unknown"
    assert check_classes(session, plan, source).state == "ok"
    odd, _ = plan_of(session, instance_class="db.x1.large")
    assert check_classes(session, odd, source).state == "bad"


def test_a_shared_snapshot_is_no_reason_to_stop_and_an_encrypted_one_is_copied_first() -> None:
    arn = "arn:aws:rds:ap-northeast-1:999999999999:cluster-snapshot:theirs"
    assert check_account(ME, builders.cluster(DBClusterArn=arn), account="").state == "warn"
    assert check_account(ME, builders.cluster(DBClusterArn=arn.replace("-snapshot", "")), account="").state == "bad"


def test_roles_and_a_directory_are_passed_on_and_checked(stand: Stand, session: AwsSession) -> None:
    """Service Authorization Reference: a restore depends on iam:PassRole for what it passes on."""
    role = "arn:aws:iam::123456789012:role/aurora-s3"
    members = {
        "AssociatedRoles": [{"RoleArn": role, "Status": "ACTIVE"}],
        "DomainMemberships": [{"Domain": "d-1", "IAMRoleName": "directory"}],
        "MasterUserSecret": {"SecretArn": "arn:aws:secretsmanager:x:1:secret:y", "KmsKeyId": "arn:aws:kms:x:1:key/k"},
    }
    source = builders.cluster(**members)
    needs = needs_of_plan(planned(**members), source)
    passed = {need.resource for need in needs if need.action == "iam:PassRole"}
    assert passed == {role, "arn:aws:iam::123456789012:role/directory"}
    assert [need.resource for need in needs if need.action == "kms:GenerateDataKey"] == ["arn:aws:kms:x:1:key/k"]
    shown = [Denial(action="iam:PassRole", resource=role)]
    assert f"--role {role}" in judge_permissions(shown, (), asked=1, source="arn").hint


def test_an_assumed_role_is_asked_for_by_the_roles_own_arn(session: AwsSession) -> None:
    """IAM API Reference, SimulatePrincipalPolicy: it takes users, groups and roles, not sessions of a role."""
    role = Identity(account="1", arn="arn:aws:sts::1:assumed-role/recovery/some.body@example.com")
    assert principal_of(session, role) == "arn:aws:iam::1:role/recovery"
    assert principal_of(session, ME) == ME.arn
    assert principal_of(session, Identity(account="1", arn="arn:aws:sts::1:federated-user/x")) == ""


def test_a_role_of_identity_center_is_looked_up_for_its_path(stand: Stand, session: AwsSession) -> None:
    """STS leaves the path of a role out of the session's ARN."""
    name = "AWSReservedSSO_Recovery_0123456789abcdef"
    stand.client("iam").create_role(
        RoleName=name, Path="/aws-reserved/sso.amazonaws.com/", AssumeRolePolicyDocument=json.dumps({"Statement": []})
    )
    found = principal_of(session, Identity(account="1", arn=f"arn:aws:sts::1:assumed-role/{name}/me"))
    assert found.endswith(f":role/aws-reserved/sso.amazonaws.com/{name}")


def test_a_red_check_stops_an_approved_plan_only() -> None:
    plan = planned()
    red = Check(subject="quotas", state="bad", sentence="Full.", hint="Delete one.")
    mind = Check(subject="window", state="unknown", sentence="Not seen.")
    require_checks([red], plan, approve="")
    require_checks([red], plan, approve="of-another-plan")  # that is refused by the application itself
    require_checks([mind], plan, approve=plan.id)
    with pytest.raises(CheckFailed, match="quotas: Full") as stopped:
        require_checks([mind, red], plan, approve=plan.id)
    assert stopped.value.exit_code == 3
    assert "Delete one." in stopped.value.hint
