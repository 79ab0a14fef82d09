"""How a connection is encrypted depends on where it goes."""

from __future__ import annotations

import ssl

import pytest

from runbook_lib.mysql import Credentials, Endpoint, connect
from runbook_lib.mysql.connection import encryption
from runbook_lib.rehearsal.dataplane import DataPlane

MASTER = Credentials(user="admin", password="of-this-test-7")


def test_it_is_encrypted_elsewhere_and_the_server_identified_where_an_authority_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = Endpoint(host="db.example.com", port=3306)
    monkeypatch.delenv("RUNBOOK_MYSQL_CA", raising=False)
    assert encryption(elsewhere)["ssl"]
    monkeypatch.setenv("RUNBOOK_MYSQL_CA", "bundle.pem")
    assert encryption(elsewhere) == {"ssl_ca": "bundle.pem", "ssl_verify_cert": True, "ssl_verify_identity": True}


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
