"""The checks of a load's values, column by column: what became empty, broken, cut, scaled, late, or one value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from runbook_lib.checks import Check, unknown
from runbook_lib.errors import RunbookError
from runbook_lib.guard.load_checks import ASK_LOAD, Generation, judged
from runbook_lib.guard.measuring import SHARE, Measured, Shape
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Proof
from runbook_lib.swap.facts import Column, TableFacts

_EMPTIER = 0.2  # of a column's rows that have become NULL: more is no night's change
_FEW = 20  # rows; a share or a mean of fewer says nothing
_SHORTER, _SCALED = 0.6, 5.0  # of a column's mean
_OLDER = timedelta(hours=20)  # a file of the night before is a day older
_EPOCH, _FUTURE = "1971-01-02", timedelta(days=2)
_CLOCK, _ZONE = timedelta(minutes=5), timedelta(minutes=50)  # clocks differ by minutes, zones by an hour
_GROUPS, _GROUP_SHARE, _GONE_SHARE = 60, 0.05, 0.01


class _Both(NamedTuple):
    """One column, before and after."""

    name: str
    column: Column
    new: Shape
    old: Shape
    rows: int
    rows_before: int


def value_checks(generation: Generation, at: datetime, before: datetime | None) -> Iterator[Check]:
    """Hold the values of each column against those that are live.

    `at` and `before` are the aware moments of this load and of the one that is live, in the loads' own zone.
    """
    both = list(_columns(generation))
    nulls = [
        f"{each.name} is NULL in {'every row' if not each.new.filled else f'{each.rows - each.new.filled:,} rows'}"
        for each in both
        if each.old.filled and each.new.filled / each.rows < each.old.filled / each.rows_before - _EMPTIER
    ]
    nulls += [
        f"{each.name} is an empty text in {each.new.blank:,} of {each.rows:,} rows"
        for each in both
        if _is_more(each, each.new.blank, each.old.blank, by=_EMPTIER)
    ]
    yield judged("empty columns", nulls, ASK_LOAD, right="No column has become NULL or empty where it had values.")
    yield judged("letters", list(_letters(both)), f"The file was read in another character set. {ASK_LOAD}",
                 right="No text looks as if it was read in another character set.")  # fmt: skip
    yield judged("values", [*_headers(generation), *_values(both)], ASK_LOAD,
                 right="No column has become one value, cut, scaled or filled with words for nothing.")  # fmt: skip
    yield judged("moments", [*_moments(both, at), *_ahead(both, at, before)], ASK_LOAD,
                 right="No moment is older than what is live, before 1971 or in the future.")  # fmt: skip


def _headers(generation: Generation) -> Iterator[str]:
    for name in sorted(set(generation.loaded) & set(generation.current)):
        new, old = (
            generation.measured.get(TableName(schema=schema, name=name))
            for schema in (generation.next, generation.live)
        )
        if new and old and new.headers > old.headers:
            yield f"{name} holds the names of its columns as a row: the first line of a file"


def _columns(generation: Generation) -> Iterator[_Both]:
    for name, table in sorted(generation.loaded.items()):
        before = generation.current.get(name)
        new = generation.measured.get(TableName(schema=generation.next, name=name))
        old = generation.measured.get(TableName(schema=generation.live, name=name)) or Measured(rows=0)
        if not new or not new.rows or not before:
            continue
        for column in table.loaded:
            if column.name in new.columns and column.name in old.columns and old.rows:
                yield _Both(
                    name=f"{name}.{column.name}", column=column, new=new.columns[column.name],
                    old=old.columns[column.name], rows=new.rows, rows_before=old.rows,
                )  # fmt: skip


def _is_more(each: _Both, new: int, old: int, *, by: float) -> bool:
    """Tell whether a share of the rows has grown by more than `by`, and by more than chance makes of so few rows."""
    before = old / each.rows_before
    chance = 3 * math.sqrt(max(0.0, before * (1 - before)) / each.rows)
    return new / each.rows > before + by + chance


def _letters(both: Sequence[_Both]) -> Iterator[str]:
    for each in both:
        if _is_more(each, each.new.broken, each.old.broken, by=SHARE):
            yield f"{each.name}: broken letters in {each.new.broken:,} of {each.rows:,} rows"
        if _is_more(each, each.new.questions, each.old.questions, by=2 * SHARE) and each.new.questions >= 3:
            yield f"{each.name}: question marks in {each.new.questions:,} of {each.rows:,} rows"


def _values(both: Sequence[_Both]) -> Iterator[str]:
    for each in both:
        new, old = each.new, each.old
        if _is_more(each, new.stray, old.stray, by=SHARE):
            yield f"{each.name}: quotes, spaces, marks or words for nothing in {new.stray:,} of {each.rows:,} rows"
        if min(new.filled, old.filled) < _FEW:
            continue
        if new.constant and not old.constant:
            yield f"{each.name} is the same value in every row"
        if new.letters is not None and old.letters and old.letters / old.filled >= 2:
            mean, before = new.letters / new.filled, old.letters / old.filled
            if mean < _SHORTER * before:
                yield f"{each.name}: {mean:.1f} letters a row, {before:.1f} are live"
        if new.total is not None and old.total:
            mean, before = new.total / new.filled, old.total / old.filled
            if mean * before < 0 or not 1 / _SCALED < abs(mean / before) < _SCALED:
                yield f"{each.name}: {mean:,.6g} in the mean, {before:,.6g} is live"


def _moments(both: Sequence[_Both], at: datetime) -> Iterator[str]:
    soon = f"{at + _FUTURE:%Y-%m-%d}"
    newest: dict[str, tuple[str, str, bool]] = {}
    for each in both:
        new, old = each.new, each.old
        if new.high is None or old.high is None or new.low is None or old.low is None:
            continue
        if new.low < _EPOCH <= old.low:
            yield f"{each.name} goes back to {new.low[:10]}: a moment that nobody gave"
        if new.high[:10] > soon >= old.high[:10]:
            yield f"{each.name} reaches {new.high[:10]}, and nothing live lies in the future"
        if each.column.kind != "date":
            table = each.name.rpartition(".")[0]
            fresh = _moment(new.high), _moment(old.high)
            older = bool(fresh[0] and fresh[1] and fresh[0] < fresh[1] - _OLDER)
            known = newest.get(table, (new.high, old.high, True))
            newest[table] = (max(new.high, known[0]), max(old.high, known[1]), older and known[2])
    for table, (high, before, older) in newest.items():
        if older:
            yield f"{table} ends at {high[:16]}, and what is live reaches {before[:16]}: it may be an earlier file"


def _ahead(both: Sequence[_Both], at: datetime, before: datetime | None) -> Iterator[str]:
    """Name moments that are ahead of the clock where nothing was at the load before: a zone was misread."""
    for each in both:
        new, old = (_moment(shape.high) if shape.high else None for shape in (each.new, each.old))
        if before is None or not new or not old or each.column.kind == "date":
            continue
        now, then = (moment.replace(tzinfo=None) for moment in (at, before))
        if old <= then + _CLOCK and new > now + _ZONE:
            yield f"{each.name} reaches {new:%Y-%m-%d %H:%M}, later than now; at the load before nothing was"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def group_checks(database: Database, generation: Generation, difference: Proof | None) -> Iterator[Check]:
    """Look, where rows would go, whether a whole group of them does: a tenant, a day, a language."""
    found: list[str] = []
    try:
        for verdict in difference.tables if difference else ():
            rows = verdict.expected_rows or 0
            table = generation.current.get(verdict.pair.expected.name)
            if table is not None and rows >= _FEW and verdict.missing > rows * _GONE_SHARE:
                found += _groups_gone(database, generation, table)
    except RunbookError as error:
        yield unknown("groups", f"Whether a whole group of rows would go could not be looked at: {error.message}")
        return
    yield judged("groups", found, f"A part of the file may be missing. {ASK_LOAD}",
                 right="No whole group of rows (a tenant, a day, a kind) would go.")  # fmt: skip


def _groups_gone(database: Database, generation: Generation, table: TableFacts) -> Iterator[str]:
    new = generation.loaded[table.name.name]
    for column in table.loaded:
        if not _may_group(column, table) or not new.column(column.name):
            continue
        name = quoted(column.name)
        groups = database.rows(
            f"SELECT {name}, COUNT(*) FROM {table.name.sql} WHERE {name} IS NOT NULL GROUP BY {name}"  # noqa: S608
            f" LIMIT {_GROUPS + 1}"
        )
        if not 2 <= len(groups) <= _GROUPS:
            continue
        left = {
            str(row[0])
            for row in database.rows(f"SELECT DISTINCT {name} FROM {new.name.sql} LIMIT {10 * _GROUPS}")  # noqa: S608
        }
        everything = sum(int(count) for _, count in groups)
        gone = [str(value) for value, count in groups if str(value) not in left and count > everything * _GROUP_SHARE]
        if gone:
            yield f"{table.name.name}: no row has {column.name} {', '.join(gone[:3])} any more"


def _may_group(column: Column, table: TableFacts) -> bool:
    whole = column.name in table.key and len(table.key) == 1
    short = column.kind in ("enum", "set", "tinyint", "smallint", "int", "bigint", "char", "varchar", "date")
    return short and not whole and (column.name,) not in table.uniques
