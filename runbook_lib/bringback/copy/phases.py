"""The steps of a copy back, announced before they begin and timed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.bringback.copy.plan import CopyBackPlan
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
    """The steps of one run, those done with their times."""

    def __init__(self, plan: CopyBackPlan, step: Callable[[str], object] | None) -> None:
        self._plan = plan
        self._step = step
        self.done: list[Phase] = []

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Announce a step, run it, and note how long it took."""
        announce("phase", name=name, target=self._plan.source, plan=self._plan.id)
        log.info("%s …", name)
        if self._step:
            self._step(name)
        began, clock = utc_now(), time.monotonic()
        yield
        self.done.append(Phase(name=name, began=began, seconds=time.monotonic() - clock))
