"""The ways back to a moment: which reach it, what each loses, and which is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from runbook_lib.backups import ClusterSnapshot, Held, RecoveryPoint, RetainedBackup
from runbook_lib.looking import Seen
from runbook_lib.restore import Outlook, Way, reason, recommended, ways_back
from runbook_lib.timeline.second import Candidate, Proposal
from runbook_lib.times import TimeWindow, iso
from tests.builders import NOW, asked, cluster, snapshot

NIGHTS = [snapshot(created=NOW - timedelta(days=days, minutes=5)) for days in (6, 4, 2)]


def held(
    snapshots: Sequence[ClusterSnapshot] = NIGHTS,
    retained: Sequence[RetainedBackup] = (),
    recovery_points: Sequence[RecoveryPoint] = (),
) -> Held:
    return Held(snapshots=Seen(snapshots), retained=Seen(retained), recovery_points=Seen(recovery_points))


def ways(moment: datetime | None, snapshots: list[ClusterSnapshot] = NIGHTS, **members: object) -> tuple[Way, ...]:
    return ways_back(cluster(**members), held(snapshots), asked=asked(moment), now=NOW)


def named(found: tuple[Way, ...], name: str) -> Way:
    return next(way for way in found if way.name == name)


def recovery_point(days: float, *, continuous: bool = False, status: str = "COMPLETED") -> RecoveryPoint:
    return RecoveryPoint(
        name=f"point-{days}",
        vault="vault",
        status=status,
        created=NOW - timedelta(days=days),
        is_continuous=continuous,
        raw={},
    )


def test_inside_the_window_the_point_in_time_restore_reaches_the_very_second() -> None:
    best = recommended(ways(NOW - timedelta(days=3)))
    assert best is not None
    assert (best.name, best.reaches, best.lost) == (
        "point-in-time restore",
        NOW - timedelta(days=3),
        timedelta(),
    )


def test_before_the_window_the_newest_older_snapshot_is_recommended_with_its_loss() -> None:
    old = snapshot(created=NOW - timedelta(days=20), kind="manual")
    best = recommended(ways(NOW - timedelta(days=10), [old, *NIGHTS]))
    assert best is not None
    assert (best.source, best.lost) == (old.identifier, timedelta(days=10))


def test_no_old_snapshot_is_recommended_where_the_second_before_the_damage_can_still_be_restored() -> None:
    """It should be the window that decides: a second that has passed out of it is no better way."""
    for hours, better in ((30, True), (24 * 20, False)):
        began = NOW - timedelta(hours=hours)
        candidate = Candidate(began=began, ended=began + timedelta(minutes=5), what="a load", evidence=())
        known = Proposal(chosen=candidate, candidates=(candidate,), why="", known=())
        old = snapshot(created=NOW - timedelta(days=25), kind="manual")
        found = ways_back(cluster(), held([old]), asked=asked(None), now=NOW, outlook=Outlook(damage=known))
        assert named(found, "point-in-time restore").damage == "done"
        best = recommended(found)
        assert (best is None) == better
        assert better or (best is not None and best.source == old.identifier)
        assert (iso(candidate.second) in reason(found)) == better


def test_a_snapshot_from_after_the_moment_is_no_way_back() -> None:
    found = ways(NOW - timedelta(days=10))
    assert recommended(found) is None
    assert any("no usable snapshot from before" in way.why_not for way in found)
    assert any("before the earliest restorable time" in way.why_not for way in found)


def test_a_snapshot_that_is_not_available_is_not_counted() -> None:
    broken = snapshot(created=NOW - timedelta(days=20), kind="manual", status="failed")
    assert recommended(ways(NOW - timedelta(days=10), [broken])) is None


def test_a_cluster_without_restorable_times_is_restored_from_its_snapshot() -> None:
    best = recommended(ways(NOW - timedelta(days=1), EarliestRestorableTime=None, Status="restoring"))
    assert best is not None
    assert best.name == "automated snapshot"


def test_a_retained_backup_counts_only_for_a_cluster_of_the_same_name() -> None:
    backups = [
        RetainedBackup(
            cluster=name,
            resource_id=f"cluster-{name}",
            status="retained",
            window=TimeWindow(earliest=NOW - timedelta(days=30), latest=NOW - timedelta(days=8)),
            retention_days=30,
            engine_version="",
            raw={},
        )
        for name in ("staging-db", "other-db")
    ]
    moment = NOW - timedelta(days=9)
    found = ways_back(cluster(), held(retained=backups), asked=asked(moment), now=NOW)
    best = recommended(found)
    assert best is not None
    assert best.source == "cluster-staging-db"
    assert all(way.source != "cluster-other-db" for way in found)


DAY = timedelta(days=1)


def test_backtrack_reaches_the_moment_but_is_not_recommended_while_a_new_cluster_can_be_had() -> None:
    enabled = {"BacktrackWindow": 72 * 3600, "EarliestBacktrackTime": NOW - 3 * DAY}
    found = ways(NOW - DAY, **enabled)
    way = named(found, "backtrack")
    assert (way.reaches, way.kind, way.usd_a_day) == (NOW - DAY, "in place", 0.0)
    assert "every connection is closed" in way.note
    best = recommended(found)
    assert best is not None
    assert best.name == "point-in-time restore"
    late = ways(NOW - 2.5 * DAY, **enabled, EarliestRestorableTime=NOW - DAY)
    assert recommended(late) is not named(late, "backtrack")
    assert "Backtrack would lose nothing, but" in reason(late)


def test_backtrack_alone_is_recommended_with_a_warning() -> None:
    found = ways(
        NOW - 2.5 * DAY,
        [],
        BacktrackWindow=72 * 3600,
        EarliestBacktrackTime=NOW - 3 * DAY,
        EarliestRestorableTime=NOW - DAY,
    )
    assert recommended(found) is named(found, "backtrack")
    assert "clone the present first" in reason(found)


@pytest.mark.parametrize(
    ("members", "moment", "why_not"),
    [
        ({}, NOW - DAY, "not enabled when the cluster was made"),
        ({"BacktrackWindow": 3600, "EarliestBacktrackTime": NOW - DAY / 24}, NOW - DAY, "it goes back to"),
        ({"BacktrackWindow": 3600}, NOW - DAY, "names no earliest"),
        ({"BacktrackWindow": 3600, "EarliestBacktrackTime": NOW - DAY / 24}, None, "none was asked for"),
    ],
)
def test_why_backtrack_is_out_is_said(members: dict[str, object], moment: datetime | None, why_not: str) -> None:
    way = named(ways(moment, **members), "backtrack")
    assert way.reaches is None
    assert why_not in way.why_not


def test_the_clone_is_evidence_and_never_a_way_back() -> None:
    found = ways(NOW - 30 * DAY, [])
    assert named(found, "clone of the present").kind == "evidence"
    assert recommended(found) is None


def test_what_aws_backup_keeps_is_on_the_board() -> None:
    points = [recovery_point(20), recovery_point(12), recovery_point(11, status="EXPIRED"), recovery_point(2)]
    found = ways_back(cluster(), held([], recovery_points=points), asked=asked(NOW - 10 * DAY), now=NOW)
    best = recommended(found)
    assert best is not None
    assert (best.name, best.source, best.lost) == ("AWS Backup, recovery point", "point-12", 2 * DAY)
    none = ways_back(cluster(), held([], recovery_points=points[3:]), asked=asked(NOW - 10 * DAY), now=NOW)
    assert "none is usable from before" in named(none, "AWS Backup, recovery point").why_not


def test_a_continuous_backup_of_aws_backup_reaches_what_the_clusters_own_window_reaches() -> None:
    points = [recovery_point(30, continuous=True, status="AVAILABLE")]
    inside = ways_back(cluster(), held(recovery_points=points), asked=asked(NOW - DAY), now=NOW)
    assert named(inside, "AWS Backup, continuous").reaches == NOW - DAY
    best = recommended(inside)
    assert best is not None
    assert best.name == "point-in-time restore", "a tie goes to the restore that keeps the settings"
    outside = ways_back(cluster(), held(recovery_points=points), asked=asked(NOW - 10 * DAY), now=NOW)
    assert named(outside, "AWS Backup, continuous").reaches is None


def test_what_could_not_be_looked_at_is_never_shown_as_none() -> None:
    refused = "could not be looked at: permission backup:ListRecoveryPointsByResource"
    blind = Held(
        snapshots=Seen(why_not="could not be looked at: permission rds:DescribeDBClusterSnapshots"),
        retained=Seen(why_not="could not be looked at"),
        recovery_points=Seen(why_not=refused),
    )
    found = ways_back(cluster(), blind, asked=asked(NOW - 10 * DAY), now=NOW)
    assert [(way.looked, way.why_not) for way in found if way.name == "AWS Backup"] == [(False, refused)]
    assert sum(not way.looked for way in found) == 3
    assert not any("there is no usable snapshot" in way.why_not for way in found)
    assert "there may be a better way" in reason(found)


def test_times_come_from_our_own_past_runs_and_their_absence_is_said() -> None:
    assert "no past run of ours" in named(ways(NOW - DAY), "point-in-time restore").takes
    known = Outlook(past={"point-in-time restore": [timedelta(minutes=m) for m in (40, 50, 90)]}, copy_usd_a_day=9.88)
    found = ways_back(cluster(), held(), asked=asked(NOW - DAY), now=NOW, outlook=known)
    way = named(found, "point-in-time restore")
    assert way.takes == "50 minutes (3 past runs, at most 1 hour 30 minutes)"
    assert way.usd_a_day == 9.88
