"""What could be saved, each with its sum, its reason and the way to do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from runbook_lib.costs.copies import Copy
from runbook_lib.costs.estate import AWS_BACKUP
from runbook_lib.costs.holdings import Holding
from runbook_lib.costs.rates import Change
from runbook_lib.costs.review import Review
from runbook_lib.costs.snapshots.plan import Candidate, CleanupPlan
from runbook_lib.costs.units import usd_text
from runbook_lib.costs.whatif import RetentionCost, cheaper_retention

_Value = TypeVar("_Value")
_SAME_DATA = timedelta(days=1)
_SOON = timedelta(days=14)
DAYS_A_MONTH = 30


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing to do. `saves_usd_month` is what it saves a month from then on.

    `kind` is snapshots, twice, soon, retention or copy: the first two and retention are alternatives of each other.
    """

    kind: str
    cluster: str
    what: str
    why: str
    saves_usd_month: float
    how: str


def advice(review: Review, plan: CleanupPlan, costs: Mapping[str, Sequence[RetentionCost]]) -> tuple[Advice, ...]:
    """Put together everything that would save: what is real now before what comes, the largest sum first.

    `costs` gives what each living cluster would cost at every retention, where that is known.
    """
    now, usd_gib_month = review.facts.now, review.usd_gib_month
    found = [
        *_snapshots([*plan.delete, *plan.later], usd_gib_month),
        *_covered_twice(review.held, usd_gib_month, now.date()),
        *_soon(review.held, usd_gib_month, now.date()),
        *(entry for rate in review.rates for entry in _retention(rate, costs.get(rate.cluster, ()))),
        *(_expired(copy, now) for copy in review.copies if copy.is_expired(now) and copy.usd_a_day),
    ]
    return tuple(sorted(found, key=lambda entry: (entry.kind == "soon", -entry.saves_usd_month)))


def _snapshots(candidates: Sequence[Candidate], usd_gib_month: float) -> list[Advice]:
    found = []
    for name, own in _grouped(candidates, lambda candidate: candidate.cluster).items():
        usd = sum(candidate.size_gib or 0.0 for candidate in own) * usd_gib_month
        unsized = sum(1 for candidate in own if candidate.size_gib is None)
        found.append(
            Advice(
                kind="snapshots",
                cluster=name,
                what=f"delete {len(own)} snapshot{'' if len(own) == 1 else 's'} past the days to keep",
                why="each is outside the window and costs its full size; the newest of the cluster stays"
                + (f"; the size of {unsized} is not known, so it saves more" if unsized else ""),
                saves_usd_month=usd,
                how="read the clean-up plan below and approve it",
            )
        )
    return found


def _covered_twice(held: Sequence[Holding], usd_gib_month: float, today: date) -> list[Advice]:
    found = []
    by_backup = _grouped([h for h in held if h.origin == AWS_BACKUP], lambda holding: holding.label)
    for holding in held:
        if holding.origin == AWS_BACKUP or not holding.costs_on(today) or not holding.size_gib:
            continue
        twins = by_backup.get(holding.label, ())
        twin = next((other for other in twins if _same_data(holding, other)), None)
        if twin:
            found.append(
                Advice(
                    kind="twice",
                    cluster=holding.label,
                    what=f"delete {holding.name}",
                    why=f"AWS Backup holds the same day ({twin.name}); both cost their full size",
                    saves_usd_month=holding.size_gib * usd_gib_month,
                    how="lower `keep_days`, or delete it in the console",
                )
            )
    return found


def _grouped(values: Iterable[_Value], key: Callable[[_Value], str]) -> dict[str, list[_Value]]:
    groups: dict[str, list[_Value]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return groups


def _same_data(holding: Holding, other: Holding) -> bool:
    return abs(holding.snapshot.created - other.snapshot.created) <= _SAME_DATA


def _soon(held: Sequence[Holding], usd_gib_month: float, today: date) -> list[Advice]:
    found = []
    soon = [holding for holding in held if today < holding.costs_from <= today + _SOON and holding.size_gib]
    for name, own in _grouped(soon, lambda holding: holding.label).items():
        first = min(holding.costs_from for holding in own)
        found.append(
            Advice(
                kind="soon",
                cluster=name,
                what=f"delete {len(own)} snapshot{'' if len(own) == 1 else 's'} before {first}",
                why="the window covers them now, so they cost nothing and add nothing; from that day they cost",
                saves_usd_month=sum(holding.size_gib or 0.0 for holding in own) * usd_gib_month,
                how="delete those that nobody needs beyond the window",
            )
        )
    return found


def _retention(rate: Change, costs: Sequence[RetentionCost]) -> list[Advice]:
    today = rate.retention_days
    better = cheaper_retention(costs, today=today)
    if better is None:
        return []
    now = next(cost.usd for cost in costs if cost.retention_days == today)
    return [
        Advice(
            kind="retention",
            cluster=rate.cluster,
            what=f"keep automated backups {better.retention_days} days instead of {today}",
            why=f"the window then covers snapshots that cost now: {usd_text(better.usd)} a month, not {usd_text(now)}",
            saves_usd_month=now - better.usd,
            how="ModifyDBCluster with BackupRetentionPeriod; it is an alternative to deleting the snapshots",
        )
    ]


def _expired(copy: Copy, now: datetime) -> Advice:
    return Advice(
        kind="copy",
        cluster=copy.cluster,
        what=f"delete the restored copy {copy.cluster}",
        why=f"it expired on {copy.expires:%Y-%m-%d} and has cost {usd_text(copy.usd_so_far(now))} so far",
        saves_usd_month=(copy.usd_a_day or 0.0) * DAYS_A_MONTH,
        how="check that nobody uses it, then delete its instances and the cluster",
    )
