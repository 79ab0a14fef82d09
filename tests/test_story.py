"""The story: the estate of the background document, its week, and that a restore to its seconds is exact."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from runbook_lib.errors import InputRefused
from runbook_lib.mysql import Database, quoted
from runbook_lib.rehearsal.story import differences, failing_start, take_proof, tell
from runbook_lib.rehearsal.story.staging import TABLES
from tests.matrix import thorough
from tests.storytelling import ToldStory

MOMENTS = ("inside-a-load", "just-after-the-load", "before-the-wipe", "after-the-wipe", "now")
NOW = datetime(2026, 2, 5, 1, 48, 33, tzinfo=UTC)


class Recorder:
    """Stand in for a connection: keep every statement, answer what a telling asks of an empty server."""

    endpoint = "nowhere"

    def __init__(self) -> None:
        self.written: list[str] = []

    def execute(self, sql: str, values: Any = None) -> int:
        self.written.append(sql if values is None else f"{sql} {values}")
        return 0

    def rows(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        return [("", "", 1)] if "@@SESSION" in sql else []


def told_to_nobody(*, now: datetime = NOW, seed: int = 7) -> list[str]:
    recorder = Recorder()
    tell(cast("Database", recorder), now=now, seed=seed)
    return recorder.written


@pytest.mark.thorough
def test_the_same_seed_and_now_write_the_same_statements_and_another_seed_does_not() -> None:
    first = told_to_nobody()
    assert told_to_nobody() == first
    assert told_to_nobody(seed=8) != first


@pytest.mark.thorough
def test_another_day_moves_only_the_dates() -> None:
    first, later = told_to_nobody(), told_to_nobody(now=NOW + timedelta(days=3))
    assert first != later
    assert [statement[:40] for statement in later if not statement.startswith(("SET", "UPDATE", "DELETE"))] == [
        statement[:40] for statement in first if not statement.startswith(("SET", "UPDATE", "DELETE"))
    ]


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (datetime(2026, 2, 5, 17, 45, tzinfo=UTC), datetime(2026, 2, 5, 17, tzinfo=UTC)),
        (datetime(2026, 2, 5, 17, 44, 59, tzinfo=UTC), datetime(2026, 2, 4, 17, tzinfo=UTC)),
        (datetime(2026, 2, 5, 3, 0, tzinfo=UTC), datetime(2026, 2, 4, 17, tzinfo=UTC)),
    ],
)
def test_the_failing_run_is_the_latest_two_oclock_in_tokyo_that_is_45_minutes_ago(
    now: datetime, start: datetime
) -> None:
    assert failing_start(now) == start


def test_staging_names_are_in_the_order_of_a_dump_and_none_is_there_twice() -> None:
    names = [table.name for table in TABLES]
    assert names == sorted(set(names))


def test_the_estate_is_the_background_documents_inventory(told_story: ToldStory) -> None:
    story = told_story.story
    proof = story.proofs[story.moments["before-the-wipe"]]
    assert {name: len(schema.tables) for name, schema in proof.schemas.items()} == {
        "staging": 81, "silver": 2, "gold": 0, "seeds": 0, "tokyobeta": 0, "basis": 80,
        "_analytics": 4, "_silver": 2, "_gold": 0, "analytics": 0, "_test_results": 60,
    }  # fmt: skip
    staging, basis = proof.schemas["staging"], proof.schemas["basis"]
    assert {"apartments", "rooms", "tenants", "movings", "inquiries", "contracts"} <= set(staging.tables)
    assert all(table.rows for table in staging.tables.values())
    assert set(basis.tables) < {f"staging.{name}" for name in staging.tables}
    assert not any(table.rows for table in basis.tables.values())
    assert (
        set(proof.schemas["silver"].tables) == set(proof.schemas["_silver"].tables) == {"stg_apartments", "stg_rooms"}
    )
    assert proof.rows > 40_000
    filled = [table.rows for table in proof.schemas["_test_results"].tables.values() if table.rows]
    assert 0 < len(filled) < 30
    assert (len(staging.views), len(staging.triggers), len(staging.routines)) == (1, 1, 2)


def test_the_moments_follow_each_other_and_nothing_is_after_now(told_story: ToldStory) -> None:
    story = told_story.story
    assert tuple(story.moments) == MOMENTS
    assert list(story.moments.values()) == sorted(set(story.moments.values()))
    assert story.restore_point == story.moments["before-the-wipe"] == story.wiped_from - timedelta(seconds=1)
    assert story.wiped_from < story.wiped_until < story.moments["after-the-wipe"] < story.written_after[0].moment
    assert story.written_after[-1].moment < story.moments["now"]
    assert [run.state for run in story.glue_runs] == ["SUCCEEDED"] * 7 + ["FAILED"]
    assert story.glue_runs[-1].error
    assert {(run.started_on.hour, run.started_on.minute) for run in story.glue_runs} == {(17, 0)}
    for run, snapshot in itertools.zip_longest(story.glue_runs[:-1], story.snapshots):
        assert timedelta(0) < snapshot.moment - run.completed_on < timedelta(hours=2)
    assert story.began < story.glue_runs[0].started_on - timedelta(hours=1)
    assert story.moments["now"] - story.began > timedelta(days=7)


def test_the_proofs_of_the_moments_differ_and_the_last_snapshot_holds_the_last_good_load(told_story: ToldStory) -> None:
    story = told_story.story
    for one, other in itertools.combinations(MOMENTS, 2):
        assert differences(story.proofs[story.moments[one]], story.proofs[story.moments[other]]), (one, other)
    assert story.proofs[story.snapshots[-1].moment] == story.proofs[story.moments["just-after-the-load"]]


def test_the_wipe_leaves_about_half_of_staging_partly_empty_and_the_rest_of_the_estate_whole(
    told_story: ToldStory,
) -> None:
    story = told_story.story
    before, after = (story.proofs[story.moments[name]] for name in ("before-the-wipe", "after-the-wipe"))
    left = after.schemas["staging"].tables
    lost = {
        name: (table.rows, left[name].rows) for name, table in before.schemas["staging"].tables.items() if name in left
    }
    assert len(left) == 41
    assert sum(1 for had, has in lost.values() if has == 0 < had) >= 5
    assert sum(1 for had, has in lost.values() if 0 < has < had) >= 5
    assert sum(1 for had, has in lost.values() if has == had) >= 20
    assert {name: schema for name, schema in before.schemas.items() if name != "staging"} == {
        name: schema for name, schema in after.schemas.items() if name != "staging"
    }


def test_every_row_written_after_the_wipe_is_in_the_source_and_was_not_there_before(told_story: ToldStory) -> None:
    story, plane = told_story.story, told_story.plane
    before = told_story.restored("before-the-wipe")
    with plane.admin(told_story.source) as source, plane.admin(before) as restored:
        for row in story.written_after:
            since_the_wipe = row.moment - story.wiped_from
            assert timedelta(minutes=5) < since_the_wipe < timedelta(minutes=25)
            shown = row.key | row.values if row.key else {key: row.values[key] for key in ("at", "path", "status")}
            where = " AND ".join(f"{quoted(column)} <=> {value}" for column, value in shown.items() if "." not in value)
            counted = f"SELECT COUNT(*) FROM {quoted(row.schema, row.table)} WHERE {where}"
            assert source.value(counted), row
            assert not restored.value(counted), row


@pytest.mark.both_at_release
@pytest.mark.parametrize(
    "moment", [one if one in ("inside-a-load", "before-the-wipe") else thorough(one) for one in MOMENTS]
)
def test_a_restore_to_the_second_gives_exactly_the_storys_proof(told_story: ToldStory, moment: str) -> None:
    story = told_story.story
    with told_story.plane.admin(told_story.restored(moment)) as copy:
        assert differences(story.proofs[story.moments[moment]], take_proof(copy)) == ()


@pytest.mark.both_at_release
def test_a_restore_to_the_second_after_the_restore_point_has_lost_the_first_table(told_story: ToldStory) -> None:
    """One second later is too late, so a proof of the restore point shows that the second was met."""
    plane, story = told_story.plane, told_story.story
    plane.restore_to_time("too-late", source_id=told_story.source, moment=story.wiped_from)
    with plane.admin("too-late") as copy:
        found = differences(story.proofs[story.restore_point], take_proof(copy))
    assert any(line.startswith("staging.access_logs: expected, but not there") for line in found)
    plane.delete("too-late", keep_backup=False)


def test_foreign_keys_hold_at_the_restore_point(told_story: ToldStory) -> None:
    with told_story.plane.admin(told_story.restored("before-the-wipe")) as copy:
        for table in TABLES:
            for column in (column for column in table.columns if column.constrained):
                orphans = copy.value(
                    f"SELECT COUNT(*) FROM {quoted('staging', table.name)} c"
                    f" LEFT JOIN {quoted('staging', column.parent)} p ON p.id = c.{quoted(column.name)}"
                    f" WHERE p.id IS NULL AND c.{quoted(column.name)} IS NOT NULL"
                )
                assert orphans == 0, (table.name, column.name)


def test_people_in_the_story_are_nobody(told_story: ToldStory) -> None:
    with told_story.plane.admin(told_story.restored("before-the-wipe")) as copy:
        for table in ("tenants", "inquiries", "staff"):
            real = copy.value(
                f"SELECT COUNT(*) FROM {quoted('staging', table)}"
                " WHERE email NOT LIKE '%@example.com' OR phone NOT LIKE '0%-0000-%'"
            )
            assert real == 0, table


def test_the_data_has_the_awkward_things_a_recovery_meets(told_story: ToldStory) -> None:
    with told_story.plane.admin(told_story.restored("before-the-wipe")) as copy:
        assert copy.value("SELECT COUNT(*) FROM staging.m_prefectures WHERE id = 0") == 1
        assert copy.value("SELECT COUNT(*) FROM staging.equipments WHERE bought_on = 0") > 0
        assert copy.value("SELECT COUNT(*) - COUNT(DISTINCT sensor, at, celsius) FROM staging.sensor_readings") > 0
        assert copy.value("SELECT COUNT(*) FROM staging.electricity_meters WHERE serial = 18446744073709551615") > 0
        assert copy.value("SELECT COUNT(*) FROM staging.repairs WHERE what = ''") > 0
        assert copy.value("SELECT COUNT(*) FROM staging.legacy_notes WHERE remark = _utf8mb4'退去'") > 0
        assert copy.value("SELECT MAX(id) > COUNT(*) + 20 FROM staging.rooms") == 1
        assert copy.value("SELECT COUNT(*) FROM staging.moving_audits WHERE was <> became") > 0


def test_every_event_of_the_binary_log_is_dated_in_the_story(told_story: ToldStory) -> None:
    story = told_story.story
    with told_story.plane.admin(told_story.source) as source:
        index = Path(str(source.value("SELECT @@log_bin_index")))
    logs = [index.parent / Path(line).name for line in index.read_text().split()]
    dated = [moment for log in logs for moment in event_moments(log)]
    # What was written before the story (the master user) and after it carries the real date.
    told = [moment for moment in dated[dated.index(story.began) :] if moment < story.moments["now"]]
    assert told == sorted(told)
    assert told[0] == story.began
    assert told[-1] == story.written_after[-1].moment
    for moment in story.moments.values():
        assert moment not in told
        assert moment + timedelta(seconds=1) not in told or moment == story.restore_point


def event_moments(log: Path) -> Iterator[datetime]:
    """Return the dates of the events that change something: queries, row changes and commits."""
    content, at = log.read_bytes(), 4
    while at + 19 <= len(content):
        stamp, kind, _, length = struct.unpack_from("<IBII", content, at)
        if kind in (2, 16, 19, 23, 24, 25, 30, 31, 32):  # QUERY, XID, TABLE_MAP, WRITE/UPDATE/DELETE_ROWS v1 and v2
            yield datetime.fromtimestamp(stamp, tz=UTC)
        at += length


def test_a_server_that_already_has_the_estate_is_refused(told_story: ToldStory) -> None:
    with (
        told_story.plane.admin(told_story.source) as source,
        pytest.raises(InputRefused, match=r"already has .*staging"),
    ):
        tell(source, now=NOW)
