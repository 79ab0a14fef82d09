"""A small estate for tests of the copy back: tables tied over two schemas, with everything that hangs on tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from runbook_lib.inventory import SYSTEM_SCHEMAS
from runbook_lib.mysql import Credentials, connect, quoted
from runbook_lib.proof import Side
from runbook_lib.rehearsal.dataplane import DataPlane

NOW = datetime(2026, 2, 5, 9, 30, tzinfo=UTC)
ROOMS = "`house.hold`.rooms"

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
    "CREATE EVENT letting.nightly ON SCHEDULE EVERY 1 DAY STARTS '2036-01-01 03:00:00' DO"
    " DELETE FROM letting.log WHERE n < 0",
    "INSERT INTO `house.hold`.rooms VALUES (1, 'A-1', 90, NULL, '2026-01-01'), (2, 'A-2', 110, 1, '2026-01-01'),"
    " (3, 'A-3', 120, 2, '2026-01-01')",
    "INSERT INTO letting.contracts (id, room_id, tenant) VALUES (1, 1, 'Ａ\\tb\\n\\\\N'), (2, 2, NULL), (3, 3, '')",
    "INSERT INTO letting.`odd ``name. 日本` VALUES ('é', 'x'), ('é', 'x'), (NULL, ''), ('', NULL)",
    "CREATE USER clerk@'%' IDENTIFIED BY 'w'",
    "GRANT SELECT, INSERT ON letting.contracts TO clerk@'%'",
    "GRANT EXECUTE ON FUNCTION letting.twice TO clerk@'%'",
)  # fmt: skip


@dataclass(frozen=True)
class Estate:
    """A source that is about to be damaged and a copy of it, on two servers that tests share."""

    plane: DataPlane
    master: Credentials

    @property
    def copy(self) -> Side:
        return self._side("copy", "expected")

    @property
    def source(self) -> Side:
        return self._side("source", "found")

    def _side(self, name: str, server: str) -> Side:
        return Side(name=name, connect=partial(connect, self.plane.endpoint(server), self.master))

    def make(self, *statements: str) -> None:
        """Make the same on both sides."""
        for side in (self.copy, self.source):
            with side.connect() as database:
                database.execute("SET foreign_key_checks = 0")
                for statement in statements or ESTATE:
                    database.execute(statement)

    def clear(self) -> None:
        """Take away all that was made on either side."""
        for side in (self.copy, self.source):
            with side.connect() as database:
                database.execute("SET foreign_key_checks = 0")
                for (schema,) in database.rows("SELECT schema_name FROM information_schema.schemata"):
                    if schema not in SYSTEM_SCHEMAS:
                        database.execute(f"DROP DATABASE {quoted(schema)}")
                database.execute("DROP USER IF EXISTS clerk")
