"""Runs that were killed outright: recognised by their free lock, and given the truthful end they could not write."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.events import read_events
from runbook_lib.records import chain, provenance, sealing, without_unused
from runbook_lib.records.manifest import Cell, Manifest, Operator, Source, file_of, hash_of_value, seal_of_events
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
    scratch_root,
)

log = logging.getLogger(__name__)

_ENDS = {CellState.RUNNING.value: CellState.INTERRUPTED, CellState.PENDING.value: CellState.NEVER_RAN}


def settle_all(store: Store) -> tuple[Path, ...]:
    """Write the end of every killed run of a store. A store that cannot be written is left as it is, still read.

    Returns the folders that were settled.
    """
    settled = []
    for folder in store.folders():
        if (folder / MANIFEST).exists() or not (folder / EVENTS).exists():
            continue
        run_id = folder.name.rpartition("-")[2]
        try:
            with store.lock_of_killed(run_id, folder) as held:
                if held is not None and not (folder / MANIFEST).exists():
                    _settle(store, held, run_id)
                    settled.append(folder)
        except OSError as error:
            log.warning("The killed run %s cannot be given its end: %s", run_id, error.strerror or error)
    return tuple(settled)


def _settle(store: Store, held: RecordFolder, run_id: str) -> None:
    announced = read_events(held.path / EVENTS)
    begun: dict[str, Any] = next(
        (event.get("facts", {}) for event in announced if event.get("event") == "run-started"), {}
    )
    last = announced[-1] if announced else {}
    headline = f"The run was killed; the last thing it announced was {_in_words(last)}."
    ends = {
        event["facts"].get("cell"): event["facts"].get("state")
        for event in announced
        if event.get("event") == "cell-ended"
    }
    notebook = _notebook(held.path / NOTEBOOK, headline, ends)
    held.append("run-orphaned", by="reader", facts={"last": last.get("event", "")})
    caller: dict[str, Any] = next((e["facts"] for e in announced if e.get("event") == "aws-caller"), {})
    started = _moment(announced[0]) if announced else None
    ended = _moment(last) if announced else None
    parameters = dict(begun.get("parameters", {}))
    manifest = Manifest(
        run_id=run_id,
        incident="" if held.path.parent.name == UNFILED else held.path.parent.name,
        notebook=str(begun.get("notebook") or held.path.name.split("-", 1)[1].rpartition("-")[0]),
        mode=INTERACTIVE if begun.get("mode") == INTERACTIVE else HEADLESS,
        cluster=str(parameters.get("cluster", "")),
        outcome=Outcome.ORPHANED,
        exit_code=None,
        headline=headline,
        started=started or datetime.fromtimestamp(0, UTC),
        ended=ended or datetime.fromtimestamp(0, UTC),
        seconds=(ended - started).total_seconds() if started and ended else 0.0,
        cells=_cells(notebook),
        operator=Operator(
            os_user=str(begun.get("os_user", "")),
            host=str(begun.get("host", "")),
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
    files = {EVENTS: (held.path / EVENTS).read_bytes()}
    if notebook is not None:
        files |= _pages(held, notebook, manifest, announced)
    chain.append_record(
        store, held, manifest.model_copy(update={"files": {name: file_of(each) for name, each in files.items()}})
    )
    for left in scratch_root().glob(f"{SCRATCH_PREFIX}{run_id}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _pages(
    held: RecordFolder, notebook: Any, manifest: Manifest, announced: tuple[dict[str, Any], ...]
) -> dict[str, bytes]:
    import nbformat

    from runbook_lib.records.report import report_page

    pages = {
        NOTEBOOK: (nbformat.v4.writes(notebook) + "\n").encode(),
        REPORT: report_page(notebook, manifest, announced),
    }
    for name, content in pages.items():
        held.write(name, content)
    return pages


def _notebook(path: Path, headline: str, ends: dict[int, str]) -> Any:
    """Read the notebook as the killed run left it, and end what it says is going on.

    `ends` are the cells' ends that were announced: the notebook is written after the event.
    """
    with without_unused():
        import nbformat
    try:
        notebook = nbformat.v4.reads(path.read_text("utf-8"))
    except (OSError, ValueError):
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
        "outcome": Outcome.ORPHANED.value,
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
