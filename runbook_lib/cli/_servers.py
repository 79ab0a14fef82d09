"""A database server that is named on the command line, with the account that the environment gives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runbook_lib.errors import InputRefused

if TYPE_CHECKING:
    from runbook_lib.proof import Side


def side_of(place: str, prefix: str) -> Side:
    """Return the server at HOST:PORT, with the account of `{prefix}_USER` and `{prefix}_PASSWORD`.

    Raises:
        InputRefused: it is no address, or there is no account.
    """
    from runbook_lib.mysql import Credentials, Endpoint, connect
    from runbook_lib.proof import Side
    from runbook_lib.redaction import remember

    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise InputRefused(f'"{place}" is not the address of a server.', hint="Write it as HOST:PORT.")
    user = os.environ.get(f"{prefix}_USER", "")
    if not user:
        raise InputRefused(f"There is no account for {place}.", hint=f"Set {prefix}_USER and {prefix}_PASSWORD.")
    password = remember(os.environ.get(f"{prefix}_PASSWORD", ""), kind="database password")
    account = Credentials(user=user, password=password)
    return Side(name=place, connect=lambda: connect(Endpoint(host=host, port=int(port)), account))
