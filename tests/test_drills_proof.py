"""A drill's proof: quiet tables are as they were sealed, every difference from the source is explained by its log."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from runbook_lib.drills.apply import quiet_events
from runbook_lib.drills.proving import prove_drill
from runbook_lib.drills.source_log import SourceLog
from runbook_lib.drills.values import DrillProof, SealedProof, TableResult
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Credentials, connect, list_log_files
from runbook_lib.proof import ProofOptions, Side
from tests.control_support import until
from tests.proving import SCHEMA, TwoServers, numbers

ROOMS = (
    "CREATE TABLE rooms (id INT UNSIGNED NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, price DECIMAL(9,2),"
    " area DOUBLE, weight FLOAT, made DATETIME(3), seen TIMESTAMP NULL, day DATE, hour TIME(2), note TEXT,"
    " flags BIT(5), kind ENUM('a','b','c'), tags SET('x','y','z'), code BINARY(6), year YEAR, small TINYINT)"
)
ROW = (
    "{n}, CONCAT('room ', {n}), -{n}.25, {n} / 3, {n} / 7, '2026-05-06 07:08:09.123', '2026-05-06 07:08:09',"
    " '2026-02-28', '-11:12:13.5', REPEAT('ö', {n}), b'101', 'b', 'x,z', X'610062', 2026, -{n}"
)


@dataclass
class Drilled:
    """Two servers of which one is the copy and the other lives on, with the second that the copy is of."""

    servers: TwoServers
    second: datetime

    def prove(self, earlier: SealedProof | None = None) -> DrillProof:
        log = SourceLog(endpoint=self.servers.plane.endpoint("found"), account=self.servers.master)
        copy, source = self.servers.side("expected"), self.servers.side("found")
        options = ProofOptions(personal=("*",), workers=2)
        return prove_drill(copy, source, second=self.second, source_log=log, earlier=earlier, options=options)

    def table(self, name: str = "rooms", **more: SealedProof) -> TableResult:
        found = {table.table: table for table in self.prove(**more).tables}
        return found[TableName(schema=SCHEMA, name=name)]


_HOURS = itertools.count(1)  # the log only grows, so each test is later than those before it


@pytest.fixture
def drilled(two_servers: TwoServers) -> Iterator[Drilled]:
    """Return a copy and its source as they are in a second; what is written from now on is of half an hour later."""
    second = datetime.now(UTC).replace(microsecond=0) + next(_HOURS) * timedelta(hours=1)
    if two_servers.engine.is_mariadb:  # it reads its only file from the beginning: all that other tests have written
        two_servers.found.execute("RESET MASTER")
    dated(two_servers, second - timedelta(minutes=10))
    two_servers.begin(
        ROOMS,
        numbers("rooms", "", range(1, 61), ROW),
        "CREATE TABLE bookings (id BIGINT NOT NULL PRIMARY KEY, room INT UNSIGNED, what VARCHAR(20),"
        " CONSTRAINT of_room FOREIGN KEY (room) REFERENCES rooms (id) ON DELETE CASCADE)",
        numbers("bookings", "", range(1, 31), "{n}, {n}, 'night'"),
        "CREATE TABLE quiet (k VARCHAR(20) NOT NULL PRIMARY KEY, v INT)",
        numbers("quiet", "", range(1, 31), "'key {n}', {n}"),
    )
    dated(two_servers, second + timedelta(minutes=30))
    yield Drilled(two_servers, second)
    two_servers.found.execute("SET timestamp = DEFAULT")


def dated(servers: TwoServers, at: datetime) -> None:
    """Date what is written from now on."""
    servers.found.execute(f"SET timestamp = {at.timestamp()}")


def seal(drilled: Drilled) -> SealedProof:
    proof = drilled.prove()
    assert proof.kept is not None
    return SealedProof(proof=proof.kept, second=drilled.second, run_id="0badcafe", sha256="0" * 64)


WRITES = (
    "INSERT INTO rooms (id, name, price, note) VALUES (100, 'new', -0.50, ''), (101, 'newer', NULL, NULL)",
    "UPDATE rooms SET price = price - 1, area = NULL, tags = 'y', hour = '01:02:03.45' WHERE id IN (3, 4, 60)",
    "UPDATE rooms SET id = 200 WHERE id = 40",
    "DELETE FROM rooms WHERE id IN (7, 8)",
    "INSERT INTO bookings VALUES (900, 9, 'late')",
    "UPDATE bookings SET what = 'x' WHERE id = 900",
    "DELETE FROM bookings WHERE id = 900",
    "UPDATE bookings SET what = 'moved' WHERE id = 11",
    "ALTER TABLE rooms ADD COLUMN floor INT NOT NULL DEFAULT 2",
    "UPDATE rooms SET floor = 3 WHERE id = 20",
    "CREATE TABLE made_since (a INT PRIMARY KEY)",
    "CREATE VIEW seen_since AS SELECT 1 AS one",
)


def test_what_a_client_has_written_since_is_explained_to_the_row(drilled: Drilled) -> None:
    """It should prove the copy though the source lives on: inserts, updates, deletes, cascades, a new column."""
    drilled.servers.change(*WRITES)
    proof = drilled.prove()
    found = {table.table.name: table for table in proof.tables}
    assert proof.verdict == "proved", proof.as_json()
    assert {name: table.how for name, table in found.items()} == {
        "rooms": "explained", "bookings": "explained", "quiet": "same", "made_since": "explained"
    }  # fmt: skip
    assert "ADD COLUMN floor" in found["rooms"].why
    assert found["rooms"].checked >= 9
    assert not any("are not read" in remark for remark in proof.remarks)
    assert proof.rows_proved == 60 + 30 + 30


@pytest.mark.parametrize(
    ("plant", "table", "said"),
    [
        ("UPDATE rooms SET note = CONCAT(LEFT(note, 3), 'o') WHERE id = 44", "rooms", "id 44: the row is another one"),
        ("UPDATE rooms SET flags = flags ^ 1 WHERE id = 3", "rooms", "id 3: the row is not what the log says it was"),
        ("UPDATE rooms SET weight = weight * 1.0001 WHERE id = 7", "rooms", "id 7: the row is not what the log says"),
        ("DELETE FROM quiet WHERE k = 'key 12'", "quiet", "k (personal): the row is not what the log says it was"),
        ("DELETE FROM rooms WHERE id = 4", "rooms", "id 4: the row is not what the log says it was"),
        ("INSERT INTO rooms (id, name) VALUES (100, 'new')", "rooms", "id 100: the row is not what the log says"),
        ("INSERT INTO rooms (id, name) VALUES (777, 'x')", "rooms", "id 777: the row is in the copy and not"),
        ("DELETE FROM bookings WHERE id = 30", "bookings", "id 30: the row is on the source and not"),
        ("ALTER TABLE quiet ADD COLUMN w INT", "quiet", "its definition differs"),
    ],
)  # fmt: skip
def test_a_row_that_the_log_does_not_explain_is_found_and_named(
    two_servers: TwoServers, plant: str, table: str, said: str, drilled: Drilled
) -> None:
    """It should find one wrong row in the copy, touched since or not, and name it and no other."""
    drilled.servers.change(*WRITES)
    two_servers.expected.execute("SET SESSION foreign_key_checks = 0")
    two_servers.expected.execute(f"USE {SCHEMA}")
    two_servers.expected.execute(plant)
    proof = drilled.prove()
    assert proof.verdict == "unexplained"
    (wrong,) = proof.of("unexplained")
    assert wrong.table.name == table
    assert len(wrong.unexplained) == 1
    assert said in str(wrong.unexplained[0])


def test_a_row_that_the_source_lost_outside_of_its_log_is_named(drilled: Drilled) -> None:
    """It should name a row that somebody changed with the log switched off."""
    drilled.servers.change(*WRITES, "SET SESSION sql_log_bin = 0", "DELETE FROM quiet WHERE k = 'key 3'")
    drilled.servers.change("SET SESSION sql_log_bin = 1")
    found = drilled.table("quiet")
    assert (found.how, found.unexplained_rows) == ("unexplained", 1)
    assert "in the copy and not on the source" in str(found.unexplained[0])


def test_quiet_tables_are_held_against_the_seal_and_not_against_the_source(drilled: Drilled) -> None:
    """It should not trust a source that was changed where no log tells of it: what is as sealed is proved."""
    earlier = seal(drilled)
    drilled.second += timedelta(minutes=20)
    drilled.servers.change(*WRITES, "SET SESSION sql_log_bin = 0", "DELETE FROM quiet", "SET SESSION sql_log_bin = 1")
    proof = drilled.prove(earlier)
    assert proof.verdict == "proved", proof.as_json()
    assert {table.how for table in proof.tables if table.table.name != "made_since"} == {"sealed"}
    both = "UPDATE quiet SET v = -1 WHERE k = 'key 3'"
    for database in (drilled.servers.expected, drilled.servers.found):
        database.execute("SET SESSION sql_log_bin = 0")
        database.execute(f"USE {SCHEMA}")
        database.execute("REPLACE INTO quiet VALUES ('key 1', 1)")
        database.execute(both)
        database.execute("SET SESSION sql_log_bin = 1")
    found = drilled.table("quiet", earlier=earlier)
    assert found.how == "unexplained"
    assert "never touched it" in str(found.unexplained[0])


def test_what_the_log_does_not_tell_is_said_and_not_guessed(drilled: Drilled) -> None:
    """It should say of each way in which rows are not named that nothing is known."""
    drilled.servers.change(
        "CREATE TABLE keyless (a INT)", "INSERT INTO quiet VALUES ('more', 1)", "TRUNCATE TABLE bookings",
        "ALTER TABLE rooms MODIFY name VARCHAR(30) NOT NULL",
        "UPDATE rooms SET name = 'short' WHERE id = 2",
        "SET SESSION binlog_format = 'STATEMENT'", "DELETE FROM quiet WHERE k = 'key 9'",
        "SET SESSION binlog_format = 'ROW'",
    )  # fmt: skip
    proof = drilled.prove()
    assert proof.verdict == "not known"
    said = {table.table.name: table.why for table in proof.of("not known")}
    assert "TRUNCATE" in said["bookings"]
    assert "DELETE FROM quiet" in said["quiet"]
    assert "MODIFY name" in said["rooms"]


def test_a_log_that_was_begun_since_the_second_tells_nothing_of_before(drilled: Drilled) -> None:
    """Its only file is called as that of a server of which nothing was ever purged: it was reset, or switched on."""
    drilled.servers.change("UPDATE quiet SET v = -1 WHERE k = 'key 3'")
    proof = replace(drilled, second=drilled.second - timedelta(hours=200)).prove()
    assert "what was before it is purged" in proof.log_why_not
    assert proof.verdict == "not known"


def test_a_purged_log_is_said(drilled: Drilled) -> None:
    """It should say from when to when nobody can tell, call what differs not known, and equal tables the same.

    The log is purged for real: what the copy has of before the purge, a row that was changed in it too, is no guess.
    """
    drilled.servers.change("UPDATE quiet SET v = 0 WHERE k = 'key 1'", "FLUSH BINARY LOGS")
    files = list_log_files(drilled.servers.found)

    def purged() -> bool:  # MariaDB lets go of a file some moments after its last transaction
        drilled.servers.change(f"PURGE BINARY LOGS TO '{files[-1].name}'")
        return list_log_files(drilled.servers.found)[0].name == files[-1].name

    until(purged)
    drilled.servers.change("UPDATE rooms SET price = 1 WHERE id = 3")
    proof = drilled.prove()
    assert proof.verdict == "not known"
    assert {table.table.name: table.how for table in proof.tables} == {
        "rooms": "not known", "bookings": "same", "quiet": "not known"
    }  # fmt: skip
    said = re.fullmatch(
        r"its binary log does not tell from (.*) UTC to (.*) UTC: it begins .* purged", proof.log_why_not
    )
    assert said, proof.log_why_not
    since, till = (datetime.fromisoformat(f"{moment}+00:00") for moment in said.groups())
    assert since == drilled.second < till <= drilled.second + timedelta(minutes=31)


def test_a_table_that_the_copy_lacks_is_found_by_the_seal_and_by_the_source(drilled: Drilled) -> None:
    """It should not take a table for dropped or made since, because some statement happens to name it."""
    earlier = seal(drilled)
    drilled.second += timedelta(minutes=20)
    drilled.servers.change("CREATE TABLE other (quiet INT, bookings INT)", "ALTER TABLE other ADD COLUMN rooms INT")
    both = (drilled.servers.expected, drilled.servers.found)
    for database, table in ((both[0], "quiet"), (both[0], "bookings"), (both[1], "bookings")):
        database.execute("SET SESSION sql_log_bin = 0")
        database.execute(f"DROP TABLE {SCHEMA}.{table}")
        database.execute("SET SESSION sql_log_bin = 1")
    proof = drilled.prove(earlier)
    said = {table.table.name: str(table.unexplained[0]) for table in proof.of("unexplained")}
    assert said.keys() == {"quiet", "bookings"}
    assert "is on the source only" in said["quiet"] or "never touched" in said["quiet"]
    assert "never touched it" in said["bookings"]


KINDS = (
    "CREATE TABLE kinds (k VARCHAR(20) CHARACTER SET latin1 NOT NULL, at DATETIME(6) NOT NULL, b BINARY(4) NOT NULL,"
    " big BIGINT UNSIGNED, small MEDIUMINT, deep DECIMAL(30,10), tiny DECIMAL(3,3), stamp TIMESTAMP(4) NULL, t TIME(6),"
    " padded CHAR(30) CHARACTER SET utf8mb4, bytes VARBINARY(300), long_text MEDIUMTEXT, raw BLOB, bits BIT(33),"
    " z INT(7) ZEROFILL, never DATE NULL, y YEAR, j JSON, p POINT, many SET('a','b','c','d','e','f','g','h','i'),"
    " virtual_one INT AS (small + 1) VIRTUAL, stored_one INT AS (small + 2) STORED, PRIMARY KEY (k, at, b))"
)
KIND = (
    "'ü {n}', '2026-01-02 03:04:05.0000{n}' , X'0{n}000000', 18446744073709551610 + {n}, -{n}, -12345678901.0000000{n},"
    " -0.00{n}, '2026-03-04 05:06:07.12{n}', '-837:00:00.0000{n}', 'ö  ', REPEAT(X'00FF', 140), REPEAT('ß', 300),"
    " X'00000{n}', b'1000000000000000000000000000000{n}{n}', 42, NULL, 1999, '[{n}]', POINT({n}, 2), 'a,i',"
    " DEFAULT, DEFAULT"
)


@pytest.mark.parametrize("way", ["", "binlog_row_image = MINIMAL", "binlog_transaction_compression = ON"])
def test_values_of_every_kind_are_read_in_the_log_as_the_copy_has_them(
    two_servers: TwoServers, drilled: Drilled, way: str
) -> None:
    """It should hold every touched row against the log, whatever its kinds, and say which columns it does not read."""
    if "compression" in way and two_servers.engine.family == "mariadb":
        pytest.skip("MariaDB compresses by another setting, which is the server's")
    for database in (two_servers.expected, two_servers.found):
        database.execute("SET SESSION sql_log_bin = 0, sql_mode = 'NO_ENGINE_SUBSTITUTION'")
        database.execute(f"USE {SCHEMA}")
        database.execute(KINDS)
        database.execute(numbers("kinds", "", (0, 1), KIND))
        database.execute("SET SESSION sql_log_bin = 1")
    drilled.servers.change(*([f"SET SESSION {way}"] if way else []))
    drilled.servers.change(
        "UPDATE kinds SET big = 1, deep = 2, t = '00:00:01', stamp = NULL, bytes = X'00', y = 2001, bits = 0, p = NULL",
        "DELETE FROM kinds WHERE small = 0",
        *([f"SET SESSION {way.split()[0]} = DEFAULT"] if way else []),
    )
    proof = drilled.prove()
    found = {table.table.name: table for table in proof.tables}["kinds"]
    assert (found.how, found.checked) == ("explained", 2), (found, proof.remarks)
    unread = "" if two_servers.engine.family == "mariadb" else "j, "
    if "MINIMAL" not in way:
        assert any(f"values of {unread}p are not read" in remark for remark in proof.remarks), proof.remarks
    two_servers.expected.execute("UPDATE kinds SET t = '-837:00:00.000009' WHERE small = -1")
    if "MINIMAL" not in way:
        assert drilled.table("kinds").unexplained_rows == 1


def test_a_transaction_that_ends_behind_the_second_is_behind_it(two_servers: TwoServers, drilled: Drilled) -> None:
    """It should go by the commit and not by when a statement began; and hold what is committed in two phases."""
    for began, ended in ((-60, 40), (-50, 50)):
        dated(two_servers, drilled.second + timedelta(seconds=began))
        drilled.servers.change("BEGIN", f"UPDATE rooms SET small = 1 WHERE id = {60 + began // 10}")
        dated(two_servers, drilled.second + timedelta(seconds=ended))
        drilled.servers.change("COMMIT")
    assert drilled.prove().verdict == "proved"
    drilled.servers.change("XA START 'x'", "UPDATE rooms SET small = 2 WHERE id = 3", "XA END 'x'", "XA PREPARE 'x'")
    drilled.servers.change("XA COMMIT 'x'")
    found = drilled.table()
    assert found.how == "not known"
    assert "two phases" in found.why


def test_a_copy_that_ends_somewhere_about_its_second_is_taken_to_end_where_its_rows_say(
    two_servers: TwoServers, drilled: Drilled
) -> None:
    """It should allow the copy to end between two transactions of its second, and not in two places."""
    for number in range(4):
        dated(two_servers, drilled.second)
        drilled.servers.change(f"UPDATE rooms SET small = 100 WHERE id = {10 + number}")
        two_servers.expected.execute(f"USE {SCHEMA}")
        if number < 2:
            two_servers.expected.execute(f"UPDATE rooms SET small = 100 WHERE id = {10 + number}")
    assert drilled.prove().verdict == "proved"
    two_servers.expected.execute("UPDATE rooms SET small = 100 WHERE id = 13")
    found = drilled.table()
    assert (found.how, found.unexplained_rows) == ("unexplained", 1)


def test_a_copys_events_are_switched_off_before_its_proof_or_named(two_servers: TwoServers, drilled: Drilled) -> None:
    """It should keep an event of the copy from writing, and say which ran until then, or that it may not."""
    side, copy = two_servers.side("expected"), two_servers.expected
    copy.execute("SET GLOBAL event_scheduler = ON")
    try:
        assert quiet_events(side) == ""
        assert copy.value("SELECT @@GLOBAL.event_scheduler") == "OFF"
        copy.execute(f"CREATE EVENT {SCHEMA}.tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM {SCHEMA}.quiet")
        assert quiet_events(side) == "", "it is off"
        copy.execute("SET GLOBAL event_scheduler = ON")
        said = quiet_events(side)
        assert said.endswith(f"was on and is off now: rows that {SCHEMA}.tidy wrote there are unexplained")
        assert copy.value("SELECT @@GLOBAL.event_scheduler") == "OFF"
        copy.execute("SET GLOBAL event_scheduler = ON")
        copy.execute("CREATE USER looker@'%%' IDENTIFIED BY 'only-looks-7'")
        copy.execute("GRANT SELECT, EVENT ON *.* TO looker@'%%'")
        looker = Credentials(user="looker", password="only-looks-7")
        limited = Side(name="expected", connect=lambda: connect(two_servers.plane.endpoint("expected"), looker))
        assert "this account may not switch it off: rows that" in quiet_events(limited)
        assert copy.value("SELECT @@GLOBAL.event_scheduler") == "ON"
    finally:
        copy.execute("SET GLOBAL event_scheduler = OFF")
        copy.execute("DROP USER IF EXISTS looker@'%%'")
