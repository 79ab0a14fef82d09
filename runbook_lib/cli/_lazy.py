"""Groups whose commands are imported only when they are asked for."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import click


class LazyGroup(click.Group):
    """A group whose commands are the modules of a package: `runbook_lib/cli/lab.py` is `runbook lab`.

    Each such module (or package) has its click command as `command`. Names with an underscore in front are no
    commands.
    """

    package: str = ""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        del ctx
        path = import_module(self.package).__path__
        return sorted(module.name for module in iter_modules(path) if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module, or give nothing when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        found = import_module(f"{self.package}.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found


def group_of(package: str) -> type[LazyGroup]:
    """Return the class of a group over a package."""
    return type("LazyGroup", (LazyGroup,), {"package": package})
