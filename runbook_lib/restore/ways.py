"""Every way back to an asked moment, whether it reaches it, and what it loses. Pure functions of facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from runbook_lib.backups import Held
from runbook_lib.clusters import Cluster
from runbook_lib.looking import Seen
from runbook_lib.restore import reaching
from runbook_lib.restore.reaching import BACKTRACK, POINT_IN_TIME
from runbook_lib.restore.way import Outlook, Question, Way
from runbook_lib.times import AskedTime, duration_text

__all__ = ["Outlook", "Way", "reason", "recommended", "ways_back"]


def ways_back(
    cluster: Cluster, held: Held, *, asked: AskedTime, now: datetime, outlook: Outlook | None = None
) -> tuple[Way, ...]:
    """Return every way back to the asked moment, the usable ones first, the least loss first.

    What could not be looked at is among them, and says so.
    """
    question = Question(asked=asked, now=now, outlook=outlook or Outlook())
    ways = [reaching.point_in_time(cluster, question), reaching.backtrack(cluster, question)]
    ways += _unseen("snapshot", held.snapshots, cluster) or reaching.snapshots(held.snapshots, cluster, question)
    # A retained backup is another cluster's data; it is a way back only for one that was deleted and made again.
    same = [backup for backup in held.retained if backup.cluster == cluster.identifier]
    ways += _unseen(reaching.RETAINED, held.retained, cluster) or [
        reaching.retained(backup, question) for backup in same
    ]
    ways += _unseen("AWS Backup", held.recovery_points, cluster) or reaching.recovery_points(
        held.recovery_points, cluster, question
    )
    ways.append(reaching.clone(cluster, question))
    return tuple(sorted(ways, key=_rank))


def _unseen(name: str, found: Seen[Any], cluster: Cluster) -> list[Way]:
    why_not = found.why_not
    return [Way(name=name, source=cluster.identifier, reaches=None, looked=False, why_not=why_not)] if why_not else []


def _rank(way: Way) -> tuple[object, ...]:
    place = 0 if way.is_usable else 1 if way.kind == "evidence" else 2 if not way.looked else 3
    # What leaves the cluster as it is comes first; ties go to the restore that this project makes itself.
    return (place, way.kind == "in place", way.lost, way.name != POINT_IN_TIME)


def recommended(ways: Sequence[Way]) -> Way | None:
    """Return the way that loses least among those that make a new cluster; in place only where there is no other."""
    usable = [way for way in ways if way.is_usable]
    return min(usable, key=_rank) if usable else None


def reason(ways: Sequence[Way]) -> str:
    """Say why the recommended way is recommended, and what speaks for another one."""
    best = recommended(ways)
    unseen = [way.name for way in ways if not way.looked]
    doubt = f" Could not be looked at: {', '.join(unseen)}; there may be a better way." if unseen else ""
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
