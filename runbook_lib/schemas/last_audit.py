"""The audit before this one: what has changed since, and which reads were our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from runbook_lib.schemas.facts import Survey, TableFacts
from runbook_lib.times import iso

KEY = "schema_audit"
"""Under this name the audit's result keeps what the next audit compares with, in its JSON form."""

_SAME_START = timedelta(seconds=30)  # uptime is whole seconds, and two clocks are read
_NOTABLE = 0.2  # share of estimated rows; the estimates themselves move by less on a table that is left alone


@dataclass(frozen=True, kw_only=True)
class LastTable:
    """A table as an earlier audit saw it. `reads` as the server counted them when that audit was over."""

    rows_estimate: int
    size_bytes: int
    empty: bool | None
    reads: int | None
    created: str = ""  # a table that is made again counts from zero


@dataclass(frozen=True, kw_only=True)
class LastAudit:
    """An earlier audit of the same cluster."""

    run_id: str
    taken: datetime
    started: datetime | None
    tables: Mapping[tuple[str, str], LastTable]
    others_reads: Mapping[tuple[str, str], int]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One table that is not as it was. `before` and `after` are estimated rows; None where there was or is no table."""

    schema: str
    table: str
    what: str  # "gone", "new", "emptied", "filled", "shrunk", "grown"
    before: int | None
    after: int | None


def remembered(survey: Survey, *, reads_now: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Return what the next audit needs of a survey, as JSON. `reads_now` are the counts after our own reading."""
    return {
        "taken": iso(survey.taken),
        "started": iso(survey.started) if survey.started else None,
        "tables": [
            [name, t.name, t.rows_estimate, t.size_bytes, t.empty, reads_now.get((name, t.name)), t.reads, _made(t)]
            for name, facts in survey.schemas.items()
            for t in facts.base_tables
        ],
    }


def last_from(stored: Mapping[str, Any], *, run_id: str) -> LastAudit:
    """Read back what `remembered` gave."""
    tables, others = {}, {}
    for schema, name, rows, size, empty, reads, by_others, made in stored["tables"]:
        tables[schema, name] = LastTable(rows_estimate=rows, size_bytes=size, empty=empty, reads=reads, created=made)
        others[schema, name] = by_others or 0
    return LastAudit(
        run_id=run_id,
        taken=_moment(stored["taken"]),
        started=_moment(stored["started"]) if stored.get("started") else None,
        tables=tables,
        others_reads=others,
    )


class Left(Protocol):
    """What a record kept of an earlier run."""

    @property
    def run_id(self) -> str:
        """Return the run that left it."""

    @property
    def value(self) -> Mapping[str, Any]:
        """Return what it left."""


def last_of(left: Left | None) -> LastAudit | None:
    """Read the earlier audit out of what its record kept; None when there is no record."""
    return last_from(left.value, run_id=left.run_id) if left else None


def own_reads_taken_off(survey: Survey, last: LastAudit | None) -> Survey:
    """Leave the reads of the audit before this one out of the counts, if the server has not been restarted since.

    Without an earlier record every read counts as somebody's: that can refuse a drop, never allow one. It does assume
    that nobody has emptied the performance schema's tables since.
    """
    if last is None or survey.started is None or last.started is None:
        return survey
    if abs(survey.started - last.started) > _SAME_START:
        return survey
    schemas = {}
    for name, facts in survey.schemas.items():
        tables = {}
        for table in facts.tables.values():
            before = last.tables.get((name, table.name))
            known = before and before.reads is not None and before.created == _made(table)
            if table.reads is not None and before and known and table.reads >= (before.reads or 0):
                by_others = table.reads - (before.reads or 0) + last.others_reads.get((name, table.name), 0)
                tables[table.name] = replace(table, reads=by_others)
            else:
                tables[table.name] = table
        schemas[name] = replace(facts, tables=tables)
    return replace(survey, schemas=schemas)


def _made(table: TableFacts) -> str:
    return iso(table.created) if table.created else ""


def changes_since(last: LastAudit, survey: Survey) -> tuple[Change, ...]:
    """Compare the tables there are with those of an earlier audit. Estimates that moved a little are no change."""
    now = {(name, t.name): t for name, facts in survey.schemas.items() for t in facts.base_tables}
    found = []
    for key in sorted({*now, *last.tables}):
        before, after = last.tables.get(key), now.get(key)
        rows_before = before.rows_estimate if before else None
        rows_after = after.rows_estimate if after else None
        if what := _what(before, after.empty if after else None, rows_before, rows_after, exists=after is not None):
            found.append(Change(schema=key[0], table=key[1], what=what, before=rows_before, after=rows_after))
    return tuple(found)


def _what(
    before: LastTable | None, empty: bool | None, rows_before: int | None, rows_after: int | None, *, exists: bool
) -> str:
    if not exists:
        return "gone"
    if before is None or rows_before is None or rows_after is None:
        return "new"
    if before.empty is not None and empty is not None and before.empty != empty:
        return "emptied" if empty else "filled"
    if empty or rows_after == rows_before:
        return ""
    moved = (rows_after - rows_before) / max(rows_before, 1)
    return "grown" if moved > _NOTABLE else "shrunk" if moved < -_NOTABLE else ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
