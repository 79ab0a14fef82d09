"""`runbook guard`: may this account, this job, destroy live data?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from runbook_lib.errors import CheckFailed, InputRefused
from runbook_lib.plain import json_line

if TYPE_CHECKING:
    from runbook_lib.guard.accounts import AccountVerdict
    from runbook_lib.guard.check import GuardReport

_LIVE = click.option(
    "--live", multiple=True, required=True, metavar="SCHEMA", help="A schema that must not be harmed; may be repeated."
)


@click.group(short_help="Say whether an account or a job could destroy live data.")
def command() -> None:
    """Look before a load runs: what its account and its statements could do to live schemas. Changes nothing."""


@command.command(short_help="Name each statement of a job that could destroy live data.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@_LIVE
@click.option("--into", default="", metavar="SCHEMA", help="The schema that names without one mean in these files.")
@click.option("--strict", is_flag=True, help="What is not known counts as destroying.")
@click.option("--json", "as_json", is_flag=True, help="Write the report as one JSON object.")
def check(files: tuple[str, ...], live: tuple[str, ...], into: str, strict: bool, as_json: bool) -> int:
    """Read each FILE (Python, PySpark, a notebook, SQL, a dump, plain or packed) and run nothing.

    Exit code 0: nothing destroys live data; what is not known is listed. 3: something does, or with --strict is not
    known. Without --into a name without a schema may mean the live one, and counts as that.
    """
    from runbook_lib.guard.check import check_files

    report = check_files(files, live=live, into=into)
    if as_json:
        click.echo(json_line(asdict(report)))
    else:
        click.echo(_report_text(report))
    return CheckFailed.exit_code if report.destroying or (strict and report.unknown) else 0


@command.command(short_help="Print a loader's grants, or say how an account could destroy live data.")
@click.argument("server", required=False, metavar="[HOST:PORT]")
@_LIVE
@click.option("--account", default="", metavar="USER@HOST", help="The loader's account; empty: the one that looks.")
@click.option("--into", default="", metavar="SCHEMA", help="The schema the load fills.  [default: LIVE__next]")
@click.option("--json", "as_json", is_flag=True, help="Write the answer as one JSON object.")
def accounts(server: str | None, live: tuple[str, ...], account: str, into: str, as_json: bool) -> int:
    """Without HOST:PORT print the grants of an account that loads beside the live schemas and can only read them.

    With it look at the account that is there: its grants, roles, patterns, partial revokes, and what runs with others'
    rights. The account that looks comes from RUNBOOK_MYSQL_USER and RUNBOOK_MYSQL_PASSWORD. Exit code 0: it cannot
    destroy live data; 3: it can, or it could not be told.
    """
    from runbook_lib.guard.accounts import account_name, grants_for_loading, look_at_account

    if not server:
        if not account:
            raise InputRefused("There is no account to print grants for.", hint="Give --account USER@HOST.")
        click.echo("\n".join(grants_for_loading(account_name(account), live=live, into=into or f"{live[0]}__next")))
        return 0
    from runbook_lib.cli._servers import side_of

    with side_of(server, "RUNBOOK_MYSQL").connect() as database:
        verdict = look_at_account(database, account, live=live)
    click.echo(json.dumps(asdict(verdict) | {"answer": verdict.answer}) if as_json else _verdict_text(verdict))
    return 0 if verdict.answer == "no" else CheckFailed.exit_code


def _report_text(report: GuardReport) -> str:
    live = ", ".join(report.live)
    lines = []
    for level, head in (("destroys", "could destroy live data"), ("unknown", "not known")):
        found = [finding for finding in report.findings if finding.level == level]
        if found:
            lines.append(f"{head}: {len(found)}")
        for finding in found:
            lines += [f"  {finding.file}:{finding.line}  {finding.why}", f"      {finding.statement}"]
    if not report.destroying:
        lines.insert(0, f"Nothing that destroys data in {live} was found in {len(report.files)} files.")
    if report.unknown:
        lines.append(
            "What is not known may still destroy: read those lines, or let the load run as an account that cannot."
        )
    return "\n".join(_plain(line) for line in lines)


def _verdict_text(verdict: AccountVerdict) -> str:
    live = ", ".join(verdict.live)
    heads = {
        "no": f"{verdict.account} cannot destroy data in {live}.",
        "yes": f"{verdict.account} can destroy data in {live}, in {len(verdict.ways)} ways:",
        "could not look": f"Whether {verdict.account} can destroy data in {live} could not be told:",
    }
    lines = [heads[verdict.answer]]
    for way in verdict.ways:
        lines.append(f"  {way.right} {way.source}{f': {way.note}' if way.note else ''}")
        lines.append(f"      {way.statement}")
    lines += [f"  not known: {said}" for said in verdict.unknown]
    return "\n".join(_plain(line) for line in lines)


def _plain(line: str) -> str:
    """Return a line without what would act in a terminal; the indent stays."""
    return "".join(sign if sign.isprintable() else "�" for sign in line)
