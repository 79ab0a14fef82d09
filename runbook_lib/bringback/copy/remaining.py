"""Rows that stay in a dated schema only, counted, with the statement that shows them: none is lost unheard of."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runbook_lib.bringback.copy.merging import only_in
from runbook_lib.bringback.copy.names import undone_schema
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.bringback.copy.rows import Merged
from runbook_lib.errors import RunbookError
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, literal, quoted
from runbook_lib.proof import Pair, ProofOptions, Side, TableVerdict, prove

log = logging.getLogger(__name__)

LARGEST = 5_000_000  # rows by the server's estimate; counting what differs in more keeps a server busy for minutes
NAMED = 500  # rows that a statement names by their keys
_PLAIN = {
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "date", "datetime", "timestamp", "time", "year",
    "char", "varchar",
}  # fmt: skip


_READABLE = re.compile(r"[A-Za-z0-9_.:/@ +-]*")


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """Rows of `kept_in` that the table of that name does not hold, or not so. `statement` shows them.

    `rows` is None where the table is too large to count them at once. Where `exact` is false, rows that nobody wrote
    may be among those that the statement shows, and `rows` is the best that is known.
    """

    table: str
    kept_in: str
    rows: int | None
    statement: str
    exact: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return it as what `json.dumps` takes."""
        return asdict(self)


def left_behind(database: Database, plan: CopyBackPlan) -> tuple[Remaining, ...]:
    """Return the rows that the source's own tables hold, set aside in the dated schema, and the new ones do not.

    With the rule "replace" that is all that was written since the restored second, up to the swap; with the others
    what gave way, and what was changed or deleted since.
    """
    found = []
    for table in plan.tables:
        if table.damaged and (one := _only_in(database, table, table.damaged, but_not_in=table.name)):
            found.append(one)
    return tuple(found)


def _only_in(database: Database, table: TablePlan, there: TableName, *, but_not_in: TableName) -> Remaining | None:
    """Count the rows of one table that another of the same columns does not hold; None if there are none."""
    if not table.compared:
        return None
    statement, count = only_in(table, there, but_not_in=but_not_in)
    large = max(_estimate(database, there), _estimate(database, but_not_in)) > LARGEST
    rows = None if large else int(database.value(count))
    return None if rows == 0 else Remaining(table=str(table.name), kept_in=str(there), rows=rows, statement=statement)


def _estimate(database: Database, table: TableName) -> int:
    found = database.value(
        "SELECT table_rows FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        (table.schema, table.name),
    )
    return int(found or 0)


def written_since(
    source: Side, plan: CopyBackPlan, *, merged: Sequence[Merged] = (), copy: Side | None = None
) -> tuple[Remaining, ...]:
    """Return the rows written to the tables brought back between the swap and its undo: they stay where these are now.

    A table's rows are told from those that were brought by the copy, so without it, or when it does not answer, all
    rows count that the source's own table does not hold.
    """
    proofs = _held_to_the_copy(source, plan, copy)
    of_merge = {one.table: one for one in merged}
    found = []
    with source.connect() as database:
        for table in plan.tables:
            if one := _written(database, plan, table, proofs.get(table.name), of_merge.get(str(table.name))):
                found.append(one)
    return tuple(found)


def _undone(plan: CopyBackPlan, table: TablePlan) -> TableName:
    return TableName(schema=undone_schema(table.name.schema, plan.planned_at), name=table.name.name)


def _held_to_the_copy(source: Side, plan: CopyBackPlan, copy: Side | None) -> Mapping[TableName, TableVerdict]:
    tables = [table for table in plan.tables if table.rows_from == "copy"]
    if copy is None or not tables:
        return {}
    pairs = [Pair(expected=table.name, found=_undone(plan, table)) for table in tables]
    options = ProofOptions(samples=NAMED)
    try:
        return {one.pair.expected: one for one in prove(copy, source, pairs=pairs, options=options).tables}
    except RunbookError as error:
        # the copy may be gone by now; the rows are listed all the same, with those it brought
        log.warning("the copy cannot be read, so rows it brought are listed too: %s", error)
        return {}


def _written(
    database: Database, plan: CopyBackPlan, table: TablePlan, verdict: TableVerdict | None, merged: Merged | None
) -> Remaining | None:
    there = _undone(plan, table)
    if table.rows_from == "source" and table.damaged:
        return _only_in(database, table, there, but_not_in=table.name)
    if verdict is not None and not verdict.extra + verdict.changed:
        return None
    condition = _by_keys(table, verdict) if verdict else ""
    statement, count = (
        only_in(table, there, but_not_in=table.name)
        if table.damaged and table.compared
        else (f"SELECT o1.* FROM {there.sql} AS o1 WHERE TRUE", f"SELECT COUNT(*) FROM {there.sql} AS o1 WHERE TRUE")
    )
    if condition:
        rows = int(database.value(_narrowed(count, condition)))
        listed = _narrowed(statement, condition)
        return Remaining(table=str(table.name), kept_in=str(there), rows=rows, statement=listed) if rows else None
    brought = (merged.kept + merged.updated) if merged else 0
    known = max(0, verdict.extra + verdict.changed - brought) if verdict else None
    if verdict is None and _estimate(database, there) <= LARGEST:
        known = int(database.value(count))
    if known == 0:
        return None
    return Remaining(table=str(table.name), kept_in=str(there), rows=known, statement=statement, exact=False)


def _by_keys(table: TablePlan, verdict: TableVerdict) -> str:
    """Write a condition that names every row which the copy does not hold so; empty where that cannot be written."""
    wanted = [one for one in verdict.samples if one.kind in ("extra", "changed")]
    kinds = {column.name: column.kind for column in table.columns}
    names = tuple(name for name, _ in wanted[0].key) if wanted else ()
    if not table.key or not names or len(wanted) < verdict.extra + verdict.changed:
        return ""
    if any(kinds.get(name, "") not in _PLAIN for name in names):
        return ""
    keys = ", ".join(f"({', '.join(_value(value) for _, value in one.key)})" for one in wanted)
    return f"({', '.join(f'o1.{quoted(name)}' for name in names)}) IN ({keys})"


def _value(text: str) -> str:
    return f"'{text}'" if _READABLE.fullmatch(text) else literal(text)


def _narrowed(statement: str, condition: str) -> str:
    before, where, after = statement.rpartition(" WHERE ")
    return f"{before}{where}({after}) AND {condition}"
