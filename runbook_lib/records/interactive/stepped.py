"""Make of a stepped-through notebook what a headless run would have left: the same cells, states and parameters.

What ran is known from the kernel, never from the file: a cell's source is what was executed, its state how it
ended, and outputs count only when they belong to that execution. From the file come the outputs alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from papermill.parameterize import parameterize_notebook
from papermill.translators import papermill_translators

from runbook_lib import __version__
from runbook_lib.display.interactive.front import literals
from runbook_lib.errors import InputRefused
from runbook_lib.records import outcomes
from runbook_lib.records.executed import as_bytes, presentable
from runbook_lib.records.interactive.saved import saved_notebook
from runbook_lib.records.interactive.steps import CellRun, Steps, ending_of
from runbook_lib.records.outcomes import CellState
from runbook_lib.records.parameters import check_parameters, read_parameters
from runbook_lib.records.recording import Recording

_ONLY_FOR_THE_READER = ("application/vnd.jupyter.widget-view+json", "application/javascript")
_INJECTED = "injected-parameters"
assert papermill_translators  # registers what writes the injected cell


def unsaved_cells(path: Path, steps: Steps) -> list[str]:
    """Name the cells whose last run the file does not hold yet."""
    counts = {cell.get("id", ""): cell.get("execution_count") for cell in _code(_read(path))}
    return [
        run.cell_id
        for run in steps.runs.values()
        if run.execution_count is not None and run.cell_id in counts and counts[run.cell_id] != run.execution_count
    ]


class Executed:
    """The executed notebook of a run by hand. Making it gives the recording its ending, cells, phases and result."""

    def __init__(self, path: Path, *, original: Path, steps: Steps, recording: Recording, how: str) -> None:
        self._recording = recording
        self._steps = steps
        self._notebook = _read(path)
        lacking = set(unsaved_cells(path, steps))
        begun = _read(original)
        self._leave_out_empty(begun)
        given = self._given(begun)
        self._inject(begun, given)
        self._cells(lacking)
        recording.parameters = given
        recording.result = outcomes.result_of(self._notebook)
        cells = enumerate(self._notebook.cells, start=1)
        written = [(number, cell) for number, cell in cells if cell.cell_type == "code" and cell.source.strip()]
        recording.ending = ending_of(written, steps, recording.result, how=how)
        if lacking:
            recording.note_missing("record.ipynb", f"the outputs of {len(lacking)} cells were never saved")

    def written(self) -> bytes:
        """Return the content of the record's notebook."""
        return as_bytes(self.presentable())

    def presentable(self) -> NotebookNode:
        """Return the notebook as it may be stored."""
        return presentable(self._notebook, self._recording)

    def _leave_out_empty(self, original: NotebookNode) -> None:
        """Leave out the empty cell that JupyterLab adds below the last one that is run."""
        known = {cell.id for cell in original.cells}
        kept = [cell for cell in self._notebook.cells if cell.source.strip() or cell.id in known]
        self._notebook.cells = kept

    def _given(self, original: NotebookNode) -> dict[str, Any]:
        """Return the parameters in effect that are not the defaults: as typed into their cell, or chosen after that."""
        declared = read_parameters(original, name=self._recording.notebook)
        defaults = {parameter.name: parameter.default for parameter in declared}
        run = next((self._steps.runs.get(cell.id) for cell in _code(original) if _is_tagged(cell, "parameters")), None)
        values = dict(literals(run.source)) if run else {}
        since = run.order if run else 0
        values |= {choice.parameter: choice.value for choice in self._steps.choices if choice.order > since}
        given = {name: value for name, value in values.items() if name in defaults and value != defaults[name]}
        try:
            return check_parameters(declared, given, name=self._recording.notebook)
        except InputRefused as refusal:
            self._recording.note_missing("parameters", refusal.message)
            return {name: value for name, value in given.items() if isinstance(value, str | int | float | bool)}

    def _inject(self, original: NotebookNode, given: Mapping[str, Any]) -> None:
        notebook = self._notebook
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            cell.metadata.setdefault("tags", [])  # papermill reads them of every cell
        notebook.metadata["papermill"] = {
            "parameters": {},
            "environment_variables": {},
            "input_path": self._recording.notebook,
            "output_path": None,
            "version": f"runbook_lib {__version__}",
            "start_time": self._recording.started.isoformat(),
            "end_time": datetime.now(UTC).isoformat(),
            "exception": None,
        }
        if given:
            sources = {cell.id: cell.source for cell in _code(original) if _is_tagged(cell, "parameters")}
            for cell in _code(notebook):
                cell.source = sources.get(cell.id, cell.source)
            self._notebook = parameterize_notebook(notebook, dict(given), kernel_name="python3", language="python")

    def _cells(self, lacking: set[str]) -> None:
        heading, run = "", None
        for number, cell in enumerate(self._notebook.cells, start=1):
            cell.metadata.pop("execution", None)  # JupyterLab's own timing
            if cell.cell_type != "code":
                heading = _heading(cell) or heading
                cell.metadata["papermill"] = {"status": "completed"}
                continue
            injected = _is_tagged(cell, _INJECTED)
            run = run if injected else self._steps.runs.get(cell.id)  # injected: as the parameters cell before it
            self._cell(cell, run, number, injected=injected, lacking=lacking)
            if run is not None and not injected and not run.record:
                self._add_phase(heading, run.seconds)

    def _cell(self, cell: NotebookNode, run: CellRun | None, number: int, *, injected: bool, lacking: set[str]) -> None:
        state = run.state if run else CellState.NEVER_RAN
        facts: dict[str, Any] = {"state": state.value}
        status: dict[str, Any] = {"status": "failed" if state is CellState.FAILED else state.value, "exception": None}
        if run is not None:
            facts["seconds"] = 0.0 if injected else run.seconds
            facts |= {"note": f"ran before this record, in {run.record}"} if run.record else {}
            ended = run.began + timedelta(seconds=run.seconds)
            status |= {"start_time": run.began.isoformat(), "end_time": ended.isoformat(), "duration": facts["seconds"]}
            status["exception"] = state is not CellState.COMPLETED
        if run is None or injected or cell.id in lacking:
            cell.outputs, cell.execution_count = [], None
        if run is not None and not injected and not _is_tagged(cell, "parameters"):
            cell.source = run.source
        cell.outputs = [*self._clean(cell, run.for_machines if run else {})]
        cell.metadata["runbook"], cell.metadata["papermill"] = facts, status
        if status["exception"]:
            self._notebook.metadata.papermill["exception"] = True
        self._recording.cells.append({"number": number, "id": cell.get("id", ""), **facts})

    def _clean(self, cell: NotebookNode, for_machines: Mapping[str, Any]) -> Iterator[NotebookNode]:
        for output in cell.outputs:
            data = output.get("data", {})
            if data.get("text/plain") in for_machines:
                data["application/json"] = for_machines[data["text/plain"]]
            if not any(kind in data for kind in _ONLY_FOR_THE_READER):
                yield nbformat.from_dict(self._recording.scrubber.value(output))

    def _add_phase(self, name: str, seconds: float) -> None:
        phases = self._recording.phases
        if phases and phases[-1][0] == name:
            phases[-1] = (name, phases[-1][1] + seconds)
        else:
            phases.append((name, seconds))


def _read(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.reads(saved_notebook(path)[0].decode(), as_version=4)
    return notebook


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _is_tagged(cell: NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", ())


def _heading(cell: NotebookNode) -> str:
    lines = [line.lstrip("#").strip() for line in cell.source.splitlines() if line.startswith("#")]
    return lines[-1] if lines else ""
