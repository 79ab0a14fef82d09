"""`runbook records`: the register of past runs."""

from __future__ import annotations

import click

from runbook_lib.cli._lazy import group_of


@click.group(cls=group_of(__name__), short_help="Read, check, compare and publish past runs.")
def command() -> None:
    """Read, check, compare and publish the records of past runs."""
