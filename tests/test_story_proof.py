"""The story's own proof: what it notices, and what it rightly does not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from runbook_lib.mysql import Credentials, Database
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.story import EstateProof, differences, take_proof

pytestmark = pytest.mark.xdist_group("story-proof")

BEGINNING = (
    "DROP DATABASE IF EXISTS small",
    "CREATE DATABASE small DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    "CREATE TABLE small.tenants (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), room VARCHAR(20), photo BLOB,"
    " weight FLOAT, seen TIMESTAMP NULL) ENGINE=InnoDB",
    "INSERT INTO small.tenants VALUES (1, 'ka', 'A-1', X'00FF80', 1, '2026-02-04 10:00:00'),"
    " (2, 'ki', 'A-2', X'', 16777216, NULL), (3, '', NULL, NULL, NULL, NULL), (4, 'ab', 'c', NULL, 0, NULL)",
    "CREATE TABLE small.`no.key` (a INT, b VARCHAR(5)) ENGINE=InnoDB",
    "INSERT INTO small.`no.key` VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, 'y'), (2, 'y')",
    "CREATE VIEW small.rooms AS SELECT room FROM small.tenants",
    "CREATE TRIGGER small.neat BEFORE INSERT ON small.tenants FOR EACH ROW SET NEW.name = TRIM(NEW.name)",
    "CREATE FUNCTION small.one() RETURNS INT DETERMINISTIC RETURN 1",
)


@pytest.fixture(scope="module")
def server(shared_plane: DataPlane) -> Iterator[Database]:
    shared_plane.create("small", master=Credentials(user="admin", password="small and safe"))
    with shared_plane.admin("small") as database:
        yield database


@pytest.fixture
def small(server: Database) -> Database:
    for statement in BEGINNING:
        server.execute(statement)
    return server


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        pytest.param(
            ["UPDATE small.tenants SET room = IF(id = 1, 'A-2', 'A-1') WHERE id IN (1, 2)"],
            "small.tenants: 4 rows as expected, but their content differs",
            id="two values swapped",
        ),
        pytest.param(
            ["DELETE FROM small.`no.key` WHERE a = 1 LIMIT 1"],
            "small.`no.key`: 5 rows expected, 4 found",
            id="a lost duplicate",
        ),
        pytest.param(
            ["DELETE FROM small.`no.key` WHERE a = 1 LIMIT 1", "INSERT INTO small.`no.key` VALUES (2, 'y')"],
            "small.`no.key`: 5 rows as expected, but their content differs",
            id="a duplicate of another row instead",
        ),
        pytest.param(
            ["UPDATE small.tenants SET room = '' WHERE id = 3"],
            "small.tenants: 4 rows as expected, but their content differs",
            id="empty instead of NULL",
        ),
        pytest.param(
            ["UPDATE small.tenants SET name = 'a', room = 'bc' WHERE id = 4"],
            "small.tenants: 4 rows as expected, but their content differs",
            id="a letter moved to the next column",
        ),
        pytest.param(
            ["UPDATE small.tenants SET photo = X'00FF81' WHERE id = 1"],
            "small.tenants: 4 rows as expected, but their content differs",
            id="one byte of a blob",
        ),
        pytest.param(
            ["UPDATE small.tenants SET weight = 16777218 WHERE id = 2"],
            "small.tenants: 4 rows as expected, but their content differs",
            id="the next FLOAT",
        ),
        pytest.param(
            ["DROP TRIGGER small.neat"], "trigger small.neat: expected, but not there", id="a missing trigger"
        ),
        pytest.param(["DROP VIEW small.rooms"], "view small.rooms: expected, but not there", id="a missing view"),
        pytest.param(
            ["DROP FUNCTION small.one"], "routine small.FUNCTION one: expected, but not there", id="a missing function"
        ),
        pytest.param(
            ["ALTER TABLE small.`no.key` MODIFY b VARCHAR(6)"],
            "small.`no.key`: the definition differs: ",
            id="a changed definition",
        ),
        pytest.param(
            ["DROP TABLE small.`no.key`"], "small.`no.key`: expected, but not there (5 rows)", id="a missing table"
        ),
        pytest.param(
            ["ALTER DATABASE small CHARACTER SET latin1"], "schema small: defaults ", id="another default character set"
        ),
    ],
)
def test_a_proof_notices(small: Database, changes: list[str], line: str) -> None:
    before = take_proof(small)
    for change in changes:
        small.execute(change)
    (found,) = differences(before, take_proof(small))
    assert found.startswith(line)


def test_a_proof_does_not_depend_on_the_session_row_order_or_counters(small: Database) -> None:
    before = take_proof(small)
    for change in (
        "SET sql_mode = 'ANSI_QUOTES', time_zone = '+09:00', sql_quote_show_create = 0",
        "DELETE FROM small.`no.key`",
        "INSERT INTO small.`no.key` VALUES (2, 'y'), (1, 'x'), (2, 'y'), (1, 'x'), (1, 'x')",
        "ALTER TABLE small.tenants AUTO_INCREMENT = 900",
    ):
        small.execute(change)
    assert differences(before, take_proof(small)) == ()
    assert small.value("SELECT @@SESSION.time_zone") == "+09:00"
    small.execute("SET sql_mode = DEFAULT, time_zone = '+00:00', sql_quote_show_create = 1")


def test_a_proof_survives_json(small: Database) -> None:
    proof = take_proof(small)
    assert EstateProof.from_json(json.loads(json.dumps(proof.as_json()))) == proof
