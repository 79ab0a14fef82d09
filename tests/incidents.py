"""Incidents of many kinds on one server, each in a schema of its own and dated days apart from the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbook_lib.mysql import Database

BEGIN = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
_DIGITS = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6)"
NUMBERS = f"(SELECT a.n + 7*b.n + 49*c.n + 343*d.n AS n FROM {_DIGITS} a, {_DIGITS} b, {_DIGITS} c, {_DIGITS} d)"
MADE = (
    "CREATE TABLE parents (id INT PRIMARY KEY, name VARCHAR(40), v INT)",
    "CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20))",
    "CREATE TABLE children (id INT PRIMARY KEY, parent INT, name VARCHAR(40), v INT,"
    " FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE)",
    "CREATE TABLE small (id INT PRIMARY KEY, name VARCHAR(40), v INT)",
    "CREATE TABLE parts (id INT PRIMARY KEY, name VARCHAR(40), v INT) PARTITION BY RANGE (id)"
    " (PARTITION p0 VALUES LESS THAN (500), PARTITION p1 VALUES LESS THAN MAXVALUE)",
    f"INSERT INTO parents SELECT n, CONCAT('parent ', n), n FROM {NUMBERS} q WHERE n < 900",
    f"INSERT INTO children SELECT n, n % 300, CONCAT('child ', n), n FROM {NUMBERS} q WHERE n < 1500",
    f"INSERT INTO small SELECT n, CONCAT('small ', n), n FROM {NUMBERS} q WHERE n < 120",
    f"INSERT INTO parts SELECT n, CONCAT('part ', n), n FROM {NUMBERS} q WHERE n < 900",
    "CREATE TRIGGER noted AFTER UPDATE ON parents FOR EACH ROW INSERT INTO log (what) VALUES ('changed')",
    "CREATE VIEW seen AS SELECT id FROM parents",
    "CREATE PROCEDURE load_all() SELECT 1",
    "CREATE FUNCTION one() RETURNS INT DETERMINISTIC RETURN 1",
)
_WRITTEN = [f"INSERT INTO children VALUES ({n}, 299, 'written after', 1)" for n in range(90000, 90003)]
_OTHER_SMALL = "CREATE TABLE small (id BIGINT PRIMARY KEY, name VARCHAR(5) CHARACTER SET latin1, v INT)"

DAMAGE: dict[str, tuple[list[str], str]] = {
    "a parent dropped with its keys unchecked": (["DROP TABLE parents"], "DROP TABLE parents"),
    "truncated": (["TRUNCATE children"], "TRUNCATE children"),
    "truncated, then an application writes": (["TRUNCATE children", *_WRITTEN], "TRUNCATE children"),
    "a small table wiped whole": (["DELETE FROM small"], "DELETE small"),
    "deleted, then an application writes": (["DELETE FROM children", *_WRITTEN], "DELETE children"),
    "a column dropped": (["ALTER TABLE parents DROP COLUMN name"], "DROP COLUMN parents"),
    "a column dropped and made again at once": (
        ["ALTER TABLE parents DROP COLUMN name, ADD COLUMN name VARCHAR(40)"],
        "DROP COLUMN parents",
    ),
    "a schema dropped": (["DROP DATABASE {schema}"], "DROP DATABASE "),
    "a schema made again, empty": (["DROP DATABASE {schema}", "CREATE DATABASE {schema}"], "DROP DATABASE "),
    "made again otherwise, empty": (["DROP TABLE small", _OTHER_SMALL], "DROP TABLE small"),
    "made again otherwise, then an application writes": (
        ["DROP TABLE small", _OTHER_SMALL, "INSERT INTO small VALUES (9001, 'new', 1), (9002, 'new', 1)"],
        "DROP TABLE small",
    ),
    "a partition truncated": (["ALTER TABLE parts TRUNCATE PARTITION p1"], "DROP PARTITION parts"),
    "a partition dropped": (["ALTER TABLE parts DROP PARTITION p0"], "DROP PARTITION parts"),
    "renamed away": (["ALTER TABLE small RENAME TO small_old"], "DROP TABLE small"),
    "parents deleted with their children": (["DELETE FROM parents WHERE id < 40"], "DELETE parents"),
    "all deleted, most written again": (
        ["DELETE FROM parts", f"INSERT INTO parts SELECT n, 'again', n FROM {NUMBERS} q WHERE n < 780"],
        "DELETE parts",
    ),
    "swapped with an empty table": (
        ["CREATE TABLE small_new LIKE small", "RENAME TABLE small TO small_old, small_new TO small"],
        "DROP TABLE small",
    ),
    "deleted in chunks": (["DELETE FROM children LIMIT 250"] * 5, "DELETE children"),
    "a view dropped": (["DROP VIEW seen"], "DROP VIEW seen"),
    "a routine dropped": (["DROP PROCEDURE load_all"], "DROP PROCEDURE load_all"),
    "a trigger dropped": (["DROP TRIGGER noted"], "DROP TRIGGER noted"),
    "one value everywhere": (["UPDATE parents SET name = 'x'"], "UPDATE parents"),
    "a column became NULL": (["UPDATE children SET name = NULL WHERE id % 3 = 0"], "UPDATE children"),
    "the wrong rows joined": (
        ["UPDATE children c JOIN parents p ON c.parent = p.id SET c.name = p.name"],
        "UPDATE children",
    ),
    "most rows by arithmetic": (["UPDATE parts SET v = v * 10 + 1 WHERE id >= 300"], "UPDATE parts"),
    "updated in chunks": (["UPDATE children SET v = -1 WHERE v >= 0 LIMIT 250"] * 5, "UPDATE children"),
}
HARMLESS: dict[str, list[str]] = {
    "nothing": [],
    "every row replaced": ["CREATE TABLE kept AS SELECT * FROM parts", "REPLACE INTO parts SELECT * FROM kept"],
    "deleted and written again": [
        *("CREATE TABLE kept AS SELECT * FROM small", "BEGIN", "DELETE FROM small"),
        *("INSERT INTO small SELECT * FROM kept", "COMMIT"),
    ],
    "made again and filled": [
        *("CREATE TABLE kept AS SELECT * FROM small", "DROP TABLE small", _OTHER_SMALL.replace("(5)", "(40)")),
        "INSERT INTO small SELECT * FROM kept",
    ],
    "swapped with a full table": [
        *("CREATE TABLE small_new LIKE small", "INSERT INTO small_new SELECT * FROM small"),
        "RENAME TABLE small TO small_old, small_new TO small",
    ],
    "a view made anew": ["DROP VIEW seen", "CREATE VIEW seen AS SELECT id, name FROM parents"],
    "a column made wider": ["ALTER TABLE parents MODIFY name VARCHAR(80)"],
    "a column made and dropped": ["ALTER TABLE small ADD COLUMN n INT", "ALTER TABLE small DROP COLUMN n"],
}


@dataclass(frozen=True)
class Incident:
    """One kind: its schema, the second of its first statement, and what is to be told of it; "" of a harmless one."""

    name: str
    schema: str
    at: datetime
    damage: list[str]
    told: str

    @property
    def since(self) -> datetime:
        return self.at - timedelta(hours=36)

    @property
    def until(self) -> datetime:
        return self.at + timedelta(hours=12)


def incidents() -> Iterator[Incident]:
    """Yield every kind, five days after each other."""
    kinds = [(name, *what) for name, what in DAMAGE.items()] + [(name, what, "") for name, what in HARMLESS.items()]
    for number, (name, damage, told) in enumerate(kinds):
        yield Incident(name, f"kind_{number}", BEGIN + number * timedelta(days=5), damage, told)


def tell(database: Database, incident: Incident) -> None:
    """Have one incident happen: the schema made hours before, small writes of an application before and after."""
    at(
        database,
        incident.at - timedelta(hours=20),
        f"CREATE DATABASE {incident.schema}",
        f"USE {incident.schema}",
        *MADE,
    )
    for number in range(3):
        _works(database, incident.at - (9 * MINUTE) * (3 - number), number)
    database.execute("SET foreign_key_checks = 0")
    pause = 2 * MINUTE if incident.name.endswith("in chunks") else timedelta(0)
    moment = incident.at
    for number, statement in enumerate(incident.damage):
        moment = incident.at + number * pause
        at(database, moment, statement.replace("{schema}", incident.schema))
    database.execute("SET foreign_key_checks = 1")
    if "DROP DATABASE" not in incident.told:
        for number in range(3):
            _works(database, moment + 3 * MINUTE * (number + 1), number + 10)


def _works(database: Database, moment: datetime, number: int) -> None:
    """Write what an application writes every few minutes, to tables that no incident takes away."""
    at(
        database,
        moment,
        f"INSERT INTO log (what) VALUES ('seen {number}'), ('done')",
        f"UPDATE log SET what = 'read' WHERE id = {number + 1}",
        "DELETE FROM log WHERE what = 'done'",
    )


def at(database: Database, moment: datetime, *statements: str) -> None:
    """Run statements whose date in the log is a moment."""
    database.execute(f"SET timestamp = {int(moment.timestamp())}")
    for statement in statements:
        database.execute(statement)


def night(database: Database, moment: datetime, number: int) -> None:
    """Have an ordinary night happen in the schema `nights`: reloads, a purge, and updates of whole tables."""
    at(
        database,
        moment,
        "UPDATE prices SET price = price + 1, seen = CURRENT_DATE",
        *("TRUNCATE daily", f"INSERT INTO daily SELECT n, 'x' FROM {NUMBERS} q WHERE n < {150 - number % 4}"),
        *(
            "DROP TABLE IF EXISTS lookup",
            "CREATE TABLE lookup (id INT PRIMARY KEY)",
            "INSERT INTO lookup VALUES (1), (2)",
        ),
        *("DROP VIEW IF EXISTS rated", "CREATE VIEW rated AS SELECT id FROM prices"),
    )
    at(
        database,
        moment + 3 * MINUTE,
        *("DELETE FROM events", f"INSERT INTO events SELECT n, {number} FROM {NUMBERS} q WHERE n < 100"),
        "UPDATE jobs SET state = 'idle'",
        *("CREATE TABLE swap_new LIKE swapped", f"INSERT INTO swap_new SELECT n FROM {NUMBERS} q WHERE n < 130"),
        *("RENAME TABLE swapped TO swap_old, swap_new TO swapped", "DROP TABLE swap_old"),
    )
    at(database, moment + timedelta(hours=8), f"UPDATE jobs SET state = 'done' WHERE id = {number}")


NIGHTS_MADE = (
    "CREATE DATABASE nights",
    "USE nights",
    "CREATE TABLE prices (id INT PRIMARY KEY, price INT, seen DATE, name VARCHAR(20))",
    "CREATE TABLE daily (id INT PRIMARY KEY, what VARCHAR(5))",
    "CREATE TABLE events (id INT PRIMARY KEY, night INT)",
    "CREATE TABLE jobs (id INT PRIMARY KEY, state VARCHAR(8))",
    "CREATE TABLE swapped (n INT)",
    f"INSERT INTO prices SELECT n, n, NULL, CONCAT('price ', n) FROM {NUMBERS} q WHERE n < 200",
    f"INSERT INTO jobs SELECT n, 'new' FROM {NUMBERS} q WHERE n < 60",
    f"INSERT INTO daily SELECT n, 'x' FROM {NUMBERS} q WHERE n < 150",
    f"INSERT INTO events SELECT n, 0 FROM {NUMBERS} q WHERE n < 100",
    f"INSERT INTO swapped SELECT n FROM {NUMBERS} q WHERE n < 130",
)
