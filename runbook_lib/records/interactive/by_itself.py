"""The record of a notebook that nobody else records: in VS Code, plain JupyterLab, nbconvert, papermill by itself.

It begins with `runbook.start` and ends with the result or the kernel. The kernel keeps what it runs, in the order in
which it runs it: what the notebook's file holds besides is not known here. What a page asks for itself and leaves out
of the history (VS Code looks at the variables after each cell) is no cell. Messages between such a kernel and its page
are Jupyter's own affair; what is stored is cleaned of secrets as ever.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from runbook_lib import errors, events, redaction
from runbook_lib.display.interactive.front import literals
from runbook_lib.records import outcomes, provenance, sealing
from runbook_lib.records import store as stores
from runbook_lib.records.executed import as_bytes, presentable
from runbook_lib.records.extension import Listener
from runbook_lib.records.outcomes import INTERACTIVE, CellState, Ending, Outcome
from runbook_lib.records.outputs import CellOutputs
from runbook_lib.records.recording import Recording, Request

_KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
_kept: list[OwnRecord] = []


def begin(notebook: str) -> None:
    """Begin the record of this kernel, unless it has one. `notebook` is the runbook's name.

    Raises:
        InputRefused: no record can be kept.
    """
    from IPython import get_ipython

    untyped: Any = get_ipython
    if _kept:
        return
    record = OwnRecord(untyped(), notebook)
    _kept.append(record)
    record.follow()
    atexit.register(record.close)
    threading.Thread(target=_warm, daemon=True).start()


def _warm() -> None:
    """Import what sealing needs: a kernel that is asked to end has a few seconds."""
    from runbook_lib.records import report

    with suppress(Exception):
        report.exporter()


def _literals(source: str) -> list[tuple[str, Any]]:
    try:
        return list(literals(source))
    except (SyntaxError, ValueError):  # a magic, for example
        return []


class OwnRecord:
    """The record of this kernel, kept by itself: each cell that runs, what it shows, and how it ended."""

    def __init__(self, shell: Any, notebook: str) -> None:
        self._shell = shell
        self._name = notebook
        self._process = os.getpid()
        self._ran = [str(source) for source in shell.history_manager.input_hist_raw[1:]]  # with the cell that runs
        self._outputs: CellOutputs | None = None
        self._ending: Ending | None = None
        self._is_over = True
        self._is_aside = False
        self._open()

    def _open(self) -> None:
        """Begin a record, with what has run in this kernel until now as its first cells."""
        *earlier, begins = self._ran or [""]
        parameters = {name: value for source in earlier for name, value in _literals(source)}
        request = Request(
            notebook=Path(f"{self._name}.ipynb"),
            source="\n".join(self._ran).encode(errors="backslashreplace"),
            parameters=parameters,
            incident=provenance.incident(),
            approver=provenance.approver(),
            mode=INTERACTIVE,
        )
        self._recording = recording = Recording(stores.default_store(), request)
        self._is_over = False
        self._begun = self._cell_begun = time.monotonic()
        self._seen: list[dict[str, Any]] = []  # errors that the cell which runs has shown
        self._troubled: dict[str, str] = {}  # what went wrong and was not run again: a cell's id, else source, to words
        self._notebook = new_notebook(metadata={**_KERNEL, "papermill": {"parameters": parameters}})
        os.environ.update(recording.environment())
        recording.begin()
        for source in earlier:
            self._add(source)
            self._end(CellState.COMPLETED, note="ran before the record began")
        self._add(begins)

    def follow(self) -> None:
        """Hear of each cell and of what it shows."""
        shell = self._shell
        Listener(shell, self._told, begins=self._before).follow()
        self._hear(shell, "_showtraceback", self._error)
        self._hear(shell.display_pub, "publish", lambda data=None, metadata=None, *_, **__: self._shown(data, metadata))
        self._hear(shell.displayhook, "write_format_data", lambda data=None, metadata=None: self._shown(data, metadata))
        self._hear_streams()

    def _hear_streams(self) -> None:
        """Hear what this cell prints. IPython puts the streams' own `write` back after each cell."""
        for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            self._hear(stream, "write", partial(self._printed, name))

    def _hear(self, owner: Any, name: str, heard: Callable[..., Any]) -> None:
        method = getattr(owner, name)
        if getattr(method, "is_heard", False):
            return

        def both(*arguments: Any, **named: Any) -> Any:
            with suppress(Exception):
                heard(*arguments, **named)
            return method(*arguments, **named)

        both.is_heard = True  # type: ignore[attr-defined]
        setattr(owner, name, both)

    def _before(self, info: Any) -> None:
        self._hear_streams()
        self._is_aside = not info.store_history
        if self._is_aside:
            return
        self._ran.append(str(info.raw_cell))
        if self._is_over:
            try:
                self._open()
            except errors.RunbookError as error:
                events.no_record(error.message)
        else:
            self._add(self._ran[-1], str(getattr(info, "cell_id", "") or ""))

    def _add(self, source: str, named: str = "") -> None:
        cells = self._notebook.cells
        cell = new_code_cell(source, id=f"run-{len(cells) + 1}", metadata={"tags": []})
        cells.append(cell)
        self._named = named or source
        self._cell_begun = time.monotonic()
        self._seen = []
        self._outputs = CellOutputs(cell, self._recording.scrubber)
        self._recording.event("cell-started", cell=len(cells), id=cell.id)

    def _told(self, what: str, **said: Any) -> None:
        """Take what was heard of the cell that runs."""
        if self._outputs is None or os.getpid() != self._process:
            return
        self._learn()
        if what == "error":
            self._seen.append(said["error"])
        elif what == "result":
            self._recording.result = outcomes.result_in(self._recording.scrubber.value(said["result"]))
        elif what == "ended":
            self._note_end(said["error"] or (self._seen[-1] if self._seen else None), is_exiting=said["exiting"])
            if self._recording.result is not None:
                self.close()  # the next cell begins another record

    def _note_end(self, error: dict[str, Any] | None, *, is_exiting: bool) -> None:
        assert self._outputs is not None, "only a cell that runs ends"
        number, problem = len(self._notebook.cells), self._outputs.malformed
        state, self._ending = CellState.COMPLETED, None
        if error is not None and error["name"] != "SystemExit":
            name, message = str(error["name"]), self._recording.scrubber.text(str(error["message"]))
            self._ending = outcomes.of_error(name, message, cell=number, lines=tuple(map(str, error["lines"])))
        elif error is not None or is_exiting:
            self._ending = outcomes.of_exit((error or {}).get("status"), cell=number)
        elif problem:
            self._ending = outcomes.of_error("MalformedDisplay", problem, cell=number)
        self._troubled.pop(self._named, None)
        if self._ending is not None and self._ending.outcome is not Outcome.SUCCEEDED:
            is_stopped = self._ending.error == "KeyboardInterrupt"
            state = CellState.INTERRUPTED if is_stopped else CellState.FAILED
            self._troubled[self._named] = f"Cell {number} {'was interrupted' if is_stopped else 'failed'}"
        self._end(state)

    def _end(self, state: CellState, *, note: str = "") -> None:
        cell, number = self._notebook.cells[-1], len(self._notebook.cells)
        if self._outputs is not None:
            with suppress(Exception):
                self._outputs.close()
            self._outputs = None
        facts: dict[str, Any] = {"state": state.value, "seconds": round(time.monotonic() - self._cell_begun, 3)}
        facts |= {"note": note} if note else {}
        cell.metadata.update(runbook=facts, papermill={"status": state.value})
        self._recording.cells.append({"number": number, "id": cell.id, **facts})
        self._recording.event("cell-ended", cell=number, id=cell.id, **facts)
        with suppress(Exception):
            self._recording.write(stores.NOTEBOOK, self.written(), lasting=False)

    # What a cell shows.

    def _learn(self) -> None:
        known = redaction.known()
        if len(known) != len(self._recording.scrubber.known):
            for value, kind in known.items():
                self._recording.scrubber.learn(value, kind=kind)

    def _printed(self, name: str, text: str) -> None:
        self._learn()
        if self._outputs is not None and isinstance(text, str):
            self._outputs.take(name, text)

    def _shown(self, data: Any, metadata: Any) -> None:
        self._learn()
        if self._outputs is None:
            return
        content = self._outputs.admit("display_data", {"data": data, "metadata": metadata})
        if content is not None:
            output = new_output("display_data", data=content["data"], metadata=content["metadata"])
            self._notebook.cells[-1].outputs.append(nbformat.from_dict(output))

    def _error(self, kind: Any, error: Any, lines: Any, *_: Any) -> None:
        self._learn()
        content = {"ename": kind.__name__, "evalue": str(error), "traceback": lines}
        if self._outputs is not None and (said := self._outputs.admit("error", content)) is not None:
            self._notebook.cells[-1].outputs.append(new_output("error", **said))

    # The record's end.

    def close(self) -> None:
        """Seal the record, because the notebook has shown its result or the kernel ends."""
        if self._is_over or os.getpid() != self._process:
            return
        recording, self._is_over = self._recording, True
        if self._outputs is not None:
            self._end(CellState.INTERRUPTED)
        self._learn()
        is_well = self._ending is not None and self._ending.outcome is Outcome.SUCCEEDED
        recording.ending = self._ending if self._ending and not (is_well and recording.result) else self._of_result()
        seconds = time.monotonic() - self._begun
        sealing.finish(recording, self, seconds=seconds, end_kernel=lambda: None)
        self._recording.result, self._ending = None, None
        for variable in (events.RUN_ID_VARIABLE, events.EVENTS_VARIABLE):
            os.environ.pop(variable, None)

    def _of_result(self) -> Ending:
        if self._recording.result is not None:
            ending = outcomes.of_result(self._recording.result)
            said = [
                ending.headline,
                *(f"{words} before it and did not run again." for words in self._troubled.values()),
            ]
            return replace(ending, headline=" ".join(filter(None, said)))
        return Ending(
            outcome=Outcome.ABORTED,
            exit_code=errors.Aborted.exit_code,
            headline="Ended by the kernel's end: the notebook's result was not shown.",
            error=errors.Aborted.__name__,
        )

    def written(self) -> bytes:
        """Return the content of the record's notebook."""
        return as_bytes(self.presentable())

    def presentable(self) -> NotebookNode:
        """Return the notebook as it may be stored."""
        return presentable(self._notebook, self._recording)
