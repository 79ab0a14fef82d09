"""What must never be shown or stored: the values this library resolved as credentials.

A value is remembered where it is resolved (a secret fetched, a password read), before anything can print it.
"""

from __future__ import annotations

_known: dict[str, str] = {}


def remember(value: str, *, kind: str) -> str:
    """Note that `value` is a credential of this `kind` ("database password"), and give it back unchanged."""
    if value:
        _known[value] = kind
    return value


def known() -> dict[str, str]:
    """Give every remembered value with its kind."""
    return dict(_known)
