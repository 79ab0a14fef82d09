"""The data plane: restores that are exact to the second, on real servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runbook_lib.errors import InputRefused, NotFound, Unreachable
from runbook_lib.mysql import Credentials, Database, connect
from runbook_lib.rehearsal.dataplane import DataPlane

MASTER = Credentials(user="admin", password="se cret'\"\\日本")
START = datetime(2026, 2, 4, 0, 0, tzinfo=UTC)

pytestmark = pytest.mark.xdist_group("dataplane")


def after(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def at(database: Database, seconds: int, *statements: str) -> None:
    """Run statements in a session whose clock stands at a second of the story."""
    database.execute("SET timestamp = %s", (after(seconds).timestamp(),))
    for statement in statements:
        database.execute(statement)
    database.execute("SET timestamp = DEFAULT")


def test_a_restore_holds_what_was_committed_up_to_the_second_and_nothing_after(plane: DataPlane) -> None:
    plane.create("source", master=MASTER, moment=START)
    with plane.admin("source") as source:
        at(source, 10, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY, b VARCHAR(20))")
        at(source, 20, "INSERT INTO d.t VALUES (1, '部屋')")
        source.execute("BEGIN")
        at(source, 30, "INSERT INTO d.t VALUES (2, 'begun at 30')")
        at(source, 50, "INSERT INTO d.t VALUES (3, 'committed at 50')", "COMMIT")
        at(source, 60, "DROP DATABASE d")
    seen: dict[int, list[object]] = {}
    for second in (20, 49, 50, 59):
        plane.restore_to_time(f"at-{second}", source_id="source", moment=after(second))
        with plane.admin(f"at-{second}") as copy:
            seen[second] = [row[0] for row in copy.rows("SELECT a FROM d.t ORDER BY a")]
    assert seen == {20: [1], 49: [1], 50: [1, 2, 3], 59: [1, 2, 3]}
    plane.restore_to_time("at-60", source_id="source", moment=after(60))
    with plane.admin("at-60") as copy:
        assert not copy.rows("SHOW DATABASES LIKE 'd'")


def test_a_cluster_answers_on_its_port_only_while_it_is_open(plane: DataPlane) -> None:
    plane.create("door", master=MASTER)
    endpoint = plane.endpoint("door")
    with pytest.raises(Unreachable):
        connect(endpoint, MASTER)
    plane.open("door")
    with connect(endpoint, MASTER) as database:
        assert database.value("SELECT 1") == 1
    plane.shut("door")
    with pytest.raises(Unreachable):
        connect(endpoint, MASTER)
    plane.open("door")
    assert plane.endpoint("door") == endpoint


def test_unknown_and_taken_ids_and_moments_before_the_first_base_copy_are_refused(plane: DataPlane) -> None:
    plane.create("named", master=MASTER, moment=START)
    with pytest.raises(InputRefused, match="already a cluster named"):
        plane.create("named", master=MASTER)
    with pytest.raises(NotFound, match="no cluster nobody"):
        plane.open("nobody")
    with pytest.raises(NotFound, match="no snapshot none"):
        plane.restore_snapshot("x", snapshot_id="none")
    with pytest.raises(InputRefused, match="2026-02-03 23:59:59 UTC lies before the first base copy"):
        plane.restore_to_time("x", source_id="named", moment=after(-1))
