"""Ctrl-C, SIGTERM, SIGHUP and passed deadlines: all of them ask the run to stop, and the run says so truthfully."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from runbook_lib import errors
from runbook_lib.records.outcomes import CellState, Ending, Outcome

_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Whether and why the run must stop. The first reason stays."""

    def __init__(self) -> None:
        self.reason = ""
        self.timed_out = False
        self.signal = 0

    def ask(self, reason: str, *, timed_out: bool = False) -> None:
        """Ask the run to stop after the running cell, which is interrupted."""
        if not self.reason:
            self.reason, self.timed_out = reason, timed_out

    @property
    def cell_state(self) -> CellState:
        """Return the state of the cell that was running when the run was stopped."""
        return CellState.TIMED_OUT if self.timed_out else CellState.INTERRUPTED

    def ending(self, *, cell: int, before: bool = False, longest: Mapping[str, Any] | None = None) -> Ending:
        """Return the run's ending. `cell` is where it stopped, from 1: in that cell, or before it began.

        `longest` is the cell that took most of the time, as the manifest will say it.
        """
        kind = errors.TimedOut if self.timed_out else errors.Aborted
        blame = ""
        if before and self.timed_out and longest is not None and longest.get("seconds"):
            blame = f" Most of the time went to cell {longest['number']}, which took {longest['seconds']:.1f} s."
        return Ending(
            outcome=Outcome.TIMED_OUT if self.timed_out else Outcome.ABORTED,
            exit_code=kind.exit_code,
            headline=f"Stopped {'before' if before else 'at'} cell {cell}: {self.reason}.{blame}",
            error=kind.__name__,
        )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the signals that end a process. Afterwards they mean again what they meant before.

        Only the main thread may do so; elsewhere the signals stay with whoever has them. What this process was started
        to ignore (`nohup`, a shell's background job) stays ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heard = [number for number in _HEARD if signal.getsignal(number) is not signal.SIG_IGN]
        before: dict[int, Any] = {number: signal.signal(number, self._heard) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = self.signal or number
        self.ask(f"{signal.Signals(number).name} was received")
