"""`runbook lab`: JupyterLab on the notebooks, against AWS or against the stand-in."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from runbook_lib import shipped
from runbook_lib.cli import _workplace
from runbook_lib.cli._rehearsal import require_stand_in
from runbook_lib.errors import InputRefused
from runbook_lib.records.store import check_incident
from runbook_lib.times import iso, utc_now, utc_text

_LOOK_SECONDS = 10


@click.command(short_help="Open JupyterLab on the notebooks.")
@click.option("--rehearsal", is_flag=True, help="Against the stand-in, where the incident has just happened.")
@click.option("--engine", default="", help="With --rehearsal: mysql or mariadb, where both are there.")
@click.option("--incident", default="", metavar="ID", help="Which incident the records belong to.")
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening a browser.")
@click.option("--port", default=8888, show_default=True, help="The port to listen on; the next free one is taken.")
@click.option(
    "--notebooks", default="notebooks", show_default=True, type=click.Path(path_type=Path), help="Their folder."
)
def command(rehearsal: bool, engine: str, incident: str, no_browser: bool, port: int, notebooks: Path) -> int:
    """Step through copies of the notebooks, beginning with the one that knows the way.

    With --rehearsal nothing outside this machine is touched. Ctrl-C ends it all; copies and records stay.
    """
    if rehearsal:
        require_stand_in()
    notebooks = shipped.notebooks(notebooks)
    if not (notebooks / _workplace.INDEX).is_file():
        raise InputRefused(f"There is no {notebooks / _workplace.INDEX}.", hint="Name the folder of the notebooks.")
    check_incident(incident)
    options = ["--no-browser"] if no_browser else []
    options.append(f"--ServerApp.port={port}")
    signal.signal(signal.SIGTERM, _as_interrupt)
    if not rehearsal:
        return serve(notebooks, options, incident)
    from runbook_lib.rehearsal.engines import choose_engine
    from runbook_lib.rehearsal.stand_in import StandIn

    chosen = choose_engine(engine)
    click.echo(f"The incident is being told to a stand-in with {chosen.family} {chosen.version} …", err=True)
    with StandIn(chosen) as stand_in, stand_in.control.in_environment():
        story = stand_in.tell_story()
        click.echo(
            f"The load began to drop tables at {utc_text(story.wiped_from)}. Find the second before it yourself; "
            f"it is {iso(story.restore_point)}.",
            err=True,
        )
        return serve(notebooks, options, incident or "rehearsal")


def _as_interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def serve(notebooks: Path, options: list[str], incident: str, *, over: Callable[[], bool] | None = None) -> int:
    """Run JupyterLab on copies of the notebooks until it is ended, by Ctrl-C or because `over` says so."""
    project = Path.cwd()
    folder = _workplace.copy_notebooks(notebooks, project=project, now=utc_now())
    index = (folder / _workplace.INDEX).relative_to(project)
    click.echo(f"Your copies of the notebooks are in {folder.relative_to(project)}/.", err=True)
    with tempfile.TemporaryDirectory(prefix="runbook-lab-") as temporary:
        scratch = Path(temporary)
        prepared = _workplace.prepare(scratch, project=project, originals=notebooks.resolve(), incident=incident)
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            *prepared,
            *options,
            f"--LabApp.default_url=/lab/tree/{index.as_posix()}",
        ]
        server = subprocess.Popen(command, env=_workplace.environment(scratch))  # noqa: S603 # our own interpreter
        try:
            return _wait(server, over)
        except KeyboardInterrupt:
            server.send_signal(signal.SIGTERM)  # ends the kernels too; they finish the records that are open
            server.wait()
            return 0


def _wait(server: subprocess.Popen[bytes], over: Callable[[], bool] | None) -> int:
    if over is None:
        return server.wait()
    while True:
        try:
            return server.wait(timeout=_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if over():
                server.send_signal(signal.SIGTERM)
                server.wait()
                return 0
