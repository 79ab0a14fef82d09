"""`runbook records show`: what one run did and how it ended."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runbook_lib import times
from runbook_lib.cli._options import records_option
from runbook_lib.plain import json_line, plain
from runbook_lib.records.manifest import Manifest
from runbook_lib.records.publishing import published_to
from runbook_lib.records.recovery import recovery_lines, recovery_of_incident
from runbook_lib.records.register import find
from runbook_lib.records.report import facts
from runbook_lib.records.store import Store


@click.command(short_help="Show one run: outcome, facts, cells.")
@click.argument("record")
@records_option
@click.option("--json", "as_json", is_flag=True, help="Write the manifest as one JSON line.")
def command(*, record: str, store: Store, as_json: bool) -> None:
    """Show one run. RECORD is its folder, its run id (or the beginning of one), or `latest`."""
    entry = find(store, record)
    if as_json:
        click.echo(json_line(entry.as_json()))
        return
    console = Console(highlight=False)
    headline = entry.manifest.headline if entry.manifest else entry.problem
    console.print(
        Text(plain(f"{entry.notebook}: {entry.outcome.value}"), "bold"), Text(f"\n{plain(headline)}\n"), sep=""
    )
    if entry.manifest is None:
        click.echo(plain(str(entry.folder)))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts(entry.manifest):
        table.add_row(*_as_text(name, value))
    for name, value in _of_the_incident(entry.manifest, store):
        table.add_row(*_as_text(name, value))
    for name, value in entry.manifest.parameters.items():
        table.add_row(*_as_text(f"-p {name}", json.dumps(value, ensure_ascii=False)))
    for cell in entry.manifest.cells:
        took = f" in {times.seconds_text(cell.seconds)}" if cell.seconds is not None else ""
        table.add_row(f"cell {cell.number}", f"{cell.state.value}{took}{', as its tag allows' if cell.allowed else ''}")
    table.add_row(*_as_text("folder", str(entry.folder)))
    table.add_row(*_as_text("published to", published_to(store, entry.folder) or "nowhere"))
    console.print(table)


def _as_text(*said: str) -> tuple[Text, ...]:
    """Return what a record says as text: brackets in it are no markup, and no sign in it acts on the terminal."""
    return tuple(Text(plain(each)) for each in said)


def _of_the_incident(manifest: Manifest, store: Store) -> list[tuple[str, str]]:
    """Measure the whole recovery where the run had a part in one, and does not tell of it itself."""
    said = manifest.recovery or {}
    if not said or "steps" in said or not manifest.incident:
        return []
    measured = recovery_of_incident(manifest.incident, cluster=manifest.cluster, store=store)
    return [(f"incident: {name}", value) for name, value in recovery_lines(measured.as_json())]
