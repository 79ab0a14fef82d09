"""How well the restores of many clusters are proved, from the records of their drills. Pure: records are given.

What is removed never helps. A drill that the chain of records names and that is not there counts as a failed one, of
the cluster whose score it would harm most, because nobody can tell which it was of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Literal

State = Literal["never drilled", "failed", "overdue", "proved"]
NOT_HELD = frozenset({"planned", "refused"})
"""How a run ends in which no copy was made."""
STATES: tuple[State, ...] = ("never drilled", "failed", "overdue", "proved")


@dataclass(frozen=True, kw_only=True)
class DrillRecord:
    """One drill on record. Seconds are None where they are not known; objectives where none was given.

    `sha256` is its manifest's hash, `place` its folder in the store, `problem` what is wrong with the record itself.
    """

    cluster: str
    started: datetime
    outcome: str
    run_id: str
    place: str
    sha256: str = ""
    problem: str = ""
    person: str = ""
    second: datetime | None = None
    verdict: str = ""
    rows_proved: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)
    recovery_seconds: float | None = None
    recovery_time_minutes: float | None = None
    lag_seconds: float | None = None
    recovery_point_minutes: float | None = None
    usd: float | None = None

    @property
    def proved(self) -> bool:
        """Tell whether it succeeded, its copy was proved, and the record is as it was left."""
        return self.outcome == "succeeded" and self.verdict == "proved" and not self.problem


@dataclass(frozen=True, kw_only=True)
class Register:
    """What a store says of drills: those on record, clusters it knows, records that are missing or not as they were.

    `why_not` says why there is nothing to read; then nothing is known of any cluster.
    """

    drills: tuple[DrillRecord, ...] = ()
    clusters: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class ClusterScore:
    """One cluster: its drills in the period, the newest last."""

    cluster: str
    state: State
    drills: tuple[DrillRecord, ...]
    last_proved: DrillRecord | None = None
    days: float | None = None

    @property
    def success(self) -> float | None:
        """Return the share of its drills that proved a restore; None without any."""
        return sum(drill.proved for drill in self.drills) / len(self.drills) if self.drills else None

    @property
    def misses(self) -> tuple[str, ...]:
        """Name the objectives that the last proved drill missed."""
        last, found = self.last_proved, list[str]()
        if last is None:
            return ()
        if last.recovery_time_minutes and (last.recovery_seconds or 0) > last.recovery_time_minutes * 60:
            found.append("recovery time")
        if last.recovery_point_minutes and (last.lag_seconds or 0) > last.recovery_point_minutes * 60:
            found.append("recovery point")
        return tuple(found)

    @property
    def trend(self) -> float | None:
        """Return by which share the last recovery took longer than the median of those before it; None: not known."""
        took = [drill.recovery_seconds for drill in self.drills if drill.proved and drill.recovery_seconds]
        return took[-1] / median(took[:-1]) - 1 if len(took) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """All clusters, those that need somebody first. `within` is how old a proved restore may be."""

    at: datetime
    within: timedelta
    since: datetime
    clusters: tuple[ClusterScore, ...]
    register: Register = field(repr=False)
    why_not: str = ""

    def of(self, state: State) -> tuple[ClusterScore, ...]:
        """Return the clusters of one state."""
        return tuple(cluster for cluster in self.clusters if cluster.state == state)

    @property
    def score(self) -> int:
        """Return of a hundred the share of clusters that are proved in time, one less for each missing drill."""
        good = max(0, len(self.of("proved")) - len(self.register.missing))
        return 100 * good // len(self.clusters) if self.clusters else 0

    @property
    def success(self) -> float | None:
        """Return the share of drills that proved a restore; a missing one did not."""
        drills = [drill for cluster in self.clusters for drill in cluster.drills]
        count = len(drills) + len(self.register.missing)
        return sum(drill.proved for drill in drills) / count if count else None

    @property
    def usd(self) -> float:
        """Return what the drills of the period cost, as far as it is known."""
        return sum(drill.usd or 0 for cluster in self.clusters for drill in cluster.drills)

    @property
    def usd_not_known(self) -> int:
        """Return of how many drills the cost is not known."""
        return sum(drill.usd is None for cluster in self.clusters for drill in cluster.drills)


def score(
    register: Register, *, living: Iterable[str], at: datetime, within: timedelta, since: datetime, why_not: str = ""
) -> Scorecard:
    """Judge every cluster that lives or was ever on record, the worst first.

    `living` are the clusters that AWS lists, `why_not` says why it could not be asked.
    """
    names = (
        set()
        if register.why_not
        else {*living, *register.clusters, *(drill.cluster for drill in register.drills)} - {""}
    )
    ordered = sorted(register.drills, key=lambda drill: drill.started)
    of: dict[str, list[DrillRecord]] = {name: [] for name in names}
    for drill in ordered:
        if drill.cluster and drill.started <= at:
            of[drill.cluster].append(drill)
    clusters = [_judged(name, of[name], at=at, within=within, since=since) for name in names]
    clusters.sort(key=lambda each: (STATES.index(each.state), -(each.days or 0), each.cluster))
    return Scorecard(at=at, within=within, since=since, clusters=tuple(clusters), register=register, why_not=why_not)


def _judged(
    name: str, drills: Sequence[DrillRecord], *, at: datetime, within: timedelta, since: datetime
) -> ClusterScore:
    held = [drill for drill in drills if drill.outcome not in NOT_HELD]
    proved = next((drill for drill in reversed(held) if drill.proved), None)
    days = (at - proved.started) / timedelta(days=1) if proved else None
    state: State = "proved"
    if not held:
        state = "never drilled"
    elif not held[-1].proved:
        state = "failed"
    elif proved is None or at - proved.started > within:
        state = "overdue"
    inside = tuple(drill for drill in held if drill.started >= since)
    return ClusterScore(cluster=name, state=state, drills=inside, last_proved=proved, days=days)
