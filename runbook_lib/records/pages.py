"""A page of named tables that needs nothing else: as HTML that loads and runs nothing, or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from runbook_lib.plain import plain
from runbook_lib.records.report import TEMPLATES

_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A table under its title. `look` is how it is set; "wide" ones stand below the others. `fold` hides the rows."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    fold: bool = False
    look: str = "pairs"


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page says: `kind` is the small line above the headline, `about` one below it in Markdown."""

    title: str
    kind: str
    headline: str
    tone: Literal["good", "bad"]
    parts: Sequence[Part]
    footer: str
    about: str = ""


def as_html(page: Page) -> str:
    """Return the page as one HTML file that loads and runs nothing."""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(page.title)}</title>",
        f"<style>{(TEMPLATES / 'report.css').read_text(encoding='utf-8')}</style></head><body>",
        f'<header class="{page.tone}"><p class="kind">{_text(page.kind)}</p>',
        f'<p class="sign long">{_text(page.headline)}</p></header><section class="facts incident">',
    ]
    parts.append('<div class="side">')
    for part in sorted(page.parts, key=lambda each: each.look.startswith("wide")):
        if part.look.startswith("wide") and "</div><!-- side -->" not in parts:
            parts.append("</div><!-- side -->")
        table = _table(part)
        title = f"<h2>{_text(part.title)}</h2>"
        folded = f"<details><summary>all {len(part.rows)}</summary>{table}</details>" if part.fold else table
        parts.append(f'<div class="part {part.look}">{title}{folded}</div>')
    parts.append(f"</section><footer>{_text(page.footer)}</footer></body></html>\n")
    return "\n".join(parts)


def _table(part: Part) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in part.columns)
    lines = [f"<tr>{heads}</tr>"] if any(part.columns) else []
    for row in part.rows:
        lines.append("<tr>" + "".join(f"<td>{_text(cell).replace(chr(10), '<br>')}</td>" for cell in row) + "</tr>")
    return f"<table>{''.join(lines)}</table>"


def _text(text: str) -> str:
    return escape(plain(text))


def as_markdown(page: Page) -> str:
    """Return the page as Markdown, in which nothing that its texts say is markup."""
    lines = [f"# {_inert(page.title)}", "", f"**{_inert(page.headline)}**", ""]
    if page.about:
        lines += [_inert(page.about), ""]
    for part in page.parts:
        lines += [f"## {_inert(part.title)}", ""]
        if len(part.columns) == 1:
            lines += [f"- {_inert(row[0])}" for row in part.rows]
        else:
            lines += [f"| {' | '.join(part.columns)} |", f"|{'---|' * len(part.columns)}"]
            lines += [f"| {' | '.join(_inert(cell) for cell in row)} |" for row in part.rows]
        lines.append("")
    return "\n".join(lines)


def _inert(text: str) -> str:
    one_line = " / ".join(plain(text).split("\n"))
    return re.sub(r"([\\`*_\[\]<>|#!~&])", r"\\\1", one_line).replace("://", ":\\//").replace("@", "\\@")
