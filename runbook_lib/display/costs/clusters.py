"""Which clusters cost, by what could be saved; and whose they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.review import ClusterCost, Review
from runbook_lib.costs.summary import could_save, owners
from runbook_lib.costs.units import usd_text
from runbook_lib.display.costs.style import AUTOMATED, NAMES, SNAPSHOTS, legend_below, measured, not_drawn, shown
from runbook_lib.display.figure import Figure, draw
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table

SHOWN_BARS = 15
SHOWN_ROWS = 50
_LONGEST_NAME = 38


def clusters_sheet(review: Review, outlook: Outlook) -> Stack:
    """Show the clusters, those where most could be saved first, and the owners' sums."""
    saved = could_save(outlook.advice)
    ranked = sorted(
        review.clusters,
        key=lambda cluster: (-saved.get(cluster.cluster, 0.0), -(measured(cluster.forecast_usd) or 0.0)),
    )
    total = sum(saved.values())
    return Stack(
        headline=f"{outlook.least.capitalize()}{usd_text(total)} a month could be saved in "
        f"{len([usd for usd in saved.values() if usd])} of {len(ranked)} clusters",
        tables=(_figure(review, ranked, saved), _table(review, outlook, ranked, saved), _owners(review, outlook)),
    )


def _figure(review: Review, ranked: Sequence[ClusterCost], saved: dict[str, float]) -> Figure | Table:
    title = "Which clusters cost, and where could something be saved?"
    paced = [cluster for cluster in ranked if not math.isnan(cluster.automated_pace_usd + cluster.snapshots_pace_usd)]
    drawn, rest = paced[:SHOWN_BARS], paced[SHOWN_BARS:]
    if not drawn:
        return not_drawn(title, "no cluster was measured on the last settled day.")
    names = [_short(cluster.cluster) for cluster in drawn]
    automated = [cluster.automated_pace_usd for cluster in drawn]
    snapshots = [cluster.snapshots_pace_usd for cluster in drawn]
    savings = [saved.get(cluster.cluster, 0.0) for cluster in drawn]
    words = f"First is {drawn[0].cluster}: {usd_text(savings[0])} a month could be saved."
    if unmeasured := len(ranked) - len(paced):
        words += f" {unmeasured} clusters were not measured on the last settled day, and are not drawn."
    if rest:
        usd = sum(cluster.automated_pace_usd + cluster.snapshots_pace_usd for cluster in rest)
        words += (
            f" Not drawn: the other {len(rest)}, together {usd_text(usd)} a month, of which "
            f"{usd_text(sum(saved.get(cluster.cluster, 0.0) for cluster in rest))} could be saved."
        )
    places = range(len(names))

    def paint(axes: Any) -> None:
        axes.barh(places, automated, height=0.6, label=NAMES["automated"], **AUTOMATED)
        axes.barh(places, snapshots, left=automated, height=0.6, label=NAMES["snapshots"], **SNAPSHOTS)
        style: dict[str, Any] = {"marker": "D", "color": "white", "markeredgecolor": "black", "linestyle": "none"}
        axes.plot(savings, places, label="could be saved", markersize=6, clip_on=False, zorder=3, **style)
        axes.set_yticks(places, names, fontsize=9)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:,.0f}" if axes.get_xlim()[1] >= 10 else "{x:,.2f}")
        day = review.amounts.usage.days[review.amounts.last_column]
        axes.set_xlabel(f"USD a month, at the pace of {day}")
        axes.grid(axis="x", color="0.85", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_ylim(max(len(names), 3) - 0.5, -0.5)
        legend_below(axes)

    return draw(paint, title=title, words=words, height_in=1.8 + 0.27 * max(len(names), 3))


def _short(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _table(review: Review, outlook: Outlook, ranked: Sequence[ClusterCost], saved: dict[str, float]) -> Table:
    rows = tuple(
        (
            f"{cluster.cluster}, in the metrics of {cluster.within}" if cluster.within else cluster.cluster,
            cluster.owner or "—",
            f"{cluster.retention_days} days" if cluster.exists else "gone",
            measured(round(cluster.volume_gib, 1)) if cluster.exists else None,
            shown(cluster.automated),
            shown(cluster.snapshots),
            shown(cluster.backup),
            measured(cluster.forecast_usd),
            shown(cluster.before),
            saved.get(cluster.cluster, 0.0),
        )
        for cluster in ranked
    )
    return Table(
        title="Clusters, those where most could be saved first",
        columns=(
            "cluster", review.owner_tag, "retention", "volume, GiB", "automated, USD", "snapshots, USD",
            "together, USD", "foreseen, USD", "month before, USD", "could be saved, USD a month",
        ),
        rows=rows[:SHOWN_ROWS],
        marks={index: "warn" for index, cluster in enumerate(ranked[:SHOWN_ROWS]) if cluster.days_missing},
        left_out=max(0, len(rows) - SHOWN_ROWS),
        note="≥ is a least amount: days of that cluster were not measured. — is not known."
        + (f" What could be saved is a least amount: {outlook.left_out}." if outlook.left_out else ""),
    )  # fmt: skip


def _owners(review: Review, outlook: Outlook) -> Table:
    found = owners(review, outlook.advice)
    rows = tuple(
        (
            entry.owner or "no such tag",
            entry.clusters,
            shown(entry.backup),
            shown(entry.forecast),
            shown(entry.before),
            entry.change_usd,
            entry.saves_usd,
        )
        for entry in found[:SHOWN_ROWS]
    )
    return Table(
        title=f"By the tag {review.owner_tag}",
        columns=(
            review.owner_tag, "clusters", "so far, USD", "foreseen, USD", "month before, USD", "change, USD",
            "could be saved, USD a month",
        ),
        rows=rows,
        left_out=max(0, len(found) - SHOWN_ROWS),
        note=f"What could be saved is a least amount: {outlook.left_out}." if outlook.left_out else "",
    )  # fmt: skip
