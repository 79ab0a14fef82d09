"""The option file that client programs read: where a server is and who connects, kept off the command line."""

from __future__ import annotations

import os
from pathlib import Path

from runbook_lib.mysql.connection import Credentials, Endpoint, encryption


def write_option_file(
    path: Path, endpoint: Endpoint, credentials: Credentials, *, groups: tuple[str, ...] = ("client",), first: str = ""
) -> Path:
    """Write an option file that only this user may read (mode 0600), and give its path.

    `groups` are the sections that a program reads; `first` is a statement that each connection begins with. A
    connection is encrypted as `connect` encrypts it. MySQL manual, "Using Option Files".
    """
    options = {"user": credentials.user, "password": credentials.password, **_place(endpoint)}
    if first:
        options["init-command"] = first
    lines = [f"{name}={_written(value)}" for name, value in options.items()]
    text = "".join(f"[{group}]\n" + "\n".join(lines) + "\n" for group in groups)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    return path


def _place(endpoint: Endpoint) -> dict[str, str]:
    if endpoint.socket:
        return {"socket": endpoint.socket}
    asked = encryption(endpoint)
    place = {"host": endpoint.host, "port": str(endpoint.port), "protocol": "tcp"}
    if "ssl_ca" in asked:
        return {**place, "ssl-ca": asked["ssl_ca"], "ssl-verify-server-cert": "1"}
    return {**place, "ssl-enforce": "1"} if asked else place


def _written(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
