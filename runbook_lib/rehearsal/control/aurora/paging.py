"""Pages, as RDS gives them: 20 to 100 records, and a marker for the rest."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.rehearsal.control.aurora.errors import invalid_value

_SMALLEST, _LARGEST = 20, 100


def page(items: Sequence[Any], asked: Mapping[str, Any], *, key: str) -> dict[str, Any]:
    """Return the page that is asked for under `key`, with the marker of the next one."""
    size = asked.get("max_records") or _LARGEST
    if not _SMALLEST <= size <= _LARGEST:
        raise invalid_value(f"Invalid value {size} for MaxRecords. Must be between {_SMALLEST} and {_LARGEST}.")
    start = _position(asked.get("marker"))
    following = start + size
    answer: dict[str, Any] = {key: list(items[start:following])}
    if following < len(items):
        answer["Marker"] = base64.urlsafe_b64encode(f"after:{following}".encode()).decode()
    return answer


def _position(marker: str | None) -> int:
    if not marker:
        return 0
    try:
        return int(base64.urlsafe_b64decode(marker).decode().removeprefix("after:"))
    except ValueError as error:
        raise invalid_value("The parameter Marker is not one that an earlier request gave.") from error
