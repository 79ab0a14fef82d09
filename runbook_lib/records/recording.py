"""One record being written while its run goes on. It cannot stop the run: what could not be kept is noted."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib import events
from runbook_lib.records import provenance
from runbook_lib.records import store as stores
from runbook_lib.records.outcomes import HEADLESS, Ending, Mode, Outcome
from runbook_lib.redaction import Scrubber

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a record is to be made of: the notebook (`source` is its file's content), its parameters, its incident.

    `publish_to` is the address the record shall be published to; `approver` who approved, if not who runs it.
    """

    notebook: Path
    source: bytes
    parameters: Mapping[str, Any]
    incident: str = ""
    publish_to: str = ""
    approver: str = ""
    mode: Mode = HEADLESS


class Recording:
    """The record of one run: its folder, what must not get into it, and what is missing from it (`losses`)."""

    def __init__(self, store: stores.Store, request: Request) -> None:
        self.store = store
        self.mode: Mode = request.mode
        self.notebook = stores.check_open(request.notebook.stem, "notebook")
        self.source_sha256 = hashlib.sha256(request.source).hexdigest()
        self.parameters = dict(request.parameters)
        self.incident = stores.check_incident(request.incident)
        self.publish_to = request.publish_to
        self.approver = stores.check_name(request.approver, "approver")
        self.run_id = stores.new_run_id()
        self.started = datetime.now(UTC)
        self.scrubber = Scrubber()
        self.ending: Ending | None = None
        self.result: dict[str, Any] | None = None
        self.phases: list[tuple[str, float]] = []
        self.cells: list[dict[str, Any]] = []
        self.rescue: Path | None = None
        self._losses: dict[str, str] = {}
        self._late: list[tuple[str, dict[str, Any]]] = []
        self.folder = store.open_record(
            notebook=self.notebook, incident=self.incident, run_id=self.run_id, started=self.started
        )
        self.watch = events.Watch(self.path / stores.EVENTS)
        self.git = provenance.GitState(request.notebook.absolute().parent)

    @property
    def path(self) -> Path:
        """Return the record's folder."""
        return self.folder.path

    @property
    def losses(self) -> tuple[str, ...]:
        """Say what the record lacks, file by file, and why."""
        return tuple(f"{what}: {why}" for what, why in self._losses.items())

    def environment(self) -> dict[str, str]:
        """Return the environment variables that name the run to its kernel."""
        return {
            events.RUN_ID_VARIABLE: self.run_id,
            events.INCIDENT_VARIABLE: self.incident,
            events.EVENTS_VARIABLE: str(self.path / stores.EVENTS),
            stores.STORE_VARIABLE: str(self.path.parents[1]),  # where past restores are looked up
        }

    def look_at_events(self) -> None:
        """Notice whether somebody cuts the record's events while the run goes on."""
        self.watch.look()

    def begin(self, **more: str) -> None:
        """Write the first line of `events.jsonl`: which run this is, of what, and by whom."""
        self.event(
            "run-started",
            run_id=self.run_id,
            notebook=self.notebook,
            incident=self.incident,
            parameters=self.parameters,
            **({} if self.mode == HEADLESS else {"mode": self.mode}),
            source_sha256=self.source_sha256,
            **more,
            **provenance.operator(),
        )

    def event(self, event: str, **facts: Any) -> None:
        """Write a line of `events.jsonl` before the step it announces; one that cannot be written is tried again."""
        self._late.append((event, self.scrubber.value(facts)))
        while self._late:
            event, facts = self._late[0]
            try:
                self.folder.append(event, by="runner", facts=facts)
            except OSError as error:
                for _, waiting in self._late:
                    waiting["late"] = True
                self.note_loss(stores.EVENTS, error)
                return
            self._late.pop(0)
        self._losses.pop(stores.EVENTS, None)
        self.watch.look()

    def write(self, name: str, content: bytes, *, lasting: bool = True) -> bool:
        """Write one file of the record; tell whether it worked."""
        try:
            self.folder.write(name, content, lasting=lasting)
        except OSError as error:
            self.note_loss(name, error)
            return False
        self._losses.pop(name, None)
        return True

    def write_at_last(self, name: str, content: bytes) -> None:
        """Write a file that will not be written again: what its folder does not take is put where space is left."""
        if self.write(name, content):
            return
        try:
            self.rescue = self.rescue or Path(tempfile.mkdtemp(prefix=f"runbook-record-{self.run_id}-"))
            stores.write_atomically(self.rescue / name, content)
            self._losses[name] += f"; it is kept in {self.rescue}"
        except OSError as error:
            log.warning("%s could not be rescued either: %s", name, error.strerror)

    def note_loss(self, what: str, error: OSError) -> None:
        """Note that something could not be kept, and say so once."""
        if what not in self._losses:
            log.warning("The record is not complete, the run goes on. %s: %s", what, error.strerror or error)
        self._losses[what] = error.strerror or str(error)

    def note_missing(self, what: str, why: str) -> None:
        """Note that something never came to be in the record."""
        self._losses[what] = why

    def summary(self) -> dict[str, Any]:
        """Return what the executed notebook says of its run; `running` until it ended."""
        ending = self.ending
        return {
            "version": 1,
            "run_id": self.run_id,
            "incident": self.incident,
            "outcome": (ending.outcome if ending else Outcome.RUNNING).value,
            "exit_code": ending.exit_code if ending else None,
            "headline": self.scrubber.text(ending.headline) if ending else "",
            "record": self.store.name_of(self.path),
            "plan_id": str((self.result or {}).get("plan_id") or ""),
            **({} if self.mode == HEADLESS else {"mode": self.mode}),
        }
