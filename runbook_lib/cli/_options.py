"""What several commands ask in the same words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from runbook_lib.records.store import Store, default_store

F = TypeVar("F", bound=Callable[..., Any])
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h)?")
_UNITS = {"s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType[float]):
    """A duration on the command line: 90, 90s, 30m, 2h. Its value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        if isinstance(value, float | int):
            return float(value)
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no duration; write 90s, 30m or 2h.", param, ctx)
        return float(found[1]) * _UNITS[found[2] or "s"]


def records_option(command: F) -> F:
    """Add --records to a command that reads a local store."""
    return click.option(
        "--records",
        "store",
        default="",
        metavar="DIR",
        callback=lambda _ctx, _param, value: store_at(value),
        help="The store of records.  [default: $RUNBOOK_RECORDS, else ./records]",
    )(command)


def publish_options(command: F) -> F:
    """Add what a place in S3 needs."""
    for option in (
        click.option("--kms-key", default="", metavar="KEY", help="Encrypt with this KMS key (SSE-KMS)."),
        click.option(
            "--retain-days", default=0, metavar="N", help="Lock the objects for N days (object lock, compliance mode)."
        ),
        click.option(
            "--publish-limit", type=Duration(), default=120.0, show_default="2m", help="Give up publishing after this."
        ),
    ):
        command = option(command)
    return command


def store_at(folder: str) -> Store:
    """Return the store in a folder, or the default one."""
    return Store(Path(folder)) if folder else default_store()
