"""A dump is read from where it lies, packed as it is, and the exit code says whether it may be loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib.cli import main
from runbook_lib.errors import InputRefused, NotFound, StepFailed
from runbook_lib.schemas.dump.check import check_dump
from runbook_lib.schemas.dump.source import BLOCK, DumpSource, open_dump, packed_writer, zstd

GOOD = b"-- MySQL dump 10.13\nCREATE TABLE `a` (x INT);\nINSERT INTO `a` VALUES (1),(2);\n-- Dump completed\n"
BAD = b"CREATE DATABASE basis;\nUSE basis;\n" + GOOD


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["dump", *arguments])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress], ids=["plain", "gzip", "zstd"])
def test_it_reads_every_packing_and_writes_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "dump").write_bytes(pack(BAD))
    for name in ("out.sql", "out.sql.gz", "out.sql.zst"):
        code, _, _ = run(capsys, "clean", str(tmp_path / "dump"), "--schema", "staging", "-o", str(tmp_path / name))
        assert code == 0
        with open_dump(str(tmp_path / name)) as source:
            report = check_dump(source, schema="staging")
        assert report.safe
        assert [table.row_bytes for table in report.tables] == [len(b"(1),(2)")]


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_a_packing_that_ends_too_early_is_told_and_leaves_no_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "dump").write_bytes(pack(GOOD)[:-6])
    code, said, _ = run(capsys, "check", str(tmp_path / "dump"), "--schema", "staging", "--json")
    assert code == 3
    assert "truncated" in {finding["topic"] for finding in json.loads(said)["findings"]}
    code, _, said = run(capsys, "clean", str(tmp_path / "dump"), "--schema", "staging", "-o", str(tmp_path / "out"))
    assert (code, sorted(path.name for path in tmp_path.iterdir())) == (3, ["dump"])
    assert "cut short" in said


def test_the_exit_code_says_whether_it_may_be_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, expected in ((GOOD, 0), (BAD, 3)):
        (tmp_path / "dump").write_bytes(text)
        code, said, _ = run(capsys, "check", str(tmp_path / "dump"), "--schema", "staging")
        assert code == expected
    assert "It creates a schema of its own" in said
    assert run(capsys, "check", str(tmp_path / "none"), "--schema", "staging")[0] == 2


def test_the_tables_are_compared_with_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dump").write_bytes(GOOD)
    (tmp_path / "c.yml").write_text("version: 1\nschemas: {staging: {purpose: p, tables: [a, b]}}")
    contract = ("--contract", str(tmp_path / "c.yml"))
    code, said, _ = run(capsys, "check", str(tmp_path / "dump"), "--schema", "staging", "--json", *contract)
    found = {finding["topic"]: finding["examples"] for finding in json.loads(said)["findings"]}
    assert (code, found["missing"]) == (3, ["b"])


def test_a_disk_that_fails_in_the_midst_of_a_long_dump_is_told() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 3 * BLOCK:
                raise OSError(5, "Input/output error")
            return super().read(size)

    rows = b"INSERT INTO `a` VALUES (1)" + b",('x;')" * BLOCK
    source = DumpSource(name="dump", packing="plain", stored_bytes=len(rows), _stream=Failing(rows))
    with pytest.raises(StepFailed, match=r"cannot be read on: .*Input/output error"):
        check_dump(source, schema="staging")


def test_text_in_utf_16_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dump").write_text("CREATE TABLE a (x INT);", encoding="utf-16")
    with pytest.raises(InputRefused, match="UTF-16"), open_dump(str(tmp_path / "dump")):
        pass


def test_a_dump_is_never_cleaned_onto_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dump").write_bytes(GOOD)
    path = str(tmp_path / "dump")
    assert run(capsys, "clean", path, "--schema", "staging", "-o", path)[0] == 2
    assert (tmp_path / "dump").read_bytes() == GOOD


def test_a_dump_in_s3_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    from runbook_lib.aws import connect

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="vendor")
        client.put_object(Bucket="vendor", Key="night/dump.sql.gz", Body=gzip.compress(BAD))
        session = connect(region="us-east-1")
        with open_dump("s3://vendor/night/dump.sql.gz", session=session) as source:
            report = check_dump(source, schema="staging")
        assert (report.packing, report.unpacked_bytes, report.safe) == ("gzip", len(BAD), False)
        with pytest.raises(NotFound), open_dump("s3://vendor/night/none.sql", session=session):
            pass
        with pytest.raises(InputRefused), open_dump("s3://vendor", session=session):
            pass
    finally:
        server.stop()


def test_a_writer_packs_as_the_name_says(tmp_path: Path) -> None:
    with packed_writer(tmp_path / "a.sql.gz") as out:
        out.write(b"x")
    assert gzip.decompress((tmp_path / "a.sql.gz").read_bytes()) == b"x"


def _tar(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        held = tarfile.TarInfo("dump.sql")
        held.size = len(data)
        archive.addfile(held, io.BytesIO(data))
    return out.getvalue()


FOREIGN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "bzip2": (bz2.compress, "bzip2"), "xz": (lzma.compress, "xz"), "tar": (_tar, "tar archive"),
    "tar in gzip": (lambda data: gzip.compress(_tar(data)), "tar archive"),
    "gzip in zstd": (lambda data: zstd.compress(gzip.compress(data)), "packed once more"),
    "7-Zip": (lambda data: b"7z\xbc\xaf\x27\x1c" + data, "7-Zip"), "RAR": (lambda data: b"Rar!\x1a\x07" + data, "RAR"),
    "lz4": (lambda data: b"\x04\x22\x4d\x18" + data, "lz4"), "zip": (lambda data: b"PK\x03\x04" + data, "zip"),
    "encrypted": (lambda data: b"Salted__" + data, "encrypted"), "XML": (lambda data: b"<?xml " + data, "XML"),
    "anything else": (lambda data: b"\x8c\x0d\x04" + data, "no SQL text"),
}  # fmt: skip


@pytest.mark.parametrize(("pack", "word"), FOREIGN.values(), ids=FOREIGN.keys())
def test_archives_and_packings_that_are_not_known_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pack: Callable[[bytes], bytes], word: str
) -> None:
    (tmp_path / "dump").write_bytes(pack(GOOD))
    code, _, said = run(capsys, "clean", str(tmp_path / "dump"), "--schema", "staging", "-o", str(tmp_path / "out"))
    assert (code, word in said, sorted(path.name for path in tmp_path.iterdir())) == (2, True, ["dump"])


def test_folders_of_other_tools_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metadata").write_text("Started dump at: 2026-11-01")
    code, _, said = run(capsys, "check", str(tmp_path), "--schema", "staging")
    assert code == 2
    assert "a folder of mydumper" in said


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_a_packing_of_several_parts_is_read_to_its_end(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    head = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" if pack is zstd.compress else b""  # as pzstd begins
    (tmp_path / "dump").write_bytes(head + pack(GOOD[:40]) + head + pack(GOOD[40:]))
    with open_dump(str(tmp_path / "dump")) as source:
        report = check_dump(source, schema="staging")
    assert (report.complete, report.safe, report.unpacked_bytes) == (True, True, len(GOOD))
