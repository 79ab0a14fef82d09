"""Thirteen months stacked, and the days of the one reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runbook_lib.costs.amounts import Amounts
from runbook_lib.costs.review import Review
from runbook_lib.costs.usage import Grid
from runbook_lib.display.costs.headline import per_gib
from runbook_lib.display.costs.style import (
    AUTOMATED,
    COPIES,
    FORESEEN,
    MUTED,
    NAMES,
    SNAPSHOTS,
    from_nothing,
    legend_below,
    measured,
    not_drawn,
    shown,
)
from runbook_lib.display.figure import BLUE, Figure, draw
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table


def months_sheet(review: Review) -> Stack:
    """Show a year of months and the month's days, each with its table."""
    return Stack(
        headline="Where the money went",
        tables=(
            months_figure(review),
            months_table(review),
            days_figure(review),
            days_table(review),
            billed_figure(review),
            billed_table(review),
        ),
    )


def months_figure(review: Review) -> Figure | Table:
    """Stack the parts of each month; backup outside Aurora stands beside it, because another rule bills it."""
    months, title = review.months, "What did Aurora's backups cost, month by month?"
    if all(entry.backup.usd is None for entry in months):
        return not_drawn(title, "no day of any month was measured.")
    names = [str(entry.month) for entry in months]
    told_apart = np.array([entry.automated.known_usd + entry.snapshots.known_usd for entry in months])
    whole = np.array([entry.backup.known_usd for entry in months])
    parts = {
        "automated": (np.array([entry.automated.known_usd for entry in months]), AUTOMATED),
        "snapshots": (np.array([entry.snapshots.known_usd for entry in months]), SNAPSHOTS),
        "copies": (np.array([entry.copies.known_usd for entry in months]), COPIES),
    }
    other = [entry.other_usd for entry in months]
    dearest = max(months, key=lambda entry: entry.backup.known_usd)
    words = (
        f"The dearest of the {len(months)} months was {dearest.month} with {dearest.backup} "
        f"for Aurora's backups; {months[-1].month} is at {months[-1].backup}."
    )
    short = {index: "?" if entry.backup.usd is None else "≥" for index, entry in enumerate(months)
             if entry.backup.at_least}  # fmt: skip
    if short:
        words += f" Months marked ≥ are least amounts, those marked ? are not known: {len(short)}."

    def paint(axes: Any) -> None:
        bottom = np.zeros(len(months))
        for name, (usd, style) in parts.items():
            axes.bar(names, usd, bottom=bottom, width=0.62, label=NAMES[name], **style)
            bottom = bottom + usd
        if (rest := np.maximum(whole - told_apart, 0.0)).max() > 0.005:
            axes.bar(names, rest, bottom=bottom, width=0.62, label="not told apart", color="0.8")
            bottom = bottom + rest
        missing = review.forecast_usd.known_usd - months[-1].backup.known_usd
        if missing > 0.005:
            axes.bar(names[-1:], [missing], bottom=bottom[-1:], width=0.62, label="foreseen to month's end", **FORESEEN)
        for index, sign in short.items():
            axes.annotate(sign, (index, bottom[index]), ha="center", va="bottom", fontsize=9)
        if any(other):
            beside = [np.nan if amount is None else amount for amount in other]
            label = "backup outside Aurora (from the bill, not in the bars)"
            axes.plot(names, beside, marker="D", color=MUTED, linestyle=":", markersize=5, label=label)
        axes.set_ylabel("USD a month")
        axes.set_xlabel("month (UTC)")
        axes.tick_params(axis="x", labelsize=9)
        from_nothing(axes)
        legend_below(axes)

    return draw(paint, title=title, words=words, height_in=4.2)


def months_table(review: Review) -> Table:
    """Return the figure's numbers."""
    rows, marks = [], {}
    for index, entry in enumerate(review.months):
        days = f"{entry.days_settled} of {entry.month.days}"
        if entry.days_missing:
            days += f", {entry.days_missing} cluster-days missing"
            marks[index] = "warn"
        cells = tuple(shown(cost) for cost in (entry.automated, entry.snapshots, entry.backup, entry.copies))
        rows.append((str(entry.month), *cells, entry.other_usd, per_gib(entry) or None, days))
    return Table(
        title="Month by month, USD",
        columns=(
            "month",
            "automated over free",
            "snapshots",
            "Aurora backups",
            "restored copies still alive",
            "outside Aurora",
            "a protected GiB, a month",
            "days settled",
        ),
        rows=tuple(rows),
        marks=marks,
        note="Sizes by AWS's metrics, at the list price of today. Copies, and clusters that left neither snapshot nor "
        "backup, are not known here once they are deleted. Outside Aurora is known from the bill only.",
    )


def days_figure(review: Review) -> Figure | Table:
    """Draw the month's days of the automated backups: what they use, and how much of it is free."""
    found, month = review.amounts, review.month.month
    span = found.usage.span(month.first, month.last)
    days = np.array([day.day for day in found.usage.days[span]])
    volume, used = _sums(found.usage.volume_gib, span), _sums(found.usage.used_gib, span)
    title = f"Which days of {month} went over what is free?"
    if np.isnan(used).all():
        return not_drawn(title, "no day of the month was measured.")
    last = found.last_column
    words = f"Over the free amount on the last settled day, {found.usage.days[last]}: "
    words += _gib_of(found.automated_gib[:, last])

    def paint(axes: Any) -> None:
        free, drawn = volume, np.where(np.isnan(used), volume, used)  # a gap stays a gap
        axes.fill_between(days, 0, free, color="0.88", label="free: the volume's present size")
        over: dict[str, Any] = {"facecolor": "none", "edgecolor": BLUE, "hatch": "///", "linewidth": 0}
        axes.fill_between(days, free, drawn, where=drawn > free, label="over it: billed", **over)
        axes.plot(days, volume, color="0.35", linewidth=1.2, linestyle="--")
        axes.plot(days, used, color=BLUE, linewidth=2.2, label="used by the automated backups")
        axes.set_ylabel("GiB, all clusters")
        _month_axis(axes, review)
        legend_below(axes)

    return draw(paint, title=title, words=words, height_in=3.6)


def days_table(review: Review) -> Table:
    """Return the numbers of the automated backups' days."""
    found, month = review.amounts, review.month.month
    grids = (found.usage.volume_gib, found.usage.used_gib, found.automated_gib)
    return Table(
        title=f"Automated backups day by day in {month}",
        columns=("day", "free, GiB", "used, GiB", "billed, GiB", "USD", ""),
        rows=_day_rows(review, grids, found.automated_gib),
        marks=_marks(review),
        folded=True,
        note="A day's USD is its part of the month. What one cluster leaves of its free amount is of no use to "
        "another, so with several clusters more is billed than the lines' difference.",
    )


def billed_figure(review: Review) -> Figure | Table:
    """Stack what is billed on each day of the month."""
    found, month = review.amounts, review.month.month
    span = found.usage.span(month.first, month.last)
    days = np.array([day.day for day in found.usage.days[span]])[: review.month.days_settled]
    parts = (
        ("automated", _sums(found.automated_gib, span), AUTOMATED),
        ("snapshots", _sums(found.snapshot_gib, span), SNAPSHOTS),
    )
    whole, title = _sums(found.billed_gib, span), f"What was billed on each day of {month}?"
    if np.isnan(whole[: len(days)]).all():
        return not_drawn(title, "no settled day of the month was measured.")
    words = f"Billed on the last settled day, {found.usage.days[found.last_column]}: "
    words += _gib_of(found.last_settled(found.billed_gib))
    if gaps := int(found.missing[:, span].sum()):
        words += f" {gaps} cluster-days were not measured: bars over them are least amounts."

    def paint(axes: Any) -> None:
        bottom = np.zeros(len(days))
        for name, gib, style in parts:
            height = np.nan_to_num(gib[: len(days)])
            axes.bar(days, height, bottom=bottom, width=0.7, label=NAMES[name], **style)
            bottom = bottom + height
        if (rest := np.nan_to_num(whole[: len(days)]) - bottom).max(initial=0.0) > 0.005:
            axes.bar(days, np.maximum(rest, 0.0), bottom=bottom, width=0.7, label="not told apart", color="0.8")
        axes.set_ylabel("GiB billed, all clusters")
        _month_axis(axes, review)
        legend_below(axes)

    return draw(paint, title=title, words=words, height_in=3.4)


def billed_table(review: Review) -> Table:
    """Return the numbers of what is billed each day."""
    found, month = review.amounts, review.month.month
    grids = (found.automated_gib, found.snapshot_gib, found.billed_gib)
    return Table(
        title=f"Billed day by day in {month}",
        columns=("day", "automated over free, GiB", "snapshots, GiB", "together, GiB", "USD", ""),
        rows=_day_rows(review, grids, found.billed_gib),
        marks=_marks(review),
        folded=True,
    )


def _gib_of(amounts: Grid) -> str:
    """Say what the clusters' amounts of a day come to, and of how many it is not known."""
    unknown = int(np.isnan(amounts).sum())
    if unknown == len(amounts):
        return "not measured." if unknown else "there is no cluster."
    return f"{'at least ' if unknown else ''}{float(np.nansum(amounts)):,.0f} GiB."


def _day_rows(review: Review, grids: Sequence[Grid], billed: Grid) -> tuple[tuple[Any, ...], ...]:
    """Return each day's cells: its amounts, its part of the month in USD, and what is not known of it."""
    found, month = review.amounts, review.month.month
    span = found.usage.span(month.first, month.last)
    columns, total = [_sums(grid, span) for grid in grids], _sums(billed, span)
    unknown = (np.any([np.isnan(grid) for grid in grids], axis=0) & _due(found))[:, span].sum(axis=0)
    rows = []
    for index, day in enumerate(found.usage.days[span]):
        settled = day <= found.usage.settled
        missing = int(unknown[index]) if settled else 0
        cells = [measured(float(column[index])) for column in columns]
        usd = measured(float(total[index]) / month.days * review.usd_gib_month)
        text = "" if settled else "not settled: at least"
        if missing:
            text = f"{missing} of {len(billed)} clusters not measured" + (": at least" if usd is not None else "")
        rows.append((str(day), *cells, usd if settled else None, text))
    return tuple(rows)


def _due(found: Amounts) -> NDArray[np.bool_]:
    """Mark the days of which every point is due: of a cluster that is gone, those up to its last volume."""
    days = np.arange(found.billed_gib.shape[1])
    last = np.max(np.where(np.isnan(found.usage.volume_gib), -1, days), axis=1)
    lives = np.array([lineage.lives for lineage in found.who], dtype=np.bool_)
    due: NDArray[np.bool_] = found.usage.expected & (lives[:, None] | (days <= last[:, None]))
    return due | (found.usage.expected & np.isnan(found.billed_gib))


def _marks(review: Review) -> dict[int, str]:
    found, month = review.amounts, review.month.month
    span = found.usage.span(month.first, month.last)
    gaps = found.missing[:, span].sum(axis=0)
    days = found.usage.days[span]
    return {index: "warn" for index, day in enumerate(days) if day > found.usage.settled or gaps[index]}


def _month_axis(axes: Any, review: Review) -> None:
    """Lay the month's days out, those not settled hatched."""
    month, settled = review.month.month, review.month.days_settled
    axes.set_xlim(0.5, month.days + 0.5)
    axes.set_xticks(range(1, month.days + 1, 2))
    axes.set_xlabel(f"day of {month} (UTC)")
    from_nothing(axes)
    if settled < month.days:
        axes.axvspan(settled + 0.5, month.days + 0.5, facecolor="none", edgecolor="0.75", hatch="\\\\", linewidth=0)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        place = (settled + month.days + 1) / 2
        axes.text(place, 0.95, "not settled", transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=9,
                  bbox=box)  # fmt: skip


def _sums(grid: Grid, span: slice) -> Grid:
    """Add the clusters up day by day, NaN where none was measured."""
    part = grid[:, span]
    empty = np.isnan(part).all(axis=0)
    total: Grid = np.where(empty, np.nan, np.nansum(part, axis=0))
    return total
