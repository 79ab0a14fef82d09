"""Whatever is wrong with what was given: one sentence on it, one on what to do, no traceback, nothing changed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from botocore import exceptions as boto
from botocore.exceptions import EndpointConnectionError

from runbook_lib import runbook
from runbook_lib.aws import connect
from runbook_lib.aws import session as session_module
from runbook_lib.aws.translate import translated
from runbook_lib.backups import look_at_backups
from runbook_lib.errors import CredentialsRefused, InputRefused, NotFound, RunbookError, Unreachable
from runbook_lib.mysql import Credentials, Endpoint
from runbook_lib.mysql import connect as connect_database
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.rehearsal.source import CLUSTER, make_source
from runbook_lib.timeline.aws_facts import LIST_JOBS
from runbook_lib.timeline.reading import Asked, read_timeline
from runbook_lib.times import utc_now
from tests.matrix import release, thorough

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
        thorough(["-p", "cluster", "no-such"], {}, f'"{CLUSTER}"'),
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


def test_a_cluster_that_was_deleted_is_told_of_by_its_kept_backup_and_how_it_is_restored(aws: ControlPlane) -> None:
    """It should not send somebody whose cluster is gone to look at the region and the account only."""
    now = utc_now()
    resource_id = aws.history.retained_backup("bygone", since=now - timedelta(days=7), last=now - timedelta(hours=2))
    try:
        error = refused(cluster="bygone")
        assert isinstance(error, NotFound)
        assert f'restore_from="{resource_id}", timestamp="latest", target="bygone"' in error.hint
        assert CLUSTER in error.hint
        assert resource_id not in refused(cluster="other").hint
        with pytest.raises(NotFound) as other:
            runbook.start("watch_backups", timestamp="latest", cluster="bygone")
        assert resource_id not in other.value.hint, "it does not ask AWS for such backups"
        aws.faults.deny("rds:DescribeDBClusterAutomatedBackups")
        denied = refused(cluster="bygone").hint
        assert "whether its backup was kept could not be looked at: permission rds:DescribeDBClusterAuto" in denied
    finally:
        aws.faults.clear()
        del aws.rds.retained_backups[resource_id]


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


CONFIG = """
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = recovery
region = ap-northeast-1
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = ap-northeast-1
sso_registration_scopes = sso:account:access
[profile old-sso]
sso_start_url = https://corp.awsapps.com/start
sso_region = ap-northeast-1
sso_account_id = 123456789012
sso_role_name = recovery
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/recovery
mfa_serial = arn:aws:iam::123456789012:mfa/me
source_profile = keys
[profile role]
role_arn = arn:aws:iam::123456789012:role/recovery
source_profile = keys
[profile keys]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = of-this-test
[profile half]
aws_access_key_id = AKIAEXAMPLE
[profile process]
credential_process = /nowhere/get-credentials
[profile failing-process]
credential_process = sh -c "echo secret-word-7 >&2; exit 3"
[profile babbling-process]
credential_process = echo not-json
[profile login]
login_session = arn:aws:sts::123456789012:assumed-role/me
[profile web]
role_arn = arn:aws:iam::123456789012:role/recovery
web_identity_token_file = /nowhere/token
[profile loop]
role_arn = arn:aws:iam::123456789012:role/a
source_profile = loop2
[profile loop2]
role_arn = arn:aws:iam::123456789012:role/b
source_profile = loop
[profile nothing]
"""
SIGN_INS = [
    ("sso", "aws sso login --profile sso"),
    ("old-sso", "aws sso login --profile old-sso"),
    ("mfa", "MFA code"),
    ("role", "could not be taken on"),
    ("half", "incomplete"),
    ("process", "/nowhere/get-credentials"),
    ("failing-process", "could not be fetched by custom-process"),
    ("babbling-process", "not JSON"),
    ("login", "botocore[crt]"),  # which is not among what this project needs
    ("web", "/nowhere/token"),
    ("loop", "configuration cannot be used"),
    ("nothing", "No AWS credentials"),
]


@pytest.fixture
def profiles(aws: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have every way of boto3 to sign in as a profile, each with its trouble, and no keys in the environment."""
    path = tmp_path / "config"
    path.write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    aws.faults.refuse("AssumeRole", code="AccessDenied", message="User is not authorized to assume it", status=403)
    yield
    aws.faults.clear()


@pytest.mark.parametrize(("profile", "says"), SIGN_INS)
def test_each_way_to_sign_in_that_fails_is_one_sentence_and_exit_code_2(
    profiles: None, profile: str, says: str
) -> None:
    error = refused(profile=profile)
    assert error.exit_code == 2
    assert says in str(error)
    assert error.hint
    assert "\n" not in error.message
    assert "secret-word-7" not in str(error)


@pytest.mark.thorough
@pytest.mark.parametrize("profile", [each if each == "mfa" else release(each) for each, _ in SIGN_INS])
def test_a_headless_run_in_a_kernel_ends_at_once_with_that_sentence(
    aws: ControlPlane, profiles: None, tmp_path: Path, profile: str
) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONFIG_FILE": os.environ["AWS_CONFIG_FILE"]}
    done = run(aws, "inspect_backups", "-p", "profile", profile, "--records", str(tmp_path / "records"), **nothing)
    assert done.returncode == 2
    assert dict(SIGN_INS)[profile] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (boto.UnauthorizedSSOTokenError(), "aws sso login"),
        (boto.TokenRetrievalError(provider="sso", error_msg="x"), "aws sso login"),
        (boto.LoginRefreshRequired(), "aws login"),
        (boto.LoginInsufficientPermissions(), "aws login"),
        (boto.RefreshWithMFAUnsupportedError(), "new code"),
        (boto.MissingDependencyException(msg="crt"), "botocore[crt]"),
        (boto.MetadataRetrievalError(error_msg="x"), "metadata"),
        (boto.ConfigParseError(path="/x"), "configuration"),
    ],
)
def test_a_sign_in_that_has_ended_says_how_to_begin_another(error: Exception, says: str) -> None:
    with pytest.raises(InputRefused) as caught, translated("rds", "DescribeDBClusters", profile="p"):
        raise error
    assert says in str(caught.value)


def test_the_clock_of_this_machine_is_named_where_aws_refuses_its_time(aws: ControlPlane) -> None:
    said = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"
    aws.faults.refuse("GetCallerIdentity", code="SignatureDoesNotMatch", message=said, status=403)
    try:
        assert "clock" in refused().message
    finally:
        aws.faults.clear()


def test_services_that_do_not_answer_are_found_together_and_within_seconds(
    aws: ControlPlane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A VPC without NAT: packets are dropped, or a proxy takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        for name in ("BACKUP", "GLUE", "CLOUDWATCH", "SECRETS_MANAGER"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", f"http://127.0.0.1:{mute.getsockname()[1]}")
        monkeypatch.setattr(session_module, "_KNOCK_S", 1.0)
        began = time.monotonic()
        run = runbook.start("inspect_backups", timestamp="latest")
        held = look_at_backups(run.session, run.target)
        timeline = read_timeline(run.session, run.target, asked=Asked(moment=None, now=run.now))
        took = time.monotonic() - began
    assert took < 15  # one after another they would take minutes
    assert "did not answer backup" in held.recovery_points.why_not
    unread = {source.name for source in timeline.sources if "did not answer" in source.why_not}
    assert unread == {"Glue runs", "CloudWatch", "table creation times", "binary log"}
    assert held.snapshots.why_not == ""


def test_a_service_that_nothing_listens_for_is_tried_twice_only(
    aws: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", "http://127.0.0.1:9")
    session, began = connect(), time.monotonic()
    for _ in range(5):
        with pytest.raises(Unreachable, match="glue"):
            LIST_JOBS(session)
    assert time.monotonic() - began < 5


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


@pytest.mark.release
@pytest.mark.parametrize("first", ["KMS", "RDS"])
def test_a_whole_run_with_five_services_that_do_not_answer_says_so_within_25_seconds(
    aws: ControlPlane, tmp_path: Path, first: str
) -> None:
    """Without RDS nothing can be inspected; without the others the run goes on and names each of them."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        at = f"http://127.0.0.1:{mute.getsockname()[1]}"
        silent = {f"AWS_ENDPOINT_URL_{name}": at for name in (first, "BACKUP", "GLUE", "CLOUDWATCH", "SECRETS_MANAGER")}
        began = time.monotonic()
        done = run(aws, "inspect_backups", "--records", str(tmp_path / "records"), "--json", **silent)
        took = time.monotonic() - began
    (manifest,) = [json.loads(path.read_text()) for path in tmp_path.rglob("manifest.json")]
    moments = [datetime.fromisoformat(manifest[name]) for name in ("started", "ended")]
    assert min(took, (moments[1] - moments[0]).total_seconds()) < 25
    (report,) = tmp_path.rglob("report.html")
    said = report.read_text() + done.stderr
    assert "no answer from" in said
    if first == "RDS":
        assert done.returncode == 5
        assert "AWS did not answer rds DescribeDBClusters." in done.stderr
        assert "Traceback" not in done.stderr
    else:
        assert done.returncode == 0
        for service in ("backup", "glue", "cloudwatch", "secretsmanager"):
            assert f"AWS did not answer {service}" in said
