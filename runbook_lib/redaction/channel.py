"""How the kernel tells the process that writes the record which values are secret: a named pipe, nothing on disk.

The pipe lies in a folder only its owner can enter, is named by an environment variable and goes with the run. A value
is in the pipe before `remember` returns, so before any message that shows it; the reader empties the pipe before it
handles a message.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

CHANNEL_VARIABLE = "RUNBOOK_SECRETS"
_PATIENCE_SECONDS = 5.0  # the reader empties a full pipe (64 KiB) a few times a second


def tell(value: str, *, kind: str) -> None:
    """Write a value into the pipe of the run this process belongs to, if it belongs to one."""
    path = os.environ.get(CHANNEL_VARIABLE, "")
    if not path:
        return
    line = json.dumps({"kind": kind, "value": value}).encode() + b"\n"
    try:
        writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return  # nobody reads any more: the run that started us is over, and writes nothing
    try:
        _write(writer, line)
    except OSError as error:
        log.warning("A %s could not be announced to the record's writer: %s", kind, error.strerror)
    finally:
        os.close(writer)


def _write(writer: int, line: bytes) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while line:
        try:
            line = line[os.write(writer, line) :]
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


class SecretsChannel:
    """The reading end. Make it before the kernel, in a private folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "secrets"
        os.mkfifo(self.path, 0o600)
        # Opened for both, so that the pipe never reports its end between two writers.
        self._reader = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def told(self) -> Iterator[tuple[str, str]]:
        """Return every (value, kind) told since the last call."""
        while True:
            try:
                chunk = os.read(self._reader, 1 << 16)
            except BlockingIOError:
                break
            self._rest += chunk
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            entry = json.loads(line)
            yield entry["value"], entry["kind"]

    def close(self) -> None:
        """Close the pipe; its folder is the owner's to remove."""
        os.close(self._reader)
