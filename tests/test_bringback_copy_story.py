"""The whole story copied back: proved, brought back with what was written since, proved, undone, proved again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import pytest

from runbook_lib.bringback.copy import (
    CopyChoices,
    apply_copy_back,
    apply_undo,
    propose_copy_back,
    propose_undo,
    verify_copied,
    verify_undone,
)
from runbook_lib.display.bringback_copy import copied_sheet, copy_plan_sheet, copy_undo_sheet
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Side, prove
from runbook_lib.rehearsal.story.proof import EstateProof, differences, take_proof
from runbook_lib.swap.names import is_ours
from tests.copying import NOW
from tests.storytelling import ToldStory

# It restores the whole story once more; test_bringback_story shows the same by the notebook.
pytestmark = [pytest.mark.thorough, pytest.mark.both_at_release]

WRITTEN = {"staging.inquiries", "staging.access_logs", "staging.audit_logs", "staging.apartments"}


@pytest.fixture
def sides(told_story: ToldStory) -> Iterator[tuple[Side, Side]]:
    """Return the copy restored to before the wipe, and a clone of the wiped source that may be written to."""
    plane = told_story.plane
    restored = told_story.restored("before-the-wipe")
    plane.clone("wiped", source_id=told_story.source)
    yield (
        Side(name="restored copy", connect=partial(plane.admin, restored)),
        Side(name="wiped source", connect=partial(plane.admin, "wiped")),
    )
    plane.delete("wiped", keep_backup=False)


def without_ours(proof: EstateProof) -> EstateProof:
    """Leave out what a copy back made for itself, and words of a definition that say what holds anyhow.

    MySQL writes the character set of a column once its collation has been named, as a dump of its own does.
    """
    return EstateProof(
        schemas={
            name: replace(
                one,
                tables={
                    key: replace(table, definition=table.definition.replace("CHARACTER SET utf8mb4 ", ""))
                    for key, table in one.tables.items()
                },
            )
            for name, one in proof.schemas.items()
            if not is_ours(name)
        }
    )


def is_there(database: Database, schema: str, table: str, values: Mapping[str, str]) -> bool:
    plain = {name: value for name, value in values.items() if not value.startswith("'{")}  # a JSON equals no text
    same = " AND ".join(f"{quoted(name)} <=> {value}" for name, value in plain.items())
    return bool(database.value(f"SELECT COUNT(*) FROM {quoted(schema, table)} WHERE {same}"))


def test_the_wiped_schema_comes_back_with_what_was_written_since_and_goes_again_on_undo(
    told_story: ToldStory, sides: tuple[Side, Side]
) -> None:
    copy, source = sides
    before = prove(copy, source)
    assert len(before.damaged) > 40
    with source.connect() as database:
        wiped = take_proof(database)
    choices = CopyChoices(
        rows="keep new",
        rules={"staging.apartments": "newer wins"},
        newer_by={"staging.apartments": "updated_at"},
        conflicts="copy",
    )
    plan = propose_copy_back(copy, source, proof=before, choices=choices, now=NOW)
    assert plan.id in str(copy_plan_sheet(plan))
    done = apply_copy_back(copy, source, plan, approve=plan.id)
    verified = verify_copied(copy, source, done)
    assert verified is not None
    assert verified.wrong == ()
    assert verified.holds, verified.lacking
    assert done.problems == ()
    with source.connect() as database:
        for row in told_story.story.written_after:
            key = row.key or row.values
            assert is_there(database, row.schema, row.table, {**key, **row.values}), f"{row.table} {row.key}"
        found = without_ours(take_proof(database))
    # the story's own proof, which shares no code with ours: nothing differs but where the application wrote
    lines = differences(without_ours(told_story.story.proofs[told_story.story.restore_point]), found)
    assert {line.split(":")[0] for line in lines} <= WRITTEN, lines
    undo = propose_undo(source)
    undone = apply_undo(source, undo, approve=undo.id)
    again = verify_undone(copy, source, undone, before=before)
    assert again is not None
    assert again.holds, (again.wrong, again.lacking)
    with source.connect() as database:
        left = differences(without_ours(wiped), without_ours(take_proof(database)))
    assert left == ()
    shown = [copied_sheet(done), copy_undo_sheet(undo, undone=undone)]
    assert all(len(sheet.html()) > 100 for sheet in shown)
