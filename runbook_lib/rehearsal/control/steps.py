"""Changes that take time, each in a thread of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Lock, Thread, current_thread

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 60.0  # for work of the data plane that is under way when the stand-in is closed


def _nothing() -> None:
    pass


class Steps:
    """Begin changes and end them: at least so long after they began, and not before their work is done."""

    def __init__(self) -> None:
        self._stop = Event()
        self._free = Event()
        self._free.set()
        self._lock = Lock()
        self._threads: set[Thread] = set()

    def begin(
        self,
        name: str,
        *,
        takes: timedelta,
        done: Callable[[], None],
        work: Callable[[], None] = _nothing,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Do `work` in a thread, then call `done` once `takes` has passed, or `failed` with what went wrong.

        Nothing is called any more after `close`.
        """
        thread = Thread(target=self._run, args=(name, takes, work, done, failed), name=name, daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _run(
        self,
        name: str,
        takes: timedelta,
        work: Callable[[], None],
        done: Callable[[], None],
        failed: Callable[[Exception], None] | None,
    ) -> None:
        began = time.monotonic()
        try:
            work()
            self._stop.wait(max(0.0, began + takes.total_seconds() - time.monotonic()))
            self._free.wait()
            if not self._stop.is_set():
                done()
        except Exception as error:
            # A thread has nobody to raise to: the resource gets a dead-end status, the log the reason.
            log.exception("The stand-in could not %s", name)
            if failed and not self._stop.is_set():
                failed(error)
        finally:
            with self._lock:
                self._threads.discard(current_thread())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing end inside, however long it takes."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    def close(self) -> None:
        """Let nothing more end, and wait for work that is under way."""
        self._stop.set()
        self._free.set()
        with self._lock:
            under_way = list(self._threads)
        for thread in under_way:
            thread.join(_PATIENCE_SECONDS)
