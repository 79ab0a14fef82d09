"""One check before a restore, as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from runbook_lib.errors import CheckFailed

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
    """Give a check that is as it should be."""
    return Check(subject=subject, state="ok", sentence=sentence)


def warn(subject: str, sentence: str, hint: str) -> Check:
    """Give a check that stops nothing, and that somebody must know of."""
    return Check(subject=subject, state="warn", sentence=sentence, hint=hint)


def bad(subject: str, sentence: str, hint: str) -> Check:
    """Give a check that stops the restore."""
    return Check(subject=subject, state="bad", sentence=sentence, hint=hint)


def unknown(subject: str, why_not: str) -> Check:
    """Give a check that could not be made; `why_not` names the missing permission where that is it."""
    hint = "Allow it, or look by other means before you approve; `runbook policy` prints what is needed."
    return Check(subject=subject, state="unknown", sentence=f"{why_not}.", hint=hint)


class Planned(Protocol):
    """A plan of any kind, by its id."""

    @property
    def id(self) -> str:
        """A hash of what would be done to what."""


def require(checks: Iterable[Check], plan: Planned, *, approve: str) -> None:
    """Stop an approved plan that a check speaks against. A plan that is only looked at is never stopped.

    Raises:
        CheckFailed: the plan is approved, and a check is bad.
    """
    if approve.strip() != plan.id:
        return
    if found := [check for check in checks if check.state == "bad"]:
        raise CheckFailed(
            "; ".join(f"{check.subject}: {check.sentence.rstrip('.')}" for check in found) + ". Nothing was changed.",
            hint=" ".join(check.hint for check in found),
            subjects=[check.subject for check in found],
        )
