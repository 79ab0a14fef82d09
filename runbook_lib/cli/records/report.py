"""`runbook records report`: a page to hand on, for one run or for a store."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib.cli._options import records_option
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.plain import plain
from runbook_lib.records.index import index_page
from runbook_lib.records.register import entries, events_of, find, notebook_of
from runbook_lib.records.report import contained_page
from runbook_lib.records.store import MANIFEST, Store, write_atomically


@click.command(short_help="Write one HTML page about a run, or an index of all.")
@click.argument("record", required=False)
@records_option
@click.option("--index", is_flag=True, help="Write the index page of the store (index.html in it).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write.")
def command(*, record: str | None, store: Store, index: bool, output: Path | None) -> None:
    """Write a page that needs no network: of one RECORD, or with --index of the whole store."""
    if index:
        path = output or store.root / "index.html"
        write_atomically(path, index_page(list(entries(store)), store=store, page=path))
    elif record:
        import nbformat

        entry = find(store, record)
        if entry.manifest is None:
            raise NotFound(
                f"The record has no usable {MANIFEST}. {entry.problem}", hint="Try `runbook records verify`."
            )
        path = output or Path(f"{entry.folder.name}.html")
        notebook = notebook_of(entry)
        page = contained_page(lambda: nbformat.v4.to_notebook(notebook), entry.manifest, events_of(entry))
        write_atomically(path, page)
    else:
        raise InputRefused("Nothing to report on.", hint="Name a record, or ask for --index.")
    click.echo(plain(str(path)))
