"""The index page of a store: every run in a table, newest first, with a link to its report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from runbook_lib import times
from runbook_lib.plain import upright
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import Entry
from runbook_lib.records.report import TEMPLATES
from runbook_lib.records.store import REPORT, Store

_GOOD = (Outcome.SUCCEEDED, Outcome.PLANNED)


def index_page(found: Sequence[Entry], *, store: Store, page: Path) -> bytes:
    """Return the page. Links are relative to where the `page` will lie, so a store can be moved with it."""
    css = (TEMPLATES / "report.css").read_text("utf-8")
    rows = "\n".join(_row(entry, page.absolute().parent) for entry in reversed(found))
    counts = ", ".join(
        f"{sum(entry.outcome is outcome for entry in found)} {outcome.value}"
        for outcome in Outcome
        if any(entry.outcome is outcome for entry in found)
    )
    written = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Recovery runs · {escape(store.root.name)}</title><style>{css}
body {{ max-width: 80rem; }} table.runs {{ width: 100%; }} table.runs td:not(:last-child) {{ white-space: nowrap; }}
 table.runs th {{ color: var(--soft); font-weight: 500; }}
td.good {{ color: var(--good); }} td.bad {{ color: var(--bad); font-weight: 600; }}</style></head>
<body><h1>Recovery runs</h1>
<p>{len(found)} runs: {escape(counts) or "none yet"}. Newest first, times in UTC,
as of {times.utc_text(times.utc_now())}.</p>
<table class="runs"><tr><th>started</th><th>notebook</th><th>incident</th><th>cluster</th><th>outcome</th>
<th>took</th><th>what came of it</th></tr>
{rows}
</table></body></html>
"""
    return upright(written).encode(errors="replace")


def _row(entry: Entry, beside: Path) -> str:
    report = entry.folder / REPORT
    name = escape(entry.notebook)
    if report.exists():
        name = f'<a href="{quote(os.fsencode(os.path.relpath(report, beside)))}">{name}</a>'
    cells = (
        f"{entry.started:%Y-%m-%d&nbsp;%H:%M}",
        name,
        escape(entry.incident),
        escape(entry.cluster),
        entry.outcome.value,
        escape(times.seconds_text(entry.summary["seconds"])) if entry.is_whole else "",
        escape(entry.summary["headline"] if entry.is_whole else entry.problem),
    )
    kind = "good" if entry.outcome in _GOOD else "bad"
    return (
        "<tr>" + "".join(f'<td class="{kind if i == 4 else ""}">{cell}</td>' for i, cell in enumerate(cells)) + "</tr>"
    )
