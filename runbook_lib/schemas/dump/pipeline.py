"""Let the stages of reading and writing a dump run side by side, in threads, a few blocks apart.

It pays because the heavy calls (reading, unpacking, numpy on a whole block, writing) let go of the interpreter's lock.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Data = bytes | memoryview

_HANDED = 1 << 20  # bytes handed to the writer at once: each handing over wakes a thread
_WAIT_S = 0.05  # how long an end waits between two looks at whether the other side has gone


class _End:
    """What ends a queue: nothing more is coming, because of `error` if there was one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterator[Item], *, depth: int) -> Iterator[Item]:
    """Return the items of an iterator that is run in a thread of its own, at most `depth` items ahead.

    An error of the iterator is raised here, after the items before it. When the reader stops early, so does the thread.
    """
    filled: queue.Queue[Item | _End] = queue.Queue(depth)
    stop = threading.Event()

    def run() -> None:
        end = _End()
        try:
            for item in items:
                if not _put(filled, item, stop):
                    return
        except BaseException as error:  # noqa: BLE001  # handed over, raised below
            end = _End(error)
        _put(filled, end, stop)

    worker = threading.Thread(target=run, name="dump-ahead", daemon=True)
    worker.start()
    try:
        while not isinstance(item := filled.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        worker.join()


def _put(filled: queue.Queue[Item | _End], item: Item | _End, stop: threading.Event) -> bool:
    """Put an item, unless nobody is going to take it any more."""
    while not stop.is_set():
        try:
            filled.put(item, timeout=_WAIT_S)
        except queue.Full:
            continue
        return True
    return False


def worked_ahead(items: Iterator[Item], work: Callable[[Item], Result], *, depth: int) -> Iterator[tuple[Item, Result]]:
    """Return each item with the result of the work on it, which a thread does for up to `depth` items ahead.

    The items themselves are got here, by whoever reads. An error of the items or of the work is raised here, that of
    the work after the results before it.
    """
    worker = ThreadPoolExecutor(1, thread_name_prefix="dump-work")
    begun: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            begun.append((item, worker.submit(work, item)))
            if len(begun) > depth:
                first, result = begun.popleft()
                yield first, result.result()
        for item, result in begun:
            yield item, result.result()
    finally:
        worker.shutdown(cancel_futures=True)


class WriteBehind:
    """Writes in a thread what is handed to it, in order. Leave it as a context manager: then everything is written.

    An error of writing is raised by a later `write`, or on leaving.
    """

    def __init__(self, write: Callable[[Data], object], *, depth: int) -> None:
        self._write = write
        self._gathered: list[Data] = []
        self._size = 0
        self._waiting: queue.Queue[list[Data] | None] = queue.Queue(depth)
        self._error: Exception | None = None
        self._worker = threading.Thread(target=self._run, name="dump-writer", daemon=True)

    def write(self, data: Data) -> None:
        """Hand data over. It must not be changed afterwards."""
        if self._error:
            raise self._error
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= _HANDED:
            self._hand_over()

    def _hand_over(self) -> None:
        self._waiting.put(self._gathered)
        self._gathered, self._size = [], 0

    def _run(self) -> None:
        while (gathered := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    for data in gathered:
                        self._write(data)
                except Exception as error:  # noqa: BLE001  # handed over, raised by a later write
                    self._error = error

    def __enter__(self) -> WriteBehind:
        self._worker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self._hand_over()
        self._waiting.put(None)
        self._worker.join()
        if error is None and self._error:
            raise self._error
