"""The nightly Glue run when it goes well: the vendor's dump into staging, then the derived schemas.

A whole reload of 81 tables a night would make the binary log of a rehearsal needlessly long, so a night reloads a
quarter of the tables and those that matter most, and applies the vendor's changes to the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from runbook_lib.mysql import quoted
from runbook_lib.rehearsal.story import staging
from runbook_lib.rehearsal.story.estate import build_silver, refresh_test_results
from runbook_lib.rehearsal.story.kinds import Draw
from runbook_lib.rehearsal.story.pen import Pen
from runbook_lib.rehearsal.story.sheets import Sheet, Sheets, grow

JOB = "daily_etl"

_EVERY_NIGHT = ("apartments", "inquiries", "rooms")
_GROWTH = {
    "access_logs": 60, "audit_logs": 40, "cleaning_results": 8, "electricity_readings": 20, "email_deliveries": 25,
    "invoice_lines": 24, "invoices": 10, "payments": 18, "repairs": 3, "sensor_readings": 30, "staff_shifts": 10,
    "water_readings": 12, "webhook_deliveries": 6,
}  # fmt: skip
_TOUCHED = ("invoices", "payments", "repairs", "keys", "room_locks", "staff", "surveys", "vendors")


@dataclass(frozen=True, kw_only=True)
class GlueRun:
    """One run of the job as Glue's GetJobRuns describes it. Times are aware UTC; `error` is empty unless it FAILED."""

    job: str
    run_id: str
    started_on: datetime
    completed_on: datetime
    state: str
    error: str = ""


def run_id(rng: Random) -> str:
    """Draw an id as Glue gives them."""
    return f"jr_{rng.randbytes(32).hex()}"


@dataclass(frozen=True, kw_only=True)
class Night:
    """One good night, by its number from 1.

    `inside` is called in the midst of the load: `inquiries` is dropped and half filled again, what comes after it in
    the dump is still as it was. Two seconds around the pen's next one are free of events then.
    """

    number: int
    started_on: datetime
    inside: Callable[[], None]


def good_night(pen: Pen, sheets: Sheets, rng: Random, *, night: Night) -> GlueRun:
    """Write one good run, begun when the night says."""
    pen.at(night.started_on + timedelta(seconds=rng.randint(61, 95)))  # the workers start, the dump is fetched
    pen.write("CREATE DATABASE IF NOT EXISTS `basis` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    for place, table in enumerate(staging.TABLES):
        if table.name == staging.OWN_TABLE:
            continue
        sheet = sheets[table.name]
        reloaded = table.name in _EVERY_NIGHT or place % 4 == night.number % 4
        added = grow(sheets, table.name, _GROWTH.get(table.name, 0), moment=pen.moment)
        changes = _vendor_changes(sheet, rng, pen.moment)
        if reloaded:
            reload(pen, sheet, night.inside if table.name == "inquiries" else None)
        elif added or changes:
            pen.after(1)
            pen.commit([*([table.insert(staging.SCHEMA, added)] if added else []), *changes])
    pen.after(4)
    build_silver(pen, "silver")
    refresh_test_results(pen, rng)
    return GlueRun(
        job=JOB,
        run_id=run_id(rng),
        started_on=night.started_on,
        completed_on=pen.moment + timedelta(seconds=9),
        state="SUCCEEDED",
    )


def reload(pen: Pen, sheet: Sheet, inside: Callable[[], None] | None = None) -> None:
    """Drop a table and fill it with what the vendor has; `inside` is called in the midst of it."""
    pen.after(1)
    name, batches = sheet.table.name, sheet.batches()
    pen.write(f"DROP TABLE IF EXISTS {quoted(staging.SCHEMA, name)}", sheet.table.create(staging.SCHEMA))
    for number, batch in enumerate(batches):
        pen.after(1)
        pen.write(sheet.table.insert(staging.SCHEMA, batch))
        if inside and number == len(batches) // 2:
            inside()
    if name == "movings":
        pen.write(staging.MOVING_TRIGGER)


def _vendor_changes(sheet: Sheet, rng: Random, moment: datetime) -> list[str]:
    if sheet.table.name not in _TOUCHED:
        return []
    changes = []
    for row in rng.sample(sheet.rows, rng.randint(1, 5)):
        column = rng.choice([column for column in sheet.table.columns if column.make is not None])
        assert column.make is not None
        changes.append(sheet.change(row, {column.name: column.make(Draw(rng=rng, ordinal=sheet.drawn, moment=moment))}))
    return changes
