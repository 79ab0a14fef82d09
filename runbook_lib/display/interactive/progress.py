"""The phases of a change while it goes on: what is done, what runs and for how long, how long it took before."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from html import escape
from typing import Any

from runbook_lib.times import duration_text

_TICK_SECONDS = 1.0


class Progress:
    """A line a phase, kept up to date in its place. `past` is what each phase took before, in seconds."""

    def __init__(self, past: Mapping[str, float]) -> None:
        import ipywidgets
        from IPython.display import display

        self._past = past
        self._phases: list[tuple[str, float]] = []
        self._ended = 0.0
        self._target = ""
        self._widget = ipywidgets.HTML()
        self._widget.add_class("runbook-progress")
        self._done = threading.Event()
        untyped: Any = display
        untyped(self._widget)
        threading.Thread(target=self._tick, daemon=True).start()

    def phase(self, name: str, *, target: str) -> None:
        """Begin a phase; the one before it has ended."""
        self._phases.append((name, time.monotonic()))
        self._target = target
        self._show()

    def stop(self, *, well: bool) -> None:
        """Let it stand."""
        self._done.set()
        self._ended = time.monotonic()
        self._show(mark="✔" if well else "✘ stopped in this phase")

    def _tick(self) -> None:
        while not self._done.wait(_TICK_SECONDS):
            self._show()

    def _show(self, *, mark: str = "…") -> None:
        now = self._ended or time.monotonic()
        rows = []
        for index, (name, began) in enumerate(self._phases):
            last = index == len(self._phases) - 1
            until = now if last else self._phases[index + 1][1]
            rows.append((mark if last else "✔", name, _text(until - began), self._before(name)))
        begun = self._phases[0][1] if self._phases else now
        self._widget.value = _table(self._target, rows, f"{_text(now - begun)} so far; {self._estimate()}")

    def _before(self, name: str) -> str:
        return _text(self._past[name]) if name in self._past else "—"

    def _estimate(self) -> str:
        if not self._past:
            return "no record of an earlier run tells how long it takes"
        return f"{_text(sum(self._past.values()))} in earlier runs on record"


def _text(seconds: float) -> str:
    return duration_text(timedelta(seconds=round(seconds)))


def _table(target: str, rows: list[tuple[str, str, str, str]], closing: str) -> str:
    cell = "padding:.15em .8em;text-align:left"
    heads = "".join(f'<th style="{cell}">{name}</th>' for name in ("", "phase", "takes", "took before"))
    lines = "".join(
        "<tr>" + "".join(f'<td style="{cell}">{escape(text)}</td>' for text in row) + "</tr>" for row in rows
    )
    return (
        f'<div style="font-size:13px"><b>{escape(target)}</b>'
        f'<table style="border-collapse:collapse"><tr>{heads}</tr>{lines}</table>{escape(closing)}</div>'
    )
