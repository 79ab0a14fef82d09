"""What a dump holds is written only if it is known: each odd dump is cleaned, loaded beside `victim`, and compared."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook_lib.errors import CheckFailed
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.schemas.dump.check import check_dump
from runbook_lib.schemas.dump.clean import Cleaned, clean_dump
from runbook_lib.schemas.dump.source import open_dump
from tests.dumps import MASTER, Client, contents

pytestmark = pytest.mark.xdist_group("dumps")

HEAD = b"""-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: db.example    Database: edu
-- ------------------------------------------------------
/*!50503 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
"""
TAIL = b"""
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;

-- Dump completed on 2026-11-01  1:02:03
"""
ROOMS = b"""DROP TABLE IF EXISTS `rooms`;
CREATE TABLE `rooms` (`id` int NOT NULL, `name` varchar(40), PRIMARY KEY (`id`));
INSERT INTO `rooms` VALUES (1,'A'),(2,'O\\'Hara; DROP TABLE x; \\\\');
"""
BOTH = [(1, "A"), (2, "O'Hara; DROP TABLE x; \\")]


@dataclass(frozen=True, kw_only=True)
class Border:
    """A dump between `HEAD` and `TAIL`, and what a question to the loaded schema must answer.

    `safe` is what the check says of the dump as it is, `whole` whether nothing of worth is left out of the clean one.
    """

    dump: bytes
    asked: str = "SELECT * FROM rooms ORDER BY id"
    answer: tuple[tuple[object, ...], ...] = tuple(BOTH)
    safe: bool = False
    whole: bool = False
    named: str = ""  # what the report of the cleaning names
    only: str = ""  # "mariadb" where the other server does not know the statement


V = b"CREATE TABLE `users` (`id` int PRIMARY KEY);\nINSERT INTO `users` VALUES (7);\n"
BORDERS = {
    "ended by the client's command": Border(
        dump=ROOMS + b"INSERT INTO `rooms` VALUES (3,'C')\\g\nDROP DATABASE victim\\g\n"
        b"INSERT INTO `rooms` VALUES (4,'D');",
        answer=(*BOTH, (3, "C"), (4, "D")), named="victim",
    ),
    "a client's command within a statement": Border(
        dump=ROOMS + b"DELETE FROM rooms \\c DROP TABLE victim.t;\n\\u victim\nDROP TABLE t;\n\\d $$\n"
        b"DROP TABLE victim.t$$\n",
        named="command of the client",
    ),
    "commands without a delimiter": Border(
        dump=b"use staging\n" + ROOMS + b"system touch /tmp/never\nsource /tmp/never.sql\ntee /tmp/never\n\\! false\n"
        b"? x\n",
        named="system touch",
    ),
    "use at a line's end": Border(dump=b"use staging\n" + ROOMS, safe=True, whole=True),
    "the word delimiter within a statement": Border(
        dump=ROOMS + b"SELECT 1 delimiter $$\nDROP TABLE victim.t$$\nDELIMITER ;\n", named="SELECT",
    ),
    "a question that calls a function": Border(
        dump=ROOMS + b"SHOW WARNINGS;\nSHOW TABLES FROM staging WHERE victim.f() = 1;\nSHOW COUNT(*) WARNINGS;\n",
        named="SHOW TABLES",
    ),
    "a statement in a SET": Border(
        dump=ROOMS + b"SET STATEMENT max_statement_time=5 FOR DROP DATABASE victim;\n", named="DROP DATABASE victim"
    ),
    "a block that is not atomic": Border(
        dump=ROOMS + b"DELIMITER $$\nBEGIN NOT ATOMIC DROP DATABASE victim; END$$\nDELIMITER ;\n", named="NOT ATOMIC"
    ),
    "settings of the server": Border(
        dump=ROOMS + b"SET PERSIST_ONLY max_connections = 99;\nSET @@PERSIST_ONLY.max_connections = 98;\n"
        b"SET SESSION sql_notes = 1, @@global.max_connections = 97;\nSET @a = 1, PERSIST max_connections = 5;\n",
        named="PERSIST_ONLY",
    ),
    "quotes by a made mode": Border(
        dump=b"SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES');\nCREATE TABLE \"rooms\""
        b" (\"id\" int PRIMARY KEY, \"na\"\"me\" varchar(9));\nINSERT INTO \"rooms\" VALUES (1,'A');\n",
        answer=((1, "A"),), safe=True, whole=True,
    ),
    "a backslash that escapes nothing": Border(
        dump=b"SET sql_mode='NO_BACKSLASH_ESCAPES,TRADITIONAL';\nCREATE TABLE rooms (id INT, name VARCHAR(40));\n"
        b"INSERT INTO rooms VALUES (1,'a\\'),(2,'; DROP TABLE victim.t; --');\n",
        asked="SELECT id, LEFT(name, 2) FROM rooms ORDER BY id", answer=((1, "a\\"),), named="", whole=True, safe=True,
    ),
    "a byte order mark": Border(dump=b"\xef\xbb\xbf" + ROOMS, whole=True),
    "a column called definer": Border(
        dump=b"CREATE TABLE jobs (id INT PRIMARY KEY, definer INT, note INT);\n"
        b"INSERT INTO jobs (id, note) VALUES (1, 2);",
        asked="SELECT id, definer, note FROM jobs", answer=((1, None, 2),), safe=True, whole=True,
    ),
    "security is no account": Border(
        dump=ROOMS + b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013  SQL SECURITY DEFINER */\n"
        b"/*!50001 VIEW `v` AS select `rooms`.`id` AS `id` from `rooms` */;\nDELIMITER ;;\nCREATE PROCEDURE `p`()\n"
        b"    SQL SECURITY DEFINER\nBEGIN SELECT COUNT(*) FROM rooms; END ;;\nDELIMITER ;\n",
        asked="SELECT (SELECT MAX(id) FROM v), (SELECT COUNT(*) FROM information_schema.routines WHERE"
        " routine_schema = DATABASE())", answer=((2, 1),), safe=True, whole=True,
    ),
    "accounts in every writing": Border(
        dump=ROOMS + b"CREATE DEFINER=user@localhost VIEW `v1` AS SELECT id FROM rooms;\n"
        b"CREATE DEFINER=`role`@`%` SQL SECURITY INVOKER VIEW `v2` AS SELECT id FROM v1;\n"
        b"CREATE DEFINER=CURRENT_USER() VIEW `v3` AS SELECT id FROM v2;\n"
        b"CREATE OR REPLACE ALGORITHM = MERGE DEFINER = 'etl'@'10.%' VIEW `v4` AS SELECT id FROM v3;\n",
        asked="SELECT MAX(id) FROM v4", answer=((2,),), safe=True, whole=True,
    ),
    "a table twice": Border(
        dump=ROOMS + ROOMS.replace(b"'A'", b"'B'"), answer=((1, "B"), BOTH[1]), safe=True, whole=True
    ),
    "emptied before it is filled": Border(
        dump=ROOMS + b"TRUNCATE TABLE `rooms`;\nINSERT INTO `rooms` VALUES (5,'E');\nDELETE FROM `rooms`;\n"
        b"INSERT INTO `rooms` VALUES (6,'F');\n", answer=((6, "F"),), safe=True, whole=True,
    ),
    "an alias called like the schema": Border(
        dump=ROOMS + b"CREATE VIEW `seen` AS select `edu`.`id` AS `id` from `rooms` `edu` where exists(select 1 from"
        b" `rooms` `staging` where (`staging`.`id` = `edu`.`id`));\n",
        asked="SELECT id FROM seen ORDER BY id", answer=((1,), (2,)), safe=True, whole=True,
    ),
    "a view that names the schema it was in": Border(
        dump=V + b"CREATE VIEW `sums` AS select `edu`.`users`.`id` AS `id`,(select count(*) from `edu`.`users` `u`"
        b" where `u`.`id` = `edu`.`users`.`id`) AS `n` from `edu`.`users`;\n",
        asked="SELECT * FROM sums", answer=((7, 1),), whole=True,
    ),
    "views of another schema": Border(
        dump=ROOMS + b"CREATE VIEW v1 AS SELECT * FROM victim.t;\n"
        b"CREATE VIEW v2 AS SELECT 1 AS a FROM rooms AS a, victim.t;\n"
        b"CREATE VIEW v3 AS SELECT victim.f() AS victim;\nCREATE VIEW v4 AS SELECT * FROM v1;\n"
        b"CREATE VIEW v5 AS SELECT 1 AS x;\nDROP VIEW v5;\nCREATE VIEW v5 AS SELECT a FROM victim.t;\n",
        asked="SELECT COUNT(*) FROM information_schema.views WHERE table_schema = DATABASE()", answer=((0,),),
        named="v5",
    ),
    "a trigger that writes elsewhere": Border(
        dump=ROOMS + b"CREATE TRIGGER g BEFORE INSERT ON rooms FOR EACH ROW DELETE FROM victim.t;\n"
        b"CREATE FUNCTION f() RETURNS INT RETURN (SELECT a FROM victim.t);\n"
        b"CREATE PROCEDURE p() TRUNCATE victim.t;\nCREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO DROP TABLE victim.t;\n"
        b"INSERT INTO rooms VALUES (3,'C');\n", answer=(*BOTH, (3, "C")), named="names the schema victim",
    ),
    "rows that are more than values": Border(
        dump=ROOMS + b"INSERT INTO rooms VALUES (8, (SELECT a FROM victim.t));\n"
        b"INSERT INTO rooms VALUES (9, victim.f());\nINSERT INTO rooms VALUES (10, abc.def ());\n"
        b"INSERT INTO rooms VALUES (11, NEXT VALUE FOR victim.s);\nINSERT INTO rooms SELECT 12, a FROM victim.t;\n"
        b"INSERT INTO rooms VALUES (13, @OLD_SQL_MODE := 'ANSI_QUOTES');\n"
        b"INSERT INTO rooms VALUES (14,'ok'),(15,NULL);\n"
        b"INSERT INTO rooms VALUES (16,_binary 'x'),\n(17, DATE '2026-01-01') ,\n (18,CAST('y' AS CHAR));\n",
        asked="SELECT id FROM rooms ORDER BY id",
        answer=((1,), (2,), (14,), (15,), (16,), (17,), (18,)), named="INSERT INTO rooms VALUES (11",
    ),
    "names of functions in double quotes": Border(
        dump=ROOMS + b"SET sql_mode='ANSI_QUOTES';\nINSERT INTO rooms VALUES (3,\"victim\".\"f\"());\n"
        b"INSERT INTO rooms VALUES (4,'D'),(5, \"victim\" . \"f\" ());\nINSERT INTO rooms VALUES (6,'F');\n",
        asked="SELECT id FROM rooms ORDER BY id", answer=((1,), (2,), (6,)), named='"victim"',
    ),
    "a function whose name begins like those of shapes": Border(
        dump=ROOMS + b"INSERT INTO rooms VALUES (3, ST_deletes(1));\n"
        b"INSERT INTO rooms VALUES (4, ST_SRID(POINT(1,2)));\n",
        asked="SELECT id FROM rooms ORDER BY id", answer=((1,), (2,), (4,)), named="ST_deletes",
    ),
    "words that a bracket makes names of functions": Border(
        dump=ROOMS + b"INSERT INTO rooms VALUES (3, NULL (1));\nINSERT INTO rooms VALUES (4, json(2));\n"
        b"INSERT INTO rooms VALUES (5, latin1\n(1));\nINSERT INTO rooms VALUES (6, NULL ), (7,TRUE\n);\n",
        asked="SELECT id FROM rooms ORDER BY id", answer=((1,), (2,), (6,), (7,)), named="latin1",
    ),
    "tables that reach into others": Border(
        dump=ROOMS + b"CREATE TABLE m (a INT) ENGINE=MERGE UNION=(victim.t) INSERT_METHOD=LAST;\n"
        b"INSERT INTO m VALUES (1);\n"
        b"CREATE TABLE c AS SELECT * FROM victim.t;\nCREATE TABLE l LIKE victim.t;\n"
        b"CREATE TABLE k (a INT, FOREIGN KEY (a) REFERENCES victim.t (a));\nCREATE TEMPORARY TABLE q (a INT);\n"
        b"CREATE TABLE f (a INT) ENGINE='FEDERATED' CONNECTION='mysql://x@y/z/t';\n"
        b"ALTER TABLE rooms EXCHANGE PARTITION p WITH TABLE victim.t;\nALTER TABLE rooms RENAME victim.r;\n"
        b"RENAME TABLE rooms TO victim.r;\nHANDLER victim.t OPEN;\nLOCK TABLES rooms WRITE, victim.t WRITE;\n",
        asked="SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()", answer=((1,),),
        named="EXCHANGE",
    ),
    "another statement to other versions": Border(
        dump=ROOMS + b"DROP TABLE /*!99999 rooms, */ IF EXISTS victim.t;\nDELETE FROM /*M!100000 victim. */ rooms;\n"
        b"INSERT INTO /*!99999 victim. */ t VALUES (1);\n/*!50003 SELECT ' */ ; DROP TABLE victim.t; -- ';\n",
        named="other versions",
    ),
    "comments that clients read otherwise": Border(
        dump=ROOMS + b"/*+ x; DROP DATABASE victim; */;\n/* plain; DROP DATABASE victim; */\n# DROP DATABASE victim;\n",
        named="victim",
    ),
    "as public samples are written": Border(
        dump=b"DROP SCHEMA IF EXISTS sample;\nCREATE SCHEMA sample;\nUSE sample;\n"
        b"SELECT 'CREATING TABLES' as 'INFO';\nSET default_storage_engine = InnoDB;\n"
        b"create table `rooms`(`id` int, `name` varchar(9) /*!50705 , p blob */);\n"
        b"insert  into `rooms` values \n\n(1,N'A' /*!50705 ,0x00AB*/),\n\n(2,'O\\'Hara' /*!50705 ,NULL*/);\n",
        asked="SELECT id, name FROM rooms ORDER BY id", answer=((1, "A"), (2, "O'Hara")), whole=True,
    ),
    "after the closing line": Border(dump=ROOMS + TAIL + b"SET FOREIGN_KEY_CHECKS = 1;\n", safe=True, whole=True),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(shared_plane: DataPlane, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    shared_plane.create("border", master=MASTER)
    shared_plane.open("border")
    with shared_plane.admin("border") as database:
        database.execute("CREATE DATABASE victim")
        database.execute("CREATE TABLE victim.t (a INT PRIMARY KEY)")
        database.execute("INSERT INTO victim.t VALUES (42)")
        yield Server(Client(engine, shared_plane.endpoint("border"), tmp_path_factory.mktemp("client")), database)


class Server:
    """A server with a schema `victim` that no dump may touch."""

    def __init__(self, client: Client, database: Database) -> None:
        self.client, self.database = client, database
        self.before = self.victim()

    def victim(self) -> dict[str, object]:
        return contents(self.database, "victim")

    def load(self, text: bytes, asked: str, *, charset: str = "utf8mb4") -> tuple[tuple[object, ...], ...]:
        """Load a cleaned dump into an empty schema and ask it something; victim must be as it was."""
        self.database.execute("CREATE DATABASE staging CHARACTER SET utf8mb4")
        try:
            assert self.client.load(text, "staging", charset=charset) == ""
            assert self.victim() == self.before
            self.database.execute("USE staging")
            return tuple(tuple(row) for row in self.database.rows(asked))
        finally:
            self.database.execute("DROP DATABASE staging")


def clean(tmp_path: Path, dump: bytes) -> tuple[bytes, Cleaned, bool]:
    """Return the cleaned dump, what was done, and whether the dump as it is was called safe."""
    (tmp_path / "dump.sql").write_bytes(dump)
    out = io.BytesIO()
    with open_dump(str(tmp_path / "dump.sql")) as source:
        safe = check_dump(source, schema="staging").safe
    with open_dump(str(tmp_path / "dump.sql")) as source:
        done = clean_dump(source, out.write, schema="staging")
    return out.getvalue(), done, safe


@pytest.mark.parametrize("border", BORDERS.values(), ids=BORDERS.keys())
def test_only_what_is_known_is_written_and_the_rest_is_named(server: Server, tmp_path: Path, border: Border) -> None:
    text, done, safe = clean(tmp_path, HEAD + border.dump + TAIL)
    assert (safe, done.whole) == (border.safe, border.whole), done.left_out
    said = "; ".join(f"{what}: {example}" for what, seen in done.left_out.items() for example in seen.examples)
    assert border.named in said
    answer = server.load(text, border.asked)
    assert answer[: len(border.answer)] == border.answer
    (tmp_path / "again.sql").write_bytes(text)
    with open_dump(str(tmp_path / "again.sql")) as source:
        assert check_dump(source, schema="staging").safe


# letters whose second byte is that of a backslash or a backtick
LETTERS = {
    "cp932": ("cp932", "部屋", "表ソ能十～ ｿﾌﾟ"), "sjis": ("cp932", "表", "表ソ能十"), "gbk": ("gbk", "乗", "乗侊誠縗"),
    "big5": ("cp950", "功", "功許蓋育"), "gb18030": ("gb18030", "乗", "乗侊㑇誠"),
}  # fmt: skip
SAVED = (
    b"/*!40101 SET @saved_cs_client = @@character_set_client */;\n/*!50503 SET character_set_client = utf8mb4 */;\n"
    b"CREATE TABLE `ato` (`id` int);\n/*!40101 SET character_set_client = @saved_cs_client */;\n"
)


@pytest.mark.parametrize("charset", LETTERS)
def test_letters_that_end_like_a_backslash_are_read_as_letters(
    server: Server, engine: Engine, tmp_path: Path, charset: str
) -> None:
    """The load that the head asks for brings them; a client that would cut the dump elsewhere is stopped."""
    if charset == "gb18030" and engine.is_mariadb:
        pytest.skip("MariaDB does not know it")
    codec, name, letters = LETTERS[charset]
    rows = f"CREATE TABLE `{name}` (id INT, n VARCHAR(40) CHARACTER SET utf8mb4);\n" + "".join(
        f"INSERT INTO `{name}` VALUES ({number},'{letter}'),(9,'; DROP TABLE victim.t; --');\n"
        for number, letter in enumerate(letters)
    )
    text, done, safe = clean(tmp_path, HEAD.replace(b"utf8mb4", charset.encode()) + SAVED + rows.encode(codec) + TAIL)
    assert (safe, done.whole, done.charset) == (True, True, charset)
    found = server.load(text, f"SELECT n FROM `{name}` WHERE n NOT LIKE '; DROP%'", charset=charset)
    assert "".join(str(row[0]) for row in found) == letters
    server.database.execute("CREATE DATABASE staging")
    try:
        assert "1242" in server.client.load(text, "staging", charset="utf8mb4")
        assert not server.database.rows("SHOW TABLES FROM staging")
    finally:
        server.database.execute("DROP DATABASE staging")


UNREADABLE = {
    "a mode that is not known": b"SET sql_mode = (SELECT 'ANSI_QUOTES');\n",
    "a mode by its number": b"SET @@session.sql_mode := 4;\n",
    "a mode in hexadecimal": b"SET sql_mode = 0x414E5349;\n",
    "a mode put into the server's own": b"SET sql_mode = REPLACE(@@sql_mode, 'STRICT_TRANS_TABLES', 'ANSI');\n",
    "a mode of some versions": b"/*!80000 SET sql_mode = 'ANSI_QUOTES' */;\n",
    "a mode in another list": b"SET sql_log_bin = 0, sql_mode = 'ANSI_QUOTES';\n",
    "a character set that is not known": b"SET NAMES swe7;\n",
    "two character sets": b"SET NAMES cp932;\nSET NAMES gbk;\n",
    "another character set after something is made": ROOMS + b"SET NAMES cp932;\n" + ROOMS,
    "an unusual delimiter": b"DELIMITER it's\n",
    "rows that turn out to be more": b"INSERT INTO rooms VALUES " + b"(1,'a')," * 600_000 + b"(victim.f(),'b');\n",
    "the first of two dumps cut": ROOMS + HEAD + ROOMS,
}


@pytest.mark.parametrize("dump", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_nobody_can_read_on_is_refused(tmp_path: Path, dump: bytes) -> None:
    (tmp_path / "dump.sql").write_bytes(HEAD + dump + TAIL)
    with open_dump(str(tmp_path / "dump.sql")) as source:
        report = check_dump(source, schema="staging")
    with pytest.raises(CheckFailed), open_dump(str(tmp_path / "dump.sql")) as source:
        clean_dump(source, io.BytesIO().write, schema="staging")
    assert not report.safe or any(finding.topic == "character set" for finding in report.findings)
