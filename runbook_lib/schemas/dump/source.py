"""Read a dump as a stream of blocks, from a file or S3, plain, gzip or zstd; and open the file to write it to."""

from __future__ import annotations

import gzip
import io
import os
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
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
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
        """Return the unpacked dump in blocks; unpacking goes ahead in a thread of its own."""
        blocks = iter(partial(self._stream.read, BLOCK), b"")
        try:
            for block in blocks if self.packing == "plain" else ahead(blocks, depth=_DEPTH):
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
        InputRefused: there is no such file, or it is not text in a byte encoding (UTF-16).
        AccessDenied, NotFound: S3 says so.
    """
    raw, size = _raw(place, session)
    with raw:
        stream: Any = raw if hasattr(raw, "peek") else io.BufferedReader(cast(io.RawIOBase, raw), BLOCK)
        start = stream.peek(4)[:4]
        if start[:2] in _UTF16:
            raise InputRefused(
                f"{place} is text in UTF-16, as a PowerShell redirect writes it; no client can load it.",
                hint="Make the dump again with mysqldump's --result-file instead of `>`.",
            )
        packing = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "plain")
        yield DumpSource(name=place, packing=packing, stored_bytes=size, _stream=_unpacked(stream, packing))


def _raw(place: str, session: Any) -> tuple[IO[bytes], int | None]:
    if place.startswith("s3://"):
        from runbook_lib.schemas.dump.s3 import open_object  # boto3 only for those who need it

        return open_object(session, place)
    if place == "-":
        return sys.stdin.buffer, None
    path = Path(place)
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
