"""What our own past restores took: the only honest estimate of the next one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from statistics import median

from runbook_lib.errors import RunbookError
from runbook_lib.records.manifest import Manifest, read_manifest
from runbook_lib.records.store import MANIFEST, Store, default_store

log = logging.getLogger(__name__)


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
