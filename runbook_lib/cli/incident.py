"""`runbook incident`: one incident in one page."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runbook_lib.cli._options import records_option
from runbook_lib.errors import InputRefused
from runbook_lib.plain import plain
from runbook_lib.records.store import Store


@click.command(short_help="One incident in one page: what happened, who, what came back, what is open.")
@click.argument("name")
@records_option
@click.option(
    "--format", "form", type=click.Choice(["markdown", "html", "json"]), default="markdown", show_default=True
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there; .html is HTML.")
@click.option("--note", default="", metavar="TEXT", help="Add a note for the next engineer, and show nothing else.")
def command(*, name: str, store: Store, form: str, output: Path | None, note: str) -> None:
    """Show the incident NAME as its records tell it. Nothing is asked of AWS or a database.

    The page fits into a postmortem. A note becomes a part of it; secrets are taken out of it first.
    """
    from runbook_lib.records.incident import incident_of, write_note
    from runbook_lib.records.incident_page import as_html, as_markdown

    if note:
        click.echo(plain(f"Noted in {write_note(store, name, note)}."))
        return
    found = incident_of(store, name)
    if output is not None and output.suffix in (".html", ".htm", ".json"):
        form = "json" if output.suffix == ".json" else "html"
    if form == "json":
        page = json.dumps(found.as_json(), indent=2) + "\n"
    else:
        page = as_html(found) if form == "html" else as_markdown(found)
    if output is None:
        click.echo(page, nl=False)
        return
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputRefused(f"{output} cannot be written: {error.strerror}.", hint="Name another file.") from error
    click.echo(plain(str(output)))
