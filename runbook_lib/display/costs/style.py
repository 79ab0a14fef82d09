"""What the cost figures share: each part has its colour, its hatch and its line, so that one of them is enough."""

from __future__ import annotations

import math
from typing import Any

from runbook_lib.costs.review import Cost
from runbook_lib.display.figure import BLUE, GREEN, GREY, ORANGE
from runbook_lib.display.table import Table

AUTOMATED: dict[str, Any] = {"color": BLUE, "hatch": "///", "edgecolor": "white", "linewidth": 0.5}
SNAPSHOTS: dict[str, Any] = {"color": ORANGE, "hatch": "...", "edgecolor": "black", "linewidth": 0.5}
COPIES: dict[str, Any] = {"color": GREEN, "hatch": "xx", "edgecolor": "white", "linewidth": 0.5}
FORESEEN: dict[str, Any] = {"color": "none", "edgecolor": "black", "linestyle": "--", "linewidth": 1.2}
NAMES = {
    "automated": "automated backup over the free amount",
    "snapshots": "snapshots outside the window",
    "copies": "restored copies",
}
MUTED = GREY


def shown(cost: Cost) -> float | str:
    """Write an amount into a table: a number where it is whole, with its sign or in words where it is not."""
    if cost.usd is None:
        return "not known"
    return f"≥ {cost.usd:,.2f}" if cost.at_least else cost.usd


def measured(value: float) -> float | None:
    """Return a measured value, None where nothing measured it."""
    return None if math.isnan(value) else value


def not_drawn(title: str, why: str) -> Table:
    """Say why a picture is not drawn, instead of drawing one of nothing."""
    return Table(title=title, columns=("",), rows=((f"Not drawn: {why}",),))


def legend_below(axes: Any, *, columns: int = 3) -> None:
    """Put the legend under the axes, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    axes.figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False, fontsize=9)


def from_nothing(axes: Any) -> None:
    """Let the amounts begin at zero, and the grid help to read them."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:,.0f}" if axes.get_ylim()[1] >= 10 else "{x:,.2f}")
    axes.grid(axis="y", color="0.85", linewidth=0.7)
    axes.set_axisbelow(True)
