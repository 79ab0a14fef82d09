"""A cleaned dump's file is as long as what was written, whether or not the disk gave it room ahead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runbook_lib.errors import StepFailed
from runbook_lib.schemas.dump import source
from runbook_lib.schemas.dump.source import RoomAhead, packed_writer
from tests.test_dump_source import GOOD, run

SIZES = (1, 70_000, 3, 65_536, 300_001, 0, 5, 100_000)


@pytest.fixture(autouse=True)
def _small_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_ROOM", 100_000)
    monkeypatch.setattr(source, "_SMALL", 10_000)


def written(path: Path) -> bytes:
    parts = [os.urandom(size) for size in SIZES]
    with packed_writer(path) as out:
        for number, part in enumerate(parts):
            out.write(memoryview(part) if number % 2 else part)
    return b"".join(parts)


def test_the_file_ends_where_the_last_byte_was_written(tmp_path: Path) -> None:
    assert written(tmp_path / "out.sql") == (tmp_path / "out.sql").read_bytes()


def test_room_is_asked_for_ahead_but_not_for_a_small_file(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file, RoomAhead(file) as out:
        out.write(b"x" * 9_000)
        assert (tmp_path / "out").stat().st_size <= 9_000
        out.write(b"x" * 2_000)
        if hasattr(os, "posix_fallocate"):
            assert (tmp_path / "out").stat().st_size > 100_000
    assert (tmp_path / "out").stat().st_size == 11_000


def test_without_room_given_everything_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refused(_file: int, start: int, _size: int) -> None:
        asked.append(start)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refused, raising=False)
    assert written(tmp_path / "out.sql") == (tmp_path / "out.sql").read_bytes()
    assert len(asked) == 1  # it is not asked again and again


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("name", ["out.sql", "out.sql.gz", "out.sql.zst"])
def test_a_full_disk_is_told_in_a_sentence_and_leaves_no_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "dump").write_bytes(GOOD)
    (tmp_path / f".partial-{name}").symlink_to("/dev/full")
    code, _, said = run(capsys, "clean", str(tmp_path / "dump"), "--schema", "staging", "-o", str(tmp_path / name))
    assert (code, sorted(path.name for path in tmp_path.iterdir())) == (StepFailed.exit_code, ["dump"])
    assert "The output cannot be written: No space left on device." in said


def test_a_folder_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(StepFailed, match="No such file or directory"),
        packed_writer(tmp_path / "none" / "out.sql"),
    ):
        pass
