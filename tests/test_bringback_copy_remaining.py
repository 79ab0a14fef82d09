"""Rows that only a dated schema holds after a copy back or its undo: counted, and shown by a statement."""

from __future__ import annotations

from typing import Any

import pytest

from runbook_lib.bringback.copy import (
    CopiedBack,
    CopyChoices,
    CopyUndone,
    apply_copy_back,
    apply_undo,
    propose_copy_back,
    propose_undo,
)
from runbook_lib.bringback.copy.remaining import Remaining
from runbook_lib.display.bringback_copy import copied_sheet, copy_undo_sheet
from tests.copying import NOW, ROOMS, Estate
from tests.test_bringback_copy_rows import wiped

ODD = "letting.`odd ``name. 日本`"


def bring_back(estate: Estate, **choices: Any) -> CopiedBack:
    chosen = CopyChoices(**{"tables": ("house.hold", "letting"), **choices})
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=chosen, now=NOW)
    return apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)


def undo(estate: Estate, *, with_copy: bool = True) -> CopyUndone:
    plan = propose_undo(estate.source)
    return apply_undo(estate.source, plan, approve=plan.id, restored=estate.copy if with_copy else None)


def shown(estate: Estate, left: tuple[Remaining, ...]) -> dict[str, tuple[int | None, bool, list[Any]]]:
    """Return for each table the count, whether it is exact, and the first values of what the statement shows."""
    with estate.source.connect() as source:
        return {one.table: (one.rows, one.exact, sorted(row[0] for row in source.rows(one.statement))) for one in left}


def test_what_was_written_since_the_restored_second_is_listed_where_it_is_replaced(estate: Estate) -> None:
    wiped(estate)
    done = bring_back(estate)
    assert "house.hold_damaged_20260205t093000z.rooms" in str(copied_sheet(done))
    assert shown(estate, done.left) == {
        "house.hold.rooms": (2, True, [1, 70]),
        "letting.contracts": (1, True, [9]),
        "letting.log": (1, True, [4]),
        "letting.odd `name. 日本": (2, True, ["new", "é"]),
    }
    plan = propose_copy_back(
        estate.copy, estate.source, proof=None, choices=CopyChoices(tables=("letting",)), now=NOW.replace(hour=12)
    )
    assert apply_copy_back(estate.copy, estate.source, plan, approve=plan.id).left == (), "nothing was written since"


def test_where_rows_are_kept_only_those_that_gave_way_are_left(estate: Estate) -> None:
    wiped(estate)
    done = bring_back(estate, rows="keep new", conflicts="copy")
    assert shown(estate, done.left) == {"house.hold.rooms": (1, True, [1])}


@pytest.mark.parametrize("rows", ["replace", "keep new"])
def test_rows_written_after_the_swap_outlive_an_undo_and_are_named(estate: Estate, rows: str) -> None:
    """It should tell them from what the copy brought and from rows that were kept, however they were written."""
    wiped(estate)
    bring_back(estate, rows=rows, conflicts="copy" if rows == "keep new" else "")
    with estate.source.connect() as source:
        source.execute(f"INSERT INTO {ROOMS} VALUES (80, 'after', 1, NULL, NULL)")
        source.execute(f"UPDATE {ROOMS} SET rent = 7 WHERE id = 2")
        source.execute("INSERT INTO letting.contracts (id, room_id, tenant) VALUES (12, 80, 'after')")
        source.execute(f"INSERT INTO {ODD} VALUES ('aft', 'er')")
    undone = undo(estate)
    assert "Rows written since the swap" in str(copy_undo_sheet(undone.plan, undone=undone))
    found = shown(estate, undone.left)
    assert found["house.hold.rooms"] == (2, True, [2, 80])
    assert found["letting.contracts"] == (1, True, [12])
    assert found["letting.log"][:2] == (1, True), "what its trigger wrote"
    rows_left, exact, values = found["letting.odd `name. 日本"]
    assert (rows_left, exact) == (1, False), "without a key the rows are counted, and shown among others"
    assert "aft" in [value for value in values if value]
    with estate.source.connect() as source:
        assert source.value("SELECT rent FROM `house.hold_undone_20260205t093000z`.rooms WHERE id = 80") == 1
        assert source.value(f"SELECT COUNT(*) FROM {ROOMS} WHERE id = 80") == 0


def test_nothing_written_after_the_swap_is_nothing_left(estate: Estate) -> None:
    wiped(estate)
    bring_back(estate, rows="keep new", conflicts="copy")
    assert undo(estate).left == ()


def test_without_the_copy_the_rows_are_listed_with_those_it_brought(estate: Estate) -> None:
    wiped(estate)
    bring_back(estate)
    with estate.source.connect() as source:
        source.execute(f"INSERT INTO {ROOMS} VALUES (80, 'after', 1, NULL, NULL)")
    found = {one.table: one for one in undo(estate, with_copy=False).left}["house.hold.rooms"]
    assert (found.rows, found.exact) == (4, False)


def test_a_tied_table_that_kept_its_own_rows_lists_what_was_written_to_it_since(estate: Estate) -> None:
    wiped(estate)
    bring_back(estate, tables=("house.hold",), rows="keep new", conflicts="copy")
    with estate.source.connect() as source:
        source.execute("INSERT INTO letting.contracts (id, room_id, tenant) VALUES (12, 1, 'after')")
        source.execute("UPDATE letting.contracts SET tenant = 'changed' WHERE id = 1")
    assert shown(estate, undo(estate).left)["letting.contracts"] == (2, True, [1, 12])
