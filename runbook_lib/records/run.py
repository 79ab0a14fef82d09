"""One headless run of a notebook, one record: the call behind `runbook run` and `runbook rehearse`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.records import provenance, without_unused
from runbook_lib.records.kernel import check_kernel
from runbook_lib.records.outcomes import Limits, Progress
from runbook_lib.records.parameters import Parameter, check_parameters, read_parameters
from runbook_lib.records.recording import Recording, Request
from runbook_lib.records.session import Run, RunRecord
from runbook_lib.records.store import Store, default_store

if TYPE_CHECKING:
    from runbook_lib.records.notes import Notes
    from runbook_lib.records.publishing import Destination

log = logging.getLogger(__name__)

__all__ = ["Limits", "Progress", "RunRecord", "notebook_parameters", "run_notebook"]


def run_notebook(  # noqa: PLR0913 # what `runbook run` takes, each by its own name
    notebook: Path,
    *,
    parameters: Mapping[str, Any],
    incident: str = "",
    approver: str = "",
    store: Store | None = None,
    environment: Mapping[str, str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    limits: Limits | None = None,
    cwd: Path | None = None,
    destination: Destination | None = None,
    notify: Sequence[str] = (),
    notify_when: str = "always",
) -> RunRecord:
    """Run a notebook in a kernel of its own and keep the record.

    `incident` is where it is filed, `approver` who approved, if not who runs it.
    `parameters` are Python values or `Written` texts. `environment` is set for the kernel on top of this process's.
    `cwd` is where the kernel runs, this process's folder unless given. A `destination` gets a copy of the record when
    the work is done. `notify` names SNS topics, webhooks and other addresses of notes, which are
    sent of every run ("always") or of those that did not end well ("trouble"). However the run ends, its ending is
    in the returned record; it raises only before a kernel has started.

    Raises:
        InputRefused: the notebook or a parameter cannot be used, or no record can be kept. Nothing was run.
    """
    path, source, content = _read(notebook)
    values = check_parameters(read_parameters(content, name=path.name), parameters, name=path.name)
    kernel_name = content["metadata"].get("kernelspec", {}).get("name") or "python3"
    check_kernel(kernel_name, cwd=cwd)
    notes = _notes(notify, values)
    request = Request(
        notebook=path,
        source=source,
        parameters=values,
        incident=incident,
        approver=approver or provenance.approver(),
        publish_to=destination.address if destination else "",
    )
    recording = Recording(store or default_store(), request)
    run = Run(recording, limits=limits or Limits(), on_progress=on_progress)
    try:
        with run.guarded():
            run.start_kernel(kernel_name, environment=environment or {}, cwd=cwd)
            if notes and notify_when == "always":
                notes.send(f"{path.stem} begins", {"incident": incident, "run": recording.run_id})
            _through_papermill(path, values, run, kernel_name)
            record = run.finish()
    except Exception:
        if run.record is None:
            raise
        log.debug("the runner failed; its record says so", exc_info=True)
        record = run.record
    if destination is not None:
        from runbook_lib.records.publishing import published

        record = published(record, recording.store, destination)
    if notes:
        _tell(notes, record, trouble_only=notify_when == "trouble")
    return record


def _notes(addresses: Sequence[str], values: Mapping[str, Any]) -> Notes | None:
    if not addresses:
        return None
    from runbook_lib.records.notes import Notes  # loads boto3, which a run without notes does without

    return Notes(addresses, region=str(values.get("region") or ""), profile=str(values.get("profile") or ""))


def _tell(notes: Notes, record: RunRecord, *, trouble_only: bool) -> None:
    from runbook_lib.records.notes import About, Kind

    facts = {
        "incident": record.incident,
        "run": record.run_id,
        "headline": record.headline,
        "record": record.published or str(record.folder),
        "missing": "; ".join([*record.losses, *filter(None, [record.unpublished])]),
    }
    if record.outcome == "planned":
        plan = (record.result or {}).get("plan_id", "")
        notes.send(f"{record.notebook} waits for approval", {**facts, "approve with": f"-p approve {plan}"})
    else:
        where = record.parameters.get("cluster") or record.parameters.get("region") or ""
        kind: Kind = "trouble" if record.exit_code else "over"
        about = About(
            what=f"{record.notebook} {where}".strip(), kind=kind, only_incidents=trouble_only and kind == "over"
        )
        notes.send(f"{record.notebook} ended: {record.outcome}", facts, about=about)
    notes.close()


def _through_papermill(path: Path, values: Mapping[str, Any], run: Run, kernel_name: str) -> None:
    with without_unused(other_stores=False):
        from papermill.engines import papermill_engines
        from papermill.exceptions import PapermillExecutionError
        from papermill.execute import execute_notebook

    from runbook_lib.records.engine import RunbookEngine

    papermill_engines.register("runbook", RunbookEngine)  # known even where the package is only on the path
    try:
        execute_notebook(
            str(path),
            None,
            parameters=dict(values),
            engine_name="runbook",
            kernel_name=kernel_name,
            progress_bar=False,
            runbook_run=run,
        )
    except PapermillExecutionError:
        if run.recording.ending is None:
            raise


def notebook_parameters(notebook: Path) -> tuple[Parameter, ...]:
    """Read the parameters a notebook takes. Raises InputRefused."""
    path, _, content = _read(notebook)
    return read_parameters(content, name=path.name)


def _read(notebook: Path) -> tuple[Path, bytes, dict[str, Any]]:
    path = notebook if notebook.suffix == ".ipynb" or notebook.exists() else notebook.with_suffix(".ipynb")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise NotFound(f"There is no notebook {path}: {error.strerror}.", hint="Check the path.") from error
    try:
        content = json.loads(source)
        if problem := _problem_of(content):
            raise InputRefused(f"{path.name} is not a notebook: {problem}.", hint="Open and save it in JupyterLab.")
        if content["nbformat"] != 4:
            raise InputRefused(
                f"{path.name} is in notebook format {content['nbformat']}.", hint="Open and save it in JupyterLab."
            )
        return path, source, content
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputRefused(f"{path.name} is not a notebook.", hint="Name a Jupyter notebook (.ipynb).") from error


def _problem_of(content: Any) -> str:
    """Say what a notebook of format 4 lacks, or nothing. papermill would stop in the middle of it."""
    if not isinstance(content, dict):
        return "it is no mapping"
    for name, kind in (("metadata", dict), ("cells", list)):
        if not isinstance(content.get(name), kind):
            return f"it has no {name}"
    if not isinstance(content["metadata"].get("kernelspec", {}), dict):
        return "its kernelspec is none"
    for number, cell in enumerate(content["cells"], start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
            return f"cell {number} is of no known type"
        source = cell.get("source")
        lines = source if isinstance(source, list) else [source]
        if not all(isinstance(line, str) for line in lines):
            return f"the source of cell {number} is no text"
        metadata = cell.get("metadata")
        tags = metadata.get("tags", []) if isinstance(metadata, dict) else None
        if not isinstance(tags, list):
            return f"cell {number} has no metadata, or its tags are no list"
        outputs = cell.get("outputs", [])
        if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
            return f"cell {number} holds an output that is none"
    return ""
