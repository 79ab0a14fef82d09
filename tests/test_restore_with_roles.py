"""The approved restore of a cluster with everything attached, by an engineer with the printed policy alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.clusters import find_cluster
from runbook_lib.times import iso
from tests.control_support import Stand, production, stand_in
from tests.small_world import small_world
from tests.test_policy import ROOT, allow, as_user, run_notebook

S3, DIRECTORY = "arn:aws:iam::123456789012:role/aurora-s3", "arn:aws:iam::123456789012:role/directory"
LAMBDA = "arn:aws:iam::123456789012:role/lambda"


@pytest.fixture
def stand() -> Iterator[Stand]:
    """Return an AWS with a source under a customer's key, with an S3 role, another role and a directory."""
    with stand_in() as running, running.plane.in_environment():
        production(running)
        attach(running)
        yield running


def attach(stand: Stand) -> None:
    """Give the source two roles and a directory, and the account a user."""
    for role, feature in ((S3, "s3Import"), (LAMBDA, "")):
        stand.rds.add_role_to_db_cluster(DBClusterIdentifier="prod", RoleArn=role, FeatureName=feature)
    found = stand.plane.rds.cluster("prod")
    found.domain_memberships = [{"Domain": "d-1234567890", "Status": "joined", "IAMRoleName": "directory"}]
    stand.client("iam").create_user(UserName="engineer")


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


@pytest.mark.engine
@pytest.mark.thorough
def test_with_the_printed_policy_papermill_restores_it_with_all_that_is_attached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_world(tmp_path) as world:
        world.damage()
        world.fill_the_copy()
        attach(world.stand)
        iam = world.stand.client("iam")
        allow(iam, policy(S3, DIRECTORY, LAMBDA))
        session = as_user(world.stand.plane, iam, monkeypatch)
        key = os.environ["AWS_ACCESS_KEY_ID"]
        window = find_cluster(session, "prod").window
        assert window is not None
        asked = {"cluster": "prod", "timestamp": iso(window.latest)}
        plan_id = papermill(tmp_path, **asked)["plan_id"]
        made = papermill(tmp_path, **asked, approve=plan_id)
        assert (made["outcome"], made["plan_id"]) == ("succeeded", plan_id)
        raw, source = (find_cluster(session, name).raw for name in (made["changed"][0], "prod"))
    roles = [sorted(role["RoleArn"] for role in found["AssociatedRoles"]) for found in (raw, source)]
    assert roles[0] == roles[1] == sorted((S3, LAMBDA))
    assert [joined["IAMRoleName"] for joined in raw["DomainMemberships"]] == ["directory"]
    assert raw["KmsKeyId"] == source["KmsKeyId"]
    assert raw["MasterUserSecret"]["SecretArn"] != source["MasterUserSecret"]["SecretArn"]
    assert raw["DBClusterMembers"]
    theirs = {str(request) for request in world.stand.plane.requests if request.access_key == key}
    assert "rds:RestoreDBClusterToPointInTime" in theirs


def papermill(folder: Path, **parameters: str) -> dict[str, Any]:
    """Run the notebook by the papermill command with our engine; return its record's manifest."""
    given = [part for name, value in parameters.items() for part in ("-p", name, value)]
    notebook = ROOT / "notebooks" / "restore_to_timestamp.ipynb"
    command = [
        "papermill",
        "--engine",
        "runbook",
        "--no-progress-bar",
        str(notebook),
        str(folder / "out.ipynb"),
        *given,
    ]
    store = {"RUNBOOK_RECORDS": str(folder / "records")}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | store,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    newest = max((folder / "records").rglob("manifest.json"))
    read: dict[str, Any] = json.loads(newest.read_bytes())
    return read
