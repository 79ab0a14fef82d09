"""Whatever is changed in a record or taken from a store is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runbook_lib.records.chain import CHAIN, read_chain
from runbook_lib.records.manifest import read_manifest
from runbook_lib.records.store import FILES, Store
from runbook_lib.records.verify import verify_store
from tests.records_support import make_record, run_cli


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def named(store: Store) -> set[str]:
    return {finding.file for finding in verify_store(store)}


def test_untouched_records_are_found_untouched(store: Store) -> None:
    for _ in range(3):
        make_record(store)
    assert verify_store(store) == ()


@pytest.mark.parametrize("file", FILES)
def test_one_byte_flipped_anywhere_names_its_file(store: Store, file: str) -> None:
    """In the newest record and in one that others follow; at every place of a small file, at many of a large one."""
    older, newest = make_record(store), make_record(store)
    for folder in (older, newest):
        path = folder / file
        content = path.read_bytes()
        for place in range(0, len(content), max(1, len(content) // 60)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            assert f"INC-1/{folder.name}/{file}" in named(store), f"byte {place}"
        path.write_bytes(content)
    assert verify_store(store) == ()


def test_a_line_cut_from_the_events_is_named_with_its_place(store: Store) -> None:
    path = make_record(store) / "events.jsonl"
    kept = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept[:2] + kept[3:]))
    problems = [finding.problem for finding in verify_store(store) if finding.file.endswith("events.jsonl")]
    assert any("line 3 does not follow" in problem for problem in problems)
    path.write_bytes(b"".join(kept[:-1]))
    problems = [finding.problem for finding in verify_store(store) if finding.file.endswith("events.jsonl")]
    assert any(f"{len(kept) - 1} of {len(kept)} lines" in problem for problem in problems)


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(store: Store, file: str) -> None:
    folder = make_record(store)
    (folder / file).unlink()
    assert any(finding.file.endswith(file) and "missing" in finding.problem for finding in verify_store(store))


def test_a_record_removed_from_the_middle_is_named(store: Store) -> None:
    folders = [make_record(store) for _ in range(3)]
    shutil.rmtree(folders[1])
    (finding,) = verify_store(store)
    assert finding.file == f"INC-1/{folders[1].name}"
    assert "missing" in finding.problem


def test_a_record_removed_together_with_its_line_is_named_by_the_next(store: Store) -> None:
    folders = [make_record(store) for _ in range(3)]
    shutil.rmtree(folders[1])
    chain = store.root / CHAIN
    lines = chain.read_bytes().splitlines(keepends=True)
    chain.write_bytes(lines[0] + lines[2])
    assert f"INC-1/{folders[1].name}" in named(store)


def test_a_file_that_was_added_is_named(store: Store) -> None:
    folder = make_record(store)
    (folder / "notes.txt").write_text("x")
    assert named(store) == {f"INC-1/{folder.name}/notes.txt"}


def test_a_damaged_or_lost_list_of_the_chain_is_named(store: Store) -> None:
    make_record(store)
    make_record(store)
    chain = store.root / CHAIN
    content = chain.read_bytes()
    chain.write_bytes(b"{}" + content[2:])
    assert CHAIN in named(store)
    chain.unlink()
    assert CHAIN in named(store)


def test_each_manifest_carries_the_hash_of_the_run_that_finished_before(store: Store) -> None:
    folders = [make_record(store, incident=incident) for incident in ("INC-1", "", "INC-2")]
    manifests = [read_manifest((folder / "manifest.json").read_bytes(), name="m") for folder in folders]
    assert [manifest.previous for manifest in manifests] == [None, *read_chain(store)[:2]]


def test_the_command_names_findings_and_exits_with_3(store: Store, tmp_path: Path) -> None:
    folder = make_record(store)
    assert run_cli("records", "verify", "--records", store.root, cwd=tmp_path).returncode == 0
    (folder / "report.html").unlink()
    ran = run_cli("records", "verify", "--records", store.root, cwd=tmp_path)
    assert ran.returncode == 3
    assert f"INC-1/{folder.name}/report.html: missing" in ran.stdout
