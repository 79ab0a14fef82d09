"""Every way in which two tables can differ and look alike is found, and what only looks different is called same."""

from __future__ import annotations

import pytest

from tests.proving import TwoServers, counts, numbers

TENANTS = (
    "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), room VARCHAR(20), photo BLOB, weight FLOAT, score DOUBLE,"
    " seen TIMESTAMP NULL, code VARCHAR(20) CHARACTER SET latin1, raw VARBINARY(9), note VARCHAR(9))",
    "INSERT INTO t VALUES (1, 'ka', 'A-1', X'00FF80', 1, 0, '2026-02-04 10:00:00', 'é', X'FF', ''),"
    " (2, 'ki', 'A-2', X'', 16777216, 0.1, NULL, '', X'', ''),"
    " (3, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
    " (4, 'ab', 'c', NULL, 0, 1e300, NULL, 'x', NULL, 'y'), (5, 'a#1#b', '1#', NULL, 0, 1, NULL, '-1', X'FE', NULL),"
    # in latin1 ÿ and þ are the bytes FF and FE
    " (6, 'a', 'b', NULL, NULL, NULL, NULL, 'aÿ', X'62', 'c'), (7, '7', '', X'', 0, 0, NULL, 'þ', NULL, 'þ')",
)
BAG = ("CREATE TABLE t (a INT, b VARCHAR(5))", "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, 'y'), (2, 'y')")


@pytest.mark.parametrize(
    ("beginning", "changes", "found"),
    [
        pytest.param(
            TENANTS, ["UPDATE t SET room = IF(id = 1, 'A-2', 'A-1') WHERE id < 3"], (0, 0, 2), id="swapped values"
        ),
        pytest.param(TENANTS, ["UPDATE t SET room = '' WHERE id = 3"], (0, 0, 1), id="empty for NULL"),
        pytest.param(TENANTS, ["UPDATE t SET name = 'a', room = 'bc' WHERE id = 4"], (0, 0, 1), id="moved letter"),
        pytest.param(
            TENANTS, ["UPDATE t SET name = 'a#1', room = 'b#1#' WHERE id = 5"], (0, 0, 1), id="moved separator"
        ),
        pytest.param(TENANTS, ["UPDATE t SET code = NULL WHERE id = 5"], (0, 0, 1), id="NULL for what stands for it"),
        pytest.param(
            TENANTS, ["UPDATE t SET code = 'a', raw = X'FF62' WHERE id = 6"], (0, 0, 1),
            id="moved separating byte",
        ),
        pytest.param(TENANTS, ["UPDATE t SET raw = NULL WHERE id = 5"], (0, 0, 1), id="NULL for the byte of NULL"),
        pytest.param(TENANTS, ["UPDATE t SET code = NULL WHERE id = 7"], (0, 0, 1), id="NULL for the letter of NULL"),
        pytest.param(TENANTS, ["UPDATE t SET name = '', room = '7' WHERE id = 7"], (0, 0, 1), id="moved whole"),
        pytest.param(TENANTS, ["UPDATE t SET photo = X'00FF81' WHERE id = 1"], (0, 0, 1), id="invalid bytes"),
        pytest.param(TENANTS, ["UPDATE t SET weight = 16777218 WHERE id = 2"], (0, 0, 1), id="the next FLOAT"),
        pytest.param(TENANTS, ["UPDATE t SET score = 0.1 + 1.4e-17 WHERE id = 2"], (0, 0, 1), id="the next DOUBLE"),
        pytest.param(TENANTS, ["UPDATE t SET name = 'KA' WHERE id = 1"], (0, 0, 1), id="equal to the collation"),
        pytest.param(TENANTS, ["UPDATE t SET name = 'ka ' WHERE id = 1"], (0, 0, 1), id="a trailing space"),
        pytest.param(TENANTS, ["DELETE FROM t WHERE id = 3"], (1, 0, 0), id="one row missing"),
        pytest.param(TENANTS, ["INSERT INTO t (id) VALUES (9)"], (0, 1, 0), id="one row more"),
        pytest.param(TENANTS, ["UPDATE t SET id = 9 WHERE id = 2"], (1, 1, 0), id="another key"),
        pytest.param(BAG, ["DELETE FROM t WHERE a = 1 LIMIT 1"], (1, 0, 0), id="a lost duplicate"),
        pytest.param(BAG, ["DELETE FROM t WHERE a = 2"], (2, 0, 0), id="both of two duplicates lost"),
        pytest.param(
            BAG, ["DELETE FROM t WHERE a = 1 LIMIT 1", "INSERT INTO t VALUES (2, 'y')"], (1, 1, 0),
            id="a duplicate of another row",
        ),
    ],
)  # fmt: skip
def test_a_difference_is_found_exactly(
    two_servers: TwoServers, beginning: tuple[str, ...], changes: list[str], found: tuple[int, int, int]
) -> None:
    two_servers.begin(*beginning)
    assert two_servers.table().verdict == "same"
    two_servers.change(*changes)
    table = two_servers.table()
    assert counts(table) == found
    assert table.verdict == ("damaged" if found[0] or found[2] else "new since")


def test_minus_zero_is_told_from_zero_where_the_engine_stores_it(two_servers: TwoServers) -> None:
    two_servers.begin("CREATE TABLE t (id INT PRIMARY KEY, f FLOAT, d DOUBLE)", "INSERT INTO t VALUES (1, 0, 0)")
    two_servers.change("UPDATE t SET f = '-0', d = '-0'")
    stored = two_servers.found.value("SELECT CAST(d AS CHAR) FROM t")
    assert stored == ("0" if two_servers.engine.family == "mariadb" else "-0")
    assert counts(two_servers.table()) == (0, 0, int(stored == "-0"))


@pytest.mark.parametrize("charset", ["utf8mb4", "utf8mb3"])
def test_a_text_in_utf_8_cannot_hold_the_bytes_that_stand_between_values(two_servers: TwoServers, charset: str) -> None:
    # that texts in UTF-8 are written without their length rests on it
    two_servers.begin(
        f"CREATE TABLE t (v VARCHAR(9) CHARACTER SET {charset}, e ENUM('a', 'ÿ') CHARACTER SET {charset})",
        "CREATE TABLE b (v VARBINARY(9))",
        "INSERT INTO b VALUES (X'61FF62'), (X'FE')",
    )
    here = two_servers.expected
    here.execute("SET SESSION sql_mode = ''")
    here.execute("INSERT INTO t (v) VALUES (X'61FF62'), (_binary X'FE'), (CHAR(255)), (CAST(X'61FF62' AS CHAR))")
    here.execute("INSERT INTO t (v) SELECT v FROM b")
    here.execute("INSERT INTO t (e) VALUES ('ÿ'), (_latin1 X'FF'), (X'FF')")
    here.execute(f"ALTER TABLE b MODIFY v VARCHAR(9) CHARACTER SET {charset}")
    stored = [row[0] for sql in ("SELECT HEX(v) FROM t", "SELECT HEX(e) FROM t", "SELECT HEX(v) FROM b")
              for row in here.rows(sql)]  # fmt: skip
    assert len(stored) == 9 + 9 + 2
    assert not [value for value in stored if value and {0xFE, 0xFF} & {*bytes.fromhex(value)}]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        pytest.param("", "ROW_FORMAT = COMPRESSED", id="row format"),
        pytest.param("", "CHARACTER SET utf8mb3", id="a smaller character set"),
        pytest.param("CHARACTER SET latin1", "CHARACTER SET utf8mb4", id="another character set"),
        pytest.param("CHARACTER SET ucs2", "CHARACTER SET sjis", id="character sets that are no superset of ASCII"),
        pytest.param("COLLATE utf8mb4_bin", "COLLATE utf8mb4_general_ci", id="collation"),
    ],
)
@pytest.mark.parametrize("key", ["PRIMARY KEY (id)", "PRIMARY KEY (name)", "KEY (id)"])
def test_tables_that_are_only_stored_otherwise_are_the_same(
    two_servers: TwoServers, here: str, there: str, key: str
) -> None:
    two_servers.begin()
    letters = "é" if "latin1" in here else "日本" if "ucs2" in here else "é日本"
    rows = [f"({number}, '{letters}{number}', NULL)" for number in range(40)]
    for database, options, order in ((two_servers.expected, here, rows), (two_servers.found, there, rows[::-1])):
        database.execute(f"CREATE TABLE t (id INT NOT NULL, name VARCHAR(20) NOT NULL, note TEXT, {key}) {options}")
        database.execute(f"INSERT INTO t VALUES {', '.join(order)}")
    table = two_servers.table()
    assert (table.verdict, counts(table), table.found_rows) == ("same", (0, 0, 0), 40)
    assert len(table.definition) >= 1
    two_servers.change("UPDATE t SET name = CONCAT(name, '!') WHERE id = 7")
    assert two_servers.table().verdict == "damaged"


def test_one_row_in_many_is_found_with_its_column(two_servers: TwoServers) -> None:
    two_servers.begin(
        "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, name VARCHAR(30))",
        numbers("t", "", range(1, 9001), "{n}, {n}, 'name {n}'"),
    )
    two_servers.change("UPDATE t SET n = n + 1 WHERE id = 7301")
    table = two_servers.table()
    assert (counts(table), table.columns) == ((0, 0, 1), ("n",))
    (sample,) = table.samples
    assert (sample.kind, sample.key, sample.expected, sample.found) == (
        "changed",
        (("id", "7301"),),
        ("7301",),
        ("7302",),
    )
