"""What our own past restores took: the only honest estimate of the next one."""

from __future__ import annotations

import logging
from datetime import timedelta

from runbook_lib.errors import RunbookError
from runbook_lib.records.manifest import read_manifest
from runbook_lib.records.store import MANIFEST, Store, default_store

log = logging.getLogger(__name__)


def past_recoveries(cluster: str, *, store: Store | None = None) -> tuple[timedelta, ...]:
    """Give how long each finished restore of a cluster took, from its request to its check, the shortest first.

    Only records of this store count. A record that cannot be read is passed over with a line in the log.
    """
    searched = store or default_store()
    found = []
    for folder in searched.folders():
        path = folder / MANIFEST
        if "restore_to_timestamp" not in folder.name or not path.exists():
            continue
        try:
            manifest = read_manifest(path.read_bytes(), name=str(path))
        except (RunbookError, OSError) as error:
            log.warning("the record %s cannot be read: %s", folder.name, error)
            continue
        if manifest.cluster == cluster and manifest.recovery:
            found.append(timedelta(seconds=float(manifest.recovery["recovery_seconds"])))
    return tuple(sorted(found))
