"""Whatever is changed in a record or taken from a store is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from runbook_lib.events import append
from runbook_lib.records import sealing
from runbook_lib.records.chain import read_chain
from runbook_lib.records.manifest import read_manifest
from runbook_lib.records.orphans import close_all
from runbook_lib.records.outcomes import Ending, Outcome
from runbook_lib.records.recording import Recording, Request
from runbook_lib.records.register import entries
from runbook_lib.records.sealing import SEALING
from runbook_lib.records.store import CHAIN, FILES, Store
from runbook_lib.records.verify import verify_store
from tests.matrix import thorough
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


def everything(root: Path) -> dict[str, bytes | str]:
    """Return every file of a store with its content, and every link with where it leads."""
    found: dict[str, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path)] = str(path.readlink())
        elif path.is_file():
            found[str(path)] = path.read_bytes()
    return found


def killed(store: Store, *, with_proof: bool = True) -> Path:
    """Leave a record as a run leaves it whose process is killed in its second cell."""
    request = Request(notebook=Path("restore_to_timestamp.ipynb"), source=b"x", parameters={}, incident="INC-1")
    recording = Recording(store, request)
    recording.event("run-started", run_id=recording.run_id, notebook="restore_to_timestamp", incident="INC-1")
    recording.event("cell-started", cell=2)
    if with_proof:
        (recording.path / "proof.json").write_text("{}")
    (recording.path / ".record.ipynb.123.part").write_text("{")
    os.close(recording.folder._lock)
    return recording.path


@pytest.mark.parametrize(
    "what", ["a killed run", *(map(thorough, ["a removed manifest", "a bad chain", "a running run"]))]
)
def test_reading_changes_nothing(store: Store, tmp_path: Path, what: str) -> None:
    folder = make_record(store)
    held = None
    if what == "a killed run":
        killed(store)
    elif what == "a removed manifest":
        (folder / "manifest.json").unlink()
    elif what == "a bad chain":
        (store.root / CHAIN).write_bytes(b"\xff\n")
    else:
        held = Recording(store, Request(notebook=Path("n.ipynb"), source=b"", parameters={}))
    before = everything(store.root)
    for command in (["list"], ["list", "--json"], ["verify"], ["verify", "latest"], ["show", folder]):
        assert run_cli("records", *command, "--records", store.root, cwd=tmp_path).returncode in (0, 3)
    assert everything(store.root) == before
    assert held is None or store.life_of(held.path) == "running"


def test_a_killed_run_is_clean_is_shown_as_one_and_is_closed_once(store: Store, tmp_path: Path) -> None:
    make_record(store)
    folder = killed(store)
    assert verify_store(store) == ()
    assert {entry.outcome.value for entry in entries(store)} == {"succeeded", "orphaned"}
    ran = run_cli("records", "close", "--records", store.root, cwd=tmp_path)
    assert ran.stdout.splitlines() == [str(folder)]
    assert verify_store(store) == ()
    manifest = read_manifest((folder / "manifest.json").read_bytes(), name="m")
    assert manifest.outcome.value == "orphaned"
    assert {"proof.json", "events.jsonl"} <= set(manifest.files)
    assert close_all(store) == ()


def test_a_run_killed_while_its_record_is_sealed_keeps_its_outcome(store: Store) -> None:
    folder = killed(store)
    decided = {"outcome": "failed", "exit_code": 3, "headline": "No."}
    append(folder / "events.jsonl", SEALING, by="runner", facts=decided)
    close_all(store, incident="INC-1")
    manifest = read_manifest((folder / "manifest.json").read_bytes(), name="m")
    assert (manifest.outcome.value, manifest.exit_code) == ("failed", 3)
    assert manifest.headline.startswith("No.")


def test_a_record_that_had_ended_is_never_closed_again(store: Store) -> None:
    """Its manifest was removed: that is named, and nothing is written in its place."""
    folder = make_record(store)
    (folder / "manifest.json").unlink()
    assert close_all(store) == ()
    assert not (folder / "manifest.json").exists()
    assert f"INC-1/{folder.name}/manifest.json" in named(store)
    (entry,) = entries(store)
    assert entry.outcome.value == "spoilt"


def test_closing_leaves_other_incidents_alone(store: Store) -> None:
    folder = killed(store)
    assert close_all(store, incident="INC-2") == ()
    assert close_all(store, incident="INC-1") == (folder,)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_stands_in_place_of_a_file_is_named(store: Store, file: str, kind: str) -> None:
    folder = make_record(store)
    moved = store.root.parent / file
    (folder / file).rename(moved)
    if kind == "link":
        (folder / file).symlink_to(moved)
    elif kind == "folder":
        (folder / file).mkdir()
    else:
        os.mkfifo(folder / file)
    assert any(finding.file.endswith(file) for finding in verify_store(store))
    assert list(entries(store))


def test_a_record_that_is_a_link_is_named(store: Store) -> None:
    folder = make_record(store)
    folder.rename(store.root.parent / folder.name)
    folder.symlink_to(store.root.parent / folder.name)
    assert f"INC-1/{folder.name}" in named(store)


def test_events_cut_while_the_run_goes_on_are_named(store: Store) -> None:
    """The chain of the lines that are left is whole: only the run itself can know."""
    recording = Recording(store, Request(notebook=Path("n.ipynb"), source=b"", parameters={}))
    for cell in range(4):
        recording.event("cell-started", cell=cell)
    path = recording.path / "events.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    recording.event("cell-started", cell=9)
    recording.ending = Ending(outcome=Outcome.SUCCEEDED, exit_code=0, headline="h")
    sealing.finish(recording, None, seconds=1.0, end_kernel=lambda: None)
    (finding,) = verify_store(store)
    assert finding.problem == "was cut or changed while the run went on"


def test_one_record_is_checked_with_its_place_in_the_chain(store: Store, tmp_path: Path) -> None:
    folders = [make_record(store) for _ in range(3)]
    lines = (store.root / CHAIN).read_bytes().splitlines(keepends=True)
    (store.root / CHAIN).write_bytes(lines[0] + lines[2])
    for folder, is_clean in zip(folders, (True, False, False), strict=True):
        ran = run_cli("records", "verify", folder.name, "--records", store.root, cwd=tmp_path)
        assert (ran.returncode == 0) is is_clean, ran.stdout


def test_a_store_that_is_not_there_is_not_clean(tmp_path: Path) -> None:
    ran = run_cli("records", "verify", "--records", tmp_path / "nowhere", cwd=tmp_path)
    assert (ran.returncode, "There is no store" in ran.stderr) == (2, True)


def test_one_spoilt_record_stops_neither_readers_nor_the_next_run(store: Store, tmp_path: Path) -> None:
    spoilt = [make_record(store) for _ in range(5)]
    (spoilt[0] / "manifest.json").write_bytes(b"\xff\xfe")
    (spoilt[1] / "manifest.json").write_text("[" * 5000)
    (spoilt[2] / "manifest.json").unlink()
    (spoilt[3] / "record.ipynb").write_text("[1]")
    with (store.root / CHAIN).open("ab") as chain:
        chain.write(b"\xff\n")
    (store.root / ".running" / "0badc0de").write_bytes(b"\xff")
    good = make_record(store)
    listed = run_cli("records", "list", "--records", store.root, cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("  spoilt  ") == 3
    for command in (["show", "latest"], ["show", spoilt[0]], ["report", "--index"], ["verify", good.name]):
        ran = run_cli("records", *command, "--records", store.root, cwd=tmp_path)
        assert ran.returncode in (0, 3), ran.stderr
        assert "Traceback" not in ran.stderr
    assert f"INC-1/{spoilt[0].name}/manifest.json" in named(store)
    assert not any(good.name in file for file in named(store))


def test_what_is_remembered_of_a_store_is_no_more_than_a_help(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies outside of the store; without it, with a broken one, and after a change the list is the same."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_record(store)
    first = list(entries(store))
    (remembered,) = (tmp_path / "cache").rglob("*.json")
    assert list(entries(store)) == first
    for broken in (b"", b"[]", b'{"version": 1, "records": {"INC-1/' + folder.name.encode() + b'": [[1], {}]}}'):
        remembered.write_bytes(broken)
        assert list(entries(store)) == first
    manifest = read_manifest((folder / "manifest.json").read_bytes(), name="m")
    (folder / "manifest.json").write_bytes(manifest.model_copy(update={"cluster": "other"}).sealed().written())
    assert [entry.cluster for entry in entries(store)] == ["other"]
