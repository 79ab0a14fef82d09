"""An incident in one page: HTML that needs nothing else, or Markdown for a postmortem; both say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from runbook_lib.plain import plain
from runbook_lib.records.incident import Incident, moment_text
from runbook_lib.records.report import TEMPLATES

_LONG = 12  # rows of a table that are shown before a click
_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_NOTHING = "Not on record."


@dataclass(frozen=True, kw_only=True)
class _Part:
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    fold: bool = False
    look: str = "pairs"


def _parts(incident: Incident) -> Iterator[_Part]:
    yield _Part(
        title="What is open",
        look="open",
        columns=("",),
        rows=[(line,) for line in incident.open] or [("Nothing, as far as records tell.",)],
    )
    if incident.notes:
        notes = [(moment_text(note), note.text) for note in incident.notes]
        yield _Part(title="Notes to the next engineer", columns=("when", "note"), rows=notes)
    recovery = [(name, value) for name, value in incident.recovery if name != "of that"]
    yield _Part(title="Recovery point and time", columns=("", ""), rows=recovery or [("", _NOTHING)])
    yield _Part(title="What was lost and what came back", columns=("", ""), rows=incident.sizes or [("", _NOTHING)])
    who = [*incident.people, ("records", incident.sealed)]
    yield _Part(title="Who, and what tells of it", columns=("", ""), rows=who)
    yield _Part(title="What it cost", columns=("",), rows=[(line,) for line in incident.cost], look="open")
    phases = [
        (name, *line.partition(": ")[::2])
        for name, value in incident.recovery
        if name.startswith("of that")
        for line in value.split("\n")
    ]
    if phases:
        yield _Part(title="The time, by part", columns=("part", "took"), rows=[row[1:] for row in phases])
    rows = [(moment_text(each), each.kind, each.text, each.run_id) for each in incident.timeline]
    yield _Part(
        title="What happened when", columns=("UTC", "", "what", "run"), rows=rows, fold=len(rows) > _LONG, look="wide"
    )
    kept = [(r.run_id, r.notebook, r.outcome, r.proof, r.headline, r.seal, r.folder) for r in incident.records]
    columns = ("run", "notebook", "outcome", "files", "what came of it", "seal", "folder")
    yield _Part(
        title="The records, and whether they are as they were sealed", columns=columns, rows=kept, look="wide kept"
    )


def _headline(incident: Incident) -> str:
    return f"{'✔' if incident.good else '✘'} {incident.outcome}"


def as_html(incident: Incident) -> str:
    """Return the page as one HTML file that loads and runs nothing."""
    tone = "good" if incident.good else "bad"
    clusters = ", ".join(incident.clusters)
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(incident.name)}: the incident in one page</title>",
        f"<style>{(TEMPLATES / 'report.css').read_text(encoding='utf-8')}</style></head><body>",
        f'<header class="{tone}"><p class="kind">Incident {_text(incident.name)} · {_text(clusters)}</p>',
        f'<p class="sign long">{_text(_headline(incident))}</p></header><section class="facts incident">',
    ]
    parts.append('<div class="side">')
    for part in sorted(_parts(incident), key=lambda each: each.look.startswith("wide")):
        if part.look.startswith("wide") and "</div><!-- side -->" not in parts:
            parts.append("</div><!-- side -->")
        table = _table(part)
        title = f"<h2>{escape(part.title)}</h2>"
        folded = f"<details><summary>all {len(part.rows)}</summary>{table}</details>" if part.fold else table
        parts.append(f'<div class="part {part.look}">{title}{folded}</div>')
    parts.append(
        "</section><footer>Made of the records alone: nothing was asked of AWS or a database.</footer></body></html>\n"
    )
    return "\n".join(parts)


def _table(part: _Part) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in part.columns)
    lines = [f"<tr>{heads}</tr>"] if any(part.columns) else []
    for row in part.rows:
        lines.append("<tr>" + "".join(f"<td>{_text(cell).replace(chr(10), '<br>')}</td>" for cell in row) + "</tr>")
    return f"<table>{''.join(lines)}</table>"


def _text(text: str) -> str:
    return escape(plain(text))


def as_markdown(incident: Incident) -> str:
    """Return the page as Markdown, in which nothing that records say is markup."""
    lines = [f"# Incident {_inert(incident.name)}", "", f"**{_inert(_headline(incident))}**", ""]
    if incident.clusters:
        lines += [_inert(", ".join(incident.clusters)), ""]
    for part in _parts(incident):
        lines += [f"## {part.title}", ""]
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
