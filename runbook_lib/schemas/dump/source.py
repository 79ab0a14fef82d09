"""Read a dump as a stream of blocks, from a file or S3, plain, gzip or zstd; and open the file to write it to."""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from runbook_lib.errors import InputRefused, StepFailed
from runbook_lib.schemas.dump.pipeline import WriteBehind, ahead

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 2 << 20  # bytes; row data is scanned a block at a time
_DEPTH = 3  # blocks unpacked ahead, or waiting to be packed
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"} | {
    bytes([byte]) + b"\x2a\x4d\x18": "zstd"
    for byte in range(0x50, 0x60)  # a skippable frame, as pzstd begins
}
# What is known and cannot be read. Anything else that does not begin as SQL text does is refused as well.
_FOREIGN = {
    b"\xfd7zXZ\x00": "packed with xz", b"BZh": "packed with bzip2", b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive", b"Rar!": "a RAR archive", b"\x04\x22\x4d\x18": "packed with lz4",
    b"\x02\x21\x4c\x18": "packed with lz4", b"LZIP": "packed with lzip", b"\x89LZO": "packed with lzop",
    b"\x1f\x9d": "packed with compress", b"\xff\x06\x00\x00sNaPpY": "packed with snappy",
    b"XBSTCK01": "an xbstream archive",
    b"Salted__": "encrypted with openssl", b"age-encryption.org": "encrypted with age", b"\xfebin": "a binary log",
    b"-----BEGIN ": "encrypted or a key", b"PGDMP": "a dump of PostgreSQL", b"SQLite format 3": "an SQLite file",
    b"<?xml": "XML (mysqldump --xml)", b"<": "XML or HTML",
    b"{{": "a template, not filled in", b"{%": "a template, not filled in", b"{#": "a template, not filled in",
    b"{": "JSON", b"[": "JSON",
    b"\x1f\x8b": "packed once more, with gzip",
    b"\x28\xb5\x2f\xfd": "packed once more, with zstd",
}  # fmt: skip
_TEXT_STARTS = re.compile(rb"(?:\xEF\xBB\xBF)?[\t\n\r ]*(?:[A-Za-z(/#\\;]|--|\Z)")
_CONTROLS = re.compile(rb"[\x00-\x08\x0B\x0C\x0E-\x1F]")
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)
_ROOM = 64 << 20  # bytes asked for at once
_SMALL = 4 << 20  # a file up to this size asks for none
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(kw_only=True)
class DumpSource:
    """An open dump. `blocks` is to be read once; `bytes_read` (unpacked) and `cut_short` grow true while it is."""

    name: str
    packing: str  # "plain", "gzip" or "zstd"
    stored_bytes: int | None  # as it lies in the file or bucket; None for a pipe
    _stream: IO[bytes] = field(repr=False)
    bytes_read: int = 0
    cut_short: str = ""  # what is wrong with the packing's end, empty if nothing

    def blocks(self) -> Iterator[bytes]:
        """Return the unpacked dump in blocks; unpacking goes ahead in a thread of its own.

        Raises:
            InputRefused: what is unpacked does not begin as SQL text does.
        """
        blocks = iter(partial(self._stream.read, BLOCK), b"")
        try:
            for block in blocks if self.packing == "plain" else ahead(blocks, depth=_DEPTH):
                if not self.bytes_read:
                    _refuse_foreign(self.name, block)
                self.bytes_read += len(block)
                yield block
        except _BROKEN as error:
            if self.packing == "plain":
                raise
            self.cut_short = f"the {self.packing} packing ends too early or is damaged ({error})"
        except OSError as error:
            raise StepFailed(f"The dump cannot be read on: {error}.", hint="Check the disk or network.") from error


@contextmanager
def open_dump(place: str, *, session: Any = None) -> Iterator[DumpSource]:
    """Open a dump: a path, `-` for standard input, or `s3://bucket/key` (needs `session`, an AwsSession).

    Raises:
        InputRefused: there is no such file, it is a folder, or it does not begin as SQL text does.
        AccessDenied, NotFound: S3 says so.
    """
    raw, size = _raw(place, session)
    with raw:
        stream: Any = raw if hasattr(raw, "peek") else io.BufferedReader(cast(io.RawIOBase, raw), BLOCK)
        start = stream.peek(8)[:8]
        packing = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "plain")
        if packing == "plain":
            _refuse_foreign(place, stream.peek(512)[:512])
        yield DumpSource(name=place, packing=packing, stored_bytes=size, _stream=_unpacked(stream, packing))


def _refuse_foreign(place: str, start: bytes) -> None:
    """Refuse what does not begin as SQL text does.

    Raises:
        InputRefused: it is an archive, packed another way, encrypted, or something else that no client loads.
    """
    if start[:2] in _UTF16:
        raise InputRefused(
            f"{place} is text in UTF-16, as a PowerShell redirect writes it; no client can load it.",
            hint="Make the dump again with mysqldump's --result-file instead of `>`.",
        )
    what = next((what for magic, what in _FOREIGN.items() if start.startswith(magic)), "")
    if start[257:262] == b"ustar":
        what = "a tar archive"
    if not what and (not _TEXT_STARTS.match(start) or _CONTROLS.search(start[:16])):
        what = "no SQL text, and not packed in a way that is known"
    if what:
        raise InputRefused(
            f"{place} is {what}; only SQL text is read: plain, gzip or zstd.",
            hint="Unpack or decrypt it, and name the dump in it.",
        )


def _raw(place: str, session: Any) -> tuple[IO[bytes], int | None]:
    if place.startswith("s3://"):
        from runbook_lib.schemas.dump.s3 import open_object  # boto3 only for those who need it

        return open_object(session, place)
    if place == "-":
        return sys.stdin.buffer, None
    path = Path(place)
    if path.is_dir():
        tool = "mydumper" if (path / "metadata").exists() else "MySQL Shell" if (path / "@.json").exists() else ""
        raise InputRefused(
            f"{place} is a folder{f' of {tool}' if tool else ''}; only a dump in one file is read.",
            hint=f"Check its SQL files one by one, or load it with {tool or 'its own tool'} into a schema of its own.",
        )
    try:
        return path.open("rb"), path.stat().st_size
    except OSError as error:
        raise InputRefused(
            f'The dump "{place}" cannot be read: {error.strerror}.', hint="Check the path and its permissions."
        ) from error


def _unpacked(stream: IO[bytes], packing: str) -> IO[bytes]:
    if packing == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb"))
    if packing == "zstd":
        return cast(IO[bytes], zstd.ZstdFile(stream, mode="rb"))
    return stream


@contextmanager
def packed_writer(path: Path) -> Iterator[RoomAhead | WriteBehind]:
    """Open a file to write, packed as its name says (.gz, .zst, else plain). Packing has a thread of its own.

    Raises:
        StepFailed: it cannot be written, the disk is full for example.
    """
    try:
        with _opened(path) as out, _writing(path, out) as writer:
            yield writer
    except OSError as error:
        raise StepFailed(
            f"The output cannot be written: {error.strerror or error}.",
            hint="Check the disk's room and the folder's permissions, or write elsewhere with -o.",
        ) from error


def _writing(path: Path, out: IO[bytes]) -> RoomAhead | WriteBehind:
    return WriteBehind(out.write, depth=_DEPTH) if path.suffix in (".gz", ".zst") else RoomAhead(out)


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(path, "wb", compresslevel=6))
    if path.suffix == ".zst":
        return cast(IO[bytes], zstd.ZstdFile(path, mode="wb"))
    return path.open("wb", buffering=1 << 16)


class RoomAhead:
    """Writes to a new file, and has its blocks allocated many at once, which saves a third of the writing.

    It is only a help: where the file system gives no room in advance, or is too full for that much, writing goes on
    without. Leave it as a context manager: then the file is as long as what was written.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._written = 0
        self._room = 0
        self._asks = hasattr(os, "posix_fallocate")  # macOS has none

    def write(self, data: bytes | memoryview) -> None:
        """Write data at the end."""
        size = self._written + len(data)
        if self._asks and size > max(self._room, _SMALL):
            self._ask(size)
        self._out.write(data)
        self._written = size

    def _ask(self, size: int) -> None:
        start = max(self._room, self._written)
        self._room = size + _ROOM
        try:
            os.posix_fallocate(self._out.fileno(), start, self._room - start)
        except OSError:  # a full disk is an error only when it is really full; nothing is lost
            self._asks = False

    def __enter__(self) -> RoomAhead:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None and self._room:
            self._out.flush()
            os.ftruncate(self._out.fileno(), self._written)
