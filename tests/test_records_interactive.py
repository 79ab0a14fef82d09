"""A notebook that is stepped through leaves the record a headless run leaves, and says truthfully what was not done."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager

from runbook_lib.cli import _workplace
from runbook_lib.cli.records import finish
from runbook_lib.display.interactive import front
from runbook_lib.errors import CheckFailed, StepFailed, TryLater
from runbook_lib.records.comparison import compare
from runbook_lib.records.interactive.journal import Journal
from runbook_lib.records.manifest import Manifest
from runbook_lib.records.register import entries
from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_store
from tests.records_support import run_cli, states, write_notebook

RESULT = """
from runbook_lib.display import Result
Result(notebook="situation", outcome="succeeded", headline=f"It was about {timestamp}.")
"""


class Lab:
    """Stands where JupyterLab stands: runs cells of a copy in its own kernel, and saves what they show."""

    def __init__(self, project: Path, notebook: str) -> None:
        self.project = project
        originals = project / "notebooks"
        folder = _workplace.copy_notebooks(originals, project=project, now=datetime.now(UTC))
        scratch = project / "scratch"
        scratch.mkdir()
        _workplace.prepare(scratch, project=project, originals=originals, incident="INC-1")
        self.path = folder / f"{notebook}.ipynb"
        self.notebook = nbformat.read(self.path, as_version=4)
        self._manager: Any = KernelManager(kernel_name="python3", shutdown_wait_time=60)
        self._manager.kernel_spec_manager.kernel_dirs.insert(0, str(scratch / "kernels"))
        self._manager.start_kernel(
            env={**os.environ, "JPY_SESSION_NAME": str(self.path)}, stderr=(project / "stderr").open("w")
        )
        self._client: Any = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, *cell_ids: str, save: bool = True) -> None:
        for cell in [cell for cell in self.notebook.cells if cell.id in cell_ids]:
            content = {"code": cell.source, "silent": False, "store_history": True, "user_expressions": {}}
            sent = self._client.session.msg("execute_request", content, metadata={"cellId": cell.id})
            self._client.shell_channel.send(sent)
            cell.outputs = list(self._outputs(sent["header"]["msg_id"]))
            while True:
                reply = self._client.get_shell_msg(timeout=60)
                if reply["parent_header"].get("msg_id") == sent["header"]["msg_id"]:
                    break
            cell.execution_count = reply["content"]["execution_count"]
        if save:
            nbformat.write(self.notebook, self.path)

    def _outputs(self, message_id: str) -> Iterator[Any]:
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
                yield nbformat.v4.output_from_msg(message)

    def type(self, cell_id: str, source: str) -> None:
        next(cell for cell in self.notebook.cells if cell.id == cell_id).source = source

    def finish(self) -> subprocess.CompletedProcess[str]:
        return run_cli("records", "finish", cwd=self.project)

    def go_on(self) -> dict[str, Any]:
        """Have the kernel do what the page asks of it when a button opens the next notebook; return its reply."""
        script = (Path(front.__file__).parent / "notebook.js").read_text()
        (code,) = re.findall(r'const write = "(.*)";', script)
        asked = self._client.execute(code, silent=True, store_history=False)
        while True:
            reply: dict[str, Any] = self._client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == asked:
                return dict(reply["content"])

    def close(self) -> None:
        if self._manager.is_alive():
            self._client.stop_channels()
            self._manager.shutdown_kernel()

    def record(self) -> Path:
        found = (self.project / "records" / "INC-1").glob("*-situation-*")
        return max(found, key=lambda path: path.stat().st_mtime_ns)  # two of one second have names in any order

    def manifest(self) -> Manifest:
        return Manifest.model_validate_json((self.record() / "manifest.json").read_bytes())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    return tmp_path


@pytest.fixture
def open_lab(project: Path) -> Iterator[Any]:
    opened: list[Lab] = []

    def open_one(*cells: str) -> Lab:
        write_notebook(project / "notebooks" / "situation.ipynb", *cells)
        opened.append(Lab(project, "situation"))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.mark.thorough
def test_it_is_the_record_of_a_headless_run_but_for_mode_person_and_times(open_lab: Any, project: Path) -> None:
    lab = open_lab("print('looked at', timestamp)", RESULT)
    lab.type("parameters", 'timestamp: str = "2026-02-04T10:00:00Z"  # the moment the incident is about')
    lab.run("parameters", "cell-0", "cell-1")
    finished = lab.finish()
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("succeeded: It was about 2026-02-04T10:00:00Z.")
    headless = run_notebook(
        project / "notebooks" / "situation.ipynb",
        parameters={"timestamp": "2026-02-04T10:00:00Z"},
        incident="INC-1",
        store=Store(project / "records"),
    )
    first, second = (json.loads((path / "record.ipynb").read_bytes()) for path in (lab.record(), headless.folder))
    assert compare(first, second) == ()
    by_hand, by_itself = list(entries(Store(project / "records")))
    assert by_hand.manifest is not None
    assert by_itself.manifest is not None
    assert (by_hand.manifest.mode, by_itself.manifest.mode) == ("interactive", "headless")
    assert by_hand.manifest.parameters == by_itself.manifest.parameters
    assert [cell.state for cell in by_hand.manifest.cells] == [cell.state for cell in by_itself.manifest.cells]
    assert (by_hand.folder / "report.html").is_file()
    assert verify_store(Store(project / "records")) == ()
    told = run_cli("records", "diff", by_hand.run_id, by_itself.run_id, cwd=project)
    assert told.returncode == 0
    assert "interactive" in told.stdout


@pytest.mark.thorough
def test_cells_that_were_left_out_or_failed_are_told_and_decide_how_it_ended(open_lab: Any) -> None:
    lab = open_lab("1 + 1", "1 / 0", RESULT)
    lab.run("parameters", "cell-1")
    lab.finish()
    assert lab.manifest().outcome == "failed"
    assert "ZeroDivisionError" in lab.manifest().headline
    assert states(lab.record() / "record.ipynb") == ["never-ran", "failed", "never-ran"]
    lab.run("parameters", "cell-2")  # what is run after a record begins another
    lab.finish()
    assert (lab.manifest().outcome, lab.manifest().exit_code) == ("aborted", 7)
    assert states(lab.record() / "record.ipynb") == ["never-ran", "never-ran", "completed"]


def test_what_runs_after_a_record_goes_on_from_it_and_says_so(open_lab: Any) -> None:
    """The kernel still has the values of the cells above, so the next record is about the same parameters."""
    lab = open_lab("from runbook_lib import events\nevents.announce('phase', name='do it')", RESULT)
    lab.type("parameters", 'timestamp: str = "2026-02-04T10:00:00Z"')
    lab.run("parameters", "cell-0", "cell-1")
    finished = lab.finish()
    assert finished.returncode == 0, finished.stderr
    first = lab.manifest()
    lab.run("cell-0", "cell-1")
    finished = lab.finish()
    assert finished.returncode == 0, finished.stderr
    second = lab.manifest()
    assert (first.outcome, second.outcome) == ("succeeded", "succeeded")
    assert second.headline == f"{first.headline} Cell 2 ran before this record: {first.run_id}."
    assert second.parameters == first.parameters == {"timestamp": "2026-02-04T10:00:00Z"}
    lab.run("cell-1")  # a result shown once more is no second success
    lab.finish()
    assert (lab.manifest().outcome, "Nothing was changed since" in lab.manifest().headline) == ("aborted", True)
    lab.run("parameters")
    lab.finish()
    assert (lab.manifest().outcome, "had not run again" in lab.manifest().headline) == ("aborted", True)


@pytest.mark.thorough
def test_the_button_that_leads_on_writes_the_record_once(open_lab: Any, project: Path) -> None:
    lab = open_lab("1 + 1", RESULT)
    lab.run("parameters", "cell-0", "cell-1")
    assert [lab.go_on()["status"] for _ in range(2)] == ["ok", "ok"]
    assert lab.manifest().outcome == "succeeded"
    assert len(list(entries(Store(project / "records")))) == 1


@pytest.mark.thorough
def test_what_ran_before_a_cell_above_it_ran_again_is_not_taken_for_its_result(open_lab: Any) -> None:
    lab = open_lab("1 + 1", RESULT)
    lab.run("parameters", "cell-0", "cell-1")
    lab.run("cell-0")
    lab.finish()
    assert lab.manifest().outcome == "aborted"
    assert "had not run again" in lab.manifest().headline


@pytest.mark.thorough
def test_what_was_never_saved_is_asked_for_before_the_record_is_written(open_lab: Any) -> None:
    lab = open_lab("print('seen')", RESULT)
    lab.run("parameters", "cell-0", "cell-1", save=False)
    refused = lab.finish()
    assert refused.returncode == 5
    assert "lacks what 3 of its cells show" in refused.stderr
    nbformat.write(lab.notebook, lab.path)
    assert lab.finish().returncode == 0


@pytest.mark.thorough
def test_a_kernel_that_does_not_answer_is_called_busy_only_while_a_cell_runs(
    open_lab: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "_PATIENCE_SECONDS", 1)
    lab = open_lab("import asyncio, time\nasyncio.get_running_loop().call_later(0.2, time.sleep, 4)", "time.sleep(3)")
    lab.run("parameters", "cell-0")
    time.sleep(0.5)
    asked = ["--records", str(project / "records")]
    with pytest.raises(StepFailed, match="did not answer for 1 seconds, though no cell runs in it"):
        finish.command.main(asked, standalone_mode=False)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lab.run, "cell-1")
        events = lab.record() / "events.jsonl"
        while events.read_text().count('"cell-started"') < 3:
            time.sleep(0.1)
        with pytest.raises(TryLater, match=r"busy with cell 4\."):
            finish.command.main(asked, standalone_mode=False)
        running.result()
    assert not (lab.record() / "manifest.json").exists(), "what was asked for in vain is not done afterwards"
    assert lab.finish().returncode == 0
    assert states(lab.record() / "record.ipynb") == ["completed", "completed"]


@pytest.mark.thorough
def test_a_secret_that_was_shown_is_not_in_the_record(open_lab: Any) -> None:
    lab = open_lab("from runbook_lib import redaction\nprint(redaction.remember('hunter2-hunter2', kind='password'))")
    lab.run("parameters", "cell-0")
    assert b"hunter2" in lab.path.read_bytes(), "JupyterLab itself saves what it shows"
    lab.finish()
    kept = b"".join(path.read_bytes() for path in lab.record().iterdir())
    assert b"hunter2" not in kept
    assert b"[removed: password]" in kept


@pytest.mark.thorough
def test_a_kernel_that_ends_finishes_its_record(open_lab: Any, project: Path) -> None:
    """As when JupyterLab is closed or the kernel restarted in the middle."""
    lab = open_lab("1 + 1", RESULT)
    lab.run("parameters", "cell-0")
    lab.close()
    assert lab.manifest().outcome == "aborted"
    assert "by the kernel's end" in lab.manifest().headline
    assert states(lab.record() / "record.ipynb") == ["completed", "never-ran"]
    assert verify_store(Store(project / "records")) == ()


@pytest.mark.thorough
def test_a_papermill_run_from_there_has_no_widgets(open_lab: Any, project: Path) -> None:
    """It inherits the kernel's environment, and is headless all the same."""
    asks = "from runbook_lib.display import interactive\nprint('reader:', interactive.reader_is_there())"
    start = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'papermill', '--engine', 'runbook', "
        "'notebooks/situation.ipynb', 'out.ipynb', '-p', 'timestamp', 'inner'], check=True)"
    )
    lab = open_lab(asks, f"if timestamp != 'inner':\n    exec({start!r})")
    lab.run("parameters", "cell-0", "cell-1")
    assert "reader: True" in str(lab.notebook.cells[2].outputs)
    inner = json.loads((project / "out.ipynb").read_bytes())
    assert "reader: False" in json.dumps(inner)


def test_there_is_nothing_to_finish_where_nothing_ran(project: Path) -> None:
    refused = run_cli("records", "finish", cwd=project)
    assert refused.returncode == 2
    assert "runbook lab" in refused.stderr


def all_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Return the journal of a kernel that has run each cell once; the file says so too."""
    monkeypatch.setenv("RUNBOOK_RECORDS", str(folder / "records"))
    monkeypatch.setattr("ipykernel.connect.get_connection_file", lambda: "kernel.json")
    path = write_notebook(folder / "small.ipynb", "1")
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.execution_count = 1
    nbformat.write(notebook, path)
    journal = Journal(path, original=path)
    for cell in code:
        info = SimpleNamespace(cell_id=cell.id, raw_cell=cell.source)
        journal.before(info)
        journal.after(SimpleNamespace(info=info, error_before_exec=None, error_in_exec=None, execution_count=1))
    return journal


def test_finished_twice_at_once_there_is_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buttons work in threads of their own: one that leads on may be pressed while Finish still writes."""
    journal = all_run(tmp_path, monkeypatch)
    once = journal._finish

    def slowly(*, how: str) -> str:
        time.sleep(0.5)
        return once(how=how)

    monkeypatch.setattr(journal, "_finish", slowly)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: journal.finish(), range(2))
    assert first == second
    store = Store(tmp_path / "records")
    assert len(list(store.folders())) == len((store.root / "chain.jsonl").read_text().splitlines()) == 1
    assert verify_store(store) == ()


def test_a_file_that_is_just_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter's server writes a notebook in place: for a moment the file holds its first part only."""
    journal = all_run(tmp_path, monkeypatch)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-20])
    written = threading.Timer(0.5, lambda: journal.path.write_bytes(whole))
    written.start()
    assert "The record is in" in journal.finish()
    written.join()


def test_a_file_that_stays_cut_off_is_a_sentence_and_the_record_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook_lib.records.interactive.saved._PATIENCE_SECONDS", 0.3)
    journal = all_run(tmp_path, monkeypatch)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-20])
    with pytest.raises(CheckFailed, match=r"small\.ipynb is not whole"):
        journal.finish()
    journal.path.write_bytes(whole)
    assert "The record is in" in journal.finish()


def test_a_page_that_saved_before_it_heard_of_a_cells_end_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = all_run(tmp_path, monkeypatch)
    whole, asked = journal.path.read_bytes(), []
    early = whole.replace(b'"execution_count": 1', b'"execution_count": null')
    assert early != whole

    def save() -> bool:
        asked.append(1)
        journal.path.write_bytes(early if len(asked) == 1 else whole)
        return True

    monkeypatch.setattr("runbook_lib.display.interactive.front.save", save)
    said = journal.finish()
    assert "MISSING" not in said
    assert len(asked) == 2


@pytest.mark.thorough
@pytest.mark.parametrize("cell", ["%%capture\n1 / 0", "get_ipython().run_cell('1 / 0')"])
def test_an_error_that_does_not_end_its_cell_is_called_one(open_lab: Any, cell: str) -> None:
    lab = open_lab(cell, RESULT)
    lab.run("parameters", "cell-0", "cell-1")
    assert lab.finish().returncode == 0
    assert (lab.manifest().outcome.value, lab.manifest().exit_code) == ("failed", 5)
    assert lab.manifest().headline == "Cell 3: ZeroDivisionError: division by zero"
