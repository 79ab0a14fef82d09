"""Show the checks before a restore: all of them, the bad ones first."""

from __future__ import annotations

from collections.abc import Sequence

from runbook_lib.display.table import Table
from runbook_lib.restore.checks import Check

_WORDS = {"bad": "STOP", "unknown": "unknown", "warn": "mind", "ok": "ok"}
_MARKS = {"bad": "bad", "unknown": "warn", "warn": "warn", "ok": "good"}


def checks_table(checks: Sequence[Check], *, before: str = "the restore") -> Table:
    """Show every check with what it found and what to do about it; `before` says what they are made for."""
    ordered = sorted(checks, key=lambda check: [*_WORDS].index(check.state))
    counts = {state: sum(check.state == state for check in checks) for state in _WORDS}
    said = ", ".join(f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state])
    stops = "An approved plan is stopped by them before anything is changed." if counts["bad"] else ""
    unknown = (
        "What is unknown could not be looked at: it is not known to be right. An approved plan goes on all the same."
        if counts["unknown"]
        else ""
    )
    return Table(
        title=f"Checks before {before}: {said}",
        columns=("", "check", "what was found", "what to do"),
        rows=tuple((_WORDS[check.state], check.subject, check.sentence, check.hint) for check in ordered),
        marks={index: _MARKS[check.state] for index, check in enumerate(ordered)},
        note=" ".join(part for part in (stops, unknown) if part),
    )
