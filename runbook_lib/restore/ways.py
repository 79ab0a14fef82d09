"""Every way back to an asked moment, whether it reaches it, and what it loses. Pure functions of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Literal

from runbook_lib.backups import ClusterSnapshot, Held, RecoveryPoint, RetainedBackup
from runbook_lib.clusters import Cluster, utc
from runbook_lib.errors import InputRefused
from runbook_lib.looking import Seen
from runbook_lib.timeline.second import Proposal
from runbook_lib.times import AskedTime, TimeWindow, ago, duration_text, iso, utc_text

Kind = Literal["new cluster", "in place", "evidence"]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way back. `reaches` is the second it gives (aware UTC), None when it is out, and then `why_not` says why.

    `lost` is how much of the time before the asked moment it does not bring back. `kind` "evidence" is none to go
    back by, but keeps the present to look at. `looked` False means that nobody could look whether it is there.
    `usd_a_day` is None where it is not known. `damage` says how far the damage had come at the second it reaches; empty
    where it had not begun, or nobody knows; `better` is then the second before it, where this way reaches that too.
    """

    name: str
    source: str
    reaches: datetime | None
    lost: timedelta = timedelta()
    why_not: str = ""
    note: str = ""
    kind: Kind = "new cluster"
    looked: bool = True
    takes: str = ""
    usd_a_day: float | None = None
    damage: str = ""
    better: datetime | None = None

    @property
    def is_usable(self) -> bool:
        """Tell whether it leads back to a moment."""
        return self.reaches is not None and self.kind != "evidence"


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a way back would take and cost, as far as somebody knows.

    `past` holds, by the name of a way, how long our own earlier runs of it took. `copy_usd_a_day` is what one more
    cluster costs: an instance like the writer's and the full volume; `instance_usd_a_day` the instance alone.
    `cost_note` says what the prices are, or why there are none. `damage` is what is known of when it was done.
    """

    past: Mapping[str, Sequence[timedelta]] = field(default_factory=dict)
    copy_usd_a_day: float | None = None
    instance_usd_a_day: float | None = None
    cost_note: str = "no prices were looked up"
    damage: Proposal | None = None

    def takes(self, name: str, *, otherwise: str) -> str:
        """Say how long a way takes: from our own past runs, else what is said of it in general."""
        durations = list(self.past.get(name, ()))
        if not durations:
            return f"{otherwise}; no past run of ours to go by"
        middle = timedelta(seconds=median(taken.total_seconds() for taken in durations))
        runs = (
            "one past run"
            if len(durations) == 1
            else f"{len(durations)} past runs, at most {duration_text(max(durations))}"
        )
        return f"{duration_text(middle)} ({runs})"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every way is judged for: the moment asked for, the clock reading, and what ways take and cost."""

    asked: AskedTime
    now: datetime
    outlook: Outlook

    @property
    def moment(self) -> datetime:
        """The moment asked for; "latest" asks for the present."""
        return self.asked.moment or self.now


__all__ = ["Outlook", "Way", "reason", "recommended", "ways_back"]


def ways_back(
    cluster: Cluster, held: Held, *, asked: AskedTime, now: datetime, outlook: Outlook | None = None
) -> tuple[Way, ...]:
    """Return every way back to the asked moment, the usable ones first, the least loss first.

    What could not be looked at is among them, and says so.
    """
    question = Question(asked=asked, now=now, outlook=outlook or Outlook())
    ways = [_point_in_time(cluster, question), _backtrack(cluster, question)]
    ways += _unseen("snapshot", held.snapshots, cluster) or _snapshots(held.snapshots, cluster, question)
    # A retained backup is another cluster's data; it is a way back only for one that was deleted and made again.
    same = [backup for backup in held.retained if backup.cluster == cluster.identifier]
    ways += _unseen(RETAINED, held.retained, cluster) or [_retained(backup, question) for backup in same]
    ways += _unseen("AWS Backup", held.recovery_points, cluster) or _recovery_points(
        held.recovery_points, cluster, question
    )
    ways = [_judged(way, question, cluster.window) for way in ways]
    return tuple(sorted([*ways, _clone(cluster, question)], key=_rank))


def _judged(way: Way, question: Question, window: TimeWindow | None) -> Way:
    known = question.outlook.damage
    if way.reaches is None or known is None:
        return way
    damage = damage_at(way.reaches, known)
    if not damage or way.name != POINT_IN_TIME or window is None:
        return replace(way, damage=damage)
    second = known.second or known.candidates[0].second  # where none is proposed, the earliest is before all damage
    return replace(way, damage=damage, better=second if second in window else None)


def damage_at(moment: datetime, proposal: Proposal) -> str:
    """Say how far the damage had come at a moment: "under way" or "done", empty where it had not begun."""
    begun = [candidate for candidate in proposal.candidates if candidate.began <= moment]
    if not begun:
        return ""
    last = begun[-1]
    return "done" if last.ended and last.ended <= moment else "under way"


def _unseen(name: str, found: Seen[Any], cluster: Cluster) -> list[Way]:
    why_not = found.why_not
    return [Way(name=name, source=cluster.identifier, reaches=None, looked=False, why_not=why_not)] if why_not else []


def _rank(way: Way) -> tuple[object, ...]:
    place = 0 if way.is_usable else 1 if way.kind == "evidence" else 2 if not way.looked else 3
    # What leaves the cluster as it is comes first; ties go to the restore that this project makes itself.
    return (place, bool(way.damage), way.kind == "in place", way.lost, way.name != POINT_IN_TIME)


def recommended(ways: Sequence[Way]) -> Way | None:
    """Return the way that loses least among those that make a new cluster; in place only where there is no other.

    A way that leads to damaged data is never recommended; nor is any other, such as an old snapshot, where a restore
    to the proposed second would lose less: that second has to be chosen first.
    """
    if any(way.better for way in ways):
        return None
    usable = [way for way in ways if way.is_usable and not way.damage]
    return min(usable, key=_rank) if usable else None


def reason(ways: Sequence[Way]) -> str:
    """Say why the recommended way is recommended, and what speaks for another one."""
    best = recommended(ways)
    unseen = [way.name for way in ways if not way.looked]
    doubt = f" Could not be looked at: {', '.join(unseen)}; there may be a better way." if unseen else ""
    if better := next((way.better for way in ways if way.better), None):
        return (
            f"The damage had begun by the moment asked for. {iso(better)}, the second before, can still be restored: "
            f"ask for that one, or for one near it.{doubt}"
        )
    if best is None and any(way.damage for way in ways):
        return f"Every way leads to a moment after the damage had begun: choose an earlier one.{doubt}"
    if best is None:
        return f"Nothing reaches that moment.{doubt}"
    if best.kind == "in place":
        return f"{best.name} is all that is left. It changes the cluster itself: clone the present first.{doubt}"
    if best.lost:
        said = f"The moment itself is out of reach; {best.name} loses least, {duration_text(best.lost)}."
    else:
        said = f"{best.name} reaches the very second and leaves the source as it is."
    rival = next((way for way in ways if way.name == BACKTRACK and way.is_usable), None)
    if rival and rival.lost < best.lost:
        said += " Backtrack would lose nothing, but it changes the cluster itself, and the present would be gone."
    return said + doubt


POINT_IN_TIME = "point-in-time restore"
RETAINED = "retained backup of the deleted cluster of this name"
OF_AN_ORIGIN = (RETAINED, "automated snapshot", "manual snapshot")  # restore_to_timestamp takes it as `restore_from`
BACKTRACK = "backtrack"
CLONE = "clone of the present"
CONTINUOUS = "AWS Backup, continuous"
RECOVERY_POINT = "AWS Backup, recovery point"

_FROM_STORAGE = "minutes to hours, with size and writes (AWS)"
_NEW = "a new cluster; the source stays as it is"


def _point_in_time(cluster: Cluster, question: Question) -> Way:
    """Reach any second of the cluster's own window."""
    return _of_window(
        cluster.window,
        Way(
            reaches=None,
            name=POINT_IN_TIME,
            source=cluster.identifier,
            note=f"{_NEW}, under another name and endpoint",
            why_not=f"AWS gives no restorable times while the cluster is {cluster.status}",
        ),
        question,
    )


def _retained(backup: RetainedBackup, question: Question) -> Way:
    """Reach any second of the window that a deleted cluster has left."""
    return _of_window(
        backup.window,
        Way(
            reaches=None,
            name=RETAINED,
            source=backup.resource_id,
            note="a new cluster; parameter groups are not kept with the backup",
            why_not="AWS names no restorable window for it",
        ),
        question,
    )


def _continuous(point: RecoveryPoint, cluster: Cluster, question: Question) -> Way:
    """Reach any second since AWS Backup took the cluster over, as far as the cluster's own window goes.

    For Aurora a continuous backup is the cluster's automated backup, kept by AWS Backup's rule. Source: AWS Backup
    Developer Guide, "Continuous backups and point-in-time recovery".
    """
    window = cluster.window
    if window and point.status == "STOPPED":
        window = None
    return _of_window(
        window,
        Way(
            reaches=None,
            name=CONTINUOUS,
            source=point.vault,
            note="a new cluster, by AWS Backup (StartRestoreJob); the same log as the point-in-time restore",
            why_not=f"its status is {point.status}",
        ),
        question,
    )


def _of_window(window: TimeWindow | None, way: Way, question: Question) -> Way:
    """Fill in how far a way by a window of seconds reaches; `way` says why it reaches nothing where there is none."""
    if window is None:
        return way
    try:
        reached = window.resolve(question.asked, now=question.now)
    except InputRefused as refusal:
        return replace(way, why_not=str(refusal))
    # "latest" asks for the end of the log; for a deleted cluster that lies before now, and what came after is lost.
    of_the_end = question.asked.moment is None and way.name == RETAINED
    return replace(
        way,
        why_not="",
        reaches=reached,
        lost=max(timedelta(), question.now - reached) if of_the_end else timedelta(),
        takes=question.outlook.takes(way.name, otherwise=_FROM_STORAGE),
        usd_a_day=question.outlook.copy_usd_a_day,
    )


def _snapshots(found: Sequence[ClusterSnapshot], cluster: Cluster, question: Question) -> list[Way]:
    """Reach the moment of the newest snapshot of each kind from before the asked one: any older one loses more."""
    before = [point for point in found if point.created <= question.moment]
    newest = {point.kind: point for point in before if point.is_usable}
    if not newest:
        oldest = f"; the oldest is of {utc_text(found[0].created)}" if found else ""
        why_not = f"there is no usable snapshot from before that moment{oldest}"
        return [Way(name="snapshot", source=cluster.identifier, reaches=None, why_not=why_not)]
    return [
        _of_moment(f"{point.kind} snapshot", point.identifier, point.created, question) for point in newest.values()
    ]


def _recovery_points(found: Sequence[RecoveryPoint], cluster: Cluster, question: Question) -> list[Way]:
    """Reach what AWS Backup keeps: a continuous backup, and the newest recovery point from before the moment."""
    ways = [_continuous(point, cluster, question) for point in found if point.is_continuous]
    single = [point for point in found if not point.is_continuous]
    before = [point for point in single if point.is_usable and point.created <= question.moment]
    if before:
        newest = max(before, key=lambda point: point.created)
        ways.append(_of_moment(RECOVERY_POINT, newest.name, newest.created, question))
    elif single:
        oldest = min(point.created for point in single)
        why_not = f"none is usable from before that moment; the oldest is of {utc_text(oldest)}"
        ways.append(Way(name=RECOVERY_POINT, source=single[0].vault, reaches=None, why_not=why_not))
    elif not ways:
        why_not = "AWS Backup keeps nothing of this cluster"
        ways.append(Way(name="AWS Backup", source=cluster.identifier, reaches=None, why_not=why_not))
    return ways


def _of_moment(name: str, source: str, moment: datetime, question: Question) -> Way:
    return Way(
        name=name,
        source=source,
        reaches=moment,
        lost=question.moment - moment,
        note="a new cluster as of that moment; nothing of after it",
        takes=question.outlook.takes(name, otherwise=_FROM_STORAGE),
        usd_a_day=question.outlook.copy_usd_a_day,
    )


def _backtrack(cluster: Cluster, question: Question) -> Way:
    """Take the cluster itself back, where that was enabled when it was made.

    Source: Aurora User Guide, "Backtracking an Aurora DB cluster".
    """
    earliest = utc(cluster.raw.get("EarliestBacktrackTime"))
    why_not = ""
    if not cluster.backtrack_hours:
        why_not = "not enabled when the cluster was made, and it cannot be enabled later"
    elif earliest is None:
        why_not = f"AWS names no earliest backtrack time while the cluster is {cluster.status}"
    elif question.asked.moment is None:
        why_not = "it goes back to a moment, and none was asked for"
    elif question.asked.moment < earliest:
        why_not = f'it goes back to "{iso(earliest)}" at most ({ago(earliest, now=question.now)})'
    return Way(
        name=BACKTRACK,
        source=cluster.identifier,
        kind="in place",
        reaches=None if why_not else question.asked.moment,
        why_not=why_not,
        note="changes the cluster ITSELF, every schema of it: what was written since is gone from it, every connection "
        "is closed; can be taken forward again within its window; with binary logging on it needs Force",
        takes=question.outlook.takes(BACKTRACK, otherwise="minutes (AWS)"),
        usd_a_day=0.0,
    )


def _clone(cluster: Cluster, question: Question) -> Way:
    """Keep the present to look at: a copy-on-write clone, which cannot take a time."""
    return Way(
        name=CLONE,
        source=cluster.identifier,
        kind="evidence",
        reaches=question.now,
        note="the present with its damage, as evidence: take it before anybody repairs; no way back. "
        "Storage is paid for what changes",
        takes=question.outlook.takes(CLONE, otherwise="minutes, whatever the size (AWS)"),
        usd_a_day=question.outlook.instance_usd_a_day,
    )
