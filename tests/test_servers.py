"""One server process: the template it starts from, what it says when it cannot start, the second it stands still."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runbook_lib.errors import StepFailed
from runbook_lib.rehearsal.binlog import log_files, transactions
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.folders import OwnedFolder
from runbook_lib.rehearsal.templates import template
from tests.dated import MASTER, START, after, at


def test_a_server_that_cannot_start_says_why_in_one_sentence_and_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    odd = dataclasses.replace(engine, server_args=(*engine.server_args, "--no-such-setting"))
    with DataPlane(odd, tmp_path) as plane:
        template(engine, work=plane.folder / "template", socket=plane.folder / "t.sock")
        with pytest.raises(StepFailed, match=r"cannot start: .*no-such-setting") as caught:
            plane.create("one", master=MASTER)
        assert "\n" not in str(caught.value)
        assert not plane.resource_ids
        assert not list(plane.folder.glob("cluster-*"))


@pytest.mark.one_engine
def test_two_who_need_a_template_at_once_make_it_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    owned = OwnedFolder(tmp_path / "planes")

    def make(number: int) -> Path:
        return template(engine, work=owned.path / f"t{number}", socket=owned.sockets / f"{number}.sock")

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(make, (1, 2))
    owned.close()
    assert first == second
    assert first.is_relative_to(tmp_path / "cache")
    made = {path.name.partition(".")[2] for path in first.parent.iterdir()}
    assert {"part", "tmp"}.isdisjoint(name.rpartition(".")[2] for name in made)


def test_a_log_that_is_still_being_written_ends_with_its_last_whole_transaction(
    plane: DataPlane, tmp_path: Path
) -> None:
    """However far the server has got in writing a transaction, it should count as a whole or not at all."""
    plane.create("writing", master=MASTER, moment=START)
    with plane.admin("writing") as source:
        at(source, 10, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY, b TEXT)")
        at(source, 20, "BEGIN", "INSERT INTO d.t VALUES (1, REPEAT('x', 500))", "INSERT INTO d.t VALUES (2, '')")
        at(source, 30, "COMMIT", "CREATE TABLE d.u AS SELECT a FROM d.t", "CREATE USER u@'%' IDENTIFIED BY 'p'")
        at(source, 31, "XA START 'x'", "INSERT INTO d.t VALUES (3, '')", "XA END 'x'", "XA PREPARE 'x'")
        at(source, 32, "XA COMMIT 'x'")
        log = log_files(plane._clusters["writing"].server.files.log)[-1]
    whole = transactions(log)
    assert [each.committed for each in whole[-6:]] == [after(second) for second in (10, 30, 30, 30, 31, 32)]
    content = log.read_bytes()
    cut = tmp_path / "binlog.000001"
    for length in range(whole[-6].start, len(content) + 1, 7):
        cut.write_bytes(content[:length])
        assert transactions(cut) == [each for each in whole if each.end <= length]
