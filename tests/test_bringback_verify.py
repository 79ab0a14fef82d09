"""After a copy back everything that hangs on the tables is looked at; what applications write since is no fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runbook_lib.bringback.bring_back import Done, Plan, Proposed, Wanted
from runbook_lib.bringback.copy import (
    CopiedBack,
    CopyChoices,
    apply_copy_back,
    apply_undo,
    propose_copy_back,
    propose_undo,
)
from runbook_lib.bringback.cutover import Pairing
from runbook_lib.bringback.sides import Sides
from runbook_lib.bringback.verify import Verified, _after_copy
from runbook_lib.display.bringback_result import bring_back_result
from runbook_lib.display.result import Result
from runbook_lib.proof import prove
from tests import builders
from tests.copying import NOW, ROOMS, Estate
from tests.hints import held_to_the_notebooks

DAMAGE = (
    "SET foreign_key_checks = 0",
    "DROP FUNCTION letting.twice",
    "DROP DATABASE letting",
    f"DELETE FROM {ROOMS}",
    f"INSERT INTO {ROOMS} (id, number, rent) VALUES (60, 'N-1', 70)",
)
BROKEN = {
    "view letting.high": "DROP VIEW letting.high",
    "trigger letting.noted": "DROP TRIGGER letting.noted",
    "foreign key fk_1 of letting.contracts": "ALTER TABLE letting.contracts DROP FOREIGN KEY fk_1",
    "right GRANT EXECUTE ON FUNCTION `letting`.`twice`": "REVOKE EXECUTE ON FUNCTION letting.twice FROM clerk@'%'",
    "AUTO_INCREMENT of letting.log": "ALTER TABLE letting.log AUTO_INCREMENT = 1",
    "function letting.twice": "DROP FUNCTION letting.twice",
    "letting.contracts": "TRUNCATE TABLE letting.contracts",
    "letting.log is absent": "DROP TABLE letting.log",
}


def brought_back(estate: Estate) -> CopiedBack:
    with estate.copy.connect() as database:
        database.execute("ALTER TABLE letting.log AUTO_INCREMENT = 40")
    with estate.source.connect() as database:
        for statement in DAMAGE:
            database.execute(statement)
    proof = prove(estate.copy, estate.source)
    choices = CopyChoices(rows="keep new")
    plan = propose_copy_back(estate.copy, estate.source, proof=proof, choices=choices, now=NOW)
    return apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)


def looked_at(estate: Estate, done: CopiedBack) -> Verified:
    return _after_copy(Sides(copy=estate.copy, source=estate.source), done)


def test_all_that_could_not_be_brought_back_is_named_and_what_was_written_since_is_not(estate: Estate) -> None:
    done = brought_back(estate)
    assert looked_at(estate, done).wrong == ()
    with estate.source.connect() as database:
        database.execute(f"INSERT INTO {ROOMS} (number, rent) VALUES ('N-2', 80)")
        database.execute("UPDATE letting.contracts SET tenant = 'moved' WHERE id = 2")
    since = looked_at(estate, done)
    assert since.wrong == ()
    assert "letting.contracts" in "".join(since.since)
    with estate.source.connect() as database:
        for name, statement in BROKEN.items():
            if "TRUNCATE" in statement or "DROP TABLE" in statement:
                continue
            database.execute(statement)
            assert any(name in line for line in looked_at(estate, done).wrong), name


@pytest.mark.parametrize("name", ["letting.contracts", "letting.log is absent"])
def test_a_table_that_is_gone_or_emptied_again_is_never_taken_for_written_to(estate: Estate, name: str) -> None:
    done = brought_back(estate)
    with estate.source.connect() as database:
        database.execute("SET foreign_key_checks = 0")
        database.execute(BROKEN[name])
    assert any(name in line for line in looked_at(estate, done).wrong)


def test_every_step_of_a_result_can_be_typed_as_it_is_written(estate: Estate) -> None:
    done = brought_back(estate)
    instances = (builders.instance(),)
    source, copy = builders.cluster(), builders.cluster(DBClusterIdentifier="prod-copy")
    pairing = Pairing(
        name=source.identifier, source=source, source_instances=instances, copy=copy, copy_instances=instances
    )
    damaged = prove(estate.copy, estate.source)

    def result(way: str, plan: Plan | None, done: Done | None, verified: Verified | None) -> Result:
        proposed = Proposed(wanted=Wanted(way=way), pairing=pairing, proof=damaged, plan=plan)
        return bring_back_result(proposed, done, verified)

    seen = looked_at(estate, done)
    copied = held_to_the_notebooks(result("copy", done.plan, done, seen))
    assert {"cluster": "staging-db", "way": "undo copy", "approve": ""} in copied
    assert {"only": "prod-copy"} in copied
    compared = held_to_the_notebooks(result("compare", None, None, None))
    assert compared == [{"cluster": "staging-db", "way": way} for way in ("copy", "cutover")]
    planned = held_to_the_notebooks(result("copy", done.plan, None, None))
    assert planned == [{"cluster": "staging-db", "way": "copy", "approve": done.plan.id}]
    undo = propose_undo(estate.source)
    undone = apply_undo(estate.source, undo, approve=undo.id)
    again = held_to_the_notebooks(result("undo copy", undo, undone, seen))
    assert again[0] == {"cluster": "staging-db", "way": "copy", "approve": ""}, (
        "after an undo it is not the undo once more"
    )


def test_what_an_apply_could_not_make_is_in_the_outcome(estate: Estate) -> None:
    done = brought_back(estate)
    found = looked_at(estate, replace(done, problems=("view letting.high: no such table",)))
    assert found.wrong == ("view letting.high: no such table",)
