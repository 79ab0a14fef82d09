"""How a run by hand ended, from how its cells ended. A person may leave cells out or run them in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib import errors
from runbook_lib.records import outcomes
from runbook_lib.records.interactive.journal import Told
from runbook_lib.records.outcomes import CellState, Ending, Outcome

_TROUBLE = (CellState.FAILED, CellState.INTERRUPTED, CellState.RUNNING)


def ending_of(cells: Sequence[tuple[int, Any]], told: Told, result: Mapping[str, Any] | None, *, how: str) -> Ending:
    """Return the ending. `cells` are the notebook's code cells in their order, each with its number.

    `how` says what finished the run.
    Only a run whose cells all completed, each after those above it, ends as its result says. Otherwise the result, if
    there is one, may be about other values than the cells above it show.
    """
    # papermill's injected cell has no run of its own: it is the parameters cell's
    own = [(number, cell) for number, cell in cells if not _is_injected(cell)]
    runs = {cell.id: told.runs[cell.id] for _, cell in own if cell.id in told.runs}
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
    behind = [number for number, cell in own if _is_behind(cell.id, own, told)]
    if behind:
        return _aborted(
            f"Ended {how}: {_cells(behind)} had not run again since something above was run or chosen anew."
        )
    return outcomes.of_result(result)


def _is_injected(cell: Any) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", ())


def _is_behind(cell_id: str, cells: Sequence[tuple[int, Any]], told: Told) -> bool:
    order = told.runs[cell_id].order
    ids = [cell.id for _, cell in cells]
    above = [told.runs[each].order for each in ids[: ids.index(cell_id)]]
    anew = [choice.order for choice in told.choices if choice.again]
    return any(order < each for each in (*above, *anew))


def _cells(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"cell {numbers[0]}"
    return f"{len(numbers)} cells (the first is cell {numbers[0]})"


def _aborted(headline: str) -> Ending:
    return Ending(
        outcome=Outcome.ABORTED, exit_code=errors.Aborted.exit_code, headline=headline, error=errors.Aborted.__name__
    )
