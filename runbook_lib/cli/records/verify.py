"""`runbook records verify`: whether the records are what their runs left."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from runbook_lib.cli._options import records_option
from runbook_lib.errors import CheckFailed
from runbook_lib.records.register import entries, find
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_record, verify_store


@click.command(short_help="Check that no record was changed, cut or removed.")
@click.argument("record", nargs=-1)
@records_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON line for each finding.")
def command(*, record: tuple[str, ...], store: Store, as_json: bool) -> int:
    """Check the named records, or the whole store and its chain. Exit code 3: something is not as it was left."""
    if record:
        chosen = [find(store, name).folder for name in record]
        found = tuple(finding for folder in chosen for finding in verify_record(folder, root=store.root))
        checked = len(chosen)
    else:
        checked = sum(1 for _ in entries(store))
        found = verify_store(store)
    for finding in found:
        click.echo(json.dumps(asdict(finding)) if as_json else str(finding))
    if not as_json:
        click.echo(f"Records checked: {checked}. Findings: {len(found)}.")
    return CheckFailed.exit_code if found else 0
