"""`runbook records verify`: whether the records are what their runs left."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from runbook_lib.cli._options import records_option
from runbook_lib.errors import CheckFailed
from runbook_lib.plain import plain
from runbook_lib.records.register import check_store, find
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_record, verify_store


@click.command(short_help="Check that no record was changed, cut or removed.")
@click.argument("record", nargs=-1)
@records_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON line for each finding.")
def command(*, record: tuple[str, ...], store: Store, as_json: bool) -> int:
    """Check the named records, or the whole store and its chain. Changes nothing.

    Exit code 3: something is not as it was left. Exit code 2: there is no store to check.
    """
    if record:
        chosen = [find(store, name).folder for name in record]
        homes = [Store(folder.parent.parent) for folder in chosen]
        found = tuple(
            finding for folder, home in zip(chosen, homes, strict=True) for finding in verify_record(folder, store=home)
        )
        checked = len(chosen)
    else:
        check_store(store)
        checked = sum(1 for _ in store.folders())
        found = verify_store(store)
    for finding in found:
        click.echo(json.dumps(asdict(finding)) if as_json else plain(str(finding)))
    if not as_json:
        click.echo(f"Records checked: {checked}. Findings: {len(found)}.")
    return CheckFailed.exit_code if found else 0
