"""What a replay must bring back: every kind of object and statement that an estate's history holds."""

from __future__ import annotations

import pytest

from runbook_lib.errors import StepFailed
from runbook_lib.mysql import Credentials, Database, connect, quoted
from runbook_lib.rehearsal.dataplane import DataPlane
from tests.dated import MASTER, START, after, at

OBJECTS = (
    "CREATE DATABASE `stag ing`",
    "CREATE DATABASE basis",
    "CREATE TABLE basis.`staging.apartments` (a INT)",
    "USE `stag ing`",
    """CREATE TABLE apartments (
        id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) COMMENT '部屋''s; name', rent DECIMAL(10,2),
        twice DECIMAL(11,2) AS (rent * 2) STORED, half DECIMAL(11,2) AS (rent / 2) VIRTUAL, facts JSON, photo LONGBLOB,
        let DATE, seen TIMESTAMP(3) NULL DEFAULT CURRENT_TIMESTAMP(3), UNIQUE (name))""",
    """CREATE TABLE rooms (
        id INT PRIMARY KEY, home INT NOT NULL, FOREIGN KEY (home) REFERENCES apartments (id) ON DELETE CASCADE)""",
    "CREATE TABLE journal (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(80))",
    """CREATE TRIGGER noted AFTER INSERT ON apartments FOR EACH ROW
        INSERT INTO journal (what) VALUES (CONCAT('new ', NEW.name))""",
    """CREATE DEFINER = 'admin'@'%' SQL SECURITY INVOKER VIEW let_now AS
        SELECT name, rent FROM apartments WHERE let IS NOT NULL""",
    """CREATE PROCEDURE add_rooms(IN n INT) BEGIN
        /* one a number; '賃貸' */ DECLARE i INT DEFAULT 0; -- counts
        WHILE i < n DO SET i = i + 1; INSERT INTO rooms VALUES (i, 1); END WHILE;
    END""",
    "CREATE FUNCTION vat(x DECIMAL(10,2)) RETURNS DECIMAL(10,2) DETERMINISTIC RETURN x * 1.1",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2026-02-05 00:00:00' DO DELETE FROM journal",
    "CREATE USER 'ap p'@'%' IDENTIFIED BY 'quote '' and \\\\ and 日本', reader@localhost IDENTIFIED BY 'r'",
    "GRANT SELECT, INSERT ON `stag ing`.* TO 'ap p'@'%'",
)
EVERY_BYTE = bytes(range(256)) * 40


def everything(database: Database) -> dict[str, object]:
    """Read all that an owner could miss: rows, definitions, accounts, rights."""
    found: dict[str, object] = {}
    for schema, name, kind in database.rows(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables "
        "WHERE table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
    ):
        table = quoted(schema, name)
        found[f"{kind} {schema}.{name}"] = database.rows(f"SHOW CREATE TABLE {table}")[0][1]
        found[f"rows of {schema}.{name}"] = sorted(map(repr, database.rows(f"SELECT * FROM {table}")))
    for kind in ("TRIGGER", "EVENT", "ROUTINE"):
        for schema, name, which in database.rows(
            f"SELECT {kind}_schema, {kind}_name, {'routine_type' if kind == 'ROUTINE' else repr(kind)} "
            f"FROM information_schema.{kind}s WHERE {kind}_schema NOT IN ('mysql', 'sys')"
        ):
            found[f"{which} {schema}.{name}"] = database.rows(f"SHOW CREATE {which} {quoted(schema, name)}")[0][:5]
    for user, host in database.rows("SELECT user, host FROM mysql.user"):
        found[f"rights of {user}@{host}"] = database.rows("SHOW GRANTS FOR %s@%s", (user, host))
        found[f"secret of {user}@{host}"] = database.rows(
            "SELECT plugin, HEX(authentication_string) FROM mysql.user WHERE (user, host) = (%s, %s)", (user, host)
        )
    return found


def test_every_kind_of_object_comes_back_as_it_was(plane: DataPlane) -> None:
    plane.create("estate", master=MASTER, moment=START)
    with plane.admin("estate") as source:
        at(source, 10, *OBJECTS)
        at(source, 20)
        source.execute(
            """INSERT INTO apartments (name, rent, facts, photo, let)
            VALUES (%s, 98000.5, %s, %s, '2026-01-31'), (%s, NULL, NULL, '', NULL)""",
            ("東京ベータ 🏠", '{"階": 3, "pets": [true, null]}', EVERY_BYTE, "b;\\'\"\n\\0\x00\r\n"),
        )
        source.execute("CALL add_rooms(5)")
        at(source, 30, "UPDATE apartments SET rent = 1 WHERE id = 2", "DELETE FROM rooms WHERE id = 3")
        at(source, 30, "ALTER TABLE rooms ADD size INT DEFAULT 7, ADD INDEX (size)")
        at(source, 31, "XA START 'move'", "INSERT INTO rooms VALUES (30, 1, 9)", "XA END 'move'", "XA PREPARE 'move'")
        at(source, 32, "XA COMMIT 'move'")
        at(source, 40, "CREATE TABLE copied AS SELECT id, name FROM apartments")
        at(source, 40, "RENAME TABLE journal TO diary, copied TO journal")
        at(source, 41, "CREATE TEMPORARY TABLE scratch (a INT)", "INSERT INTO scratch VALUES (1)")
        at(source, 41, "INSERT INTO rooms SELECT 90, 1, a FROM scratch", "TRUNCATE basis.`staging.apartments`")
        at(source, 42, "FLUSH BINARY LOGS", "DELETE FROM apartments WHERE id = 2")
    with plane.admin("estate") as source:
        expected = everything(source)
        at(source, 50, "DROP DATABASE `stag ing`", "DROP USER 'ap p'@'%'")
    plane.restore_to_time("estate-copy", source_id="estate", moment=after(49))
    with plane.admin("estate-copy") as copy:
        assert everything(copy) == expected
        assert copy.value("SELECT COUNT(*) FROM `stag ing`.diary") == 2, "the trigger's rows come from the log, once"
        assert copy.value("SELECT photo FROM `stag ing`.apartments WHERE id = 1") == EVERY_BYTE


def test_an_account_opens_the_copy_with_its_password_of_that_second(plane: DataPlane) -> None:
    plane.create("doors", master=MASTER, moment=START)
    plane.set_master_password("doors", "second", moment=after(20))
    plane.set_master_password("doors", "third", moment=after(30))
    for second, password in ((19, MASTER.password), (29, "second")):
        plane.restore_to_time(f"doors-{second}", source_id="doors", moment=after(second))
        plane.open(f"doors-{second}")
        master = Credentials(user=MASTER.user, password=password)
        with connect(plane.endpoint(f"doors-{second}"), master) as database:
            assert database.value("SELECT CURRENT_USER()") == "admin@%"


def test_a_transaction_dated_ahead_of_the_others_takes_none_of_them_with_it(plane: DataPlane) -> None:
    """It should go by each transaction's own date, also where a session's clock ran ahead of another's."""
    plane.create("clocks", master=MASTER, moment=START)
    with plane.admin("clocks") as source:
        at(source, 10, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)")
        at(source, 90, "INSERT INTO d.t VALUES (90)")
        at(source, 20, "INSERT INTO d.t VALUES (20)")
        plane.take_snapshot("clocks", snapshot_id="clocks-30", moment=after(30))
        at(source, 40, "INSERT INTO d.t VALUES (40)")
    plane.restore_to_time("clocks-50", source_id="clocks", moment=after(50))
    with plane.admin("clocks-50") as copy:
        assert copy.rows("SELECT a FROM d.t ORDER BY a") == [(20,), (40,)]


def test_a_replay_that_cannot_go_on_says_what_the_client_said_and_leaves_nothing(plane: DataPlane) -> None:
    plane.create("broken", master=MASTER, moment=START)
    with plane.admin("broken") as source:
        at(source, 99, "CREATE DATABASE later")
        at(source, 10, "CREATE TABLE later.t (a INT)")
    folders = set(plane.folder.iterdir())
    with pytest.raises(StepFailed, match=r"up to 2026-02-04 00:00:50 UTC stopped: .*1049.*later"):
        plane.restore_to_time("broken-copy", source_id="broken", moment=after(50))
    assert set(plane.folder.iterdir()) == folders
