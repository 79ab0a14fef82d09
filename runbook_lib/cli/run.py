"""`runbook run`: one headless run of a notebook, one record."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_lib import shipped
from runbook_lib.cli._options import Duration, publish_options, store_at
from runbook_lib.errors import InputRefused
from runbook_lib.plain import json_line, plain
from runbook_lib.records import provenance
from runbook_lib.records.outcomes import CellState
from runbook_lib.records.parameters import Parameter, Written
from runbook_lib.records.run import Limits, Progress, RunRecord, notebook_parameters, run_notebook
from runbook_lib.records.signs import PING_VARIABLE, Signs
from runbook_lib.records.store import Store

if TYPE_CHECKING:
    from runbook_lib.records.publishing import Destination

_CODES = (
    "Exit codes: 0 done (a finished plan is done), 2 refused before starting, 3 a check failed, 4 approval missing or "
    "stale, 5 a step failed, 6 timed out, 7 aborted, 8 the kernel died, 9 done but the record is not published."
)


@click.command(
    short_help="Run a notebook headless and keep the record.",
    epilog=_CODES,
    context_settings={"help_option_names": []},
)
@click.argument("notebook", type=click.Path(path_type=Path), required=False)
@click.option("-p", "--parameter", "given", nargs=2, multiple=True, metavar="NAME VALUE", help="Set one parameter.")
@click.option(
    "-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help="Set parameters from a YAML file."
)
@click.option("--incident", default="", metavar="ID", help="The incident this run belongs to.")
@click.option(
    "--approver", default="", metavar="NAME", help="Who approved, where somebody else runs it.  [$RUNBOOK_APPROVER]"
)
@click.option(
    "--records",
    default="",
    metavar="DIR|s3://…",
    help="Where records are kept; s3://… also publishes them there.  [default: $RUNBOOK_RECORDS, ./records]",
)
@click.option(
    "--publish", "address", default="", metavar="s3://…", help="Publish the record there when the work is done."
)
@publish_options
@click.option("--deadline", type=Duration(), default=0.0, help="Stop the run after this (90s, 30m, 2h).")
@click.option(
    "--cell-deadline", type=Duration(), default=0.0, help="Stop the run when one cell takes longer than this."
)
@click.option("--heartbeat", type=Duration(), default=30.0, show_default="30s", help="Show life this often; 0 never.")
@click.option(
    "--notify",
    multiple=True,
    metavar="ADDRESS",
    help="Send notes: SNS topic, webhook, pagerduty://KEY, or any address of Apprise.  [$RUNBOOK_NOTIFY]",
)
@click.option(
    "--notify-when",
    type=click.Choice(["always", "trouble"]),
    default="always",
    show_default=True,
    help="Send notes of every run, or of those only that did not end well.",
)
@click.option(
    "--ping", default="", metavar="URL", help="Ping a healthchecks service: start, exit code.  [$RUNBOOK_PING]"
)
@click.option(
    "--metrics", type=click.Path(path_type=Path), metavar="FILE", help="Write Prometheus' text file at the end."
)
@click.option("--cloudwatch", is_flag=True, help="Send the watch's metrics and its heartbeat to CloudWatch.")
@click.option("--cwd", type=click.Path(path_type=Path), help="The folder the kernel runs in.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON line about the run to stdout at the end.")
@click.option("-h", "--help", "wants_help", is_flag=True, help="Show this, and the parameters of NOTEBOOK if given.")
@click.pass_context
def command(  # noqa: PLR0913 # click hands over each option as a parameter
    ctx: click.Context,
    *,
    notebook: Path | None,
    given: tuple[tuple[str, str], ...],
    files: tuple[Path, ...],
    incident: str,
    approver: str,
    records: str,
    address: str,
    kms_key: str,
    retain_days: int,
    publish_limit: float,
    deadline: float,
    cell_deadline: float,
    heartbeat: float,
    notify: tuple[str, ...],
    notify_when: str,
    ping: str,
    metrics: Path | None,
    cloudwatch: bool,
    cwd: Path | None,
    as_json: bool,
    wants_help: bool,
) -> int:
    """Run NOTEBOOK in a kernel of its own; what it does, and how it ends, is kept as a record."""
    notebook = shipped.notebook(notebook) if notebook else None
    if wants_help or notebook is None:
        click.echo(ctx.get_help() + (_parameters_text(notebook) if notebook else ""))
        return 0 if wants_help else InputRefused.exit_code
    signs = Signs(
        notebook=notebook.stem,
        ping=ping or os.environ.get(PING_VARIABLE, ""),
        metrics=metrics,
        to_cloudwatch=cloudwatch,
    )
    signs.begin()
    with signs.of_refusals():
        parameters = signs.given = _parameters(files, given)
        store, destination = _places(
            records, address, parameters, kms_key=kms_key, retain_days=retain_days, limit_seconds=publish_limit
        )
        record = run_notebook(
            notebook,
            parameters=parameters,
            incident=incident or provenance.incident(),
            approver=approver,
            store=store,
            on_progress=_Watcher().show,
            limits=Limits(cell_seconds=cell_deadline, run_seconds=deadline, heartbeat_seconds=heartbeat),
            cwd=cwd,
            destination=destination,
            notify=notify or tuple(os.environ.get("RUNBOOK_NOTIFY", "").split()),
            notify_when=notify_when,
        )
    signs.end(record)
    _report(record, as_json=as_json)
    return record.exit_code


def _parameters(files: tuple[Path, ...], given: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for file in files:
        from runbook_lib.records.parameter_file import read_parameter_file

        parameters |= read_parameter_file(shipped.parameter_file(file))
    names = [name for name, _ in given]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InputRefused(f"-p {twice} is given twice.", hint="Keep one of them.")
    return parameters | {name: Written(text=text) for name, text in given}


def _places(records: str, address: str, parameters: dict[str, Any], **keeping: Any) -> tuple[Store, Destination | None]:
    if records.startswith("s3://"):
        records, address = "", address or records
    if not address:
        return store_at(records), None
    from runbook_lib.records.publishing import Destination

    def text(name: str) -> str:
        value = parameters.get(name)
        return str(value.text) if isinstance(value, Written) else ""

    destination = Destination(
        address=address,
        region=text("region"),
        profile=text("profile"),
        **keeping,
    )
    return store_at(records), destination


def _parameters_text(notebook: Path) -> str:
    lines = [f"\n\nParameters of {notebook.name} (-p NAME VALUE):"]
    for parameter in notebook_parameters(notebook):
        lines.append(f"  {_declaration(parameter)}")
        if parameter.comment:
            lines.append(f"      {parameter.comment}")
    return "\n".join(lines if len(lines) > 1 else [*lines, "  none"])


def _declaration(parameter: Parameter) -> str:
    return f"{parameter.name}: {parameter.annotation} = {parameter.default_text}"


class _Watcher:
    """Shows where a run stands, a line for each section and for what is out of the ordinary."""

    def __init__(self) -> None:
        self._heading = ""

    def show(self, progress: Progress) -> None:
        """Show one step on stderr, if it is worth a line."""
        where = f"[{progress.cell}/{progress.cells}] {progress.heading}".rstrip()
        if progress.heartbeat:
            line = f"{where}: still running, {progress.cell_seconds:.0f} s in this cell"
        elif progress.state not in (CellState.RUNNING, CellState.COMPLETED):
            line = f"{where}: {progress.state.value}"
        elif progress.heading != self._heading:
            self._heading = progress.heading
            line = where
        else:
            return
        click.echo(f"{progress.run_seconds:7.1f} s  {plain(line)}", err=True)


def _report(record: RunRecord, *, as_json: bool) -> None:
    good = record.exit_code == 0
    for line in record.lines or (f"{record.outcome}: {record.headline}",):
        click.echo(click.style(plain(line), fg=None if good else "red"), err=True)
    for what in (*record.losses, *filter(None, [record.unpublished])):
        click.echo(click.style(f"THE RECORD IS NOT COMPLETE: {plain(what)}", fg="red", bold=True), err=True)
    if as_json:
        facts = {**asdict(record), "folder": str(record.folder), "phases": dict(record.phases)}
        facts |= {"started": record.started.isoformat(), "ended": record.ended.isoformat()}
        click.echo(json_line(facts))
    else:
        click.echo(plain(str(record.folder)))
        if record.published:
            click.echo(record.published)
