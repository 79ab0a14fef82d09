"""Walk a table by its key in steps that take about the same time, in an order that can be taken up again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

from runbook_lib.proof.asking import Board, Both
from runbook_lib.proof.keys import Edge
from runbook_lib.proof.ranges import at_once, dig, edges_after, hash_ranges
from runbook_lib.proof.rows import Range, from_index
from runbook_lib.proof.tally import Counts, Findings, Work

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
        dig(self._work, part, both, [one for one in zip(ranges, counted, strict=True) if not one[1].same])
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
        here, there = both.rows(asked[0], asked[1] if work.found_has_rows else "")
        ends = [(int(row[0]), int(row[1])) for row in (*here, *there) if row[0] is not None]
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
