"""Snapshots against point-in-time restore: what the same protection costs either way."""

from __future__ import annotations

from typing import Any

import numpy as np

from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.rates import together
from runbook_lib.costs.units import usd_text
from runbook_lib.costs.whatif import ProtectionGrid
from runbook_lib.display.figure import Figure, draw
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table


def protection_sheet(outlook: Outlook) -> Stack:
    """Show the grid of both ways with today's place in it."""
    grid = outlook.grid
    known = [rate for rate in outlook.rates if rate.gib_a_day is not None]
    if not known:
        return Stack(headline="What protection would cost is not known: the change rate of no cluster is measured")
    retention, kept = grid.today
    rate = together(known)
    low, high = ((part or 0.0) / grid.volume_gib for part in (rate.low, rate.high)) if rate else (0.0, 0.0)
    spread = f" (from {low:.1%} to {high:.1%})" if f"{low:.1%}" != f"{high:.1%}" else ""
    measured = f"{len(known)} of {len(outlook.rates)} clusters measured, over {rate.days if rate else 0} days or more"
    cost = f"{_least(grid)}{usd_text(grid.today_usd)} a month" if grid.today_usd is not None else "a cost not known"
    held = "snapshots that are not known" if kept is None else f"snapshots as if taken daily and kept {kept:.0f} days"
    return Stack(
        headline=f"Today: {cost}, with a retention of {retention:.0f} days, and {held}; "
        f"{grid.gib_a_day / grid.volume_gib:.1%}{spread} of {grid.volume_gib:,.0f} GiB changes a day "
        f"({measured})",
        tables=(_heat_map(grid), _grid_table(grid)),
    )


def _heat_map(grid: ProtectionGrid) -> Figure:
    framed = _nearest(grid)
    low, high = float(grid.usd.min()), float(grid.usd.max())
    words = (
        f"From {_least(grid)}{usd_text(low)} to {usd_text(high)} a month. Below the stairs the window covers the "
        f"snapshots, so they cost nothing. {_today(grid)}"
    )

    def paint(axes: Any) -> None:
        # square roots, because one far corner would make all others one shade
        shades = np.sqrt(grid.usd)
        image = axes.imshow(shades, cmap="cividis_r", aspect="auto", vmin=0, vmax=max(shades.max(), 1e-9))
        for index, usd in np.ndenumerate(grid.usd):
            ink = _ink_on(image.cmap(image.norm(shades[index])))
            text = _cell(float(usd)) if index != framed or grid.today_usd is None else _framed(grid.today_usd)
            axes.text(index[1], index[0], text, ha="center", va="center", fontsize=9, color=ink)
        frame: dict[str, Any] = {"fill": False, "edgecolor": "black", "linewidth": 3.5}
        inner: dict[str, Any] = {"fill": False, "edgecolor": "white", "linewidth": 1.2}
        from matplotlib.patches import Rectangle

        for style in (frame, inner) if framed else ():
            row, column = framed or (0, 0)
            axes.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, **style))
        axes.set_xticks(range(len(grid.kept)), [str(days) if days else "none" for days in grid.kept])
        axes.set_yticks(range(len(grid.retentions)), [str(days) for days in grid.retentions])
        axes.set_xlabel("a snapshot a day, each kept so many days")
        axes.set_ylabel("retention, days")

    title = "What does protection cost by retention, and by snapshots? (USD a month)"
    return draw(paint, title=title, words=words, height_in=4.4)


def _ink_on(shade: tuple[float, float, float, float]) -> str:
    """Return the ink that stands out more: relative luminance and contrast as WCAG 2 defines them."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shade[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"


def _today(grid: ProtectionGrid) -> str:
    if grid.today[1] is None:
        return "Nothing is framed: where the clusters are is not known, because their snapshots were not measured."
    frame = "The frame is nearest to where the clusters are; it shows"
    if grid.today_usd is None:
        return f"{frame} that cell's cost, because today's own is not known."
    return f"{frame} what they really cost today: {_least(grid)}{usd_text(grid.today_usd)} a month."


def _least(grid: ProtectionGrid) -> str:
    return "at least " if grid.left_out else ""


def _framed(usd: float) -> str:
    return f"today\n{_cell(usd)}"


def _cell(usd: float) -> str:
    return f"{usd:,.2f}" if usd < 100 else f"{usd:,.0f}"


def _nearest(grid: ProtectionGrid) -> tuple[int, int] | None:
    retention, kept = grid.today
    if kept is None:
        return None
    row = int(np.argmin([abs(days - retention) for days in grid.retentions]))
    column = int(np.argmin([abs(days - kept) for days in grid.kept]))
    return row, column


def _grid_table(grid: ProtectionGrid) -> Table:
    rows: list[tuple[object, ...]] = [
        (f"{days} days", *(float(usd) for usd in grid.usd[index])) for index, days in enumerate(grid.retentions)
    ]
    marks = {}
    if framed := _nearest(grid):
        row, column = framed
        own = [grid.today_usd if index == column else None for index in range(len(grid.kept))]
        rows.insert(row + 1, (f"today, {grid.today[0]:.0f} days", *own))
        marks[row + 1] = "good"
    return Table(
        title="The same as numbers, USD a month",
        columns=("retention", *(f"kept {days} days" if days else "no snapshots" for days in grid.kept)),
        rows=tuple(rows),
        marks=marks,
        note=(f"At least: without {grid.left_out} clusters whose rate is not known. " if grid.left_out else "")
        + "Each at the change rate measured here"
        + ("; the marked row is today's own cost at the last day's pace" if framed else "")
        + ". "
        "A longer retention restores to any second; a snapshot only to its own.",
        folded=True,
    )
