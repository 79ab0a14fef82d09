"""Several tables and figures under each other as one value, so that one cell shows one thing."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from runbook_lib.display.figure import Figure
from runbook_lib.display.table import NO_MATHEMATICS, Table


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A headline, tables and figures, and a closing sentence that says what to do."""

    headline: str = ""
    tables: tuple[Table | Figure | Stack, ...] = ()
    closing: str = ""

    def __str__(self) -> str:
        return "\n\n".join(part for part in (self.headline, *map(str, self.tables), self.closing) if part)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self.html()}

    def html(self) -> str:
        """Write it as self-contained HTML with inline styles."""
        style = f'class="{NO_MATHEMATICS}" style="font-size:15px;font-weight:600;margin:.4em 0"'
        head = f"<div {style}>{escape(self.headline)}</div>" if self.headline else ""
        tables = "".join(table.html() for table in self.tables)
        style = "margin:.6em 0;padding:.5em 1em;border-left:4px solid #0072B2;white-space:pre-wrap"
        closing = f'<div class="{NO_MATHEMATICS}" style="{style}">{escape(self.closing)}</div>' if self.closing else ""
        return head + tables + closing
