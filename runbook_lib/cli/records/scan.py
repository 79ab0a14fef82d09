"""`runbook records scan`: secrets that stand in old records."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from runbook_lib.cli._options import records_option
from runbook_lib.errors import CheckFailed
from runbook_lib.records.scanning import scan
from runbook_lib.records.store import Store


@click.command(short_help="Find secrets in old records or any files.")
@click.argument("path", nargs=-1, type=click.Path(path_type=Path, exists=True))
@records_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON line for each finding.")
def command(*, path: tuple[Path, ...], store: Store, as_json: bool) -> int:
    """Look for secrets in files and folders, by default in the whole store. Exit code 3: there are some.

    It shows where and of what kind, never the secret itself.
    """
    found = scan(path or (store.root,))
    for each in found:
        click.echo(json.dumps(asdict(each)) if as_json else str(each))
    if not as_json:
        click.echo(f"{len(found)} finding{'' if len(found) == 1 else 's'}.")
    return CheckFailed.exit_code if found else 0
