"""The monthly review, worked out from facts that were read once: by month, by cluster, to the month's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from runbook_lib.costs.amounts import Amounts, amounts, only
from runbook_lib.costs.copies import Copy, copies
from runbook_lib.costs.estate import owner
from runbook_lib.costs.facts import MONTHS, Facts
from runbook_lib.costs.forecast import Forecast, forecast
from runbook_lib.costs.holdings import Holding, holdings
from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.rates import Change, changes
from runbook_lib.costs.units import Month, usd_text
from runbook_lib.costs.usage import Grid


@dataclass(frozen=True, kw_only=True)
class Cost:
    """An amount in USD, None where nothing of it was measured. It is a least amount where days are `missing`."""

    usd: float | None
    missing: int = 0
    unseen: bool = False  # something may not be looked at at all

    @property
    def at_least(self) -> bool:
        """Tell whether there may be more."""
        return self.missing > 0 or self.unseen

    @property
    def known_usd(self) -> float:
        """What is known of it: nothing where nothing was measured. For sums that say "at least"."""
        return self.usd or 0.0

    def __str__(self) -> str:
        if self.usd is None:
            return "not known"
        return f"at least {usd_text(self.usd)}" if self.at_least else usd_text(self.usd)


@dataclass(frozen=True, kw_only=True)
class MonthCost:
    """One month of the clusters reviewed. `other_usd` is backup outside Aurora, known from the bill only.

    `backup` is Aurora's backup storage, what the billing rule is about; its parts may be known where days are missing.
    `usd_per_gib` is what the backups of a protected GiB cost a month at the mean of each cluster's measured days, None
    where of a cluster no day was measured.
    """

    month: Month
    backup: Cost
    automated: Cost
    snapshots: Cost
    copies: Cost
    other_usd: float | None
    days_settled: int
    days_missing: int
    usd_per_gib: float | None

    @property
    def is_complete(self) -> bool:
        """Tell whether every day of the month is there."""
        return self.days_settled == self.month.days and not self.days_missing


@dataclass(frozen=True, kw_only=True)
class ClusterCost:
    """One cluster in the month reviewed. Paces are USD a month as on the last settled day, NaN where not measured."""

    cluster: str
    owner: str
    exists: bool
    retention_days: int
    volume_gib: float
    backup: Cost
    automated: Cost
    snapshots: Cost
    automated_pace_usd: float
    snapshots_pace_usd: float
    before: Cost  # the month before, automated and snapshots
    forecast_usd: float
    days_missing: int
    within: str = ""  # the cluster in whose metrics it is, where nobody can tell them apart


@dataclass(frozen=True, kw_only=True)
class Review:
    """The review of a month. Sums are AWS's metrics at list price; the bill is held against them, not mixed in."""

    facts: Facts
    amounts: Amounts = field(repr=False)
    every: Amounts = field(repr=False)  # all Aurora clusters of the region: what the bill is about
    held: tuple[Holding, ...] = field(repr=False)
    copies: tuple[Copy, ...]
    months: tuple[MonthCost, ...]
    clusters: tuple[ClusterCost, ...] = field(repr=False)
    rates: tuple[Change, ...] = field(repr=False)
    forecast: Forecast = field(repr=False)
    owner_tag: str

    @property
    def month(self) -> MonthCost:
        """The month reviewed."""
        return self.months[-1]

    @property
    def before(self) -> MonthCost:
        """The month before it."""
        return self.months[-2]

    @property
    def usd_gib_month(self) -> float:
        """The price everything is worked out with."""
        return self.facts.prices.of(AURORA_BACKUP).usd

    @property
    def forecast_usd(self) -> Cost:
        """What the month's backups come to at its end; clusters of which nothing was measured are not in it."""
        known = ~np.isnan(self.forecast.expected)
        usd = float(self.forecast.expected[known].sum()) * self.usd_gib_month if known.any() or not len(known) else None
        return Cost(usd=usd, missing=int((~known).sum()), unseen=bool(self.facts.estate.unseen))

    @property
    def forecast_range_usd(self) -> tuple[float, float]:
        """The least and the most that the month's backups come to, of the clusters that were measured."""
        low, high = np.nansum(self.forecast.low), np.nansum(self.forecast.high)
        return float(low) * self.usd_gib_month, float(high) * self.usd_gib_month


def review(facts: Facts, *, owner_tag: str = "team") -> Review:
    """Work the review out. Pure: the same facts give the same review."""
    estate, usage, who = facts.estate, facts.usage, facts.who
    held = holdings(estate, usage, who)
    every = amounts(usage, who, held)
    rows = [usage.row(name) for name in facts.scope] if len(facts.scope) < len(usage.clusters) else None
    found = every if rows is None else only(every, rows)
    scope = set(facts.scope)
    own = tuple(holding for holding in held if holding.label in scope)
    alive = tuple(copy for copy in copies(estate, usage, facts.prices) if copy.cluster in scope or copy.source in scope)
    usd = facts.prices.of(AURORA_BACKUP).usd
    rates = changes(found)
    foreseen = forecast(found, own, rates, facts.month)
    return Review(
        facts=facts,
        amounts=found,
        every=every,
        held=own,
        copies=alive,
        months=tuple(_month(found, month, alive, facts) for month in facts.month.back_to(MONTHS)),
        clusters=_clusters(found, own, facts, foreseen.expected * usd, owner_tag),
        rates=rates,
        forecast=foreseen,
        owner_tag=owner_tag,
    )


def _sum(found: Amounts, grid: Grid, month: Month, *, usd: float, unseen: bool) -> Cost:
    """Add a part of a month up. Days on which the part is not known, with or without the whole, are missing of it."""
    span = found.span(month)
    part, due = grid[:, span], found.usage.expected[:, span]
    missing = int((np.isnan(part) & due).sum())
    nothing = missing > 0 and not (~np.isnan(part) & due).any()
    total = float(np.nansum(part)) / month.days * usd
    return Cost(usd=None if nothing else total, missing=missing, unseen=unseen)


def _month(found: Amounts, month: Month, alive: Sequence[Copy], facts: Facts) -> MonthCost:
    line = facts.bill.of(month)
    usd, unseen = facts.prices.of(AURORA_BACKUP).usd, bool(facts.estate.unseen)
    lived = np.where(found.usage.expected, found.usage.volume_gib, 0.0)
    paces, volumes = found.mean(found.billed_gib, month), found.mean(lived, month)
    measured = not np.isnan(paces).any() and np.nansum(volumes) > 0 and not unseen
    unpriced = [copy for copy in alive if copy.usd_a_day is None and copy.made.date() <= month.last]
    return MonthCost(
        month=month,
        backup=_sum(found, found.billed_gib, month, usd=usd, unseen=unseen),
        automated=_sum(found, found.automated_gib, month, usd=usd, unseen=unseen),
        snapshots=_sum(found, found.snapshot_gib, month, usd=usd, unseen=unseen),
        copies=Cost(usd=sum((copy.usd_of_month(month, facts.now) for copy in alive), 0.0), missing=len(unpriced)),
        other_usd=line.other_usd if line else None,
        days_settled=found.settled_days(month),
        days_missing=int(found.missing_of(month).sum()),
        usd_per_gib=float(paces.sum() / np.nansum(volumes)) * usd if measured else None,
    )


def _clusters(
    found: Amounts, held: tuple[Holding, ...], facts: Facts, foreseen_usd: Grid, owner_tag: str
) -> tuple[ClusterCost, ...]:
    usd, month, unseen = facts.prices.of(AURORA_BACKUP).usd, facts.month, bool(facts.estate.unseen)
    parts = {name: _of_each(found, getattr(found, f"{name}_gib"), month, usd=usd, unseen=unseen)
             for name in ("billed", "automated", "snapshot")}  # fmt: skip
    before = _of_each(found, found.billed_gib, month.plus(-1), usd=usd, unseen=unseen)
    automated_pace, snapshots_pace = (found.last_settled(g) * usd for g in (found.automated_gib, found.snapshot_gib))
    volume, missing = found.last_settled(found.usage.volume_gib), found.missing_of(month)
    left = {holding.label: holding.snapshot.tags for holding in held}
    return tuple(
        ClusterCost(
            cluster=lineage.label,
            owner=owner(lineage.cluster.tags if lineage.cluster else left.get(lineage.label, {}), owner_tag),
            exists=lineage.lives,
            retention_days=lineage.retention_days,
            volume_gib=float(volume[row]),
            backup=Cost(usd=None) if lineage.within else parts["billed"][row],
            automated=parts["automated"][row],
            snapshots=Cost(usd=None) if lineage.within else parts["snapshot"][row],
            automated_pace_usd=float(automated_pace[row]),
            snapshots_pace_usd=float(snapshots_pace[row]),
            before=Cost(usd=None) if lineage.within else before[row],
            within=lineage.within,
            forecast_usd=float(foreseen_usd[row]),
            days_missing=int(missing[row]),
        )
        for row, lineage in enumerate(found.who)
    )


def _of_each(found: Amounts, grid: Grid, month: Month, *, usd: float, unseen: bool) -> list[Cost]:
    span = found.span(month)
    part, due = grid[:, span], found.usage.expected[:, span]
    unknown = np.isnan(part)
    missing, measured = (unknown & due).sum(axis=1), (~unknown & due).sum(axis=1)
    total = np.nansum(part, axis=1) / month.days * usd
    return [
        Cost(usd=None if missed and not some else float(whole), missing=int(missed), unseen=unseen)
        for whole, missed, some in zip(total, missing, measured, strict=True)
    ]
