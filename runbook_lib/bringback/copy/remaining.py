"""Rows that stay in a dated schema only, counted, with the statement that shows them: none is lost without a word."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runbook_lib.bringback.copy.merging import Merged, hashes_of, in_both, only_in, seen_in
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.errors import NotFound, RunbookError
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, literal, quoted
from runbook_lib.proof import Pair, Proof, ProofOptions, Side, TableVerdict, prove
from runbook_lib.swap.names import undone_schema
from runbook_lib.swap.rename import exists

log = logging.getLogger(__name__)

LARGEST = 5_000_000  # rows by the server's estimate; counting what differs in more keeps a server busy for minutes
_USUAL = ProofOptions()
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
    may be among those that the statement shows, and `rows` is the best that is known. `came_back` is true of rows that
    were deleted while the tables changed places, where the locks are let go for that, and that the new table holds.
    """

    table: str
    kept_in: str
    rows: int | None
    statement: str
    exact: bool = True
    came_back: bool = False


def left_behind(database: Database, plan: CopyBackPlan) -> tuple[Remaining, ...]:
    """Return the rows that the damaged tables hold, set aside in the dated schema, and the new ones do not.

    With the rule "replace" that is all that was written since the restored second, up to the swap; with the others
    what gave way, and what was changed or deleted since.
    """
    found = []
    for table in plan.tables:
        if left := only_in_dated(database, table):
            found.append(left)
    if not plan.locked_rename:
        found += filter(None, (_came_back(database, plan, number) for number in range(len(plan.tables))))
    return tuple(found)


def _came_back(database: Database, plan: CopyBackPlan, number: int) -> Remaining | None:
    """Return the rows that were deleted after the last look at the damaged table, and that the new one holds."""
    table, seen = plan.tables[number], seen_in(plan, number)
    if not (table.merged and table.dated and table.key and exists(database, seen)):
        return None
    same = " AND ".join(f"seen.{quoted(name)} = dated.{quoted(name)}" for name in table.key)
    database.execute(f"USE {quoted(plan.state)}")  # a DELETE by alias wants any schema to be chosen
    database.execute(f"DELETE seen FROM {seen.sql} AS seen JOIN {table.dated.sql} AS dated ON {same}")
    statement, count = in_both(table, seen)
    if not (rows := int(database.value(count))):
        database.execute(f"DROP TABLE {seen.sql}")
        return None
    return Remaining(table=str(table.name), kept_in=str(table.name), rows=rows, statement=statement, came_back=True)


def only_in_dated(database: Database, table: TablePlan) -> Remaining | None:
    """Return the rows of a table that only the dated schema holds so; None if there are none."""
    return _only_in(database, table, table.dated, but_not_in=table.name) if table.dated else None


def _only_in(database: Database, table: TablePlan, name: TableName, *, but_not_in: TableName) -> Remaining | None:
    """Count the rows of one table that another of the same columns does not hold; None if there are none."""
    if not table.compared:
        return None
    statement, count = only_in(table, name, but_not_in=but_not_in)
    large = max(_estimate(database, name), _estimate(database, but_not_in)) > LARGEST
    rows = None if large else int(database.value(count))
    return None if rows == 0 else Remaining(table=str(table.name), kept_in=str(name), rows=rows, statement=statement)


def _estimate(database: Database, table: TableName) -> int:
    found = database.value(
        "SELECT table_rows FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        (table.schema, table.name),
    )
    return int(found or 0)


def prove_tables(
    restored: Side, damaged: Side, tables: Mapping[Pair, TablePlan], *, options: ProofOptions = _USUAL
) -> Proof:
    """Prove pairs of tables. Those of a kind that the proof does not read are compared by a hash of each row."""
    try:
        return prove(restored, damaged, pairs=list(tables), options=options)
    except NotFound:
        others = [pair for pair, table in tables.items() if table.versioned]
        if not others:
            raise
    proof = prove(restored, damaged, pairs=[pair for pair in tables if pair not in others], options=options)
    with restored.connect() as right, damaged.connect() as found:
        compared = tuple(_by_hashes(right, found, pair, tables[pair]) for pair in others)
    return replace(proof, tables=tuple(sorted((*proof.tables, *compared), key=lambda table: table.pair)))


def _by_hashes(right: Database, found: Database, pair: Pair, table: TablePlan) -> TableVerdict:
    expected = Counter(right.stream(hashes_of(table, pair.expected)))
    present = Counter(found.stream(hashes_of(table, pair.found)))
    missing, extra = (expected - present).total(), (present - expected).total()
    return TableVerdict(
        pair=pair,
        verdict="damaged" if missing else "new since" if extra else "same",
        expected_rows=expected.total(),
        found_rows=present.total(),
        missing=missing,
        extra=extra,
    )


def written_since(
    damaged: Side, plan: CopyBackPlan, *, merged: Sequence[Merged] = (), restored: Side | None = None
) -> tuple[Remaining, ...]:
    """Return the rows written to the tables brought back between the swap and its undo: they stay where these are now.

    They are told apart from those that were brought back by asking the restored server, so without it, or when it does
    not answer, all rows count that the damaged table does not hold.
    """
    proofs = _held_to_the_restored(damaged, plan, restored)
    of_merge = {table.table: table for table in merged}
    found = []
    with damaged.connect() as database:
        for table in plan.tables:
            if left := _written(database, plan, table, proofs.get(table.name), of_merge.get(str(table.name))):
                found.append(left)
    return tuple(found)


def _undone(plan: CopyBackPlan, table: TablePlan) -> TableName:
    return TableName(schema=undone_schema(table.name.schema, plan.planned_at), name=table.name.name)


def _held_to_the_restored(damaged: Side, plan: CopyBackPlan, restored: Side | None) -> Mapping[TableName, TableVerdict]:
    tables = [table for table in plan.tables if table.rows_from == "restored"]
    if restored is None or not tables:
        return {}
    pairs = {Pair(expected=table.name, found=_undone(plan, table)): table for table in tables}
    options = ProofOptions(samples=NAMED)
    try:
        return {table.pair.expected: table for table in prove_tables(restored, damaged, pairs, options=options).tables}
    except RunbookError as error:
        # it may be gone by now; the rows are listed all the same, with those it brought
        log.warning("the restored server cannot be read, so rows it brought are listed too: %s", error)
        return {}


def _written(
    database: Database, plan: CopyBackPlan, table: TablePlan, verdict: TableVerdict | None, merged: Merged | None
) -> Remaining | None:
    undone = _undone(plan, table)
    if table.rows_from == "damaged" and table.dated:
        return _only_in(database, table, undone, but_not_in=table.name)
    if verdict is not None and not verdict.extra + verdict.changed:
        return None
    condition = _by_keys(table, verdict) if verdict else ""
    statement, count = (
        only_in(table, undone, but_not_in=table.name)
        if table.dated and table.compared
        else (f"SELECT o1.* FROM {undone.sql} AS o1 WHERE TRUE", f"SELECT COUNT(*) FROM {undone.sql} AS o1 WHERE TRUE")
    )
    if condition:
        rows = int(database.value(_narrowed(count, condition)))
        listed = _narrowed(statement, condition)
        return Remaining(table=str(table.name), kept_in=str(undone), rows=rows, statement=listed) if rows else None
    brought = (merged.kept + merged.updated) if merged else 0
    known = max(0, verdict.extra + verdict.changed - brought) if verdict else None
    if verdict is None and _estimate(database, undone) <= LARGEST:
        known = int(database.value(count))
    if known == 0:
        return None
    return Remaining(table=str(table.name), kept_in=str(undone), rows=known, statement=statement, exact=False)


def _by_keys(table: TablePlan, verdict: TableVerdict) -> str:
    """Write a condition that names every row which the restored server does not hold so; empty where it cannot."""
    wanted = [sample for sample in verdict.samples if sample.kind in ("extra", "changed")]
    kinds = {column.name: column.kind for column in table.columns}
    names = tuple(name for name, _ in wanted[0].key) if wanted else ()
    if not table.key or not names or len(wanted) < verdict.extra + verdict.changed:
        return ""
    if any(kinds.get(name, "") not in _PLAIN for name in names):
        return ""
    keys = ", ".join(f"({', '.join(_value(value) for _, value in sample.key)})" for sample in wanted)
    return f"({', '.join(f'o1.{quoted(name)}' for name in names)}) IN ({keys})"


def _value(text: str) -> str:
    return f"'{text}'" if _READABLE.fullmatch(text) else literal(text)


def _narrowed(statement: str, condition: str) -> str:
    before, where, after = statement.rpartition(" WHERE ")
    return f"{before}{where}({after}) AND {condition}"
