"""What a proof has come to know of one pair of tables so far. Workers add to it, one at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from runbook_lib.proof.encoding import Ways
from runbook_lib.proof.facts import TableFacts
from runbook_lib.proof.folding import SUM, XOR, Fold, joined
from runbook_lib.proof.keys import Key
from runbook_lib.proof.values import Pair, RowDifference
from runbook_lib.times import duration_text

EXAMINED = 2_000
"""Of how many changed rows per table the columns are compared; the counts are exact whatever this is."""


@dataclass(kw_only=True)
class Counts:
    """Rows and their folded hashes on both sides, and the rows that differ. Those of the parts of a table add up."""

    fold: Fold
    expected_rows: int = 0
    found_rows: int = 0
    expected_total: int = 0
    found_total: int = 0
    missing: int = 0
    extra: int = 0
    changed: int = 0

    def add(self, other: Counts) -> None:
        """Add the counts of another part to these."""
        self.expected_rows += other.expected_rows
        self.found_rows += other.found_rows
        self.expected_total = joined(self.expected_total, other.expected_total, self.fold)
        self.found_total = joined(self.found_total, other.found_total, self.fold)
        self.differ(missing=other.missing, extra=other.extra, changed=other.changed)

    def differ(self, *, missing: int = 0, extra: int = 0, changed: int = 0) -> None:
        """Add rows that differ."""
        self.missing += missing
        self.extra += extra
        self.changed += changed

    @property
    def same(self) -> bool:
        """Tell whether both sides have the same rows, by their number and folded hashes."""
        return (self.expected_rows, self.expected_total) == (self.found_rows, self.found_total)


@dataclass(kw_only=True)
class Findings:
    """What was found in a part of a table, or in all of it. One worker at a time adds to it."""

    counts: Counts
    samples: list[RowDifference] = field(default_factory=list)
    columns: Counter[str] = field(default_factory=Counter)
    examined: int = 0

    def of(self, kind: str) -> int:
        """Count the samples of a kind."""
        return sum(sample.kind == kind for sample in self.samples)


Differing = Callable[["Work", str, Sequence[tuple[bytes, ...]]], object]
"""Called with rows that differ: their table, "missing", "extra" or "changed", and their keys' values as bytes."""


def fold_for(key: Key | None) -> Fold:
    """Return how the rows of a table are folded: XORed if a key tells them apart. A key's columns are always hashed."""
    return SUM if key is None else XOR


@dataclass(kw_only=True)
class Work:
    """One pair of tables being proved: the facts and choices, and what was found."""

    pair: Pair
    expected: TableFacts
    found: TableFacts
    found_has_rows: bool
    ways: Ways
    fold: Fold
    key: Key | None
    personal: frozenset[str]
    most_samples: int
    finished: Callable[[Work], None]
    differing: Differing | None = None
    known: Findings = field(init=False)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _open: int = 0

    def __post_init__(self) -> None:
        self.known = self.part()

    def part(self) -> Findings:
        """Return what is known of a part of this table before anything was found."""
        return Findings(counts=Counts(fold=self.fold))

    def begin(self) -> None:
        """Note that one more piece of work on this table was put on the board."""
        with self.lock:
            self._open += 1

    def end(self) -> None:
        """Note that one piece is done; the last one finishes the table."""
        with self.lock:
            self._open -= 1
            last = self._open == 0
        if last:
            self.finished(self)

    def wants(self, kind: str, part: Findings) -> int:
        """Return how many more sample rows of a kind are wanted, beyond those a part has."""
        with self.lock:
            return max(0, self.most_samples - self.known.of(kind) - part.of(kind))

    def to_examine(self, part: Findings) -> int:
        """Return of how many more changed rows the columns are compared."""
        with self.lock:
            return max(0, EXAMINED - self.known.examined - part.examined)

    def take(self, part: Findings) -> None:
        """Add what was found in a part."""
        with self.lock:
            self.known.counts.add(part.counts)
            self.known.columns.update(part.columns)
            self.known.examined += part.examined
            for sample in part.samples:
                if self.known.of(sample.kind) < self.most_samples:
                    self.known.samples.append(sample)


log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Called with the rows done, all rows as far as known, and what to say of it."""
_SAID_EVERY_S = 10


class Meter:
    """Rows done of about all rows. What an earlier run has done does not count for the speed."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress or _log_progress()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._done = self._before = self._all = 0

    def expect(self, rows: int) -> None:
        """Note that about so many more rows are to be done."""
        with self._lock:
            self._all += rows

    def advance(self, rows: int, *, before: bool = False) -> None:
        """Note that so many more rows are done, or were done by an earlier run."""
        with self._lock:
            self._done += rows
            self._before += rows if before else 0
            self._all = max(self._all, self._done)
            self._progress(self._done, self._all, self._text())

    def _text(self) -> str:
        now_done, left = self._done - self._before, self._all - self._done
        if not now_done or not left:
            return f"{self._done:,} rows"
        seconds = round((time.monotonic() - self._began) * left / now_done)
        return f"{self._done:,} of about {self._all:,} rows, {duration_text(timedelta(seconds=seconds))} left"


def _log_progress() -> Progress:
    said = [time.monotonic()]

    def say(_done: int, _everything: int, text: str) -> None:
        if time.monotonic() - said[0] > _SAID_EVERY_S:
            said[0] = time.monotonic()
            log.info("proving: %s", text)

    return say
