"""Foreign keys of damaged tables whose parent was dropped: off the table brought back, and as before after an undo."""

from __future__ import annotations

import pytest

from runbook_lib.bringback.copy import (
    CopyBackPlan,
    CopyChoices,
    apply_copy_back,
    apply_undo,
    propose_copy_back,
    propose_undo,
    verify_undone,
)
from runbook_lib.errors import StepFailed
from runbook_lib.proof import prove
from runbook_lib.swap.foreign_keys import still_tied
from tests.copying import NOW, ROOMS, Estate
from tests.matrix import thorough
from tests.test_bringback_copy_killed import TABLES, run_apart

pytestmark = pytest.mark.both_at_release

DATED = "letting_damaged_20260205t093000z"


def lose_the_parent(estate: Estate) -> list[str]:
    """Drop the rooms, whose contracts stay, and give the definitions that the tables have then."""
    estate.make(
        "CREATE TABLE letting.keys_given (tenant VARCHAR(40) COLLATE utf8mb4_bin, room VARCHAR(20), id INT PRIMARY KEY,"
        " CONSTRAINT of_room FOREIGN KEY (id) REFERENCES `house.hold`.rooms (id),"
        " CONSTRAINT within FOREIGN KEY (id) REFERENCES letting.contracts (id))"
    )
    with estate.source.connect() as source:
        source.execute("SET foreign_key_checks = 0")
        source.execute(f"DROP TABLE {ROOMS}")
        source.execute("UPDATE letting.contracts SET tenant = 'wrong'")
        return definitions(estate)


def definitions(estate: Estate) -> list[str]:
    with estate.source.connect() as source:
        return [source.rows(f"SHOW CREATE TABLE letting.{name}")[0][1] for name in ("contracts", "keys_given", "log")]


def bring_back(estate: Estate) -> CopyBackPlan:
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=CopyChoices(tables=TABLES), now=NOW)
    return apply_copy_back(estate.copy, estate.source, plan, approve=plan.id).plan


def test_rows_set_aside_do_not_count_for_a_parent_that_was_brought_back(estate: Estate) -> None:
    lose_the_parent(estate)
    bring_back(estate)
    with estate.source.connect() as source:
        source.execute(f"DELETE FROM {ROOMS} WHERE id = 3")
        assert source.value("SELECT COUNT(*) FROM letting.contracts") == 2, "the key of the new tables cascades"
        assert source.value(f"SELECT COUNT(*) FROM {DATED}.contracts") == 3, "the damaged rows are untouched"
        with pytest.raises(StepFailed, match="1452"):
            source.execute("INSERT INTO letting.keys_given (id) VALUES (99)")


def test_after_an_undo_a_key_without_a_parent_is_as_before(estate: Estate) -> None:
    """It should be defined as before, refuse rows as before, and follow no table into the schema of the undo."""
    had = lose_the_parent(estate)
    before = prove(estate.copy, estate.source)
    bring_back(estate)
    undo = propose_undo(estate.source)
    undone = apply_undo(estate.source, undo, approve=undo.id)
    assert definitions(estate) == had
    verified = verify_undone(estate.copy, estate.source, undone, before=before)
    assert verified is not None
    assert verified.holds, (verified.wrong, verified.lacking)
    with estate.source.connect() as source:
        with pytest.raises(StepFailed, match="1452"):
            source.execute("INSERT INTO letting.contracts (room_id) VALUES (1)")
        assert not source.rows("SHOW DATABASES LIKE '%damaged%'"), "nothing is left in the dated schemas"
        assert still_tied(source, undo.undoes.stand_ins) == ()
        source.execute("ALTER TABLE letting.contracts DROP FOREIGN KEY fk_1")
        assert still_tied(source, undo.undoes.stand_ins) == ("foreign key fk_1 of letting.contracts",)


def test_the_statements_of_the_record_undo_it_without_us(estate: Estate) -> None:
    """It should be enough to type what the record held before the swap."""
    had = lose_the_parent(estate)
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=CopyChoices(tables=TABLES), now=NOW)
    done = apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    with estate.source.connect() as source:
        for statement in done.undo:
            source.execute(statement)
        assert source.value("SELECT COUNT(*) FROM letting.contracts WHERE tenant = 'wrong'") == 3
    assert definitions(estate) == had


def test_a_child_that_does_not_fit_the_parent_any_more_does_not_stop_the_swap(estate: Estate) -> None:
    lose_the_parent(estate)
    with estate.source.connect() as source:
        for statement in (
            "SET foreign_key_checks = 0",
            "ALTER TABLE letting.contracts DROP FOREIGN KEY fk_1",
            "ALTER TABLE letting.contracts MODIFY room_id BIGINT NOT NULL",
            f"ALTER TABLE letting.contracts ADD CONSTRAINT fk_1 FOREIGN KEY (room_id) REFERENCES {ROOMS} (id)",
        ):
            source.execute(statement)
        source.execute("ALTER TABLE letting.keys_given DROP FOREIGN KEY of_room")
    had = definitions(estate)
    bring_back(estate)
    with estate.source.connect() as source:
        assert source.value(f"SELECT COUNT(*) FROM {ROOMS}") == 3
    undo = propose_undo(estate.source)
    apply_undo(estate.source, undo, approve=undo.id)
    assert definitions(estate) == had


@pytest.mark.parametrize(
    ("words", "times"),
    [("RENAME TABLE", 0), thorough("CREATE TABLE `runbook_copyback", 0), thorough("DROP TRIGGER IF EXISTS", 0)],
)
@pytest.mark.thorough
def test_killed_around_the_swap_the_keys_are_those_of_before_or_of_the_copy(
    estate: Estate, words: str, times: int
) -> None:
    had = lose_the_parent(estate)
    assert run_apart(estate, words, times) == -9
    assert definitions(estate) == had
    with estate.source.connect() as source:
        assert not source.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'house.hold'")
    assert run_apart(estate) == 0
    assert prove(estate.copy, estate.source, schemas=("house.hold",)).verdict == "same"
    assert run_apart(estate, undo=True) == 0
    assert definitions(estate) == had


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "times"), [("ADD CONSTRAINT", 1), ("DROP FOREIGN KEY", 0), ("DROP TABLE IF EXISTS", 0)]
)
def test_killed_in_an_undo_a_second_run_makes_the_keys_as_before(estate: Estate, words: str, times: int) -> None:
    had = lose_the_parent(estate)
    assert run_apart(estate) == 0
    assert run_apart(estate, words, times, undo=True) == -9
    with estate.source.connect() as source:
        assert source.value("SELECT COUNT(*) FROM letting.contracts WHERE tenant = 'wrong'") == 3, "the old tables"
    assert run_apart(estate, undo=True) == 0
    assert definitions(estate) == had
