"""The least-privilege policy: exactly what the notebooks call; a missing action is named before anything changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from runbook_lib import restore
from runbook_lib.aws import AwsSession, connect, declared
from runbook_lib.bringback.cutover import apply_cut_over, check_cut_over, propose_cut_over, propose_undo_cut_over
from runbook_lib.cli import cli
from runbook_lib.cli.policy import import_declarations
from runbook_lib.clusters import find_cluster
from runbook_lib.errors import CheckFailed, InputRefused
from runbook_lib.policy.document import LONGEST, SORTED, Scope, policy_for, split
from runbook_lib.policy.evaluation import Wanted, is_allowed, judge
from runbook_lib.policy.notebooks import NOTEBOOKS, calls_of
from runbook_lib.policy.reading import read_document, read_policy
from runbook_lib.policy.review import review
from runbook_lib.restore.checks.caller import check_permissions, needs_of_plan
from runbook_lib.restore.checks.place import customers_own, key_of
from runbook_lib.times import AskedTime, iso, utc_now
from tests.conftest import Told
from tests.control_support import Stand, production, stand_in

ROOT = Path(__file__).parents[1]
PREFIX = "arn:aws:rds:ap-northeast-1:123456789012"
PROD = f"{PREFIX}:cluster:prod"
SENT = {"aws:RequestTag/recovery:plan": ["x"]}
LATEST = AskedTime(text="latest", moment=None)

import_declarations()
RESTORE = policy_for(calls_of(["restore_to_timestamp"]), Scope(sources=(PROD,)))
ACTIONS = sorted({action for one in RESTORE["Statement"] if one["Effect"] == "Allow" for action in one["Action"]})
# The statement that the background document proposes for the Glue job.
BACKGROUND = {
    "Effect": "Allow",
    "Action": [
        "rds:DescribeDBClusterSnapshots",
        "rds:CreateDBClusterSnapshot",
        "rds:DeleteDBClusterSnapshot",
        "rds:DescribeDBClusters",
        "rds:ListTagsForResource",
    ],
    "Resource": ["*"],
    "Condition": {"StringLike": {"rds:cluster-tag/ManagedBy": "terraform"}},
}


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Return an AWS with one source, under a customer's key and with every setting unlike the default."""
    with stand_in() as running, running.plane.in_environment():
        production(running)
        running.client("iam").create_user(UserName="engineer")
        yield running


@pytest.fixture
def session(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> AwsSession:
    """Open a session as a user whose policy is enforced; `allow` gives it one."""
    iam = stand.client("iam")
    for old in iam.list_access_keys(UserName="engineer")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="engineer", AccessKeyId=old["AccessKeyId"])
    return as_user(stand.plane, iam, monkeypatch)


def as_user(plane: Any, iam: Any, monkeypatch: pytest.MonkeyPatch) -> AwsSession:
    key = iam.create_access_key(UserName="engineer")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    plane.permissions.enforce(key["AccessKeyId"])
    return connect()


def allow(iam: Any, document: Any) -> None:
    iam.put_user_policy(UserName="engineer", PolicyName="only", PolicyDocument=json.dumps(document))


def without(action: str) -> dict[str, Any]:
    statements = []
    for one in RESTORE["Statement"]:
        left = [other for other in one["Action"] if other != action or one["Effect"] == "Deny"]
        statements += [{**one, "Action": left}] if left else []
    return {"Version": "2012-10-17", "Statement": statements}


def changes_of(stand: Stand, mark: int) -> list[str]:
    return [str(request) for request in list(stand.plane.requests)[mark:] if request.mutating]


def test_without_any_one_action_the_checks_name_it_before_anything_is_changed(
    stand: Stand, session: AwsSession
) -> None:
    """Issue 4: with exactly the printed policy all is allowed; with one action removed, that one is named."""
    iam = stand.client("iam")
    allow(iam, RESTORE)
    source = find_cluster(session, "prod")
    plan = restore.propose(session, source, asked=LATEST, now=utc_now())
    needs = needs_of_plan(plan, source, key=customers_own(key_of(session, source), source))
    identity = session.identity()
    whole = check_permissions(session, identity, needs, source=source)
    assert (whole.state, whole.sentence) == (
        "ok",
        f"IAM allows all {len(needs)} permissions that the calls ahead need.",
    )
    # the first is not called by this plan, the second only tells what the copy will cost
    for action in {*ACTIONS} - {"rds:RestoreDBClusterFromSnapshot", "cloudwatch:GetMetricData"}:
        allow(iam, without(action))
        mark = len(stand.plane.requests)
        found = check_permissions(session, identity, needs, source=source)
        assert action in found.sentence, (action, found)
        assert found.state != "ok"
        changing = action.startswith("rds:") and not action.startswith("rds:Describe")
        assert not changing or found.state == "bad", action
        assert changes_of(stand, mark) == []


def test_without_the_snapshot_restore_the_checks_of_a_snapshot_plan_name_it(stand: Stand, session: AwsSession) -> None:
    """It should name the one action that only a plan from a snapshot needs."""
    allow(stand.client("iam"), RESTORE)
    name = stand.plane.history.manual_snapshot("prod", "before-the-upgrade", at=utc_now() - timedelta(days=3))
    source = find_cluster(session, "prod")
    chosen = restore.Choices(restore_from=name)
    plan = restore.propose(session, source, asked=LATEST, now=utc_now(), choices=chosen)
    needs = needs_of_plan(plan, source, key=customers_own(key_of(session, source), source))
    for policy, state in ((RESTORE, "ok"), (without("rds:RestoreDBClusterFromSnapshot"), "bad")):
        allow(stand.client("iam"), policy)
        found = check_permissions(session, session.identity(), needs, source=source)
        assert found.state == state, found.sentence
    assert "rds:RestoreDBClusterFromSnapshot" in found.sentence


def test_an_approved_plan_that_lacks_one_permission_is_stopped_before_its_first_call(
    stand: Stand, session: AwsSession
) -> None:
    allow(stand.client("iam"), without("rds:CreateDBInstance"))
    source = find_cluster(session, "prod")
    plan = restore.propose(session, source, asked=LATEST, now=utc_now())
    checks = restore.check_restore(session, plan, source, identity=session.identity(), now=utc_now())
    mark = len(stand.plane.requests)
    with pytest.raises(CheckFailed, match="rds:CreateDBInstance"):
        restore.require_checks(checks, plan, approve=plan.id)
    assert changes_of(stand, mark) == []


def test_with_the_printed_policy_a_restore_is_done_and_nothing_beside_it_can_be(
    stand: Stand, session: AwsSession
) -> None:
    """It should restore, change the copy, and be refused every change of the source or of a cluster elsewhere."""
    allow(stand.client("iam"), RESTORE)
    source = find_cluster(session, "prod")
    plan = restore.propose(session, source, asked=LATEST, now=utc_now())
    applied = restore.apply(session, plan, approve=plan.id)
    assert applied.changed == (plan.target, f"{plan.target}-1")
    rds = session.client("rds")
    for refused in (
        lambda: rds.modify_db_cluster(DBClusterIdentifier="prod", DeletionProtection=False),
        lambda: rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True),
        lambda: rds.delete_db_instance(DBInstanceIdentifier="prod-1"),
        lambda: rds.restore_db_cluster_to_point_in_time(
            DBClusterIdentifier=f"{plan.target}-b", SourceDBClusterIdentifier="prod", UseLatestRestorableTime=True
        ),
    ):
        with pytest.raises(rds.exceptions.ClientError, match="AccessDenied"):
            refused()


@pytest.mark.thorough
def test_with_the_printed_policy_a_cut_over_is_done_and_undone_and_what_is_not_marked_stays(
    stand: Stand, session: AwsSession
) -> None:
    """It should rename only what the approved plan has marked, under whatever name that has by then."""
    allow(
        stand.client("iam"), policy_for(calls_of(["restore_to_timestamp", "bring_back_data"]), Scope(sources=(PROD,)))
    )
    asked = AskedTime(text="", moment=utc_now())
    restored = restore.propose(session, find_cluster(session, "prod"), asked=asked, now=utc_now())
    restore.apply(session, restored, approve=restored.id)
    rds = session.client("rds")
    with pytest.raises(rds.exceptions.ClientError, match="AccessDenied"):
        rds.modify_db_cluster(DBClusterIdentifier="prod", NewDBClusterIdentifier="mine", ApplyImmediately=True)
    plan = propose_cut_over(session, source="prod", copy=restored.target, now=utc_now())
    checks = {one.subject: one for one in check_cut_over(session, plan, identity=session.identity(), named="prod")}
    assert checks["permissions"].state == "ok", checks["permissions"].sentence
    apply_cut_over(session, plan, approve=plan.id)
    assert find_cluster(session, "prod").tags["recovery:target"] == restored.target
    undo = propose_undo_cut_over(session, source="prod")
    apply_cut_over(session, undo, approve=undo.id)
    with pytest.raises(rds.exceptions.ClientError, match="AccessDenied"):
        rds.modify_db_cluster(DBClusterIdentifier="prod", DeletionProtection=False)


@pytest.mark.one_engine
@pytest.mark.thorough
def test_every_notebook_runs_with_exactly_its_policy_and_makes_the_calls_that_are_declared_of_it(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should hold the declarations to the request log: nothing undeclared, nothing declared that is never called."""
    iam = told.session.client("iam")
    plane, source = told.stand_in.control, told.stand_in.cluster
    iam.create_user(UserName="engineer")
    monkeypatch.chdir(ROOT)
    arn = find_cluster(told.session, source).arn
    session = as_user(plane, iam, monkeypatch)
    key = session.client("rds")._request_signer._credentials.access_key
    moment = iso(told.story.restore_point)
    for name, uses in NOTEBOOKS.items():
        allow(iam, policy_for(calls_of([name]), Scope(sources=(arn,))))
        mark = len(plane.requests)
        # a cut-over is planned here, which looks at the most; changing calls are those of its own tests
        more = {"way": "cutover"} if name == "bring_back_data" else {}
        ran = run_notebook(name, timestamp=moment, cluster=source, **more)
        if name in ("restore_to_timestamp", "drill_restore"):  # clean_up_restores then finds the copy of the first
            run_notebook(name, timestamp=moment, cluster=source, approve=ran["plan"].id)
        asked = {str(one) for one in list(plane.requests)[mark:] if one.access_key == key} - {"sts:GetCallerIdentity"}
        assert asked - {*uses.all} == set(), name
        assert {*uses.always} - asked == set(), name


def run_notebook(name: str, *, until: str = "", **parameters: str) -> dict[str, Any]:
    """Run a notebook's code cells in this process, with these parameters; a kernel would only take longer.

    It ends before the first cell that has `until` in it.
    """
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    space: dict[str, Any] = {"__name__": name}
    for cell in cells:
        if until and until in "".join(cell["source"]):
            break
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), space)
            if "parameters" in cell["metadata"].get("tags", []):
                space |= parameters
    return space


def test_every_call_that_changes_something_has_a_statement_thought_out_for_it() -> None:
    """Records, notes, metrics and answers to AWS Backup are the runner's, whose policy is its owner's."""
    owners = ("s3:", "sns:", "cloudwatch:", "backup:Put")
    changing = {action for call in declared() if call.mutates for action in call.permissions}
    assert {action for action in changing if not action.startswith(owners)} <= SORTED


def test_the_whole_policy_fits_into_a_managed_policy() -> None:
    """IAM User Guide, "IAM and AWS STS quotas": 6,144 characters, white space not counted."""
    whole = policy_for(calls_of(), Scope(sources=(PROD,)))
    assert len(json.dumps(whole, separators=(",", ":"))) < 6144
    assert "cluster-tag" not in json.dumps(whole)


@pytest.mark.parametrize(
    ("action", "resource", "context", "allowed"),
    [
        ("rds:DescribeDBClusters", "*", {}, True),
        ("rds:RestoreDBClusterToPointInTime", PROD, SENT, True),
        ("rds:RestoreDBClusterToPointInTime", PROD, {}, False),
        (
            "rds:RestoreDBClusterToPointInTime",
            f"{PREFIX}:cluster:elsewhere",
            {"aws:RequestTag/recovery:plan": ["x"]},
            False,
        ),
        ("rds:ModifyDBCluster", f"{PREFIX}:cluster:prod-at-1", {"aws:ResourceTag/recovery:plan": ["x"]}, True),
        ("rds:ModifyDBCluster", f"{PREFIX}:cluster:prod-at-1", {}, False),
        ("rds:ModifyDBCluster", PROD, {"aws:ResourceTag/recovery:plan": ["x"]}, False),
        ("rds:DeleteDBCluster", PROD, {"aws:ResourceTag/recovery:plan": ["x"]}, False),
        ("rds:CreateDBInstance", f"{PREFIX}:db:prod-3", {"aws:RequestTag/recovery:plan": ["x"]}, False),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/any", {}, False),
    ],
)
def test_the_policy_has_the_right_shape(action: str, resource: str, context: Any, allowed: bool) -> None:
    """FACTS 1.17: reads without condition, changes by pattern and tag, the source's deletion denied."""
    wanted = Wanted(action=action, resource=resource, context=context, is_whole=True)
    assert is_allowed(read_document(RESTORE), wanted) is allowed


def test_the_source_stays_undeletable_beside_a_policy_that_allows_everything() -> None:
    everything = [*RESTORE["Statement"], {"Effect": "Allow", "Action": "*", "Resource": "*"}]
    statements = read_document({"Version": "2012-10-17", "Statement": everything})
    assert not is_allowed(statements, Wanted(action="rds:DeleteDBCluster", resource=PROD))


def test_a_monitoring_role_is_passed_on_only_when_it_is_named() -> None:
    role = "arn:aws:iam::123456789012:role/rds-monitoring"
    named = policy_for(calls_of(["restore_to_timestamp"]), Scope(sources=(PROD,), monitoring_role=role))
    passing = [one for one in named["Statement"] if "iam:PassRole" in one["Action"]]
    assert [one["Resource"] for one in passing] == [[role]]
    assert "iam:PassRole" not in ACTIONS


def test_the_background_documents_statement_is_told_to_deny_what_it_means_to_allow(tmp_path: Path) -> None:
    """FACTS 1.17 (derived)."""
    given = tmp_path / "glue.json"
    given.write_text(json.dumps({"PolicyDocument": {"Version": "2012-10-17", "Statement": [BACKGROUND]}}))
    done = CliRunner().invoke(
        cli, ["policy", "restore_to_timestamp", "--source", PROD, "--check", str(given)], standalone_mode=False
    )
    assert done.return_value == 3
    lines = done.output.splitlines()
    assert lines[0].startswith("never true: The condition on rds:cluster-tag/ManagedBy")
    assert "missing: rds:DescribeDBClusters." in lines
    assert "too wide: rds:CreateDBClusterSnapshot is needed by no notebook." in lines


def test_a_policy_that_allows_everything_is_too_wide_and_its_own_output_is_right() -> None:
    everything = review(read_document({"Statement": {"Effect": "Allow", "Action": "rds:*", "Resource": "*"}}), RESTORE)
    said = {finding.sentence for finding in everything if finding.kind == "too wide"}
    assert "rds:* covers more than the notebooks call." in said
    assert any("rds:DeleteDBCluster is allowed on others' resources" in sentence for sentence in said)
    assert any("secretsmanager:GetSecretValue" in one.sentence for one in everything if one.kind == "missing")
    assert review(read_policy(json.dumps(RESTORE)), RESTORE) == ()


ALLOW = '"Effect": "Allow", "Action": "rds:*", "Resource": "*"'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "7",
        '"x"',
        "[" * 100_000,
        'resource "aws_iam_policy" {}',
        '{"Statement": null}',
        '{"Statement": []}',
        '{"Statement": ["x"]}',
        '{"Statement": [[]]}',
        '{"Statement": [{"Action": "rds:*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "deny", "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "ALLOW", "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": ["Allow"], "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"effect": "Allow", "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": [], "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": [7], "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "Describe*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": []}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "prod"}]}',
        f'{{"Statement": [{{{ALLOW}, "Condition": []}}]}}',
        f'{{"Statement": [{{{ALLOW}, "Condition": {{"Bool": "x"}}}}]}}',
        f'{{"Statement": [{{{ALLOW}, "Condition": {{"Bool": {{"aws:SecureTransport": []}}}}}}]}}',
        f'{{"Statement": [{{{ALLOW}, "Condition": {{"Bool": {{"aws:SecureTransport": null}}}}}}]}}',
        f'{{"Statement": [{{{ALLOW}, "Principal": "*"}}]}}',
        f'{{"Statement": [{{{ALLOW}, "NotPrincipal": "*"}}]}}',
        f'{{"Statement": [{{{ALLOW}, "Resources": "*"}}]}}',
        f'{{"Statement": [{{{ALLOW}, "Effect": "Deny"}}]}}',
        f'{{"Statement": [{{{ALLOW}}}], "Statement": []}}',
        f'{{"Version": "2012-10-18", "Statement": [{{{ALLOW}}}]}}',
        f'{{"version": "2012-10-17", "Statement": [{{{ALLOW}}}]}}',
        f'{{"Version": ["2012-10-17"], "Statement": [{{{ALLOW}}}]}}',
        f'{{"PolicyVersion": {{"IsDefaultVersion": false, "Document": {{"Statement": [{{{ALLOW}}}]}}}}}}',
    ],
)
def test_a_file_that_is_no_policy_is_refused(text: str, tmp_path: Path) -> None:
    """IAM refuses all of these; nothing in them is guessed."""
    with pytest.raises(InputRefused, match="no IAM policy"):
        read_policy(text)
    given = tmp_path / "policy.json"
    given.write_text(text)
    with pytest.raises(InputRefused):
        CliRunner().invoke(cli, ["policy", "--check", str(given)], standalone_mode=False, catch_exceptions=False)


@pytest.mark.parametrize(
    "text",
    [
        f'\ufeff{{"Statement": {{{ALLOW}}}}}',
        f'[{{"Statement": [{{{ALLOW}}}]}}]',
        f'{{"RoleName": "r", "PolicyName": "p", "PolicyDocument": {{"Statement": [{{{ALLOW}}}]}}}}',
        f'{{"PolicyVersion": {{"IsDefaultVersion": true, "Document": {{"Statement": [{{{ALLOW}}}]}}}}}}',
        '{"PolicyDocument": "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22rds%3A*%22%2C'
        '%22Resource%22%3A%22*%22%7D%7D"}',
    ],
)
def test_a_policy_is_read_in_every_way_that_aws_writes_one(text: str) -> None:
    (statement,) = read_policy(text.encode())
    assert (statement.effect, statement.actions, statement.resources) == ("Allow", ("rds:*",), ("*",))


def test_a_file_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputRefused, match="not JSON"):
        read_policy(b"\xff\xfe\x00")


INSPECT = policy_for(calls_of(["inspect_backups"]), Scope())
ALLOWED = Wanted(
    action="rds:DescribeDBClusters",
    context={"aws:RequestedRegion": ["ap-northeast-1"], "aws:SecureTransport": ["true"], "x:list": ["a", "b"]},
    absent=("aws:RequestTag/", "aws:TagKeys"),
)


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ({"StringEquals": {"aws:RequestedRegion": "ap-northeast-1"}}, "allowed"),
        ({"StringEquals": {"AWS:requestedregion": ["eu-west-1", "ap-northeast-1"]}}, "allowed"),
        ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, "implicitDeny"),
        ({"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "ap-northeast-1"]}}, "implicitDeny"),
        ({"StringEqualsIgnoreCase": {"aws:RequestedRegion": "AP-Northeast-1"}}, "allowed"),
        ({"StringNotLike": {"aws:RequestedRegion": "eu-*"}}, "allowed"),
        ({"Bool": {"aws:SecureTransport": True}}, "allowed"),
        ({"Bool": {"aws:SecureTransport": "false"}}, "implicitDeny"),
        ({"BoolIfExists": {"aws:SecureTransport": "false"}}, "implicitDeny"),
        ({"Bool": {"aws:SecureTransport": "yes"}}, "unknown"),
        ({"Null": {"aws:SecureTransport": "false"}}, "allowed"),
        ({"Null": {"aws:TagKeys": "true"}}, "allowed"),
        ({"Null": {"aws:TagKeys": ["true", "false"]}}, "allowed"),
        ({"Null": {"aws:CurrentTime": "true"}}, "implicitDeny"),
        ({"Null": {"aws:MultiFactorAuthAge": "true"}}, "unknown"),
        ({"NullIfExists": {"aws:TagKeys": "true"}}, "unknown"),
        ({"Null": {"aws:TagKeys": "maybe"}}, "unknown"),
        # a key that is not in the request
        ({"StringEquals": {"aws:TagKeys": "x"}}, "implicitDeny"),
        ({"StringEqualsIfExists": {"aws:TagKeys": "x"}}, "allowed"),
        ({"StringNotEquals": {"aws:TagKeys": "x"}}, "allowed"),
        ({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["x"]}}, "implicitDeny"),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["x"]}}, "implicitDeny"),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["x"]}}, "allowed"),
        ({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["x"]}}, "allowed"),
        ({"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": ["x"]}}, "unknown"),
        # several values
        ({"ForAnyValue:StringNotEquals": {"x:list": ["a"]}}, "allowed"),
        ({"ForAnyValue:StringNotEquals": {"x:list": ["a", "b"]}}, "implicitDeny"),
        ({"ForAllValues:StringNotEquals": {"x:list": ["a"]}}, "implicitDeny"),
        ({"ForAllValues:StringLike": {"x:list": ["?"]}}, "allowed"),
        ({"StringEquals": {"x:list": ["a"]}}, "unknown"),
        # what nobody knows of the request, and what this does not understand
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, "unknown"),
        ({"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}, "unknown"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "unknown"),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "unknown"),
        ({"NotIpAddress": {"aws:RequestedRegion": "10.0.0.0/8"}}, "unknown"),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, "unknown"),
        ({"NumericLessThan": {"aws:MultiFactorAuthAge": 3600}}, "unknown"),
        ({"StringSortOf": {"aws:TagKeys": "x"}}, "unknown"),
        ({"ForEveryValue:StringEquals": {"aws:TagKeys": "x"}}, "unknown"),
        ({"StringEquals": {"aws:RequestedRegion": "${aws:PrincipalTag/region}"}}, "unknown"),
        ({"ArnLike": {"aws:RequestedRegion": "arn:aws:*"}}, "unknown"),
    ],
)
def test_a_condition_is_judged_or_it_is_said_that_it_could_not_be(condition: dict[str, Any], answer: str) -> None:
    """IAM User Guide, "Condition operators". In an Allow an unknown is no yes, in a Deny it is no "not denied"."""
    allow_all = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    one = {**allow_all, "Condition": condition}
    allowing = read_document({"Version": "2012-10-17", "Statement": [one]})
    assert judge(allowing, ALLOWED).answer == answer
    denying = read_document({"Version": "2012-10-17", "Statement": [allow_all, {**one, "Effect": "Deny"}]})
    swapped = {"allowed": "explicitDeny", "implicitDeny": "allowed", "unknown": "unknown"}
    assert judge(denying, ALLOWED).answer == swapped[answer]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("arn:aws:rds:*:123456789012:cluster:prod", True),
        ("arn:aws:rds:*:*:cluster:*", True),
        ("arn:aws:rds:*:cluster:prod", False),  # * stays within its part of an ARN
        ("arn:aws:rds:ap-northeast-?:123456789012:cluster:prod", True),
        ("arn:AWS:rds:*:*:cluster:prod", False),
    ],
)
def test_arns_are_compared_part_by_part(pattern: str, matches: bool) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {"ArnLike": {"aws:SourceArn": pattern}},
    }
    wanted = Wanted(action="rds:X", context={"aws:SourceArn": [PROD]})
    assert (judge(read_document({"Statement": statement}), wanted).answer == "allowed") is matches


def test_a_variable_in_a_policy_of_2012_is_not_guessed_and_before_that_it_is_a_text() -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": f"{PREFIX}:cluster:${{aws:username}}"}
    wanted = Wanted(action="rds:X", resource=PROD)
    assert judge(read_document({"Version": "2012-10-17", "Statement": statement}), wanted).answer == "unknown"
    assert judge(read_document({"Statement": statement}), wanted).answer == "implicitDeny"


def checked(document: dict[str, Any], tmp_path: Path, *more: str) -> tuple[int, list[str]]:
    given = tmp_path / "given.json"
    given.write_text(json.dumps(document))
    arguments = ["policy", "inspect_backups", *more, "--check", str(given)]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
    return int(done.return_value), done.output.splitlines()


def with_condition(condition: dict[str, Any], *, source: str = "") -> dict[str, Any]:
    base = policy_for(calls_of(["inspect_backups"]), Scope(sources=(source,) if source else ()))
    statements = [
        {**one, "Condition": {**one.get("Condition", {}), **condition}} if one["Effect"] == "Allow" else one
        for one in base["Statement"]
    ]
    return {**base, "Statement": statements}


def test_conditions_that_every_request_meets_are_not_called_missing(tmp_path: Path) -> None:
    assert checked(with_condition({"Bool": {"aws:SecureTransport": "true"}}), tmp_path)[0] == 0
    region = {"StringEquals": {"aws:RequestedRegion": "ap-northeast-1"}}
    code, lines = checked(with_condition(region), tmp_path)
    assert code == 3
    assert all(line.startswith("could not judge: ") and "aws:RequestedRegion" in line for line in lines)
    assert checked(with_condition(region, source=PROD), tmp_path, "--source", PROD)[0] == 0
    others = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    assert any(
        line.startswith("missing")
        for line in checked(with_condition(others, source=PROD), tmp_path, "--source", PROD)[1]
    )


def test_a_denial_of_every_other_region_depends_on_the_region(tmp_path: Path) -> None:
    deny = {
        "Effect": "Deny",
        "NotAction": "iam:*",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["ap-northeast-1"]}},
    }
    code, lines = checked({**INSPECT, "Statement": [*INSPECT["Statement"], deny]}, tmp_path)
    assert code == 3
    assert [line for line in lines if not line.startswith("could not judge")] == []


def test_a_condition_on_tags_denies_every_read(tmp_path: Path) -> None:
    code, lines = checked(with_condition({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["x"]}}), tmp_path)
    assert code == 3
    assert "missing: rds:DescribeDBClusters." in lines


def test_reads_that_may_tell_data_code_or_secrets_are_too_wide(tmp_path: Path) -> None:
    told = ["ssm:GetParameter", "dynamodb:GetItem", "S3:GetObject", "glue:GetConnections", "ec2:Describe*", "*:Get*"]
    more = {"Effect": "Allow", "Action": [*told, "rds:Describe*", "cloudwatch:ListMetrics"], "Resource": "*"}
    code, lines = checked({**INSPECT, "Statement": [*INSPECT["Statement"], more]}, tmp_path)
    assert code == 3
    found = {line.split()[2] for line in lines if line.startswith("too wide")}
    assert found >= {*told} - {"*:Get*"}
    assert not found & {"rds:Describe*", "cloudwatch:ListMetrics"}


def test_what_a_policy_does_not_name_is_not_taken_for_granted(tmp_path: Path) -> None:
    everything = {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::x"}
    code, lines = checked({"Version": "2012-10-17", "Statement": [everything]}, tmp_path)
    assert code == 3
    assert "too wide: NotResource allows whatever it does not name." in lines


@pytest.mark.release
def test_a_policy_too_long_for_one_is_split_and_means_the_same(tmp_path: Path) -> None:
    """IAM User Guide, "IAM and AWS STS quotas": a managed policy ends at 6,144 characters."""
    sources = tuple(f"{PREFIX}:cluster:tenant-{number:03}" for number in range(60))
    whole = policy_for(calls_of(), Scope(sources=sources))
    parts = split(whole)
    assert len(parts) > 1
    assert all(len(json.dumps(part, separators=(",", ":"))) <= LONGEST for part in parts)

    def granted(documents: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
        return {
            (one["Effect"], action, resource, json.dumps(one.get("Condition")))
            for document in documents
            for one in document["Statement"]
            for action in one["Action"]
            for resource in ([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
        }

    assert granted(parts) == granted([whole])
    assert review(read_policy(json.dumps(parts)), whole, region="ap-northeast-1") == ()
    arguments = ["policy", *(part for source in sources for part in ("--source", source))]
    printed = CliRunner().invoke(cli, arguments).stdout
    assert json.loads(printed) == parts
    hcl = CliRunner().invoke(cli, [*arguments, "--format", "terraform"]).stdout
    assert hcl.count('data "aws_iam_policy_document"') == len(parts)


def test_roles_and_database_users_are_allowed_only_when_they_are_named() -> None:
    role = "arn:aws:iam::123456789012:role/aurora-s3"
    named = policy_for(
        calls_of(["restore_to_timestamp"]), Scope(sources=(PROD,), roles=(role,), database_users=("runbook",))
    )
    statements = {one["Sid"]: one for one in named["Statement"]}
    assert statements["PassTheRolesOfTheSource"]["Resource"] == [role]
    assert statements["SignInToTheDatabase"]["Resource"] == [
        "arn:aws:rds-db:ap-northeast-1:123456789012:dbuser:*/runbook"
    ]


def test_the_command_prints_json_and_terraform() -> None:
    arguments = ["policy", "notebooks/inspect_backups.ipynb", "--source", PROD]
    printed = json.loads(CliRunner().invoke(cli, arguments).output)
    assert not {action for one in printed["Statement"] for action in one["Action"]} & {"rds:CreateDBInstance"}
    hcl = CliRunner().invoke(cli, ["policy", "restore_to_timestamp", "--source", PROD, "--format", "terraform"]).output
    assert hcl.startswith('data "aws_iam_policy_document"')
    assert hcl.count("statement {") == len(RESTORE["Statement"])
    assert 'variable = "aws:RequestTag/recovery:plan"' in hcl
    assert hcl.count("{") == hcl.count("}")


@pytest.mark.parametrize("source", ["prod", f"{PREFIX}:db:prod-1"])
def test_a_source_that_is_no_cluster_is_refused(source: str) -> None:
    with pytest.raises(InputRefused, match="ARN of a DB cluster"):
        Scope(sources=(source,))


def test_a_notebook_that_is_not_known_is_refused_and_those_that_are_are_named() -> None:
    with pytest.raises(InputRefused) as refused:
        calls_of(["no-such"])
    assert "restore_to_timestamp" in refused.value.hint
