"""Whatever option a dump tool was given, what it writes is known: nothing of the schema is left out or named unsafe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.errors import CheckFailed, InputRefused
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine
from tests.dumps import MASTER, Client, contents, make_shop
from tests.test_dump_clean import checked, cleaned

pytestmark = [pytest.mark.release, pytest.mark.xdist_group("dumps")]

# Tables, views and routines with what each server can write into a definition.
BOTH = r"""
CREATE TABLE parts (id INT NOT NULL, born DATE NOT NULL, PRIMARY KEY (id, born)) ROW_FORMAT=DYNAMIC
 PARTITION BY RANGE (YEAR(born)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
 (PARTITION p0 VALUES LESS THAN (2000) COMMENT = 'it''s', PARTITION p1 VALUES LESS THAN MAXVALUE)
;;
INSERT INTO parts VALUES (1, '1999-01-01'), (2, '2020-02-02')
;;
CREATE TABLE lists (a INT, c VARCHAR(20)) PARTITION BY LIST COLUMNS (c)
 (PARTITION `se;lect` VALUES IN ('x', 'y'), PARTITION pn VALUES IN (NULL, 'z'))
;;
CREATE TABLE keyed (a INT PRIMARY KEY) PARTITION BY KEY (a) PARTITIONS 3
;;
CREATE TABLE places (id INT PRIMARY KEY, p POINT NOT NULL, g GEOMETRY, SPATIAL KEY sp (p))
;;
INSERT INTO places VALUES (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('LINESTRING(0 0, 1 1)'))
;;
CREATE TABLE words (id INT PRIMARY KEY, t TEXT, u TEXT, FULLTEXT KEY a (t), FULLTEXT KEY b (t, u), KEY pre (t(10)
 DESC), v INT GENERATED ALWAYS AS (id * 2) VIRTUAL COMMENT 'generated', `select` INT AS (id + 1) STORED, KEY vk (v))
;;
INSERT INTO words (id, t, u) VALUES (1, 'union select; start', NULL)
;;
CREATE TABLE checked (a INT CHECK (a > 0), b INT DEFAULT (7), c TIMESTAMP(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON
 UPDATE CURRENT_TIMESTAMP(3), d ENUM('a;','b''') CHARACTER SET latin1 COLLATE latin1_bin, e SET('x','y'), f BIT(3)
 DEFAULT b'101', g INT INVISIBLE DEFAULT 3, h JSON, `connection` INT, `union` INT, CONSTRAINT `start` CHECK (b <> 5))
;;
INSERT INTO checked (a, f, e, `connection`) VALUES (1, b'011', 'x,y', 5)
;;
CREATE TABLE parent (id INT PRIMARY KEY, child INT, UNIQUE KEY u (child))
;;
CREATE TABLE child (id INT PRIMARY KEY, parent INT, CONSTRAINT fk1 FOREIGN KEY (parent) REFERENCES parent (id)
 ON DELETE SET NULL ON UPDATE CASCADE)
;;
ALTER TABLE parent ADD CONSTRAINT fk2 FOREIGN KEY (child) REFERENCES child (id)
;;
CREATE TABLE mem (a INT) ENGINE=MEMORY MAX_ROWS=10 COMMENT='union=(x) data directory'
;;
CREATE TABLE isam (a INT, b CHAR(10), KEY (a)) ENGINE=MyISAM DELAY_KEY_WRITE=1 CHECKSUM=1 PACK_KEYS=1 AVG_ROW_LENGTH=5
;;
INSERT INTO isam VALUES (1, 'a')
;;
CREATE TABLE squeezed (a INT PRIMARY KEY) ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4 STATS_PERSISTENT=1
;;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW low AS SELECT a, b FROM checked WHERE a < 9 WITH CASCADED CHECK
 OPTION
;;
CREATE VIEW tree AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5)
 SELECT n, ROW_NUMBER() OVER (PARTITION BY n % 2 ORDER BY n) AS k FROM r
;;
CREATE VIEW catalogue AS SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()
;;
CREATE TRIGGER first_one BEFORE UPDATE ON words FOR EACH ROW SET NEW.u = CONCAT(OLD.t, ' kill; load data')
;;
CREATE TRIGGER second_one BEFORE UPDATE ON words FOR EACH ROW FOLLOWS first_one BEGIN DECLARE CONTINUE HANDLER FOR
 SQLEXCEPTION BEGIN END; IF NEW.u IS NULL THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF; END
;;
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC NO SQL COMMENT 'x; -- y' RETURN n * 2
;;
CREATE PROCEDURE moves(INOUT a INT, OUT b VARCHAR(10) CHARACTER SET utf8mb4) MODIFIES SQL DATA
 BEGIN DECLARE done INT DEFAULT 0; DECLARE c CURSOR FOR SELECT id FROM parent; DECLARE CONTINUE HANDLER FOR NOT FOUND
 SET done = 1; lp: LOOP FETCH c INTO a; IF done THEN LEAVE lp; END IF; INSERT INTO child VALUES (a, NULL) ON
 DUPLICATE KEY UPDATE parent = VALUES(parent); END LOOP; PREPARE s FROM 'SELECT 1'; EXECUTE s; DEALLOCATE PREPARE s;
 END
;;
CREATE EVENT often ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2030-01-01 00:00:00' ENDS '2031-01-01 00:00:00' ON
 COMPLETION PRESERVE DISABLE COMMENT 'e;' DO BEGIN DELETE FROM isam; CALL moves(@a, @b); END
;;
CREATE EVENT once ON SCHEDULE AT '2035-05-05 05:05:05' DO UPDATE parent SET child = NULL
"""
MYSQL = r"""
CREATE TABLE nine (a INT, b VARCHAR(20), KEY f ((LOWER(b))), KEY hidden (a) INVISIBLE, v VECTOR(3),
 CONSTRAINT off CHECK (a > 1) NOT ENFORCED, j JSON, KEY multi ((CAST(j->'$[*]' AS UNSIGNED ARRAY))))
 AUTOEXTEND_SIZE=4M
;;
INSERT INTO nine (a, b, v) VALUES (2, 'x', TO_VECTOR('[1,2,3]'))
;;
CREATE TABLE globe (p POINT NOT NULL SRID 4326, SPATIAL KEY (p), c INT COLUMN_FORMAT FIXED)
;;
SET SESSION sql_generate_invisible_primary_key = 1
;;
CREATE TABLE unkeyed (a INT)
;;
SET SESSION sql_generate_invisible_primary_key = 0
;;
INSERT INTO unkeyed VALUES (5)
;;
ANALYZE TABLE words UPDATE HISTOGRAM ON id WITH 5 BUCKETS
;;
CREATE VIEW `values of` AS SELECT * FROM (VALUES ROW(1, 2), ROW(3, 4)) AS t (x, y)
;;
CREATE VIEW doc AS SELECT jt.x FROM checked, JSON_TABLE(h, '$[*]' COLUMNS (x INT PATH '$')) AS jt
"""
MARIADB = r"""
CREATE SEQUENCE orders START WITH 5 INCREMENT BY 3 MAXVALUE 5000 CYCLE
;;
DO NEXTVAL(orders)
;;
CREATE TABLE numbered (id INT DEFAULT NEXTVAL(orders) PRIMARY KEY, u UUID, i INET6, k INT, KEY ik (k) IGNORED,
 big TEXT COMPRESSED) ENGINE=Aria TRANSACTIONAL=1 PAGE_CHECKSUM=1
;;
CREATE TABLE typed (u UUID, i INET6)
;;
INSERT INTO typed (u, i) VALUES (UUID(), '::1')
;;
CREATE TABLE history (a INT PRIMARY KEY, b INT WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING
;;
INSERT INTO history VALUES (1, 1), (2, 2)
;;
DELETE FROM history WHERE a = 1
;;
CREATE TABLE kept (a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, e TIMESTAMP(6) GENERATED ALWAYS AS
 ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION h
 HISTORY, PARTITION n CURRENT)
;;
CREATE TABLE booked (room INT, f DATE, t DATE, PERIOD FOR stay (f, t), UNIQUE (room, stay WITHOUT OVERLAPS))
;;
INSERT INTO booked VALUES (1, '2020-01-01', '2020-01-02')
;;
CREATE TABLE pages (a INT PRIMARY KEY) PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=6
;;
CREATE AGGREGATE FUNCTION total(x INT) RETURNS INT BEGIN DECLARE s INT DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT
 FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END
;;
SET sql_mode = 'ORACLE'
;;
CREATE PACKAGE tools AS FUNCTION f RETURN INT; PROCEDURE p(a IN OUT INT); END
;;
CREATE PACKAGE BODY tools AS hidden INT := 3; FUNCTION f RETURN INT AS BEGIN RETURN hidden; END;
 PROCEDURE p(a IN OUT INT) AS BEGIN a := a + 1; END; BEGIN hidden := 4; END
;;
CREATE PROCEDURE oracle_made(a IN INT) AS b INT := 1; BEGIN <<lp>> FOR i IN 1..3 LOOP b := b + i; END LOOP; END
;;
SET sql_mode = DEFAULT
"""
ALL = ("--routines", "--triggers", "--events")
OPTIONS: dict[str, tuple[str, ...]] = {  # for both tools: the tool's own are below
    "as it comes": (), "everything": ALL, "no options": ("--skip-opt",), "compact": ("--compact",),
    "drops and locks": ("--add-drop-table", "--add-drop-trigger", "--add-drop-database", "--add-locks", *ALL),
    "names without quotes": ("--skip-quote-names", "--allow-keywords", "--ignore-table=shop.rooms",
                             "--ignore-table=shop.lists", "--ignore-table=shop.checked", "--ignore-table=shop.words",
                             "--ignore-table=shop.values of", "--ignore-table=shop.low", "--ignore-table=shop.doc",
                             "--ignore-table=shop.tenant_rooms", "--ignore-table=shop.names_only"),
    "whole rows": ("--complete-insert", "--skip-extended-insert", "--hex-blob", "--order-by-primary"),
    "replaced": ("--replace", "--no-autocommit"), "ignored": ("--insert-ignore", "--skip-disable-keys"),
    "in its own words": ("--skip-comments", "--skip-tz-utc", "--skip-create-options", "--skip-add-locks"),
    "no character set": ("--skip-set-charset", "--no-set-names"), "latin1": ("--default-character-set=latin1",),
    "cp932": ("--default-character-set=cp932", "--hex-blob"), "binary": ("--default-character-set=binary", *ALL),
    "utf8mb3": ("--default-character-set=utf8mb3", "--hex-blob"),
    "locked": ("--lock-all-tables", "--flush-logs"), "one snapshot": ("--single-transaction", "--quick"),
    "positions in a comment": ("--master-data=2",),
    "definitions only": ("--no-data", *ALL), "rows only": ("--no-create-info", "--skip-triggers"),
    "some rows": ("--where=1 = 1 /* it's; */", "--ignore-table=shop.places"), "loud": ("--verbose", "--force"),
    "rights": ("--flush-privileges",), "tablespaces": ("--all-tablespaces",),
    "an undated": ("--skip-dump-date", "--max-allowed-packet=1M", "--net-buffer-length=4096"),
}  # fmt: skip
OWN: dict[bool, dict[str, tuple[str, ...]]] = {
    True: {
        "for another server": ("--compatible=no_table_options",), "in ansi": ("--compatible=ansi", "--skip-triggers"),
        "in no fields": ("--compatible=no_key_options,no_field_options",),
        "in oracle": ("--compatible=oracle", "--skip-triggers"),
        "positions": ("--master-data=1", "--gtid", "--apply-slave-statements"),
        "with history": ("--dump-history", *ALL), "as of": ("--as-of=2038-01-01 00:00:00",),
        "delayed": ("--delayed-insert",),
        "small first": ("--order-by-size", "--no-data-med", "--skip-log-queries"),
        "limits": ("--max-statement-time=100",),
        "a replica's place": ("--dump-slave=1", "--include-master-host-port", "--apply-slave-statements"),
        "galera": ("--galera-info", "--master-data=1"), "for s3": ("--copy-s3-tables",),
        "plugins": ("--system=plugins,udfs,servers",), "statistics": ("--system=stats",),
        "time zones": ("--system=timezones",), "all of the system": ("--system=all",),
    },
    False: {
        "for another server": ("--compatible=ansi", "--skip-triggers"), "histograms": ("--column-statistics", *ALL),
        "positions": ("--source-data=1", "--set-gtid-purged=ON", "--apply-replica-statements"),
        "positions by default": ("--set-gtid-purged=AUTO",), "positions said": ("--set-gtid-purged=COMMENTED",),
        "no made keys": ("--skip-generated-invisible-primary-key",),
        "no second engine": ("--show-create-table-skip-secondary-engine",),
        "for an older one": ("--output-as-version=SERVER",), "for 8.0.22": ("--output-as-version=BEFORE_8_0_23", *ALL),
        "for 8.2": ("--output-as-version=BEFORE_8_2_0", *ALL), "no views": ("--ignore-views",),
        "more": ("--network-timeout", "--mysqld-long-query-time=5", "--init-command=SET @x = 1"),
        "accounts": ("--users", "--add-drop-user"),
        "a replica's place": ("--dump-replica=1", "--include-source-host-port", "--apply-replica-statements"),
    },
}  # fmt: skip
# What these options add is told as a danger to the whole server, since it is one; nothing of the schema is in it.
TOLD = {
    "positions said": {"binary log"}, "positions": {"replication", "binary log"},
    "positions by default": {"binary log"}, "rights": {"whole server"},
    "tablespaces": {"whole server"}, "small first": {"binary log"}, "accounts": {"accounts and rights", "whole server"},
    "a replica's place": {"replication", "binary log"}, "galera": {"replication", "binary log"},
    "statistics": {"USE", "other schema"}, "time zones": {"USE", "other schema"},
    "all of the system": {"accounts and rights", "changes", "not understood", "USE", "other schema"},
}  # fmt: skip
OF_ACCOUNTS = {"changes accounts or rights"}
OF_SERVER = ("statistics", "time zones", "all of the system")  # behind the schema come tables of the server's own
LEFT_OUT = {"all of the system": OF_ACCOUNTS | {"is not understood", "changes rows or names"}}  # roles, by statements

DEFINER = re.compile(rb"DEFINER=[`\"]\w+[`\"]@[`\"][\w%.]+[`\"]")


class Shop:
    def __init__(self, client: Client, database: Database, folder: Path) -> None:
        self.client, self.database, self.folder = client, database, folder
        self.expected = {what: str(held).replace("`shop`.", "") for what, held in contents(database, "shop").items()}

    def loaded(self, before: bytes, text: bytes, charset: str) -> tuple[str, dict[str, object]]:
        """Load a dump into an empty schema; return what the client complains of and what the schema then holds."""
        self.database.execute("CREATE DATABASE again CHARACTER SET utf8mb4")
        try:
            assert self.client.load(before, "again") == ""
            said = self.client.load(text, "again", charset=charset)
            found = contents(self.database, "again")
        finally:
            self.database.execute("DROP DATABASE again")
        return said, {what: str(held).replace("`shop`.", "") for what, held in found.items()}


@pytest.fixture(scope="module")
def shop(shared_plane: DataPlane, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shared_plane.create("options", master=MASTER)
    shared_plane.open("options")
    with shared_plane.admin("options") as database:
        make_shop(database, "shop")
        database.execute("GRANT ALL PRIVILEGES ON *.* TO admin@'%'")  # some options ask for rights of their own
        database.execute(
            "CHANGE MASTER TO master_host = '127.0.0.1', master_port = 1"
            if engine.is_mariadb
            else "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1"
        )
        for statement in (BOTH + ";;\n" + (MARIADB if engine.is_mariadb else MYSQL)).split(";;\n"):
            database.execute(statement)
        folder = tmp_path_factory.mktemp("client")
        yield Shop(Client(engine, shared_plane.endpoint("options"), folder), database, folder)


NAMES = sorted({*OPTIONS, *OWN[True], *OWN[False]})


@pytest.mark.parametrize("name", NAMES)
def test_what_a_dump_tool_writes_with_any_option_is_known(shop: Shop, engine: Engine, name: str) -> None:
    options = OPTIONS.get(name) or OWN[engine.is_mariadb].get(name)
    if options is None and name not in OPTIONS:
        pytest.skip("an option of the other tool")
    dump = shop.client.dump(*(options or ()), "shop")
    report = checked(shop.folder, dump, "shop")
    dangers = {finding.topic for finding in report.findings if finding.level == "danger"}
    assert dangers <= TOLD.get(name, set()), [(f.topic, f.examples) for f in report.findings if f.level == "danger"]
    if name in OF_SERVER:
        with pytest.raises(CheckFailed, match=r"several schemas \(shop, mysql\)"):
            cleaned(shop.folder, dump, "again")
    text, done = cleaned(shop.folder, dump, "again", "shop" if name in OF_SERVER else "")
    left = {kind: seen for kind, seen in done.left_out.items() if kind not in LEFT_OUT.get(name, OF_ACCOUNTS)}
    assert not left, left
    assert not done.drops_left_out
    charset = done.charset or "utf8mb4"
    bare = cleaned(shop.folder, shop.client.dump("--no-data", "--skip-triggers", "shop"), "again")[0]
    before = bare if name == "rows only" else b""
    found = shop.loaded(before, text, charset)
    if name in TOLD or name in ("everything", "with history", "for 8.2"):
        expected = ("", {what: held for what, held in shop.expected.items() if what in found[1] or name not in TOLD})
    else:
        expected = shop.loaded(before, DEFINER.sub(b"", dump), charset)
    assert bool(found[0]) == bool(expected[0]), found[0]
    assert found[1] == expected[1]


def test_files_of_a_dump_in_tabs_are_known_and_rows_that_are_no_sql_are_not_called_safe(
    shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    """MySQL's server may write no files here, so only the definitions are made; MariaDB's rows have a header."""
    place = Path(str(shop.database.value("SELECT @@secure_file_priv"))) if engine.is_mariadb else tmp_path
    shop.client.dump(f"--tab={place}", "--header" if engine.is_mariadb else "--no-data", "shop")
    definitions, rows = sorted(place.glob("*.sql")), sorted(place.glob("*.txt"))
    assert len(definitions) > 20
    for path in definitions:
        report = checked(shop.folder, path.read_bytes(), "shop")
        assert [finding.topic for finding in report.findings if finding.level == "danger"] == [], path.name
        assert cleaned(shop.folder, path.read_bytes(), "again")[1].whole, path.name
    assert bool(rows) == engine.is_mariadb
    for path in rows:
        ran = CliRunner().invoke(cli, ["dump", "check", str(path), "--schema", "shop"], standalone_mode=False)
        assert ran.return_value == 3 or isinstance(ran.exception, InputRefused), (path.name, ran.output)


def test_xml_is_refused_and_what_ansi_writes_that_no_server_takes_is_said(shop: Shop, engine: Engine) -> None:
    with pytest.raises(InputRefused, match="is XML"):
        checked(shop.folder, shop.client.dump("--xml", "shop"), "shop")
    dump = shop.client.dump("--compatible=ansi", "--routines", "shop")
    report = checked(shop.folder, dump, "shop")
    dangers = [finding for finding in report.findings if finding.level == "danger"]
    assert {finding.topic for finding in dangers} == {"not understood"}
    _, done = cleaned(shop.folder, dump, "again")
    assert set(done.left_out) == {"is not understood"}
    assert "make the dump without --compatible=ansi" in str(done.left_out["is not understood"])
    assert shop.loaded(b"", dump, "utf8mb4")[0], "the server's own client refuses it too"
