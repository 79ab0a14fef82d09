"""Static tables: the same facts as text and as HTML, readable in ten years."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from textwrap import wrap
from typing import Any

from runbook_lib.plain import plain

# Colour is never the only sign: each mark has its word in the table as well. Tints work on light and dark themes.
_TINTS = {"good": "rgba(0,158,115,.16)", "warn": "rgba(230,159,0,.20)", "bad": "rgba(213,94,0,.22)"}
NO_MATHEMATICS = "mathjax_ignore tex2jax_ignore"  # JupyterLab reads $…$ as mathematics otherwise
_WHOLE = 30
_LEAST_EM = 11  # of a column with long texts: narrower ones become a tower of words


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under headed columns; units belong into the heading ("size, GiB").

    `marks` tints rows by their index: "good", "warn" or "bad". `left_out` is how many rows are not shown.
    `longest_line` is where lines within a cell are broken in the text; the HTML breaks them as there is room. With
    `folded` the HTML shows the title only, until a click.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    marks: Mapping[int, str] = field(default_factory=dict)
    left_out: int = 0
    longest_line: int = 72
    folded: bool = False

    def __str__(self) -> str:
        cells = [[_text(value) for value in row] for row in self.rows]
        lines = [[_wrapped(part, self.longest_line) for part in row] for row in cells]
        heads = list(self.columns)
        widths = [
            max([_width(head)] + [_width(line) for row in lines for line in row[index]])
            for index, head in enumerate(heads)
        ]
        right = [self._is_number(index) for index in range(len(heads))]
        out = [self.title] if self.title else []
        if any(heads):
            out += ["  ".join(_pad(h, w, r) for h, w, r in zip(heads, widths, right, strict=True)).rstrip()]
            out += ["  ".join("─" * w for w in widths)]
        for row in lines:
            for depth in range(max(len(part) for part in row)):
                parts = [part[depth] if depth < len(part) else "" for part in row]
                out.append("  ".join(_pad(p, w, r) for p, w, r in zip(parts, widths, right, strict=True)).rstrip())
        return "\n".join(out + self._endings())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self.html()}

    def html(self) -> str:
        """Write the table as self-contained HTML with inline styles."""
        align = ["right" if self._is_number(index) else "left" for index in range(len(self.columns))]
        parts = [f'<table class="{NO_MATHEMATICS}" style="border-collapse:collapse;font-size:13px;margin:.4em 0">']
        if self.title and not self.folded:
            whole = "" if self.rows else ";white-space:nowrap"  # a caption is as wide as its table
            style = f"caption-side:top;text-align:left;font-weight:600;padding:.3em 0{whole}"
            parts.append(f'<caption style="{style}">{escape(self.title)}</caption>')
        if any(self.columns):
            heads = "".join(
                f'<th style="padding:.25em .8em;text-align:{a};border-bottom:1.5px solid currentColor">'
                f"{escape(head)}</th>"
                for head, a in zip(self.columns, align, strict=True)
            )
            parts.append(f"<thead><tr>{heads}</tr></thead>")
        parts.append("<tbody>")
        for index, row in enumerate(self.rows):
            tint = _TINTS.get(self.marks.get(index, ""), "")
            cells = "".join(
                f'<td style="{_cell(a, _text(value))};border-bottom:1px solid rgba(128,128,128,.25)">'
                f"{escape(_text(value))}</td>"
                for value, a in zip(row, align, strict=True)
            )
            parts.append(f'<tr style="background:{tint or "transparent"}">{cells}</tr>')
        parts.append("</tbody></table>")
        style = f'class="{NO_MATHEMATICS}" style="font-size:12px;opacity:.85"'
        parts += [f"<div {style}>{escape(line)}</div>" for line in self._endings()]
        return _folded(self.title, "".join(parts)) if self.folded else "".join(parts)

    def _endings(self) -> list[str]:
        left = [f"… and {self.left_out:,} more rows that are not shown."] if self.left_out else []
        return left + ([self.note] if self.note else [])

    def _is_number(self, column: int) -> bool:
        values = [row[column] for row in self.rows if row[column] not in (None, "", "—")]
        return bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _folded(title: str, content: str) -> str:
    style = "cursor:pointer;font-size:13px;font-weight:600;padding:.3em 0"
    return f'<details><summary style="{style}">{escape(title)}</summary>{content}</details>'


def _text(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else plain(str(value))


def _wrapped(text: str, longest: int) -> list[str]:
    """Break lines too long for a terminal between words; names and numbers stay whole, to be copied."""
    return [
        part
        for line in text.splitlines() or [""]
        for part in wrap(line, longest, break_long_words=False, break_on_hyphens=False) or [""]
    ]


def _width(text: str) -> int:
    """Return the width on a terminal, where East Asian characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _cell(align: str, text: str) -> str:
    """Style a cell. Short lines stay whole, above all times and names to be copied; only long ones are broken."""
    short = all(_width(line) <= _WHOLE for line in text.splitlines())
    space = "white-space:pre" if short else f"white-space:pre-wrap;overflow-wrap:anywhere;min-width:{_LEAST_EM}em"
    return f"padding:.25em .8em;text-align:{align};vertical-align:top;{space}"


def _pad(text: str, width: int, right: bool) -> str:
    gap = " " * (width - _width(text))
    return gap + text if right else text + gap
