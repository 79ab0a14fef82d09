"""`runbook policy`: the least-privilege IAM policy of the notebooks, and the check of a given one."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import click

import runbook_lib
from runbook_lib.errors import CheckFailed
from runbook_lib.policy.document import LONGEST, Scope, policy_for, split
from runbook_lib.policy.notebooks import calls_of
from runbook_lib.policy.reading import read_policy
from runbook_lib.policy.review import review
from runbook_lib.policy.terraform import terraform

_WITHOUT_CALLS = ("cli", "rehearsal", "display")


def import_declarations() -> None:
    """Import every module of the library that may declare AWS calls."""
    for module in walk_packages(runbook_lib.__path__, "runbook_lib."):
        if module.name.split(".")[1] not in _WITHOUT_CALLS:
            import_module(module.name)


@click.command()
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK]…")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "terraform"]),
    default="json",
    show_default=True,
    help="What to write.",
)
@click.option("--source", "sources", multiple=True, metavar="ARN", help="A cluster to be restored; may be repeated.")
@click.option("--prefix", default="", metavar="NAME", help="How the names of restored clusters begin.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME", help="A database account in Secrets Manager.")
@click.option("--monitoring-role", default="", metavar="ARN", help="The source's role of enhanced monitoring.")
@click.option("--role", "roles", multiple=True, metavar="ARN", help="A role of the source that a restore passes on.")
@click.option("--database-user", "users", multiple=True, metavar="NAME", help="A database user that signs in by IAM.")
@click.option(
    "--check",
    "given",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read this policy and say what is missing, what is too wide, and what could not be judged; may be repeated.",
)
def command(  # noqa: PLR0913 # click hands over each option as a parameter
    notebooks: tuple[str, ...],
    form: str,
    sources: tuple[str, ...],
    prefix: str,
    secrets: tuple[str, ...],
    monitoring_role: str,
    given: tuple[Path, ...],
    roles: tuple[str, ...],
    users: tuple[str, ...],
) -> int:
    """Print the least-privilege IAM policy for the notebooks, all of them unless some are named.

    It is made from the calls as the code declares them. Asks AWS nothing.
    """
    import_declarations()
    scope = Scope(
        sources=sources,
        prefix=prefix,
        secrets=secrets,
        monitoring_role=monitoring_role,
        roles=roles,
        database_users=users,
    )
    names = tuple(Path(name).stem for name in notebooks)
    document = policy_for(calls_of(names), scope)
    if not given:
        _print(document, form=form)
        return 0
    regions = {source.split(":")[3] for source in sources}
    held = tuple(statement for path in given for statement in read_policy(path.read_bytes()))
    found = review(held, document, region=regions.pop() if len(regions) == 1 else "")
    for finding in found:
        click.echo(f"{finding.kind}: {finding.sentence}")
    if not found:
        click.echo("Nothing is missing, and nothing is too wide.")
    return CheckFailed.exit_code if found else 0


def _print(document: dict[str, Any], *, form: str) -> None:
    parts = split(document)
    if len(parts) > 1:
        said = f"A managed policy ends at {LONGEST:,} characters, so these are {len(parts)}: attach all of them."
        click.echo(said, err=True)
    if form == "terraform":
        names = [f"recovery_runbooks_{number}" for number in range(1, len(parts) + 1)]
        click.echo(
            "\n\n".join(terraform(part, name=name) for part, name in zip(parts, names, strict=True))
            if len(parts) > 1
            else terraform(document)
        )
    else:
        click.echo(json.dumps(parts if len(parts) > 1 else document, indent=2))
