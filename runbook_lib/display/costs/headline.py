"""The first thing to read: what the month costs, against the month before, and what that is based on."""

from __future__ import annotations

from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.review import Review
from runbook_lib.costs.units import usd_text
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table


def headline(review: Review) -> str:
    """Say in a sentence what the month costs, with the change and, while it runs, what it will come to."""
    now, before = review.month, review.before
    if not now.days_settled:
        return f"No day of {now.month} is settled yet: AWS's points of the last two days may still grow."
    if now.days_settled == now.month.days:
        change = _change(now.backup_usd, before.backup_usd)
        return f"Aurora's backups cost {usd_text(now.backup_usd)} in {now.month}, {change} {before.month}."
    change = _change(review.forecast_usd, before.backup_usd)
    return (
        f"Aurora's backups cost {usd_text(now.backup_usd)} in {now.month} so far; "
        f"{usd_text(review.forecast_usd)} is foreseen for the month, {change} {before.month}."
    )


def _change(usd: float, before_usd: float) -> str:
    difference = usd - before_usd
    if abs(difference) < 0.005:
        return "as much as in"
    part = f" ({abs(difference) / before_usd:.0%})" if before_usd > 0.005 else ""
    return f"{usd_text(abs(difference))}{part} {'more' if difference > 0 else 'less'} than in"


def headline_sheet(review: Review) -> Stack:
    """Show the headline and everything it is based on: metrics, prices, the bill, and what is not known."""
    facts, month = review.facts, review.month
    price = facts.prices.of(AURORA_BACKUP)
    kinds = len([name for name in facts.scope if name in facts.estate.by_name])
    gone = len(facts.scope) - kinds
    rows = [
        ("automated backup over the free amount", usd_text(month.automated_usd)),
        ("snapshots outside the window", usd_text(month.snapshots_usd)),
        ("restored copies, beside the backups", usd_text(month.copies_usd)),
        ("clusters", f"{kinds} living" + (f", {gone} gone that left snapshots or backups" if gone else "")),
        ("days", _days(review)),
        (
            "sizes",
            f"CloudWatch's backup metrics of {facts.usage.metrics_asked:,} series ({_cost(facts.usage.asked_usd)})",
        ),
        ("price", price.text + (f"\nnot live: {facts.prices.note}" if facts.prices.note else "")),
        ("bill", facts.bill.note or f"Cost Explorer, {facts.bill.requests} requests ({_cost(facts.bill.asked_usd)})"),
    ]
    rows += [("no price of", text) for text in facts.prices.missing]
    marks = {4: "warn"} if month.days_missing else {}
    if facts.prices.note:
        marks[6] = "warn"
    return Stack(
        headline=headline(review),
        tables=(
            Table(title=f"{month.month} and what it is based on", columns=("", ""), rows=tuple(rows), marks=marks),
        ),
    )


def _days(review: Review) -> str:
    month, settled = review.month, review.facts.usage.settled
    text = f"{month.days_settled} of {month.month.days} settled"
    if month.days_settled < month.month.days:
        text += f", up to {settled}; the days after it are left out, not filled"
    if month.days_missing:
        text += f"\n{month.days_missing} cluster-days without a point from AWS: left out, so the sum is too low"
    return text


def _cost(usd: float) -> str:
    return f"asking cost ${usd:.2f}" if usd >= 0.01 else "asking cost less than a cent"
