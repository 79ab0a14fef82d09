"""The record of an act that no notebook does: one cell with the call and what it said, sealed as a run is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from runbook_lib import redaction
from runbook_lib.records import outcomes, provenance, sealing
from runbook_lib.records.executed import as_bytes, presentable
from runbook_lib.records.outcomes import CellState
from runbook_lib.records.recording import Recording, Request
from runbook_lib.records.store import Store

_KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@dataclass
class Act:
    """An act under way. `result` is what came of it, as a notebook's last cell shows it; `folder` is its record."""

    folder: Path
    result: Mapping[str, Any] = field(default_factory=dict)


class _Kept:
    def __init__(self, notebook: NotebookNode, recording: Recording) -> None:
        self._notebook, self._recording = notebook, recording

    def written(self) -> bytes:
        return as_bytes(self.presentable())

    def presentable(self) -> NotebookNode:
        return presentable(self._notebook, self._recording)


@contextmanager
def recorded(store: Store, *, name: str, call: str, parameters: Mapping[str, Any]) -> Iterator[Act]:
    """Keep the record of what is done inside: begun before it, sealed however it ends. `call` is how it was asked for.

    Raises:
        InputRefused: no record can be kept; nothing was done.
    """
    request = Request(
        notebook=Path(f"{name}.ipynb"),
        source=call.encode(),
        parameters=parameters,
        incident=provenance.incident(),
        approver=provenance.approver(),
    )
    recording, began = Recording(store, request), time.monotonic()
    recording.begin()
    before = {variable: os.environ.get(variable) for variable in recording.environment()}
    os.environ.update(recording.environment())
    act = Act(folder=recording.path)
    try:
        yield act
        recording.ending = outcomes.of_result(act.result)
    except BaseException as error:
        recording.ending = outcomes.of_error(type(error).__name__, str(error), cell=2)
        raise
    finally:
        for variable, value in before.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value
        _seal(recording, act, call=call, seconds=time.monotonic() - began)


def _seal(recording: Recording, act: Act, *, call: str, seconds: float) -> None:
    assert recording.ending is not None
    for value, kind in redaction.known().items():
        recording.scrubber.learn(value, kind=kind)
    recording.result = dict(recording.scrubber.value(dict(act.result))) or None
    state = CellState.FAILED if recording.ending.error else CellState.COMPLETED
    said = recording.scrubber.text(recording.ending.headline) + "\n"
    data = {"text/plain": said, "application/json": {"runbook_result": recording.result}}
    shown = new_output("display_data", data=data) if recording.result else new_output("stream", text=said)
    facts = {"state": state.value, "seconds": round(seconds, 3)}
    cell = new_code_cell(call, id="act", outputs=[shown], metadata={"runbook": facts})
    notebook = new_notebook(metadata={**_KERNEL, "papermill": {"parameters": dict(recording.parameters)}})
    notebook.cells = [new_markdown_cell(f"# {recording.notebook}", id="title"), cell]
    recording.cells.append({"number": 2, "id": cell.id, **facts})
    sealing.finish(recording, _Kept(notebook, recording), seconds=seconds, end_kernel=lambda: None)
