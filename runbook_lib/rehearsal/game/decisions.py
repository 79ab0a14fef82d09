"""What was decided when, from the records of a game."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook_lib.records.manifest import Manifest
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.recovery import BRING_BACK, RESTORE, moment_in
from runbook_lib.records.register import Entry, entries
from runbook_lib.records.store import Store


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One record as a decision. `second` is the restored one; `changed` tells whether anything was done."""

    at: datetime
    ended: datetime | None
    notebook: str
    what: str
    outcome: str
    by: str = ""
    second: datetime | None = None
    changed: bool = False
    run_id: str = ""


def decisions(store: Store, incident: str) -> tuple[Decision, ...]:
    """Read an incident's records as decisions, in their order. A record that has no end says so."""
    found = (_decision(entry) for entry in entries(store) if entry.incident == incident)
    return tuple(sorted(found, key=lambda one: one.at))


def _decision(entry: Entry) -> Decision:
    manifest = entry.manifest
    if manifest is None:
        return Decision(
            at=entry.started,
            ended=None,
            notebook=entry.notebook,
            what="not on record",
            outcome=entry.problem or entry.outcome.value,
            run_id=entry.run_id,
        )
    recovery = manifest.recovery or {}
    approval = manifest.approval if manifest.changed else None
    return Decision(
        at=(moment_in(recovery.get("began")) if approval else None) or manifest.started,
        ended=manifest.ended,
        notebook=manifest.notebook,
        what="; ".join(_what(manifest, recovery)),
        outcome=f"{manifest.outcome.value}: {manifest.headline}",
        by=approval.by if approval else "",
        second=moment_in(recovery.get("recovery_point")) if manifest.notebook == RESTORE else None,
        changed=bool(manifest.changed),
        run_id=manifest.run_id,
    )


def _what(manifest: Manifest, recovery: dict[str, Any]) -> Iterator[str]:
    given = manifest.parameters
    is_plan = manifest.outcome is Outcome.PLANNED
    yield "looked at a plan" if is_plan else "did it" if manifest.changed else "looked"
    if manifest.notebook == RESTORE:
        yield f"second {recovery.get('recovery_point') or given.get('timestamp')}"
        names: tuple[str, ...] = ("restore_from", "target")
    elif manifest.notebook == BRING_BACK:
        names = ("way", "tables", "rows", "conflicts", "definitions")
    else:
        names = ("timestamp",)
    yield from (f"{name} {given[name]}" for name in names if given.get(name))
