"""A small live schema that is loaded every night, for tests of publishing: good nights and bad ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbook_lib.guard.generations import published
from runbook_lib.guard.history import PastLoad
from runbook_lib.guard.load_audit import LoadAudit, Measures, audit_load, look
from runbook_lib.guard.publish import PublishDone, PublishPlan, apply_publish, propose_publish
from runbook_lib.mysql import Database
from runbook_lib.proof import Side
from runbook_lib.swap.reading import read_server

LIVE, NEXT, OUTSIDE = "gp_staging", "gp_staging__next", "gp_outside"
NOW = datetime(2026, 2, 4, 2, 0, tzinfo=UTC)
FIRST = NOW - timedelta(days=9)  # what is live at first is of that night
HOUSES = (
    "CREATE TABLE {s}.houses (id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, street VARCHAR(60),"
    " updated_at DATETIME NOT NULL, UNIQUE KEY by_name (name)) CHARACTER SET utf8mb4"
)
ROOMS = (
    "CREATE TABLE {s}.rooms (id INT AUTO_INCREMENT PRIMARY KEY, house_id INT NOT NULL, rent INT, note VARCHAR(80),"
    " KEY by_rent (rent), CONSTRAINT rooms_house FOREIGN KEY (house_id) REFERENCES {s}.houses (id))"
    " CHARACTER SET utf8mb4"
)
RATES = "CREATE TABLE {s}.rates (code CHAR(3) PRIMARY KEY, rate DECIMAL(12,4) NOT NULL)"


@dataclass(frozen=True, kw_only=True)
class Night:
    """What one night loads: the number of houses, five rooms each, and the moment that is written into them."""

    houses: int = 40
    at: datetime = NOW
    seed: int = 1


def make_live(database: Database, *, definer: str = "CURRENT_USER") -> None:
    """Make the live schema with a view, a trigger, a table that no load owns, and a foreign key from outside."""
    clear(database)
    for schema in (LIVE, OUTSIDE):
        database.execute(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4")
    load(database, Night(at=FIRST), schema=LIVE)
    database.execute(f"CREATE TABLE {LIVE}.notes (id INT PRIMARY KEY, said VARCHAR(40))")
    database.execute(f"CREATE TABLE {LIVE}.log (n INT AUTO_INCREMENT PRIMARY KEY, said VARCHAR(60))")
    database.execute(f"CREATE VIEW {LIVE}.cheap AS SELECT id, rent FROM {LIVE}.rooms WHERE rent < 60")
    database.execute(
        f"CREATE DEFINER = {definer} TRIGGER {LIVE}.noted AFTER INSERT ON {LIVE}.rooms FOR EACH ROW"
        f" INSERT INTO {LIVE}.log (said) VALUES (CONCAT('room ', NEW.id))"
    )
    database.execute(
        f"CREATE TABLE {OUTSIDE}.visits (id INT PRIMARY KEY, house_id INT NOT NULL,"
        f" CONSTRAINT visit_house FOREIGN KEY (house_id) REFERENCES {LIVE}.houses (id))"
    )
    database.execute(f"INSERT INTO {OUTSIDE}.visits VALUES (1, 1), (2, 2)")


def clear(database: Database) -> None:
    """Take away every schema of these tests."""
    database.execute("SET foreign_key_checks = 0")
    for (schema,) in database.rows("SELECT schema_name FROM information_schema.schemata"):
        if str(schema).startswith(("gp_", "runbook_publish_")):
            database.execute(f"DROP DATABASE `{schema}`")
    database.execute("SET foreign_key_checks = 1")


def load(database: Database, night: Night, *, schema: str = NEXT) -> None:
    """Load a night as the job does: tables made anew and filled."""
    database.execute(f"CREATE DATABASE IF NOT EXISTS {schema} CHARACTER SET utf8mb4")
    for statement in (HOUSES, ROOMS, RATES):
        database.execute(statement.format(s=schema))
    chance = random.Random(night.seed)
    at = f"{night.at:%Y-%m-%d %H:%M:%S}"
    houses = [f"({n}, '家 {n}', 'Main street {n}', '{at}')" for n in range(1, night.houses + 1)]
    rooms = [
        f"({n}, {(n - 1) // 5 + 1}, {50 + chance.randrange(40)}, 'münchen {n}')" for n in range(1, 5 * night.houses + 1)
    ]
    database.execute(f"INSERT INTO {schema}.houses VALUES {', '.join(houses)}")
    database.execute(f"INSERT INTO {schema}.rooms VALUES {', '.join(rooms)}")
    rates = [f"('{code}', {chance.randrange(1000)})" for code in ("EUR", "JPY", "USD")]
    database.execute(f"INSERT INTO {schema}.rates VALUES {', '.join(rates)}")


Spoil = Callable[[Database], None]


def _run(*statements: str) -> Spoil:
    def spoil(database: Database) -> None:
        database.execute("SET foreign_key_checks = 0")
        for statement in statements:
            database.execute(statement.format(n=NEXT, l=LIVE))
        database.execute("SET foreign_key_checks = 1")

    return spoil


BAD: dict[str, tuple[Spoil, set[str]]] = {
    "empty": (_run("DELETE FROM {n}.rooms", "DELETE FROM {n}.houses", "DELETE FROM {n}.rates"), {"empty"}),
    "half": (_run("DELETE FROM {n}.rooms WHERE id > 90", "DELETE FROM {n}.houses WHERE id > 18"), {"rows gone"}),
    "one table gone": (_run("DROP TABLE {n}.rates"), {"tables"}),
    "one column gone": (_run("ALTER TABLE {n}.houses DROP COLUMN street"), {"columns"}),
    "duplicated keys": (
        _run("ALTER TABLE {n}.rates DROP PRIMARY KEY", "INSERT INTO {n}.rates SELECT * FROM {n}.rates"),
        {"duplicates", "keys"},
    ),
    "orphans": (_run("DELETE FROM {n}.houses WHERE id = 7"), {"orphans"}),
    "wrong encoding": (
        _run("UPDATE {n}.rooms SET note = CONVERT(CAST(CONVERT(note USING utf8mb4) AS BINARY) USING latin1)"),
        {"letters"},
    ),
    "question marks": (_run("UPDATE {n}.houses SET street = CONCAT('??? ', id)"), {"letters"}),
    "all NULL": (_run("UPDATE {n}.rooms SET rent = NULL"), {"empty columns"}),
    "narrowed type": (_run("ALTER TABLE {n}.houses MODIFY street VARCHAR(30)"), {"types"}),
    "another's file": (
        _run("UPDATE {n}.rooms SET id = id + 100000", "UPDATE {n}.houses SET id = id + 5000, name = CONCAT('x', name)",
             "UPDATE {n}.rooms SET house_id = house_id + 5000"),
        {"other data"},
    ),
    "stale": (_run("UPDATE {n}.houses SET updated_at = updated_at - INTERVAL 5 DAY"), {"freshness"}),
    "a key gone": (_run("ALTER TABLE {n}.rooms DROP KEY by_rent"), {"keys"}),
    "a foreign key gone": (_run("ALTER TABLE {n}.rooms DROP FOREIGN KEY rooms_house"), {"keys"}),
    "one value everywhere": (_run("UPDATE {n}.rooms SET rent = 0"), {"values"}),
    "cut": (_run("UPDATE {n}.houses SET street = LEFT(street, 4)"), {"values"}),
    "in another unit": (_run("UPDATE {n}.rooms SET rent = rent * 100"), {"values"}),
    "with the other sign": (_run("UPDATE {n}.rooms SET rent = -rent"), {"values", "contract"}),
    "words for nothing": (_run("UPDATE {n}.houses SET street = 'NULL' WHERE id % 9 = 0"), {"values"}),
    "line ends left": (_run("UPDATE {n}.rooms SET note = CONCAT(note, CHAR(13))"), {"values"}),
    "quotes left": (_run("UPDATE {n}.rooms SET note = CONCAT('\"', note, '\"')"), {"values"}),
    "half NULL": (_run("UPDATE {n}.rooms SET rent = NULL WHERE id % 2"), {"empty columns"}),
    "moments that nobody gave": (
        _run("UPDATE {n}.houses SET updated_at = '1970-01-01' WHERE id % 7 = 0"), {"moments"},
    ),
    "moments to come": (_run("UPDATE {n}.houses SET updated_at = updated_at + INTERVAL 1 YEAR"), {"moments"}),
    "older than live": (_run("UPDATE {n}.houses SET updated_at = updated_at - INTERVAL 3 DAY"), {"moments"}),
    "counts no more": (
        _run("ALTER TABLE {n}.rooms MODIFY id INT NOT NULL"), {"keys"},
    ),
    "in memory": (
        _run("ALTER TABLE {n}.rooms DROP FOREIGN KEY rooms_house", "ALTER TABLE {n}.rates ENGINE = MEMORY"), {"keys"},
    ),
    "another character set": (_run("ALTER TABLE {n}.rates MODIFY code CHAR(3) CHARACTER SET latin1"), {"types"}),
    "a kind of rows gone": (
        _run(*(f"ALTER TABLE {{{s}}}.houses ADD kind TINYINT NOT NULL DEFAULT 0" for s in "ln"),
             *(f"UPDATE {{{s}}}.houses SET kind = id % 4" for s in "ln"),
             "DELETE FROM {n}.rooms WHERE house_id % 4 = 1", "DELETE FROM {n}.houses WHERE kind = 1"),
        {"groups"},
    ),
    "a table that nobody knows": (_run("CREATE TABLE {n}.mine (id INT PRIMARY KEY)"), {"contract"}),
    "one table empty": (_run("DELETE FROM {n}.rates"), {"empty"}),
    "columns swapped": (_run("UPDATE {n}.houses SET name = (@x := name), name = street, street = @x"), {"rewritten"}),
    "nine hours late": (_run("UPDATE {n}.houses SET updated_at = updated_at + INTERVAL 9 HOUR"), {"moments"}),
    "in capitals": (_run("UPDATE {n}.houses SET street = UPPER(street)"), {"rewritten"}),
    "marks of HTML": (_run("UPDATE {n}.rooms SET note = REPLACE(note, 'ü', '&uuml;')"), {"rewritten", "values"}),
    "spaces at the ends": (_run("UPDATE {n}.houses SET street = CONCAT('  ', street)"), {"rewritten"}),
    "without its spaces": (_run("UPDATE {n}.houses SET street = REPLACE(street, ' ', '')"), {"rewritten"}),
    "signs that nobody sees": (_run("UPDATE {n}.houses SET name = CONCAT(_utf8mb4 X'E2808B', name)"), {"values"}),
    "hashed": (_run("UPDATE {n}.houses SET name = LEFT(SHA2(name, 256), 40)"), {"rewritten"}),
    "the file's first line": (_run("INSERT INTO {n}.houses VALUES (0, 'name', 'street', '2026-02-04')"), {"values"}),
    "twice under new numbers": (
        _run("INSERT INTO {n}.rooms (house_id, rent, note) SELECT house_id, rent, note FROM {n}.rooms"),
        {"rows twice"},
    ),
    "parents changed places": (_run("UPDATE {n}.rooms SET house_id = 41 - house_id"), {"rewritten"}),
    "numbers moved by one": (_run("UPDATE {n}.rooms SET id = id + 1 ORDER BY id DESC"), {"rewritten"}),
    "some texts empty": (_run("UPDATE {n}.houses SET street = '' WHERE id % 3 = 0"), {"empty columns"}),
    "N/A": (_run("UPDATE {n}.rooms SET note = 'N/A' WHERE id % 5 = 0"), {"values"}),
    "may be NULL": (_run("ALTER TABLE {n}.rates MODIFY rate DECIMAL(12,4) NULL"), {"definitions"}),
    "another collation": (
        _run("ALTER TABLE {n}.houses MODIFY street VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        {"definitions"},
    ),
    "a default gone": (_run("ALTER TABLE {l}.rooms ALTER rent SET DEFAULT 5"), {"definitions"}),
    "an expression gone": (
        _run("ALTER TABLE {l}.houses ADD g INT AS (id * 2)", "ALTER TABLE {n}.houses ADD g INT"), {"definitions"},
    ),
    "columns in another order": (_run("ALTER TABLE {n}.houses MODIFY street VARCHAR(60) AFTER id"), {"definitions"}),
    "a parent takes its rooms along": (
        _run("ALTER TABLE {n}.rooms DROP FOREIGN KEY rooms_house",
             "ALTER TABLE {n}.rooms ADD CONSTRAINT rooms_house FOREIGN KEY (house_id) REFERENCES {n}.houses (id)"
             " ON DELETE CASCADE"),
        {"definitions"},
    ),
}  # fmt: skip

HARMLESS: dict[str, Spoil] = {
    "wider": _run("ALTER TABLE {n}.houses MODIFY street VARCHAR(90)", "ALTER TABLE {n}.rooms MODIFY rent BIGINT"),
    "a comment": _run("ALTER TABLE {n}.houses MODIFY street VARCHAR(90) COMMENT 'it''s (a) b'"),
    "a new column": _run("ALTER TABLE {n}.rooms ADD x INT FIRST"),
    "a new index": _run("ALTER TABLE {n}.rooms ADD KEY by_note (note)"),
    "partitions": _run("ALTER TABLE {n}.rates PARTITION BY KEY (code) PARTITIONS 2"),
    "a few texts in capitals": _run("UPDATE {n}.houses SET street = UPPER(street) WHERE id < 10"),
}
"""What a load may change of its tables without being held."""


def past_of(database: Database) -> tuple[PastLoad, ...]:
    """Return the loads that the server knows of."""
    return tuple(PastLoad(at=done.at, rows=done.rows) for done in published(database, LIVE) if not done.undone)


def audited(side: Side, *, at: datetime = NOW, contract: str = "", accept: str = "") -> LoadAudit:
    """Look at the next generation, and audit it."""
    with side.connect() as database:
        facts = read_server(database, name="server")
        generation = look(side, facts, live=LIVE, next_schema=NEXT)
        past = past_of(database)
    return audit_load(side, generation, measure_by=Measures(past=past, contract=contract), at=at, accept=accept)


def planned(side: Side, audit: LoadAudit, *, at: datetime = NOW, keep: int = 2) -> PublishPlan:
    """Plan its publishing."""
    with side.connect() as database:
        return propose_publish(audit, place="test", at=at, keep=keep, earlier=published(database, LIVE))


def publish(side: Side, *, at: datetime = NOW, keep: int = 2, contract: str = "") -> PublishDone:
    """Audit, plan, approve and publish."""
    audit = audited(side, at=at, contract=contract)
    plan = planned(side, audit, at=at, keep=keep)
    return apply_publish(side, audit, plan, approve=plan.id, approved_by="somebody")
