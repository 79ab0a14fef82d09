"""The command line. Each command is a module here with a `command`; it is imported only when it is asked for."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

import runbook_lib
from runbook_lib.cli._lazy import group_of
from runbook_lib.cli._logging import log_to_stderr
from runbook_lib.errors import Aborted, RunbookError, StepFailed
from runbook_lib.plain import plain

_DEBUG_VARIABLE = "RUNBOOK_DEBUG"


def _show_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"runbook, version {runbook_lib.__version__}")
        context.exit()


@click.group(cls=group_of(__name__), context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show it.")
def cli() -> None:
    """Bring an Aurora MySQL database back, prove it, and keep the record."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line: our errors end as two lines and their exit code, never as a traceback."""
    log_to_stderr()
    try:
        code = cli.main(arguments, prog_name="runbook", standalone_mode=False)
    except RunbookError as error:
        click.echo(plain("\n".join(error.lines())), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        sys.exit(Aborted.exit_code)
    except Exception as error:
        if os.environ.get(_DEBUG_VARIABLE):
            raise
        from runbook_lib.redaction import scrubbed

        click.echo(plain(f"Failed: {type(error).__name__}: {scrubbed(str(error))}"), err=True)
        click.echo(f"What to do: this is a fault of ours; ${_DEBUG_VARIABLE}=1 shows where it happened.", err=True)
        sys.exit(StepFailed.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
