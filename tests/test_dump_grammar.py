"""A thousand dumps of known and unknown statements: cleaned and loaded beside `victim`, which none of them touches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from runbook_lib.errors import CheckFailed
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine
from tests.dumps import MASTER, Client
from tests.test_dump_border import clean

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("dumps")]

TABLES = ("rooms", "jobs", "t")
VALUES = (
    "1", "-2.5", "'a'", "NULL", "'it''s'", "'x\\';\\n'", "0x41", "_binary 'b'", "'); DROP TABLE victim.t; --'", "1e3",
)  # fmt: skip
# What brings tables and rows. `{n}` is one of the tables.
KNOWN = (
    "DROP TABLE IF EXISTS `{n}`;\nCREATE TABLE `{n}` (`a` varchar(60), `b` varchar(60)) ENGINE=InnoDB;\n",
    "INSERT INTO `{n}` VALUES ({v},{w}),({w},{v});\n", "INSERT INTO {n} (a, b) VALUES ({v},{w});\n",
    "LOCK TABLES `{n}` WRITE;\nINSERT INTO `{n}` VALUES ({v},{v});\nUNLOCK TABLES;\n",
    "/*!40000 ALTER TABLE `{n}` DISABLE KEYS */;\n", "SET FOREIGN_KEY_CHECKS=0;\n",
    "-- a comment; DROP TABLE victim.t;\n", "/*!40101 SET @s=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n",
    "COMMIT;\n", "use staging\n", "DELIMITER ;;\nINSERT INTO `{n}` VALUES ({v},'; ;')  ;;\nDELIMITER ;\n",
    "INSERT INTO `{n}` VALUES ({v},{w})\\g\n", "TRUNCATE TABLE `{n}`;\nINSERT INTO `{n}` VALUES ({w},{w});\n",
    "CREATE OR REPLACE VIEW `v_{n}` AS SELECT a FROM `{n}`;\n",
)  # fmt: skip
# What a dump may hold besides: each would touch `victim`, the server or the client, or does something not known.
STRANGE = (
    "DROP DATABASE victim", "DROP TABLE victim.t", "TRUNCATE victim.t", "DELETE FROM victim.t",
    "INSERT INTO victim.t VALUES (1)", "UPDATE victim.t SET a = 0", "RENAME TABLE victim.t TO staging.x",
    "ALTER TABLE victim.t ADD COLUMN z INT", "REPLACE INTO `victim`.`t` VALUES (5)", "CREATE TABLE victim.n (a INT)",
    "CREATE VIEW victim.w AS SELECT 1", "SET STATEMENT sql_notes=0 FOR DROP TABLE victim.t",
    "BEGIN NOT ATOMIC DROP TABLE victim.t; END", "EXECUTE IMMEDIATE 'DROP TABLE victim.t'",
    "PREPARE s FROM 'DROP TABLE victim.t'", "EXECUTE s", "CALL victim.p()", "SELECT victim.f()", "DO victim.f()",
    "SET @x = victim.f()", "INSERT INTO rooms VALUES (victim.f(), 1)",
    "INSERT INTO rooms SELECT a, victim.f() FROM victim.t", "LOAD DATA INFILE '/etc/passwd' INTO TABLE victim.t",
    "CREATE TRIGGER g BEFORE INSERT ON rooms FOR EACH ROW DELETE FROM victim.t", "USE victim", "USE `victim` ",
    "CREATE TRIGGER h AFTER INSERT ON jobs FOR EACH ROW SET @y = victim.f()", "LOCK TABLES victim.t WRITE",
    "CREATE TABLE m (a INT) ENGINE=MERGE UNION=(victim.t)", "WITH x AS (SELECT 1) DELETE FROM victim.t",
    "ALTER TABLE rooms RENAME TO victim.rooms", "/*!50003 DROP TABLE victim.t */",
    "/*M!100100 DROP TABLE victim.t */", "/*!99999 x */ DROP TABLE victim.t", "DROP/**/TABLE/**/victim.t",
    "drop table `vic`'tim'", "( SELECT victim.f() )", "ANALYZE TABLE victim.t", "XA START 'a'",
    "HANDLER victim.t OPEN", "DROP VIEW IF EXISTS victim.t, rooms",
    "CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO DELETE FROM victim.t", "SET sql_mode='ANSI_QUOTES'", "'", "\"", "`",
    "/*", "\\u victim", "\\! true", "\\. x", "\\c", "\\d |", "delimiter |", "system true", "source x", "--x",
    "SET autocommit=0", "SET NAMES cp932", "SET NAMES gbk", "SET @s = 'ANSI_QUOTES'", "SET SQL_MODE=@s",
    "SET sql_mode='NO_BACKSLASH_ESCAPES'", "INSERT INTO rooms VALUES (1, '\\\\'); DROP TABLE victim.t; -- ')",
    "\x95\\", "SET GLOBAL read_only = 1", "KILL 1", "SHOW TABLES FROM staging WHERE victim.f() = 1",
    "SHOW TABLES FROM victim", "CREATE OR REPLACE TABLE victim.t (a INT)", "INSERT INTO rooms TABLE victim.t",
    "INSERT INTO rooms SET a = victim.f()", "INSERT INTO rooms VALUES (1, 2) ON DUPLICATE KEY UPDATE a = victim.f()",
    "INSERT INTO rooms VALUES (1, 2) RETURNING victim.f()", "REPLACE rooms VALUES ROW(1, victim.f())",
    "DROP TABLE IF EXISTS rooms, victim.t", "TABLE victim.t INTO OUTFILE '/tmp/never'", "IMPORT TABLE FROM '/x.sdi'",
    "CREATE TABLE k (a INT DEFAULT (victim.f()))", "CREATE TABLE k VALUES ROW(victim.f())",
    "CREATE TABLE k (a INT CHECK (victim.f() > 0))", "CREATE INDEX i ON victim.t (a)", "DROP INDEX i ON victim.t",
    "EXPLAIN ANALYZE DELETE FROM victim.t", "ANALYZE FORMAT=JSON DELETE FROM victim.t", "DESCRIBE victim.t",
    "ALTER DATABASE victim CHARACTER SET latin1", "ALTER TABLE rooms CONVERT PARTITION p TO TABLE victim.x",
    "ALTER TABLE rooms ADD COLUMN z INT DEFAULT (victim.f())", "ALTER TABLE rooms WAIT 5 RENAME TO victim.x",
    "CREATE DATABASE victim", "CREATE SCHEMA IF NOT EXISTS other", "FLUSH TABLES victim.t FOR EXPORT",
    "BACKUP STAGE START", "SELECT * FROM victim.t FOR UPDATE", "SELECT 'x' INTO DUMPFILE '/tmp/never'",
    "CREATE FUNCTION h() RETURNS INT RETURN victim.f()", "CREATE TRIGGER victim.g BEFORE INSERT ON t FOR EACH ROW SET"
    " @x = 1", "SET @x := (SELECT victim.f())", "SET @x = IFNULL(@y, victim.f())", "COMMIT AND CHAIN",
    "DO 1, victim.f()",
    "DO SETVAL(victim.t, 1, victim.f())", "LOAD XML INFILE '/x' INTO TABLE victim.t", "SIGNAL SQLSTATE '45000'",
    "VALUES ROW(victim.f())", "IF victim.f() THEN DO 1; END IF", "CHECKSUM TABLE victim.t", "SET ROLE ALL",
    "SET DEFAULT ROLE ALL TO x", "GRANT ALL ON victim.* TO x", "SET TRANSACTION READ WRITE, ISOLATION LEVEL"
    " SERIALIZABLE", "LOCK INSTANCE FOR BACKUP", "PURGE BINARY LOGS TO 'x'", "CACHE INDEX victim.t IN x",
    "INSERT INTO rooms VALUES (1, 2); ; ; DROP TABLE victim.t",
    "INSERT/*!99999 INTO victim.t VALUES (9) -- */ INTO rooms VALUES (1, 2)",
    "with recursive r as (select 1) update victim.t set a = 0",
)  # fmt: skip
ENDS = (";\n", "\n", " ;", "\\g\n", "\\G\n", ";;\n", "|\n", "")
HEAD = "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n/*!50503 SET NAMES utf8mb4 */;\n"


@pytest.fixture(scope="module")
def server(shared_plane: DataPlane, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    shared_plane.create("grammar", master=MASTER)
    shared_plane.open("grammar")
    with shared_plane.admin("grammar") as database:
        for statement in (
            "CREATE DATABASE victim", "CREATE TABLE victim.t (a INT PRIMARY KEY)", "INSERT INTO victim.t VALUES (42)",
            "CREATE PROCEDURE victim.p() DELETE FROM victim.t",
            "CREATE FUNCTION victim.f() RETURNS INT NOT DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM victim.t;"
            " RETURN 1; END", "CREATE DATABASE staging CHARACTER SET utf8mb4",
        ):  # fmt: skip
            database.execute(statement)
        folder = tmp_path_factory.mktemp("client")
        yield Side(Client(engine, shared_plane.endpoint("grammar"), folder), database, folder)


class Side:
    def __init__(self, client: Client, database: Database, folder: Path) -> None:
        self.client, self.database, self.folder = client, database, folder

    def victim(self) -> object:
        """Return what no dump may change: victim's tables and rows, and which schemas there are."""
        tables = self.database.rows("SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema"
                                    " = 'victim'")  # fmt: skip
        return sorted(tables), self.database.rows("SELECT * FROM victim.t"), self.database.rows("SHOW DATABASES")

    def empty(self) -> None:
        self.database.execute("DROP DATABASE staging")
        self.database.execute("CREATE DATABASE staging CHARACTER SET utf8mb4")

    def rows(self) -> dict[str, list[str]]:
        """Return the rows of every table of the loaded schema."""
        held = {}
        for (name,) in self.database.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'staging' AND table_type LIKE 'B%'"
        ):
            held[str(name)] = sorted(map(repr, self.database.rows(f"SELECT * FROM staging.`{name}`")))
        return held


def dumps() -> st.SearchStrategy[tuple[str, bool]]:
    """Return dumps, and whether each holds known statements only."""
    known = st.builds(
        lambda text, n, v, w: text.format(n=n, v=v, w=w),
        st.sampled_from(KNOWN), st.sampled_from(TABLES), st.sampled_from(VALUES), st.sampled_from(VALUES),
    )  # fmt: skip
    strange = st.builds(lambda text, end: text + end, st.sampled_from(STRANGE), st.sampled_from(ENDS))
    made = KNOWN[0]
    first = "".join(made.format(n=name) for name in TABLES)
    plain = st.lists(known, max_size=12).map(lambda parts: (HEAD + first + "".join(parts), True))
    mixed = st.lists(st.one_of(known, strange), max_size=14).map(lambda parts: (HEAD + first + "".join(parts), False))
    return st.one_of(plain, mixed, mixed)


DUMPS = int(os.environ.get("RUNBOOK_TEST_DUMPS", "50"))  # a thousand take a quarter of an hour for each engine


def test_a_thousand_dumps_leave_another_schema_alone(server: Side) -> None:
    before = server.victim()
    counts = {"whole": 0, "left out": 0, "refused": 0, "stopped": 0}

    @settings(
        max_examples=DUMPS, deadline=None, phases=[Phase.generate], database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(dump=dumps())
    def load(dump: tuple[str, bool]) -> None:
        text, known = dump
        data = (text + "\n-- Dump completed\n").encode("utf-8", "surrogateescape")
        try:
            cleaned, done, safe = clean(server.folder, data)
        except CheckFailed:
            assert not known
            counts["refused"] += 1
            return
        server.empty()
        charset = done.charset or "utf8mb4"
        said = server.client.load(cleaned, "staging", charset=charset)
        assert server.victim() == before, text
        counts["stopped" if said else "whole" if done.whole else "left out"] += 1
        loaded = server.rows()
        if known:
            assert safe, text
            assert done.whole, (text, done.left_out)
            assert said == "", (text, said)
        if safe and not said and "\\g" not in text and "\\G" not in text:  # MySQL's client refuses these
            server.empty()
            if not server.client.load(data, "staging", charset=charset):
                assert server.rows() == loaded, text
            assert server.victim() == before, text

    load()
    (server.folder / "counts").write_text(repr(counts))
    assert counts["whole"] > DUMPS / 5, counts
