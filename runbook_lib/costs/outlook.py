"""What follows from a review: change rates, other retentions, the clean-up and everything that could be saved."""

from __future__ import annotations

from dataclasses import dataclass, field

from runbook_lib.aws import AwsSession
from runbook_lib.costs.advice import Advice, advice
from runbook_lib.costs.anomalies import USUAL, Anomaly, Thresholds, anomalies, thresholds
from runbook_lib.costs.rates import Change
from runbook_lib.costs.review import Review
from runbook_lib.costs.snapshots.apply import propose_cleanup
from runbook_lib.costs.snapshots.plan import CleanupPlan
from runbook_lib.costs.whatif import (
    ProtectionGrid,
    RetentionCost,
    protection_grid,
    retention_costs,
    together,
)
from runbook_lib.errors import InputRefused


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What another way of keeping backups would cost, and what to do. `budget` is USD a month, 0 is none."""

    rates: tuple[Change, ...] = field(repr=False)
    costs: dict[str, tuple[RetentionCost, ...]] = field(repr=False)
    grid: ProtectionGrid = field(repr=False)
    plan: CleanupPlan
    advice: tuple[Advice, ...]
    anomalies: tuple[Anomaly, ...] = field(repr=False)
    thresholds: Thresholds
    unseen: tuple[str, ...] = ()
    budget: float = 0.0

    @property
    def left_out(self) -> str:
        """Say what is in no sum of the alternatives or of what could be saved; empty where nothing is left out."""
        unknown = len(self.rates) - len(self.costs)
        of = f"{unknown} of {len(self.rates)} clusters"
        said = [f"of {of} the change rate or a snapshot's size is not known"] if unknown else []
        sizes = [*(entry.size_gib for entry in (*self.plan.delete, *self.plan.later))]
        sizes += [entry.size_gib for entry in self.plan.kept]
        unsized = sum(1 for size in sizes if size is None)
        said += [f"the size of {unsized} snapshot{'' if unsized == 1 else 's'} is not known"] if unsized else []
        return "; ".join([*said, *self.unseen])

    @property
    def least(self) -> str:
        """Return "at least " where something is left out of the sums."""
        return "at least " if self.left_out else ""

    @property
    def together(self) -> tuple[RetentionCost, ...]:
        """What all clusters together would cost at each retention."""
        return together(self.costs.values())


def look_ahead(
    session: AwsSession, review: Review, *, keep_days: int, anomaly: str = USUAL, budget: float = 0.0
) -> Outlook:
    """Work out the alternatives and the rises beyond the thresholds `anomaly`, and plan the clean-up.

    Reads whom its candidates are shared with; changes nothing. `budget` is what the month may cost in USD, 0 for none.

    Raises:
        InputRefused: a number of days that would not keep anything, thresholds that cannot be read, a budget below 0.
    """
    if budget < 0:
        raise InputRefused("The budget is below nothing.", hint="Set `budget` to USD a month, or to 0 for none.")
    if keep_days < 1:
        raise InputRefused(
            f"keep_days is {keep_days}: snapshots cannot be kept for less than a day.",
            hint="Set `keep_days` to the days a snapshot is to be kept, for example 35.",
        )
    usd, facts, at_least = review.usd_gib_month, review.facts, thresholds(anomaly)
    rates = review.rates
    # without the snapshots every sum would be too small
    whole = facts.estate.lists_all_snapshots
    costs = retention_costs(review.amounts, review.held, rates, usd_gib_month=usd) if whole else {}
    plan = propose_cleanup(session, review.held, keep_days=keep_days, now=facts.now, usd_gib_month=usd)
    return Outlook(
        rates=rates,
        costs=costs,
        grid=protection_grid(review.amounts, rates, usd_gib_month=usd),
        plan=plan,
        advice=advice(review, plan, costs),
        anomalies=anomalies(review.amounts, review.month.month, usd_gib_month=usd, at_least=at_least),
        thresholds=at_least,
        unseen=facts.estate.unseen,
        budget=budget,
    )
