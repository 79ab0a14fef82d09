"""The run whose changed logic wipes staging, and what the application writes into what is left of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from runbook_lib.rehearsal.story import staging
from runbook_lib.rehearsal.story.days import new_row
from runbook_lib.rehearsal.story.job import ERROR, changed_logic
from runbook_lib.rehearsal.story.kinds import moment_literal, text
from runbook_lib.rehearsal.story.nights import JOB, GlueRun, run_id
from runbook_lib.rehearsal.story.pen import Pen
from runbook_lib.rehearsal.story.sheets import Sheets


@dataclass(frozen=True, kw_only=True)
class WrittenRow:
    """One row the application wrote after the wipe: a bring-back must not lose it.

    `key` and `values` are SQL literals by column; `key` is empty for a table without a primary key. An update's
    `values` are those it changed.
    """

    moment: datetime
    schema: str
    table: str
    action: str  # "insert" or "update"
    key: Mapping[str, str]
    values: Mapping[str, str]


def failing_night(pen: Pen, sheets: Sheets, rng: Random, *, started_on: datetime) -> GlueRun:
    """Tell the failing run from its first DROP, in the pen's second, to the statement it breaks at."""
    for seconds, statement in changed_logic(sheets):
        if seconds:
            pen.after(seconds)
        pen.write(statement)
    return GlueRun(
        job=JOB,
        run_id=run_id(rng),
        started_on=started_on,
        completed_on=pen.moment + timedelta(seconds=7),
        state="FAILED",
        error=ERROR,
    )


def write_after(pen: Pen, sheets: Sheets, rng: Random) -> tuple[WrittenRow, ...]:
    """Write what the application writes from 5 to 22 minutes after the pen's second, and give it row by row.

    The application numbers its rows itself, so a new row's id is none of those that were lost.
    """
    began = pen.moment
    seconds = sorted(rng.sample(range(300, 1320), 14))
    written: list[WrittenRow] = []
    with pen.checked():
        for second, what in zip(seconds, rng.sample(_AFTERWARDS, len(_AFTERWARDS)), strict=True):
            pen.at(began + timedelta(seconds=second))
            row, statement = _insert(pen, sheets, what) if what != "apartments" else _change(pen, sheets, rng, written)
            pen.commit([statement])
            written.append(row)
    return tuple(written)


_AFTERWARDS = ("inquiries",) * 6 + ("access_logs",) * 4 + ("audit_logs",) * 2 + ("apartments",) * 2


def _insert(pen: Pen, sheets: Sheets, name: str) -> tuple[WrittenRow, str]:
    at = moment_literal(pen.moment)
    given = {"inquiries": {"asked_at": at, "state": text("new")}}.get(name, {"at": at})
    row, statement = new_row(sheets, name, pen.moment, given)
    sheet = sheets[name]
    values = {column.name: value for column, value in zip(sheet.table.columns, row, strict=True)}
    written_row = WrittenRow(
        moment=pen.moment, schema=staging.SCHEMA, table=name, action="insert", key=sheet.key_of(row), values=values
    )
    return written_row, statement


def _change(pen: Pen, sheets: Sheets, rng: Random, written: list[WrittenRow]) -> tuple[WrittenRow, str]:
    sheet = sheets["apartments"]
    taken = [row.key for row in written if row.action == "update"]
    row = rng.choice([row for row in sheet.rows if sheet.key_of(row) not in taken])
    values = {"house": text("シェアハウス新名称 ✨"), "updated_at": moment_literal(pen.moment)}
    written_row = WrittenRow(
        moment=pen.moment,
        schema=staging.SCHEMA,
        table="apartments",
        action="update",
        key=sheet.key_of(row),
        values=values,
    )
    return written_row, sheet.change(row, values)
