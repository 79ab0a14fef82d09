"""What was run by hand, and how such a run ended. A person may leave cells out or run them in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from runbook_lib import errors
from runbook_lib.records import outcomes
from runbook_lib.records.outcomes import CellState, Ending, Outcome

_TROUBLE = (CellState.FAILED, CellState.INTERRUPTED, CellState.RUNNING)


@dataclass(kw_only=True)
class CellRun:
    """The last run of one cell. `order` counts runs and choices together; `error` is class, message and our lines.

    `for_machines` holds the JSON of what it showed, by its text: the page gets only what is for people.
    `record` is the id of the record before this one if the cell ran there, in the same kernel, and not since.
    """

    cell_id: str
    order: int
    source: str
    began: datetime
    clock: float
    state: CellState = CellState.RUNNING
    seconds: float = 0.0
    execution_count: int | None = None
    error: tuple[str, str, tuple[str, ...]] | None = None
    times: int = 1
    for_machines: dict[str, Any] = field(default_factory=dict)
    record: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A parameter that was chosen with a widget, which `cell` showed.

    After it, what the cells below have run before is about other values; with `again` what any cell has run.
    """

    order: int
    parameter: str
    value: Any
    again: bool
    cell: str = ""


@dataclass(kw_only=True)
class Steps:
    """Everything that is known of one run besides what the notebook's file holds. `acted`: it has changed something."""

    runs: dict[str, CellRun] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    count: int = 0
    acted: bool = False

    def next(self) -> int:
        """Count on."""
        self.count += 1
        return self.count

    def after_record(self, run_id: str) -> Steps:
        """Return what still holds when this run's record is written and a cell is run again: the kernel is the same."""
        kept = {
            cell: replace(run, record=run.record or run_id)
            for cell, run in self.runs.items()
            if run.state is CellState.COMPLETED
        }
        return Steps(runs=kept, choices=list(self.choices), count=self.count)


def ending_of(cells: Sequence[tuple[int, Any]], steps: Steps, result: Mapping[str, Any] | None, *, how: str) -> Ending:
    """Return the ending. `cells` are the notebook's code cells in their order, each with its number.

    `how` says what finished the run.
    Only a run whose cells all completed, each after those above it, ends as its result says. Otherwise the result, if
    there is one, may be about other values than the cells above it show. Cells that ran in the record before, in the
    same kernel, are said to have run there; a result is this record's only if something was done in it.
    """
    # papermill's injected cell has no run of its own: it is the parameters cell's
    own = [(number, cell) for number, cell in cells if not _is_injected(cell)]
    runs = {cell.id: steps.runs[cell.id] for _, cell in own if cell.id in steps.runs}
    bad = [run for run in runs.values() if run.state in _TROUBLE]
    if bad:
        last = max(bad, key=lambda run: run.order)
        number = next(number for number, cell in own if cell.id == last.cell_id)
        if last.error is None:
            return _aborted(f"Ended {how} while cell {number} was running.")
        name, message, lines = last.error
        return outcomes.of_error(name, message, cell=number, lines=lines)
    left_out = [number for number, cell in own if cell.id not in runs]
    if left_out:
        return _aborted(f"Ended {how}: {_cells(left_out)} had not run.")
    behind = [number for number, cell in own if _is_behind(cell.id, own, steps)]
    if behind:
        return _aborted(
            f"Ended {how}: {_cells(behind)} had not run again since something above was run or chosen again."
        )
    earlier = {number: steps.runs[cell.id].record for number, cell in own if steps.runs[cell.id].record}
    ending = outcomes.of_result(result)
    if not earlier:
        return ending
    said = f"{_cells([*earlier])} ran before this record: {', '.join(dict.fromkeys(earlier.values()))}."
    if not steps.acted:
        return _aborted(f"Ended {how}: {said} Nothing was changed since.")
    return replace(
        ending, headline=" ".join([*([ending.headline] if ending.headline else ()), said[0].upper() + said[1:]])
    )


def _is_injected(cell: Any) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", ())


def _is_behind(cell_id: str, cells: Sequence[tuple[int, Any]], steps: Steps) -> bool:
    order = steps.runs[cell_id].order
    ids = [cell.id for _, cell in cells]
    above = [steps.runs[each].order for each in ids[: ids.index(cell_id)]]
    at = ids.index(cell_id)
    chosen = [choice.order for choice in steps.choices if choice.again or choice.cell in ids[:at]]
    return any(order < each for each in (*above, *chosen))


def _cells(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"cell {numbers[0]}"
    return f"{len(numbers)} cells (the first is cell {numbers[0]})"


def _aborted(headline: str) -> Ending:
    return Ending(
        outcome=Outcome.ABORTED, exit_code=errors.Aborted.exit_code, headline=headline, error=errors.Aborted.__name__
    )
