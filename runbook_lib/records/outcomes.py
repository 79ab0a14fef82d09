"""How cells and runs end, in the words every record uses; where a run stands and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from runbook_lib import errors

Mode = Literal["headless", "interactive"]
HEADLESS: Mode = "headless"
INTERACTIVE: Mode = "interactive"


SKIPPED, EMPTY = "skipped, as its tag says", "empty"  # why a cell of a whole run never ran


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
    SPOILT = "spoilt"  # a record that cannot be read says nothing of how its run ended


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
_CODES_A_NOTEBOOK_MAY_CHOOSE = (3, 4, 5)
_PARTS_OF_A_RESULT: dict[str, tuple[type, ...]] = {
    "headline": (str,),
    "cluster": (str, type(None)),
    "plan_id": (str, type(None)),
    "approved_by": (str, type(None)),
    "changed": (list, tuple, type(None)),
    "facts": (dict, type(None)),
    "recovery": (dict, type(None)),
}


def of_result(result: Mapping[str, Any] | None, cells: Sequence[Mapping[str, Any]] | None = None) -> Ending:
    """Return the ending of a run that came to its last cell, from the result that cell shows.

    `cells` are what the manifest says of the code cells; without them every one of them completed.
    """
    if result is None:
        return Ending(outcome=Outcome.SUCCEEDED, exit_code=0, headline=_of_cells(cells))
    if problem := problem_of(result):
        headline = f"The notebook's result is malformed: {problem}."
        return Ending(outcome=Outcome.FAILED, exit_code=errors.StepFailed.exit_code, headline=headline)
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
                headline=f"The notebook's result has an outcome nobody knows: {str(other)[:80]!r}.",
            )


def problem_of(result: Mapping[str, Any]) -> str:
    """Say what is malformed in a result, or nothing."""
    for name, kinds in _PARTS_OF_A_RESULT.items():
        if name in result and not isinstance(result[name], kinds):
            return f"its {name} cannot be {type(result[name]).__name__}"
    return ""


def usable(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what of a result is well-formed."""
    said = result or {}
    return {name: value for name, value in said.items() if isinstance(value, _PARTS_OF_A_RESULT.get(name, (object,)))}


def _of_cells(cells: Sequence[Mapping[str, Any]] | None) -> str:
    ran = [cell for cell in cells or () if cell.get("note") != EMPTY]
    others = [cell for cell in ran if cell["state"] != CellState.COMPLETED.value]
    if cells is not None and not ran:
        return "The notebook has no cell to run."
    if not others:
        return "Every cell completed."
    words = [f"cell {cell['number']} {_in_words(cell)}" for cell in others]
    return f"{len(ran) - len(others)} of {len(ran)} cells completed; {'; '.join(words)}."


def _in_words(cell: Mapping[str, Any]) -> str:
    if cell.get("allowed"):
        return "failed, as its tag allows"
    return "was skipped, as its tag says" if cell.get("note") == SKIPPED else str(cell["state"]).replace("-", " ")


def of_error(name: str, message: str, *, cell: int, lines: tuple[str, ...] = ()) -> Ending:
    """Return the ending of a run that a cell's error stopped. `cell` counts from 1."""
    code = errors.Aborted.exit_code if name == "KeyboardInterrupt" else errors.exit_code_of(name)
    said = (message or name,) if errors.is_ours(name) else (name, message)
    return Ending(
        outcome=_OUTCOME_OF_CODE.get(code, Outcome.FAILED),
        exit_code=code,
        headline=f"Cell {cell}: {': '.join(filter(None, said))}",
        error=name,
        lines=lines,
    )


def of_exit(status: Any, *, cell: int) -> Ending:
    """Return the ending of a run that a cell ended with `sys.exit(status)`. Well only for 0 or None, as in Python."""
    if status is None or (status == 0 and isinstance(status, int)):
        return Ending(
            outcome=Outcome.SUCCEEDED, exit_code=0, headline=f"Cell {cell} ended the run early, as asked (exit 0)."
        )
    is_chosen = isinstance(status, int) and status in _CODES_A_NOTEBOOK_MAY_CHOOSE
    return Ending(
        outcome=Outcome.FAILED,
        exit_code=status if is_chosen else errors.StepFailed.exit_code,
        headline=f"Cell {cell} ended the run with exit status {status!r}.",
        error="SystemExit",
    )


def result_in(shown: Any) -> dict[str, Any] | None:
    """Return a result as it was shown; one that is no mapping becomes a malformed one."""
    return dict(shown) if isinstance(shown, Mapping) else {"headline": shown}


def result_of(notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the last result object that a cell shows, or None. Lives in its JSON output as `runbook_result`.

    A cell below the one that shows it takes nothing back: a failed check stays one.
    """
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for output in (output for cell in reversed(code) for output in reversed(cell.get("outputs", ()))):
        found = output.get("data", {}).get("application/json")
        if isinstance(found, dict) and "runbook_result" in found:
            return result_in(found["runbook_result"])
    return None
