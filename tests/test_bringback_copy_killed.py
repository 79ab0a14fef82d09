"""Copy back killed at any moment: the old state or the new one, and a second run finishes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from runbook_lib.bringback.copy import CopyChoices, apply_copy_back, propose_copy_back
from runbook_lib.bringback.copy.apply import Watch
from runbook_lib.errors import ApprovalRefused, CheckFailed
from runbook_lib.proof import prove
from tests.copying import NOW, ROOMS, Estate
from tests.matrix import thorough

pytestmark = pytest.mark.both_at_release

TABLES = ("house.hold", "letting")
# Statement before which the process is killed, and how many such statements it lives through.
MOMENTS = [
    thorough("CREATE DATABASE", 0),
    thorough("REPLACE INTO", 1),
    thorough("CREATE TABLE `letting_copyback", 1),
    thorough("ADD CONSTRAINT", 0),
    thorough("CREATE DATABASE IF NOT EXISTS `letting_damaged", 0),
    thorough("LOCK TABLES", 0),
    thorough("INSERT INTO `house.hold_copyback", 0),
    thorough("COMMIT", 0),
    thorough("DROP TRIGGER IF EXISTS `letting`", 0),
    ("RENAME TABLE", 0),
    thorough("TRIGGER", 3),
    thorough("DROP DATABASE IF EXISTS", 0),
    thorough("REPLACE INTO", 6),
]


def run_apart(
    estate: Estate, words: str = "", times: int = 0, *, undo: bool = False, tables: tuple[str, ...] = TABLES
) -> int:
    """Run a copy back of everything in a process of its own; give its exit status (-9: killed)."""
    told = {
        "copy": asdict(estate.plane.endpoint("expected")),
        "source": asdict(estate.plane.endpoint("found")),
        "master": asdict(estate.master),
        "tables": tables,
        "now": NOW.isoformat(),
        "words": words,
        "times": times,
        "undo": undo,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.copying_apart"], input=json.dumps(told), text=True, capture_output=True
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode


def damage(estate: Estate) -> None:
    """Wipe the rooms, change contracts, and let the application write a room since."""
    with estate.source.connect() as source:
        source.execute("SET foreign_key_checks = 0")
        source.execute(f"DELETE FROM {ROOMS}")
        source.execute(f"INSERT INTO {ROOMS} VALUES (70, 'N-1', 200, NULL, '2026-02-05')")
        source.execute("UPDATE letting.contracts SET tenant = 'wrong'")


def state_of(estate: Estate) -> str:
    """Tell whether the tables are the old ones or the new ones: all of one kind, or neither."""
    with estate.source.connect() as source:
        count = source.value(f"SELECT COUNT(*) FROM {ROOMS}")
        wrong = source.value("SELECT COUNT(*) FROM letting.contracts WHERE tenant = 'wrong'")
    return {(1, 3): "old", (4, 0): "new"}.get((count, wrong), f"between: {count} rooms, {wrong} wrong")


def trigger_fires(estate: Estate) -> bool:
    with estate.source.connect() as source:
        before = source.value("SELECT COUNT(*) FROM letting.log")
        source.execute("INSERT INTO letting.contracts (id, room_id) VALUES (500, 70)")
        source.execute("DELETE FROM letting.contracts WHERE id = 500")
        return bool(source.value("SELECT COUNT(*) FROM letting.log") == before + 1)


@pytest.mark.parametrize(("words", "times"), MOMENTS)
def test_killed_at_any_statement_it_is_old_or_new_and_a_second_run_finishes(
    estate: Estate, words: str, times: int
) -> None:
    damage(estate)
    killed = run_apart(estate, words, times)
    assert state_of(estate) in ("old", "new")
    assert killed == -9, "the statement was never reached"
    assert run_apart(estate) == 0
    assert state_of(estate) == "new"
    assert trigger_fires(estate)
    proof = prove(estate.copy, estate.source, schemas=TABLES)
    assert not any(table.missing or table.changed for table in proof.tables)
    with estate.source.connect() as source:
        left = [name for (name,) in source.rows("SHOW DATABASES") if "_copyback_" in name]
        assert all(name.startswith("runbook_copyback_") for name in left), "the staging schemas are gone"


@pytest.mark.parametrize(
    ("words", "times"),
    [thorough("DROP TRIGGER", 0), thorough("RENAME TABLE", 0), ("TRIGGER", 1), thorough("undone", 0)],
)
def test_an_undo_that_is_killed_is_finished_by_a_second_run(estate: Estate, words: str, times: int) -> None:
    damage(estate)
    assert run_apart(estate) == 0
    assert run_apart(estate, words, times, undo=True) == -9
    assert state_of(estate) in ("old", "new")
    assert run_apart(estate, undo=True) == 0
    assert state_of(estate) == "old"
    assert trigger_fires(estate)


def test_another_id_or_a_changed_source_is_refused(estate: Estate) -> None:
    damage(estate)
    choices = CopyChoices(tables=TABLES)
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=choices, now=NOW)
    with pytest.raises(ApprovalRefused, match="is not the id of this plan"):
        apply_copy_back(estate.copy, estate.source, plan, approve="0123456789ab")
    with estate.source.connect() as source:
        source.execute("ALTER TABLE letting.log ADD COLUMN extra INT")
        source.execute("ALTER TABLE letting.contracts ADD COLUMN extra INT")
    with pytest.raises(ApprovalRefused, match="changed since the plan was made"):
        apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    assert state_of(estate) == "old"


def test_a_copy_that_somebody_changes_meanwhile_is_not_swapped_in(estate: Estate) -> None:
    damage(estate)
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=CopyChoices(tables=TABLES), now=NOW)

    def spoil(phase: str) -> None:
        if phase == "prove what was copied":
            with estate.source.connect() as source:
                source.execute(f"UPDATE {plan.tables[0].staging.sql} SET rent = rent + 1 LIMIT 1")

    with pytest.raises(CheckFailed, match=r"house\.hold\.rooms is not what the copy holds"):
        apply_copy_back(estate.copy, estate.source, plan, approve=plan.id, watch=Watch(step=spoil))
    assert state_of(estate) == "old"
