"""What earlier runs of this store tell the next one: what they left, and how long they took."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from runbook_lib.errors import NotFound, RunbookError
from runbook_lib.records.manifest import Manifest, read_manifest
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import entries, notebook_of
from runbook_lib.records.store import MANIFEST, Store, default_store

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
        for value in _json_outputs(content):
            if isinstance(value, dict) and isinstance(value.get(key), dict):
                return LeftOutput(run_id=entry.run_id, value=value[key])
    return None


def _json_outputs(notebook: dict[str, Any]) -> Iterator[Any]:
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data") or {}
            if "application/json" in data:
                yield data["application/json"]


def past_recoveries(cluster: str, *, store: Store | None = None) -> tuple[timedelta, ...]:
    """Return how long each finished restore of a cluster took, from its request to its check, the shortest first.

    Only records of this store count. A record that cannot be read is passed over with a line in the log.
    """
    found = [
        timedelta(seconds=float(manifest.recovery["recovery_seconds"]))
        for manifest in _manifests("restore_to_timestamp", store or default_store())
        if manifest.cluster == cluster and manifest.recovery
    ]
    return tuple(sorted(found))


def past_phases(notebook: str, *, store: Store | None = None) -> dict[str, float]:
    """Return what each phase of a notebook's change took in this store's finished runs: the median, in seconds."""
    took: dict[str, list[float]] = {}
    for manifest in _manifests(notebook, store or default_store()):
        for name, seconds in dict((manifest.recovery or {}).get("phases") or {}).items():
            took.setdefault(name, []).append(float(seconds))
    return {name: median(seconds) for name, seconds in took.items()}


def _manifests(notebook: str, store: Store) -> Iterator[Manifest]:
    for folder in store.folders():
        path = folder / MANIFEST
        if notebook not in folder.name or not path.exists():
            continue
        try:
            yield read_manifest(path.read_bytes(), name=str(path))
        except (RunbookError, OSError) as error:
            log.warning("the record %s cannot be read: %s", folder.name, error)
