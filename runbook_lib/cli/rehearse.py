"""`runbook rehearse`: the whole incident on this machine, without an AWS account."""

from __future__ import annotations

import shlex
import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from runbook_lib import shipped
from runbook_lib.cli._game import Asked, play
from runbook_lib.cli._rehearsal import require_stand_in
from runbook_lib.errors import InputRefused
from runbook_lib.plain import plain
from runbook_lib.records.store import Store, default_store
from runbook_lib.times import duration_text, utc_text

if TYPE_CHECKING:
    from runbook_lib.rehearsal.guarded import Guarded
    from runbook_lib.rehearsal.rehearse import Rehearsal
    from runbook_lib.rehearsal.stand_in import StandIn

_CHECK_FAILED = 3
_INCIDENT = "rehearsal"


@click.command(short_help="Lose a database and bring it back, on this machine.")
@click.option("--engine", default="", help="Which server to use where several are found: mysql or mariadb.")
@click.option("--seed", default=7, show_default=True, help="Another number tells the same story with other data.")
@click.option("--keep", is_flag=True, help="Leave the stand-in up until Ctrl-C, to try the notebooks against it.")
@click.option("--records", "folder", default="", metavar="DIR", help="Where records are kept.")
@click.option(
    "--bring-back/--no-bring-back",
    "to_the_end",
    default=True,
    show_default=True,
    help="Go on after the restore: copy the data back into the damaged cluster, and prove that too.",
)
@click.option(
    "--guarded", is_flag=True, help="The same bad load under an account that cannot wipe: tried, refused, held."
)
@click.option("--game", type=int, metavar="N", help="An incident that you do not know, 1 to 6, and a clock.")
@click.option("--lab/--no-lab", default=True, help="With --game: play in JupyterLab, or be told how to connect.")
@click.option("--until-solved", is_flag=True, help="With --game: end by itself when the data is right.")
@click.option(
    "--notebooks",
    default="notebooks",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The folder of the notebooks.",
)
def command(  # noqa: PLR0913 # click hands over each option as a parameter
    *,
    engine: str,
    seed: int,
    keep: bool,
    folder: str,
    to_the_end: bool,
    guarded: bool,
    game: int | None,
    lab: bool,
    until_solved: bool,
    notebooks: Path,
) -> int:
    """Wipe a real database by a failing load, restore it to the second before, and prove the data is right.

    Everything happens on this machine: a local stand-in of AWS, and MySQL-compatible servers in a temporary folder.
    With --game you are paged, and nobody says what has happened: find it, bring the data back, and end with Ctrl-C.
    """
    require_stand_in()
    from runbook_lib.rehearsal.engines import choose_engine
    from runbook_lib.rehearsal.guarded import rehearse_guarded
    from runbook_lib.rehearsal.rehearse import rehearse
    from runbook_lib.rehearsal.stand_in import StandIn

    notebooks = shipped.notebooks(notebooks)
    if not notebooks.is_dir():
        raise InputRefused(f'There is no folder "{notebooks}".', hint="Name the folder of the notebooks.")
    signal.signal(signal.SIGTERM, _as_interrupt)
    console = Console(highlight=False)
    store = Store(Path(folder)) if folder else default_store()
    if game is not None:
        asked = Asked(
            number=game,
            seed=seed,
            engine=engine,
            notebooks=notebooks,
            store=store,
            lab=lab,
            until_solved=until_solved,
        )
        return play(console, asked)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {escape(plain(text))}", soft_wrap=True)

    chosen = choose_engine(engine)
    say(f"a stand-in of AWS with {chosen.family} {chosen.version} …")
    with StandIn(chosen) as stand_in, stand_in.control.in_environment():
        if guarded:
            night = rehearse_guarded(stand_in, notebooks=notebooks.resolve(), store=store, seed=seed, say=say)
            _show_guarded(console, night, took=time.monotonic() - began)
            return 0 if night.proved else _CHECK_FAILED
        done = rehearse(stand_in, notebooks=notebooks.resolve(), store=store, seed=seed, say=say, to_the_end=to_the_end)
        _show(console, done, took=time.monotonic() - began, page=_page(store))
        if keep:
            _keep(console, stand_in, done)
    return 0 if done.proved else _CHECK_FAILED


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _page(store: Store) -> Path:
    """Write the rehearsed incident as one page beside its records."""
    from runbook_lib.records.incident import incident_of
    from runbook_lib.records.incident_page import as_html

    page = store.root / _INCIDENT / "incident.html"
    page.write_text(as_html(incident_of(store, _INCIDENT)), encoding="utf-8")
    return page


def _show(console: Console, done: Rehearsal, *, took: float, page: Path) -> None:
    story, damage = done.story, done.damage
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("the load failed", f"began {utc_text(story.wiped_from)}")
    table.add_row("restored to", utc_text(story.restore_point))
    table.add_row(
        "lost",
        f"{damage.rows_lost:,} rows: {len(damage.gone)} tables gone, {len(damage.emptied)} emptied, "
        f"{len(damage.smaller)} partly filled",
    )
    table.add_row("came back", f"{done.rows_back:,} rows in {done.tables_back} tables, on {done.engine}")
    if done.proved:
        table.add_row("proof", "[bold]exactly[/bold] the story's own proof of that second, byte for byte")
    else:
        lines = "\n".join(done.left[:20])
        table.add_row("proof", f"[bold]NOT[/bold] the story's proof, {len(done.left)} differences:\n{lines}")
    if done.kept is not None and not done.wrong:
        table.add_row("back in service", f"the same, and all {done.kept} rows that were written after the wipe")
    elif done.wrong:
        table.add_row("back in service", f"[bold]NOT[/bold] as it should be:\n{chr(10).join(done.wrong[:20])}")
    for phase, seconds in done.seconds.items():
        table.add_row(phase, f"{seconds:.1f} s")
    table.add_row("in all", duration_text(timedelta(seconds=took)))
    console.print()
    console.print(table)
    console.print(f"\nThe incident in one page:\n  {escape(str(page))}", soft_wrap=True)
    console.print("\nRecords, each with its executed notebook:")
    for record in done.records:
        console.print(f"  {escape(str(record.folder))}", soft_wrap=True)


def _show_guarded(console: Console, night: Guarded, *, took: float) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("the evening before", escape(night.tried))
    table.add_row("the night, in live data", f"refused: {escape(night.refused)}")
    table.add_row("the night, beside it", "held by:\n" + escape("\n".join(night.held)))
    lines = escape("\n".join(night.left[:20]))
    table.add_row("live data", f"[bold]NOT[/bold] what it was:\n{lines}" if night.left else "not one row is different")
    for phase, seconds in night.seconds.items():
        table.add_row(phase, f"{seconds:.1f} s")
    table.add_row("in all", duration_text(timedelta(seconds=took)))
    console.print()
    console.print(table)
    console.print("\nRecords, each with its executed notebook:")
    for record in night.records:
        console.print(f"  {escape(str(record.folder))}", soft_wrap=True)


def _keep(console: Console, stand_in: StandIn, done: Rehearsal) -> None:
    console.print("\nThe stand-in stays up until Ctrl-C. In another terminal:\n")
    for name, value in stand_in.environment().items():
        console.print(f"export {name}={shlex.quote(value)}", soft_wrap=True)
    moment = f"{done.story.restore_point:%Y-%m-%dT%H:%M:%SZ}"
    console.print(
        f"\nrunbook run inspect_backups -f parameters/rehearsal.yml -p timestamp {moment}",
        soft_wrap=True,
    )
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
    console.print("Ending the stand-in.")
