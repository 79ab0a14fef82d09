"""`runbook records close`: the end that killed runs could not write."""

from __future__ import annotations

import click

from runbook_lib.cli._options import records_option
from runbook_lib.plain import plain
from runbook_lib.records.orphans import close_all
from runbook_lib.records.store import Store


@click.command(short_help="Write the end of runs that were killed.")
@click.option("--incident", default=None, metavar="ID", help="Only runs of this incident; '' is those of none.")
@records_option
def command(*, incident: str | None, store: Store) -> None:
    """Give each run that was killed its truthful end: what it announced last, and how each of its cells stood.

    Only runs whose process is gone, and whose record has no end, are touched. The next run of an incident does the
    same for that incident.
    """
    closed = close_all(store, incident=incident)
    for folder in closed:
        click.echo(plain(str(folder)))
    click.echo(f"Killed runs closed: {len(closed)}.", err=True)
