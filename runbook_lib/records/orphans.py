"""Runs that were killed outright: recognised by their free lock, and given the truthful end they could not write."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.errors import CheckFailed
from runbook_lib.events import content_of, read_events
from runbook_lib.records import chain, provenance, sealing, without_unused
from runbook_lib.records.manifest import (
    Cell,
    Manifest,
    Operator,
    Source,
    file_of,
    hash_of_value,
    read_manifest,
    seal_of_events,
)
from runbook_lib.records.outcomes import HEADLESS, INTERACTIVE, CellState, Outcome
from runbook_lib.records.store import (
    EVENTS,
    MANIFEST,
    NOTEBOOK,
    REPORT,
    SCRATCH_PREFIX,
    UNFILED,
    RecordFolder,
    Store,
    incident_folder,
    run_id_of,
    scratch_root,
)

log = logging.getLogger(__name__)

_ENDS = {CellState.RUNNING.value: CellState.INTERRUPTED, CellState.PENDING.value: CellState.NEVER_RAN}


def close_all(store: Store, *, incident: str | None = None) -> tuple[Path, ...]:
    """Write the end of every killed run of a store, or of one incident, and return their folders.

    A record that had ended is never touched, nor one that the chain lists. A store that cannot be written is left.
    """
    wanted = None if incident is None else incident_folder(incident)
    closed = []
    listed: set[str] | None = None
    for folder in store.folders():
        if (wanted is not None and folder.parent.name != wanted) or store.life_of(folder) != "killed":
            continue
        listed = {link.folder for link in chain.read_chain(store)} if listed is None else listed
        try:
            with store.lock_of_killed(folder) as held:
                if held is not None and store.name_of(folder) not in listed:
                    _close(store, held)
                    closed.append(folder)
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            log.warning("The killed run %s cannot be given its end: %s", run_id_of(folder), error)
    return tuple(closed)


def _close(store: Store, held: RecordFolder) -> None:
    for part in held.path.glob(".*.part"):  # a file that was being written
        part.unlink(missing_ok=True)
    (held.path / "probe").unlink(missing_ok=True)
    if (held.path / MANIFEST).is_file():
        with suppress(CheckFailed):  # the run was killed between its manifest and its line in the chain
            manifest = read_manifest(content_of(held.path / MANIFEST), name=MANIFEST)
            chain.append_record(store, held, manifest)
            return
    _settle(store, held, run_id_of(held.path))


def _settle(store: Store, held: RecordFolder, run_id: str) -> None:
    announced = read_events(held.path / EVENTS)
    begun: dict[str, Any] = next(
        (event.get("facts", {}) for event in announced if event.get("event") == "run-started"), {}
    )
    last = announced[-1] if announced else {}
    headline = f"The run was killed; the last thing it announced was {_in_words(last)}."
    decided: dict[str, Any] = next(
        (event.get("facts", {}) for event in reversed(announced) if event.get("event") == sealing.SEALING), {}
    )
    if decided:
        headline = f"{decided.get('headline', '')} (The process was killed before the record was sealed.)".strip()
    ends = {
        event["facts"].get("cell"): event["facts"].get("state")
        for event in announced
        if event.get("event") == "cell-ended"
    }
    outcome = Outcome(decided.get("outcome", Outcome.ORPHANED))
    notebook = _notebook(held.path / NOTEBOOK, headline, ends, outcome)
    held.append("run-orphaned", by="closer", facts={"last": last.get("event", "")})
    caller: dict[str, Any] = next((e["facts"] for e in announced if e.get("event") == "aws-caller"), {})
    started = _moment(announced[0]) if announced else None
    ended = _moment(last) if announced else None
    parameters = dict(begun.get("parameters", {}))
    where = held.path.parent.name
    incident = str(begun.get("incident", "" if where == UNFILED else where))
    manifest = Manifest(
        run_id=run_id,
        incident=incident,
        notebook=str(begun.get("notebook") or held.path.name.split("-", 1)[1].rpartition("-")[0]),
        mode=INTERACTIVE if begun.get("mode") == INTERACTIVE else HEADLESS,
        cluster=str(parameters.get("cluster", "")),
        outcome=outcome,
        exit_code=decided.get("exit_code"),
        headline=headline,
        started=started or datetime.fromtimestamp(0, UTC),
        ended=ended or datetime.fromtimestamp(0, UTC),
        seconds=(ended - started).total_seconds() if started and ended else 0.0,
        cells=_cells(notebook),
        operator=Operator(
            os_user=str(begun.get("os_user", "")),
            host=str(begun.get("host", "")),
            scheduler=str(begun.get("scheduler", "")),
            aws_arn=caller.get("arn", ""),
            aws_account=caller.get("account", ""),
            aws_region=caller.get("region", ""),
        ),
        source=Source(sha256=str(begun.get("source_sha256", ""))),
        versions=provenance.versions(),
        parameters=parameters,
        parameters_sha256=hash_of_value(parameters),
        requested=sealing.requested(announced),
        events=seal_of_events(held.path / EVENTS),
        files={},
    )
    if notebook is not None:
        _write_pages(held, notebook, manifest, announced)
    files = {
        path.name: content_of(path)
        for path in sorted(held.path.iterdir())
        if path.name != MANIFEST and path.is_file() and not path.is_symlink()
    }
    chain.append_record(
        store, held, manifest.model_copy(update={"files": {name: file_of(each) for name, each in files.items()}})
    )
    for left in scratch_root().glob(f"{SCRATCH_PREFIX}{run_id}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _write_pages(held: RecordFolder, notebook: Any, manifest: Manifest, announced: tuple[dict[str, Any], ...]) -> None:
    import nbformat

    from runbook_lib.records.report import contained_page

    held.write(NOTEBOOK, (nbformat.v4.writes(notebook) + "\n").encode(errors="backslashreplace"))
    held.write(REPORT, contained_page(lambda: notebook, manifest, announced))


def _notebook(path: Path, headline: str, ends: dict[int, str], outcome: Outcome) -> Any:
    """Read the notebook as the killed run left it, and end what it says is going on.

    `ends` are the cells' ends that were announced: the notebook is written after the event.
    """
    with without_unused():
        import nbformat
    try:
        notebook = nbformat.v4.reads(content_of(path).decode())
    except Exception:  # noqa: BLE001 # whatever the killed run left there
        return None
    for number, cell in enumerate(notebook.cells, start=1):
        status = cell.metadata.get("papermill", {})
        ended = ends.get(number) or _ENDS.get(status.get("status"))
        if ended:
            status["status"] = str(ended)
        if cell.cell_type == "code":
            said = cell.metadata.setdefault("runbook", {"state": CellState.PENDING.value})
            said["state"] = str(ends.get(number) or _ENDS.get(said["state"], said["state"]))
    notebook.metadata["runbook"] = {
        **notebook.metadata.get("runbook", {}),
        "outcome": outcome.value,
        "headline": headline,
    }
    return notebook


def _cells(notebook: Any) -> tuple[Cell, ...]:
    if notebook is None:
        return ()
    return tuple(
        Cell(number=number, id=cell.get("id", ""), **cell.metadata["runbook"])
        for number, cell in enumerate(notebook.cells, start=1)
        if cell.cell_type == "code"
    )


def _moment(event: dict[str, Any]) -> datetime | None:
    with suppress(ValueError, KeyError):
        return datetime.fromisoformat(event["at"])
    return None


def _in_words(event: dict[str, Any]) -> str:
    facts = event.get("facts", {})
    at = f" at {str(event.get('at', ''))[11:19]} UTC"
    if event.get("event") in ("cell-started", "cell-ended"):
        return f"{'the end of ' if event['event'] == 'cell-ended' else ''}cell {facts.get('cell')}{at}"
    return f"{event.get('event', 'nothing')} {facts.get('target', '')}".strip() + at
