"""What happened when: announced before a step begins, so that a killed run still tells how far it came.

`events.jsonl` is written by two processes, the notebook's kernel and the runner. Each line carries the hash of the
line before it; a lock on the file makes reading that line and writing the next one step.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.redaction import scrubbed

log = logging.getLogger("runbook_lib.events")

EVENTS_VARIABLE = "RUNBOOK_EVENTS"
_TAIL = 1 << 16


def announce(event: str, **facts: Any) -> None:
    """Say that `event` ("restore-requested") is about to happen, with its facts (JSON-able values).

    It is logged always; a headless run also writes it to the record's `events.jsonl` before the step starts. A record
    that cannot be written never stops the step: a restore matters more than its record.
    """
    facts = scrubbed(facts)
    log.info("%s %s", event, " ".join(f"{name}={value}" for name, value in facts.items()))
    if path := os.environ.get(EVENTS_VARIABLE, ""):
        try:
            append(Path(path), event, by="notebook", facts=facts)
        except OSError as error:
            log.warning("The event %s is not in the record: %s", event, error.strerror)


def append(path: Path, event: str, *, by: str, facts: Mapping[str, Any]) -> None:
    """Write one chained line and wait until it is on the disk. A line that does not fit leaves no half line.

    Raises:
        OSError: the file cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": event,
            "by": by,
            **({"facts": dict(facts)} if facts else {}),
            "previous": _hash_of_last_line(descriptor, size),
        }
        written = json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n"
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
            return hashlib.sha256(tail[start:].rstrip(b"\n")).hexdigest()
        reach *= 4
    return ""
