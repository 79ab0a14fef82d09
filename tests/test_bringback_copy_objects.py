"""Views, routines and events: what was dropped comes back, what was changed by choice; an undo leaves all as it was."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from runbook_lib.bringback.copy import (
    CopiedBack,
    CopyBackPlan,
    CopyChoices,
    apply_copy_back,
    apply_undo,
    propose_copy_back,
    propose_undo,
    propose_with_checks,
    verify_copied,
)
from runbook_lib.bringback.copy.undo import undo_statements
from runbook_lib.errors import CheckFailed, RunbookError
from runbook_lib.mysql import Credentials, connect
from runbook_lib.proof import Side, prove
from runbook_lib.swap.objects import read_objects
from tests.copying import NOW, ROOMS, Estate
from tests.test_bringback_copy_killed import run_apart

CHANGED = (
    "CREATE OR REPLACE VIEW letting.high AS SELECT tenant FROM letting.contracts",
    "DROP FUNCTION letting.twice",
    "CREATE FUNCTION letting.twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 3",
    "GRANT EXECUTE ON FUNCTION letting.twice TO clerk",
    "ALTER EVENT letting.nightly DISABLE",
    "DROP PROCEDURE letting.raise_rents",
)


def run(side: Side, *statements: str) -> None:
    with side.connect() as database:
        for statement in statements:
            database.execute(statement)


def planned(estate: Estate, **choices: Any) -> CopyBackPlan:
    proof = prove(estate.copy, estate.source)
    return propose_copy_back(estate.copy, estate.source, proof=proof, choices=CopyChoices(**choices), now=NOW)


def bring_back(estate: Estate, **choices: Any) -> CopiedBack:
    plan = planned(estate, **choices)
    done = apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    assert done.problems == ()
    verified = verify_copied(estate.copy, estate.source, done)
    assert verified is not None
    assert verified.lacking == ()
    return done


def made(side: Side) -> dict[str, str]:
    """Return every object of the schema by its name."""
    with side.connect() as database:
        objects = read_objects(database, ["letting"])
        # an event begins in the second it was made in, which is not one for both sides
        return {one.title: re.sub(r"STARTS '[^']*' ", "", one.meaning or one.statement) for one in objects}


def clerk(estate: Estate) -> Side:
    """Return the source as the clerk sees it, who may read contracts and call one function."""
    endpoint = estate.plane.endpoint("found")
    return Side(name="clerk", connect=partial(connect, endpoint, Credentials(user="clerk", password="w")))


def undo(estate: Estate) -> None:
    plan = propose_undo(estate.source)
    undone = apply_undo(estate.source, plan, approve=plan.id, restored=estate.copy)
    assert undone.problems == ()


def test_what_was_dropped_comes_back_though_no_table_is_damaged_and_can_be_undone(estate: Estate) -> None:
    whole = made(estate.source)
    run(estate.source, "DROP VIEW letting.rents", "DROP FUNCTION letting.twice", "DROP EVENT letting.nightly")
    had = made(estate.source)
    done = bring_back(estate)
    assert done.plan.tables == ()
    assert made(estate.source) == whole
    with clerk(estate).connect() as source:
        assert source.value("SELECT letting.twice(4)") == 8, "the right to call it is given again"
    undo(estate)
    assert made(estate.source) == had


def test_what_was_changed_is_left_and_named_unless_the_copys_is_chosen(estate: Estate) -> None:
    whole = made(estate.source)
    run(estate.source, *CHANGED, "SET foreign_key_checks = 0", f"DELETE FROM {ROOMS}")
    had = made(estate.source)
    notes = "\n".join(planned(estate).notes)
    for title in ("view letting.high", "function letting.twice", "event letting.nightly"):
        assert f"{title} was changed since and is left so" in notes
    plan = planned(estate, definitions="copy")
    assert any("RETURN n * 3" in text for text in undo_statements(plan)), "the present one is in the record before"
    done = bring_back(estate, definitions="copy")
    assert made(estate.source) == whole
    with clerk(estate).connect() as source:
        assert source.value("SELECT letting.twice(4)") == 8
    with estate.source.connect() as source:
        source.execute("CALL letting.raise_rents()")
        assert source.rows("SELECT rent FROM letting.high ORDER BY rent") == [(180,), (220,), (240,)]
    assert {one.becomes.name for one in done.plan.replaced} == {"high", "twice", "nightly"}
    undo(estate)
    assert made(estate.source) == had
    with clerk(estate).connect() as source:
        assert source.value("SELECT letting.twice(4)") == 12


def test_a_view_of_a_table_that_an_undo_takes_away_is_put_back_all_the_same(estate: Estate) -> None:
    run(
        estate.source,
        "CREATE OR REPLACE VIEW letting.high AS SELECT number FROM `house.hold`.rooms",
        "SET foreign_key_checks = 0",
        f"DROP TABLE {ROOMS}",
    )
    had = made(estate.source)
    bring_back(estate, definitions="copy")
    undo(estate)
    assert made(estate.source) == had


def test_a_view_of_a_schema_that_is_gone_stops_nobody(estate: Estate) -> None:
    """It should be left where it is the same, and be put back by a second plan where it is not."""
    run(
        estate.source,
        "CREATE OR REPLACE VIEW letting.high (nr) AS SELECT number FROM `house.hold`.rooms",
        "SET foreign_key_checks = 0",
        "DROP DATABASE `house.hold`",
    )
    done = bring_back(estate, definitions="copy")
    again = planned(estate, definitions="copy")
    if estate.plane.engine.is_mariadb:
        assert [one.becomes.title for one in done.plan.replaced] == ["view letting.high"]
        assert again.replaced == ()
    else:
        assert any("view letting.high was changed since" in note and "plan again" in note for note in done.plan.notes)
        assert [one.becomes.title for one in again.replaced] == ["view letting.high"]


def test_tables_bring_the_views_that_read_them_and_what_those_need_and_no_other(estate: Estate) -> None:
    estate.make(
        "CREATE VIEW letting.doubled AS SELECT letting.twice(rent) AS twice_as_much FROM letting.rents",
        "CREATE VIEW letting.other AS SELECT n FROM letting.log",
    )
    run(
        estate.source,
        *(f"DROP VIEW letting.{name}" for name in ("doubled", "high", "rents", "other")),
        "DROP FUNCTION letting.twice",
        "DROP PROCEDURE letting.raise_rents",
        "DELETE FROM letting.contracts",
    )
    plan = planned(estate, tables=("letting.contracts",))
    assert {one.name for one in plan.objects} == {"doubled", "high", "rents", "twice"}
    notes = "\n".join(plan.notes)
    assert "procedure letting.raise_rents is lost too and is not brought back" in notes
    assert "view letting.other is lost too and is not brought back" in notes
    bring_back(estate, tables=("letting.contracts",))
    with estate.source.connect() as source:
        assert source.value("SELECT MAX(twice_as_much) FROM letting.doubled") == 240
    whole = planned(estate, tables=("letting",))
    assert {one.name for one in whole.objects} == {"other", "raise_rents"}, "a schema brings all of its own"


def test_a_definer_who_has_no_account_any_more_is_said_and_kept(estate: Estate) -> None:
    run(estate.copy, "CREATE DEFINER = clerk@'%' VIEW letting.of_clerk AS SELECT 1 AS one")
    run(estate.source, "DROP USER clerk")
    plan, checks = propose_with_checks(estate.copy, estate.source, proof=prove(estate.copy, estate.source), now=NOW)
    said = next(check for check in checks if check.subject == "definers")
    assert said.state == "warn"
    assert "view letting.of_clerk ('clerk'@'%')" in said.sentence
    assert any("the account 'clerk'@'%' does not exist any more" in note for note in plan.notes)
    assert plan.grants == (), "and no account is made by a GRANT"
    apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    assert "clerk" in made(estate.source)["view letting.of_clerk"]


def test_a_right_that_was_taken_away_is_not_given_again(estate: Estate) -> None:
    run(estate.source, "REVOKE INSERT ON letting.contracts FROM clerk", "DELETE FROM letting.contracts")
    plan = bring_back(estate).plan
    assert any("was taken away since" in note and "GRANT INSERT" in note for note in plan.notes)
    with clerk(estate).connect() as source, pytest.raises(RunbookError, match="INSERT command denied"):
        source.execute("INSERT INTO letting.contracts (room_id) VALUES (1)")


def test_a_right_that_lacks_is_one_sentence_before_anything_is_changed(estate: Estate) -> None:
    run(
        estate.source,
        "DROP VIEW letting.rents",
        "DROP FUNCTION letting.twice",
        "DROP USER IF EXISTS limited",
        "CREATE USER limited IDENTIFIED BY 'w'",
        "GRANT SELECT, SHOW VIEW, CREATE, DROP, ALTER, INSERT, UPDATE, DELETE, INDEX, REFERENCES, LOCK TABLES, TRIGGER,"
        " EVENT, ALTER ROUTINE, SHOW DATABASES ON *.* TO limited",
    )
    with estate.source.connect() as source:
        if not source.is_mariadb:
            source.execute("GRANT SHOW_ROUTINE ON *.* TO limited")
    try:
        login = Credentials(user="limited", password="w")
        limited = Side(name="source", connect=partial(connect, estate.plane.endpoint("found"), login))
        plan = replace(planned(estate), damaged="source")
        with pytest.raises(CheckFailed, match="The account may not CREATE VIEW, CREATE ROUTINE"):
            apply_copy_back(estate.copy, limited, plan, approve=plan.id)
        with estate.source.connect() as source:
            assert not source.rows("SHOW DATABASES LIKE '%copyback%'")
    finally:
        run(estate.source, "DROP USER limited")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "undoing"), [("CREATE DEFINER=`admin`@`%` FUNCTION", False), ("SQL SECURITY DEFINER VIEW", True)]
)
def test_killed_while_definitions_change_places_a_second_run_finishes(
    estate: Estate, words: str, undoing: bool
) -> None:
    whole = made(estate.source)
    run(estate.source, *CHANGED, "SET foreign_key_checks = 0", f"DELETE FROM {ROOMS}")
    had = made(estate.source)
    if not undoing and estate.plane.engine.is_mariadb:
        words = words.replace("CREATE ", "CREATE OR REPLACE ")
    if not undoing:
        assert run_apart(estate, words) == -9
    assert run_apart(estate) == 0
    assert made(estate.source) == whole
    assert run_apart(estate, words if undoing else "", undo=True) == (-9 if undoing else 0)
    if undoing:
        assert run_apart(estate, undo=True) == 0
    assert made(estate.source) == had
