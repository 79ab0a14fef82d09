"""`runbook records diff`: what differs between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import click

from runbook_lib.cli._options import records_option
from runbook_lib.plain import json_line, plain
from runbook_lib.records.comparison import compare
from runbook_lib.records.manifest import Manifest
from runbook_lib.records.register import Entry, find, notebook_of
from runbook_lib.records.store import Store

_COLOURS = {"-": "red", "+": "green"}


@click.command(short_help="Compare two runs, leaving aside times and ids.")
@click.argument("first")
@click.argument("second")
@records_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON line for each difference.")
def command(*, first: str, second: str, store: Store, as_json: bool) -> int:
    """Compare two runs: their parameters, outcomes and cells. Exit code 0: they are the same; 1: they differ."""
    one, other = find(store, first), find(store, second)
    found = compare(notebook_of(one), notebook_of(other))
    for difference in found:
        if as_json:
            click.echo(json_line(asdict(difference)))
            continue
        click.secho(plain(difference.where), bold=True)
        for line in difference.lines:
            click.secho(f"  {plain(line)}", fg=_COLOURS.get(line[:1]))
    if not found and not as_json:
        aside = "".join(f", {text}" for text in _aside(one, other))
        click.echo(plain(f"The same, but for times and ids{aside}."))
    return 1 if found else 0


def _aside(one: Entry, other: Entry) -> Iterator[str]:
    """Say what differs in who ran it and how, which is no difference of what was done."""
    if one.manifest is None or other.manifest is None:
        return
    first, second = one.manifest, other.manifest
    for name, ours, theirs in (
        ("mode", first.mode, second.mode),
        ("person", _person(first), _person(second)),
    ):
        if ours != theirs:
            yield f"{name} ({ours} / {theirs})"


def _person(manifest: Manifest) -> str:
    who = manifest.operator
    return f"{who.os_user} on {who.host}{f' as {who.aws_arn}' if who.aws_arn else ''}"
