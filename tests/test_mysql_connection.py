"""What a connection is willing to tell, and to whom: encryption and identification depend on where it goes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook_lib.aws import connect as open_session
from runbook_lib.databases import credentials_for
from runbook_lib.errors import InputRefused, RunbookError, StepFailed, Unreachable
from runbook_lib.mysql import Credentials, Endpoint, authorities, connect, write_option_file
from runbook_lib.mysql.binary_log import LogFile, began
from runbook_lib.mysql.dialing import settings_of, via
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.restore.checks.hazards import check_certificates, judge_certificates
from tests import builders
from tests.guarded_server import GuardedServer, certificate

MASTER = Credentials(user="admin", password="of-this-test-7")
NAME = "prod.cluster-abc.test"
CLEAR = ("mysql_clear_password", "dialog", "sha256_password", "a_plugin_of_tomorrow")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNBOOK_MYSQL_CA", "RUNBOOK_MYSQL_VIA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[GuardedServer]:
    """Return a server with the right certificate, reached by a tunnel, that asks for the clear password."""
    with GuardedServer(files=certificate(NAME, authority="tests' own authority")) as server:
        monkeypatch.setenv("RUNBOOK_MYSQL_CA", certificate("tests' own authority")[0])
        monkeypatch.setenv("RUNBOOK_MYSQL_VIA", f"other.test=127.0.0.1:9, {NAME.upper()} = 127.0.0.1:{server.port}")
        yield server


def test_an_identified_server_gets_the_clear_password_through_a_tunnel_by_its_real_name(
    trusted: GuardedServer,
) -> None:
    with connect(Endpoint(host=NAME, port=3306), MASTER) as database:
        assert database.version == "8.0.36"
    assert trusted.heard == [b"of-this-test-7\0"]


def test_each_connection_of_an_iam_user_gets_a_token_of_its_own(
    trusted: GuardedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-this-test")
    session = open_session(region="ap-northeast-1")
    cluster = builders.cluster(IAMDatabaseAuthenticationEnabled=True, Endpoint=NAME)
    account = credentials_for(session, cluster, secret="iam:runbook")
    with connect(cluster.endpoint, account), connect(cluster.endpoint, account):
        pass
    for heard in trusted.heard:
        assert heard.startswith(f"{NAME}:{cluster.endpoint.port}/?Action=connect&DBUser=runbook&".encode())
        assert b"X-Amz-Signature=" in heard
    with pytest.raises(InputRefused, match="client program"):
        write_option_file(Path("/nowhere"), cluster.endpoint, account)
    with pytest.raises(StepFailed, match="no IAM token"):
        connect(Endpoint(host="127.0.0.1", port=trusted.port), account)
    with pytest.raises(InputRefused, match="not enabled"):
        credentials_for(session, builders.cluster(), secret="iam:runbook")


@pytest.mark.parametrize("plugin", CLEAR)
def test_a_self_signed_server_that_asks_for_the_password_gets_none(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should refuse before a byte of the password, under the real name as on this machine."""
    with GuardedServer(plugin=plugin, files=certificate(NAME)) as server:
        monkeypatch.setenv("RUNBOOK_MYSQL_VIA", f"{NAME}=127.0.0.1:{server.port}")
        with pytest.raises(StepFailed, match="could not be identified: self-signed certificate"):
            connect(Endpoint(host=NAME, port=3306), MASTER)
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(StepFailed, match=f"asks for the password by {plugin}"):
                connect(Endpoint(host=host, port=server.port), MASTER)
        with pytest.raises(RunbookError):
            began(Endpoint(host="127.0.0.1", port=server.port), MASTER, LogFile(name="x", size=1))
        assert server.heard == []


def test_a_server_of_another_name_or_another_authority_or_without_encryption_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = certificate("other.test", authority="tests' own authority")
    for files, said in ((elsewhere, "Hostname mismatch"), (None, "offers no encryption")):
        with GuardedServer(files=files) as server:
            monkeypatch.setenv("RUNBOOK_MYSQL_CA", certificate("tests' own authority")[0])
            monkeypatch.setenv("RUNBOOK_MYSQL_VIA", f"{NAME}=127.0.0.1:{server.port}")
            with pytest.raises(StepFailed, match=said):
                connect(Endpoint(host=NAME, port=3306), MASTER)
            monkeypatch.delenv("RUNBOOK_MYSQL_CA")  # then the shipped authorities decide
            with pytest.raises(StepFailed, match="could not be identified"):
                connect(Endpoint(host=NAME, port=3306), MASTER)
            assert server.heard == []


@pytest.mark.parametrize("host", ["", "  "])
def test_an_endpoint_without_a_host_is_never_dialled(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a MySQL client it would mean this machine."""

    def unwanted(*_: object, **__: object) -> socket.socket:
        raise AssertionError("it was dialled")

    monkeypatch.setattr(socket, "create_connection", unwanted)
    nowhere = Endpoint(host=host, port=3306)
    with pytest.raises(Unreachable, match="no address"):
        connect(nowhere, MASTER)
    with pytest.raises(Unreachable, match="no address"):
        began(nowhere, MASTER, LogFile(name="x", size=1))
    with pytest.raises(InputRefused, match="no address"):
        write_option_file(Path("/nowhere"), nowhere, MASTER)


@pytest.mark.parametrize(
    "value", ["prod", "prod=", "=127.0.0.1:1", "prod=host", "prod=host:port", "prod=host:0", "prod=host:70000"]
)
def test_a_tunnel_that_cannot_be_read_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_MYSQL_VIA", value)
    with pytest.raises(InputRefused, match="RUNBOOK_MYSQL_VIA"):
        via(Endpoint(host="x", port=1))


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_cannot_be_used_is_refused(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("RUNBOOK_MYSQL_CA", str(path))
    with pytest.raises(InputRefused, match=r"ca\.pem"):
        connect(Endpoint(host=NAME, port=3306), MASTER)


def test_client_programs_are_asked_to_identify_the_server_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Endpoint(host=NAME, port=3306)
    text = write_option_file(tmp_path / "a", elsewhere, MASTER).read_text()
    assert f'ssl-ca="{authorities().path}"' in text
    assert 'ssl-verify-server-cert="1"' in text
    assert settings_of(elsewhere, MASTER)["ssl"].verify_mode is ssl.CERT_REQUIRED
    monkeypatch.setenv("RUNBOOK_MYSQL_VIA", f"{NAME}=127.0.0.1:1")
    with pytest.raises(InputRefused, match="tunnel"):
        write_option_file(tmp_path / "b", elsewhere, MASTER)


def test_the_shipped_authorities_have_a_date_that_a_check_shows() -> None:
    held, now = authorities(), datetime(2026, 11, 28, tzinfo=UTC)
    assert (held.count, len(held.regions), held.is_shipped) == (86, 27, True)
    found = judge_certificates(held, region="ap-northeast-1", now=now)
    assert (found.state, "the newest of 2022-06-06" in found.sentence) == ("ok", True)
    assert judge_certificates(held, region="cn-north-1", now=now).state == "warn"
    assert judge_certificates(held, region="ap-northeast-1", now=held.ends + timedelta(days=1)).state == "warn"


def test_the_check_of_certificates_says_which_file_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_MYSQL_CA", "/nowhere/ca.pem")
    found = check_certificates(builders.cluster(Endpoint=NAME), region="ap-northeast-1", now=builders.NOW)
    assert (found.state, "/nowhere/ca.pem" in found.sentence) == ("warn", True)


def test_on_this_machine_no_certificates_are_read_and_it_is_encrypted_as_the_server_likes(
    plane: DataPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should open TCP and socket connections without the system's certificates, and MySQL's TCP still encrypted."""
    plane.create("one", master=MASTER)
    plane.open("one")

    def unwanted(*_: object, **__: object) -> ssl.SSLContext:
        raise AssertionError("the system's certificates were read")

    monkeypatch.setattr(ssl, "create_default_context", unwanted)
    with connect(plane.endpoint("one"), MASTER) as over_tcp, plane.admin("one") as over_socket:
        ciphers = [database.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1] for database in (over_tcp, over_socket)]
        assert bool(ciphers[0]) is not over_tcp.is_mariadb  # the stand-in's MariaDB has no certificate of its own
        assert not ciphers[1]
