"""What a proof says where it could not look, and of values, keys and kinds of tables at the border of what it knows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runbook_lib.cli import main
from runbook_lib.errors import NotFound
from runbook_lib.proof import Proof, hold
from tests.proving import SCHEMA, TwoServers, counts

Prove = Callable[..., tuple[int, str]]


@pytest.fixture
def command(two_servers: TwoServers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prove:
    """Run `runbook proof` on both servers as an account; return its exit code and what it said."""

    def run(*arguments: str, user: str = "admin", password: str = "two-servers-7") -> tuple[int, str]:
        monkeypatch.setenv("RUNBOOK_MYSQL_USER", user)
        monkeypatch.setenv("RUNBOOK_MYSQL_PASSWORD", password)
        expected, found = (str(two_servers.plane.endpoint(name)) for name in ("expected", "found"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["proof", found, "--against", expected, *arguments])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_a_schema_that_is_nowhere_is_refused_and_an_empty_one_proves_nothing(
    two_servers: TwoServers, command: Prove
) -> None:
    two_servers.begin()
    code, said = command("--schema", "no_such_schema")
    assert (code, "no_such_schema" in said) == (2, True)
    code, said = command("--schema", SCHEMA)
    assert (code, "holds exactly" in said) == (3, False)
    assert "there was nothing to compare" in said
    assert two_servers.prove().verdict == "not proved"
    with pytest.raises(NotFound, match="nothing can be compared"):
        hold(two_servers.side("found"), Proof(expected="earlier", found="earlier", tables=()), schemas=(SCHEMA,))


def test_an_account_that_sees_a_part_proves_no_more_than_that(two_servers: TwoServers, command: Prove) -> None:
    two_servers.begin("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE other (id INT PRIMARY KEY)")
    two_servers.change("INSERT INTO other VALUES (1)")

    def allow(grant: str) -> None:
        for database in (two_servers.expected, two_servers.found):
            database.execute("DROP USER IF EXISTS part@'%'")
            database.execute("CREATE USER part@'%' IDENTIFIED BY 'Part-of-7'")
            database.execute(f"GRANT SELECT ON {grant} TO part@'%'")

    who = {"user": "part", "password": "Part-of-7"}
    allow(f"{SCHEMA}.t")
    for arguments in ((), ("--schema", SCHEMA)):
        code, said = command(*arguments, **who)
        assert code == 3
        assert "not all tables could be seen" in said
        assert "holds exactly" not in said
        assert "Every table of every schema" not in said
    two_servers.change("DELETE FROM other")
    allow("`tr%`.*")
    code, said = command("--schema", SCHEMA, **who)
    assert (code, "holds exactly" in said, "not all could be seen" in said) == (0, True, True)
    assert "lacks TRIGGER" in said
    assert command(**who)[0] == 3, "there may be other schemas"


@pytest.mark.parametrize(
    ("expected", "found", "changed"),
    [
        ("DECIMAL(50,0)", "DECIMAL(52,2)", "20000000000000000000000000000000000000000"),
        ("DECIMAL(65,0)", "DECIMAL(65,30)", "7"),
        ("INT", "DECIMAL(20,6)", "5.000001"),
        ("SET('x','y','z')", "SET('z','y','x')", "'x'"),
        ("SET('x','y')", "SET('y','o','x')", "'x,o'"),
        ("ENUM('','x,y','b')", "ENUM('b','x,y','')", "''"),
    ],
)
def test_values_declared_otherwise_are_the_same_while_they_mean_the_same(
    two_servers: TwoServers, expected: str, found: str, changed: str
) -> None:
    value = "'x,y'" if expected[0] in "SE" else "5"
    two_servers.begin("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    for database, kind in ((two_servers.expected, expected), (two_servers.found, found)):
        database.execute(f"ALTER TABLE t MODIFY v {kind}")
        database.execute(f"INSERT INTO t VALUES (1, {value}), (2, NULL)")
    table = two_servers.table()
    assert (table.verdict, counts(table), len(table.definition)) == ("same", (0, 0, 0), 1)
    if expected == "DECIMAL(50,0)":
        two_servers.expected.execute("UPDATE t SET v = 1e40 WHERE id = 1")
    two_servers.change(f"UPDATE t SET v = {changed} WHERE id = 1")
    assert counts(two_servers.table()) == (0, 0, 1)


def test_dates_that_only_some_session_may_write_are_read_as_keys_and_as_values(two_servers: TwoServers) -> None:
    for kind in ("DATE", "DATETIME"):
        two_servers.begin(
            "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
            f"CREATE TABLE t (id {kind} PRIMARY KEY, d DATE, v INT)",
            "INSERT INTO t VALUES ('0000-00-00', '2026-02-31', 1), ('2026-02-31', '2026-04-31', 1)",
        )
        two_servers.change("ALTER TABLE t MODIFY d DATETIME")
        assert two_servers.table().verdict == "same", kind
        two_servers.change("UPDATE t SET v = 2, d = '2026-06-31' WHERE id = '2026-02-31'")
        assert (counts(two_servers.table()), two_servers.table().columns) == ((0, 0, 1), ("d", "v"))


def test_a_unique_index_that_cannot_be_forced_is_not_walked_by(two_servers: TwoServers) -> None:
    hidden = "IGNORED" if two_servers.engine.family == "mariadb" else "INVISIBLE"
    for keys in ("UNIQUE ab (a, b), UNIQUE c (c)", "PRIMARY KEY (a, b), UNIQUE c (c)"):
        two_servers.begin(
            f"CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, {keys})",
            "INSERT INTO t VALUES (1, 2, 3), (2, 2, 4)",
            f"ALTER TABLE t ALTER INDEX c {hidden}",
        )
        assert two_servers.table().verdict == "same"
        two_servers.change("UPDATE t SET b = 9 WHERE a = 1")
        assert two_servers.table().verdict == "damaged"


def test_the_counter_of_a_partitioned_table_is_no_difference_and_a_comment_is_one(two_servers: TwoServers) -> None:
    two_servers.begin(
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY) COMMENT 'at AUTO_INCREMENT=5'"
        " PARTITION BY HASH (id) PARTITIONS 3",
        "INSERT INTO t VALUES (1), (2)",
    )
    two_servers.change("INSERT INTO t VALUES (77)", "DELETE FROM t WHERE id = 77")
    assert (two_servers.table().verdict, two_servers.table().definition) == ("same", ())
    two_servers.change("ALTER TABLE t COMMENT 'at AUTO_INCREMENT=6'")
    assert len(two_servers.table().definition) == 1


def test_json_of_other_inner_types_is_the_same_only_with_the_words(two_servers: TwoServers, command: Prove) -> None:
    two_servers.begin(
        "CREATE TABLE t (id INT PRIMARY KEY, j JSON)", 'INSERT INTO t VALUES (1, \'{"d": "2026-01-01"}\')'
    )
    typed = not two_servers.found.is_mariadb  # there JSON is a text
    if typed:
        two_servers.change("UPDATE t SET j = JSON_OBJECT('d', CAST('2026-01-01' AS DATE))")
    code, said = command("--schema", SCHEMA)
    assert (code, "compared by its text" in said, "holds exactly" in said) == (0, typed, not typed)


def test_what_hangs_beside_the_tables_is_compared_by_its_definition(two_servers: TwoServers, command: Prove) -> None:
    two_servers.begin(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        "CREATE VIEW seen AS SELECT id FROM t",
        "CREATE TRIGGER kept BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 1",
        "CREATE TRIGGER other BEFORE UPDATE ON t FOR EACH ROW SET NEW.v = 2",
        "CREATE FUNCTION twice (n INT) RETURNS INT DETERMINISTIC RETURN 2 * n",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM t",  # else it is the clock's
    )
    code, said = command("--schema", SCHEMA)
    assert (code, "holds exactly" in said) == (0, True), said
    two_servers.change(
        "CREATE OR REPLACE VIEW seen AS SELECT id, v FROM t",
        "DROP TRIGGER kept",
        "DROP FUNCTION twice",
        "CREATE FUNCTION twice (n BIGINT) RETURNS INT DETERMINISTIC RETURN 2 * n",
        "DROP EVENT nightly",
        "CREATE PROCEDURE new_one () SELECT 1",
    )
    proof = two_servers.prove(objects=True)
    assert proof.verdict == "different"
    assert {(str(one), one.verdict) for one in proof.objects or ()} == {
        ("view trap.seen", "changed"),
        ("trigger trap.kept", "missing"),
        ("routine trap.function twice", "changed"),
        ("event trap.nightly", "missing"),
        ("routine trap.procedure new_one", "new since"),
    }
    assert Proof.from_json(proof.to_json()).objects == proof.objects
    code, said = command("--schema", SCHEMA)
    assert (code, "trigger trap.kept" in said) == (3, True)
    assert "Nothing is lost" not in said


def test_tables_of_kinds_of_their_own_are_seen(two_servers: TwoServers, command: Prove) -> None:
    if two_servers.engine.family != "mariadb":
        pytest.skip("only MariaDB has them")
    two_servers.begin(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
        "INSERT INTO t VALUES (1, 1), (2, 2)",
        "CREATE SEQUENCE numbers START WITH 1",
        "DO SETVAL(numbers, 5000)",
    )
    assert command("--schema", SCHEMA)[0] == 0
    two_servers.change("UPDATE t SET v = 3 WHERE id = 2", "UPDATE t SET v = 2 WHERE id = 2", "DO SETVAL(numbers, 6000)")
    proof = two_servers.prove(objects=True)
    assert [(table.verdict, len(table.definition)) for table in proof.tables] == [("same", 1)], "its history is longer"
    assert [str(one) for one in proof.objects or ()] == ["sequence trap.numbers"]
    two_servers.change("DELETE FROM t WHERE id = 2", "DROP SEQUENCE numbers")
    assert counts(two_servers.table()) == (1, 0, 0)
    assert "sequence trap.numbers" in command("--schema", SCHEMA)[1]


def test_a_server_that_cuts_answers_short_is_read_whole(two_servers: TwoServers) -> None:
    two_servers.begin("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)")
    two_servers.change("SET GLOBAL sql_select_limit = 1")
    try:
        assert two_servers.prove().verdict == "same"
        two_servers.change("DELETE FROM t WHERE id = 3")
        assert counts(two_servers.table()) == (1, 0, 0)
    finally:
        two_servers.change("SET GLOBAL sql_select_limit = DEFAULT")


def test_a_table_that_has_lost_an_index_is_not_exactly_the_same(two_servers: TwoServers, command: Prove) -> None:
    two_servers.begin("CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY by_a (a))", "INSERT INTO t VALUES (1, 1)")
    assert "holds exactly what" in command("--schema", SCHEMA)[1]
    two_servers.change("ALTER TABLE t DROP KEY by_a")
    code, said = command("--schema", SCHEMA)
    assert (code, "holds exactly what" in said, "1 are defined otherwise" in said) == (0, False, True)
