"""What the page shows besides the notebook's own cells: how far a change has come, and how to finish the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_lib.display import Result
from runbook_lib.display.interactive.finish import finish_strip
from runbook_lib.display.interactive.progress import Progress
from runbook_lib.records.interactive.journal import Journal
from runbook_lib.records.past import past_phases


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
        if isinstance(result.result, Result) and self._journal.is_open:
            finish_strip(self._journal.finish)
