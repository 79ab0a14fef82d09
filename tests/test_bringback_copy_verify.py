"""What is looked at after a copy back: everything that was planned, and no alarm for what is written since."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from runbook_lib.bringback.copy import (
    CopiedBack,
    CopyChoices,
    CopyVerification,
    apply_copy_back,
    apply_undo,
    propose_copy_back,
    propose_undo,
    verify_copied,
    verify_undone,
)
from runbook_lib.proof import prove
from runbook_lib.swap.state import State
from tests.copying import NOW, ROOMS, Estate
from tests.matrix import thorough

BROKEN = {
    "view letting.rents": "DROP VIEW letting.rents",
    "trigger letting.noted": "DROP TRIGGER letting.noted",
    "foreign key fk_1 of letting.contracts": "ALTER TABLE letting.contracts DROP FOREIGN KEY fk_1",
    "right GRANT EXECUTE ON FUNCTION `letting`.`twice` TO 'clerk'@'%'": "REVOKE EXECUTE ON FUNCTION letting.twice"
    " FROM clerk",
    "function letting.twice": "DROP FUNCTION letting.twice",
    "AUTO_INCREMENT of house.hold.rooms": f"ALTER TABLE {ROOMS} AUTO_INCREMENT = 4",
    "definition of house.hold.rooms": f"ALTER TABLE {ROOMS} DROP KEY rent",
    "letting.log is absent": "DROP TABLE letting.log",
}


def run(estate: Estate, *statements: str) -> None:
    with estate.source.connect() as source:
        source.execute("SET foreign_key_checks = 0")
        for statement in statements:
            source.execute(statement)


def bring_back(estate: Estate, **choices: Any) -> CopiedBack:
    plan = propose_copy_back(
        estate.copy,
        estate.source,
        proof=prove(estate.copy, estate.source),
        choices=CopyChoices(**choices),
        now=NOW,
    )
    return apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)


def verified(estate: Estate, done: CopiedBack) -> CopyVerification:
    found = verify_copied(estate.copy, estate.source, done)
    assert found is not None
    return found


def test_each_thing_that_is_not_as_planned_is_named(estate: Estate) -> None:
    run(estate, "DROP FUNCTION letting.twice", "DROP DATABASE letting", f"DELETE FROM {ROOMS}")
    done = bring_back(estate)
    assert verified(estate, done).failures == ()
    for name, statement in BROKEN.items():
        run(estate, statement)
        assert [said for said in verified(estate, done).failures if said.startswith(name)], name
    assert "no trigger" in verified(estate, replace(done, problems=("no trigger",))).failures


@pytest.mark.parametrize("rows", ["replace", thorough("keep new")])
def test_what_an_application_writes_since_is_no_alarm_and_is_said(estate: Estate, rows: str) -> None:
    run(estate, f"UPDATE {ROOMS} SET rent = 1 WHERE id = 2", f"INSERT INTO {ROOMS} VALUES (70, 'N', 2, NULL, NULL)")
    done = bring_back(estate, rows=rows, conflicts="source" if rows == "keep new" else "")
    assert verified(estate, done).failures == ()
    time.sleep(1.1)  # the server knows the second of a table's last change
    run(
        estate,
        f"UPDATE {ROOMS} SET rent = 7 WHERE id = 3",
        f"INSERT INTO {ROOMS} VALUES (80, 'after', 1, NULL, NULL)",
        "DELETE FROM letting.contracts WHERE id = 1",
    )
    found = verified(estate, done)
    assert found.failures == ()
    assert any("house.hold.rooms" in said for said in found.since)
    assert any("letting.contracts" in said for said in found.since), "a table that came along with its own rows"


def test_rows_that_nobody_wrote_and_that_are_not_as_planned_are_wrong(estate: Estate) -> None:
    """It should not take a difference for an application's when the server knows of no change since."""
    run(estate, f"DELETE FROM {ROOMS}")
    done = bring_back(estate)
    with estate.copy.connect() as restored:
        restored.execute(f"UPDATE {ROOMS} SET rent = 8 WHERE id = 2")
    with estate.source.connect() as source:  # in the second of the swap itself nobody knows who wrote
        State(source, done.plan.state).put("swapped", source.value("SELECT UTC_TIMESTAMP() + INTERVAL 2 SECOND"))
    assert [said.split(":")[0] for said in verified(estate, done).wrong] == ["house.hold.rooms"]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("DROP TABLE letting.log", "letting.log is absent"),
        thorough("DROP TRIGGER letting.noted", "trigger letting.noted is missing"),
    ],
)
def test_an_undo_is_looked_at_in_the_same_way(estate: Estate, change: str, wrong: str) -> None:
    run(estate, f"DELETE FROM {ROOMS}", "DELETE FROM letting.log")
    before = prove(estate.copy, estate.source)
    bring_back(estate)
    undo = propose_undo(estate.source)
    undone = apply_undo(estate.source, undo, approve=undo.id)

    def look() -> tuple[str, ...]:
        found = verify_undone(estate.copy, estate.source, undone, before=before)
        assert found is not None
        return found.failures

    assert look() == ()
    run(estate, change)
    assert any(said.startswith(wrong) for said in look())
