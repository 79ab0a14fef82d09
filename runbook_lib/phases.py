"""The steps of a change: announced before they begin, timed when they are done."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook_lib.events import announce
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One step that was done, with its start (aware UTC) and how long it took."""

    name: str
    began: datetime
    seconds: float


class Phases:
    """The steps of one run. `done` are those that ended without an error, in their order.

    `facts` go into each announcement (such as the plan's id); `on_step` is called with a step's name as it begins.
    """

    def __init__(self, *, on_step: Callable[[str], object] | None = None, **facts: Any) -> None:
        self._on_step = on_step
        self._facts = facts
        self.done: list[Phase] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step, run it, and note how long it took."""
        announce("phase", name=name, **self._facts)
        log.info("%s …", name)
        if self._on_step:
            self._on_step(name)
        began, clock = utc_now(), time.monotonic()
        yield
        self.done.append(Phase(name=name, began=began, seconds=time.monotonic() - clock))
