"""Keep the executed notebook while its run goes on: each cell's state as it is, written only without secrets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.engines import NotebookExecutionManager
from papermill.iorw import write_ipynb

from runbook_lib.records import store
from runbook_lib.records.outcomes import CellState
from runbook_lib.records.recording import Recording
from runbook_lib.redaction import Scrubber

_PAPERMILL_STATUS = {CellState.FAILED: "failed", CellState.COMPLETED: "completed"}


class TruthfulManager(NotebookExecutionManager):  # type: ignore[misc] # papermill ships no types
    """papermill's keeper of cell states, which marks only what happened and writes only what holds no secret."""

    def __init__(self, nb: NotebookNode, *, recording: Recording, output_path: str | None, **options: Any) -> None:
        super().__init__(nb, output_path=output_path, **options)
        self._recording = recording
        self._started: dict[int, float] = {}

    def notebook_start(self, **kwargs: Any) -> None:
        """Set every cell to pending; replaces papermill's own start only in what it saves."""
        for cell in self.nb.cells:
            cell.metadata.pop("runbook", None)
        super().notebook_start(**kwargs)

    def begin(self, index: int) -> None:
        """Mark a code cell as running, in the record and its events, before it runs."""
        cell = self.nb.cells[index]
        self._started[index] = time.monotonic()
        self._recording.event("cell-started", cell=index + 1, id=cell.get("id", ""))
        cell.metadata.runbook = {"state": CellState.RUNNING.value}
        self.cell_start(cell, index)

    def end(self, index: int, state: CellState, *, allowed: bool = False, note: str = "") -> None:
        """Mark how a cell ended. `note` says why it never ran, or what of its output is not kept."""
        cell = self.nb.cells[index]
        facts: dict[str, Any] = {"state": state.value, **({"allowed": True} if allowed else {})}
        facts |= {"note": note} if note else {}
        if index in self._started:
            facts["seconds"] = round(time.monotonic() - self._started[index], 3)
            self._recording.event("cell-ended", cell=index + 1, id=cell.get("id", ""), **facts)
        if cell.cell_type == "code":
            cell.metadata.runbook = facts
            self._recording.cells.append({"number": index + 1, "id": cell.get("id", ""), **facts})
        status = cell.metadata.papermill
        status["status"] = _PAPERMILL_STATUS.get(state, state.value)
        if state not in (CellState.COMPLETED, CellState.NEVER_RAN) and not allowed:
            status["exception"] = True
            self.nb.metadata.papermill["exception"] = True
        if index in self._started:
            status["end_time"] = self.now().isoformat()
            status["duration"] = facts["seconds"]
            self.save()
        if self.pbar:
            self.pbar.update(1)

    def notebook_complete(self, **_: Any) -> None:
        """Close the notebook's times. Nothing is made `completed` by this: each cell said how it ended."""
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        if self.start_time:
            self.nb.metadata.papermill["duration"] = (self.end_time - self.start_time).total_seconds()
        self.cleanup_pbar()

    def save(self, **_: Any) -> None:
        """Write the record, and papermill's own output where it is a local file. Failing never stops the run."""
        self.last_save_time = self.now()
        content = self.written()
        self._recording.write(store.NOTEBOOK, content, lasting=False)
        if self.output_path and "://" not in str(self.output_path):
            try:
                store.write_atomically(Path(self.output_path), content, lasting=False)
            except OSError as error:
                self._recording.note_loss(str(self.output_path), error)

    def written(self) -> bytes:
        """Return the content of the record's notebook."""
        return as_bytes(self.presentable())

    def save_elsewhere(self) -> None:
        """Write papermill's output where only papermill knows how (s3://…), once, at the end."""
        if self.output_path and "://" in str(self.output_path):
            write_ipynb(self.presentable(), self.output_path)

    def for_papermill(self) -> NotebookNode:
        """Return the notebook papermill judges: an error its cell's tag allows is shown, but is no error to it.

        Nor is the one by which a cell ended the run as asked (`sys.exit(None)`).
        """
        notebook = self.presentable()
        for position, cell in enumerate(notebook.cells):
            said = cell.metadata.get("runbook", {})
            if said.get("allowed") or (said.get("state") == CellState.COMPLETED.value and cell.get("outputs")):
                notebook.cells[position] = NotebookNode({**cell, "outputs": [_as_text(each) for each in cell.outputs]})
        return notebook

    def presentable(self) -> NotebookNode:
        """Return the notebook as it may be stored."""
        return presentable(self.nb, self._recording)


def presentable(notebook: NotebookNode, recording: Recording) -> NotebookNode:
    """Return a notebook as it may be stored: its outputs are clean already, this cleans all else of it."""
    scrub = recording.scrubber
    cells = [_clean(cell, scrub) for cell in notebook.cells]
    metadata = nbformat.from_dict(scrub.value(notebook.metadata))
    metadata["runbook"] = recording.summary()
    return NotebookNode({**notebook, "cells": cells, "metadata": metadata})


def _clean(cell: NotebookNode, scrub: Scrubber) -> NotebookNode:
    """Return a cell whose source, metadata and attachments hold no secret; the same cell where they held none."""
    source = scrub.source(cell.source) if cell.cell_type == "code" else scrub.text(cell.source)
    rest = {name: scrub.value(cell[name]) for name in ("metadata", "attachments") if cell.get(name)}
    if source == cell.source and all(rest[name] == cell[name] for name in rest):
        return cell
    clean: NotebookNode = nbformat.from_dict({**cell, **rest, "source": source})
    return clean


def as_bytes(notebook: NotebookNode) -> bytes:
    """Write a notebook."""
    text: str = nbformat.v4.writes(notebook)
    return (text + "\n").encode(errors="backslashreplace")  # a lone surrogate, as JSON writes it


def _as_text(output: NotebookNode) -> NotebookNode:
    if output["output_type"] != "error":
        return output
    text: NotebookNode = new_output("stream", name="stderr", text="\n".join(output["traceback"]) + "\n")
    return text
