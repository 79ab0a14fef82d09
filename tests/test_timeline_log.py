"""The second of each statement that destroys, read from a real server's binary log over the network."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from runbook_lib.errors import AccessDenied
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Credentials, Database, Endpoint, connect, quoted
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.timeline import Destruction
from runbook_lib.timeline.destructions import LogNotRead, LogReading, read_destructions

MASTER = Credentials(user="admin", password="geheim-7")
NIGHT = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(shared_plane: DataPlane) -> Iterator[tuple[Endpoint, Database]]:
    """A server with a history: a reload, a wipe, deletes small and large."""
    shared_plane.create("history", master=MASTER)
    shared_plane.open("history")
    endpoint = shared_plane.endpoint("history")
    with connect(endpoint, MASTER) as database, shared_plane.admin("history") as admin:
        tell(database)
        yield endpoint, admin


def tell(database: Database) -> None:
    def at(minutes: float) -> None:
        database.execute(f"SET timestamp = {int((NIGHT + timedelta(minutes=minutes)).timestamp())}")

    at(-600)
    database.execute("CREATE DATABASE staging")
    database.execute("USE staging")
    for name in ("rooms", "staging.apartments", "tenants", "keys", "log"):
        database.execute(f"CREATE TABLE {quoted(name)} (id INT PRIMARY KEY, name VARCHAR(40))")
        database.execute_many(f"INSERT INTO {quoted(name)} VALUES (%s, %s)", [(n, f"name {n}") for n in range(1500)])
    at(0)  # a reload, as every night
    database.execute("DROP TABLE IF EXISTS `rooms`")
    at(1)
    database.execute("CREATE TABLE rooms (id INT PRIMARY KEY, name VARCHAR(40))")
    database.execute("INSERT INTO rooms VALUES (1, 'one')")
    at(10)
    database.execute("DELETE FROM log WHERE id < 10")
    at(60)  # the wipe
    database.execute("/* etl */ DROP TABLE IF EXISTS `rooms`, `staging`.`staging.apartments`")
    at(61)
    database.execute("TRUNCATE tenants")
    at(62)
    database.execute("DELETE FROM `keys` WHERE id < 700")
    database.execute("DELETE FROM `keys` WHERE id >= 700")
    at(63)
    database.execute("CREATE TABLE rooms (id INT PRIMARY KEY, name VARCHAR(40))")
    at(64)
    database.execute("INSERT INTO `keys` VALUES (1, 'by an application')")


def read(endpoint: Endpoint, *, since: float = -700, until: float = 700, who: Credentials = MASTER) -> LogReading:
    start, end = (NIGHT + timedelta(minutes=minutes) for minutes in (since, until))
    return read_destructions(endpoint, who, since=start, until=end)


def of(reading: LogReading, name: str) -> Destruction:
    return [one for one in reading.destructions if one.table == TableName(schema="staging", name=name)][-1]


def test_every_drop_truncate_and_mass_delete_has_its_second_and_nothing_else_is_told(
    server: tuple[Endpoint, Database],
) -> None:
    told = [(one.at - NIGHT, one.kind, one.table.name, one.rows) for one in read(server[0]).destructions]
    minute = timedelta(minutes=1)
    assert told == [
        (0 * minute, "DROP TABLE", "rooms", None),
        (60 * minute, "DROP TABLE", "rooms", None),
        (60 * minute, "DROP TABLE", "staging.apartments", None),
        (61 * minute, "TRUNCATE", "tenants", None),
        (62 * minute, "DELETE", "keys", 1500),
    ]


def test_what_became_of_a_table_is_told(server: tuple[Endpoint, Database]) -> None:
    reading = read(server[0])
    first, last = (one for one in reading.destructions if one.table.name == "rooms")
    assert (first.remade, first.refilled, first.of) == (NIGHT + timedelta(minutes=1), None, 1500)
    assert first.written == 1, "one row does not bring 1,500 back"
    assert (last.remade, last.refilled) == (NIGHT + timedelta(minutes=63), None)
    assert of(reading, "staging.apartments").remade is None
    assert of(reading, "keys").refilled is None, "one row of an application does not undo 1,500 deleted ones"


def test_only_the_time_asked_about_is_told(server: tuple[Endpoint, Database]) -> None:
    assert [one.kind for one in read(server[0], since=60.5, until=61.5).destructions] == ["TRUNCATE"]


def test_it_is_said_since_when_the_log_is_complete(server: tuple[Endpoint, Database]) -> None:
    """The files were begun now, days after the dates of the history in them: what is there counts."""
    assert read(server[0]).since == NIGHT - timedelta(minutes=600)
    assert read(server[0], since=100, until=200).since > NIGHT + timedelta(minutes=200)


def test_an_account_without_the_rights_is_told_which(server: tuple[Endpoint, Database]) -> None:
    endpoint, admin = server
    admin.execute("CREATE USER reader@'%' IDENTIFIED BY 'Reader-77'")
    admin.execute("GRANT SELECT ON *.* TO reader@'%'")
    with pytest.raises(AccessDenied, match="privilege"):
        read(endpoint, who=Credentials(user="reader", password="Reader-77"))


def test_a_server_without_a_log_is_no_server_on_which_nothing_was_destroyed(
    server: tuple[Endpoint, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook_lib.timeline.destructions.list_log_files", lambda _: ())
    with pytest.raises(LogNotRead, match="no binary log"):
        read(server[0])
