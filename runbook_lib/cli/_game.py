"""`runbook rehearse --game N`: an incident that the player does not know, a clock, and what was decided when."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from runbook_lib.cli._rehearsal import require_stand_in
from runbook_lib.errors import InputRefused
from runbook_lib.plain import plain
from runbook_lib.records.store import STORE_VARIABLE, Store
from runbook_lib.times import utc_now, utc_text

if TYPE_CHECKING:
    from runbook_lib.rehearsal.game import Closed, Scene
    from runbook_lib.rehearsal.stand_in import StandIn

_CHECK_FAILED = 3
_LOOK_SECONDS = 10  # a look reads every row of the rehearsal's database
_LOOKS = 2  # in a row: whoever has just brought the data back also verifies it and finishes the record


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the player chose. `seed` says which incident a number is, and which data it happens to."""

    number: int
    seed: int
    engine: str
    notebooks: Path
    store: Store
    lab: bool
    until_solved: bool


def play(console: Console, asked: Asked) -> int:
    """Have the incident happen, page the player, and judge when it is over. Returns the exit code.

    Raises:
        InputRefused: there is no such game, or no folder of notebooks.
    """
    require_stand_in()
    from runbook_lib.rehearsal import game
    from runbook_lib.rehearsal.engines import choose_engine
    from runbook_lib.rehearsal.stand_in import StandIn

    if not 1 <= asked.number <= game.COUNT:
        raise InputRefused(f"There is no game {asked.number}.", hint=f"Choose a number from 1 to {game.COUNT}.")
    chosen = choose_engine(asked.engine)
    console.print(f"A week of history is being told to a stand-in with {escape(chosen.title)}; then the pager rings …")
    with StandIn(chosen) as stand_in, stand_in.control.in_environment():
        scene = game.happen(stand_in, number=asked.number, seed=asked.seed)
        console.print(f"\n[bold]{utc_text(scene.paged_at)}  {escape(plain(scene.incident.paged))}[/bold]")
        console.print(f"The clock runs. The cluster is {escape(stand_in.cluster)}. Ctrl-C when you are done.\n")
        _play(console, stand_in, scene, asked)
        console.print("\nThe game is over; the data is being looked at …")
        closed, path = game.close(scene, game.judge(stand_in, scene), store=asked.store, now=utc_now())
    _show(console, closed, path)
    return 0 if closed.verdict.answer == "back" else _CHECK_FAILED


def _play(console: Console, stand_in: StandIn, scene: Scene, asked: Asked) -> None:
    over = _solved(stand_in, scene) if asked.until_solved else None
    os.environ[STORE_VARIABLE] = str(asked.store.root)  # where the kernels of JupyterLab keep their records
    with suppress(KeyboardInterrupt):
        if asked.lab:
            from runbook_lib.cli.lab import serve

            serve(asked.notebooks, [], scene.name, over=over)
            return
        _say_how(console, stand_in, scene, asked)
        while not (over and over()):
            time.sleep(_LOOK_SECONDS)


def _solved(stand_in: StandIn, scene: Scene) -> Callable[[], bool]:
    """Return what tells whether the data was right at the last looks."""
    from runbook_lib.rehearsal import game

    right = 0

    def over() -> bool:
        nonlocal right
        right = right + 1 if game.judge(stand_in, scene).answer == "back" else 0
        return right >= _LOOKS

    return over


def _say_how(console: Console, stand_in: StandIn, scene: Scene, asked: Asked) -> None:
    console.print("In another terminal:\n")
    for name, value in {**stand_in.environment(), STORE_VARIABLE: str(asked.store.root)}.items():
        console.print(f"export {name}={shlex.quote(value)}", soft_wrap=True)
    console.print(f"\nrunbook run inspect_backups --incident {scene.name}\n", soft_wrap=True)


def _show(console: Console, closed: Closed, path: Path) -> None:
    """Print the closing page as text, and where it lies."""
    from rich.table import Table

    from runbook_lib.rehearsal.game import page_of

    page = page_of(closed)
    console.print(f"\n[bold]{escape(plain(page.headline))}[/bold]")
    for part in page.parts:
        table = Table(show_header=any(part.columns), box=None, padding=(0, 2, 0, 0))
        for column in part.columns:
            table.add_column(column, overflow="fold")
        for row in part.rows:
            table.add_row(*(escape(plain(cell)) for cell in row))
        console.print(f"\n[bold]{escape(part.title)}[/bold]")
        console.print(table)
    console.print(f"\nThe same as a page:\n  {escape(str(path))}", soft_wrap=True)
