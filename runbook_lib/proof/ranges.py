"""Compare ranges of a key: hash many small ones in one statement, and go into the unequal ones down to the rows.

One statement holds several small ranges, each with its own count and sum. So the statement is long enough that what
lies between two of them does not matter, and a difference is known to be in few rows at once. The unequal ranges of a
statement are gone into together, a level at a time: however many there are, they take a few statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from runbook_lib.mysql.connection import Row
from runbook_lib.proof.asking import Both
from runbook_lib.proof.encoding import rows_folded
from runbook_lib.proof.facts import TableFacts
from runbook_lib.proof.folding import number
from runbook_lib.proof.keys import Edge, Key
from runbook_lib.proof.rows import Range, compare_rows, from_index, sample_rows
from runbook_lib.proof.tally import Counts, Findings, Work

FEW = 256
"""Rows of which the single hashes are fetched; more are first split."""
_PARTS = 10
_MOST_RANGES, _MOST_TEXT = 64, 250_000
_FETCHED_ROWS = 4_096
"""At most so many rows' hashes are fetched by one statement and held."""


def at_once(work: Work) -> int:
    """Return how many ranges one statement may hold without getting too long."""
    text = 200 * (len(work.ways) + 1)
    return max(1, min(_MOST_RANGES, _MOST_TEXT // text))


def hash_ranges(work: Work, both: Both, ranges: Sequence[Range]) -> list[Counts]:
    """Count and hash ranges, on both sides at the same time."""
    assert work.key is not None
    here, there = both.rows(
        _statement(work, work.expected, work.key, work.key.expected_index, ranges),
        _statement(work, work.found, work.key, work.key.found_index, ranges) if work.found_has_rows else "",
    )
    counted = [Counts(fold=work.fold, expected_rows=rows, expected_total=total)
               for rows, total in _read(work, work.expected, here)]  # fmt: skip
    for counts, (rows, total) in zip(counted, _read(work, work.found, there), strict=False):
        counts.found_rows, counts.found_total = rows, total
    return counted


def _statement(work: Work, side: TableFacts, key: Key, index: str, ranges: Sequence[Range]) -> str:
    total = rows_folded(side, work.ways, work.fold)
    source = from_index(side, index)
    return " UNION ALL ".join(
        f"SELECT {place}, COUNT(*), {total} {source} WHERE {key.within(one.low, one.high)}"
        for place, one in enumerate(ranges)
    )


def _read(work: Work, side: TableFacts, found: Iterable[Row]) -> list[tuple[int, int]]:
    ordered = sorted(found, key=lambda row: int(row[0]))
    return [(int(rows), number(total, work.fold, side.arithmetic)) for _, rows, total in ordered]


def dig(work: Work, part: Findings, both: Both, unequal: Iterable[tuple[Range, Counts]]) -> None:
    """Find the rows that differ in unequal ranges, and add them to the findings."""
    level = list(unequal)
    while level:
        few: list[tuple[Range, int]] = []
        smaller: list[Range] = []
        for one, known in level:
            rows = max(known.expected_rows, known.found_rows)
            if not known.expected_rows or not known.found_rows:
                part.counts.differ(missing=known.expected_rows, extra=known.found_rows)
                sample_rows(work, part, both, one)
            elif rows <= FEW:
                few.append((one, rows))
            else:
                smaller += split(work, both, one, known)
        for together in _fetched_together(few, most=at_once(work)):
            compare_rows(work, part, both, together)
        level = []
        for some in _cut(smaller, at_once(work)):
            counted = zip(some, hash_ranges(work, both, some), strict=True)
            level += [(one, counts) for one, counts in counted if not counts.same]


def _fetched_together(few: Iterable[tuple[Range, int]], *, most: int) -> Iterator[list[Range]]:
    together: list[Range] = []
    rows = 0
    for one, more in few:
        if together and (len(together) == most or rows + more > _FETCHED_ROWS):
            yield together
            together, rows = [], 0
        together.append(one)
        rows += more
    if together:
        yield together


def _cut(ranges: Sequence[Range], most: int) -> Iterator[Sequence[Range]]:
    for start in range(0, len(ranges), most):
        yield ranges[start : start + most]


def split(work: Work, both: Both, one: Range, known: Counts) -> list[Range]:
    """Split a range into about equal parts: of its values where they are whole numbers, else of its rows."""
    assert work.key is not None
    rows = max(known.expected_rows, known.found_rows)
    parts = min(_PARTS, max(2, rows // FEW * 2))
    if work.key.is_whole_number and one.low and one.high:
        first, last = int(one.low[0]), int(one.high[0])
        cuts: list[Edge] = [(str(first + (last - first) * part // parts),) for part in range(parts + 1)]
    else:
        on_expected = known.expected_rows >= known.found_rows
        edges = edges_after(work, both, one, step=-(-rows // parts), most=parts - 1, on_expected=on_expected)
        cuts = [one.low, *edges, one.high]
    return [Range(low=low, high=high) for low, high in pairwise(cuts) if not low or low != high]


def edges_after(work: Work, both: Both, one: Range, *, step: int, most: int, on_expected: bool) -> list[Edge]:
    """Return the key values that follow each `step` rows of a range, at most some, from one side's index.

    One by one, because the servers skip rows of an index much faster than they number them.
    """
    key = work.key
    assert key is not None
    side, index = (work.expected, key.expected_index) if on_expected else (work.found, key.found_index)
    edges: list[Edge] = []
    low = one.low
    while len(edges) < most:
        sql = (
            f"SELECT {', '.join(key.values)} {from_index(side, index)}"  # quoted
            f" WHERE {key.within(low, one.high)} ORDER BY {key.listed} LIMIT 1 OFFSET {step}"
        )
        here, there = both.rows(sql if on_expected else "", "" if on_expected else sql)
        if not (found := here or there):
            break
        low = key.edge(found[0])
        edges.append(low)
    return edges
