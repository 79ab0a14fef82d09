"""Whatever is wrong with what was given: one sentence on it, one on what to do, no traceback, nothing changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from runbook_lib import runbook
from runbook_lib.aws import connect
from runbook_lib.aws.translate import translated
from runbook_lib.errors import CredentialsRefused, InputRefused, NotFound, RunbookError, Unreachable
from runbook_lib.mysql import Credentials, Endpoint
from runbook_lib.mysql import connect as connect_database
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.rehearsal.source import CLUSTER, make_source
from tests.matrix import thorough

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def aws() -> Iterator[ControlPlane]:
    """Return a stand-in of AWS without servers behind it."""
    with ControlPlane(None, pace=brisk()) as plane, plane.in_environment():
        make_source(connect(), identifier=CLUSTER)
        yield plane


def run(aws: ControlPlane, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    found = {**os.environ, **aws.environment(), **environment}
    return subprocess.run(
        [sys.executable, "-c", "from runbook_lib.cli import main; main()", "run", *arguments],
        cwd=ROOT,
        env={name: value for name, value in found.items() if value},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["-p", "cluster", "no-such"], {}, f'"{CLUSTER}"'),
        thorough(["-p", "timestamp", "05/11/2026"], {}, "day/month"),
        thorough(["-p", "timestampp", "latest"], {}, "timestamp"),
        ([], {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials"),
    ],
)
def test_the_terminal_shows_sentences_not_tracebacks(
    aws: ControlPlane, tmp_path: Path, arguments: list[str], environment: dict[str, str], says: str
) -> None:
    mark = len(aws.requests)
    done = run(aws, "notebooks/inspect_backups.ipynb", "--records", str(tmp_path), *arguments, **environment)
    assert done.returncode in (2, 5)
    assert says in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "What to do:" in done.stderr
    assert not [request for request in list(aws.requests)[mark:] if request.mutating]


def refused(**given: str) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        runbook.start("inspect_backups", **{"timestamp": "latest", **given})  # type: ignore[arg-type]
    return caught.value


def test_a_wrong_cluster_names_those_there_are(aws: ControlPlane) -> None:
    error = refused(cluster="no-such")
    assert isinstance(error, NotFound)
    assert CLUSTER in error.hint


def test_several_clusters_and_no_name_lists_them(aws: ControlPlane) -> None:
    rds = connect().client("rds")
    rds.create_db_cluster(
        DBClusterIdentifier="second", Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword="not-ours-1"
    )
    try:
        error = refused()
        assert "2 Aurora MySQL clusters" in error.message
        assert "second" in error.hint
    finally:
        rds.delete_db_cluster(DBClusterIdentifier="second", SkipFinalSnapshot=True)


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"region": "ap-north-1"}, InputRefused, "no AWS region"),
        ({"profile": "nobody"}, InputRefused, "no AWS profile"),
        ({"timezone": "Tokyo"}, InputRefused, "IANA"),
        ({"timestamp": "2026-02-04 10:00"}, InputRefused, "no zone"),
    ],
)
def test_each_wrong_value_is_named(
    aws: ControlPlane, given: dict[str, str], kind: type[RunbookError], says: str
) -> None:
    error = refused(**given)
    assert isinstance(error, kind)
    assert says in error.message
    assert error.hint


@pytest.mark.parametrize(("code", "says"), [("ExpiredToken", "expired"), ("InvalidClientTokenId", "does not accept")])
def test_credentials_that_aws_refuses_say_to_sign_in_again(aws: ControlPlane, code: str, says: str) -> None:
    aws.faults.refuse("GetCallerIdentity", code=code, message="no", status=403)
    try:
        error = refused()
    finally:
        aws.faults.clear()
    assert isinstance(error, CredentialsRefused)
    assert says in error.message
    assert "Sign in again" in error.hint


def test_denied_access_is_not_read_as_nothing_found(aws: ControlPlane) -> None:
    aws.faults.deny("rds:DescribeDBClusters")
    try:
        error = refused()
    finally:
        aws.faults.clear()
    assert not isinstance(error, NotFound)
    assert "rds:DescribeDBClusters" in error.message


def test_an_aws_that_does_not_answer_is_unreachable() -> None:
    with pytest.raises(Unreachable) as caught, translated("rds", "DescribeDBClusters"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    assert "network" in caught.value.hint


def test_a_database_that_does_not_answer_is_named_with_its_address() -> None:
    with pytest.raises(Unreachable) as caught:
        connect_database(Endpoint(host="127.0.0.1", port=9), Credentials(user="admin", password="x"))
    assert "127.0.0.1:9" in caught.value.message
    assert "security group" in caught.value.hint
