"""`runbook records list`: which runs there were."""

from __future__ import annotations

import json
import sys
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table

from runbook_lib import times
from runbook_lib.cli._options import records_option
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import Entry, entries
from runbook_lib.records.report import seconds_text
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
    """List the runs of a store, oldest first. Runs that were killed are shown as orphaned."""
    after = times.parse_timestamp(since, now=times.utc_now()).moment if since else None
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
            click.echo(json.dumps(entry.as_json(), ensure_ascii=False))
        return
    if not found:
        click.echo(f"No such runs in {store.root}.", err=True)
        return
    wide = None if sys.stdout.isatty() else 200  # what is piped elsewhere is not folded
    Console(width=wide).print(_table(found, now=times.utc_now()))


def _table(found: list[Entry], *, now: datetime) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("started (UTC)", "notebook", "incident", "cluster", "outcome", "took", "run"):
        table.add_column(name, no_wrap=name in ("started (UTC)", "run", "outcome", "took"), overflow="fold")
    for entry in found:
        took = seconds_text(entry.manifest.seconds) if entry.manifest else ""
        if entry.outcome is Outcome.RUNNING:
            took = f"began {times.ago(entry.started, now=now)}"
        colour = _COLOURS.get(entry.outcome, "red")
        table.add_row(
            f"{entry.started:%Y-%m-%d %H:%M:%S}",
            entry.notebook,
            entry.incident,
            entry.cluster,
            f"[{colour}]{entry.outcome.value}[/]{' (damaged)' if entry.problem and entry.manifest is None else ''}",
            took,
            entry.run_id,
        )
    return table
