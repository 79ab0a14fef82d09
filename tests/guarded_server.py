"""A MySQL server that only shakes hands: it asks for the password by any method, and keeps what it was told."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL, _OK = 0x0800, b"\x00\x00\x00\x02\x00\x00\x00"
_CAPABILITIES = 0x00000001 | 0x00000004 | 0x00000200 | 0x00008000 | 0x00080000 | 0x00200000


@cache
def certificate(name: str, *, authority: str = "") -> tuple[str, str]:
    """Write a certificate for a host name (its own authority unless one is named), and return its files."""
    folder = Path(mkdtemp(prefix="certificate-"))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = subject, key
    if authority:
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, authority)])
        loaded = serialization.load_pem_private_key(Path(certificate(authority)[1]).read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer = loaded
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))]),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    of, its_key = folder / "cert.pem", folder / "key.pem"
    of.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    its_key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(of), str(its_key)


@dataclass
class GuardedServer:
    """Use as a context manager. `heard` are the answers to what it asked for; `files` are its certificate and key."""

    plugin: str = "mysql_clear_password"
    files: tuple[str, str] | None = None
    heard: list[bytes] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> GuardedServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError, struct.error), client:
            self._shake(client)

    def _shake(self, client: socket.socket) -> None:
        flags = _CAPABILITIES | (_SSL if self.files else 0)
        _send(
            client, 0,
            b"\x0a8.0.36\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<H", flags & 0xFFFF) + b"\x2d"
            + struct.pack("<HH", 2, flags >> 16) + b"\x15" + bytes(10) + b"123456789012\0mysql_native_password\0",
        )  # fmt: skip
        number, answer = _read(client)
        if self.files and len(answer) == 32:  # a request for TLS
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.files)
            client = context.wrap_socket(client, server_side=True)
            number, answer = _read(client)
        _send(client, number + 1, b"\xfe" + self.plugin.encode() + b"\0" + b"12345678901234567890\0")
        number, answer = _read(client)
        self.heard.append(answer)
        _send(client, number + 1, _OK)
        while True:
            number, _ = _read(client)
            _send(client, number + 1, _OK)


def _send(client: socket.socket, number: int, payload: bytes) -> None:
    client.sendall(struct.pack("<I", len(payload))[:3] + bytes([number]) + payload)


def _read(client: socket.socket) -> tuple[int, bytes]:
    head = _exactly(client, 4)
    return head[3], _exactly(client, int.from_bytes(head[:3], "little"))


def _exactly(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = client.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found
