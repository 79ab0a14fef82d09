"""Walk a table by its key, in steps of about the same time and an order that can be taken up again; compare each.

Many small ranges are hashed in one statement, each with its own count and number; the unequal ones are gone into down
to the rows. So the statement is long enough that what lies between two of them does not matter, and a difference is
known to be in few rows at once. The unequal ranges of a statement are gone into together, a level at a time: however
many they are, they take a few statements.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from runbook_lib.mysql.connection import Row
from runbook_lib.proof.asking import Board, Both
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
    expected_rows, found_rows = both.rows(
        _statement(work, work.expected, work.key, work.key.expected_index, ranges),
        _statement(work, work.found, work.key, work.key.found_index, ranges) if work.found_has_rows else "",
    )
    counted = [Counts(fold=work.fold, expected_rows=rows, expected_total=total)
               for rows, total in _read(work, work.expected, expected_rows)]  # fmt: skip
    for counts, (rows, total) in zip(counted, _read(work, work.found, found_rows), strict=False):
        counts.found_rows, counts.found_total = rows, total
    return counted


def _statement(work: Work, side: TableFacts, key: Key, index: str, ranges: Sequence[Range]) -> str:
    total = rows_folded(side, work.ways, work.fold)
    source = from_index(side, index)
    return " UNION ALL ".join(
        f"SELECT {place}, COUNT(*), {total} {source} WHERE {key.within(range_.low, range_.high)}"
        for place, range_ in enumerate(ranges)
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
        for whole, known in level:
            rows = max(known.expected_rows, known.found_rows)
            if not known.expected_rows or not known.found_rows:
                part.counts.differ(missing=known.expected_rows, extra=known.found_rows)
                sample_rows(work, part, both, whole)
            elif rows <= FEW:
                few.append((whole, rows))
            else:
                smaller += split(work, both, whole, known)
        for together in _fetched_together(few, most=at_once(work)):
            compare_rows(work, part, both, together)
        level = []
        for some in _cut(smaller, at_once(work)):
            counted = zip(some, hash_ranges(work, both, some), strict=True)
            level += [(whole, counts) for whole, counts in counted if not counts.same]


def _fetched_together(few: Iterable[tuple[Range, int]], *, most: int) -> Iterator[list[Range]]:
    together: list[Range] = []
    rows = 0
    for whole, more in few:
        if together and (len(together) == most or rows + more > _FETCHED_ROWS):
            yield together
            together, rows = [], 0
        together.append(whole)
        rows += more
    if together:
        yield together


def _cut(ranges: Sequence[Range], most: int) -> Iterator[Sequence[Range]]:
    for start in range(0, len(ranges), most):
        yield ranges[start : start + most]


def split(work: Work, both: Both, whole: Range, known: Counts) -> list[Range]:
    """Split a range into about equal parts: of its values where they are whole numbers, else of its rows."""
    assert work.key is not None
    rows = max(known.expected_rows, known.found_rows)
    parts = min(_PARTS, max(2, rows // FEW * 2))
    if work.key.is_whole_number and whole.low and whole.high:
        first, last = int(whole.low[0]), int(whole.high[0])
        cuts: list[Edge] = [(str(first + (last - first) * part // parts),) for part in range(parts + 1)]
    else:
        on_expected = known.expected_rows >= known.found_rows
        edges = edges_after(work, both, whole, step=-(-rows // parts), most=parts - 1, on_expected=on_expected)
        cuts = [whole.low, *edges, whole.high]
    return [Range(low=low, high=high) for low, high in pairwise(cuts) if not low or low != high]


def edges_after(work: Work, both: Both, whole: Range, *, step: int, most: int, on_expected: bool) -> list[Edge]:
    """Return the key values that follow each `step` rows of a range, at most some, from one side's index.

    One by one, because the servers skip rows of an index much faster than they number them.
    """
    key = work.key
    assert key is not None
    side, index = (work.expected, key.expected_index) if on_expected else (work.found, key.found_index)
    edges: list[Edge] = []
    low = whole.low
    while len(edges) < most:
        sql = (
            f"SELECT {', '.join(key.values)} {from_index(side, index)}"  # quoted
            f" WHERE {key.within(low, whole.high)} ORDER BY {key.listed} LIMIT 1 OFFSET {step}"
        )
        expected_rows, found_rows = both.rows(sql if on_expected else "", "" if on_expected else sql)
        if not (found := expected_rows or found_rows):
            break
        low = key.edge(found[0])
        edges.append(low)
    return edges


TARGET_S = 0.25
"""How long one statement should take: short enough to be paused between two, long enough to outweigh the rest."""
_FIRST_ROWS, _MOST_ROWS = 8_000, 64_000
_LEAST, _DENSE = 50, 250
_RANGE_COSTS = 64
"""One more range in a statement takes a server about as long as hashing so many rows (seen: 85 to 140 µs)."""
_AT_FIRST = 1_000_000
"""So many rows are taken to have held one unequal range before any was hashed: ranges begin with 8,000 rows."""
_SPARSE = 20
"""Where there are more values than so many to a row, ranges are looked up in the index and not computed."""


class Walk:
    """Where the walk through one table stands. Steps are taken one at a time; their hashing goes on side by side."""

    def __init__(self, work: Work, board: Board, *, low: Edge = (), kept: Callable[[Range, Findings], None]) -> None:
        self._work = work
        self._board = board
        self._kept = kept
        self._low = low
        self._rows = _FIRST_ROWS
        self._hashed, self._unequal = _AT_FIRST, 1
        self._spread = 1.0
        self._computed: tuple[int, int] | None = None
        self._over = False
        self._asked_key = False
        self._on_expected = True

    def begin(self) -> None:
        """Put the first step on the board."""
        self._work.begin()
        self._board.put(self.step)

    def step(self, both: Both) -> None:
        """Take the next ranges, leave the rest of the walk to whoever is free, and compare them."""
        with self._work.lock:
            ranges = self._next(both)
            if not self._over:
                self.begin()
        part = self._compare(both, ranges)
        self._work.take(part)
        self._kept(Range(low=ranges[0].low, high=ranges[-1].high), part)
        self._work.end()

    def _compare(self, both: Both, ranges: Sequence[Range]) -> Findings:
        part = self._work.part()
        began = time.perf_counter()
        counted = hash_ranges(self._work, both, ranges)
        self._learn(ranges, counted, time.perf_counter() - began)
        for counts in counted:
            part.counts.add(counts)
        dig(self._work, part, both, [pair for pair in zip(ranges, counted, strict=True) if not pair[1].same])
        return part

    def _learn(self, ranges: Sequence[Range], counted: Sequence[Counts], took: float) -> None:
        rows = max(sum(c.expected_rows for c in counted), sum(c.found_rows for c in counted))
        with self._work.lock:
            if rows:
                wanted = rows * TARGET_S / max(took, 0.001)
                self._rows = int(min(max(wanted, self._rows / 2, _LEAST), self._rows * 2, _MOST_ROWS))
            self._hashed += rows
            self._unequal += sum(not counts.same for counts in counted)
            if self._computed and ranges[0].low and ranges[-1].high:
                self._spread = (int(ranges[-1].high[0]) - int(ranges[0].low[0])) / max(rows, 1)

    @property
    def _small(self) -> int:
        """Return the rows of one range.

        The more rows, the more are hashed again for each difference; the fewer, the more ranges are to be asked for.
        Both cost the same, and together least, at the root of their ratio.
        """
        balanced = math.sqrt(_RANGE_COSTS * self._hashed / self._unequal)
        return int(max(_LEAST, min(max(_DENSE, balanced), self._rows // 4)))

    @property
    def _arms(self) -> int:
        return max(1, min(at_once(self._work), self._rows // self._small))

    def _next(self, both: Both) -> list[Range]:
        key = self._work.key
        assert key is not None
        if key.is_whole_number and not self._asked_key:
            self._computed = self._bounds(both)
        self._asked_key = True
        edges = self._compute() if self._computed and self._spread < _SPARSE else self._look_up(both)
        cuts = [self._low, *edges]
        if self._over:
            cuts.append(())
        else:
            self._low = edges[-1]
        return [Range(low=low, high=high) for low, high in pairwise(cuts)]

    def _bounds(self, both: Both) -> tuple[int, int] | None:
        work, key = self._work, self._work.key
        assert key is not None
        asked = [
            f"SELECT MIN({key.listed}), MAX({key.listed}) {from_index(side, index)}"  # quoted
            for side, index in ((work.expected, key.expected_index), (work.found, key.found_index))
        ]
        expected_rows, found_rows = both.rows(asked[0], asked[1] if work.found_has_rows else "")
        ends = [(int(row[0]), int(row[1])) for row in (*expected_rows, *found_rows) if row[0] is not None]
        return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None

    def _compute(self) -> list[Edge]:
        assert self._computed is not None
        first, last = self._computed
        low = int(self._low[0]) if self._low else first
        width = max(1, int(self._small * self._spread))
        edges = [low + width * number for number in range(1, self._arms + 1)]
        if edges[-1] > last:
            self._over = True
            edges = [edge for edge in edges if edge <= last]
        return [(str(edge),) for edge in edges]

    def _look_up(self, both: Both) -> list[Edge]:
        rest = Range(low=self._low, high=())
        edges: list[Edge] = []
        while not edges and not self._over:
            on_expected = self._on_expected
            edges = edges_after(self._work, both, rest, step=self._small, most=self._arms, on_expected=on_expected)
            if not edges:
                # no more on the expected side: what is left on the other is walked by its own keys
                self._over = not on_expected or not self._work.found_has_rows
                self._on_expected = False
        return edges
