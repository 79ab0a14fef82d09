"""Thirteen months stacked, and the days of the one reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runbook_lib.costs.review import Review
from runbook_lib.costs.units import usd_text
from runbook_lib.costs.usage import Grid
from runbook_lib.display.costs.style import (
    AUTOMATED,
    COPIES,
    FORESEEN,
    MUTED,
    NAMES,
    SNAPSHOTS,
    from_nothing,
    legend_below,
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


def months_figure(review: Review) -> Figure:
    """Stack the parts of each month; backup outside Aurora stands beside it, because another rule bills it."""
    months = review.months
    names = [str(entry.month) for entry in months]
    parts = {
        "automated": (np.array([entry.automated_usd for entry in months]), AUTOMATED),
        "snapshots": (np.array([entry.snapshots_usd for entry in months]), SNAPSHOTS),
        "copies": (np.array([entry.copies_usd for entry in months]), COPIES),
    }
    other = [entry.other_usd for entry in months]
    dearest = max(months, key=lambda entry: entry.backup_usd)
    words = (
        f"The dearest of the {len(months)} months was {dearest.month} with {usd_text(dearest.backup_usd)} "
        f"for Aurora's backups; {months[-1].month} stands at {usd_text(months[-1].backup_usd)}."
    )

    def paint(axes: Any) -> None:
        bottom = np.zeros(len(months))
        for name, (usd, style) in parts.items():
            axes.bar(names, usd, bottom=bottom, width=0.62, label=NAMES[name], **style)
            bottom = bottom + usd
        missing = review.forecast_usd - months[-1].backup_usd
        if missing > 0.005:
            axes.bar(names[-1:], [missing], bottom=bottom[-1:], width=0.62, label="foreseen to month's end", **FORESEEN)
        if any(other):
            beside = [np.nan if amount is None else amount for amount in other]
            label = "backup outside Aurora (from the bill, not in the bars)"
            axes.plot(names, beside, marker="D", color=MUTED, linestyle=":", markersize=5, label=label)
        axes.set_ylabel("USD a month")
        axes.set_xlabel("month (UTC)")
        axes.tick_params(axis="x", labelsize=9)
        from_nothing(axes)
        legend_below(axes)

    return draw(paint, title="What did Aurora's backups cost, month by month?", words=words, height_in=4.2)


def months_table(review: Review) -> Table:
    """Return the figure's numbers."""
    rows, marks = [], {}
    for index, entry in enumerate(review.months):
        days = f"{entry.days_settled} of {entry.month.days}"
        if entry.days_missing:
            days += f", {entry.days_missing} cluster-days missing"
            marks[index] = "warn"
        cells = (entry.automated_usd, entry.snapshots_usd, entry.backup_usd, entry.copies_usd, entry.other_usd)
        rows.append((str(entry.month), *cells, days))
    return Table(
        title="Month by month, USD",
        columns=(
            "month",
            "automated over free",
            "snapshots",
            "Aurora backups",
            "restored copies still alive",
            "outside Aurora",
            "days settled",
        ),
        rows=tuple(rows),
        marks=marks,
        note="Sizes by AWS's metrics, at the list price of today. Copies deleted since are not known here. "
        "Outside Aurora is known from the bill only.",
    )


def days_figure(review: Review) -> Figure:
    """Draw the month's days of the automated backups: what they use, and how much of it is free."""
    found, month = review.amounts, review.month.month
    span = found.usage.span(month.first, month.last)
    days = np.array([day.day for day in found.usage.days[span]])
    volume, used = _sums(found.usage.volume_gib, span), _sums(found.usage.used_gib, span)
    last = found.last_column
    billed = float(np.nansum(found.automated_gib[:, last]))
    words = f"Over the free amount on the last settled day, {found.usage.days[last]}: {billed:,.0f} GiB."

    def paint(axes: Any) -> None:
        free, drawn = np.nan_to_num(volume), np.nan_to_num(used)
        axes.fill_between(days, 0, free, color="0.88", label="free: the volume's present size")
        over: dict[str, Any] = {"facecolor": "none", "edgecolor": BLUE, "hatch": "///", "linewidth": 0}
        axes.fill_between(days, free, drawn, where=drawn > free, label="over it: billed", **over)
        axes.plot(days, volume, color="0.35", linewidth=1.2, linestyle="--")
        axes.plot(days, used, color=BLUE, linewidth=2.2, label="used by the automated backups")
        axes.set_ylabel("GiB, all clusters")
        _month_axis(axes, review)
        legend_below(axes)

    title = f"Which days of {month} went over what is free?"
    return draw(paint, title=title, words=words, height_in=3.6)


def days_table(review: Review) -> Table:
    """Return the numbers of the automated backups' days."""
    found, month = review.amounts, review.month.month
    span = found.usage.span(month.first, month.last)
    columns = [_sums(grid, span) for grid in (found.usage.volume_gib, found.usage.used_gib, found.automated_gib)]
    return Table(
        title=f"Automated backups day by day in {month}",
        columns=("day", "free, GiB", "used, GiB", "billed, GiB", "USD", ""),
        rows=_day_rows(review, columns, columns[2]),
        marks=_unsettled(review),
        note="A day's USD is its part of the month. What one cluster leaves of its free amount is of no use to "
        "another, so with several clusters more is billed than the lines' difference.",
    )


def billed_figure(review: Review) -> Figure:
    """Stack what is billed on each day of the month."""
    found, month = review.amounts, review.month.month
    span = found.usage.span(month.first, month.last)
    days = np.array([day.day for day in found.usage.days[span]])[: review.month.days_settled]
    parts = (
        ("automated", _sums(found.automated_gib, span), AUTOMATED),
        ("snapshots", _sums(found.snapshot_gib, span), SNAPSHOTS),
    )
    total = float(np.nansum(found.last_settled(found.automated_gib) + found.last_settled(found.snapshot_gib)))
    words = f"Billed on the last settled day, {found.usage.days[found.last_column]}: {total:,.0f} GiB."

    def paint(axes: Any) -> None:
        bottom = np.zeros(len(days))
        for name, gib, style in parts:
            height = np.nan_to_num(gib[: len(days)])
            axes.bar(days, height, bottom=bottom, width=0.7, label=NAMES[name], **style)
            bottom = bottom + height
        axes.set_ylabel("GiB billed, all clusters")
        _month_axis(axes, review)
        legend_below(axes)

    return draw(paint, title=f"What was billed on each day of {month}?", words=words, height_in=3.4)


def billed_table(review: Review) -> Table:
    """Return the numbers of what is billed each day."""
    found, month = review.amounts, review.month.month
    span = found.usage.span(month.first, month.last)
    automated, snapshots = _sums(found.automated_gib, span), _sums(found.snapshot_gib, span)
    both = np.nansum([automated, snapshots], axis=0)
    return Table(
        title=f"Billed day by day in {month}",
        columns=("day", "automated over free, GiB", "snapshots, GiB", "together, GiB", "USD", ""),
        rows=_day_rows(review, [automated, snapshots, both], both),
        marks=_unsettled(review),
    )


def _day_rows(review: Review, columns: Sequence[Grid], billed: Grid) -> tuple[tuple[Any, ...], ...]:
    found, month = review.amounts, review.month.month
    rows = []
    for index, day in enumerate(found.usage.days[found.usage.span(month.first, month.last)]):
        cells = [None if np.isnan(column[index]) else float(column[index]) for column in columns]
        settled = day <= found.usage.settled
        usd = float(np.nan_to_num(billed[index])) / month.days * review.usd_gib_month
        rows.append((str(day), *cells, usd if settled else None, "" if settled else "not settled"))
    return tuple(rows)


def _unsettled(review: Review) -> dict[int, str]:
    found, month = review.amounts, review.month.month
    days = found.usage.days[found.usage.span(month.first, month.last)]
    return {index: "warn" for index, day in enumerate(days) if day > found.usage.settled}


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
    part = grid[:, span]
    empty = np.isnan(part).all(axis=0)
    total: Grid = np.where(empty, np.nan, np.nansum(part, axis=0))
    return total
