"""How far each way back reaches, one function a way. Pure functions of facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from runbook_lib.backups import ClusterSnapshot, RecoveryPoint, RetainedBackup
from runbook_lib.clusters import Cluster, utc
from runbook_lib.errors import InputRefused
from runbook_lib.restore.way import Question, Way
from runbook_lib.times import TimeWindow, ago, iso, utc_text

POINT_IN_TIME = "point-in-time restore"
RETAINED = "retained backup of the deleted cluster of this name"
BACKTRACK = "backtrack"
CLONE = "clone of the present"
CONTINUOUS = "AWS Backup, continuous"
RECOVERY_POINT = "AWS Backup, recovery point"

_FROM_STORAGE = "minutes to hours, with size and writes (AWS)"
_NEW = "a new cluster; the source stays as it is"


def point_in_time(cluster: Cluster, question: Question) -> Way:
    """Reach any second of the cluster's own window."""
    return _of_window(
        cluster.window,
        name=POINT_IN_TIME,
        source=cluster.identifier,
        question=question,
        note=f"{_NEW}, under another name and endpoint",
        missing=f"AWS gives no restorable times while the cluster is {cluster.status}",
    )


def retained(backup: RetainedBackup, question: Question) -> Way:
    """Reach any second of the window that a deleted cluster has left."""
    return _of_window(
        backup.window,
        name=RETAINED,
        source=backup.resource_id,
        question=question,
        note="a new cluster; parameter groups are not kept with the backup",
        missing="AWS names no restorable window for it",
    )


def continuous(point: RecoveryPoint, cluster: Cluster, question: Question) -> Way:
    """Reach any second since AWS Backup took the cluster over, as far as the cluster's own window goes.

    For Aurora a continuous backup is the cluster's automated backup, kept by AWS Backup's rule. Source: AWS Backup
    Developer Guide, "Continuous backups and point-in-time recovery".
    """
    window = cluster.window
    if window and point.status == "STOPPED":
        window = None
    return _of_window(
        window,
        name=CONTINUOUS,
        source=point.vault,
        question=question,
        note="a new cluster, by AWS Backup (StartRestoreJob); the same log as the point-in-time restore",
        missing=f"its status is {point.status}",
    )


def _of_window(
    window: TimeWindow | None,
    *,
    name: str,
    source: str,
    question: Question,
    note: str,
    missing: str,
) -> Way:
    if window is None:
        return Way(name=name, source=source, reaches=None, why_not=missing)
    try:
        reached = window.resolve(question.asked, now=question.now)
    except InputRefused as refusal:
        return Way(name=name, source=source, reaches=None, why_not=str(refusal))
    # "latest" asks for the end of the log; for a deleted cluster that lies before now, and what came after is lost.
    lost = (
        max(timedelta(), question.now - reached) if question.asked.moment is None and name == RETAINED else timedelta()
    )
    return Way(
        name=name,
        source=source,
        reaches=reached,
        lost=lost,
        note=note,
        takes=question.outlook.takes(name, otherwise=_FROM_STORAGE),
        usd_a_day=question.outlook.copy_usd_a_day,
    )


def snapshots(found: Sequence[ClusterSnapshot], cluster: Cluster, question: Question) -> list[Way]:
    """Reach the moment of the newest snapshot of each kind from before the asked one: any older one loses more."""
    before = [one for one in found if one.created <= question.moment]
    newest = {one.kind: one for one in before if one.is_usable}
    if not newest:
        oldest = f"; the oldest is of {utc_text(found[0].created)}" if found else ""
        why_not = f"there is no usable snapshot from before that moment{oldest}"
        return [Way(name="snapshot", source=cluster.identifier, reaches=None, why_not=why_not)]
    return [_of_moment(f"{one.kind} snapshot", one.identifier, one.created, question) for one in newest.values()]


def recovery_points(found: Sequence[RecoveryPoint], cluster: Cluster, question: Question) -> list[Way]:
    """Reach what AWS Backup keeps: a continuous backup, and the newest recovery point from before the moment."""
    ways = [continuous(one, cluster, question) for one in found if one.is_continuous]
    single = [one for one in found if not one.is_continuous]
    before = [one for one in single if one.is_usable and one.created <= question.moment]
    if before:
        newest = max(before, key=lambda one: one.created)
        ways.append(_of_moment(RECOVERY_POINT, newest.name, newest.created, question))
    elif single:
        oldest = min(one.created for one in single)
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


def backtrack(cluster: Cluster, question: Question) -> Way:
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
        "is closed; can be taken forward again within its window",
        takes=question.outlook.takes(BACKTRACK, otherwise="minutes (AWS)"),
        usd_a_day=0.0,
    )


def clone(cluster: Cluster, question: Question) -> Way:
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
