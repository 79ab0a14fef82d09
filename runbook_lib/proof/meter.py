"""Say how far a proof is and how long it will still take."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from runbook_lib.times import duration_text

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Called with the rows done, all rows as far as known, and what to say of it."""
_SAID_EVERY_S = 10


class Meter:
    """Rows done of about all rows. What an earlier run has done does not count for the speed."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress or _log_progress()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._done = self._before = self._all = 0

    def expect(self, rows: int) -> None:
        """Note that about so many more rows are to be done."""
        with self._lock:
            self._all += rows

    def advance(self, rows: int, *, before: bool = False) -> None:
        """Note that so many more rows are done, or were done by an earlier run."""
        with self._lock:
            self._done += rows
            self._before += rows if before else 0
            self._all = max(self._all, self._done)
            self._progress(self._done, self._all, self._text())

    def _text(self) -> str:
        now_done, left = self._done - self._before, self._all - self._done
        if not now_done or not left:
            return f"{self._done:,} rows"
        seconds = round((time.monotonic() - self._began) * left / now_done)
        return f"{self._done:,} of about {self._all:,} rows, {duration_text(timedelta(seconds=seconds))} left"


def _log_progress() -> Progress:
    said = [time.monotonic()]

    def say(_done: int, _everything: int, text: str) -> None:
        if time.monotonic() - said[0] > _SAID_EVERY_S:
            said[0] = time.monotonic()
            log.info("proving: %s", text)

    return say
