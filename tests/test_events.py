"""Events are chained, whoever writes them, and a disk that takes no more stops nobody."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_lib import events


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def assert_chained(path: Path) -> None:
    before = ""
    for line in lines(path):
        assert json.loads(line)["previous"] == before
        before = events.hash_of(line)


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    code = (
        "import sys; from pathlib import Path; from runbook_lib import events\n"
        "for n in range(40): events.append(Path(sys.argv[1]), 'step', by=sys.argv[2], facts={'n': n})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("notebook", "runner")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(lines(path)) == 80
    assert_chained(path)


def test_a_line_larger_than_what_is_read_at_once_is_chained_too(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for text in ("x" * 300_000, "y"):
        events.append(path, "step", by="runner", facts={"text": text})
    events.append(path, "step", by="runner", facts={})
    assert_chained(path)


def test_a_torn_line_keeps_its_place_and_is_followed_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events.append(path, "one", by="runner", facts={})
    with path.open("ab") as file:
        file.write(b'{"at": "2026-')
    events.append(path, "two", by="runner", facts={})
    assert len(lines(path)) == 3
    assert json.loads(lines(path)[2])["previous"] == events.hash_of(b'{"at": "2026-')


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    events.append(path, "one", by="runner", facts={})
    before, really = path.read_bytes(), os.write

    def half(descriptor: int, content: bytes) -> int:
        really(descriptor, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        events.append(path, "two", by="runner", facts={})
    assert path.read_bytes() == before


def test_announcing_goes_on_when_the_record_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A restore matters more than its record."""
    monkeypatch.setenv(events.EVENTS_VARIABLE, str(tmp_path / "gone" / "events.jsonl"))
    events.announce("RestoreDBClusterToPointInTime", target="staging-db-restored")
    assert "is not in the record" in caplog.text


def test_the_notebook_knows_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(events.RUN_ID_VARIABLE, "0a1b2c3d")
    monkeypatch.setenv(events.INCIDENT_VARIABLE, "INC-7")
    assert events.current_run() == events.CurrentRun(run_id="0a1b2c3d", incident="INC-7")
