"""An incident in one page: HTML that needs nothing else, or Markdown for a postmortem; both say the same."""

from __future__ import annotations

from collections.abc import Iterator

from runbook_lib.records import pages
from runbook_lib.records.incident import Incident, moment_text
from runbook_lib.records.pages import Page, Part

_LONG = 12  # rows of a table that are shown before a click
_NOTHING = "Not on record."


def _parts(incident: Incident) -> Iterator[Part]:
    yield Part(
        title="What is open",
        look="open",
        columns=("",),
        rows=[(line,) for line in incident.open] or [("Nothing, as far as records tell.",)],
    )
    if incident.notes:
        notes = [(moment_text(note), note.text) for note in incident.notes]
        yield Part(title="Notes to the next engineer", columns=("when", "note"), rows=notes)
    recovery = [(name, value) for name, value in incident.recovery if name != "of that"]
    yield Part(title="Recovery point and time", columns=("", ""), rows=recovery or [("", _NOTHING)])
    yield Part(title="What was lost and what came back", columns=("", ""), rows=incident.sizes or [("", _NOTHING)])
    who = [*incident.people, ("records", incident.sealed)]
    yield Part(title="Who, and what tells of it", columns=("", ""), rows=who)
    yield Part(title="What it cost", columns=("",), rows=[(line,) for line in incident.cost], look="open")
    phases = [
        (name, *line.partition(": ")[::2])
        for name, value in incident.recovery
        if name.startswith("of that")
        for line in value.split("\n")
    ]
    if phases:
        yield Part(title="The time, by part", columns=("part", "took"), rows=[row[1:] for row in phases])
    rows = [(moment_text(each), each.kind, each.text, each.run_id) for each in incident.timeline]
    yield Part(
        title="What happened when", columns=("UTC", "", "what", "run"), rows=rows, fold=len(rows) > _LONG, look="wide"
    )
    kept = [(r.run_id, r.notebook, r.outcome, r.proof, r.headline, r.seal, r.folder) for r in incident.records]
    columns = ("run", "notebook", "outcome", "files", "what came of it", "seal", "folder")
    yield Part(
        title="The records, and whether they are as they were sealed", columns=columns, rows=kept, look="wide kept"
    )


def _headline(incident: Incident) -> str:
    return f"{'✔' if incident.good else '✘'} {incident.outcome}"


def _page(incident: Incident, *, title: str) -> Page:
    clusters = ", ".join(incident.clusters)
    return Page(
        title=title,
        kind=f"Incident {incident.name} · {clusters}",
        headline=_headline(incident),
        tone="good" if incident.good else "bad",
        parts=list(_parts(incident)),
        footer="Made of the records alone: nothing was asked of AWS or a database.",
        about=clusters,
    )


def as_html(incident: Incident) -> str:
    """Return the page as one HTML file that loads and runs nothing."""
    return pages.as_html(_page(incident, title=f"{incident.name}: the incident in one page"))


def as_markdown(incident: Incident) -> str:
    """Return the page as Markdown, in which nothing that records say is markup."""
    return pages.as_markdown(_page(incident, title=f"Incident {incident.name}"))
