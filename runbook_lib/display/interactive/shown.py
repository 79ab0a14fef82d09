"""One value with what belongs beside it to click; static readers get the value alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.display.table import NO_MATHEMATICS


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A static value and the widgets beside it. Only an interactive front-end shows this; `value` is what is recorded.

    With a `handle` the value can be shown anew in its place.
    """

    value: Any
    widgets: Sequence[Any]
    handle: str = ""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        untyped: Any = display
        untyped(self.value, display_id=self.handle or None)
        for widget in self.widgets:
            untyped(widget)


def words(text: str) -> str:
    """Return a line of text in the notebook's own colours."""
    return f'<div class="{NO_MATHEMATICS}" style="font-size:13px;line-height:1.5">{text}</div>'


def in_sight(lines: str) -> str:
    """Return the parameters as a headless run would take them, so that they can be read and copied."""
    from html import escape

    style = "margin:.3em 0;padding:.4em .8em;border-left:4px solid #0072B2;background:transparent;color:inherit"
    return f'<pre style="{style}">{escape(lines)}</pre>'
