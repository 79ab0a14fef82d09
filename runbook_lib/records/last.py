"""What an earlier run of a notebook left for the next one: a JSON output under a name of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import NotFound
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import entries, notebook_of
from runbook_lib.records.store import Store, default_store

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
