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
from runbook_lib.policy.document import SORTED, Scope, policy_for
from runbook_lib.policy.evaluation import Wanted, is_allowed
from runbook_lib.policy.notebooks import NOTEBOOKS, calls_of
from runbook_lib.policy.review import read_policy, review
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
    needs = needs_of_plan(plan, source, key=customers_own(key_of(session, source)))
    identity = session.identity()
    whole = check_permissions(session, identity, needs, source=source)
    assert (whole.state, whole.sentence) == (
        "ok",
        f"IAM allows all {len(needs)} permissions that the calls ahead need.",
    )
    for action in {*ACTIONS} - {"rds:RestoreDBClusterFromSnapshot"}:  # which this plan does not call
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
    needs = needs_of_plan(plan, source, key=customers_own(key_of(session, source)))
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
        if name == "restore_to_timestamp":  # the copy it makes is then what clean_up_restores finds
            run_notebook(name, timestamp=moment, cluster=source, approve=ran["plan"].id)
        asked = {str(one) for one in list(plane.requests)[mark:] if one.access_key == key} - {"sts:GetCallerIdentity"}
        assert asked - {*uses.all} == set(), name
        assert {*uses.always} - asked == set(), name


def run_notebook(name: str, **parameters: str) -> dict[str, Any]:
    """Run a notebook's code cells in this process, with these parameters; a kernel would only take longer."""
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    space: dict[str, Any] = {"__name__": name}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), space)
            if "parameters" in cell["metadata"].get("tags", []):
                space |= parameters
    return space


def test_every_call_that_changes_something_has_a_statement_thought_out_for_it() -> None:
    """Records are written by the runner, not by a notebook: their bucket's policy is its owner's."""
    changing = {action for call in declared() if call.mutates for action in call.permissions}
    assert {action for action in changing if not action.startswith(("s3:", "sns:"))} <= SORTED


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
    assert is_allowed(RESTORE["Statement"], Wanted(action=action, resource=resource, context=context)) is allowed


def test_the_source_stays_undeletable_beside_a_policy_that_allows_everything() -> None:
    everything = [*RESTORE["Statement"], {"Effect": "Allow", "Action": "*", "Resource": "*"}]
    assert not is_allowed(everything, Wanted(action="rds:DeleteDBCluster", resource=PROD))


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
    everything = review([{"Effect": "Allow", "Action": "rds:*", "Resource": "*"}], RESTORE)
    said = {finding.sentence for finding in everything if finding.kind == "too wide"}
    assert "rds:* covers more than the notebooks call." in said
    assert any("rds:DeleteDBCluster is allowed on others' resources" in sentence for sentence in said)
    assert any("secretsmanager:GetSecretValue" in one.sentence for one in everything if one.kind == "missing")
    assert review(read_policy(json.dumps(RESTORE)), RESTORE) == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", 'resource "aws_iam_policy" {}'])
def test_a_file_that_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(InputRefused, match="no IAM policy"):
        read_policy(text)


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
