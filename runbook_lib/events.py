"""What happened when: announced before a step begins, so that a killed run still shows how far it came.

`events.jsonl` is written by two processes, the notebook's kernel and the runner. Each line carries the hash of the
line before it; a lock on the file makes reading that line and writing the next one step.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.locking import fcntl

log = logging.getLogger("runbook_lib.events")

EVENTS_VARIABLE = "RUNBOOK_EVENTS"
RUN_ID_VARIABLE = "RUNBOOK_RUN_ID"
INCIDENT_VARIABLE = "RUNBOOK_INCIDENT"
_TAIL = 1 << 16

Listener = Callable[[str, Mapping[str, Any]], None]
_listeners: list[Listener] = []
_no_record = ""


@dataclass(frozen=True, kw_only=True)
class CurrentRun:
    """The headless run this process belongs to. Both are empty where an engineer steps through a notebook."""

    run_id: str
    incident: str


def current_run() -> CurrentRun:
    """Tell which run this is, so that everything it makes can be tagged with it."""
    return CurrentRun(
        run_id=os.environ.get(RUN_ID_VARIABLE, ""),
        incident=os.environ.get(INCIDENT_VARIABLE, ""),
    )


def no_record(why: str) -> None:
    """Note that nothing done in this process can be recorded, with the reason."""
    global _no_record  # one process, one answer
    _no_record = why


def why_no_record() -> str:
    """Say why what is done now would be in no record; nothing where it is recorded, and outside of notebooks.

    A notebook's process, and IPython in a terminal, has an IPython shell. A program that calls the library by itself
    keeps its own record.
    """
    if os.environ.get(EVENTS_VARIABLE) or not in_ipython():
        return ""
    return _no_record or "no record was begun: the notebook did not begin with runbook.start"


def in_ipython() -> bool:
    """Tell whether this process is a notebook's kernel, or IPython in a terminal."""
    return "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None


def announce(event: str, **facts: Any) -> None:
    """Say that `event` ("restore-requested") is about to happen, with its facts (JSON-able values).

    A headless run writes it to the record's `events.jsonl` before the step starts. A record
    that cannot be written never stops the step: a restore matters more than its record.
    """
    from runbook_lib.redaction import scrubbed  # its patterns take a while, and who only reads events needs none

    facts = scrubbed(facts)
    log.debug("%s %s", event, " ".join(f"{name}={value}" for name, value in facts.items()))
    if path := os.environ.get(EVENTS_VARIABLE, ""):
        try:
            append(Path(path), event, by="notebook", facts=facts)
        except OSError as error:
            log.warning("The event %s is not in the record: %s", event, error.strerror)
    for listener in _listeners:
        listener(event, facts)


def listen(listener: Listener) -> None:
    """Call a function of this process with each event once it is written: how a page follows what goes on."""
    _listeners.append(listener)


def append(path: Path, event: str, *, by: str, facts: Mapping[str, Any]) -> None:
    """Write one chained line and wait until it is on the disk. A line that does not fit leaves no half line.

    Raises:
        OSError: the file cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")  # the line before was torn by a power cut: it stays, as one line
            size += 1
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": event,
            "by": by,
            **({"facts": dict(facts)} if facts else {}),
            "previous": _hash_of_last_line(descriptor, size),
        }
        written = json.dumps(line, ensure_ascii=False, default=str).encode(errors="backslashreplace") + b"\n"
        try:
            if os.write(descriptor, written) != len(written):
                raise OSError(28, os.strerror(28))
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _hash_of_last_line(descriptor: int, size: int) -> str:
    reach = _TAIL
    while size:
        tail = os.pread(descriptor, min(reach, size), max(0, size - reach))
        start = tail.rstrip(b"\n").rfind(b"\n") + 1
        if start or reach >= size:
            return hash_of(tail[start:].rstrip(b"\n"))
        reach *= 4
    return ""


def read_events(path: Path) -> tuple[dict[str, Any], ...]:
    """Read a record's events; a line that is no JSON is left out (`verify` names it)."""
    found = []
    for line in event_lines(path):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return tuple(found)


def event_lines(path: Path) -> list[bytes]:
    """Return the lines of a record's events, without line ends; an empty list without such a file."""
    try:
        return content_of(path).rstrip(b"\n").split(b"\n")
    except FileNotFoundError:
        return []


def content_of(path: Path | str) -> bytes:
    """Return what a regular file holds: a link leads out of a record, and a pipe would never end.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        parts = [os.read(descriptor, status.st_size + 1)]
        while part := os.read(descriptor, _PART):
            parts.append(part)
    finally:
        os.close(descriptor)
    return parts[0] if len(parts) == 1 else b"".join(parts)


_PART = 1 << 16  # what comes after the size that a file had when it was opened


class Watch:
    """Follows a file of events while it grows, and notices when somebody cuts or changes what was in it already."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._hash = hashlib.sha256()
        self.problem = ""

    def look(self, *, at_last: bool = False) -> None:
        """Read what is new. `at_last` also reads again what was read before."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            self._notice(self._size > 0)
            return
        except OSError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # not in the middle of a line
            size = os.fstat(descriptor).st_size
            self._notice(size < self._size)
            if at_last and not self.problem:
                again = hashlib.sha256(os.pread(descriptor, self._size, 0))
                self._notice(again.digest() != self._hash.digest())
            if size > self._size:
                self._hash.update(os.pread(descriptor, size - self._size, self._size))
                self._size = size
        except OSError as error:
            log.debug("the events cannot be read: %s", error.strerror)
        finally:
            os.close(descriptor)

    def _notice(self, is_wrong: bool) -> None:
        if is_wrong and not self.problem:
            self.problem = "was cut or changed while the run went on"
            log.warning("The record's events were cut or changed while the run goes on.")


def hash_of(line: bytes) -> str:
    """Return what the line after this one (without its line end) carries as `previous`."""
    return hashlib.sha256(line).hexdigest()
