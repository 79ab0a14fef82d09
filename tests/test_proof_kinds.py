"""Every kind of column and key is proved: what is equal stays equal, and one changed value is named."""

from __future__ import annotations

import random
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib.inventory import TableName
from runbook_lib.proof import Pair
from tests.proving import SCHEMA, TwoServers, counts, numbers

KINDS = {
    "TINYINT": ("-128", "127"),
    "BIGINT UNSIGNED": ("18446744073709551615", "18446744073709551614"),
    "INT(8) ZEROFILL": ("5", "6"),
    "DECIMAL(30,10)": ("-12345678901234567890.0000000001", "-12345678901234567890.0000000002"),
    "FLOAT": ("16777216", "16777218"),
    "DOUBLE": ("1e-300", "1.0000000000000002e-300"),
    "DOUBLE(10,2)": ("1.25", "1.24"),
    "BIT(1)": ("b'0'", "b'1'"),
    "BIT(64)": ("b'1'", "0x8000000000000001"),
    "DATE": ("'0000-00-00'", "'2026-00-00'"),
    "DATETIME(6)": ("'2026-02-04 10:00:00.000001'", "'2026-02-04 10:00:00.000002'"),
    "TIMESTAMP(3) NULL": ("'2026-02-04 10:00:00.001'", "'2026-02-04 10:00:00.002'"),
    "TIME(2)": ("'-838:59:59'", "'-838:59:58.5'"),
    "YEAR": ("2026", "0"),
    "CHAR(10)": ("'a'", "'A'"),
    "VARCHAR(10)": ("''", "' '"),
    "VARCHAR(10) CHARACTER SET ucs2": ("'日'", "'本'"),
    "VARCHAR(10) CHARACTER SET latin1": ("_binary X'E9'", "_binary X'C9'"),
    "LONGTEXT": ("'a'", "'a\\n'"),
    "JSON": ("'{\"a\": [1, null]}'", '\'{"a": [1, "null"]}\''),
    "BINARY(4)": ("X'00'", "X'0001'"),
    "VARBINARY(10)": ("X'FF23FF'", "X'FF23FE'"),
    "LONGBLOB": ("X'C328'", "X'C327'"),
    "ENUM('a','b','')": ("''", "'no such'"),
    "SET('a','b')": ("'a,b'", "'b'"),
    "GEOMETRY": ("ST_GeomFromText('POINT(1 2)', 0)", "ST_GeomFromText('POINT(1 3)', 0)"),
    "POINT": ("ST_GeomFromText('POINT(1 2)', 0)", "ST_GeomFromText('POINT(1 2)', 4326)"),
}


def test_every_kind_of_column_is_proved_and_named_when_it_changed(two_servers: TwoServers) -> None:
    columns = {f"c{number}": kind for number, kind in enumerate(KINDS)}
    values = list(KINDS.values())
    two_servers.begin(
        "CREATE TABLE t (id INT PRIMARY KEY, "
        + ", ".join(f"{name} {kind}" for name, kind in columns.items())
        + ", doubled BIGINT AS (id * 2) STORED, tripled BIGINT AS (id * 3) VIRTUAL)",
    )
    listed = ", ".join(["id", *columns])
    for database in (two_servers.expected, two_servers.found):
        for key in range(len(columns) + 1):
            database.execute(f"INSERT INTO t ({listed}) VALUES ({key}, {', '.join(one for one, _ in values)})")
        database.execute(f"INSERT INTO t ({listed}) VALUES (900, {', '.join('NULL' for _ in values)})")
    table = two_servers.table()
    assert (table.verdict, table.definition) == ("same", ())
    for key, (name, (_, other)) in enumerate(zip(columns, values, strict=True)):
        two_servers.change(f"UPDATE t SET {name} = {other} WHERE id = {key}")
    table = two_servers.table(samples=100)
    changed = {sample.key[0][1]: sample.columns for sample in table.samples}
    assert changed == {str(key): (name,) for key, name in enumerate(columns)}
    assert counts(table) == (0, 0, len(columns))
    assert set(table.columns) == set(columns)


def test_whether_a_column_may_be_null_is_only_a_declaration(two_servers: TwoServers) -> None:
    columns = {f"c{number}": kind for number, kind in enumerate(KINDS)}
    two_servers.begin()
    for database, mark in ((two_servers.expected, "NOT NULL"), (two_servers.found, "NULL")):
        declared = ", ".join(f"{name} {kind.removesuffix(' NULL')} {mark}" for name, kind in columns.items())
        database.execute(f"CREATE TABLE t (id INT PRIMARY KEY, {declared})")
        for key in (0, 1):
            database.execute(f"INSERT INTO t VALUES ({key}, {', '.join(values[key] for values in KINDS.values())})")
    table = two_servers.table()
    assert (table.verdict, counts(table)) == ("same", (0, 0, 0))
    assert table.definition


def test_a_row_larger_than_a_packet_is_proved_too(two_servers: TwoServers, request: pytest.FixtureRequest) -> None:
    packet = int(two_servers.expected.value("SELECT @@max_allowed_packet"))
    two_servers.begin("CREATE TABLE t (id INT PRIMARY KEY, a LONGTEXT, b LONGTEXT CHARACTER SET latin1)")
    for database in (two_servers.expected, two_servers.found):
        database.execute("INSERT INTO t VALUES (1, REPEAT('x', 1500000), REPEAT('y', 1500000))")
    for database in (two_servers.expected, two_servers.found):
        request.addfinalizer(partial(database.execute, f"SET GLOBAL max_allowed_packet = {packet}"))
        database.execute("SET GLOBAL max_allowed_packet = 2097152")  # for connections opened from now on
    with two_servers.side("found").connect() as database:
        assert database.value("SELECT SHA2(CONCAT(a, b), 256) FROM trap.t") is None
    assert two_servers.table().verdict == "same"
    two_servers.change("UPDATE t SET b = CONCAT('z', SUBSTR(b, 2))")
    assert (counts(two_servers.table()), two_servers.table().columns) == ((0, 0, 1), ("b",))
    two_servers.change("ALTER TABLE t MODIFY b LONGTEXT CHARACTER SET utf8mb4")
    assert counts(two_servers.table()) == (0, 0, 1)
    two_servers.change("UPDATE t SET b = CONCAT('y', SUBSTR(b, 2))")
    assert counts(two_servers.table()) == (0, 0, 0)


KEYS = {
    "composite": ("a INT, b VARCHAR(10), c DATE, PRIMARY KEY (a, b, c)", "{a}, 'k{b}', '2026-01-{c:02}'"),
    "text": ("a VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, b INT, c INT", "'{text}', {b}, {c}"),
    "binary": ("a VARBINARY(20) PRIMARY KEY, b INT, c INT", "X'{octets}', {b}, {c}"),
    "decimal": ("a DECIMAL(12,3) PRIMARY KEY, b INT, c INT", "{n}.125, {b}, {c}"),
    "timestamp": ("a TIMESTAMP(3) DEFAULT '2026-01-01' PRIMARY KEY, b INT, c INT",
                  "'2026-01-01' + INTERVAL {n} SECOND, {b}, {c}"),
    "sparse": ("a BIGINT UNSIGNED PRIMARY KEY, b INT, c INT", "{n} * {n} * 100000000000, {b}, {c}"),
    "negative": ("a INT PRIMARY KEY, b INT, c INT", "{n} - 3000, {b}, {c}"),
    "unique": ("a INT NOT NULL, b INT, c INT, UNIQUE other (b, c), UNIQUE (a)", "{n}, {b}, {c}"),
    "none": ("a INT, b INT, c INT, UNIQUE (a)", "{n}, {b}, {c}"),
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_differences_are_found_whatever_the_key_is(two_servers: TwoServers, key: str) -> None:
    columns, row = KEYS[key]
    rng = random.Random(3)
    # a case-insensitive key may hold only one of them, but letters of either case, quotes and spaces everywhere
    starts, ends = ("a", "A", "é", "E", "b''", " "), ("", "Z")
    texts = [f"{rng.choice(starts)}{number:x}{rng.choice(ends)}" for number in range(6000)]
    rows = [
        row.format(n=n, a=n // 700, b=n // 28, c=n % 28 + 1, text=texts[n], octets=f"{n * 7919 % 65536:04x}00{n:04x}")
        for n in range(6000)
    ]
    two_servers.begin(
        f"CREATE TABLE t (number INT, more VARCHAR(10), {columns})",
        "INSERT INTO t VALUES " + ", ".join(f"({n}, 'm', {values})" for n, values in enumerate(rows)),
    )
    assert two_servers.table().verdict == "same"
    two_servers.change(
        "DELETE FROM t WHERE number IN (0, 1, 2500, 2501, 2502, 5999)",
        "UPDATE t SET more = 'n' WHERE number IN (7, 3000)",
        "UPDATE t SET number = -1 WHERE number = 4000",
    )  # fmt: skip
    table = two_servers.table(samples=3)
    assert counts(table) == ((9, 3, 0) if key == "none" else (6, 0, 3))
    assert len(table.samples) == 6
    assert table.found_rows == 5994


def test_lost_emptied_and_new_tables_have_verdicts_of_their_own(two_servers: TwoServers) -> None:
    two_servers.begin(
        *(f"CREATE TABLE {name} (id INT PRIMARY KEY, n INT)" for name in ("lost", "wiped", "grown", "never", "narrow")),
        *(numbers(name, "", range(50), "{n}, {n}") for name in ("lost", "wiped", "grown", "narrow")),
        "CREATE VIEW seen AS SELECT id FROM wiped",
    )
    two_servers.change(
        "DROP TABLE lost", "DELETE FROM wiped", "INSERT INTO grown VALUES (77, 1)", "ALTER TABLE narrow DROP n",
        "CREATE TABLE added AS SELECT * FROM grown", "CREATE VIEW more AS SELECT 1",
    )  # fmt: skip
    proof = two_servers.prove()
    assert {table.pair.expected.name: table.verdict for table in proof.tables} == {
        "lost": "missing", "wiped": "emptied", "grown": "new since", "never": "same", "narrow": "damaged",
        "added": "new since",
    }  # fmt: skip
    assert [name.name for name in proof.damaged] == ["lost", "narrow", "wiped"]
    by_name = {table.pair.expected.name: table for table in proof.tables}
    assert (by_name["lost"].missing, by_name["wiped"].missing, by_name["added"].extra) == (50, 50, 51)
    assert by_name["lost"].digest == by_name["wiped"].digest
    assert "`n` is not there" in by_name["narrow"].definition[0]


def test_names_may_hold_anything_and_differ_between_the_sides(two_servers: TwoServers) -> None:
    name, column = "a.b`c 'd\" % 表", "x`y 'z\" %s 列"
    quoted = name.replace("`", "``"), column.replace("`", "``")
    two_servers.begin()
    for database, table in ((two_servers.expected, quoted[0]), (two_servers.found, "staged")):
        database.execute(f"CREATE TABLE `{table}` (`{quoted[1]}` VARCHAR(20) PRIMARY KEY, n INT)")
        database.execute(f"INSERT INTO `{table}` VALUES ('a', 1), ('b', 2)")
    two_servers.change("UPDATE staged SET n = 3 WHERE n = 2")
    pair = Pair(expected=TableName(schema=SCHEMA, name=name), found=TableName(schema=SCHEMA, name="staged"))
    (table,) = two_servers.prove(pairs=[pair], schemas=()).tables
    assert (table.pair, counts(table)) == (pair, (0, 0, 1))
    assert table.samples[0].key == ((column, "b"),)


@pytest.mark.parametrize(
    ("here", "there"),
    [("INT", "BIGINT UNSIGNED"), ("INT", "VARCHAR(20)"), ("DECIMAL(8,2)", "DECIMAL(12,4)"), ("DATETIME", "DATETIME(6)"),
     ("BIT(12)", "INT"), ("CHAR(8)", "VARCHAR(40)"), ("ENUM('12','26')", "VARCHAR(20)")],
)  # fmt: skip
def test_a_value_is_the_same_in_a_wider_type(two_servers: TwoServers, here: str, there: str) -> None:
    value = "'2026-01-02 03:04:05'" if here == "DATETIME" else "26" if here == "BIT(12)" else "'26'"
    two_servers.begin()
    for database, kind in ((two_servers.expected, here), (two_servers.found, there)):
        database.execute(f"CREATE TABLE t (id INT PRIMARY KEY, v {kind})")
        database.execute(f"INSERT INTO t VALUES (1, {value}), (2, NULL)")
    table = two_servers.table()
    assert (table.verdict, len(table.definition)) == ("same", 1)
    other = "'2026-01-02 03:04:06'" if here == "DATETIME" else "'12'"
    two_servers.change(f"UPDATE t SET v = {other} WHERE id = 1")
    assert counts(two_servers.table()) == (0, 0, 1)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(edits=st.dictionaries(st.integers(0, 1999), st.sampled_from(["delete", "change", "insert"]), max_size=12))
def test_any_few_edits_are_counted_exactly(two_servers: TwoServers, edits: dict[int, str]) -> None:
    two_servers.begin(
        "CREATE TABLE t (a INT NOT NULL, b VARCHAR(8) NOT NULL, v VARCHAR(9), PRIMARY KEY (b, a))",
        numbers("t", "", range(0, 4000, 2), "{n}, CONCAT('k', {n} % 7), NULLIF({n} % 5, 3)"),
    )
    for number, edit in edits.items():
        two_servers.change(
            {
                "delete": f"DELETE FROM t WHERE a = {number * 2}",
                "change": f"UPDATE t SET v = IF(v IS NULL, '', NULL) WHERE a = {number * 2}",
                "insert": f"INSERT INTO t VALUES ({number * 2 + 1}, 'k3', NULL)",
            }[edit]
        )
    made = list(edits.values())
    assert counts(two_servers.table()) == (made.count("delete"), made.count("insert"), made.count("change"))
