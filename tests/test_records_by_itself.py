"""A notebook that nobody records is recorded by its own kernel; where that cannot be, nothing approved is applied."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from runbook_lib import events
from runbook_lib.approval import is_approved
from runbook_lib.errors import ApprovalRefused
from runbook_lib.records.manifest import read_manifest
from runbook_lib.records.register import entries
from runbook_lib.records.store import FILES, Store
from runbook_lib.records.verify import verify_store
from tests.matrix import thorough
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
    monkeypatch.setattr(events, "in_ipython", lambda: True)
    assert not is_approved(Plan(), "")
    with pytest.raises(ApprovalRefused, match="did not begin with"):
        is_approved(Plan(), "abc")
    monkeypatch.setenv(events.EVENTS_VARIABLE, "somewhere")
    assert is_approved(Plan(), "abc")


class Page:
    """A page that has a kernel as VS Code has: a plain one, told where its file lies and asked for variables aside."""

    def __init__(self, folder: Path, *, names_cells: bool) -> None:
        self._names_cells = names_cells
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(folder))
        self._listen()

    def _listen(self) -> None:
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.run("__vsc_ipynb_file__ = '/home/kim/n.ipynb'", aside=True)

    def run(self, code: str, *, cell: str = "", aside: bool = False, interrupt: bool = False) -> None:
        asked = {"code": code, "silent": False, "store_history": not aside, "user_expressions": {}}
        facts = {"cellId": cell} if self._names_cells and cell else {}
        message = self._client.session.msg("execute_request", {**asked, "stop_on_error": not aside}, metadata=facts)
        self._client.shell_channel.send(message)
        if interrupt:
            self._until(lambda said: said["content"].get("text", "").startswith("begun"))
            self._manager.interrupt_kernel()
        while self._client.get_shell_msg(timeout=60)["parent_header"]["msg_id"] != message["header"]["msg_id"]:
            pass
        if not aside:
            self.run("print('variables', len(dir()))", aside=True)

    def _until(self, is_it: Callable[[Any], bool]) -> None:
        while not is_it(self._client.get_iopub_msg(timeout=60)):
            pass

    def restart(self) -> None:
        self._client.stop_channels()
        self._manager.restart_kernel()
        self._listen()

    def end(self, *, at_once: bool = False) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=at_once)


HIDDEN = "%%capture\n1 / 0"
MALFORMED = "from IPython.display import display\ndisplay({'text/plain': 5}, raw=True)"
SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(60)"
# what is run, and of each record how it ended and its headline; a pair is a cell with an id of its own
OF_PAGES: dict[str, tuple[list[str | tuple[str, str]], list[tuple[str, str]]]] = {
    "an error that is mended": ([OPEN, ("1 / 0", "x"), ("1 / 1", "x"), RESULT], [("succeeded", "Restored.")]),
    "an error that is left": (
        [OPEN, "1 / 0", RESULT, "print('more')"],
        [
            ("succeeded", "Restored. Cell 3 failed before it and did not run again."),
            ("aborted", "Ended by the kernel's end: the notebook's result was not shown."),
        ],
    ),
    "an error that %%capture hides": ([OPEN, HIDDEN], [("failed", "Cell 3: ZeroDivisionError: division by zero")]),
    "a display that is none": (
        [OPEN, MALFORMED],
        [("failed", "Cell 3: MalformedDisplay: text/plain holds int, not text")],
    ),
    "an interrupt": ([OPEN, SLEEP], [("aborted", "Cell 3: KeyboardInterrupt")]),
    "exit()": ([OPEN, "exit()"], [("succeeded", "Cell 3 ended the run early, as asked (exit 0).")]),
    "sys.exit(3)": ([OPEN, "raise SystemExit(3)"], [("failed", "Cell 3 ended the run with exit status 3.")]),
    "a restart": (
        [OPEN, "restart", OPEN, RESULT],
        [("aborted", "Ended by the kernel's end: the notebook's result was not shown."), ("succeeded", "Restored.")],
    ),
    "a kill": ([OPEN, "kill"], [("orphaned", "")]),
}
SHORT = ("an error that is mended",)


@pytest.mark.parametrize("what", [name if name in SHORT else thorough(name) for name in OF_PAGES])
def test_a_page_like_vs_code_leaves_right_records(what: str, tmp_path: Path) -> None:
    steps, expected = OF_PAGES[what]
    page = Page(tmp_path, names_cells=what != "an error that is left")
    page.run('timestamp = "latest"', cell="c")
    for number, step in enumerate(steps):
        code, cell = (step, f"c{number}") if isinstance(step, str) else step
        if code == "restart":
            page.restart()
        elif code != "kill":
            page.run(code, cell=cell, interrupt=code == SLEEP)
    page.end(at_once="kill" in steps)
    store = Store(tmp_path / "records")
    found = list(entries(store))
    assert [(entry.outcome.value, entry.summary.get("headline", "")) for entry in found] == expected
    assert verify_store(store) == ()
    shown = "".join((entry.folder / "record.ipynb").read_text() for entry in found)
    assert "__vsc_ipynb_file__" not in shown
    assert "variables" not in shown


@pytest.mark.thorough
def test_ipython_in_a_terminal_keeps_a_record_too(tmp_path: Path) -> None:
    typed = f"{OPEN}\n{APPLY}\nprint('shown')\n{RESULT}\n"
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
    subprocess.run(command, input=typed, cwd=tmp_path, text=True, capture_output=True, timeout=120, check=True)
    store = Store(tmp_path / "records")
    (entry,) = entries(store)
    assert (entry.outcome.value, entry.summary["headline"]) == ("succeeded", "Restored.")
    assert f"True {entry.run_id}" in (entry.folder / "record.ipynb").read_text()
    assert verify_store(store) == ()
