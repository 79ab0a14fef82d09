"""The monthly review, worked out from facts that were read once: by month, by cluster, to the month's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from runbook_lib.costs.amounts import Amounts, amounts, forecast_gib_months
from runbook_lib.costs.copies import Copy, copies
from runbook_lib.costs.estate import owner
from runbook_lib.costs.facts import MONTHS, Facts
from runbook_lib.costs.holdings import Holding, holdings
from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.units import Month
from runbook_lib.costs.usage import Grid, Usage


@dataclass(frozen=True, kw_only=True)
class MonthCost:
    """One month of the clusters reviewed, in USD. `other_usd` is backup outside Aurora, known from the bill only."""

    month: Month
    automated_usd: float
    snapshots_usd: float
    copies_usd: float
    other_usd: float | None
    days_settled: int
    days_missing: int

    @property
    def backup_usd(self) -> float:
        """Aurora's backup storage: what the billing rule is about."""
        return self.automated_usd + self.snapshots_usd

    @property
    def is_complete(self) -> bool:
        """Tell whether every day of the month is there."""
        return self.days_settled == self.month.days and not self.days_missing


@dataclass(frozen=True, kw_only=True)
class ClusterCost:
    """One cluster in the month reviewed, in USD."""

    cluster: str
    owner: str
    exists: bool
    retention_days: int
    volume_gib: float
    automated_usd: float
    snapshots_usd: float
    automated_pace_usd: float  # a month at the last settled day's pace
    snapshots_pace_usd: float
    before_usd: float  # the month before, automated and snapshots
    forecast_usd: float

    @property
    def backup_usd(self) -> float:
        """Automated backup and snapshots so far."""
        return self.automated_usd + self.snapshots_usd


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
    def forecast_usd(self) -> float:
        """What the month's backups come to at its end."""
        return sum(cluster.forecast_usd for cluster in self.clusters)


def review(facts: Facts, *, owner_tag: str = "team") -> Review:
    """Work the review out. Pure: the same facts give the same review."""
    estate, usage = facts.estate, facts.usage
    held = holdings(estate, usage)
    living = estate.by_name
    retention = [living[name].retention_days if name in living else 0 for name in usage.clusters]
    every = amounts(usage, held, retention)
    rows = [usage.row(name) for name in facts.scope] if len(facts.scope) < len(usage.clusters) else None
    found = every if rows is None else _only(every, rows)
    scope = set(facts.scope)
    own = tuple(holding for holding in held if holding.snapshot.cluster in scope)
    alive = tuple(copy for copy in copies(estate, usage, facts.prices) if copy.cluster in scope or copy.source in scope)
    usd = facts.prices.of(AURORA_BACKUP).usd
    return Review(
        facts=facts,
        amounts=found,
        every=every,
        held=own,
        copies=alive,
        months=tuple(_month(found, month, alive, facts, usd) for month in facts.month.back_to(MONTHS)),
        clusters=_clusters(found, own, facts, usd, owner_tag),
        owner_tag=owner_tag,
    )


def retentions(review_: Review) -> tuple[int, ...]:
    """Return each reviewed cluster's retention in the order of its rows, 0 where it is gone."""
    living = review_.facts.estate.by_name
    return tuple(living[name].retention_days if name in living else 0 for name in review_.amounts.usage.clusters)


def _month(found: Amounts, month: Month, alive: Sequence[Copy], facts: Facts, usd: float) -> MonthCost:
    line = facts.bill.of(month)
    return MonthCost(
        month=month,
        automated_usd=float(found.gib_months(found.automated_gib, month).sum()) * usd,
        snapshots_usd=float(found.gib_months(found.snapshot_gib, month).sum()) * usd,
        copies_usd=sum((copy.usd_of_month(month, facts.now) for copy in alive), 0.0),
        other_usd=line.other_usd if line else None,
        days_settled=found.settled_days(month),
        days_missing=found.missing_days(month),
    )


def _clusters(
    found: Amounts, held: tuple[Holding, ...], facts: Facts, usd: float, owner_tag: str
) -> tuple[ClusterCost, ...]:
    automated = found.gib_months(found.automated_gib, facts.month) * usd
    snapshots = found.gib_months(found.snapshot_gib, facts.month) * usd
    before = found.gib_months(found.automated_gib + found.snapshot_gib, facts.month.plus(-1)) * usd
    foreseen = forecast_gib_months(found, held, facts.month) * usd
    automated_pace, snapshots_pace = (found.last_settled(g) * usd for g in (found.automated_gib, found.snapshot_gib))
    volume = found.last_settled(found.usage.volume_gib)
    living = facts.estate.by_name
    left = {holding.snapshot.cluster: holding.snapshot.tags for holding in held}
    return tuple(
        ClusterCost(
            cluster=name,
            owner=owner(living[name].tags if name in living else left.get(name, {}), owner_tag),
            exists=name in living,
            retention_days=living[name].retention_days if name in living else 0,
            volume_gib=float(volume[row]),
            automated_usd=float(automated[row]),
            snapshots_usd=float(snapshots[row]),
            automated_pace_usd=float(automated_pace[row]),
            snapshots_pace_usd=float(snapshots_pace[row]),
            before_usd=float(before[row]),
            forecast_usd=float(foreseen[row]),
        )
        for row, name in enumerate(found.usage.clusters)
    )


def _only(every: Amounts, rows: Sequence[int]) -> Amounts:
    chosen = np.asarray(rows, dtype=np.intp)

    def part(grid: Grid) -> Grid:
        return grid[chosen]

    usage = every.usage
    return Amounts(
        usage=Usage(
            clusters=tuple(usage.clusters[row] for row in rows),
            first=usage.first,
            settled=usage.settled,
            volume_gib=part(usage.volume_gib),
            used_gib=part(usage.used_gib),
            snapshot_gib=part(usage.snapshot_gib),
            billed_gib=part(usage.billed_gib),
            metrics_asked=usage.metrics_asked,
        ),
        automated_gib=part(every.automated_gib),
        snapshot_gib=part(every.snapshot_gib),
        model_gib=part(every.model_gib),
        model_other_reading_gib=part(every.model_other_reading_gib),
        listed_gib=part(every.listed_gib),
    )
