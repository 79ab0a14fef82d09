"""The command line. Each command is a module here with a `command`; it is imported only when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import NoReturn

import click

from runbook_lib import __version__
from runbook_lib.errors import Aborted, RunbookError


class LazyGroup(click.Group):
    """A group whose commands are the modules of a package: `runbook_lib/cli/lab.py` is `runbook lab`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        del ctx
        return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module, or give nothing when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        found = import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runbook")
def cli() -> None:
    """Bring an Aurora MySQL database back, prove it, and keep the record."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line: our errors end as two lines and their exit code, never as a traceback."""
    try:
        code = cli.main(arguments, prog_name="runbook", standalone_mode=False)
    except RunbookError as error:
        click.echo("\n".join(error.lines()), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        sys.exit(Aborted.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
