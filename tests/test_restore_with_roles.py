"""The approved restore of a cluster with everything attached, by an engineer with the printed policy alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.clusters import find_cluster
from runbook_lib.times import iso
from tests.control_support import Stand, production, stand_in
from tests.test_policy import allow, as_user, run_notebook

S3, DIRECTORY = "arn:aws:iam::123456789012:role/aurora-s3", "arn:aws:iam::123456789012:role/directory"


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Return an AWS with a source under a customer's key, with an S3 role, another role and a directory."""
    with stand_in() as running, running.plane.in_environment():
        production(running)
        for role, feature in ((S3, "s3Import"), ("arn:aws:iam::123456789012:role/lambda", "")):
            running.rds.add_role_to_db_cluster(DBClusterIdentifier="prod", RoleArn=role, FeatureName=feature)
        found = running.plane.rds.cluster("prod")
        found.domain_memberships = [{"Domain": "d-1234567890", "Status": "joined", "IAMRoleName": "directory"}]
        running.client("iam").create_user(UserName="engineer")
        yield running


def policy(*roles: str) -> dict[str, object]:
    """Print the policy as the command line does, with these roles named."""
    source = "arn:aws:rds:ap-northeast-1:123456789012:cluster:prod"
    named = [part for role in roles for part in ("--role", role)]
    done = CliRunner().invoke(cli, ["policy", "restore_to_timestamp", "--source", source, *named])
    printed: dict[str, object] = json.loads(done.output)
    return printed


def test_without_the_roles_in_the_policy_the_checks_name_each_one_before_anything_is_changed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = stand.client("iam")
    allow(iam, policy())
    as_user(stand.plane, iam, monkeypatch)
    mark = len(stand.plane.requests)
    shown = run_notebook("restore_to_timestamp", cluster="prod")
    (denied,) = [check for check in shown["checks"] if check.subject == "permissions"]
    assert denied.state == "bad"
    for role in (S3, DIRECTORY, "role/lambda"):
        assert role in f"{denied.sentence} {denied.hint}"
    assert not [request for request in list(stand.plane.requests)[mark:] if request.mutating]


@pytest.mark.thorough
def test_with_the_printed_policy_the_notebook_restores_it_with_all_that_is_attached(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = stand.client("iam")
    allow(iam, policy(S3, DIRECTORY, "arn:aws:iam::123456789012:role/lambda"))
    session = as_user(stand.plane, iam, monkeypatch)
    key = session.client("rds")._request_signer._credentials.access_key
    window = find_cluster(session, "prod").window
    assert window is not None
    asked = {"cluster": "prod", "timestamp": iso(window.latest)}
    plan = run_notebook("restore_to_timestamp", until="restore.apply", **asked)["plan"]
    # nobody answers for its database here, so its rows are not counted; the settings are read back
    read_back = run_notebook("restore_to_timestamp", until="restore.verify", **asked, approve=plan.id)["compared"]
    assert read_back is not None
    copy = plan.target
    raw, source = find_cluster(session, copy).raw, find_cluster(session, "prod").raw
    roles = [sorted(role["RoleArn"] for role in found["AssociatedRoles"]) for found in (raw, source)]
    assert roles[0] == roles[1] != []
    assert [joined["IAMRoleName"] for joined in raw["DomainMemberships"]] == ["directory"]
    assert raw["KmsKeyId"] == source["KmsKeyId"]
    assert raw["MasterUserSecret"]["SecretArn"] != source["MasterUserSecret"]["SecretArn"]
    assert raw["DBClusterMembers"]
    theirs = {str(request) for request in stand.plane.requests if request.access_key == key}
    assert "rds:RestoreDBClusterToPointInTime" in theirs
