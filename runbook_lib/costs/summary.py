"""What its reader wants in a minute: why the month changed, whose it is, and the largest savings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runbook_lib.costs.advice import Advice
from runbook_lib.costs.review import Cost, Review

_ALTERNATIVES = ("snapshots", "twice", "retention")


@dataclass(frozen=True, kw_only=True)
class Driver:
    """One reason why a month costs more or less than the one before, in USD a month. None is not known."""

    what: str
    usd: float | None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class OwnerCost:
    """What one owner's clusters cost. `forecast` is a least amount where of a cluster nothing was measured."""

    owner: str
    clusters: int
    backup: Cost
    before: Cost
    forecast: Cost
    saves_usd: float

    @property
    def change_usd(self) -> float | None:
        """What is foreseen beyond the month before; None where either is not wholly known."""
        if self.before.usd is None or self.forecast.usd is None or self.backup.usd is None:
            return None
        if self.before.at_least or self.backup.at_least or self.forecast.at_least:
            return None
        return self.forecast.usd - self.before.usd


def drivers(review: Review) -> tuple[Driver, ...]:
    """Take the difference to the month before apart, at the pace of the days measured in each of the two months.

    The volume's part is what the automated backup would have grown by as its volume did; the rest of its difference is
    that more or less was changed. Clusters without a measured day in one of the months are in neither part.
    """
    found, month, usd = review.amounts, review.month.month, review.usd_gib_month
    now = {name: found.mean(getattr(found, f"{name}_gib"), month) for name in ("automated", "snapshot", "billed")}
    before = {name: found.mean(getattr(found, f"{name}_gib"), month.plus(-1)) for name in now}
    volume, earlier = (found.mean(found.usage.volume_gib, which) for which in (month, month.plus(-1)))
    known = ~np.isnan(now["billed"] + before["billed"])
    parts = known & ~np.isnan(now["snapshot"] + before["snapshot"] + now["automated"] + before["automated"])
    both = parts & ~np.isnan(volume + earlier) & (earlier > 0)
    changed = np.where(parts, now["automated"] - before["automated"], 0.0)
    grown = np.where(both, before["automated"] * (volume - earlier) / np.where(earlier > 0, earlier, 1.0), 0.0)
    snapshots = np.where(parts, now["snapshot"] - before["snapshot"], 0.0)
    rest = np.where(known & ~parts, now["billed"] - before["billed"], 0.0)
    whole = float((changed + snapshots + rest).sum()) * usd
    by = "" if _all_measured(review) else "; by the days measured"
    volumes, window = "the automated backup, as the volumes grew or shrank", "more or less was changed in the window"
    listed = [
        Driver(what="volume", usd=float(grown.sum()) * usd, why=volumes + by),
        Driver(what="change", usd=float((changed - grown).sum()) * usd, why=window + by),
        Driver(what="snapshots", usd=float(snapshots.sum()) * usd, why="snapshots outside the window" + by),
        _price(review),
    ]
    if rest.any():
        listed.append(Driver(what="not told apart", usd=float(rest.sum()) * usd, why="the parts were not measured"))
    left, days = int((~known).sum()), int(found.missing_of(month).sum() + found.missing_of(month.plus(-1)).sum())
    why = "without the price: both months are at today's list price"
    listed.append(Driver(what="together", usd=whole, why=why + ("; not all is known" if left or days else "")))
    if left:
        why = f"{left} cluster{'' if left == 1 else 's'} without a measured day in a month"
        listed.append(Driver(what="not known", usd=None, why=why))
    if days:
        listed.append(Driver(what="days missing", usd=None, why=f"{days} cluster-days were not measured: not known"))
    return tuple(listed)


def _all_measured(review: Review) -> bool:
    """Tell whether of every day of the two months each part of each cluster is known."""
    found, spans = review.amounts, [review.amounts.span(review.month.month.plus(-back)) for back in (0, 1)]
    grids = (found.automated_gib, found.snapshot_gib, found.billed_gib)
    return not any((np.isnan(grid[:, span]) & found.usage.expected[:, span]).any() for grid in grids for span in spans)


def _price(review: Review) -> Driver:
    lines = [review.facts.bill.of(entry.month) for entry in (review.before, review.month)]
    units = [line.usd / line.gib_months if line and line.gib_months > 0 else None for line in lines]
    if units[0] is None or units[1] is None or review.month.backup.usd is None:
        return Driver(
            what="price", usd=0.0, why="both months at today's list price; without the bill no other is known"
        )
    quantity = review.month.backup.usd / review.usd_gib_month
    why = f"the bill's price of a GB-month: ${units[0]:.4f}, now ${units[1]:.4f}; sums here are at today's list price"
    return Driver(what="price", usd=(units[1] - units[0]) * quantity, why=why)


def largest_savings(advice: Sequence[Advice]) -> tuple[Advice, ...]:
    """Return what would save now, the largest first: of alternatives for one cluster the larger only."""
    best: dict[tuple[str, str], Advice] = {}
    for entry in advice:
        if entry.kind == "soon" or entry.saves_usd_month < 0.005:
            continue
        key = (entry.cluster, "backups" if entry.kind in _ALTERNATIVES else f"{entry.kind} {entry.what}")
        if key not in best or entry.saves_usd_month > best[key].saves_usd_month:
            best[key] = entry
    return tuple(sorted(best.values(), key=lambda entry: -entry.saves_usd_month))


def could_save(advice: Sequence[Advice]) -> dict[str, float]:
    """Return what each cluster could save a month. Alternatives do not add up: the largest of them counts."""
    saved: dict[str, float] = {}
    for entry in largest_savings(advice):
        saved[entry.cluster] = saved.get(entry.cluster, 0.0) + entry.saves_usd_month
    return saved


def owners(review: Review, advice: Sequence[Advice]) -> tuple[OwnerCost, ...]:
    """Add the clusters up by owner, the dearest first."""
    saved = could_save(advice)
    groups: dict[str, list[int]] = {}
    for index, cluster in enumerate(review.clusters):
        groups.setdefault(cluster.owner, []).append(index)
    found = []
    for name, rows in groups.items():
        own = [review.clusters[row] for row in rows]
        apart = [cluster for cluster in own if not cluster.within]
        foreseen = [cluster.forecast_usd for cluster in own if not np.isnan(cluster.forecast_usd)]
        found.append(
            OwnerCost(
                owner=name,
                clusters=len(own),
                backup=added([cluster.backup for cluster in apart]),
                before=added([cluster.before for cluster in apart]),
                forecast=Cost(
                    usd=sum(foreseen) if foreseen else None,
                    missing=len(own) - len(foreseen),
                    unseen=bool(review.facts.estate.unseen),
                ),
                saves_usd=sum((saved.get(cluster.cluster, 0.0) for cluster in own), 0.0),
            )
        )
    return tuple(sorted(found, key=lambda entry: -entry.forecast.known_usd))


def added(costs: Sequence[Cost]) -> Cost:
    """Add amounts up: not known where none is, a least amount where one is not or is one itself."""
    known = [cost.usd for cost in costs if cost.usd is not None]
    return Cost(
        usd=sum(known) if known or not costs else None,
        missing=sum(cost.missing for cost in costs),
        unseen=any(cost.unseen for cost in costs),
    )
