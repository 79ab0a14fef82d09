"""What is kept: snapshots by age, orphans, retained backups and restored copies, with the day each begins to cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runbook_lib.costs.estate import cluster_of, owner
from runbook_lib.costs.holdings import Holding
from runbook_lib.costs.review import Cost, Review
from runbook_lib.display.costs.style import shown
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.times import ago, utc_text

SHOWN = 60


def held_sheet(review: Review) -> Stack:
    """Show everything kept that can cost, the dearest kind of thing first."""
    today, price = review.facts.now.date(), review.usd_gib_month
    costing = [holding for holding in review.held if holding.costs_on(today)]
    if why := next((text for text in review.facts.estate.unseen if text.startswith("snapshots")), ""):
        return Stack(headline=f"What is kept is not known: {why}", tables=(_copies(review),))
    now, all_of_them = _sum(costing, price), _sum(review.held, price)
    return Stack(
        headline=f"{len(review.held)} snapshots: {len(costing)} are outside the window and cost {now} "
        f"a month; once all of them are, {all_of_them}",
        tables=(_ages(review), _snapshots(review), _orphans(review), _copies(review)),
    )


def _sum(held: Sequence[Holding], usd_gib_month: float) -> Cost:
    """Add up what snapshots cost a month once they are outside the window; those of unknown size make it a least."""
    known = [holding.usd_month(usd_gib_month) for holding in held]
    unsized = sum(1 for usd in known if usd is None)
    return Cost(usd=None if held and unsized == len(held) else sum(usd or 0.0 for usd in known), missing=unsized)


def _ages(review: Review) -> Table:
    today, price = review.facts.now.date(), review.usd_gib_month
    bounds = ((0, 7), (7, 35), (35, 90), (90, 365), (365, None))
    rows = []
    for low, high in bounds:
        own = [h for h in review.held if _age(h, review) >= low and (high is None or _age(h, review) < high)]
        costing = [holding for holding in own if holding.costs_on(today)]
        label = f"{low} to {high - 1} days" if high else f"{low} days and more"
        rows.append((label, len(own), len(own) - len(costing), len(costing), shown(_sum(costing, price))))
    return Table(
        title="Snapshots by age",
        columns=("age", "snapshots", "inside a window: free", "outside: cost", "USD a month now"),
        rows=tuple(rows),
    )


def _age(holding: Holding, review: Review) -> int:
    return (review.facts.now.date() - holding.snapshot.created.date()).days


def _snapshots(review: Review) -> Table:
    today, price = review.facts.now.date(), review.usd_gib_month
    ordered = sorted(review.held, key=lambda holding: holding.snapshot.created)
    rows, marks = [], {}
    for index, holding in enumerate(ordered[:SHOWN]):
        usd = holding.usd_month(price)
        costs = holding.costs_on(today)
        if costs:
            marks[index] = "warn"
        size = None if holding.size_gib is None else round(holding.size_gib, 1)
        rows.append(
            (
                holding.name,
                _of(holding),
                holding.origin,
                _owner(holding, review),
                _age(holding, review),
                size,
                (usd if costs else 0.0) if usd is not None else None,
                f"since {holding.costs_from}" if costs else f"from {holding.costs_from}",
            )
        )
    unsized = [holding for holding in review.held if holding.size_gib is None]
    note = f"The size of {len(unsized)} snapshots is not known: nothing measured their day. " if unsized else ""
    return Table(
        title="Snapshots, the oldest first",
        columns=(
            "snapshot", "of cluster", "made", review.owner_tag, "age, days", "size, GiB", "USD a month now", "costs",
        ),
        rows=tuple(rows),
        marks=marks,
        left_out=max(0, len(ordered) - SHOWN),
        note=note + "A snapshot is as large as the volume was on its day. AWS's own daily snapshots never cost.",
    )  # fmt: skip


def _of(holding: Holding) -> str:
    """Name the cluster a snapshot is of; one that was copied from elsewhere says so in the cluster's label."""
    return holding.label if holding.of_living_cluster or "(" in holding.label else f"{holding.label} (gone)"


def _owner(holding: Holding, review: Review) -> str:
    cluster = cluster_of(holding.snapshot, review.facts.estate)
    own = owner(holding.snapshot.tags, review.owner_tag)
    return own or owner(cluster.tags if cluster else {}, review.owner_tag) or "—"


def _orphans(review: Review) -> Table:
    price = review.usd_gib_month
    rows: list[tuple[Any, ...]] = []
    gone: dict[str, list[Holding]] = {}
    for holding in review.held:
        if not holding.of_living_cluster:
            gone.setdefault(holding.label, []).append(holding)
    for name, own in gone.items():
        what = "snapshots copied here" if "copied from " in name else "snapshots of a cluster that is gone"
        rows.append((name, what, f"{len(own)}, the newest of {_newest(own)}", shown(_sum(own, price))))
    kept = {lineage.resource_id for lineage in review.amounts.who}
    for backup in review.facts.estate.retained:
        if backup.resource_id in kept:
            until = f"restorable to {utc_text(backup.window.latest)}" if backup.window else backup.status
            rows.append((backup.cluster, "retained automated backup", until, None))
    return Table(
        title="Orphans" if rows else "Orphans: there are none",
        columns=("cluster", "what is left", "", "USD a month") if rows else (),
        rows=tuple(rows[:SHOWN]),
        left_out=max(0, len(rows) - SHOWN),
        note="Without its cluster a snapshot has no window: each costs its full size from the first day."
        if gone
        else "",
    )


def _newest(held: Sequence[Holding]) -> str:
    return f"{max(holding.snapshot.created for holding in held):%Y-%m-%d}"


def _copies(review: Review) -> Table:
    now = review.facts.now
    rows, marks = [], {}
    for index, copy in enumerate(review.copies):
        expired = copy.is_expired(now)
        if expired:
            marks[index] = "bad"
        until = f"{copy.expires:%Y-%m-%d %H:%M} UTC" + (" (past)" if expired else "") if copy.expires else "no tag"
        rows.append(
            (
                copy.cluster,
                copy.source or "—",
                ago(copy.made, now=now),
                ", ".join(copy.instance_classes) or "no instance",
                None if copy.volume_gib is None else round(copy.volume_gib, 1),
                copy.usd_a_day,
                copy.usd_so_far(now) if copy.usd_a_day is not None else None,
                until,
            )
        )
    return Table(
        title="Restored copies still alive" if rows else "Restored copies still alive: there are none",
        columns=(
            "copy", "of", "made", "instances", "volume, GiB", "USD a day", "USD so far", "expires",
        ) if rows else (),
        rows=tuple(rows),
        marks=marks,
        note="Instance-hours and volume at list price; requests are not counted." if rows else "",
    )  # fmt: skip
