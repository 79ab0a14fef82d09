"""A notebook that nobody records is recorded by its own kernel; where that cannot be, nothing approved is applied."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from runbook_lib import events
from runbook_lib.approval import is_approved
from runbook_lib.errors import ApprovalRefused
from runbook_lib.records.manifest import read_manifest
from runbook_lib.records.store import FILES, Store
from runbook_lib.records.verify import verify_store
from tests.records_support import write_notebook

OPEN = """\
from types import SimpleNamespace
from runbook_lib import approval, events, runbook
runbook._begin_record("restore_to_timestamp")  # what runbook.start begins with
plan = SimpleNamespace(id="abc")"""
APPLY = "print(approval.is_approved(plan, 'abc'), events.current_run().run_id)"
SECRET = "from runbook_lib.redaction import remember\nprint(remember('Tr0ub4dor-horse', kind='database password'))"
RESULT = """\
from runbook_lib.display.result import Result
Result(notebook='x', headline='Restored.', outcome='succeeded', plan_id='abc', approved_by='arn:kim')"""


def executed(path: Path) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    return notebook


@pytest.fixture(autouse=True)
def _nobody_records(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (events.EVENTS_VARIABLE, events.RUN_ID_VARIABLE, "RUNBOOK_RECORDS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.thorough
def test_a_kernel_that_nobody_records_keeps_a_record_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_INCIDENT", "INC 7")
    monkeypatch.setenv("RUNBOOK_APPROVER", "Kim")
    executed(write_notebook(tmp_path / "n.ipynb", OPEN, APPLY, SECRET, RESULT))
    store = Store(tmp_path / "records")
    (folder,) = store.folders()
    manifest = read_manifest((folder / "manifest.json").read_bytes(), name="m")
    assert (manifest.outcome.value, manifest.mode, manifest.incident) == ("succeeded", "interactive", "INC 7")
    assert manifest.approval is not None
    assert manifest.approval.by.startswith("Kim, through ")
    assert manifest.parameters == {"timestamp": "latest"}
    assert {path.name for path in folder.iterdir()} == set(FILES)
    record = json.loads((folder / "record.ipynb").read_bytes())
    assert record["metadata"]["runbook"]["plan_id"] == "abc"
    assert record["metadata"]["runbook"]["record"] == f"{folder.parent.name}/{folder.name}"
    text = (folder / "record.ipynb").read_text()
    assert f"True {manifest.run_id}" in text
    assert "Tr0ub4dor" not in text
    assert verify_store(store) == ()


def test_without_a_record_nothing_approved_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "file"))
    with pytest.raises(CellExecutionError, match="could not be recorded: No record can be kept"):
        executed(write_notebook(tmp_path / "n.ipynb", OPEN, APPLY))


def test_a_kernel_that_opened_without_the_runbook_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plan:
        id = "abc"

    assert is_approved(Plan(), "abc")  # a program that calls the library by itself
    monkeypatch.setattr(events, "in_kernel", lambda: True)
    assert not is_approved(Plan(), "")
    with pytest.raises(ApprovalRefused, match="did not begin with"):
        is_approved(Plan(), "abc")
    monkeypatch.setenv(events.EVENTS_VARIABLE, "somewhere")
    assert is_approved(Plan(), "abc")
