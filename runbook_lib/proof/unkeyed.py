"""Compare tables that no common key walks: as bags of rows, by the rows' hashes, duplicates counted.

Such a table is read whole, by one statement on each side. If it is unequal, the rows are counted again by the first
twelve bits of their hash, and only of the unequal ones among those 4,096 heaps the hashes are fetched, in their
order, and merged as they come: nothing is held, whatever the table's size.

Such a statement is not cut into pieces. Without any index nothing names the same part of a table on both servers: a
part by the hash would mean hashing every row for each part, InnoDB's own row number cannot be asked for, and LIMIT
without an order may give a row twice or never. (The ranges of an index that is not unique would do; they are not used.)
So the guard is asked before each statement and cannot pause within it; its `statement_s` bounds how long one may run.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from runbook_lib.errors import TimedOut
from runbook_lib.mysql import Database
from runbook_lib.mysql.connection import Row
from runbook_lib.proof.asking import Both
from runbook_lib.proof.encoding import rows_folded
from runbook_lib.proof.facts import TableFacts
from runbook_lib.proof.folding import SUM, folded, number
from runbook_lib.proof.rows import hash_of_row, readable, shown
from runbook_lib.proof.tally import Counts, Findings, Work
from runbook_lib.proof.values import RowDifference

_SHOWN_COLUMNS, _HEAPS = 8, 16**3


def compare_bags(work: Work, part: Findings, both: Both) -> None:
    """Compare two whole tables without a common key, and add what is found to the findings.

    Raises:
        TimedOut: a statement ran longer than the guard allows, or the guarded server was too busy for too long.
    """
    try:
        _compare(work, part, both)
    except TimedOut as error:
        if both.statement_s is None or "code" not in error.facts:
            raise
        raise TimedOut(
            f"{work.pair.found} has no unique key to be read in parts by, and to read it whole took longer than the "
            f"{both.statement_s:g} s that a statement may take.",
            hint="Allow statements longer, or prove the other schemas without it.",
            **error.facts,
        ) from error


def _compare(work: Work, part: Findings, both: Both) -> None:
    counts = _hash_all(work, both)
    part.counts.add(counts)
    if counts.same:
        return
    if not counts.expected_rows or not counts.found_rows:
        part.counts.differ(missing=counts.expected_rows, extra=counts.found_rows)
        for kind, side, database in _sides(work, both):
            part.samples += _some(work, kind, side, database, where="", most=work.most_samples)
        return
    heaps = _unequal_heaps(work, both)
    wanted: dict[str, list[str]] = {"missing": [], "extra": []}
    both.wait()
    expected_rows = both.expected.stream(_bag(work, work.expected, heaps))
    found_rows = both.found.stream(_bag(work, work.found, heaps))
    for hashed, expected, found in _merged(expected_rows, found_rows):
        kind = "missing" if expected > found else "extra"
        part.counts.differ(missing=max(0, expected - found), extra=max(0, found - expected))
        if expected != found and len(wanted[kind]) < work.most_samples:
            wanted[kind].append(hashed)
    for kind, side, database in _sides(work, both):
        if hashes := wanted[kind]:
            listed = ", ".join(f"'{hashed}'" for hashed in hashes)
            where = f" WHERE {hash_of_row(side, work)} IN ({listed})"
            part.samples += _some(work, kind, side, database, where=where, most=len(hashes))


def _sides(work: Work, both: Both) -> Iterator[tuple[str, TableFacts, Database]]:
    yield "missing", work.expected, both.expected
    if work.found_has_rows:
        both.wait()
        yield "extra", work.found, both.found


def _hash_all(work: Work, both: Both) -> Counts:
    def statement(side: TableFacts) -> str:
        return f"SELECT COUNT(*), {rows_folded(side, work.ways, work.fold)} FROM {side.table.sql}"  # noqa: S608  # quoted

    on_found = statement(work.found) if work.found_has_rows else ""
    expected_rows, found_rows = both.rows(statement(work.expected), on_found)
    counts = Counts(fold=work.fold)
    for rows, total in expected_rows:
        counts.expected_rows, counts.expected_total = int(rows), number(total, work.fold, work.expected.arithmetic)
    for rows, total in found_rows:
        counts.found_rows, counts.found_total = int(rows), number(total, work.fold, work.found.arithmetic)
    return counts


def _unequal_heaps(work: Work, both: Both) -> list[str]:
    def statement(side: TableFacts) -> str:
        return (
            f"SELECT LEFT(h, 3), COUNT(*), {folded('h', SUM, side.arithmetic)}"  # noqa: S608  # quoted
            f" FROM (SELECT {hash_of_row(side, work)} AS h FROM {side.table.sql}) AS q GROUP BY 1"
        )

    expected_rows, found_rows = (
        {row[0]: row[1:] for row in rows} for rows in both.rows(*map(statement, (work.expected, work.found)))
    )
    return sorted(heap for heap in {*expected_rows, *found_rows} if expected_rows.get(heap) != found_rows.get(heap))


def _bag(work: Work, side: TableFacts, heaps: list[str]) -> str:
    listed = ", ".join(f"'{heap}'" for heap in heaps)
    chosen = f" WHERE LEFT(h, 3) IN ({listed})" if len(heaps) < _HEAPS // 2 else ""
    return (
        f"SELECT h, COUNT(*) FROM (SELECT {hash_of_row(side, work)} AS h FROM {side.table.sql}) AS q"  # noqa: S608
        f"{chosen} GROUP BY h ORDER BY CAST(h AS BINARY)"
    )


def _merged(expected: Iterator[Row], found: Iterator[Row]) -> Iterator[tuple[str, int, int]]:
    """Return each hash with how often either side has it, from two streams in the order of hashes."""
    of_expected, of_found = next(expected, None), next(found, None)
    while of_expected is not None or of_found is not None:
        if of_found is None or (of_expected is not None and of_expected[0] < of_found[0]):
            assert of_expected is not None
            yield of_expected[0], int(of_expected[1]), 0
            of_expected = next(expected, None)
        elif of_expected is None or of_found[0] < of_expected[0]:
            yield of_found[0], 0, int(of_found[1])
            of_found = next(found, None)
        else:
            yield of_expected[0], int(of_expected[1]), int(of_found[1])
            of_expected, of_found = next(expected, None), next(found, None)


def _some(work: Work, kind: str, side: TableFacts, database: Database, *, where: str, most: int) -> list[RowDifference]:
    names = list(islice(work.ways, _SHOWN_COLUMNS))
    if not names or not most:
        return []
    values = ", ".join(shown(side.columns[name], work) for name in names)
    found = database.rows(f"SELECT {values} FROM {side.table.sql}{where} LIMIT {most}")  # noqa: S608  # quoted
    texts = [
        tuple(readable(value, side.columns[name]) for name, value in zip(names, row, strict=True)) for row in found
    ]
    return [
        RowDifference(kind="missing", key=(), columns=tuple(names), expected=text)
        if kind == "missing"
        else RowDifference(kind="extra", key=(), columns=tuple(names), found=text)
        for text in texts
    ]
