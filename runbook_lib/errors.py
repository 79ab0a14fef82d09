"""One root for every error, its children by what the reader must do next.

Each error says what is wrong in one sentence (`message`) and what to do in another (`hint`); the values both are
made of are kept as `facts`. The exit code belongs to the class, so that a notebook's kernel, the runner and
the command line agree on it by the class's name alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar


class RunbookError(Exception):
    """Root of every error this library raises on purpose.

    Never put a credential or a local variable's value into a message: it is shown and recorded.
    """

    exit_code: ClassVar[int] = 5
    headline: ClassVar[str] = "Failed"

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def lines(self) -> list[str]:
        """Return the two lines a person reads: what is wrong, and what to do."""
        return [f"{self.headline}: {self.message}"] + ([f"What to do: {self.hint}"] if self.hint else [])

    def _render_traceback_(self) -> list[str]:
        """Stand in for the traceback in IPython, which looks for this name."""
        return self.lines()


class InputRefused(RunbookError):
    """A parameter, timestamp or setting cannot be used; nothing was begun."""

    exit_code = 2
    headline = "Refused"


class NotFound(InputRefused):
    """What a parameter names does not exist in this account and region."""


class CredentialsRefused(InputRefused):
    """There are no AWS credentials, or they are expired or invalid."""


class CheckFailed(RunbookError):
    """A check ran and the answer is no: a broken world, not a broken call."""

    exit_code = 3
    headline = "Check failed"


class ApprovalRefused(RunbookError):
    """An approval is missing, or does not belong to the plan as it is now."""

    exit_code = 4
    headline = "Not approved"


class StepFailed(RunbookError):
    """A step that had begun did not succeed."""


class AccessDenied(StepFailed):
    """AWS or MySQL refused the caller; never to be read as "nothing found"."""

    headline = "Access denied"


class TryLater(StepFailed):
    """The other side is busy or out of capacity: the same call may succeed later or elsewhere."""

    headline = "Not now"


class Unreachable(StepFailed):
    """No connection could be made: network, address or name."""

    headline = "Unreachable"


class TimedOut(RunbookError):
    """A deadline of ours has passed."""

    exit_code = 6
    headline = "Timed out"


class Aborted(RunbookError):
    """A person or a signal ended the run."""

    exit_code = 7
    headline = "Aborted"


class KernelDied(RunbookError):
    """The notebook's kernel process ended on its own."""

    exit_code = 8
    headline = "Kernel died"


class NotPublished(RunbookError):
    """The work is done, but its record did not reach the place it was to be published to."""

    exit_code = 9
    headline = "Not published"


@contextmanager
def about(what: str, *, hint: str = "") -> Iterator[None]:
    """Name in the message of a step that fails what the step was about; `hint` is used where the error has none."""
    try:
        yield
    except StepFailed as error:
        if "about" in error.facts:
            raise
        facts = {**error.facts, "about": what}
        raise type(error)(f"{what}: {error.message}", hint=error.hint or hint, **facts) from error


def exit_code_of(error_name: str) -> int:
    """Return the exit code of an error class by its name, 5 (a step failed) for any other class.

    The kernel is another process, so the runner sees names, not classes.
    """
    found = _by_name(RunbookError).get(error_name)
    return found.exit_code if found else StepFailed.exit_code


def is_ours(error_name: str) -> bool:
    """Tell whether this library has an error class of that name."""
    return error_name in _by_name(RunbookError)


def _by_name(root: type[RunbookError]) -> dict[str, type[RunbookError]]:
    named = {root.__name__: root}
    for child in root.__subclasses__():
        named |= _by_name(child)
    return named


__all__ = [
    "Aborted",
    "AccessDenied",
    "ApprovalRefused",
    "CheckFailed",
    "CredentialsRefused",
    "InputRefused",
    "KernelDied",
    "NotFound",
    "NotPublished",
    "RunbookError",
    "StepFailed",
    "TimedOut",
    "TryLater",
    "Unreachable",
    "exit_code_of",
    "is_ours",
]
