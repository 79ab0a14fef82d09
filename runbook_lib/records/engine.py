"""Our papermill engine (entry point `papermill.engine`, name `runbook`): for papermill, Airflow and our own runner.

It does not import papermill, so that papermill can load it while it is itself being imported.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib import errors
from runbook_lib.records import provenance
from runbook_lib.records.kernel import check_kernel
from runbook_lib.records.outcomes import Ending, Limits, Outcome
from runbook_lib.records.parameters import check_parameters, read_parameters
from runbook_lib.records.recording import Recording, Request
from runbook_lib.records.store import default_store

if TYPE_CHECKING:
    from runbook_lib.records.session import Run, RunRecord

log = logging.getLogger(__name__)

OF_THE_RUN = ("incident", "approved_by")  # parameters of the run, not of its notebook
PUBLISH_VARIABLE = "RUNBOOK_PUBLISH"
_INJECTED = "injected-parameters"


def use_by_default() -> None:
    """Make ours the engine of papermill calls that name none, in this process.

    Airflow's PapermillOperator is such a caller: it lets nobody choose. Call this at the top of the DAG's file.
    """
    from runbook_lib.records import without_unused

    with without_unused():
        from papermill.engines import papermill_engines

    papermill_engines.register(None, RunbookEngine)


class RunbookEngine:
    """What papermill calls to run a prepared notebook. One call, one record."""

    @classmethod
    def execute_notebook(  # noqa: PLR0913 # the signature that papermill calls
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: Any = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        *,
        input_path: Any = "",
        start_timeout: int = 60,
        execution_timeout: float | None = None,
        runbook_run: Run | None = None,
        runbook_deadline: float = 0,
        **options: Any,
    ) -> Any:
        """Run every cell and keep the record; give the executed notebook, clean of secrets.

        Our runner calls this with `runbook_run`, which owns the record. Called by papermill alone, the parameters are
        checked here, the record goes to the store $RUNBOOK_RECORDS names (its incident to $RUNBOOK_INCIDENT, or what a
        parameter `incident` says; who approved to $RUNBOOK_APPROVER, or `approved_by`),
        a copy to where $RUNBOOK_PUBLISH says; `execution_timeout` and `runbook_deadline` are the deadlines in seconds,
        and a run that did not end well raises.

        Raises:
            InputRefused: the parameters cannot be used, or no record can be kept. Nothing was run.
            TimedOut, Aborted, KernelDied, CheckFailed: the run ended so; its record is complete.
        """
        passed = {
            "output_path": output_path,
            "progress_bar": progress_bar,
            "log_output": log_output,
            "autosave_cell_every": autosave_cell_every,
            "startup_timeout": start_timeout,
            "kernel_name": kernel_name,
            **options,
        }
        if runbook_run is not None:
            return runbook_run.execute(nb, **passed).for_papermill()
        limits = Limits(cell_seconds=execution_timeout or 0, run_seconds=runbook_deadline)
        try:
            check_kernel(kernel_name)
            run = _own_run(nb, input_path, limits)
        except errors.RunbookError as error:
            raise (_for_airflow(error.exit_code, str(error)) or error) from error
        with run.guarded():
            run.start_kernel(kernel_name, environment={}, cwd=None)
            manager = run.execute(nb, **passed)
            record = run.finish()
            manager.save_elsewhere()
        _publish(run, record)
        ending = run.recording.ending
        assert ending is not None, "execute sets every run's ending"
        if run.stop.signal:
            os.kill(os.getpid(), run.stop.signal)  # whoever sent it meant this process, not only its notebook
        if fails_at_once := _for_airflow(ending.exit_code, ending.headline):
            raise fails_at_once
        judged = manager.for_papermill()
        _raise_if_papermill_would_not(ending, judged)
        return judged

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the kernel to run in: the one asked for, else the notebook's own."""
        return name or nb.metadata.get("kernelspec", {}).get("name") or "python3"

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return the notebook's language; ours are all Python."""
        return language or nb.metadata.get("language_info", {}).get("name") or "python"


def _own_run(nb: Any, input_path: Any, limits: Limits) -> Run:
    from runbook_lib.records.session import Run

    given = dict(nb.metadata.get("papermill", {}).get("parameters", {}))
    path = Path(str(input_path)) if isinstance(input_path, str) else Path("notebook.ipynb")
    declared = read_parameters({"cells": [cell for cell in nb.cells if not _is_injected(cell)]}, name=path.name)
    # PapermillOperator lets a DAG say these by parameters alone; a notebook that has such a parameter keeps it
    of_run = {name: given.pop(name) for name in OF_THE_RUN if name in given and name not in {p.name for p in declared}}
    values = check_parameters(declared, given, name=path.name)
    request = Request(
        publish_to=os.environ.get(PUBLISH_VARIABLE, ""),
        notebook=path,
        source=path.read_bytes() if path.is_file() else _canonical(nb),
        parameters=values,
        incident=str(of_run.get("incident") or provenance.incident()),
        approver=str(of_run.get("approved_by") or provenance.approver()),
    )
    return Run(Recording(default_store(), request), limits=limits)


def _is_injected(cell: Mapping[str, Any]) -> bool:
    return _INJECTED in cell.get("metadata", {}).get("tags", ())


def _canonical(nb: Any) -> bytes:
    cells = [[cell["cell_type"], cell.get("id", ""), cell["source"]] for cell in nb.cells if not _is_injected(cell)]
    return json.dumps(cells, ensure_ascii=False).encode()


def _publish(run: Run, record: RunRecord) -> None:
    address = os.environ.get(PUBLISH_VARIABLE, "")
    if not address:
        return
    from runbook_lib.records.publishing import Destination, published

    to = Destination(address=address, region=str(record.parameters.get("region") or ""))
    if missing := published(record, run.recording.store, to).unpublished:
        log.error("THE RECORD IS NOT PUBLISHED: %s", missing)


def _for_airflow(exit_code: int, message: str) -> Exception | None:
    """Return the error that makes an Airflow task fail without retries, for what a retry cannot change.

    Refused, a failed check and a missing approval are such; None for anything else, and outside of Airflow.
    """
    loaded = (sys.modules.get(name) for name in ("airflow.sdk.exceptions", "airflow.exceptions"))  # of 3, of 2
    fails = next((found for module in loaded if (found := getattr(module, "AirflowFailException", None))), None)
    at_once = (errors.InputRefused.exit_code, errors.CheckFailed.exit_code, errors.ApprovalRefused.exit_code)
    if fails is None or exit_code not in at_once:
        return None
    error: Exception = fails(message)
    return error


def _raise_if_papermill_would_not(ending: Ending, notebook: Any) -> None:
    """Raise for what leaves no error in any cell, by which alone papermill judges (and not by `sys.exit('')`)."""
    kinds: dict[Outcome, type[errors.RunbookError]] = {
        Outcome.TIMED_OUT: errors.TimedOut,
        Outcome.ABORTED: errors.Aborted,
        Outcome.KERNEL_DIED: errors.KernelDied,
    }
    if kind := kinds.get(ending.outcome):
        raise kind(ending.headline, hint="Read in the record how far it came.")
    shown = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if output["output_type"] == "error"
    ]
    if ending.exit_code and all(error["ename"] == "SystemExit" and error["evalue"] in ("", "0") for error in shown):
        failed = errors.CheckFailed if ending.exit_code == errors.CheckFailed.exit_code else errors.StepFailed
        raise failed(ending.headline, hint="Read in the record what was found.")
