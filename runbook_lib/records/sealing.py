"""The end of a record: what is known of the run is put together, its files are written, its manifest is sealed.

Imported while the kernel works, because the run only waits then.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from runbook_lib.events import read_events
from runbook_lib.records import chain, provenance
from runbook_lib.records import store as stores
from runbook_lib.records.manifest import (
    Approval,
    Cell,
    Events,
    Manifest,
    Operator,
    Phase,
    Source,
    file_of,
    hash_of_value,
    seal_of_events,
    utc,
)
from runbook_lib.records.outcomes import usable
from runbook_lib.records.recording import Recording
from runbook_lib.records.report import contained_page

log = logging.getLogger(__name__)

SEALING = "sealing"  # the event that says how a run ended, before its record is complete
_AWS_OPERATION = re.compile(r"(?:[A-Z][a-z0-9]+){1}(?:[A-Z]+[a-z0-9]*)+")


class Kept(Protocol):
    """Whoever holds the executed notebook."""

    def written(self) -> bytes:
        """Return the content of the record's notebook."""

    def presentable(self) -> Any:
        """Return the notebook as it may be stored."""


def finish(
    recording: Recording,
    manager: Kept | None,
    *,
    seconds: float,
    end_kernel: Callable[[], None],
) -> Manifest:
    """Write what is left of the record and seal it. The kernel ends while the report is made.

    `manager` is None when the run ended before its notebook was ready. Never raises for a disk that does not take
    what is written: the recording's losses tell of it.
    """
    ending = recording.ending
    assert ending is not None, "only a run that ended is finished"
    files = {}
    if manager is not None and (content := _contained(manager.written, recording, stores.NOTEBOOK)) is not None:
        files[stores.NOTEBOOK] = content
        recording.write_at_last(stores.NOTEBOOK, content)
    manifest = draft(recording, seconds=seconds)
    gist = {"outcome": ending.outcome.value, "exit_code": ending.exit_code}
    recording.event(SEALING, **gist, headline=manifest.headline)  # what follows takes a while
    if manager is not None:
        announced = read_events(recording.path / stores.EVENTS)
        files[stores.REPORT] = contained_page(manager.presentable, manifest, announced)
        recording.write_at_last(stores.REPORT, files[stores.REPORT])
    end_kernel()  # it may announce things until its very end
    recording.event("run-ended", **gist)
    return _sealed(recording, manifest, files)


def _contained(make: Callable[[], bytes], recording: Recording, name: str) -> bytes | None:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 # nothing in a notebook may cost its record
        log.warning("%s could not be written: %s", name, type(error).__name__)
        recording.note_missing(name, f"it could not be written ({type(error).__name__}); it is as it was saved before")
        return None


def _sealed(recording: Recording, manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    announced = recording.path / stores.EVENTS
    for name in (stores.NOTEBOOK, stores.EVENTS, stores.PROOF):
        if name not in files and (recording.path / name).is_file():
            files[name] = (recording.path / name).read_bytes()
    recording.watch.look(at_last=True)
    events = seal_of_events(announced).model_copy(update={"problem": recording.watch.problem})
    final = manifest.model_copy(
        update={
            "files": {name: file_of(content) for name, content in files.items()},
            "events": events,
            "losses": recording.losses,
        }
    )
    try:
        final = chain.append_record(recording.store, recording.folder, final)
    except OSError as error:
        recording.note_loss(stores.CHAIN, error)
        final = final.model_copy(update={"losses": recording.losses}).sealed()
        recording.write_at_last(stores.MANIFEST, final.written())
        gist = final.model_dump(mode="json", include={"outcome", "exit_code", "headline"})
        where = {"folder": str(recording.path.relative_to(recording.store.root)), "rescue": str(recording.rescue or "")}
        recording.folder.release(instead_of_manifest={**gist, **where})
    else:
        recording.folder.release()
    return final


def draft(recording: Recording, *, seconds: float) -> Manifest:
    """Return the manifest of a run that has ended, before its files are written and sealed."""
    ending, result = recording.ending, usable(plain(recording.result or {}))
    assert ending is not None, "only a run that ended has a manifest"
    announced = read_events(recording.path / stores.EVENTS)
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
        approval=Approval(plan_id=plan_id, by=_approved_by(recording, who["os_user"], scrub.text(by))) if by else None,
        plan_id=plan_id,
        source=Source(sha256=recording.source_sha256, **recording.git.answer()),
        versions=provenance.versions(),
        parameters=scrub.value(plain(recording.parameters)),
        parameters_sha256=hash_of_value(recording.parameters),
        changed=tuple(str(line) for line in scrub.value(list(result.get("changed") or ()))),
        requested=requested(announced),
        recovery=scrub.value(result["recovery"]) if result.get("recovery") else None,
        facts={str(name): str(value) for name, value in scrub.value(dict(result.get("facts") or {})).items()},
        publish_to=recording.publish_to,
        events=Events(lines=0, last_sha256=""),
        files={},
    )


def _approved_by(recording: Recording, os_user: str, by: str) -> str:
    """Say who approved: who is named for it, through whom it ran, and what AWS knows them as."""
    through = f"{os_user} as {by}"
    return f"{recording.scrubber.text(recording.approver)}, through {through}" if recording.approver else through


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: names are texts, and so is what is neither text, number, list nor mapping."""
    if isinstance(value, dict):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


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
