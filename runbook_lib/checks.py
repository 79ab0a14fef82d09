"""One check, as a value: what was looked at, how it stands, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "bad", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at, how it stands, one sentence on it, and what to do.

    "unknown" is what nobody could look at; it is never taken for "ok".
    """

    subject: str
    state: State
    sentence: str
    hint: str = ""


def ok(subject: str, sentence: str) -> Check:
    """Return a check that is as it should be."""
    return Check(subject=subject, state="ok", sentence=sentence)


def warn(subject: str, sentence: str, hint: str) -> Check:
    """Return a check that stops nothing, and that somebody must know of."""
    return Check(subject=subject, state="warn", sentence=sentence, hint=hint)


def bad(subject: str, sentence: str, hint: str) -> Check:
    """Return a check that stops what was planned."""
    return Check(subject=subject, state="bad", sentence=sentence, hint=hint)


_ALLOW = "Allow it, or look by other means before you approve; `runbook policy` prints what is needed."


def unknown(subject: str, why_not: str, hint: str = _ALLOW) -> Check:
    """Return a check that could not be made; `why_not` names the missing permission where that is it."""
    return Check(subject=subject, state="unknown", sentence=f"{why_not}.", hint=hint)
