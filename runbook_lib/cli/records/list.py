"""`runbook records list`: which runs there were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from runbook_lib import times
from runbook_lib.cli._options import records_option
from runbook_lib.plain import json_line
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import Entry, check_store, entries
from runbook_lib.records.store import Store

_COLOURS = {Outcome.SUCCEEDED: "green", Outcome.PLANNED: "cyan", Outcome.RUNNING: "yellow"}


@click.command(name="list", short_help="List the runs, oldest first.")
@records_option
@click.option("--cluster", default="", help="Only runs about this cluster.")
@click.option("--incident", default="", help="Only runs of this incident.")
@click.option("--notebook", default="", help="Only runs of this notebook.")
@click.option("--outcome", type=click.Choice([outcome.value for outcome in Outcome]), help="Only runs that ended so.")
@click.option("--since", default="", metavar="TIME", help='Only runs since then: "2 days ago", 2026-02-04T10:00:00Z.')
@click.option("--json", "as_json", is_flag=True, help="Write a JSON line for each.")
def command(  # noqa: PLR0913 # click hands over each option as a parameter
    *, store: Store, cluster: str, incident: str, notebook: str, outcome: str | None, since: str, as_json: bool
) -> None:
    """List the runs of a store, oldest first. Killed runs are shown as orphaned, broken records as spoilt."""
    after = times.parse_timestamp(since, now=times.utc_now()).moment if since else None
    check_store(store)
    found = [
        entry
        for entry in entries(store)
        if (not cluster or entry.cluster == cluster)
        and (not incident or entry.incident == incident)
        and (not notebook or entry.notebook == notebook.removesuffix(".ipynb"))
        and (not outcome or entry.outcome.value == outcome)
        and (after is None or entry.started >= after)
    ]
    if as_json:
        for entry in found:
            click.echo(json_line(entry.as_json()))
        return
    if not found:
        click.echo(f"No such runs in {store.root}.", err=True)
        return
    click.echo("\n".join(_lines(found, now=times.utc_now())))


def _lines(found: list[Entry], *, now: datetime) -> Iterator[str]:
    """Return a table, one line for each run. What records say is shown as text: nothing in it can act."""
    rows: list[tuple[str, ...]] = [("started (UTC)", "notebook", "incident", "cluster", "outcome", "took", "run")]
    for entry in found:
        took = times.seconds_text(entry.summary["seconds"]) if entry.is_whole else ""
        if entry.outcome is Outcome.RUNNING:
            took = f"began {times.ago(entry.started, now=now)}"
        named = (entry.notebook, entry.incident, entry.cluster, entry.outcome.value, took, entry.run_id)
        rows.append((f"{entry.started:%Y-%m-%d %H:%M:%S}", *map(_printable, named)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    yield "  ".join(cell.ljust(width) for cell, width in zip(rows[0], widths, strict=True)).rstrip()
    for row, entry in zip(rows[1:], found, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[4] = click.style(cells[4], fg=_COLOURS.get(entry.outcome, "red"))
        yield "  ".join(cells).rstrip()
        if entry.problem:
            yield f"    {_printable(entry.problem)}"


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "�" for sign in text)
