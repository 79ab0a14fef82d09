"""What must never be shown or stored: values this library resolved as credentials, and what looks like one.

A value is remembered where it is resolved (a secret fetched, a password read), before anything can print it. A
headless run's record is written by another process: there, `remember` also tells that process, and returns only
when it has been told. Nothing of this touches a disk.
"""

from __future__ import annotations

from typing import Any

from runbook_lib.redaction.channel import CHANNEL_VARIABLE, tell
from runbook_lib.redaction.patterns import looks_secret, secret_name
from runbook_lib.redaction.scrubber import Scrubber
from runbook_lib.redaction.streams import StreamScrubber

_scrubber = Scrubber()


def remember(value: str, *, kind: str) -> str:
    """Note that `value` is a credential of this `kind` ("database password"), and give it back unchanged."""
    if value and value not in _scrubber.known:
        _scrubber.learn(value, kind=kind)
        tell(value, kind=kind)
    return value


def known() -> dict[str, str]:
    """Return every remembered value with its kind."""
    return dict(_scrubber.known)


def scrubbed(value: Any) -> Any:
    """Return a text, or lists and mappings of texts, with every secret replaced by a mark with its kind."""
    return _scrubber.value(value)


__all__ = [
    "CHANNEL_VARIABLE",
    "Scrubber",
    "StreamScrubber",
    "known",
    "looks_secret",
    "remember",
    "scrubbed",
    "secret_name",
]
