"""What happened to the values of a column, read from pairs of a row before and after: rewritten, moved, shifted.

A mean or a share does not see a text that came in capitals, a moment nine hours late or parents that changed places.
Rows that are live and in the load are put side by side by their key, a few thousand a table; asked are only tables of
which at least half of the rows have changed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.checks import Check, unknown, warn
from runbook_lib.errors import RunbookError
from runbook_lib.guard.generations import WAS, is_generation_of
from runbook_lib.guard.load_checks import ASK_LOAD, Generation, judged, some
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Proof
from runbook_lib.swap.facts import Column, TableFacts

_ROWS = 2_000  # of the beginning of a table, and as many of its end
_FEW = 20
_HALF, _NEARLY_ALL, _SELDOM = 0.5, 0.9, 0.2
_TEXTS = frozenset(["char", "varchar", "tinytext", "text", "mediumtext", "longtext"])
_MOMENTS = frozenset(["datetime", "timestamp"])
_DAY, _QUARTER = timedelta(days=1), timedelta(minutes=15)
_SIGNS = re.compile(r"[\W_]+")

Values = list[tuple[Any, Any]]
"""One column of rows that are on both sides: the value before and the one after."""


def rewriting_checks(database: Database, generation: Generation, difference: Proof | None) -> Iterator[Check]:
    """Look for columns that were rewritten as a whole: by a rule that is no content, or as no load did before."""
    found: list[str] = []
    unjudged: list[str] = []
    earlier = _generation_before(generation)
    try:
        for verdict in difference.tables if difference else ():
            name = verdict.pair.found.name
            old, new = generation.current.get(name), generation.loaded.get(name)
            if old and new and verdict.changed >= max(_FEW, _HALF * (verdict.expected_rows or 0)):
                before = generation.facts.tables.get(TableName(schema=earlier, name=name)) if earlier else None
                found += _rewritten(database, generation, (before, old, new), unjudged)
    except RunbookError as error:
        yield unknown("rewritten", f"Whether a column was rewritten could not be looked at: {error.message}")
        return
    if unjudged and not found:
        sentence = f"{some(unjudged)}: another in nearly every row, and no generation before says if that is usual."
        yield warn("rewritten", sentence, "Look at a few rows.")
    else:
        yield judged("rewritten", found, ASK_LOAD, right="No column was rewritten as a whole.")


def _generation_before(generation: Generation) -> str:
    """Return the schema that was live before this one, as far as it is kept."""
    kept = {name.schema for name in generation.facts.tables if is_generation_of(name.schema, generation.live)}
    return max((schema for schema in kept if WAS in schema), default="")


def _rewritten(
    database: Database,
    generation: Generation,
    tables: tuple[TableFacts | None, TableFacts, TableFacts],
    unjudged: list[str],
) -> Iterator[str]:
    before, old, new = tables
    parents = {
        column
        for key in generation.facts.foreign_keys
        if key.table.name == new.name.name and key.table.schema in (generation.live, generation.next)
        for column in key.columns
    }
    columns = [
        column
        for column in new.loaded
        if column.name not in new.key
        and old.column(column.name)
        and (column.kind in _TEXTS | _MOMENTS or column.name in parents)
    ]
    if not new.key or set(new.key) != set(old.key) or not columns:
        return
    pairs = _pairs(database, old, new, columns)
    wholly = [column for column in columns if _share(pairs[column.name]) >= _NEARLY_ALL]
    rules = {column.name: _rule(column, pairs[column.name]) for column in wholly}
    asked = []
    for column in wholly:
        if rules[column.name] and column.kind not in _MOMENTS:
            yield f"{new.name.name}.{column.name} {rules[column.name]}"
        elif rules[column.name] or column.name in parents or (column.kind in _TEXTS and _varied(pairs, column)):
            asked.append(column)
    if before is not None and set(before.key) == set(old.key):
        known = [column for column in asked if before.column(column.name)]
    else:
        known = []
    unjudged += [f"{new.name.name}.{column.name}" for column in asked if column not in known]
    if before is None or not known:
        return
    asked, usual = known, _pairs(database, before, old, known)
    for column in asked:
        if len(usual[column.name]) >= _FEW and _share(usual[column.name]) <= _SELDOM:
            share, seldom = (_share(values[column.name]) for values in (pairs, usual))
            said = rules[column.name] or f"is another in {share:.0%} of the rows, and was in {seldom:.0%}"
            yield f"{new.name.name}.{column.name} {said} at the load before"


def _pairs(database: Database, old: TableFacts, new: TableFacts, columns: Sequence[Column]) -> dict[str, Values]:
    """Return the values of rows that both have, of the beginning and of the end of the key."""
    wanted = ", ".join(f"a.{quoted(column.name)}, b.{quoted(column.name)}" for column in columns)
    same = " AND ".join(f"a.{quoted(part)} = b.{quoted(part)}" for part in new.key)
    rows: list[tuple[Any, ...]] = []
    for order in ("ASC", "DESC"):
        by = ", ".join(f"{quoted(part)} {order}" for part in new.key)
        some = f"(SELECT * FROM {new.name.sql} ORDER BY {by} LIMIT {_ROWS})"  # noqa: S608
        rows += database.rows(f"SELECT {wanted} FROM {some} AS b JOIN {old.name.sql} AS a ON {same}")  # noqa: S608
    return {column.name: [(row[2 * place], row[2 * place + 1]) for row in rows] for place, column in enumerate(columns)}


def _share(values: Values) -> float:
    """Return the share of the rows with a value in which it is another."""
    filled = [(a, b) for a, b in values if a is not None and b is not None]
    return sum(a != b for a, b in filled) / len(filled) if len(filled) >= _FEW else 0.0


def _varied(pairs: dict[str, Values], column: Column) -> bool:
    """Tell whether a column tells rows apart: a status or a period that all rows share may change in all of them."""
    values = [b for _, b in pairs[column.name]]
    return len(set(map(str, values))) >= _HALF * len(values)


_RULES = (
    ("comes in other letters, large or small ones", str.casefold),
    ("has spaces, or has lost them, at its ends", lambda text: text.strip()),
    ("comes with signs or without them", lambda text: _SIGNS.sub("", text)),
    ("holds marks of HTML", lambda text: _SIGNS.sub("", re.sub(r"<[^>]*>", "", html.unescape(text)))),
)


def _rule(column: Column, values: Values) -> str:
    """Say by which rule the values of before became those of now, where one does for nearly all of them."""
    changed = [(a, b) for a, b in values if a is not None and b is not None and a != b]
    if column.kind in _MOMENTS:
        return _shifted([(a, b) for a, b in changed if isinstance(a, datetime) and isinstance(b, datetime)])
    for said, as_content in _RULES:
        same = sum(as_content(str(a)) == as_content(str(b)) for a, b in changed)
        if same >= _NEARLY_ALL * len(changed):
            return said
    return ""


def _shifted(values: list[tuple[datetime, datetime]]) -> str:
    """Say of moments that differ among themselves that all moved by the same, as a zone misread moves them."""
    if len({b for _, b in values}) < _FEW:
        return ""  # a load's own moment, which all rows share
    shifts = [b - a for a, b in values]
    usual = max(set(shifts), key=shifts.count)
    if shifts.count(usual) < _NEARLY_ALL * len(shifts) or not timedelta(0) < abs(usual) < _DAY or usual % _QUARTER:
        return ""
    return (
        f"is {abs(usual)} {'later' if usual > timedelta(0) else 'earlier'} in every row (a zone misread?), and was not"
    )
