"""`runbook run`: one headless run of a notebook, one record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from runbook_lib.records.parameters import Written
from runbook_lib.records.run import Progress, RunRecord, run_notebook
from runbook_lib.records.store import Store, default_store


@click.command(short_help="Run a notebook headless and keep the record.")
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option("-p", "--parameter", "given", nargs=2, multiple=True, metavar="NAME VALUE", help="Set one parameter.")
@click.option("--incident", default="", metavar="ID", help="The incident this run belongs to.")
@click.option(
    "--records", "records", metavar="DIR", default="", help="Where records are kept [$RUNBOOK_RECORDS or ./records]."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON line about the run to stdout at the end.")
def command(notebook: Path, given: tuple[tuple[str, str], ...], incident: str, records: str, as_json: bool) -> int:
    """Run NOTEBOOK in a kernel of its own; what it does, and how it ends, is kept as a record."""
    record = run_notebook(
        notebook,
        parameters={name: Written(text=text) for name, text in given},
        incident=incident,
        store=Store(Path(records)) if records else default_store(),
        on_progress=_show,
    )
    _report(record, as_json=as_json)
    return record.exit_code


def _show(progress: Progress) -> None:
    click.echo(
        f"[{progress.run_seconds:6.1f} s] cell {progress.cell} of {progress.cells} {progress.state.value}", err=True
    )


def _report(record: RunRecord, *, as_json: bool) -> None:
    click.echo("\n".join(record.lines) or f"{record.outcome}: {record.headline}", err=True)
    facts: dict[str, Any] = {
        "run_id": record.run_id,
        "outcome": record.outcome,
        "exit_code": record.exit_code,
        "folder": str(record.folder),
    }
    click.echo(json.dumps(facts) if as_json else str(record.folder))
