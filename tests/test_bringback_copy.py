"""Copy back: damaged tables replaced by the copy's in one swap, and everything around them as before."""

from __future__ import annotations

import pytest

from runbook_lib.bringback.copy import CopyChoices, apply_copy_back, apply_undo, propose_copy_back, propose_undo
from runbook_lib.errors import StepFailed
from runbook_lib.inventory import TableName
from runbook_lib.proof import prove
from tests.copying import NOW, ROOMS, Estate


def test_emptied_and_dropped_tables_come_back_with_all_that_hangs_on_them(estate: Estate) -> None:
    with estate.source.connect() as source:
        source.execute("SET foreign_key_checks = 0")
        source.execute(f"DELETE FROM {ROOMS}")
        source.execute("DROP DATABASE letting")
    proof = prove(estate.copy, estate.source)
    assert TableName(schema="house.hold", name="rooms") in proof.damaged
    plan = propose_copy_back(estate.copy, estate.source, proof=proof, now=NOW)
    assert propose_copy_back(estate.copy, estate.source, proof=proof, now=NOW.replace(hour=11)).id == plan.id
    done = apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    assert done.problems == ()
    assert prove(estate.copy, estate.source, schemas=("house.hold", "letting")).verdict == "same"
    with estate.source.connect() as source:
        # the foreign keys are between the new tables, the trigger fires, views and routines work, numbers go on
        with pytest.raises(StepFailed, match="1452"):
            source.execute("INSERT INTO letting.contracts (room_id) VALUES (99)")
        source.execute("INSERT INTO letting.contracts (room_id, tenant) VALUES (3, 'new')")
        newest = source.value("SELECT MAX(id) FROM letting.contracts")
        assert source.rows("SELECT said FROM letting.log WHERE n > 3") == [(f"契約 {newest}",)]
        source.execute("CALL letting.raise_rents()")
        assert source.rows("SELECT tenant, rent FROM letting.high WHERE tenant = 'new'") == [("new", 240)]
        source.execute(f"INSERT INTO {ROOMS} (number, rent) VALUES ('B', 1)")
        assert source.value(f"SELECT MAX(id) FROM {ROOMS}") == 50
        source.execute(f"DELETE FROM {ROOMS} WHERE id = 3")
        assert source.value("SELECT COUNT(*) FROM letting.contracts") == 2, "ON DELETE CASCADE still holds"
        assert source.value("SELECT COUNT(*) FROM information_schema.events WHERE event_schema = 'letting'") == 1
        assert source.value("SELECT COUNT(*) FROM `house.hold_damaged_20260205t093000z`.rooms") == 0


def test_an_undo_brings_the_old_state_back_and_keeps_what_was_brought(estate: Estate) -> None:
    with estate.source.connect() as source:
        source.execute("UPDATE letting.contracts SET tenant = 'wrong'")
    before = prove(estate.copy, estate.source)
    plan = propose_copy_back(estate.copy, estate.source, proof=before, now=NOW)
    apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    assert prove(estate.copy, estate.source, schemas=("house.hold", "letting")).verdict == "same"
    undo = propose_undo(estate.source)
    assert not apply_undo(estate.source, undo, approve="").done
    assert apply_undo(estate.source, undo, approve=undo.id).done
    after = prove(estate.copy, estate.source, schemas=("house.hold", "letting"))
    assert {t.pair.expected: (t.verdict, t.changed) for t in after.of("damaged")} == {
        t.pair.expected: (t.verdict, t.changed) for t in before.of("damaged")
    }
    with estate.source.connect() as source:
        source.execute("INSERT INTO letting.contracts (room_id) VALUES (1)")
        assert source.value("SELECT COUNT(*) FROM letting.log") == 4, "the trigger is back on the old table"
        assert source.value("SELECT COUNT(*) FROM `letting_undone_20260205t093000z`.contracts") == 3


def test_without_an_approval_nothing_is_done(estate: Estate) -> None:
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=CopyChoices(tables=("letting",)), now=NOW)
    assert not apply_copy_back(estate.copy, estate.source, plan, approve="").done
    with estate.source.connect() as source:
        assert not source.rows("SHOW DATABASES LIKE '%copyback%'")
