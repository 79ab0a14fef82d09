"""The register of past runs: every record of a store, finished or not, and those a reader asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.errors import InputRefused, NotFound, RunbookError
from runbook_lib.events import read_events
from runbook_lib.records import orphans
from runbook_lib.records.manifest import Manifest, read_manifest
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.store import EVENTS, MANIFEST, NOTEBOOK, Store


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record as a reader finds it. `manifest` is None while it runs and where it is damaged (`problem`)."""

    folder: Path
    run_id: str
    notebook: str
    incident: str
    started: datetime
    outcome: Outcome
    manifest: Manifest | None = None
    problem: str = ""

    @property
    def cluster(self) -> str:
        """Return the cluster the run was about, as far as it is known."""
        return self.manifest.cluster if self.manifest else ""

    def as_json(self) -> dict[str, Any]:
        """Return the entry for machines: the manifest's facts, or what is known without one."""
        known = {
            "folder": str(self.folder),
            "run_id": self.run_id,
            "notebook": self.notebook,
            "incident": self.incident,
            "started": self.started.isoformat(),
            "outcome": self.outcome.value,
            "problem": self.problem,
        }
        return {**(self.manifest.model_dump(mode="json") if self.manifest else {}), **known}


def entries(store: Store) -> Iterator[Entry]:
    """Return every record of a store, oldest first. Killed runs are given their end first, where the store lets us."""
    orphans.settle_all(store)
    yield from sorted((read_entry(store, folder) for folder in store.folders()), key=lambda entry: entry.started)


def read_entry(store: Store, folder: Path) -> Entry:
    """Read one record. A damaged one is an entry too: it says its problem."""
    started_text, _, rest = folder.name.partition("-")
    notebook, _, run_id = rest.rpartition("-")
    named: dict[str, Any] = {
        "folder": folder,
        "run_id": run_id,
        "notebook": notebook,
        "incident": folder.parent.name,
        "started": _started(started_text),
    }
    path = folder / MANIFEST
    if path.exists():
        try:
            manifest = read_manifest(path.read_bytes(), name=str(path))
        except RunbookError as error:
            return Entry(**named, outcome=Outcome.ORPHANED, problem=error.message)
        named |= {"notebook": manifest.notebook, "incident": manifest.incident, "started": manifest.started}
        return Entry(**named, outcome=manifest.outcome, manifest=manifest)
    if store.is_running(run_id):
        return Entry(**named, outcome=Outcome.RUNNING)
    left = store.left_by(run_id)
    if "outcome" in left:
        where = f" It is kept in {left['rescue']}." if left.get("rescue") else ""
        return Entry(**named, outcome=Outcome(left["outcome"]), problem=f"The store did not take the manifest.{where}")
    return Entry(**named, outcome=Outcome.ORPHANED, problem="The run was killed; its record has no end yet.")


def _started(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def find(store: Store, name: str) -> Entry:
    """Find the record somebody names: its folder, its run id or the beginning of one, or `latest`.

    Raises:
        NotFound: no record has that name.
        InputRefused: several do.
    """
    folder = Path(name)
    if folder.is_dir() and any((folder / file).exists() for file in (MANIFEST, NOTEBOOK, EVENTS)):
        return read_entry(Store(folder.absolute().parent.parent), folder.absolute())
    found = list(entries(store))
    if name == "latest" and found:
        return found[-1]
    matching = [entry for entry in found if entry.run_id.startswith(name) or entry.folder.name == name]
    if len(matching) > 1:
        raise InputRefused(
            f"{len(matching)} records begin with {name}.", hint=f"Name one: {', '.join(e.run_id for e in matching)}."
        )
    if not matching:
        raise NotFound(
            f"There is no record {name} in {store.root}.",
            hint="List the records with `runbook records list`, or name another store with --records.",
        )
    return matching[0]


def notebook_of(entry: Entry) -> dict[str, Any]:
    """Read the executed notebook of a record.

    Raises:
        NotFound: it is missing or no JSON.
    """
    path = entry.folder / NOTEBOOK
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NotFound(f"{path} cannot be read.", hint="Check the record with `runbook records verify`.") from error
    assert isinstance(content, dict)
    return content


def events_of(entry: Entry) -> tuple[dict[str, Any], ...]:
    """Read the events of a record."""
    return read_events(entry.folder / EVENTS)
