"""Tiny notebooks by situation, records made without a kernel, and plain papermill to compare with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from runbook_lib.records import sealing
from runbook_lib.records.outcomes import Ending, Outcome
from runbook_lib.records.recording import Recording, Request
from runbook_lib.records.store import Store

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
PARAMETERS = 'timestamp: str = "latest"  # the moment the incident is about'


def write_notebook(
    path: Path, *cells: str, parameters: str = PARAMETERS, tags: Mapping[int, str] | None = None
) -> Path:
    """Write a notebook of a heading, a parameters cell and these code cells; `tags` by their place among them."""
    notebook = new_notebook(metadata=KERNEL)
    notebook.cells = [new_markdown_cell("# A situation", id="title"), new_code_cell(parameters, id="parameters")]
    notebook.cells[1].metadata.tags = ["parameters"]
    for index, source in enumerate(cells):
        cell = new_code_cell(source, id=f"cell-{index}")
        if tags and index in tags:
            cell.metadata.tags = [tags[index]]
        notebook.cells.append(cell)
    nbformat.write(notebook, path)
    return path


def states(record: Path) -> list[str]:
    """Return the states of a record's code cells, the parameters' own left out."""
    notebook = json.loads(record.read_bytes())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and str(cell["id"]).startswith("cell-")]
    return [cell["metadata"]["runbook"]["state"] for cell in cells]


def runbook(*arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the command line as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from runbook_lib.cli import main; main()", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_cli(
    *arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    process = runbook(*arguments, cwd=cwd, environment=environment)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def plain_papermill(notebook: Path, output: Path) -> subprocess.Popen[str]:
    """Start papermill with its own engine in a process of its own. Its slow grammar is left out to save time."""
    code = (
        "import sys; sys.modules['rfc3987_syntax'] = None; import papermill;"
        "papermill.execute_notebook(sys.argv[1], sys.argv[2], progress_bar=False)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(notebook), str(output)],
        cwd=output.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


class _Written:
    """Stands where the executed notebook's keeper stands, for records made without a kernel."""

    def __init__(self, notebook: Any, recording: Recording) -> None:
        self._notebook = notebook
        self._recording = recording

    def presentable(self) -> Any:
        self._notebook.metadata["runbook"] = self._recording.summary()
        return self._notebook

    def written(self) -> bytes:
        return (nbformat.v4.writes(self.presentable()) + "\n").encode()


def make_record(
    store: Store,
    *,
    printed: Sequence[str] = ("one\n", "two\n"),
    parameters: Mapping[str, Any] | None = None,
    result: dict[str, Any] | None = None,
    notebook: str = "restore_to_timestamp",
    incident: str = "INC-1",
    outcome: Outcome = Outcome.SUCCEEDED,
    publish_to: str = "",
    shown: Mapping[str, Any] | None = None,
    started: datetime | None = None,
) -> Path:
    """Make a finished record the way a run does, but without running anything. Gives its folder.

    `shown` is what its last cell shows as JSON.
    """
    given = dict(parameters or {})
    request = Request(
        notebook=Path(f"{notebook}.ipynb"),
        source=b"source",
        parameters=given,
        incident=incident,
        publish_to=publish_to,
    )
    recording = Recording(store, request)
    recording.started = started or recording.started
    recording.event("run-started", run_id=recording.run_id, notebook=notebook, parameters=given)
    executed = new_notebook(metadata={**KERNEL, "papermill": {"parameters": given}})
    executed.cells = [new_markdown_cell("# Restore\n", id="title")]
    for index, text in enumerate(printed):
        recording.event("cell-started", cell=index + 2)
        cell = new_code_cell(f"step_{index}()", id=f"cell-{index}", outputs=[new_output("stream", text=text)])
        cell.metadata.runbook = {"state": "completed", "seconds": 1.0}
        executed.cells.append(cell)
        recording.cells.append({"number": index + 2, "id": cell.id, "state": "completed", "seconds": 1.0})
    if shown is not None:
        data = {"application/json": dict(shown), "text/plain": ""}
        cell = new_code_cell("show()", id="shown", outputs=[new_output("display_data", data=data)])
        cell.metadata.runbook = {"state": "completed", "seconds": 1.0}
        executed.cells.append(cell)
    recording.result = result
    code = 0 if outcome in (Outcome.SUCCEEDED, Outcome.PLANNED) else 5
    recording.ending = Ending(outcome=outcome, exit_code=code, headline="As it went.")
    written: Any = _Written(executed, recording)
    sealing.finish(recording, written, seconds=1.0, end_kernel=lambda: None)
    return recording.path
