"""A small estate for tests of the copy back: tables tied over two schemas, with everything that hangs on tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib.mysql import Database, connect
from runbook_lib.proof import Side
from runbook_lib.rehearsal.dataplane import DataPlane
from tests.dated import MASTER

NOW = datetime(2026, 2, 5, 9, 30, tzinfo=UTC)

ESTATE = (
    "CREATE DATABASE `house.hold` CHARACTER SET latin1",
    "CREATE DATABASE letting CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    "CREATE TABLE `house.hold`.rooms (id INT AUTO_INCREMENT PRIMARY KEY, number VARCHAR(20) NOT NULL,"
    " rent INT NOT NULL, above INT NULL, touched DATETIME NULL, UNIQUE KEY by_number (number), KEY (rent),"
    " CONSTRAINT fk_1 FOREIGN KEY (above) REFERENCES rooms (id)) AUTO_INCREMENT=50",
    "CREATE TABLE letting.contracts (id INT AUTO_INCREMENT PRIMARY KEY, room_id INT NOT NULL, tenant VARCHAR(40),"
    " label VARCHAR(50) AS (CONCAT('t:', tenant)) STORED,"
    " CONSTRAINT fk_1 FOREIGN KEY (room_id) REFERENCES `house.hold`.rooms (id) ON DELETE CASCADE)",
    "CREATE TABLE letting.`odd ``name. 日本` (a VARCHAR(9) CHARACTER SET latin1, b VARCHAR(9)) ",
    "CREATE TABLE letting.log (n INT AUTO_INCREMENT PRIMARY KEY, said VARCHAR(90))",
    "CREATE TRIGGER letting.noted AFTER INSERT ON letting.contracts FOR EACH ROW"
    " INSERT INTO letting.log (said) VALUES (CONCAT('契約 ', NEW.id))",
    "CREATE VIEW letting.rents AS SELECT c.tenant, r.rent FROM letting.contracts c JOIN `house.hold`.rooms r"
    " ON r.id = c.room_id",
    "CREATE VIEW letting.high AS SELECT * FROM letting.rents WHERE rent > 100",
    "CREATE FUNCTION letting.twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
    "CREATE PROCEDURE letting.raise_rents() UPDATE `house.hold`.rooms SET rent = letting.twice(rent)",
    "CREATE EVENT letting.nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM letting.log WHERE n < 0",
    "INSERT INTO `house.hold`.rooms VALUES (1, 'A-1', 90, NULL, '2026-01-01'), (2, 'A-2', 110, 1, '2026-01-01'),"
    " (3, 'A-3', 120, 2, '2026-01-01')",
    "INSERT INTO letting.contracts (id, room_id, tenant) VALUES (1, 1, 'Ａ\\tb\\n\\\\N'), (2, 2, NULL), (3, 3, '')",
    "INSERT INTO letting.`odd ``name. 日本` VALUES ('é', 'x'), ('é', 'x'), (NULL, ''), ('', NULL)",
    "CREATE USER clerk@'%' IDENTIFIED BY 'w'",
    "GRANT SELECT, INSERT ON letting.contracts TO clerk@'%'",
    "GRANT EXECUTE ON FUNCTION letting.twice TO clerk@'%'",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A damaged source and the copy it is brought back from, both open."""

    plane: DataPlane
    copy: Side
    source: Side

    @contextmanager
    def at_source(self) -> Iterator[Database]:
        with self.source.connect() as database:
            yield database


def pair_of(plane: DataPlane, *estate: str) -> Pair:
    """Make the estate, and a copy of it as it is now."""
    plane.create("source", master=MASTER)
    plane.open("source")
    with connect(plane.endpoint("source"), MASTER) as source:
        source.execute("SET foreign_key_checks = 0")
        for statement in estate or ESTATE:
            source.execute(statement)
    plane.clone("copy", source_id="source")
    sides = []
    for name in ("copy", "source"):
        plane.open(name)
        endpoint = plane.endpoint(name)
        sides.append(Side(name=name, connect=lambda endpoint=endpoint: connect(endpoint, MASTER)))  # type: ignore[misc]
    return Pair(plane, *sides)
