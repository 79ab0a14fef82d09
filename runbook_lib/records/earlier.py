"""What earlier runs of this store tell the next one: what they left, and how long they took."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from runbook_lib.errors import NotFound
from runbook_lib.events import content_of
from runbook_lib.guard.history import PastLoad
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import Entry, entries, notebook_of
from runbook_lib.records.store import EVENTS, Store, default_store

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LeftOutput:
    """The value a record keeps under a name, and the run that left it."""

    run_id: str
    value: dict[str, Any]


def last_output(notebook: str, *, cluster: str, key: str, store: Store | None = None) -> LeftOutput | None:
    """Return the newest finished record's JSON output `key` of a notebook about one cluster; None if there is none.

    Runs that ended badly count as well when they came as far as that output.
    """
    found = [
        entry
        for entry in entries(store or default_store())
        if entry.notebook == notebook and entry.cluster == cluster and entry.outcome is not Outcome.RUNNING
    ]
    for entry in reversed(found):
        try:
            content = notebook_of(entry)
        except NotFound as error:
            log.info("the record %s is left out: %s", entry.run_id, error.message)
            continue
        for value in json_outputs(content):
            if isinstance(value, dict) and isinstance(value.get(key), dict):
                return LeftOutput(run_id=entry.run_id, value=value[key])
    return None


def json_outputs(notebook: dict[str, Any]) -> Iterator[Any]:
    """Return what the cells of an executed notebook show as JSON, in their order."""
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data") or {}
            if "application/json" in data:
                yield data["application/json"]


def past_recoveries(cluster: str, *, store: Store | None = None) -> tuple[timedelta, ...]:
    """Return how long each finished restore of a cluster took, from its request to its check, the shortest first.

    Only records of this store count; one that cannot be read does not.
    """
    found = []
    for entry in entries(store or default_store()):
        took: Any = (entry.summary.get("recovery") or {}).get("recovery_seconds")
        if entry.notebook == "restore_to_timestamp" and entry.cluster == cluster and _is_number(took):
            found.append(timedelta(seconds=float(took)))
    return tuple(sorted(found))


def past_loads(live: str, *, cluster: str, store: Store | None = None) -> tuple[PastLoad, ...]:
    """Return the loads that were published into a schema of a cluster by this store's records, the oldest first.

    One that was taken back is none. Moments are aware UTC. A record that cannot be read is left out.
    """
    found: dict[str, PastLoad] = {}
    for entry in entries(store or default_store()):
        if entry.notebook != "publish_load" or entry.cluster != cluster:
            continue
        for event, facts in _events(entry):
            at = str(facts.get("at", ""))
            if event == "published" and facts.get("live") == live and isinstance(facts.get("rows"), dict):
                rows = {str(name): count for name, count in facts["rows"].items() if isinstance(count, int)}
                found[at] = PastLoad(at=datetime.fromisoformat(at), rows=rows)
            elif event == "publish-undone" and facts.get("live") == live:
                found.pop(at, None)
    return tuple(found[at] for at in sorted(found))


def _events(entry: Entry) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = content_of(entry.folder / EVENTS).decode().splitlines()
    except (OSError, ValueError) as error:
        log.info("the record %s is left out: %s", entry.run_id, type(error).__name__)
        return
    for line in lines:
        if '"publish' not in line:
            continue
        try:
            event = json.loads(line)
            yield str(event["event"]), dict(event.get("facts") or {})
        except (ValueError, KeyError, TypeError):
            continue  # a torn line


def past_phases(notebook: str, *, store: Store | None = None) -> dict[str, float]:
    """Return what each phase of a notebook's change took in this store's finished runs: the median, in seconds."""
    took: dict[str, list[float]] = {}
    for entry in entries(store or default_store()):
        phases = (entry.summary.get("recovery") or {}).get("phases") if entry.notebook == notebook else None
        for name, seconds in phases.items() if isinstance(phases, dict) else ():
            if _is_number(seconds):
                took.setdefault(name, []).append(float(seconds))
    return {name: median(seconds) for name, seconds in took.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
