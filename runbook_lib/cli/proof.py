"""`runbook proof`: two servers held against each other, or one against the proof that an earlier record keeps."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_lib.errors import CheckFailed, InputRefused
from runbook_lib.plain import json_line

if TYPE_CHECKING:
    from runbook_lib.proof import Proof


@click.command(short_help="Prove that one server holds what another one, or an earlier record, holds.")
@click.argument("found")
@click.option("--against", default="", metavar="HOST:PORT", help="The server that is right.")
@click.option("--record", type=click.Path(path_type=Path), help="The folder of the record whose proof is right.")
@click.option("--schema", "schemas", multiple=True, help="Only this schema; may be given again.")
@click.option("--personal", default="*", show_default=True, help="Columns whose values are not shown, by commas.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep progress here; given again, it goes on.")
@click.option("--workers", default=4, show_default=True, help="Connections to each server.")
@click.option(
    "--longest",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End statements on the server at FOUND that run longer.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the proof as one JSON object.")
def command(  # noqa: PLR0913 # click hands over each option as a parameter
    found: str, against: str, record: Path | None, schemas: tuple[str, ...], personal: str, keep: Path | None,
    workers: int, longest: float | None, as_json: bool,
) -> int:  # fmt: skip  # click hands over each option by its name
    """Read the server at FOUND (HOST:PORT) and say which of its tables lost rows.

    The exit code is 3 when it is different, or not proved.

    Tables are compared to the row and with their definitions; views, routines, triggers, events and sequences by their
    definitions, as far as the accounts may see them. What an account cannot see is said, and then it is not proved.

    The accounts come from the environment: RUNBOOK_MYSQL_USER and RUNBOOK_MYSQL_PASSWORD, and for the other server
    RUNBOOK_AGAINST_USER and RUNBOOK_AGAINST_PASSWORD where it has another account.

    It waits while the server at FOUND is busy or its replicas lag. A table without a unique key is read whole by one
    statement, within which no waiting is possible: --longest bounds it.
    """
    from runbook_lib.cli._servers import side_of
    from runbook_lib.display.proof import proof_sheet
    from runbook_lib.proof import Guard, ProofOptions, hold, prove, read_proof

    if bool(against) == bool(record):
        raise InputRefused("A proof needs one thing that is right.", hint="Give either --against or --record.")
    side, options = (
        side_of(found, "RUNBOOK_MYSQL"),
        ProofOptions(workers=workers, guard=Guard(statement_s=longest), objects=True),
    )
    proof: Proof
    if record:
        proof = hold(side, read_proof(record), schemas=schemas, options=options)
    else:
        other = side_of(against, "RUNBOOK_AGAINST" if os.environ.get("RUNBOOK_AGAINST_USER") else "RUNBOOK_MYSQL")
        patterns = [name for part in personal.split(",") if (name := part.strip())]
        proof = prove(other, side, schemas=schemas, options=replace(options, personal=patterns, keep=keep))
    click.echo(json_line(proof.to_json()) if as_json else str(proof_sheet(proof)))
    return 0 if proof.verdict == "same" else CheckFailed.exit_code
