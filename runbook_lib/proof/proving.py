"""Prove that what one server holds is what another holds, table by table, and say where it is not."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from runbook_lib.inventory import TableName
from runbook_lib.proof.asking import Board, Both, open_reader
from runbook_lib.proof.definitions import differing, read_definition
from runbook_lib.proof.encoding import ways_of
from runbook_lib.proof.facts import TableFacts, read_facts
from runbook_lib.proof.guard import Guard, Watch
from runbook_lib.proof.keeping import Keeper
from runbook_lib.proof.keys import choose_key
from runbook_lib.proof.rows import Range
from runbook_lib.proof.tally import Counts, Findings, Work
from runbook_lib.proof.unkeyed import compare_bags
from runbook_lib.proof.values import (
    DAMAGED,
    EMPTIED,
    MISSING,
    NEW,
    SAME,
    Digest,
    Pair,
    Proof,
    Side,
    TableVerdict,
    Verdict,
)  # fmt: skip
from runbook_lib.proof.walk import Walk
from runbook_lib.times import duration_text

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Called with the rows done, all rows as far as known, and what to say of it."""
WORKERS = 4
_SAID_EVERY_S = 10


def prove(
    expected: Side,
    found: Side,
    *,
    pairs: Sequence[Pair] | None = None,
    schemas: Collection[str] = (),
    personal: Collection[str] = (),
    samples: int = 5,
    workers: int = WORKERS,
    keep: Path | None = None,
    guard: Guard | None = None,
    progress: Progress | None = None,
) -> Proof:
    """Compare tables of two servers: definitions, exact numbers of rows, and every row by its hash. Both are only read.

    Without `pairs` every base table of both sides is compared with its namesake; `schemas` limits that. `personal`
    are patterns of columns ("staging.*.email") whose values are never shown. At most `samples` rows of each kind are
    kept per table. `keep` names a file in which progress is kept: given again, the proof goes on where it stopped.
    It assumes that nobody writes the compared rows meanwhile; a row written on the found side is
    reported as it was when it was read.

    Raises:
        AccessDenied: an account may not read a table.
        Unreachable: a server does not answer any more.
        InputRefused: `keep` was written by another proof.
        TimedOut: the guarded server was too busy for longer than the guard's patience.
    """
    began = time.monotonic()
    proving = _Proving(expected, found, personal=tuple(personal), samples=samples, progress=progress)
    try:
        proving.prepare(pairs, schemas, keep)
        watch = Watch(guard, found)
        try:
            proving.run(watch, workers=max(1, workers))
        finally:
            watch.close()
    finally:
        proving.close()
    proof = Proof(
        expected=expected.name,
        found=found.name,
        tables=tuple(sorted(proving.verdicts, key=lambda table: table.pair)),
        seconds=time.monotonic() - began,
    )
    log.info("%d tables proved, %d of them damaged", len(proof.tables), len(proof.damaged))
    return proof


class _Proving:
    def __init__(
        self, expected: Side, found: Side, *, personal: tuple[str, ...], samples: int, progress: Progress | None
    ) -> None:
        self._sides = (expected, found)
        self._personal = personal
        self._samples = samples
        self._progress = progress or _log_progress()
        self._board = Board()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._done = self._all = 0
        self.verdicts: list[TableVerdict] = []
        self._keeper: Keeper | None = None
        self._expected = open_reader(expected)
        try:
            self._found = open_reader(found)
        except BaseException:
            self._expected.close()
            raise

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
        self._expected.close()
        self._found.close()

    def prepare(self, pairs: Sequence[Pair] | None, schemas: Collection[str], keep: Path | None) -> None:
        here = read_facts(self._expected, schemas=schemas or {pair.expected.schema for pair in pairs or ()})
        there = read_facts(self._found, schemas=schemas or {pair.found.schema for pair in pairs or ()})
        packet = min(int(side.value("SELECT @@max_allowed_packet")) for side in (self._expected, self._found))
        chosen = pairs if pairs is not None else _namesakes(here, there)
        self._keeper = Keeper(keep, _subject(self._sides, chosen, self._personal, packet))
        for verdict in self._keeper.tables.values():
            self._add(verdict, keep=False)
        chosen = [pair for pair in chosen if pair not in self._keeper.tables]
        self._all = sum(here[pair.expected].rows for pair in chosen if pair.expected in here)
        # the board is worked off from its end: the largest tables begin
        for pair in sorted(chosen, key=lambda pair: here[pair.expected].rows if pair.expected in here else -1):
            self._begin(pair, here.get(pair.expected), there.get(pair.found), packet)

    def _begin(self, pair: Pair, expected: TableFacts | None, found: TableFacts | None, packet: int) -> None:
        if expected is None:
            self._board.put(lambda both: self._new_since(pair, found, both))
            return
        ways = ways_of(expected, found or expected, packet=packet)
        work = Work(
            pair=pair,
            expected=expected,
            found=found or expected,
            found_has_rows=found is not None,
            ways=ways,
            key=choose_key(expected, found or expected),
            personal=self._personal_of(expected.table, ways),
            most_samples=self._samples,
            finished=lambda work: self._finish(work, found),
        )
        work.begin()
        self._board.put(lambda both: self._start(work, both))

    def _personal_of(self, table: TableName, columns: Iterable[str]) -> frozenset[str]:
        return frozenset(
            column
            for column in columns
            if any(fnmatchcase(f"{table.schema}.{table.name}.{column}", pattern) for pattern in self._personal)
        )

    def run(self, watch: Watch, *, workers: int) -> None:
        self._board.work(lambda: Both(*self._sides, watch), workers=workers)

    def _start(self, work: Work, both: Both) -> None:
        if work.found_has_rows:
            work.found_has_rows = bool(both.found.rows(f"SELECT 1 FROM {work.found.table.sql} LIMIT 1"))  # noqa: S608
        if work.key is None:
            part = Findings()
            compare_bags(work, part, both)
            work.take(part)
        else:
            self._walk(work)
        work.end()

    def _walk(self, work: Work) -> None:
        keeper = self._keeper
        assert keeper is not None
        low, before = keeper.steps(work.pair)
        for part in before:
            work.take(part)

        def kept(one: Range, part: Findings) -> None:
            keeper.step(work.pair, one, part)
            self._advance(part.counts.expected_rows)

        Walk(work, self._board, low=low, kept=kept).begin()

    def _new_since(self, pair: Pair, found: TableFacts | None, both: Both) -> None:
        if found is not None:
            rows = int(both.found.value(f"SELECT COUNT(*) FROM {found.table.sql}"))  # noqa: S608  # quoted
            self._add(TableVerdict(pair=pair, verdict=NEW, found_rows=rows, extra=rows))

    def _finish(self, work: Work, found: TableFacts | None) -> None:
        if self._board.failed:
            return
        counts, ways = work.known.counts, tuple(work.ways.items())
        definition: tuple[str, ...] = ()
        with self._lock:
            if found is not None:
                definition = differing(
                    read_definition(self._expected, work.pair.expected), read_definition(self._found, work.pair.found)
                )
        lost = [name for name in work.expected.columns if found is not None and name not in found.columns]
        self._add(
            TableVerdict(
                pair=work.pair,
                verdict=_verdict(counts, is_there=found is not None, lost_columns=bool(lost)),
                expected_rows=counts.expected_rows,
                found_rows=counts.found_rows if found is not None else None,
                missing=counts.missing,
                extra=counts.extra,
                changed=counts.changed,
                columns=tuple(name for name in work.ways if work.known.columns[name]),
                samples=tuple(work.known.samples),
                definition=definition,
                expected_digest=Digest(rows=counts.expected_rows, total=counts.expected_total, ways=ways),
                found_digest=Digest(rows=counts.found_rows, total=counts.found_total, ways=ways) if found else None,
            )
        )

    def _add(self, verdict: TableVerdict, *, keep: bool = True) -> None:
        if keep and self._keeper is not None:
            self._keeper.table(verdict)
        with self._lock:
            self.verdicts.append(verdict)
        self._advance(0)

    def _advance(self, rows: int) -> None:
        with self._lock:
            self._done += rows
            self._all = max(self._all, self._done)
            self._progress(self._done, self._all, _time_left(self._done, self._all, time.monotonic() - self._began))


def _subject(sides: Sequence[Side], pairs: Sequence[Pair], personal: Sequence[str], packet: int) -> dict[str, Any]:
    names = json.dumps([[str(pair.expected), str(pair.found)] for pair in sorted(pairs)])
    return {
        "expected": sides[0].name,
        "found": sides[1].name,
        "pairs": hashlib.sha256(names.encode()).hexdigest(),
        "personal": sorted(personal),
        "packet": packet,
    }


def _namesakes(here: Iterable[TableName], there: Iterable[TableName]) -> list[Pair]:
    return [Pair(expected=name, found=name) for name in sorted({*here, *there})]


def _verdict(counts: Counts, *, is_there: bool, lost_columns: bool) -> Verdict:
    if not is_there:
        return MISSING
    if counts.expected_rows and not counts.found_rows:
        return EMPTIED
    if counts.missing or counts.changed or lost_columns:
        return DAMAGED
    return NEW if counts.extra else SAME


def _time_left(done: int, everything: int, seconds: float) -> str:
    if not done or done >= everything:
        return f"{done:,} rows"
    left = timedelta(seconds=round(seconds * (everything - done) / done))
    return f"{done:,} of about {everything:,} rows, {duration_text(left)} left"


def _log_progress() -> Progress:
    said = [time.monotonic()]

    def say(_done: int, _everything: int, text: str) -> None:
        if time.monotonic() - said[0] > _SAID_EVERY_S:
            said[0] = time.monotonic()
            log.info("proving: %s", text)

    return say
