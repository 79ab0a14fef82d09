"""The data plane: restores that are exact to the second, on real servers."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from runbook_lib.errors import InputRefused, NotFound, Unreachable
from runbook_lib.mysql import connect
from runbook_lib.rehearsal.dataplane import DataPlane
from tests.dated import MASTER, START, after, at

pytestmark = pytest.mark.both_at_release


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
    for second in (20, 49, 50):
        plane.restore_to_time(f"at-{second}", source_id="source", moment=after(second))
        with plane.admin(f"at-{second}") as copy:
            seen[second] = [row[0] for row in copy.rows("SELECT a FROM d.t ORDER BY a")]
    assert seen == {20: [1], 49: [1], 50: [1, 2, 3]}
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


def values(plane: DataPlane, cluster: str) -> list[int]:
    with plane.admin(cluster) as database:
        return [row[0] for row in database.rows("SELECT a FROM d.t ORDER BY a")]


@pytest.mark.thorough
def test_copies_and_their_source_do_not_know_of_each_other(plane: DataPlane) -> None:
    plane.create("mother", master=MASTER, moment=START)
    with plane.admin("mother") as mother:
        at(mother, 10, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
        mother.execute("BEGIN")
        mother.execute("INSERT INTO d.t VALUES (99)")  # under way while the copies are taken
        plane.take_snapshot("mother", snapshot_id="rds:mother-2026-02-04", moment=after(20))
        plane.clone("clone", source_id="mother", made_at=after(20))
        at(mother, 30, "INSERT INTO d.t VALUES (2)", "COMMIT")
    with plane.admin("clone") as clone:
        at(clone, 40, "INSERT INTO d.t VALUES (3)")
    plane.restore_snapshot("grown", snapshot_id="rds:mother-2026-02-04")
    assert (values(plane, "mother"), values(plane, "clone"), values(plane, "grown")) == ([1, 2, 99], [1, 3], [1])
    with plane.admin("mother") as mother, plane.admin("clone") as clone:
        number = "SELECT @@server_id" if plane.engine.is_mariadb else "SELECT @@server_uuid"
        assert mother.value(number) != clone.value(number)
    # the clone has a history of its own
    plane.restore_to_time("clone-39", source_id="clone", moment=after(39))
    plane.restore_to_time("clone-40", source_id="clone", moment=after(40))
    assert (values(plane, "clone-39"), values(plane, "clone-40")) == ([1], [1, 3])


def test_a_deleted_cluster_is_restored_from_its_kept_backup_and_only_from_it(plane: DataPlane) -> None:
    plane.create("gone", master=MASTER, moment=START)
    with plane.admin("gone") as source:
        at(source, 10, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
        plane.take_snapshot("gone", snapshot_id="kept", moment=after(15))
        at(source, 20, "INSERT INTO d.t VALUES (2)")
    plane.copy_snapshot("kept", snapshot_id="copied")
    plane.delete_snapshot("kept")
    plane.delete("gone", keep_backup=True)
    with pytest.raises(NotFound, match="gone is deleted"):
        plane.admin("gone")
    plane.restore_to_time("back", source_id="gone", moment=after(20))
    plane.delete("gone", keep_backup=False)
    with pytest.raises(NotFound, match="no cluster gone"):
        plane.restore_to_time("never", source_id="gone", moment=after(20))
    plane.restore_snapshot("old", snapshot_id="copied")
    assert (values(plane, "back"), values(plane, "old")) == ([1, 2], [1])
    folders = set((plane.folder / "images").iterdir())
    plane.delete("back", keep_backup=False)
    plane.delete("old", keep_backup=False)
    plane.delete_snapshot("copied")
    assert len(folders - set((plane.folder / "images").iterdir())) == 2, "an image goes with its last user"


@pytest.mark.thorough
def test_a_restored_cluster_can_itself_be_restored(plane: DataPlane) -> None:
    plane.create("first", master=MASTER, moment=START)
    with plane.admin("first") as first:
        at(first, 10, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
        at(first, 20, "INSERT INTO d.t VALUES (2)")
    plane.restore_to_time("second", source_id="first", moment=after(15), made_at=after(100))
    with plane.admin("second") as second:
        at(second, 110, "INSERT INTO d.t VALUES (3)")
        at(second, 120, "DROP DATABASE d")
    plane.restore_to_time("third", source_id="second", moment=after(119))
    assert values(plane, "third") == [1, 3]
    with pytest.raises(InputRefused, match="before the first base copy of second"):
        plane.restore_to_time("fourth", source_id="second", moment=after(99))


@pytest.mark.thorough
def test_connections_survive_a_snapshot_taken_while_they_write(plane: DataPlane) -> None:
    plane.create("busy", master=MASTER, moment=START)
    with plane.admin("busy") as source:
        at(source, 10, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)")
    with ThreadPoolExecutor() as pool:
        write = pool.submit(_write, plane, 400)
        for number in range(2):
            plane.take_snapshot("busy", snapshot_id=f"busy-{number}", moment=after(10))
        assert write.result() == 400
    for number in range(2):
        plane.restore_snapshot(f"calm-{number}", snapshot_id=f"busy-{number}")
        seen = values(plane, f"calm-{number}")
        assert seen == list(range(len(seen))), "what was committed first is there, without a gap"
    plane.restore_to_time("all", source_id="busy", moment=after(10))
    assert values(plane, "all") == list(range(400)), "the log goes on exactly where the base copy ends"


def _write(plane: DataPlane, count: int) -> int:
    with plane.admin("busy") as writer:
        at(writer, 10)
        for number in range(count):
            writer.execute("INSERT INTO d.t VALUES (%s)", (number,))
    return count


@pytest.mark.thorough
def test_a_port_that_somebody_takes_meanwhile_is_replaced(plane: DataPlane) -> None:
    plane.create("port", master=MASTER)
    before = plane.endpoint("port").port
    port = plane._clusters["port"].port
    port.release()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", before))
        other.listen()
        plane.open("port")
        assert plane.endpoint("port").port != before
        with connect(plane.endpoint("port"), MASTER) as database:
            assert database.value("SELECT 1") == 1
