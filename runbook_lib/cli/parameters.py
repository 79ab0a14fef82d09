"""`runbook parameters`: the parameter files that come with the runbooks, to begin one's own from."""

from __future__ import annotations

import click

from runbook_lib import shipped
from runbook_lib.errors import NotFound


@click.command(short_help="List the parameter files that come with the runbooks, or print one.")
@click.argument("name", default="")
def command(name: str) -> int:
    """Print the shipped parameter file NAME, or without a name list them.

    `runbook parameters production.example > production.yml` begins a file of your own. A file holds no secret.
    """
    found = {path.stem: path for path in sorted(shipped.PARAMETERS.glob("*.yml"))}
    if not name:
        click.echo("\n".join(found))
        return 0
    path = found.get(name.removesuffix(".yml"))
    if path is None:
        raise NotFound(f'There is no parameter file "{name}".', hint=f"Name one of: {', '.join(found)}.")
    click.echo(path.read_text(encoding="utf-8"), nl=False)
    return 0
