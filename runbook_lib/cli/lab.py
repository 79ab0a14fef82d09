"""`runbook lab`: JupyterLab on the notebooks, against AWS or against the stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from runbook_lib.errors import InputRefused


@click.command(short_help="Open JupyterLab on the notebooks.")
@click.option("--rehearsal", is_flag=True, help="Against the stand-in, where the incident has just happened.")
@click.option("--engine", default="", help="With --rehearsal: mysql or mariadb, where both are there.")
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening a browser.")
@click.option(
    "--notebooks", default="notebooks", show_default=True, type=click.Path(path_type=Path), help="Their folder."
)
def command(rehearsal: bool, engine: str, no_browser: bool, notebooks: Path) -> int:
    """Step through the notebooks. With --rehearsal nothing outside this machine is touched, and Ctrl-C ends it all."""
    if not notebooks.is_dir():
        raise InputRefused(f'There is no folder "{notebooks}".', hint="Run it from the project's folder.")
    options = ["--no-browser"] if no_browser else []
    if not rehearsal:
        return _lab(notebooks, options, dict(os.environ))
    from runbook_lib.rehearsal.engines import choose_engine
    from runbook_lib.rehearsal.stand_in import StandIn
    from runbook_lib.times import iso

    chosen = choose_engine(engine)
    click.echo(f"The incident is being told to a stand-in with {chosen.family} {chosen.version} …", err=True)
    with StandIn(chosen) as stand_in, stand_in.control.in_environment():
        story = stand_in.tell_story()
        click.echo(f"The load began to drop tables at {iso(story.wiped_from)}.", err=True)
        return _lab(notebooks, options, dict(os.environ))


def _lab(notebooks: Path, options: list[str], environment: dict[str, str]) -> int:
    # The records and the parameters are found from the project's folder, as in headless runs.
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={Path.cwd()}", *options, str(notebooks)]
    try:
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  # our own interpreter
    except KeyboardInterrupt:
        return 0
