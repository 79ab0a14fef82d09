"""The ways back to a moment: which reach it, what each loses, and which is recommended."""

from __future__ import annotations

from datetime import datetime, timedelta

from runbook_lib.backups import ClusterSnapshot, RetainedBackup
from runbook_lib.restore import Way, recommended, ways_back
from runbook_lib.times import TimeWindow
from tests.builders import NOW, asked, cluster, snapshot

NIGHTS = [snapshot(created=NOW - timedelta(days=days, minutes=5)) for days in (6, 4, 2)]


def ways(moment: datetime | None, snapshots: list[ClusterSnapshot] = NIGHTS, **members: object) -> tuple[Way, ...]:
    return ways_back(cluster(**members), snapshots=snapshots, retained=[], asked=asked(moment), now=NOW)


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
    found = ways_back(cluster(), snapshots=NIGHTS, retained=backups, asked=asked(moment), now=NOW)
    best = recommended(found)
    assert best is not None
    assert best.source == "cluster-staging-db"
    assert all(way.source != "cluster-other-db" for way in found)
