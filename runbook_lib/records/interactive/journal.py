"""What was run in a kernel, in its order, and the record that is made of it in the end."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib import events, redaction
from runbook_lib.display.interactive import front
from runbook_lib.errors import CheckFailed, RunbookError
from runbook_lib.records import provenance
from runbook_lib.records.interactive.saved import saved_notebook
from runbook_lib.records.interactive.steps import CellRun, Choice, Steps
from runbook_lib.records.outcomes import INTERACTIVE, CellState
from runbook_lib.records.recording import Recording, Request
from runbook_lib.records.store import default_store

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 15.0  # for JupyterLab to save what it was asked to; after a reload nothing more comes
_ASK_AGAIN_SECONDS = 2.0


class Journal:
    """Follows one kernel. The record is opened by the first cell that runs, and finished by hand or with the kernel."""

    def __init__(self, path: Path, *, original: Path) -> None:
        self.path = path
        self.original = original if original.is_file() else path
        self._recording: Recording | None = None
        self._steps = Steps()
        self._begun = 0.0
        self._numbers: dict[str, int] = {}
        self._given_up = False
        self._current: CellRun | None = None
        self._seen: list[tuple[str, str, tuple[str, ...]]] = []  # what went wrong in it without ending it
        self._ending, self._said = threading.Lock(), ""  # buttons work beside the cells, in threads of their own

    # What the kernel says.

    def before(self, info: Any) -> None:
        """Write that a cell begins, before it does."""
        front.enter(info.cell_id or "")
        if not info.cell_id or not self._open():
            return
        assert self._recording is not None
        self._seen = []
        earlier = self._steps.runs.get(info.cell_id)
        self._current = self._steps.runs[info.cell_id] = CellRun(
            cell_id=info.cell_id,
            order=self._steps.next(),
            source=info.raw_cell,
            began=datetime.now(UTC),
            clock=time.monotonic(),
            times=earlier.times + 1 if earlier else 1,
        )
        self._recording.event("cell-started", cell=self._numbers.get(info.cell_id, 0), id=info.cell_id)

    def after(self, result: Any) -> None:
        """Write how a cell ended."""
        run = self._steps.runs.get(result.info.cell_id or "")
        if self._recording is None or run is None:
            return
        error = result.error_before_exec or result.error_in_exec
        self._current = None
        run.seconds = round(time.monotonic() - run.clock, 3)
        run.execution_count = result.execution_count
        run.state = CellState.COMPLETED
        if error is not None:
            run.state = CellState.INTERRUPTED if isinstance(error, KeyboardInterrupt) else CellState.FAILED
            ours = tuple(error.lines()) if isinstance(error, RunbookError) else ()
            run.error = (type(error).__name__, str(error), ours)
        elif self._seen:
            run.state, run.error = CellState.FAILED, self._seen[-1]
        facts = {"state": run.state.value, "seconds": run.seconds}
        self._recording.event("cell-ended", cell=self._numbers.get(run.cell_id, 0), id=run.cell_id, **facts)

    def told(self, what: str, **said: Any) -> None:
        """Note an error that a cell shows though it goes on (`%%capture`, `%run`), and a display that is none."""
        if self._current is not None and what == "error":
            error = said["error"]
            self._seen.append((str(error["name"]), str(error["message"]), tuple(map(str, error["lines"]))))
        elif self._current is not None and what == "malformed":
            self._seen.append(("MalformedDisplay", str(said["problem"]), ()))

    def for_people(self, data: dict[str, Any]) -> dict[str, Any]:
        """Take the JSON out of what a cell shows, where there is HTML: JupyterLab would show a tree of it instead."""
        run = self._current
        if run is None or "text/html" not in data or "application/json" not in data:
            return data
        run.for_machines[str(data.get("text/plain", ""))] = data["application/json"]
        return {kind: content for kind, content in data.items() if kind != "application/json"}

    def heard(self, event: str, facts: Mapping[str, Any]) -> None:
        """Note what was chosen with a widget, and that something was done."""
        self._steps.acted = self._steps.acted or event == "phase"
        if event == front.CHOSEN:
            self._steps.choices.append(
                Choice(
                    order=self._steps.next(),
                    parameter=str(facts["parameter"]),
                    value=facts["value"],
                    again=bool(facts["again"]),
                    cell=str(facts.get("cell", "")),
                )
            )

    # The record.

    @property
    def is_open(self) -> bool:
        """Tell whether there is a run to finish."""
        return self._recording is not None

    def finish(self) -> str:
        """Save the notebook, write its record and give what to tell the reader.

        What the page has lost, because it was loaded again before it was saved, is named as missing. Asked twice at
        once (a button, and another that leads on), it writes one record, and both are told the same.

        Raises:
            CheckFailed: nothing has run, or the file lacks what has run because JupyterLab has not saved it.
        """
        beside = self._ending.locked()
        with self._ending:
            if beside and self._recording is None:
                return self._said
            self._said = self._saved_and_finished()
            return self._said

    def _saved_and_finished(self) -> str:
        if self._recording is None:
            raise CheckFailed("No cell has run since the last record.", hint="Run the notebook, then finish it.")
        before = self.path.stat().st_mtime_ns
        unsaved = self._wait_for_the_file(_PATIENCE_SECONDS if front.save() else 0)
        # a page that was loaded again has lost what it had not saved: there is nothing more to save, and it is said
        if unsaved and self.path.stat().st_mtime_ns == before:
            raise CheckFailed(
                f"The saved notebook lacks what {len(unsaved)} of its cells show.",
                hint="Save it (Ctrl+S, or ⌘S) and finish again.",
            )
        return self._finish(how="by hand")

    def close(self) -> None:
        """Finish with what is on the disk, because the kernel ends."""
        with self._ending:
            if self._recording is not None:
                self._finish(how="by the kernel's end")

    def _open(self) -> bool:
        if self._recording is not None or self._given_up:
            return self._recording is not None
        try:
            source, opened = saved_notebook(self.original)
            cells = opened["cells"]
            if not any("parameters" in cell["metadata"].get("tags", ()) for cell in cells):
                return False  # a page to read, not a runbook
            incident = provenance.incident()
            request = Request(notebook=self.original, source=source, parameters={}, incident=incident, mode=INTERACTIVE)
            recording = Recording(default_store(), request)
        except RunbookError as error:
            self._given_up = True
            log.warning("%s What is done here is not recorded.", error.message)
            return False
        self._recording, self._begun = recording, time.monotonic()
        self._numbers = {cell.get("id", ""): number for number, cell in enumerate(cells, start=1)}
        os.environ.update(recording.environment())
        from ipykernel.connect import get_connection_file

        untyped: Any = get_connection_file
        recording.begin(kernel=str(untyped()))
        return True

    def _wait_for_the_file(self, patience_seconds: float) -> list[str]:
        from runbook_lib.records.interactive.stepped import unsaved_cells

        until = time.monotonic() + patience_seconds
        again = time.monotonic() + _ASK_AGAIN_SECONDS
        while missing := [cell for cell in unsaved_cells(self.path, self._steps) if not self._steps.runs[cell].record]:
            if time.monotonic() > until:
                break
            if time.monotonic() > again:  # a page that had not heard yet that a cell had ended saved it as running
                front.save()
                again = time.monotonic() + _ASK_AGAIN_SECONDS
            time.sleep(0.2)
        return missing

    def _finish(self, *, how: str) -> str:
        from runbook_lib.records import sealing
        from runbook_lib.records.interactive.stepped import Executed

        recording = self._recording
        assert recording is not None
        for value, kind in redaction.known().items():
            recording.scrubber.learn(value, kind=kind)
        kept = Executed(self.path, original=self.original, steps=self._steps, recording=recording, how=how)
        seconds = time.monotonic() - self._begun
        manifest = sealing.finish(recording, kept, seconds=seconds, end_kernel=lambda: None)
        self._recording, self._steps = None, self._steps.after_record(recording.run_id)
        for variable in (events.RUN_ID_VARIABLE, events.EVENTS_VARIABLE):
            os.environ.pop(variable, None)
        lost = "".join(f"\nMISSING from it: {loss}" for loss in recording.losses)
        return f"{manifest.outcome.value}: {manifest.headline}\nThe record is in {recording.path}{lost}"
