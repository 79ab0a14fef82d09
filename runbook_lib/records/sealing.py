"""Put together what is known of a run when it has ended, and seal it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.events import hash_of
from runbook_lib.records import provenance
from runbook_lib.records.manifest import Approval, Cell, Events, Manifest, Operator, Phase, Source, hash_of_value, utc
from runbook_lib.records.recording import Recording
from runbook_lib.records.store import EVENTS

_AWS_OPERATION = re.compile(r"(?:[A-Z][a-z0-9]+){1}(?:[A-Z]+[a-z0-9]*)+")


def draft(recording: Recording, *, seconds: float) -> Manifest:
    """Return the manifest of a run that has ended, before its files are written and sealed."""
    ending, result = recording.ending, recording.result or {}
    assert ending is not None, "only a run that ended has a manifest"
    announced = read_events(recording.path / EVENTS)
    who = provenance.operator()
    caller = _last_facts(announced, "aws-caller")
    scrub = recording.scrubber
    plan_id, by = str(result.get("plan_id") or ""), str(result.get("approved_by") or "")
    return Manifest(
        run_id=recording.run_id,
        incident=recording.incident,
        notebook=recording.notebook,
        mode=recording.mode,
        cluster=str(result.get("cluster") or recording.parameters.get("cluster") or ""),
        outcome=ending.outcome,
        exit_code=ending.exit_code,
        headline=scrub.text(ending.headline),
        error=ending.error,
        started=utc(recording.started),
        ended=utc(datetime.now(UTC)),
        seconds=round(seconds, 3),
        phases=tuple(Phase(name=name, seconds=round(took, 3)) for name, took in recording.phases),
        cells=tuple(Cell(**cell) for cell in recording.cells),
        operator=Operator(
            **who,
            aws_arn=caller.get("arn", ""),
            aws_account=caller.get("account", ""),
            aws_region=caller.get("region", ""),
        ),
        approval=Approval(plan_id=plan_id, by=f"{who['os_user']} as {scrub.text(by)}") if by else None,
        plan_id=plan_id,
        source=Source(sha256=recording.source_sha256, **recording.git.answer()),
        versions=provenance.versions(),
        parameters=scrub.value(recording.parameters),
        parameters_sha256=hash_of_value(recording.parameters),
        changed=tuple(scrub.value(list(result.get("changed") or ()))),
        requested=requested(announced),
        recovery=scrub.value(result["recovery"]) if result.get("recovery") else None,
        facts={str(name): str(value) for name, value in scrub.value(dict(result.get("facts") or {})).items()},
        publish_to=recording.publish_to,
        events=Events(lines=0, last_sha256=""),
        files={},
    )


def read_events(path: Path) -> tuple[dict[str, Any], ...]:
    """Read a record's events; a line that is no JSON is left out (`verify` names it)."""
    found = []
    for line in event_lines(path):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return tuple(found)


def event_lines(path: Path) -> list[bytes]:
    """Return the lines of a record's events, without line ends; nothing when there is no such file."""
    try:
        return path.read_bytes().rstrip(b"\n").split(b"\n")
    except FileNotFoundError:
        return []


def seal_of_events(path: Path) -> Events:
    """Return what the manifest says of the events."""
    lines = event_lines(path)
    return Events(lines=len(lines), last_sha256=hash_of(lines[-1]) if lines else "")


def requested(announced: tuple[Mapping[str, Any], ...]) -> tuple[str, ...]:
    """Name every AWS change the notebook announced before it asked for it: the run may have ended in any of them."""
    changes = []
    for event in announced:
        if event.get("by") == "notebook" and _AWS_OPERATION.fullmatch(str(event.get("event", ""))):
            target = event.get("facts", {}).get("target", "")
            changes.append(f"{event['event']} {target}".strip())
    return tuple(dict.fromkeys(changes))


def _last_facts(announced: tuple[Mapping[str, Any], ...], name: str) -> dict[str, Any]:
    for event in reversed(announced):
        if event.get("event") == name:
            return dict(event.get("facts", {}))
    return {}
