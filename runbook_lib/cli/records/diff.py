"""`runbook records diff`: what differs between two runs."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from runbook_lib.cli._options import records_option
from runbook_lib.records.comparison import compare
from runbook_lib.records.register import find, notebook_of
from runbook_lib.records.store import Store

_COLOURS = {"-": "red", "+": "green"}


@click.command(short_help="Compare two runs, leaving aside times and ids.")
@click.argument("first")
@click.argument("second")
@records_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON line for each difference.")
def command(*, first: str, second: str, store: Store, as_json: bool) -> int:
    """Compare two runs: their parameters, outcomes and cells. Exit code 0: they are the same; 1: they differ."""
    found = compare(notebook_of(find(store, first)), notebook_of(find(store, second)))
    for difference in found:
        if as_json:
            click.echo(json.dumps(asdict(difference), ensure_ascii=False))
            continue
        click.secho(difference.where, bold=True)
        for line in difference.lines:
            click.secho(f"  {line}", fg=_COLOURS.get(line[:1]))
    if not found and not as_json:
        click.echo("The same, but for times and ids.")
    return 1 if found else 0
