"""The plan of a drill: which second is restored into which copy, what that may cost, and that the copy is deleted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import Cluster
from runbook_lib.costs.copies import CopyCost, cost_of_plan
from runbook_lib.drills.values import SealedProof
from runbook_lib.errors import InputRefused
from runbook_lib.guard.standing import Signed, read_standing
from runbook_lib.restore.copies.leftovers import Leftover
from runbook_lib.restore.copies.throw_away import earlier_copies
from runbook_lib.restore.origins import read_origin
from runbook_lib.restore.plan import Choices, PlannedCall, RestorePlan, plan_restore
from runbook_lib.times import AskedTime, TimeWindow, iso

MARK = "-at-drill-"
"""In the name of every copy that a drill makes."""
SECONDS = ("asked", "last proof", "drawn")
_LONGEST_HOURS = 72


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person chose.

    `second` is "asked" (the notebook's `timestamp`), "last proof" or "drawn" from the window by `seed`, which is the
    day (UTC) where it is empty. `hours` is when the copy expires if it is not deleted, `budget_usd` what it may cost
    until then. The objectives are in minutes, 0 for none. `secret` is the source's account, `standing` the path of a
    standing approval.
    """

    second: str = "asked"
    seed: str = ""
    hours: int = 12
    budget_usd: float = 25.0
    recovery_time_minutes: float = 0
    recovery_point_minutes: float = 0
    secret: str = ""
    instance_class: str = ""
    standing: str = ""

    def __post_init__(self) -> None:
        if self.second not in SECONDS:
            raise InputRefused(f'There is no second "{self.second}".', hint=f"Set `second` to {_listed(SECONDS)}.")
        if not 1 <= self.hours <= _LONGEST_HOURS:
            raise InputRefused(f"`hours` is {self.hours}.", hint=f"Set it between 1 and {_LONGEST_HOURS}.")
        if self.budget_usd <= 0 or min(self.recovery_time_minutes, self.recovery_point_minutes) < 0:
            raise InputRefused("A budget is more than 0, an objective not less.", hint="Set them so.")


def _listed(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)


@dataclass(frozen=True, kw_only=True)
class DrillPlan:
    """What would be done: the copy is made, proved and deleted. `chosen` says how its second was.

    `lag` is how far the latest restorable second lay behind the present: what would be lost if the cluster were.
    `earlier` are copies of earlier drills that go first, `proof` is the earlier sealed proof.
    """

    wanted: Wanted
    restore: RestorePlan
    source: Cluster = field(repr=False)
    chosen: str
    lag: timedelta | None
    cost: CopyCost = field(repr=False)
    now: datetime = field(repr=False)
    proof: SealedProof | None = field(default=None, repr=False)
    earlier: tuple[Leftover, ...] = field(default=(), repr=False)
    signed: Signed | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """Return a hash of the copy's calls, its expiry and budget, and the earlier proof; not of the clock."""
        proof = self.proof.sha256 if self.proof else ""
        content = json.dumps([self.restore.id, self.wanted.hours, self.wanted.budget_usd, proof])
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def usd(self) -> float | None:
        """Return what the copy costs if it lives until it expires; None where that is not known."""
        return None if self.cost.usd_a_day is None else self.cost.usd_a_day * self.wanted.hours / 24

    @property
    def outside(self) -> str:
        """Say why the standing approval does not cover this drill; empty if it does, or if there is none."""
        if self.signed is None:
            return ""
        if strangers := not_its_own(self.restore.calls, copy=self.restore.target, source=self.source.identifier):
            return f"it would name {', '.join(strangers)} in a changing call"
        return self.signed.refuses_drill(
            cluster=self.source.identifier, hours=self.wanted.hours, usd=self.usd, now=self.now
        )


def not_its_own(calls: Iterable[PlannedCall], *, copy: str, source: str) -> tuple[str, ...]:
    """Return what changing calls name beside a drill's own copy and its instances; nothing for a drill.

    Only three calls are a drill's. The source may be named in the restore as what is read, and nowhere else.
    """
    found = []
    for call in calls:
        names = [call.request.get("DBClusterIdentifier", copy), call.request.get("DBInstanceIdentifier", copy)]
        found += [str(name) for name in names if name != copy and not str(name).startswith(f"{copy}-")]
        of = call.request.get("SourceDBClusterIdentifier")
        known = call.operation in ("RestoreDBClusterToPointInTime", "CreateDBInstance", "ModifyDBCluster")
        if not known or of not in (None, source) or (of and call.operation != "RestoreDBClusterToPointInTime"):
            found.append(call.operation)
    return tuple(found if MARK in copy else [copy, *found])


def propose_drill(
    session: AwsSession,
    cluster: Cluster,
    *,
    asked: AskedTime,
    wanted: Wanted,
    proof: SealedProof | None,
    now: datetime,
) -> DrillPlan:
    """Choose the second and plan the drill. Changes nothing.

    Raises:
        InputRefused: a second outside the window, no earlier proof for "last proof", an unusable standing approval.
    """
    signed = read_standing(wanted.standing) if wanted.standing else None
    moment, chosen = _second(cluster, asked, wanted, proof, now=now)
    origin = read_origin(session, cluster, asked=replace(asked, moment=moment) if moment else asked, now=now)
    short = hashlib.sha256(f"{cluster.resource_id} {iso(origin.moment)}".encode()).hexdigest()[:8]
    name = f"{cluster.identifier[:40].rstrip('-')}{MARK}{short}"
    restore = plan_restore(origin, choices=Choices(target=name, instance_class=wanted.instance_class))
    return DrillPlan(
        wanted=wanted,
        restore=replace(restore, expires_after=timedelta(hours=wanted.hours)),
        source=cluster,
        chosen=chosen,
        lag=now - cluster.window.latest if cluster.window else None,
        cost=cost_of_plan(session, restore, now=now),
        now=now,
        proof=proof,
        earlier=earlier_copies(session, cluster.identifier, mark=MARK, now=now, target=name),
        signed=signed,
    )


def _second(
    cluster: Cluster, asked: AskedTime, wanted: Wanted, proof: SealedProof | None, *, now: datetime
) -> tuple[datetime | None, str]:
    """Return the second of a drill, None for the one that is asked for, and how it was chosen."""
    if wanted.second == "asked":
        return None, f"the timestamp, {iso(asked.moment)}" if asked.moment else "the latest restorable second"
    if wanted.second == "last proof":
        if proof is None:
            raise InputRefused("No record holds a sealed proof.", hint='Set `second` to "asked" or "drawn".')
        return proof.second, f"that of the proof in the record {proof.run_id}"
    if cluster.window is None:
        raise InputRefused(f"AWS gives no restorable times for {cluster.identifier} now.", hint="Try again later.")
    seed = wanted.seed or f"{now:%Y-%m-%d}"
    return drawn(cluster.window, seed=seed), f'drawn from the window by the seed "{seed}"'


def drawn(window: TimeWindow, *, seed: str) -> datetime:
    """Draw a second from a window: the same for the same seed, though the window moves on meanwhile.

    Every hour that lies within the window draws a lot, and the lowest lot wins.
    """

    def lot(what: object) -> Fraction:
        return Fraction(int.from_bytes(hashlib.sha256(f"{seed} {what}".encode()).digest()), 1 << 256)

    first, last = int(window.earliest.timestamp()), int(window.latest.timestamp())
    hours = range(-(-first // 3600), (last + 1) // 3600)
    if not hours:
        return datetime.fromtimestamp(first + int(lot("second") * (last - first + 1)), UTC)
    hour = min(hours, key=lot)
    return datetime.fromtimestamp(hour * 3600 + int(lot(f"second of {hour}") * 3600), UTC)
