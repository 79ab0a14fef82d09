"""What another retention would cost, and what a restore costs a day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runbook_lib.costs.copies import copy_usd_a_day
from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.pricelist import aurora_instance, aurora_storage
from runbook_lib.costs.prices import shipped_price
from runbook_lib.costs.rates import Change
from runbook_lib.costs.review import Review
from runbook_lib.costs.units import usd_text
from runbook_lib.costs.whatif import RetentionCost, cheaper_retention
from runbook_lib.display.costs.style import from_nothing, legend_below, measured
from runbook_lib.display.figure import BLUE, ORANGE, Figure, draw
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.errors import StepFailed

SHOWN_CLUSTERS = 20
_EXAMPLE_CLASS = "db.r6g.large"


def retention_sheet(review: Review, outlook: Outlook) -> Stack:
    """Show the cost at each retention from 1 to 35 days, for all clusters and for each, and what a restore costs."""
    costs = outlook.together
    if not outlook.costs:
        why = outlook.left_out or "there is no living cluster"
        return Stack(
            headline=f"What another retention would cost is not known: {why}",
            tables=(_clusters(outlook), _restore(review, outlook)),
        )
    longest = max(rate.retention_days for rate in outlook.rates if rate.cluster in outlook.costs)
    least = min(costs[longest - 1 :], key=lambda cost: (round(cost.usd, 2), -cost.retention_days))
    return Stack(
        headline=f"With one retention for all, {least.retention_days} days would cost least: {outlook.least}"
        f"{usd_text(least.usd)} a month, against {outlook.least}{_today(outlook)} at today's retentions; no cluster "
        f"would be protected for less than today's longest, {longest} days"
        + (f" ({outlook.left_out})" if outlook.left_out else ""),
        tables=(
            _figure(outlook, costs),
            _table(outlook, costs),
            _clusters(outlook),
            _restore(review, outlook),
        ),
    )


def _today(outlook: Outlook) -> str:
    by_name = {rate.cluster: rate.retention_days for rate in outlook.rates}
    return usd_text(sum(own[by_name[name] - 1].usd for name, own in outlook.costs.items()))


def _figure(outlook: Outlook, costs: tuple[RetentionCost, ...]) -> Figure:
    days = [cost.retention_days for cost in costs]
    set_today = sorted({rate.retention_days for rate in outlook.rates})
    words = (
        "Retention today: "
        + (f"{set_today[0]} days" if len(set_today) == 1 else f"from {set_today[0]} to {set_today[-1]} days")
        if set_today
        else "There is no living cluster."
    )
    words += f". The lines are least amounts: {outlook.left_out}." if outlook.left_out else ""

    def paint(axes: Any) -> None:
        axes.plot(days, [cost.usd for cost in costs], color="black", linewidth=2.2, label="both together")
        axes.plot(days, [cost.automated_usd for cost in costs], color=BLUE, linewidth=2, linestyle="--",
                  label="automated backup over the free amount")  # fmt: skip
        axes.plot(days, [cost.snapshots_usd for cost in costs], color=ORANGE, linewidth=2, linestyle=":",
                  label="the snapshots there are, where outside the window")  # fmt: skip
        for index, today in enumerate(set_today):
            label = "retention today" if index == 0 else None
            axes.axvline(today, color="0.35", linewidth=1.2, linestyle="-.", label=label)
        axes.set_xlim(1, 35)
        axes.set_xticks([1, 7, 14, 21, 28, 35])
        axes.set_xlabel("retention, days")
        axes.set_ylabel("USD a month")
        from_nothing(axes)
        legend_below(axes, columns=2)

    return draw(paint, title="What would another retention cost?", words=words, height_in=3.8)


def _table(outlook: Outlook, costs: tuple[RetentionCost, ...]) -> Table:
    shown = [cost for cost in costs if cost.retention_days in (1, 2, 3, 5, 7, 10, 14, 21, 28, 30, 35)]
    return Table(
        title="All clusters at one retention, USD a month",
        columns=("retention, days", "automated backup", "snapshots outside", "together"),
        rows=tuple((cost.retention_days, cost.automated_usd, cost.snapshots_usd, cost.usd) for cost in shown),
        note=(f"At least: {outlook.left_out}. " if outlook.left_out else "")
        + "At the change rate measured in the present windows, with the snapshots there are today. "
        "A retention of one day costs nothing, and protects for one day.",
    )


def _clusters(outlook: Outlook) -> Table:
    rows: list[tuple[object, ...]] = []
    for rate in _largest_first(outlook.rates):
        costs = outlook.costs.get(rate.cluster)
        usd, proposal = None, "not known"
        if costs is not None:
            usd, better = costs[rate.retention_days - 1].usd, cheaper_retention(costs, today=rate.retention_days)
            proposal = f"{better.retention_days} days: {usd_text(better.usd)}" if better else "no longer one is cheaper"
        size = measured(round(rate.volume_gib, 1))
        rows.append((rate.cluster, size, _change(rate), rate.retention_days, usd, proposal))
    return Table(
        title="Each cluster at its own retention",
        columns=("cluster", "volume, GiB", "changes a day", "retention, days", "USD a month", "cheaper and longer"),
        rows=tuple(rows[:SHOWN_CLUSTERS]),
        left_out=max(0, len(rows) - SHOWN_CLUSTERS),
    )


def _largest_first(rates: Sequence[Change]) -> list[Change]:
    """Sort clusters by size; those of no known size come last."""
    return sorted(rates, key=lambda rate: -(measured(rate.volume_gib) or 0.0))


def _change(rate: Change) -> str | None:
    """Say a cluster's change rate with its spread, the days it was measured over and the loads left out of it."""
    if rate.part_a_day is None or rate.low is None or rate.high is None:
        return None
    text = f"{rate.part_a_day:.1%}"
    low, high = (part / rate.volume_gib for part in (rate.low, rate.high))
    if f"{low:.1%}" != f"{high:.1%}":
        text += f" ({low:.1%} to {high:.1%})"
    text += f", over {rate.days} days"
    if rate.loads:
        text += f", without {len(rate.loads)} load{'' if len(rate.loads) == 1 else 's'}"
    return text


def _restore(review: Review, outlook: Outlook) -> Table:
    storage = review.facts.prices.usd(aurora_storage())
    hour = review.facts.prices.usd(aurora_instance(_EXAMPLE_CLASS))
    region, rows = review.facts.prices.region, []
    try:
        storage = storage if storage is not None else shipped_price(region, aurora_storage()).usd
        hour = hour if hour is not None else shipped_price(region, aurora_instance(_EXAMPLE_CLASS)).usd
    except StepFailed as error:
        title = "What a restored copy costs a day: not known"
        return Table(title=title, columns=("", ""), rows=(("why", error.message),))
    sizes = [(rate.cluster, rate.volume_gib) for rate in _largest_first(outlook.rates) if rate.volume_gib > 0]
    for name, size in sizes[:5]:
        usd = copy_usd_a_day(instance_usd_hour=hour, instances=1, volume_gib=size, storage_usd_gib_month=storage)
        rows.append((name, round(size, 1), usd, usd * 7))
    return Table(
        title=f"What a restored copy costs a day, with one {_EXAMPLE_CLASS}",
        columns=("copy of", "volume, GiB", "USD a day", "USD in 7 days"),
        rows=tuple(rows),
        note=f"${hour:g} an instance-hour and ${storage:g} a GB-month of storage; requests are not counted. "
        "A copy is billed until somebody deletes it.",
    )
