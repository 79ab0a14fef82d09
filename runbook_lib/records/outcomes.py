"""How cells and runs end, in the words every record uses; where a run stands and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from runbook_lib import errors

Mode = Literal["headless", "interactive"]
HEADLESS: Mode = "headless"
INTERACTIVE: Mode = "interactive"


class CellState(StrEnum):
    """How one code cell ended, or where it stands while the run goes on."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    INTERRUPTED = "interrupted"
    NEVER_RAN = "never-ran"


class Outcome(StrEnum):
    """How a run ended, or that it still runs."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PLANNED = "planned"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    ABORTED = "aborted"
    KERNEL_DIED = "kernel-died"
    ORPHANED = "orphaned"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended: `lines` are what a person reads first, `error` the class that ended it, if one did."""

    outcome: Outcome
    exit_code: int
    headline: str
    error: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands. `cell` counts from 1; `heading` is the last one above the cell.

    `heartbeat` tells that nothing changed and the line only shows life.
    """

    cell: int
    cells: int
    heading: str
    state: CellState
    cell_seconds: float
    run_seconds: float
    heartbeat: bool = False


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Deadlines in seconds (0: none), and how often a line says that the run lives."""

    cell_seconds: float = 0
    run_seconds: float = 0
    heartbeat_seconds: float = 30


_OUTCOME_OF_CODE = {
    errors.TimedOut.exit_code: Outcome.TIMED_OUT,
    errors.Aborted.exit_code: Outcome.ABORTED,
    errors.KernelDied.exit_code: Outcome.KERNEL_DIED,
}
_CODES_A_NOTEBOOK_MAY_CHOOSE = {"3", "4", "5"}


def of_result(result: Mapping[str, Any] | None) -> Ending:
    """Return the ending of a run whose cells all completed, from the result its last cell shows."""
    if result is None:
        return Ending(outcome=Outcome.SUCCEEDED, exit_code=0, headline="Every cell completed.")
    headline = str(result.get("headline") or "")
    match result.get("outcome"):
        case "succeeded":
            return Ending(outcome=Outcome.SUCCEEDED, exit_code=0, headline=headline)
        case "planned":
            return Ending(outcome=Outcome.PLANNED, exit_code=0, headline=headline)
        case "check-failed":
            return Ending(outcome=Outcome.FAILED, exit_code=errors.CheckFailed.exit_code, headline=headline)
        case other:
            return Ending(
                outcome=Outcome.FAILED,
                exit_code=errors.StepFailed.exit_code,
                headline=f"The notebook's result has an outcome nobody knows: {other!r}.",
            )


def of_error(name: str, message: str, *, cell: int, lines: tuple[str, ...] = ()) -> Ending:
    """Return the ending of a run that a cell's error stopped. `cell` counts from 1."""
    if name == "SystemExit":
        return _of_exit(message, cell)
    code = errors.Aborted.exit_code if name == "KeyboardInterrupt" else errors.exit_code_of(name)
    return Ending(
        outcome=_OUTCOME_OF_CODE.get(code, Outcome.FAILED),
        exit_code=code,
        headline=f"Cell {cell}: {message or name}" if errors.is_ours(name) else f"Cell {cell}: {name}: {message}",
        error=name,
        lines=lines,
    )


def _of_exit(status: str, cell: int) -> Ending:
    if status in {"", "0", "None"}:
        return Ending(
            outcome=Outcome.SUCCEEDED, exit_code=0, headline=f"Cell {cell} ended the run early, as asked (exit 0)."
        )
    return Ending(
        outcome=Outcome.FAILED,
        exit_code=int(status) if status in _CODES_A_NOTEBOOK_MAY_CHOOSE else errors.StepFailed.exit_code,
        headline=f"Cell {cell} ended the run with exit status {status}.",
        error="SystemExit",
    )


def result_of(notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the result object the last code cell shows, or None. Lives in its JSON output as `runbook_result`."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    for output in reversed(code[-1].get("outputs", ()) if code else ()):
        found = output.get("data", {}).get("application/json")
        if isinstance(found, dict) and isinstance(found.get("runbook_result"), dict):
            return dict(found["runbook_result"])
    return None
