"""What a store of records tells a watch: its earlier findings, drills, and whether the records are whole."""

from __future__ import annotations

import logging
from typing import Any

from runbook_lib.errors import NotFound, RunbookError
from runbook_lib.looking import could_not
from runbook_lib.records.earlier import json_outputs
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.publishing import published_to
from runbook_lib.records.register import Entry, check_store, entries, notebook_of
from runbook_lib.records.store import Store, default_store
from runbook_lib.records.verify import verify_store
from runbook_lib.watch.facts import Facts
from runbook_lib.watch.past import KEY, Drill, Past, known_from

log = logging.getLogger(__name__)

WATCH, DRILL = "watch_backups", "drill_restore"
_PLAN = Outcome.PLANNED  # a drill that was only planned is none


def past_of_watch(facts: Facts, *, store: Store | None = None) -> Past:
    """Return what this store tells a watch: its earlier findings, drills, and whether the records are whole.

    Where the store cannot be read `why_not` says so, and nothing of it counts.
    """
    store = store or default_store()
    try:
        check_store(store)
        found = [entry for entry in entries(store) if entry.outcome is not Outcome.RUNNING]
        known = _known(found, facts)
        return Past(
            known=known_from({"known": known}, accepted=facts.choices.accepted),
            drills=tuple(_drill(entry) for entry in found if entry.notebook == DRILL and entry.outcome is not _PLAN),
            unpublished=tuple(
                entry.run_id
                for entry in found
                if entry.summary.get("publish_to") and not published_to(store, entry.folder)
            ),
            broken=tuple(str(finding) for finding in verify_store(store)),
            records=len(found),
        )
    except RunbookError as error:
        return Past(why_not=could_not(error))
    except (OSError, ValueError, TypeError, KeyError) as error:
        return Past(why_not=f"could not be looked at: {type(error).__name__} in {store.root}")


def _known(found: list[Entry], facts: Facts) -> list[dict[str, Any]]:
    """Return what the newest watch of the same scope has left, empty for none."""
    for entry in reversed(found):
        left = watch_of(entry) if entry.notebook == WATCH and entry.cluster == facts.scope else None
        if left and (left.get("region"), left.get("account")) == (facts.region, facts.account):
            return list(left["known"])
    return []


def watch_of(entry: Entry) -> dict[str, Any] | None:
    """Return what a record of a watch keeps for later ones; None where it did not come so far."""
    try:
        outputs = [*json_outputs(notebook_of(entry))]
    except NotFound as error:
        log.info("the record %s is left out: %s", entry.run_id, error.message)
        return None
    return next((value[KEY] for value in outputs if isinstance(value, dict) and isinstance(value.get(KEY), dict)), None)


def _drill(entry: Entry) -> Drill:
    proved = entry.outcome is Outcome.SUCCEEDED and (entry.summary.get("recovery") or {}).get("proof") == "proved"
    return Drill(cluster=entry.cluster, at=entry.started, outcome=entry.outcome.value, proved=proved)
