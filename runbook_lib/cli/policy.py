"""`runbook policy`: the least-privilege IAM policy of the notebooks, and the check of a given one."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import click

import runbook_lib
from runbook_lib.errors import CheckFailed
from runbook_lib.policy.document import Scope, policy_for
from runbook_lib.policy.notebooks import calls_of
from runbook_lib.policy.review import read_policy, review
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
@click.option(
    "--check",
    "given",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read this policy and say what is missing and what is too wide.",
)
def command(  # noqa: PLR0913 # click hands over each option as a parameter
    notebooks: tuple[str, ...],
    form: str,
    sources: tuple[str, ...],
    prefix: str,
    secrets: tuple[str, ...],
    monitoring_role: str,
    given: Path | None,
) -> int:
    """Print the least-privilege IAM policy for the notebooks, all of them unless some are named.

    It is made from the calls as the code declares them. Asks AWS nothing.
    """
    import_declarations()
    scope = Scope(sources=sources, prefix=prefix, secrets=secrets, monitoring_role=monitoring_role)
    names = tuple(Path(name).stem for name in notebooks)
    document = policy_for(calls_of(names), scope)
    if given is None:
        click.echo(terraform(document) if form == "terraform" else json.dumps(document, indent=2))
        return 0
    found = review(read_policy(given.read_text(encoding="utf-8")), document)
    for finding in found:
        click.echo(f"{finding.kind}: {finding.sentence}")
    if not found:
        click.echo("Nothing is missing, and nothing is too wide.")
    return CheckFailed.exit_code if found else 0
