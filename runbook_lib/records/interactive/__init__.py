"""The record of a notebook that a person steps through, kept by its own kernel.

`runbook lab` starts kernels with this package as their IPython extension. One life of a kernel is one run: a kernel
that is restarted begins another, in which no cell has run yet.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runbook_lib import events
from runbook_lib.display import Result
from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.finish import finish_strip
from runbook_lib.display.interactive.progress import Progress
from runbook_lib.display.interactive.shown import Shown
from runbook_lib.records.earlier import past_phases
from runbook_lib.records.extension import Listener
from runbook_lib.records.interactive.journal import Journal
from runbook_lib.records.interactive.names import explain_missing_names

PROJECT_VARIABLE = "RUNBOOK_LAB_PROJECT"  # the folder that parameter files and records are found from
ORIGINALS_VARIABLE = "RUNBOOK_LAB_ORIGINALS"  # where the notebooks lie that the reader's copies were made of

_journals: list[Journal] = []


def load_ipython_extension(shell: Any) -> None:
    """Begin to follow what is run in this kernel. Opening a notebook records nothing; running its first cell does."""
    path = os.environ.get(front.NOTEBOOK_VARIABLE, "")
    if not path or _journals:
        return
    project = os.environ.get(PROJECT_VARIABLE, "")
    if project:
        os.chdir(project)
        sys.path.insert(0, project)
    os.environ[front.KERNEL_VARIABLE] = str(os.getpid())
    journal = Journal(Path(path), original=Path(os.environ.get(ORIGINALS_VARIABLE, "")) / Path(path).name)
    _journals.append(journal)
    _follow(shell, journal)
    explain_missing_names(shell, journal.original)
    atexit.register(journal.close)


def _follow(shell: Any, journal: Journal) -> None:
    page = Page(journal)
    events.listen(journal.heard)
    events.listen(page.heard)
    formatter, shown = shell.display_formatter, shell.display_formatter.format

    def shown_to_people(value: Any, include: Any = None, exclude: Any = None) -> tuple[Any, Any]:
        data, metadata = shown(value, include, exclude)
        return journal.for_people(data), metadata

    formatter.format = shown_to_people
    shell.events.register("pre_run_cell", journal.before)
    Listener(shell, journal.told).follow()
    shell.events.register("post_run_cell", page.after)  # its progress stops before the cell's end is written
    shell.events.register("post_run_cell", journal.after)
    shell.events.register("post_run_cell", page.offer_to_finish)


def finish_from_outside(*, until: float) -> str:
    """Finish this kernel's run for `runbook records finish`, which asks it by this name; return what to print.

    It waits for the answer until a moment (seconds since 1970). A kernel that was busy until after it does nothing:
    its reader was told so, and may have gone on.
    """
    if time.time() > until:
        return "Nobody waits for this record any more."
    return _journals[0].finish() if _journals else "This kernel keeps no record."


def finish_to_go_on() -> None:
    """Write the record of a notebook that is left by its button; one that is written already is as good.

    Raises:
        CheckFailed: JupyterLab has not saved what has run.
    """
    for journal in _journals:
        if journal.is_open:
            journal.finish()


class Page:
    """Adds to a cell's output what only somebody who sits before it needs. The record leaves it out."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._progress: Progress | None = None

    def heard(self, event: str, facts: Mapping[str, Any]) -> None:
        """Show the phases of a change while it goes on."""
        if event != "phase":
            return
        if self._progress is None:
            self._progress = Progress(past_phases(self._journal.path.stem))
        self._progress.phase(str(facts.get("name", "")), target=str(facts.get("target", "")))

    def after(self, result: Any) -> None:
        """Let the progress stand as it is when its cell has ended."""
        if self._progress is not None:
            self._progress.stop(well=bool(result.success))
            self._progress = None

    def offer_to_finish(self, result: Any) -> None:
        """Show the finish button under a notebook's result."""
        shown = result.result
        value = shown.value if isinstance(shown, Shown) else shown
        if isinstance(value, Result) and self._journal.is_open:
            finish_strip(self._journal.finish)
