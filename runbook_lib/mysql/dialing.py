"""How a server is reached and identified before it is sent anything: address, tunnel, certificate, password.

A server on another machine is identified by its certificate: against the file that RUNBOOK_MYSQL_CA names, else against
the authorities of Amazon RDS that ship with this library. Only an identified server is ever sent a password as it is.

Limits: a server on this machine (loopback, Unix socket) is not identified. The shipped bundle covers 27 regions of the
partition aws; elsewhere the reader names AWS's own bundle.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import CLIENT, CR

from runbook_lib.errors import InputRefused, StepFailed, Unreachable

CA_VARIABLE, VIA_VARIABLE = "RUNBOOK_MYSQL_CA", "RUNBOOK_MYSQL_VIA"
AWS_BUNDLES = "https://truststore.pki.rds.amazonaws.com"  # AWS's own place for them (Aurora User Guide, "Using TLS")
_CA_HINT = (
    f"For another region, China or GovCloud download AWS's bundle from {AWS_BUNDLES} and name it by {CA_VARIABLE}. "
    "Otherwise find out what answers at this address before you go on."
)
# Ways to prove a password without telling it. Every other way (mysql_clear_password, dialog, sha256_password, what a
# later pymysql may know) is for identified servers only.
_TELL_NOTHING = frozenset({"", "mysql_native_password", "caching_sha2_password", "client_ed25519"})
_HANDSHAKE_S = 15.0  # pymysql waits for ever for a server that takes the connection and says nothing
_REGION = re.compile(r"Amazon RDS ([a-z0-9-]+) ")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a server listens. With `socket` set, the Unix socket is used instead of host and port."""

    host: str
    port: int
    socket: str = ""

    def __str__(self) -> str:
        return self.socket or f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A database account. The password is left out of its text.

    With `token` the account has no password of its own: each connection asks for a new one (IAM database
    authentication), made for the endpoint, and only an identified server is sent it.
    """

    user: str
    password: str = field(default="", repr=False)
    token: Callable[[Endpoint], str] | None = field(default=None, repr=False, compare=False)

    def plain(self, endpoint: Endpoint) -> dict[str, str]:
        """Return user and password as they are good for this endpoint now, to hand to a process of our own.

        Raises:
            StepFailed: a token is asked for, and the server at the endpoint would not be identified.
        """
        if self.token is None:
            return {"user": self.user, "password": self.password}
        if not is_identified(endpoint):
            raise StepFailed(
                f"The server at {endpoint} is not identified, so it is sent no IAM token.",
                hint="IAM authentication needs the cluster's own host name; reach it through a tunnel by "
                f"{VIA_VARIABLE}.",
            )
        return {"user": self.user, "password": self.token(endpoint)}


@dataclass(frozen=True, kw_only=True)
class Authorities:
    """The certificate authorities that servers are held against. Dates are aware UTC."""

    path: str
    count: int
    regions: frozenset[str]
    newest: datetime
    ends: datetime
    is_shipped: bool


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def is_identified(endpoint: Endpoint) -> bool:
    """Tell whether the server at that place has to show a certificate for its name."""
    return not endpoint.socket and not is_loopback(endpoint.host)


def authorities() -> Authorities:
    """Read which authorities are in use.

    Raises:
        InputRefused: the file of RUNBOOK_MYSQL_CA cannot be read, or holds no certificate.
    """
    path = authorities_file()
    held = verifying(path).get_ca_certs()
    subjects: list[Any] = [found["subject"] for found in held]
    names = [text for subject in subjects for part in subject for kind, text in part if kind == "commonName"]
    dates = [(_date(str(found["notBefore"])), _date(str(found["notAfter"]))) for found in held]
    return Authorities(
        path=path,
        count=len(held),
        regions=frozenset(region for name in names for region in _REGION.findall(name)),
        newest=max(begins for begins, _ in dates),
        ends=min(ends for _, ends in dates),
        is_shipped=path == _shipped(),
    )


def authorities_file() -> str:
    """Return the file of authorities: RUNBOOK_MYSQL_CA, else the one that ships with the library."""
    return os.environ.get(CA_VARIABLE, "").strip() or _shipped()


@cache
def _shipped() -> str:
    return str(files("runbook_lib.mysql").joinpath("data", "rds-ca-bundle.pem"))


def _date(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def verifying(path: str) -> ssl.SSLContext:
    """Return a context that asks for a certificate of these authorities, for the right name.

    Raises:
        InputRefused: the file cannot be read, or holds no certificate.
    """
    try:
        return _verifying(path, Path(path).stat().st_mtime_ns)
    except OSError as error:  # ssl.SSLError, what a file without a certificate gives, is one
        raise InputRefused(
            f'The file of certificate authorities "{path}" cannot be used: {error.strerror or error}.',
            hint=f"Let {CA_VARIABLE} name a readable PEM file, or leave it away: authorities of Amazon RDS ship with "
            "this library.",
        ) from error


@cache
def _verifying(path: str, _changed: int) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the name and the certificate
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=path)
    return context


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def via(endpoint: Endpoint) -> tuple[str, int] | None:
    """Return the address to dial instead of the endpoint's own, where RUNBOOK_MYSQL_VIA names one.

    The variable holds `HOST=ADDRESS:PORT`, several separated by commas: the real name of the server, and where a tunnel
    or a bastion forwards to it. The certificate is still the one of the real name.

    Raises:
        InputRefused: the variable cannot be read.
    """
    for part in filter(None, (part.strip() for part in os.environ.get(VIA_VARIABLE, "").split(","))):
        name, _, address = part.partition("=")
        host, _, port = address.strip().rpartition(":")
        if not (name.strip() and host and port.isdecimal() and 0 < int(port) < 65536):
            raise InputRefused(
                f'{VIA_VARIABLE} holds "{part}", which names no way to a server.',
                hint="Write NAME=ADDRESS:PORT, for example "
                "prod.cluster-abc.ap-northeast-1.rds.amazonaws.com=127.0.0.1:13306; several separated by commas.",
            )
        if not endpoint.socket and name.strip().lower() == endpoint.host.lower():
            return host.strip("[]"), int(port)
    return None


def settings_of(endpoint: Endpoint, credentials: Credentials) -> dict[str, Any]:
    """Return the settings of a `GuardedConnection` to that place as that account.

    Raises:
        Unreachable: the endpoint has no host; to a MySQL client that would mean this machine.
        InputRefused: a variable of the environment cannot be used.
        StepFailed: an IAM token would go to a server that is not identified.
    """
    if not endpoint.socket and not endpoint.host.strip():
        raise Unreachable(
            "The database has no address: AWS names no endpoint for it now.",
            hint="Wait until the cluster is available and has an instance, then run again.",
        )
    account = credentials.plain(endpoint)
    found: dict[str, Any] = {"user": account["user"], "password": account["password"].encode()}  # text: Latin-1 only
    if endpoint.socket:
        return {**found, "unix_socket": endpoint.socket, "ssl_disabled": True}
    found |= {"host": endpoint.host, "port": endpoint.port}
    if not is_identified(endpoint):
        return found  # encrypted as the server likes
    return {**found, "ssl": verifying(authorities_file()), "identified": True, "via": via(endpoint)}


if TYPE_CHECKING:
    _Connection = pymysql.Connection[Any]  # at run time it takes no parameter
else:
    _Connection = pymysql.Connection


class GuardedConnection(_Connection):
    """A connection that tells an unidentified server no password, and dials another address where one is named.

    On loopback pymysql tries to encrypt and checks nothing, and yet reads the system's certificates for each
    connection, which takes longer than everything else about it: that context is made once.
    """

    def __init__(self, *, identified: bool = False, via: tuple[str, int] | None = None, **settings: Any) -> None:
        self._identified, self._via = identified, via
        super().__init__(**settings)

    def connect(self, sock: socket.socket | None = None) -> None:
        """Connect, by way of the other address where there is one."""
        if sock is None and self._via is not None:
            try:
                sock = socket.create_connection(self._via, self.connect_timeout)
            except OSError as error:
                said = f"Can't connect to {self._via[0]}:{self._via[1]} ({error})"
                raise pymysql.err.OperationalError(CR.CR_CONN_HOST_ERROR, said) from error
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        shaken: Any = self  # its time-outs are not in pymysql's stubs
        held = shaken._read_timeout
        shaken._read_timeout = held or _HANDSHAKE_S
        try:
            super().connect(sock)
        finally:
            shaken._read_timeout = held
        shaken._sock.settimeout(held)
        shaken._current_timeout = held

    def _create_ssl_ctx(self, settings: Any) -> ssl.SSLContext:
        return settings if isinstance(settings, ssl.SSLContext) else _unverified()

    def _request_authentication(self) -> None:
        shaken: Any = self  # what the server has said of itself is not in pymysql's stubs
        if self._identified and not shaken.server_capabilities & CLIENT.SSL:  # older versions of pymysql would go on
            raise unidentified(f"{self.host}:{self.port}", "it offers no encryption")
        self._hold(str(shaken._auth_plugin_name))
        super()._request_authentication()  # type: ignore[misc]  # not in pymysql's stubs

    def _process_auth(self, plugin_name: bytes, *rest: Any) -> Any:
        self._hold(plugin_name.decode(errors="replace"))
        return super()._process_auth(plugin_name, *rest)  # type: ignore[misc]  # not in pymysql's stubs

    def _hold(self, plugin: str) -> None:
        if self._identified or plugin in _TELL_NOTHING:
            return
        raise StepFailed(
            f"The server at {self.host or 'this socket'} asks for the password by {plugin}, which is only told to an "
            "identified server. Nothing was sent.",
            hint=f"Use the real host name of the database, by {VIA_VARIABLE} where a tunnel leads to it.",
        )


def unidentified(place: str, why: str) -> StepFailed:
    """Return the error of a server whose certificate is not accepted. Nothing was sent to it."""
    return StepFailed(
        f"The server at {place} could not be identified: {why}. No password was sent.", hint=_CA_HINT, unidentified=True
    )
