"""papermill and Airflow get the same record from our engine as our own runner makes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from runbook_lib.errors import CheckFailed, InputRefused, StepFailed, TimedOut
from runbook_lib.records.engine import use_by_default
from runbook_lib.records.manifest import read_manifest
from runbook_lib.records.register import entries
from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import FILES, Store
from runbook_lib.records.verify import verify_store
from tests.records_support import states, write_notebook

RESULT = "from runbook_lib.display.result import Result\nResult(notebook='x', headline='h', outcome={!r})"
# What PapermillOperator.execute passes beside the paths and the parameters when no remote kernel is named
# (apache-airflow-providers-papermill, operators/papermill.py).
OPERATOR: dict[str, Any] = {
    "progress_bar": False,
    "report_mode": True,
    "log_output": False,
    "kernel_name": None,
    "language": None,
    "engine_name": None,
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "store"))
    monkeypatch.setenv("RUNBOOK_INCIDENT", "INC-9")
    return Store(tmp_path / "store")


@pytest.fixture
def ours_by_default() -> Any:
    """Make our engine the default, as a DAG's file does, and put papermill's back afterwards."""
    from papermill.engines import NBClientEngine, papermill_engines

    use_by_default()
    yield
    papermill_engines.register(None, NBClientEngine)


def test_papermill_finds_the_engine_by_its_entry_point_and_loading_it_costs_no_cycle() -> None:
    code = (
        "import sys; sys.modules['rfc3987_syntax'] = None\n"
        "import runbook_lib.records.engine, papermill\n"
        "from papermill.engines import papermill_engines as found\n"
        "assert found.get_engine('runbook') is runbook_lib.records.engine.RunbookEngine"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("ours_by_default")
def test_the_call_of_airflows_operator_makes_the_same_record(tmp_path: Path, store: Store) -> None:
    """The same files, states, outcome, parameters and source hash as our runner's; and the operator's own output."""
    notebook = write_notebook(tmp_path / "drill.ipynb", "print(timestamp)", "1 + 1")
    out = tmp_path / "out.ipynb"
    execute_notebook(str(notebook), str(out), parameters={"timestamp": "latest"}, **OPERATOR)
    run_notebook(notebook, parameters={"timestamp": "latest"}, incident="INC-9", store=store)
    operators, ours = (entry.manifest for entry in entries(store))
    assert operators is not None
    assert ours is not None
    varying = {"run_id", "started", "ended", "seconds", "phases", "cells", "events", "files", "previous", "seal"}
    assert operators.model_dump(exclude=varying) == ours.model_dump(exclude=varying)
    assert [cell.state for cell in operators.cells] == [cell.state for cell in ours.cells]
    assert set(operators.files) == set(ours.files) == set(FILES) - {"manifest.json"}
    assert verify_store(store) == ()
    assert states(out) == ["completed", "completed"]


@pytest.mark.usefixtures("ours_by_default")
def test_a_failing_notebook_fails_the_operators_task_and_is_recorded(tmp_path: Path, store: Store) -> None:
    notebook = write_notebook(tmp_path / "drill.ipynb", "1 / 0", "2")
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        execute_notebook(str(notebook), str(tmp_path / "out.ipynb"), parameters={}, **OPERATOR)
    (entry,) = entries(store)
    assert entry.outcome.value == "failed"
    assert states(entry.folder / "record.ipynb") == states(tmp_path / "out.ipynb") == ["failed", "never-ran"]


@pytest.mark.usefixtures("ours_by_default")
def test_a_failed_check_fails_the_task_though_every_cell_completed(tmp_path: Path, store: Store) -> None:
    notebook = write_notebook(tmp_path / "drill.ipynb", RESULT.format("check-failed"))
    with pytest.raises(CheckFailed):
        execute_notebook(str(notebook), str(tmp_path / "out.ipynb"), **OPERATOR)
    (entry,) = entries(store)
    assert (entry.outcome.value, entry.manifest and entry.manifest.exit_code) == ("failed", 3)


def test_an_error_that_its_tag_expects_does_not_fail_the_task(tmp_path: Path, store: Store) -> None:
    """papermill alone raises for it; with our engine its output shows the error and the run goes on."""
    notebook = write_notebook(tmp_path / "drill.ipynb", "1 / 0", "2", tags={0: "raises-exception"})
    execute_notebook(str(notebook), str(tmp_path / "out.ipynb"), engine_name="runbook", progress_bar=False)
    (entry,) = entries(store)
    assert entry.outcome.value == "succeeded"
    assert states(entry.folder / "record.ipynb") == ["failed", "completed"]


@pytest.mark.parametrize("parameters", [{"timestmp": "latest"}, {"timestamp": 1762344000}])
def test_wrong_parameters_are_refused_through_papermill_too(
    tmp_path: Path, store: Store, parameters: dict[str, Any]
) -> None:
    notebook = write_notebook(tmp_path / "drill.ipynb", "1")
    with pytest.raises(InputRefused):
        execute_notebook(
            str(notebook), str(tmp_path / "out.ipynb"), parameters=parameters, engine_name="runbook", progress_bar=False
        )
    assert not store.root.exists()


def test_the_manifest_tells_who_what_where_and_from_which_source(tmp_path: Path, store: Store) -> None:
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        if command[0] == "add":
            notebook = write_notebook(tmp_path / "drill.ipynb", _ANNOUNCING, RESULT.format("succeeded"))
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    record = run_notebook(notebook, parameters={"timestamp": "latest"}, incident="INC-9", store=store)
    manifest = read_manifest((record.folder / "manifest.json").read_bytes(), name="m")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert manifest.source.git_commit == head.stdout.strip()
    assert manifest.operator.aws_arn == "arn:aws:sts::012345678901:assumed-role/oncall/kim"
    assert manifest.operator.aws_account == "012345678901"
    assert manifest.requested == ("RestoreDBClusterToPointInTime staging-db-restored",)
    assert manifest.parameters == {"timestamp": "latest"}
    assert {"runbook_lib", "python", "papermill", "boto3"} <= set(manifest.versions)
    assert [phase.name for phase in manifest.phases] == ["starting", "A situation"]
    events = [json.loads(line) for line in (record.folder / "events.jsonl").read_bytes().splitlines()]
    names = [event["event"] for event in events]
    assert names.index("RestoreDBClusterToPointInTime") < names.index("cell-ended", names.index("aws-caller"))
    assert (names[0], names[-1]) == ("run-started", "run-ended")


_ANNOUNCING = (
    "from runbook_lib.events import announce, current_run\n"
    "caller = {'arn': 'arn:aws:sts::012345678901:assumed-role/oncall/kim', 'account': '012345678901'}\n"
    "announce('aws-caller', **caller)\n"
    "announce('RestoreDBClusterToPointInTime', target='staging-db-restored')\n"
    "assert current_run().incident == 'INC-9' and len(current_run().run_id) == 8"
)


def test_kernel_traffic_is_not_plain_tcp(tmp_path: Path, store: Store) -> None:
    """The kernel is reached over sockets only its owner can open, and has no reason left to warn."""
    notebook = write_notebook(
        tmp_path / "sockets.ipynb",
        "import json\nfrom ipykernel.connect import get_connection_info\ninfo = json.loads(get_connection_info())",
        "import pathlib\nfolder = pathlib.Path(info['ip']).parent",
        "print(info['transport'], oct(folder.stat().st_mode)[-3:])",
    )
    record = run_notebook(notebook, parameters={}, store=store)
    text = (record.folder / "record.ipynb").read_text()
    assert "ipc 700" in text
    assert "eavesdropping" not in text


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("import sys\nsys.exit('')", StepFailed),
        pytest.param("display({'text/plain': 5}, raw=True)", StepFailed, marks=pytest.mark.thorough),
        pytest.param("%%capture\n1 / 0", PapermillExecutionError, marks=pytest.mark.thorough),
        pytest.param("import sys\nsys.exit(None)", None, marks=pytest.mark.thorough),
        pytest.param("exit()", None, marks=pytest.mark.thorough),
    ],
)
def test_papermill_says_what_the_record_says(
    tmp_path: Path, store: Store, cell: str, kind: type[Exception] | None
) -> None:
    """It judges by error outputs alone, and takes `sys.exit('')` for a good end."""
    notebook = write_notebook(tmp_path / "drill.ipynb", cell, "2")
    with pytest.raises(kind) if kind else nullcontext():
        execute_notebook(str(notebook), str(tmp_path / "out.ipynb"), engine_name="runbook", progress_bar=False)
    (entry,) = entries(store)
    assert entry.outcome.value == ("failed" if kind else "succeeded")


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> type[Exception]:
    """Stand where Airflow's worker stands: its module is loaded, its variables are set, nobody named an incident."""
    module = ModuleType(request.param)
    failed = type("AirflowFailException", (Exception,), {})
    module.AirflowFailException = failed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, request.param, module)
    monkeypatch.delenv("RUNBOOK_INCIDENT", raising=False)
    for name, value in {"DAG_ID": "recovery", "DAG_RUN_ID": "manual__2026-02-04", "TASK_ID": "restore"}.items():
        monkeypatch.setenv(f"AIRFLOW_CTX_{name}", value)
    return failed


@pytest.mark.usefixtures("ours_by_default")
@pytest.mark.parametrize("airflow", ["airflow.sdk.exceptions", "airflow.exceptions"], indirect=True)
def test_in_airflow_a_failed_check_fails_at_once_and_the_record_names_the_run(
    tmp_path: Path, store: Store, airflow: type[Exception]
) -> None:
    """A retry would find the same; the DAG says by parameters alone whose approval it is."""
    notebook = write_notebook(tmp_path / "drill.ipynb", RESULT.format("check-failed"))
    with pytest.raises(airflow):
        execute_notebook(str(notebook), str(tmp_path / "o.ipynb"), parameters={"approved_by": "Kim"}, **OPERATOR)
    (entry,) = entries(store)
    assert entry.incident == "recovery manual__2026-02-04"
    assert entry.manifest is not None
    assert entry.manifest.operator.scheduler == "Airflow: DAG recovery, run manual__2026-02-04, task restore"
    assert entry.manifest.parameters == {}
    with pytest.raises(airflow, match="has no parameter"):
        execute_notebook(str(notebook), str(tmp_path / "o.ipynb"), parameters={"timestmp": "latest"}, **OPERATOR)


@pytest.mark.thorough
@pytest.mark.usefixtures("ours_by_default")
def test_airflows_time_limit_is_a_time_out_in_the_record(tmp_path: Path, store: Store) -> None:
    timeout = type("AirflowTaskTimeout", (BaseException,), {})

    def alarm(*_: object) -> None:
        raise timeout

    notebook = write_notebook(tmp_path / "drill.ipynb", "import time\ntime.sleep(60)", "2")
    before = signal.signal(signal.SIGALRM, alarm)
    signal.alarm(15)
    try:
        with pytest.raises(TimedOut):
            execute_notebook(str(notebook), str(tmp_path / "out.ipynb"), **OPERATOR)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    (entry,) = entries(store)
    assert entry.outcome.value == "timed-out"
    assert states(entry.folder / "record.ipynb") == ["timed-out", "never-ran"]
