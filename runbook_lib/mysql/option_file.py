"""The option file that client programs read: where a server is and who connects, kept off the command line."""

from __future__ import annotations

import os
from pathlib import Path

from runbook_lib.errors import InputRefused
from runbook_lib.mysql.dialing import Credentials, Endpoint, authorities_file, is_identified, via


def write_option_file(
    path: Path, endpoint: Endpoint, credentials: Credentials, *, groups: tuple[str, ...] = ("client",), first: str = ""
) -> Path:
    """Write an option file that only this user may read (mode 0600), and give its path.

    `groups` are the sections that a program reads; `first` is a statement that each connection begins with. A
    connection is encrypted, and the server identified, as `connect` does it. MySQL manual, "Using Option Files".

    Raises:
        InputRefused: the account has IAM tokens, the server is reached through a tunnel, or the endpoint has no host.
    """
    if credentials.token is not None:
        raise InputRefused(
            "An IAM token is not given to a client program: it would end in a quarter of an hour.",
            hint='Ask for another way ("through: insert" among the `rows`), or use an account with a password.',
        )
    if not endpoint.socket and not endpoint.host.strip():
        raise InputRefused("The database has no address.", hint="Wait until the cluster has an endpoint.")
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
    place = {"host": endpoint.host, "port": str(endpoint.port), "protocol": "tcp"}
    if not is_identified(endpoint):
        return place
    if via(endpoint):
        raise InputRefused(
            f"{endpoint.host} is reached through a tunnel, and a client program cannot check its certificate there.",
            hint='Ask for another way ("through: insert" among the `rows`), which checks it.',
        )
    return {**place, "ssl-ca": authorities_file(), "ssl-verify-server-cert": "1"}


def _written(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
