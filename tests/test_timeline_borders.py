"""What of a real binary log is read, whatever its settings: packed, of any column type, in any character set."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

import pytest

from runbook_lib.mysql import Credentials, Database, LoggedGap, connect
from runbook_lib.mysql.binary_log import _Decoder, _encoding, _inflated
from runbook_lib.mysql.binary_rows import NotDecoded, TableMap, row_images, table_map
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.timeline.destructions import LogReading, read_destructions
from runbook_lib.timeline.losses import Ledger
from tests.incidents import NUMBERS, at

MASTER = Credentials(user="admin", password="borders-of-7")
NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILLED = f"INSERT INTO {{0}} SELECT n, CONCAT('value ', n) FROM {NUMBERS} q WHERE n < 1200"


@pytest.fixture(scope="module")
def readings(shared_plane: DataPlane) -> LogReading:
    """What is told of a server on which each hour holds one border of what a log can be."""
    shared_plane.create("borders", master=MASTER)
    shared_plane.open("borders")
    with shared_plane.admin("borders") as database:
        tell(database)
    with connect(shared_plane.endpoint("borders"), MASTER) as client:
        client.execute(f"SET timestamp = {int((NOON + 5 * HOUR).timestamp())}")
        client.execute("USE hz")
        client.execute("SET NAMES cp932")
        client._connection.encoding = "cp932"
        client.execute("DROP TABLE `部屋`")
        client.execute("TRUNCATE TABLE `表`")
    return read_destructions(shared_plane.endpoint("borders"), MASTER, since=NOON, until=NOON + 12 * HOUR)


def tell(database: Database) -> None:
    at(database, NOON - HOUR, "CREATE DATABASE hz", "USE hz")
    for name in ("packed", "mixed", "upserted", "parent"):
        at(database, NOON - HOUR, f"CREATE TABLE {name} (id INT PRIMARY KEY, v VARCHAR(60))", FILLED.format(name))
    mariadb = database.is_mariadb
    own = "u UUID, i INET6, z VARCHAR(200) COMPRESSED" if mariadb else "u VECTOR(3), i JSON, z BIT(13)"
    at(
        database,
        NOON - HOUR,
        f"CREATE TABLE odd (id INT PRIMARY KEY, {own}, d DECIMAL(30,7), t TIME(3), e ENUM('a','b'), g GEOMETRY)",
        "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
        "INSERT INTO child SELECT id, id FROM parent",
        *("CREATE TABLE `部屋` (i INT)", "CREATE TABLE `表` (i INT)", "CREATE TABLE `sales#24` (i INT)"),
        *("CREATE TABLE `a -- b` (i INT)", "CREATE TABLE away (i INT)"),
    )
    value = "UUID(), '::1', 'z'" if mariadb else "TO_VECTOR('[1,2,3]'), '{\"a\": 1}', 5"
    at(database, NOON, f"INSERT INTO odd SELECT id, {value}, 1.5, '10:00', 'a', POINT(1, 2) FROM packed")
    at(database, NOON, "UPDATE odd SET d = NULL")
    switch = "GLOBAL log_bin_compress" if mariadb else "SESSION binlog_transaction_compression"
    at(database, NOON + HOUR, f"SET {switch} = ON", "DELETE FROM packed", f"SET {switch} = OFF")
    at(database, NOON + 2 * HOUR, "SET SESSION binlog_format = 'MIXED'", "DELETE FROM mixed WHERE id >= 0")
    # one statement that empties a table of several schemas is not an everyday one
    at(database, NOON + 8 * HOUR, *(f"CREATE DATABASE hz_{n}" for n in range(3)),
       *(f"CREATE TABLE hz_{n}.wiped (id INT PRIMARY KEY)" for n in range(3)),
       *(text for n in range(3) for text in (f"USE hz_{n}", "INSERT INTO wiped VALUES (1), (2)", "DELETE FROM wiped")),
       "USE hz")  # fmt: skip
    at(database, NOON + 2 * HOUR, "SET SESSION binlog_format = 'ROW'")
    at(database, NOON + 3 * HOUR, "REPLACE INTO upserted SELECT id, 'new' FROM mixed")
    at(database, NOON + 4 * HOUR, "DROP TABLE `sales#24`", "TRUNCATE TABLE `a -- b`", "ALTER TABLE away RENAME TO gone")
    at(database, NOON + 6 * HOUR, "DELETE FROM parent WHERE id < 1100")


def told(reading: LogReading, hours: int) -> list[str]:
    moment = NOON + hours * HOUR
    return [f"{loss.kind} {loss.table} {loss.rows}" for loss in reading.destructions if loss.at == moment]


def test_columns_of_every_type_are_counted_and_named(readings: LogReading) -> None:
    assert told(readings, 0) == ["UPDATE hz.odd 1200"]
    (update,) = (loss for loss in readings.destructions if loss.at == NOON)
    assert (update.columns, update.nulls, update.of) == (("d",), ("d",), 1200)
    assert readings.gaps == ()


def test_compressed_transactions_are_read(readings: LogReading) -> None:
    assert told(readings, 1) == ["DELETE hz.packed 1200"]


def test_a_statement_logged_as_text_is_told_without_its_rows_and_that_is_said(readings: LogReading) -> None:
    assert told(readings, 2) == ["DELETE hz.mixed None"]
    assert any("logged as text" in sentence and "binlog_format=ROW" in sentence for sentence in readings.untold)
    wiped = [loss for loss in readings.destructions if loss.table.name == "wiped"]
    assert [(loss.kind, loss.usual) for loss in wiped] == [("DELETE", False)] * 3


def test_names_are_read_with_their_marks_and_in_their_clients_character_set(readings: LogReading) -> None:
    assert told(readings, 4) == ["DROP TABLE hz.sales#24 None", "TRUNCATE hz.a -- b None", "DROP TABLE hz.away None"]
    assert told(readings, 5) == ["DROP TABLE hz.部屋 None", "TRUNCATE hz.表 None"]


def test_rows_that_a_foreign_key_took_along_are_told_or_it_is_said_that_they_are_not_in_the_log(
    readings: LogReading,
) -> None:
    found = told(readings, 6)
    assert "DELETE hz.parent 1100" in found
    assert {"DELETE hz.child 1100", "CASCADE hz.child 1100"} & {*found}
    if "CASCADE hz.child 1100" in found:
        assert any("hz.child is not in the log" in sentence for sentence in readings.untold)


def test_an_event_that_cannot_be_decoded_is_a_gap_of_its_own_and_never_silence() -> None:
    decoder = _Decoder({"binlog.1"})

    def event(kind: int, body: bytes, *, flags: int = 0) -> bytes:
        return NOON.timestamp().__int__().to_bytes(4, "little") + bytes([kind]) + bytes(12) + bytes([flags, 0]) + body

    strange = [list(decoder.entries(event(kind, b"\x01" * 30))) for kind in (77, 40, 26, 30, 2)]
    assert all(isinstance(entry, LoggedGap) for entries in strange for entry in entries)
    assert [len(entries) for entries in strange] == [1, 1, 1, 1, 1]
    assert list(decoder.entries(event(77, b"x", flags=0x80))) == [], "it says itself that it may be left out"
    assert list(decoder.entries(event(27, b"x"))) == []


def test_rows_that_do_not_come_out_even_are_not_counted() -> None:
    columns = bytes([3, 244])  # an INT, and a type that nobody knows
    body = bytes(6) + bytes(2) + b"\x01s\0" + b"\x01t\0" + b"\x02" + columns + b"\x00" + b"\x00"
    _, unknown = table_map(body, id_bytes=6)
    with pytest.raises(NotDecoded, match="type 244"):
        row_images(b"\x02\xff\x00" + bytes(8), unknown, verb="insert")
    known = TableMap(schema="s", table="t", sizes=(4,), json=frozenset())
    assert row_images(b"\x01\x01" + b"\x00abcd" * 3, known, verb="insert").rows == 3
    with pytest.raises(NotDecoded, match="ends before"):
        row_images(b"\x01\x01" + b"\x00abcd" * 3 + b"\x00ab", known, verb="insert")
    with pytest.raises(NotDecoded, match="unknown way"):
        _inflated(b"\xf1" + zlib.compress(b"x"))


def test_what_was_not_read_leaves_no_count_behind() -> None:
    ledger = Ledger()
    ledger.read([LoggedGap(at=NOON, why="a strange column", table=("hz", "t"))])
    ledger.close()
    assert [gap.why for gap in ledger.gaps] == ["a strange column"]
    assert all(table.rows is None for table in ledger.tables.values())


@pytest.mark.parametrize(("collation", "encoding"), [(63, "utf-8"), (0, "utf-8"), (28, "gbk"), (95, "cp932")])
def test_a_clients_character_set_is_one_that_can_be_decoded(collation: int, encoding: str) -> None:
    """A client of the character set `binary` says nothing of its letters: they are read as UTF-8."""
    assert b"x".decode(_encoding(collation)) == "x"
    assert _encoding(collation) == encoding
