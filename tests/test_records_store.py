"""The store: a run is refused when its record cannot be begun, and finishes when it cannot be ended."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import events
from runbook_lib.errors import InputRefused
from runbook_lib.records.register import entries
from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import Store, incident_folder, write_atomically
from runbook_lib.records.verify import verify_store
from tests.records_support import make_record, run_cli, states, write_notebook


class FillingDisk:
    """Takes what is written until the `first` write that fails; then fails for good, or `once`."""

    def __init__(self, first: int, *, once: bool = False) -> None:
        self.first, self.once, self.count = first, once, 0

    def _full(self) -> None:
        self.count += 1
        if self.count == self.first or (self.count > self.first and not self.once):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, path: Path, content: bytes, **how: Any) -> None:
        self._full()
        write_atomically(path, content, **how)

    def append(self, path: Path, event: str, **what: Any) -> None:
        self._full()
        events.append(path, event, **what)

    def store(self, root: Path) -> Store:
        return Store(root, write=self.write, append=self.append)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep rescued records in the test's own folder; its path is too long for sockets, which go elsewhere."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook whose work is a file that was not there before."""
    work = f"from pathlib import Path\nPath({str(tmp_path / 'restored')!r}).write_text('done')"
    return write_notebook(tmp_path / "work.ipynb", "1", work, "2")


def test_a_full_disk_before_the_start_is_refused_and_nothing_is_run(tmp_path: Path, notebook: Path) -> None:
    with pytest.raises(InputRefused, match="No space left") as refused:
        run_notebook(notebook, parameters={}, store=FillingDisk(1).store(tmp_path / "store"))
    assert refused.value.exit_code == 2
    assert not (tmp_path / "restored").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path, notebook: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(InputRefused, match="Permission denied"):
        run_notebook(notebook, parameters={}, store=Store(tmp_path / "store"))


def test_a_store_that_is_a_file_is_refused(tmp_path: Path, notebook: Path) -> None:
    (tmp_path / "store").write_text("")
    ran = run_cli("run", notebook, "--records", tmp_path / "store", cwd=tmp_path)
    assert ran.returncode == 2
    assert "Nothing was run" in ran.stderr
    assert not (tmp_path / "restored").exists()


def test_a_write_that_fails_once_on_the_way_leaves_the_record_complete(tmp_path: Path, notebook: Path) -> None:
    """The fifth write fails; what it was to hold is written with the next."""
    record = run_notebook(notebook, parameters={}, store=FillingDisk(5, once=True).store(tmp_path / "store"))
    assert (record.outcome, record.exit_code, record.losses) == ("succeeded", 0, ())
    assert (tmp_path / "restored").exists()
    assert verify_store(Store(tmp_path / "store")) == ()


def test_a_disk_that_fills_up_on_the_way_does_not_stop_the_work(tmp_path: Path, notebook: Path) -> None:
    """From the fifth write on nothing is taken: the work is done, exit code 9 says so, the record is elsewhere."""
    store = FillingDisk(5).store(tmp_path / "store")
    record = run_notebook(notebook, parameters={}, store=store)
    assert (record.outcome, record.exit_code) == ("succeeded", 9)
    assert (tmp_path / "restored").exists()
    lost = {loss.split(":")[0] for loss in record.losses}
    assert lost == {"record.ipynb", "report.html", "manifest.json", "events.jsonl", "chain.jsonl"}
    (rescue,) = {loss.partition("kept in ")[2] for loss in record.losses if "kept in" in loss}
    assert states(Path(rescue) / "record.ipynb") == ["completed"] * 3
    assert json.loads((Path(rescue) / "manifest.json").read_bytes())["outcome"] == "succeeded"
    (entry,) = entries(Store(tmp_path / "store"))
    assert entry.outcome.value == "succeeded"  # and not orphaned, though its record looks like a killed run's
    assert rescue in entry.problem


def test_a_last_write_that_fails_says_what_is_missing(tmp_path: Path, notebook: Path) -> None:
    counting = FillingDisk(10_000)
    run_notebook(notebook, parameters={}, store=counting.store(tmp_path / "first"))
    record = run_notebook(notebook, parameters={}, store=FillingDisk(counting.count).store(tmp_path / "store"))
    assert (record.outcome, record.exit_code) == ("succeeded", 9)
    line, manifest = record.losses
    assert line.startswith("chain.jsonl: No space left")
    assert manifest.startswith("manifest.json: No space left")


def test_a_failed_run_keeps_its_exit_code_when_its_record_is_lost_too(tmp_path: Path) -> None:
    broken = write_notebook(tmp_path / "broken.ipynb", "1 / 0")
    record = run_notebook(broken, parameters={}, store=FillingDisk(5).store(tmp_path / "store"))
    assert (record.outcome, record.exit_code) == ("failed", 5)
    assert record.losses


def test_runs_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    """Sixteen records made at once by four threads: one chain, nothing lost, every name a safe one."""
    store = Store(tmp_path / "store")
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: make_record(store), range(16)))
    assert len(set(folders)) == 16
    assert verify_store(store) == ()
    assert not any(":" in part for folder in folders for part in folder.parts)


@pytest.mark.parametrize(
    "incident", ["障害-2026", "INC 7", "PROJ/123", "../up", "a:b", ".hidden", "unfiled", "x" * 120]
)
def test_an_incident_may_have_any_name_and_gets_a_safe_folder_of_its_own(tmp_path: Path, incident: str) -> None:
    store = Store(tmp_path / "store")
    folder = make_record(store, incident=incident)
    assert folder.parents[1] == store.root
    assert re.fullmatch(r"\w[\w.-]{0,60}-[0-9a-f]{8}", folder.parent.name)
    (entry,) = entries(store)
    assert (entry.incident, verify_store(store)) == (incident, ())
    assert incident_folder(incident[:119] + "!") != folder.parent.name, "120 signs are the most"


@pytest.mark.parametrize("incident", [" ", "a\nb", "a\x1b[2J", "x" * 121, "\ud800"])
def test_an_incident_that_nobody_could_write_is_refused(tmp_path: Path, notebook: Path, incident: str) -> None:
    with pytest.raises(InputRefused, match="not a name that people can write"):
        run_notebook(notebook, parameters={}, incident=incident, store=Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_an_atomic_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    (tmp_path / f".file.{os.getpid()}.part").mkdir()  # stands in the way of the new one
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
