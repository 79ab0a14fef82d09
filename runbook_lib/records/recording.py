"""One record being written while its run goes on. Nothing here can stop the run: what could not be kept is noted."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib import events
from runbook_lib.records import store as stores
from runbook_lib.records.outcomes import Ending, Outcome
from runbook_lib.redaction import Scrubber

log = logging.getLogger(__name__)

INCIDENT_VARIABLE = "RUNBOOK_INCIDENT"
RUN_ID_VARIABLE = "RUNBOOK_RUN_ID"


class Recording:
    """The record of one run: its folder, what must not get into it, and what is missing from it (`losses`)."""

    def __init__(
        self,
        store: stores.Store,
        *,
        notebook: str,
        source: bytes,
        parameters: Mapping[str, Any],
        incident: str = "",
    ) -> None:
        self.store = store
        self.notebook = notebook
        self.source = source
        self.parameters = dict(parameters)
        self.incident = stores.check_incident(incident)
        self.run_id = stores.new_run_id()
        self.started = datetime.now(UTC)
        self.scrubber = Scrubber()
        self.losses: list[str] = []
        self.ending: Ending | None = None
        self.result: dict[str, Any] | None = None
        self.phases: list[tuple[str, float]] = []
        self.folder = store.open_record(notebook=notebook, incident=incident, run_id=self.run_id, started=self.started)

    @property
    def path(self) -> Path:
        """Give the record's folder."""
        return self.folder.path

    def environment(self) -> dict[str, str]:
        """Give what the kernel is told about its run."""
        return {
            RUN_ID_VARIABLE: self.run_id,
            INCIDENT_VARIABLE: self.incident,
            events.EVENTS_VARIABLE: str(self.path / stores.EVENTS),
        }

    def event(self, event: str, **facts: Any) -> None:
        """Write a line of `events.jsonl` before the step it announces."""
        try:
            events.append(self.path / stores.EVENTS, event, by="runner", facts=self.scrubber.value(facts))
        except OSError as error:
            self.note_loss(f"{stores.EVENTS} ({event})", error)

    def summary(self) -> dict[str, Any]:
        """Give what the executed notebook says of its run; `running` until it ended."""
        ending = self.ending
        return {
            "version": 1,
            "run_id": self.run_id,
            "incident": self.incident,
            "outcome": (ending.outcome if ending else Outcome.RUNNING).value,
            "exit_code": ending.exit_code if ending else None,
            "headline": ending.headline if ending else "",
        }

    def write(self, name: str, content: bytes, *, lasting: bool = True) -> bool:
        """Write one file of the record; tell whether it worked."""
        try:
            self.folder.write(name, content, lasting=lasting)
        except OSError as error:
            self.note_loss(name, error)
            return False
        self.losses = [loss for loss in self.losses if not loss.startswith(f"{name}:")]
        return True

    def note_loss(self, what: str, error: OSError) -> None:
        """Note that something could not be kept, once, and say so."""
        loss = f"{what}: {error.strerror or error}"
        if loss not in self.losses:
            self.losses.append(loss)
            log.warning("The record is not complete, the run goes on. %s", loss)


def canonical(value: Any) -> bytes:
    """Write a value as JSON in one way only, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()
