"""Each way a run can end has the right outcome, the right state of every cell and the right exit code.

The same notebook runs under plain papermill beside it; the table at the end of the test run shows both.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from runbook_lib.records.manifest import read_manifest
from runbook_lib.records.orphans import close_all
from runbook_lib.records.register import entries
from runbook_lib.records.run import Limits, Progress, run_notebook
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_store
from tests.matrix import thorough
from tests.records_support import plain_papermill, run_cli, runbook, states, write_notebook

SLEEP = "import time\nprint('begun')\ntime.sleep(600)"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A notebook of three cells; the second is the situation. `exit_code` is the process's (negative: a signal).

    `limit` names the deadline that passes in that cell."""

    name: str
    cell: str
    outcome: str
    exit_code: int
    states: tuple[str, str, str]
    first: str = "print('before')"
    last: str = "print('after')"
    tags: Mapping[int, str] = field(default_factory=dict)
    limit: str = ""
    plain: Mapping[str, Any] = field(default_factory=dict)


def _stops(name: str) -> str:
    return f"import os, signal, time\nos.kill(os.getppid(), signal.{name})\ntime.sleep(600)"


DONE = ("completed", "completed", "completed")
BROKEN = ("completed", "failed", "never-ran")
STOPPED = ("completed", "interrupted", "never-ran")
RESULT = "from runbook_lib.display.result import Result\nResult(notebook='x', headline='h', outcome={!r})"

SITUATIONS = (
    Situation(name="success", cell="1 + 1", outcome="succeeded", exit_code=0, states=DONE),
    Situation(name="planned", cell="1 + 1", last=RESULT.format("planned"), outcome="planned", exit_code=0, states=DONE),
    Situation(
        name="check failed",
        cell="1 + 1",
        last=RESULT.format("check-failed"),
        outcome="failed",
        exit_code=3,
        states=DONE,
    ),
    Situation(name="raise", cell="1 / 0", outcome="failed", exit_code=5, states=BROKEN),
    Situation(
        name="approval refused",
        cell="from runbook_lib.errors import ApprovalRefused\nraise ApprovalRefused('No.', hint='Ask.')",
        outcome="failed",
        exit_code=4,
        states=BROKEN,
    ),
    Situation(
        name="two errors",
        first="1 / 0",
        tags={0: "raises-exception"},
        cell="[][1]",
        outcome="failed",
        exit_code=5,
        states=("failed", "failed", "never-ran"),
    ),
    Situation(
        name="raises-exception tag",
        cell="1 / 0",
        tags={1: "raises-exception"},
        outcome="succeeded",
        exit_code=0,
        states=("completed", "failed", "completed"),
    ),
    Situation(
        name="sys.exit(0)",
        cell="import sys\nsys.exit(0)",
        outcome="succeeded",
        exit_code=0,
        states=("completed", "completed", "never-ran"),
    ),
    Situation(name="sys.exit(3)", cell="import sys\nsys.exit(3)", outcome="failed", exit_code=3, states=BROKEN),
    Situation(name="input()", cell="input('Sure? ')", outcome="failed", exit_code=5, states=BROKEN),
    Situation(
        name="cell timeout",
        cell=SLEEP,
        limit="cell_seconds",
        plain={"execution_timeout": 1},
        outcome="timed-out",
        exit_code=6,
        states=("completed", "timed-out", "never-ran"),
    ),
    Situation(
        name="run deadline",
        cell=SLEEP,
        limit="run_seconds",
        plain={"execution_timeout": 1},  # it has no deadline for a run
        outcome="timed-out",
        exit_code=6,
        states=("completed", "timed-out", "never-ran"),
    ),
    Situation(name="kernel os._exit", cell="import os\nos._exit(0)", outcome="kernel-died", exit_code=8, states=BROKEN),
    Situation(
        name="kernel killed for memory",
        cell="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        outcome="kernel-died",
        exit_code=8,
        states=BROKEN,
    ),
    Situation(name="SIGINT", cell=_stops("SIGINT"), outcome="aborted", exit_code=7, states=STOPPED),
    Situation(name="SIGTERM", cell=_stops("SIGTERM"), outcome="aborted", exit_code=7, states=STOPPED),
    Situation(name="SIGHUP", cell=_stops("SIGHUP"), outcome="aborted", exit_code=7, states=STOPPED),
    Situation(name="SIGKILL", cell=_stops("SIGKILL"), outcome="orphaned", exit_code=-9, states=STOPPED),
)


LONG = (
    "two errors",
    "sys.exit(3)",
    "cell timeout",
    "kernel os._exit",
    "SIGHUP",
    "SIGINT",
    "kernel killed for memory",
    "raises-exception tag",
)  # each has one much like it


@pytest.mark.parametrize(
    "situation",
    [thorough(one) if one.name in LONG else one for one in SITUATIONS],
    ids=lambda situation: situation.name,
)
def test_each_ending_is_told_truthfully(
    situation: Situation, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """Outcome, cell states and exit code are right, whatever papermill alone would say."""
    notebook = write_notebook(
        tmp_path / "situation.ipynb", situation.first, situation.cell, situation.last, tags=situation.tags
    )
    store = Store(tmp_path / "store")
    code = (_by_signal if situation.name.startswith("SIG") else _in_process)(situation, notebook, store)
    assert verify_store(store) == ()  # of a killed run too, before anybody gives it its end
    (entry,) = entries(store)
    if situation.name == "SIGKILL":
        assert (entry.outcome.value, close_all(store)) == ("orphaned", (entry.folder,))

    record_property("ending", _row(situation, code, entry.folder, tmp_path / "plain.ipynb"))
    assert code == situation.exit_code
    assert entry.outcome.value == situation.outcome
    assert tuple(states(entry.folder / "record.ipynb")) == situation.states
    manifest = read_manifest((entry.folder / "manifest.json").read_bytes(), name="manifest")
    assert tuple(cell.state.value for cell in manifest.cells[-3:]) == situation.states
    assert manifest.exit_code == (None if situation.name == "SIGKILL" else situation.exit_code)
    assert verify_store(store) == ()


def _in_process(situation: Situation, notebook: Path, store: Store) -> int:
    plain = str(notebook.with_name("plain.ipynb"))
    for again in (True, False):
        try:
            execute_notebook(str(notebook), plain, progress_bar=False, **dict(situation.plain))
        except (PapermillExecutionError, DeadKernelError, CellTimeoutError):
            pass
        except RuntimeError as error:  # papermill's own kernel takes ports, and another test's may have been quicker
            if again and "Kernel died before replying" in str(error):
                continue
            raise
        break
    limits = PassingOnceAsleep(situation.limit)
    return run_notebook(notebook, parameters={}, store=store, limits=limits, on_progress=limits.see).exit_code


def _by_signal(situation: Situation, notebook: Path, store: Store) -> int:
    with hangup(signal.SIG_DFL):  # whatever these tests were started with: `nohup make test-thorough`
        plain = plain_papermill(notebook, notebook.with_name("plain.ipynb"))
        ours = runbook("run", notebook, "--records", store.root, "--json", cwd=notebook.parent)
    out, err = ours.communicate(timeout=240)
    plain.communicate(timeout=240)
    assert "Traceback" not in err
    if situation.name != "SIGKILL":
        assert json.loads(out)["outcome"] == situation.outcome
    return ours.returncode


@contextmanager
def hangup(meaning: signal.Handlers) -> Iterator[None]:
    """Let a hangup have this meaning for processes that are started here."""
    before = signal.signal(signal.SIGHUP, meaning)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


class PassingOnceAsleep(Limits):
    """A deadline that passes when the second cell is seen at work: not before, on however slow a machine."""

    def __init__(self, limit: str) -> None:
        super().__init__(heartbeat_seconds=0)
        object.__setattr__(self, "limit", limit)

    def see(self, progress: Progress) -> None:
        if self.limit and progress.cell == 4:
            object.__setattr__(self, self.limit, 0.001)


def test_a_run_whose_deadline_passes_before_its_first_cell_runs_none(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "late.ipynb", "1", "2", "3")
    ran = run_cli("run", notebook, "--records", "store", "--deadline", "0.01s", cwd=tmp_path)
    assert ran.returncode == 6
    assert "deadline of 0.01 s has passed" in ran.stderr
    (entry,) = entries(Store(tmp_path / "store"))
    assert states(entry.folder / "record.ipynb") == ["never-ran"] * 3


def test_a_signal_the_process_was_started_to_ignore_stays_ignored(tmp_path: Path) -> None:
    """`nohup runbook run …` goes on when its terminal closes."""
    notebook = write_notebook(tmp_path / "n.ipynb", "import os, signal\nos.kill(os.getppid(), signal.SIGHUP)", "2")
    with hangup(signal.SIG_IGN):
        ran = run_cli("run", notebook, "--records", "store", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_a_long_cell_shows_life(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "long.ipynb", "import time\ntime.sleep(1)")
    seen: list[Progress] = []
    limits = Limits(heartbeat_seconds=0.1)
    run_notebook(notebook, parameters={}, store=Store(tmp_path / "store"), limits=limits, on_progress=seen.append)
    beats = [progress for progress in seen if progress.heartbeat]
    assert beats
    assert 3 in {progress.cell for progress in beats}


def _row(situation: Situation, code: int, folder: Path, plain: Path) -> list[str]:
    return [
        situation.name,
        f"{json.loads((folder / 'manifest.json').read_bytes())['outcome']} ({code})",
        " ".join(states(folder / "record.ipynb")),
        f"exception: {_exception(plain)}",
        " ".join(_plain_states(plain)),
    ]


def _exception(path: Path) -> str:
    return json.dumps(json.loads(path.read_bytes())["metadata"]["papermill"]["exception"])


def _plain_states(path: Path) -> list[str]:
    cells = [cell for cell in json.loads(path.read_bytes())["cells"] if str(cell.get("id", "")).startswith("cell-")]
    return [cell["metadata"]["papermill"]["status"] for cell in cells]
