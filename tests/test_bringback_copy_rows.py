"""Copy back: rows arrive exactly, by every way, and the source's newer rows are kept, decided for or listed."""

from __future__ import annotations

from typing import Any

import pytest

from runbook_lib.bringback.copy import CopiedBack, CopyChoices, apply_copy_back, propose_copy_back
from runbook_lib.errors import CheckFailed, InputRefused
from runbook_lib.inventory import TableName
from runbook_lib.proof import prove
from tests.copying import NOW, ROOMS, Estate
from tests.matrix import thorough

TYPES = (
    "id INT PRIMARY KEY, b BIT(64), e ENUM('', '2', '1', 'ä') , s SET('a', 'b', 'c') , f FLOAT, d DOUBLE,"
    " n DECIMAL(30, 9), da DATE, dt DATETIME(6), ts TIMESTAMP NULL, ti TIME(3), y YEAR, bi BINARY(4),"
    " vb VARBINARY(300), te TEXT CHARACTER SET latin1, u VARCHAR(20) CHARACTER SET utf16,"
    " k VARCHAR(20) CHARACTER SET sjis, g GEOMETRY, j JSON, h INT INVISIBLE, vi INT AS (id + 1) VIRTUAL,"
    " st VARCHAR(30) AS (CONCAT(te, '!')) STORED"
)
VALUES = (
    "(1, b'1', 1, 'a,c', 0.1, -0e0, 1.5, '0000-00-00', '0000-00-00', '0000-00-00', '-838:59:59.000', 0, 'a', '', '',"
    " '', '', ST_GeomFromText('POINT(1 2)'), '{\"a\": [1, null, \"\\\\t\\\\n\\\\\\\\\"]}', 7)",
    "(2, 0xFFFFFFFFFFFFFFFF, 2, 'b,c', 16777216.5, 1.7976931348623157e308, -1, '9999-12-31',"
    " '2026-02-05 01:02:03.000001', '2026-02-05 01:02:03', '00:00:00.001', 2155, 0x005C090A, 0x0D5C4E090A27220000FF,"
    " 'é\\\\N\\t\\n\\r', '部屋\\t', '表ソ\\\\', ST_GeomFromText('LINESTRING(0 0, 9 9)'), '\"\\\\u0000\"', NULL)",
    "(3" + ", NULL" * 19 + ")",
    "(4, 0, 4, '', 1e-38, 5e-324, 0, '2026-00-00', '2026-01-01', '1970-01-01 00:00:01', '1:2:3', 1999, '', NULL,"
    " '\\\\N', 'NULL', '\\\\', NULL, 'null', 0)",
)
NAMES = "id, b, e, s, f, d, n, da, dt, ts, ti, y, bi, vb, te, u, k, g, j, h"


def everything() -> tuple[str, ...]:
    """Make a table of every type, with values that are easily changed on the way."""
    return (
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
        "CREATE DATABASE kinds CHARACTER SET utf8mb4",
        f"CREATE TABLE kinds.`all` ({TYPES})",
        *(f"INSERT INTO kinds.`all` ({NAMES}) VALUES {row}" for row in VALUES),
        "CREATE TABLE kinds.one (a VARCHAR(20))",
        "INSERT INTO kinds.one VALUES (''), (''), (NULL), ('\\\\N'), ('\\n'), ('a')",
        "CREATE TABLE kinds.pair (a VARCHAR(9) CHARACTER SET latin1 COLLATE latin1_german1_ci, b BIGINT UNSIGNED,"
        " c INT, KEY (c), PRIMARY KEY (a, b))",
        "INSERT INTO kinds.pair VALUES " + ", ".join(f"('k{n % 7}ä', {n * 3}, {n})" for n in range(4000)),
    )


@pytest.fixture
def kinds(estate: Estate) -> Estate:
    """Return the table of every type on both sides, and wipe it at the source."""
    estate.make(*everything())
    with estate.source.connect() as source:
        for name in ("all", "one", "pair"):
            source.execute(f"DELETE FROM kinds.`{name}`")
    return estate


def brought(estate: Estate, **choices: Any) -> CopiedBack:
    """Plan and apply for the choices."""
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=CopyChoices(**choices), now=NOW)
    return apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)


@pytest.mark.parametrize("way", ["load", "insert"])
def test_every_type_arrives_exactly(kinds: Estate, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "runbook_lib.bringback.copy.transport.pieces.ROWS", 1500
    )  # the table with two key columns in pieces
    if way == "insert":
        with kinds.plane.admin("found") as admin:
            admin.execute("SET GLOBAL local_infile = 0")
    try:
        done = brought(kinds, tables=("kinds",))
    finally:
        with kinds.plane.admin("found") as admin:
            admin.execute("SET GLOBAL local_infile = 1")
    assert {table.way for table in done.plan.tables} == {way}
    assert done.copied_rows == 4010
    assert prove(kinds.copy, kinds.source, schemas=("kinds",)).verdict == "same"
    exact = "SELECT HEX(b), e + 0, s + 0, CAST(f AS DOUBLE), d, CONCAT(d), HEX(vb), HEX(te), HEX(u), HEX(k), HEX(g), h"
    with kinds.copy.connect() as copy, kinds.source.connect() as source:
        rows = f"{exact}, vi, st, CONCAT(da), CONCAT(ts), CONCAT(ti) FROM kinds.`all` ORDER BY id"
        assert source.rows(rows) == copy.rows(rows)


def test_rows_longer_than_the_largest_packet_arrive(estate: Estate) -> None:
    if estate.plane.engine.is_mariadb:
        pytest.skip("MariaDB ends the connection instead of sending such a row")
    estate.make(
        "CREATE DATABASE kinds",
        "CREATE TABLE kinds.wide (id INT PRIMARY KEY, a LONGBLOB, b LONGBLOB)",
        "INSERT INTO kinds.wide VALUES (1, REPEAT('\\\\', 700000), REPEAT('\\t', 700000)), (2, 'a', NULL)",
    )
    with estate.source.connect() as source, estate.plane.admin("expected") as admin:
        source.execute("DELETE FROM kinds.wide")
        admin.execute("SET GLOBAL max_allowed_packet = 1048576")
        try:
            brought(estate, tables=("kinds.wide",))
        finally:
            admin.execute("SET GLOBAL max_allowed_packet = 1073741824")
        same = "a <=> IF(id = 1, REPEAT('\\\\', 700000), 'a'), b <=> IF(id = 1, REPEAT('\\t', 700000), NULL)"
        assert source.rows(f"SELECT id, {same} FROM kinds.wide") == [(1, 1, 1), (2, 1, 1)]


def wiped(estate: Estate) -> None:
    """Wipe the rooms but for one, and let the application write on: a new room, a changed one, a new contract."""
    with estate.source.connect() as source:
        source.execute("SET foreign_key_checks = 0")
        source.execute(f"DELETE FROM {ROOMS} WHERE id > 1")
        source.execute(f"UPDATE {ROOMS} SET rent = 95, touched = '2026-02-05' WHERE id = 1")
        source.execute(f"INSERT INTO {ROOMS} VALUES (70, 'N-1', 200, NULL, '2026-02-05')")
        source.execute("INSERT INTO letting.contracts (id, room_id, tenant) VALUES (9, 70, 'since')")
        source.execute("INSERT INTO letting.`odd ``name. 日本` VALUES ('é', 'x'), ('new', 'y')")


def rooms(estate: Estate) -> list[tuple[Any, ...]]:
    with estate.source.connect() as source:
        return source.rows(f"SELECT id, rent FROM {ROOMS} ORDER BY id")


def test_rows_written_since_are_kept_and_a_conflict_stops_the_swap_until_it_is_decided(estate: Estate) -> None:
    wiped(estate)
    tables = ("house.hold", "letting")
    with pytest.raises(CheckFailed, match=r"house\.hold\.rooms: 1 \(keys 1\)"):
        brought(estate, tables=tables, rows="keep new")
    assert rooms(estate) == [(1, 95), (70, 200)], "nothing was swapped"
    done = brought(estate, tables=tables, rows="keep new", conflicts="copy")
    assert rooms(estate) == [(1, 90), (2, 110), (3, 120), (70, 200)]
    told = {one.table: one for one in done.merged}
    assert (told["house.hold.rooms"].kept, told["house.hold.rooms"].conflicts, told["house.hold.rooms"].side) == (
        1,
        1,
        "copy",
    )
    with estate.source.connect() as source:
        assert source.rows("SELECT tenant, label FROM letting.contracts WHERE id = 9") == [("since", "t:since")]
        odd = source.rows("SELECT a, b FROM letting.`odd ``name. 日本` ORDER BY a, b")
        kept = [("é", "x"), ("é", "x"), ("é", "x"), ("new", "y"), (None, ""), ("", None)]
        assert sorted(map(str, odd)) == sorted(map(str, kept)), "without a key a row is kept as often as a side has it"
        source.execute(f"INSERT INTO {ROOMS} (number, rent) VALUES ('next', 1)")
        assert source.value(f"SELECT MAX(id) FROM {ROOMS}") == 71, "numbers go on beyond both sides"


def test_the_newer_of_two_rows_wins_by_the_named_column(estate: Estate) -> None:
    wiped(estate)
    newer = {"house.hold.rooms": "newer wins"}
    with pytest.raises(InputRefused, match="needs a column"):
        brought(estate, tables=("house.hold",), rules=newer)
    done = brought(estate, tables=("house.hold",), rules=newer, newer_by={"house.hold.rooms": "touched"})
    assert rooms(estate) == [(1, 95), (2, 110), (3, 120), (70, 200)]
    assert [one.updated for one in done.merged if one.rule == "newer wins"] == [1]
    # the tables that foreign keys tie to it went along with the source's own rows
    with estate.source.connect() as source:
        assert source.value("SELECT COUNT(*) FROM letting.contracts") == 4


def test_replace_leaves_what_was_written_since_in_the_dated_schema_only(estate: Estate) -> None:
    wiped(estate)
    brought(estate, tables=("house.hold", "letting"))
    assert rooms(estate) == [(1, 90), (2, 110), (3, 120)]
    with estate.source.connect() as source:
        assert source.value("SELECT rent FROM `house.hold_damaged_20260205t093000z`.rooms WHERE id = 70") == 200


def test_a_row_that_would_lose_its_parent_stops_the_swap(estate: Estate) -> None:
    wiped(estate)
    with pytest.raises(CheckFailed, match=r"1 rows of letting\.contracts would have no parent in house\.hold\.rooms"):
        brought(estate, tables=("house.hold", "letting"), rules={"letting": "keep new"})
    assert rooms(estate) == [(1, 95), (70, 200)]


@pytest.mark.parametrize(("side", "left"), [("copy", [(2, 110)]), thorough("source", [(77, 5)])])
def test_two_rows_with_one_unique_value_are_a_conflict_too(estate: Estate, side: str, left: list[Any]) -> None:
    with estate.source.connect() as source:
        source.execute("SET foreign_key_checks = 0")
        source.execute(f"DELETE FROM {ROOMS} WHERE id = 2")
        source.execute(f"INSERT INTO {ROOMS} VALUES (77, 'A-2', 5, NULL, NULL)")
    rules = {"tables": ("house.hold", "letting"), "rows": "keep new"}
    with pytest.raises(CheckFailed, match=r"house\.hold\.rooms: 1"):
        brought(estate, **rules)
    if side == "copy":
        brought(estate, **rules, conflicts=side)
        with estate.source.connect() as source:
            assert source.rows(f"SELECT id, rent FROM {ROOMS} WHERE number = 'A-2'") == left
    else:
        # the room that gives way is one that others point at
        with pytest.raises(CheckFailed, match="would have no parent"):
            brought(estate, **rules, conflicts=side)


def test_tables_that_are_only_tied_to_a_damaged_one_keep_every_row_of_the_source(estate: Estate) -> None:
    with estate.source.connect() as source:
        source.execute("DELETE FROM letting.contracts WHERE id = 2")
        source.execute(f"UPDATE {ROOMS} SET rent = 1 WHERE id = 3")
        source.execute(f"INSERT INTO {ROOMS} VALUES (60, 'S', 3, NULL, NULL)")
    done = brought(estate, tables=("letting.contracts",))
    assert {str(t.name): t.rows_from for t in done.plan.tables} == {
        "house.hold.rooms": "damaged",
        "letting.contracts": "restored",
    }
    assert rooms(estate) == [(1, 90), (2, 110), (3, 1), (60, 3)]
    proof = prove(estate.copy, estate.source, schemas=("letting",))
    assert proof.table(TableName(schema="letting", name="contracts")).verdict == "same"
