"""Which snapshots to delete: decided by pure rules, for a plan that is shown and approved before anything is done.

Never touched, whatever is asked: the newest snapshot of a cluster, what AWS Backup keeps, what is shared with another
account, what a tag says to keep, and everything inside the window or younger than the days to keep.

The limits of this: a hold that is written nowhere (no tag, no share) cannot be seen. Read the plan.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from runbook_lib.backups import ClusterSnapshot
from runbook_lib.costs.estate import AWS_BACKUP
from runbook_lib.costs.holdings import Holding
from runbook_lib.costs.units import usd_text
from runbook_lib.looking import Seen

KEEP_TAGS = ("keep", "do-not-delete", "donotdelete", "hold", "legal-hold", "retain", "retain-until", "protected")
MOST_AT_ONCE = 100
"""A plan that nobody can read is not read: the dearest come first, the rest are for the next plan."""
_NO = ("", "no", "false", "0", "off")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A snapshot that would be deleted. `copies_left` are the cluster's other snapshots that would still be there."""

    name: str
    arn: str
    cluster: str
    created: datetime
    origin: str
    size_gib: float | None
    costs_from: date
    copies_left: int
    cluster_lives: bool
    resource_id: str = ""  # its cluster's


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A snapshot that costs and stays, with the reason."""

    name: str
    cluster: str
    size_gib: float | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class CleanupPlan:
    """What would be deleted, what stays although it costs, and what it saves. Equal plans have equal ids."""

    region: str
    keep_days: int
    delete: tuple[Candidate, ...]
    kept: tuple[Kept, ...]
    usd_gib_month: float
    keep_tags: tuple[str, ...] = KEEP_TAGS
    later: tuple[Candidate, ...] = ()  # as good as those to delete, for the next plan

    @property
    def id(self) -> str:
        """Return the plan's id: a hash of what would be deleted, not of the clock, the sizes or the price."""
        content = {
            "region": self.region,
            "delete": sorted([each.arn, each.resource_id, each.created.isoformat()] for each in self.delete),
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

    @property
    def usd_month(self) -> float:
        """What the deletions save a month; snapshots of unknown size count as nothing."""
        return sum(candidate.size_gib or 0.0 for candidate in self.delete) * self.usd_gib_month


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What a plan is made by: the region, today (UTC), the price, the days to keep and the tags that keep."""

    region: str
    today: date
    usd_gib_month: float
    keep_days: int
    keep_tags: tuple[str, ...] = KEEP_TAGS


def plan_cleanup(held: Sequence[Holding], keeping: Keeping, *, shared: Mapping[str, Seen[str]]) -> CleanupPlan:
    """Decide which snapshots to delete. `shared` gives, by ARN, the accounts a snapshot is shared with."""
    newest = _newest(held)
    chosen: list[Holding] = []
    kept = []
    for holding in held:
        if not holding.costs_on(keeping.today):
            continue
        if reason := _reason_to_keep(holding, newest, keeping, shared):
            kept.append(_kept(holding, reason))
        else:
            chosen.append(holding)
    chosen.sort(key=lambda holding: (-(holding.size_gib or 0.0), holding.snapshot.created, holding.name))
    later, chosen = chosen[MOST_AT_ONCE:], chosen[:MOST_AT_ONCE]
    kept += [_kept(holding, f"for the next plan: this one has the dearest {MOST_AT_ONCE}") for holding in later]
    left = Counter(_of_cluster(holding.snapshot) for holding in held)
    left.subtract(_of_cluster(holding.snapshot) for holding in chosen)
    return CleanupPlan(
        region=keeping.region,
        keep_days=keeping.keep_days,
        delete=tuple(_candidate(holding, left) for holding in chosen),
        kept=tuple(kept),
        usd_gib_month=keeping.usd_gib_month,
        keep_tags=keeping.keep_tags,
        later=tuple(_candidate(holding, left) for holding in later),
    )


def _kept(holding: Holding, reason: str) -> Kept:
    return Kept(
        name=holding.name, cluster=holding.label or holding.snapshot.cluster, size_gib=holding.size_gib, reason=reason
    )


def _of_cluster(snapshot: ClusterSnapshot) -> str:
    """Return the cluster a snapshot is of: by its resource id, which a rename does not change."""
    return snapshot.resource_id or snapshot.cluster


def _newest(held: Sequence[Holding]) -> set[str]:
    latest: dict[str, ClusterSnapshot] = {}
    for holding in held:
        snapshot = holding.snapshot
        key = _of_cluster(snapshot)
        usable = snapshot.is_usable or key not in latest
        if usable and (key not in latest or snapshot.created >= latest[key].created):
            latest[key] = snapshot
    return {snapshot.arn for snapshot in latest.values()}


def _reason_to_keep(holding: Holding, newest: set[str], keeping: Keeping, shared: Mapping[str, Seen[str]]) -> str:
    snapshot = holding.snapshot
    if holding.origin == AWS_BACKUP:
        return "AWS Backup keeps it: change its plan there"
    if snapshot.arn in newest:
        return "the newest of its cluster"
    if tag := kept_by_tag(snapshot, keeping.keep_tags):
        return f"tagged to keep: {tag}"
    if (accounts := shared.get(snapshot.arn)) is not None and (accounts or accounts.why_not):
        return f"shared with {', '.join(accounts)}" if accounts else f"whom it is shared with {accounts.why_not}"
    if not snapshot.is_usable:
        return f"its status is {snapshot.status}"
    if (keeping.today - snapshot.created.date()).days < keeping.keep_days:
        return f"younger than the {keeping.keep_days} days to keep"
    return ""


def kept_by_tag(snapshot: ClusterSnapshot, keep_tags: Sequence[str] = KEEP_TAGS) -> str:
    """Return the tag that says to keep a snapshot, or nothing. A value like "no" or "false" does not keep it."""
    names = {name.lower() for name in keep_tags}
    for name, value in snapshot.tags.items():
        if name.lower() in names and value.strip().lower() not in _NO[1:]:
            return f"{name}={value}" if value else name
    return ""


def _candidate(holding: Holding, left: Mapping[str, int]) -> Candidate:
    snapshot = holding.snapshot
    return Candidate(
        name=snapshot.identifier,
        arn=snapshot.arn,
        cluster=holding.label or snapshot.cluster,
        created=snapshot.created,
        origin=holding.origin,
        size_gib=holding.size_gib,
        costs_from=holding.costs_from,
        copies_left=left[_of_cluster(snapshot)],
        cluster_lives=holding.of_living_cluster,
        resource_id=snapshot.resource_id,
    )


def saves_text(plan: CleanupPlan) -> str:
    """Say in a few words what the plan would do."""
    count = len(plan.delete)
    least = "at least " if any(candidate.size_gib is None for candidate in plan.delete) else ""
    return f"delete {count} snapshot{'' if count == 1 else 's'}, {least}{usd_text(plan.usd_month)} a month less"
