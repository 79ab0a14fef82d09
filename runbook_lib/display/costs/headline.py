"""The first screen: what the month costs, why it changed, what could be saved, what stands out, what is not known."""

from __future__ import annotations

from typing import Any

from runbook_lib.costs.anomalies import Anomaly
from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.review import Cost, MonthCost, Review
from runbook_lib.costs.summary import drivers, largest_savings
from runbook_lib.costs.units import usd_text
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table

_SAVINGS = 5
_NAMED = 5


def headline(review: Review) -> str:
    """Say in a sentence what the month costs, with the change and, while it runs, what it will come to."""
    now, before = review.month, review.before
    if not now.days_settled:
        return f"No day of {now.month} is settled yet: AWS's points of the last two days may still grow."
    if now.backup.usd is None:
        return f"What Aurora's backups cost in {now.month} is not known: nothing was measured."
    if now.days_settled == now.month.days:
        return f"Aurora's backups cost {now.backup} in {now.month}{_change(now.backup, before)}."
    foreseen = review.forecast_usd
    if foreseen.usd is None:
        return (
            f"Aurora's backups cost {now.backup} in {now.month} so far; nothing was measured to foresee its end from."
        )
    return (
        f"Aurora's backups cost {now.backup} in {now.month} so far; "
        f"{foreseen} is foreseen for the month{_change(foreseen, before)}."
    )


def _change(cost: Cost, before: MonthCost) -> str:
    if before.backup.usd is None:
        return f"; what {before.month} cost is not known"
    difference = cost.known_usd - before.backup.usd
    if before.backup.at_least or cost.at_least:
        return f", against {before.backup} in {before.month}"
    if abs(difference) < 0.005:
        return f", as much as in {before.month}"
    part = f" ({abs(difference) / before.backup.usd:.0%})" if before.backup.usd > 0.005 else ""
    return f", {usd_text(abs(difference))}{part} {'more' if difference > 0 else 'less'} than in {before.month}"


def first_screen(review: Review, outlook: Outlook) -> Stack:
    """Show the month in a minute: the sum against the month before and a budget, why it changed, what could be saved,
    what stands out and what is not known.
    """
    return Stack(
        headline=headline(review),
        tables=(_minute(review, outlook), _why(review), _savings(outlook), _basis(review)),
    )


def in_a_minute(review: Review, outlook: Outlook) -> dict[str, str]:
    """Return the same as lines of text, for the result and the top of the report."""
    said = {str(name): str(text) for name, text in _minute(review, outlook).rows}
    unknown = said.pop("not known", "")
    if review.month.days_settled:
        why = [f"{driver.what} {_signed(driver.usd)}" for driver in drivers(review) if driver.usd is not None]
        said["why it changed, USD a month"] = "; ".join(why) + ("; not all is known" if unknown else "")
    saves = _savings(outlook)
    said["could be saved"] = saves.title.partition(": ")[2]
    if saves.rows:
        cluster, what, usd, _ = saves.rows[0]
        said["could be saved"] += f"; first {cluster}: {what}, {usd_text(float(usd))} a month"
    return said


def _signed(usd: float) -> str:
    return "0.00" if abs(usd) < 0.005 else f"{usd:+,.2f}"


def _minute(review: Review, outlook: Outlook) -> Table:
    now, before = review.month, review.before
    running = now.days_settled < now.month.days
    rows: list[tuple[str, str]] = [("so far" if running else "the month", str(now.backup))]
    if running and now.days_settled:
        rows.append(("foreseen", _foreseen(review)))
    rows.append((f"the month before, {before.month}", str(before.backup)))
    marks: dict[int, str] = {}
    if outlook.budget:
        text, mark = _against(review.forecast_usd if running else now.backup, outlook.budget)
        marks[len(rows)] = mark
        rows.append(("budget", text))
    rows.append(("a protected GiB, a month", _protected(review)))
    rows.append(("restored copies, beside the backups", str(now.copies)))
    outliers = [hit for hit in outlook.anomalies if not hit.routine]
    if outliers:
        marks[len(rows)] = "warn"
    rows.append(("stands out", outlier_text(outliers, len(outlook.anomalies))))
    if gaps := _unknown(review):
        marks[len(rows)] = "warn"
        rows.append(("not known", gaps))
    return Table(title=f"{now.month} in a minute", columns=("", ""), rows=tuple(rows), marks=marks)


def _foreseen(review: Review) -> str:
    foreseen, (low, high) = review.forecast_usd, review.forecast_range_usd
    if foreseen.usd is None:
        return str(foreseen)
    unknown = sum(1 for rate in review.rates if rate.gib_a_day is None)
    but = f"; the range of {unknown} cluster{'' if unknown == 1 else 's'} is not known" if unknown else ""
    return f"{foreseen} (from {usd_text(low)} to {usd_text(high)}{but})"


def _against(cost: Cost, budget: float) -> tuple[str, str]:
    if cost.usd is None:
        return f"{usd_text(budget)}; the sum is not known", "warn"
    over = cost.usd - budget
    if over > 0:
        return f"{usd_text(budget)}: {'at least ' if cost.at_least else ''}{usd_text(over)} over it", "bad"
    if cost.at_least:
        return f"{usd_text(budget)}: {usd_text(-over)} under it by what was measured; not all was", "warn"
    return f"{usd_text(budget)}: {usd_text(-over)} under it", "good"


def _protected(review: Review) -> str:
    points = [("now", review.month), (f"in {review.before.month}", review.before)]
    points += [(f"in {review.months[0].month}", review.months[0])]
    texts = [f"{name} " + (per_gib(entry) or "not known") for name, entry in points]
    return "; ".join(texts)


def per_gib(entry: MonthCost) -> str:
    """Write what a protected GiB costs, empty where it is not known; it is a mean of the days that were measured."""
    if entry.usd_per_gib is None:
        return ""
    return f"${entry.usd_per_gib:.4f}" + (" (by the days measured)" if entry.days_missing else "")


def outlier_text(outliers: list[Anomaly], rises: int) -> str:
    """Name the largest outlier, and say how many rises are routine."""
    routine = f"{rises - len(outliers)} routine rises" if rises - len(outliers) else "no other rise"
    if not outliers:
        return f"nothing; {routine}" if rises else "nothing rose beyond the thresholds"
    first = outliers[0]
    more = f"; {len(outliers) - 1} more" if len(outliers) > 1 else ""
    return (
        f"{first.cluster}, {first.part}, on {first.day}: {usd_text(first.usual_usd_month)} to "
        f"{usd_text(first.usd_month)} a month at that day's pace{more}; {routine}"
    )


def _unknown(review: Review) -> str:
    missing = [cluster for cluster in review.clusters if cluster.days_missing]
    said = [f"could not be seen: {text}" for text in review.facts.estate.unseen]
    if missing:
        named = ", ".join(f"{cluster.cluster} ({cluster.days_missing})" for cluster in missing[:_NAMED])
        rest = f" and {len(missing) - _NAMED} more clusters" if len(missing) > _NAMED else ""
        days = sum(cluster.days_missing for cluster in missing)
        said.insert(0, f"{days} cluster-days without a point from AWS: {named}{rest}; sums over them are least amounts")
    return "\n".join(said)


def _why(review: Review) -> Table:
    rows: list[tuple[Any, ...]] = [(driver.what, driver.usd, driver.why) for driver in drivers(review)]
    now, before = review.month, review.before
    return Table(
        title=f"Why it changed against {before.month}, USD a month at the pace of the settled days",
        columns=("", "USD a month", ""),
        rows=tuple(rows) if now.days_settled else (),
    )


def _savings(outlook: Outlook) -> Table:
    found = largest_savings(outlook.advice)
    month = sum(entry.saves_usd_month for entry in found)
    rows = tuple(
        (entry.cluster, entry.what, entry.saves_usd_month, 12 * entry.saves_usd_month) for entry in found[:_SAVINGS]
    )
    return Table(
        title=f"Could be saved: {outlook.least}{usd_text(month)} a month, {outlook.least}{usd_text(12 * month)} a year"
        if rows
        else "Could be saved: nothing was found" + (", but not all could be looked at" if outlook.left_out else ""),
        columns=("cluster", "what", "USD a month", "USD a year") if rows else (),
        rows=rows,
        left_out=max(0, len(found) - _SAVINGS),
        note=("Nothing is done by this review: each is described below." if rows else "")
        + (f" At least: {outlook.left_out}." if outlook.left_out else ""),
    )


def _basis(review: Review) -> Table:
    facts, month = review.facts, review.month
    price = facts.prices.of(AURORA_BACKUP)
    living = sum(cluster.exists for cluster in review.clusters)
    gone = len(review.clusters) - living
    rows = [
        ("automated backup over the free amount", str(month.automated)),
        ("snapshots outside the window", str(month.snapshots)),
        ("clusters", f"{living} living" + (f", {gone} gone that left snapshots or backups" if gone else "")),
        ("days", _days(review)),
        (
            "sizes",
            f"CloudWatch's backup metrics: {facts.usage.metrics_asked:,} series ({_cost(facts.usage.asked_usd)})",
        ),
        ("price", price.text + (f"\nnot live: {facts.prices.note}" if facts.prices.note else "")),
        ("bill", facts.bill.note or f"Cost Explorer, {facts.bill.requests} requests ({_cost(facts.bill.asked_usd)})"),
    ]
    rows += [("no price of", text) for text in facts.prices.missing]
    marks = {3: "warn"} if month.days_missing else {}
    if facts.prices.note:
        marks[5] = "warn"
    return Table(title="What it is based on", columns=("", ""), rows=tuple(rows), marks=marks)


def _days(review: Review) -> str:
    month, settled = review.month, review.facts.usage.settled
    text = f"{month.days_settled} of {month.month.days} settled"
    if month.days_settled < month.month.days:
        text += f", up to {settled}; the days after it are left out, not filled"
    if month.days_missing:
        text += f"\n{month.days_missing} cluster-days without a point from AWS: left out, so the sum is a least amount"
    return text


def _cost(usd: float) -> str:
    return f"asking cost ${usd:.2f}" if usd >= 0.01 else "asking cost less than a cent"
