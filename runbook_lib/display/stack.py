"""Several tables and figures under each other as one value, so that one cell shows one thing."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from runbook_lib.display.figure import Figure
from runbook_lib.display.table import Table


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A headline, tables and figures, and a closing sentence that says what to do."""

    headline: str
    tables: tuple[Table | Figure, ...] = ()
    closing: str = ""

    def __str__(self) -> str:
        return "\n\n".join([self.headline, *map(str, self.tables), *([self.closing] if self.closing else [])])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self.html()}

    def html(self) -> str:
        """Write it as self-contained HTML with inline styles."""
        head = f'<div style="font-size:15px;font-weight:600;margin:.4em 0">{escape(self.headline)}</div>'
        tables = "".join(table.html() for table in self.tables)
        style = "margin:.6em 0;padding:.5em 1em;border-left:4px solid #0072B2;white-space:pre-wrap"
        closing = f'<div style="{style}">{escape(self.closing)}</div>' if self.closing else ""
        return head + tables + closing
