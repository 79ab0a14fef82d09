"""Look at what may be refused: what was seen, or why nothing could be seen, which is never "nothing there"."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar, overload

from runbook_lib.errors import AccessDenied, CredentialsRefused, RunbookError

log = logging.getLogger(__name__)
T = TypeVar("T")
_AT_ONCE = 6  # far below what AWS throttles; adaptive retries slow all of them down together


class Seen(Sequence[T], Generic[T]):
    """What was seen, as a sequence. With `why_not` it is empty because nobody could look."""

    def __init__(self, items: Iterable[T] = (), *, why_not: str = "") -> None:
        self._items = tuple(items)
        self.why_not = why_not

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"Seen({self._items!r}, why_not={self.why_not!r})"


def look(read: Callable[[], Iterable[T]]) -> Seen[T]:
    """Read something, and give why it could not be read instead of failing.

    Raises:
        CredentialsRefused: nothing can be read any more by this caller.
    """
    try:
        return Seen(read())
    except CredentialsRefused:
        raise
    except RunbookError as error:
        log.warning("%s", error.message)
        return Seen(why_not=could_not(error))


def look_at_once(*reads: Callable[[], Iterable[Any]]) -> tuple[Seen[Any], ...]:
    """Look at several things beside each other, and return what was seen in the order of the questions.

    The clients that they use must have been made before: making one is not safe among threads, using it is.

    Raises:
        CredentialsRefused: nothing can be read any more by this caller.
    """
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return tuple(pool.map(look, reads))


def could_not(error: RunbookError) -> str:
    """Say in one line why something could not be looked at: the missing permission by its name where that is it."""
    facts = error.facts
    if isinstance(error, AccessDenied) and facts.get("service"):
        return f"could not be looked at: permission {facts['service']}:{facts['operation']}"
    return f"could not be looked at: {error.message}"
