"""Does AWS's bill agree, and did anything jump?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runbook_lib.costs.anomalies import Anomaly
from runbook_lib.costs.bill import USD_A_REQUEST, VIEWS
from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.reconcile import TOLERANCE, Comparison, compare, listed_against_metric
from runbook_lib.costs.review import Review
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table

SHOWN_ANOMALIES = 20


def bill_sheet(review: Review, outlook: Outlook) -> Stack:
    """Hold rule, metrics and bill against each other, and list the days that rose beyond both thresholds."""
    compared = comparisons(review)
    outliers = [hit for hit in outlook.anomalies if not hit.routine]
    routine = [hit for hit in outlook.anomalies if hit.routine]
    offer = f'With ask="prices, bill" it is read in {VIEWS} requests at ${USD_A_REQUEST} each.'
    return Stack(
        headline=verdict(review, compared),
        tables=(_table(compared), _listed(review), _outliers(outliers, outlook), _routine(routine)),
        closing="" if review.facts.bill.months else f"{review.facts.bill.note} {offer}",
    )


def comparisons(review: Review) -> tuple[Comparison, ...]:
    """Compare every month of the review, for all Aurora clusters of the region: that is what a bill is about."""
    return compare(
        review.every,
        review.facts.bill,
        tuple(entry.month for entry in review.months),
        usd_gib_month=review.usd_gib_month,
        today=review.facts.now.date(),
    )


def verdict(review: Review, compared: Sequence[Comparison]) -> str:
    """Say in a sentence whether the rule, the metrics and the bill agree."""
    off = [entry for entry in compared if entry.is_off]
    open_ = [entry for entry in compared if entry.not_comparable]
    what = "Rule, metrics and bill" if review.facts.bill.months else "Rule and metrics"
    if not compared:
        return "No settled day to compare yet"
    left = f"; {len(open_)} of {len(compared)} months cannot be compared" if open_ else ""
    if len(open_) == len(compared):
        return f"{what} cannot be compared: {open_[-1].verdict}"
    if not off:
        count = f"the other {len(compared) - len(open_)}" if open_ else f"all {len(compared)}"
        return f"{what} agree within {TOLERANCE:.0%} in {count} months{left}"
    worst = max(off, key=lambda entry: abs(entry.unexplained_usd or 0.0))
    return f"{what} do not agree in {len(off)} of {len(compared)} months; {worst.month}: {worst.verdict}{left}"


def _table(compared: Sequence[Comparison]) -> Table:
    rows, marks = [], {}
    for index, entry in enumerate(compared):
        if entry.is_off:
            marks[index] = "bad"
        elif entry.not_comparable or entry.incomparable_days:
            marks[index] = "warn"
        state = [entry.verdict]
        state += ["AWS says: estimated"] if entry.estimated else []
        state += ["still moves"] if entry.still_moves else []
        billed = entry.billed_gib_months
        rows.append(
            (
                str(entry.month) if entry.until == entry.month.last else f"{entry.month} to {entry.until:%d}",
                round(entry.model_gib_months, 1),
                round(entry.metrics_gib_months, 1),
                None if billed is None else round(billed, 1),
                entry.metrics_usd,
                entry.billed_usd,
                None if entry.unexplained_usd is None else round(entry.unexplained_usd, 2) + 0.0,
                "; ".join(state),
            )
        )
    other = sum(entry.other_reading_gib_months for entry in compared)
    cap = "The cap on automated backups was never reached, so its two readings do not differ."
    if other > 0.05:
        cap = f"AWS's cap can be read in two ways: the other one would bill up to {other:,.1f} GB-months more."
    return Table(
        title="Rule, metrics and bill, for every Aurora cluster of the region",
        columns=(
            "month", "rule, GB-months", "metrics, GB-months", "bill, GB-months", "metrics at list price, USD",
            "bill, USD", "unexplained, USD", "",
        ),
        rows=tuple(rows),
        marks=marks,
        note="A bill also has clusters that left neither snapshot nor backup. Credits, refunds and tax are left out. "
        + cap,
    )  # fmt: skip


def _listed(review: Review) -> Table:
    listed, metric = listed_against_metric(review.every)
    without = int(np.isnan(review.every.last_settled(review.every.snapshot_gib)).sum())
    unsized = sum(1 for holding in review.held if holding.size_gib is None)
    said = [f"at least: {without} clusters without a point of that day are in neither"] if without else []
    said += [f"at least: {text}" for text in review.facts.estate.unseen]
    said += [f"at least: the size of {unsized} is not known"] if unsized else []
    price, day = review.usd_gib_month, review.every.usage.days[review.every.last_column]
    left = metric - listed
    text = (
        "agree" if abs(left) < 0.05 else "deleted since, or older than the metrics" if left > 0 else "see sizes above"
    )
    text += f"; {without} cluster{'' if without == 1 else 's'} not measured that day" if without else ""
    return Table(
        title=f"Snapshots outside the window on the last settled day, {day}",
        columns=("", "GiB", "USD a month", ""),
        rows=(
            ("those of today's list, by the rule", round(listed, 1), listed * price, "\n".join(said)),
            ("AWS's metric", round(metric, 1), metric * price, said[0] if without else ""),
            ("left over", round(left, 1), left * price, text),
        ),
    )


def _outliers(hits: Sequence[Anomaly], outlook: Outlook) -> Table:
    title = "Days that stand out" if hits else "Days that stand out: there are none"
    return _rises(hits, f"{title}, of a rise by {outlook.thresholds} at least", mark="warn")


def _routine(hits: Sequence[Anomaly]) -> Table:
    return _rises(hits, f"Routine rises beyond the thresholds: {len(hits)}", mark="", folded=bool(hits))


def _rises(hits: Sequence[Anomaly], title: str, *, mark: str, folded: bool = False) -> Table:
    rows = tuple(
        (
            str(hit.day),
            hit.cluster,
            "snapshots: more outside the window" if hit.part == "snapshots" else "automated backup: more was changed",
            hit.usual_usd_month,
            hit.usd_month,
            hit.rise_usd,
            f"{hit.rise_part:.0%}" if hit.usual_usd_month >= 0.01 else "from nothing",
            hit.routine,
        )
        for hit in hits[:SHOWN_ANOMALIES]
    )
    return Table(
        title=title,
        columns=(
            "day", "cluster", "what", "the week before, USD a month", "that day, USD a month", "rise, USD", "rise", "",
        ) if rows else (),
        rows=rows,
        marks=dict.fromkeys(range(len(rows)), mark) if mark else {},
        left_out=max(0, len(hits) - SHOWN_ANOMALIES),
        folded=folded,
    )  # fmt: skip
