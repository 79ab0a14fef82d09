"""All pairs of tables of one proof: what is to be done with each, and the verdict when it is done."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.inventory import TableName, list_schemas
from runbook_lib.proof.asking import Board, Both, open_reader
from runbook_lib.proof.definitions import differing, read_definition
from runbook_lib.proof.encoding import Ways, fits, ways_of
from runbook_lib.proof.facts import TableFacts, read_facts
from runbook_lib.proof.folding import Fold
from runbook_lib.proof.guard import Guard, Watch
from runbook_lib.proof.keeping import Keeper
from runbook_lib.proof.keys import Key, choose_key
from runbook_lib.proof.objects import (
    ObjectDifference,
    compare_objects,
    read_objects,
    unreadable,
    unseen_objects,
    unseen_tables,
)
from runbook_lib.proof.rows import Range
from runbook_lib.proof.tally import Counts, Differing, Findings, Meter, Progress, Work, fold_for
from runbook_lib.proof.unkeyed import compare_bags
from runbook_lib.proof.values import (
    DAMAGED,
    EMPTIED,
    MISSING,
    NEW,
    SAME,
    VERSION,
    Digest,
    Pair,
    Side,
    TableVerdict,
    Verdict,
)  # fmt: skip
from runbook_lib.proof.walk import Walk


@dataclass(frozen=True, kw_only=True)
class ProofOptions:
    """How a proof is made.

    `personal` are patterns of columns ("staging.*.email") whose values are never read into samples; "*" is every
    column but a key that is one whole number. At most `samples` rows of each kind are kept per table. `keep` names a
    file in which progress is kept: given again, the proof goes on where it stopped. The guard holds it back while the
    found side is busy. `workers` is the number of connections to each server. With `objects` views, routines, triggers,
    events and sequences are compared too, unless single pairs of tables are asked for.
    """

    personal: Collection[str] = ()
    samples: int = 5
    workers: int = 4
    keep: Path | None = None
    guard: Guard | None = None
    progress: Progress | None = None
    objects: bool = False
    differing: Differing | None = None
    leave_out: Collection[TableName] = ()


class Estate:
    """The tables of two servers, or of one alone (then both sides are the same), and what is known of them."""

    def __init__(self, expected: Side, found: Side, options: ProofOptions) -> None:
        self._sides = (expected, found)
        self._alone = expected is found
        self._options = options
        self._personal = tuple(options.personal)
        self._samples = options.samples
        self._board = Board()
        self._meter = Meter(options.progress)
        self._lock = threading.Lock()
        self._keeper = Keeper(None, {})
        self.verdicts: list[TableVerdict] = []
        self.lacking: dict[TableName, tuple[str, ...]] = {}
        self.objects: tuple[ObjectDifference, ...] | None = None
        self.unseen: tuple[str, ...] = ()
        self.not_compared: tuple[str, ...] = ()
        self.with_json = 0
        self._expected = open_reader(expected)
        try:
            self._found = open_reader(found)
        except BaseException:
            self._expected.close()
            raise

    def close(self) -> None:
        """Close the connections and the kept progress."""
        self._keeper.close()
        self._expected.close()
        self._found.close()

    def plan(self, pairs: Sequence[Pair] | None, schemas: Collection[str]) -> None:
        """Read what is there and put every pair of tables on the board, the largest first.

        Raises:
            NotFound: a pair, or a schema, is on neither side.
            InputRefused: `keep` was written by another proof.
        """
        if pairs is None:
            self._look_around(schemas)
        expected_facts = read_facts(self._expected, schemas=schemas or {pair.expected.schema for pair in pairs or ()})
        found_facts = read_facts(self._found, schemas=schemas or {pair.found.schema for pair in pairs or ()})
        chosen = pairs
        if chosen is None:
            left_out = frozenset(self._options.leave_out)
            chosen = [pair for pair in _namesakes(expected_facts, found_facts) if pair.expected not in left_out]
        for pair in chosen:
            if pair.expected not in expected_facts and pair.found not in found_facts:
                raise NotFound(f"There is no table {pair.expected} on either side.", hint="Check the names.")
        packet = min(_packet(self._expected), _packet(self._found))
        facts = [(expected_facts.get(pair.expected), found_facts.get(pair.found)) for pair in chosen]
        self.with_json = sum(_has_json(expected) and _has_json(found) for expected, found in facts)
        subject = _subject(self._sides, facts, self._personal)
        self._keeper = Keeper(self._options.keep, {**subject, "packet": packet})
        for verdict in self._keeper.tables.values():
            self.verdicts.append(verdict)
            self._expect_and_advance(verdict.expected_rows or 0)
        left = [pair for pair in chosen if pair not in self._keeper.tables]
        # the board is worked off from its end
        sizes = {name: facts.rows for name, facts in expected_facts.items()}
        for pair in sorted(left, key=lambda pair: sizes.get(pair.expected, -1)):
            expected, found = expected_facts.get(pair.expected), found_facts.get(pair.found)
            if expected is not None:
                self._put(pair, expected, found, ways_of(expected, found or expected, packet=packet))
            elif found is not None:
                self._put_new(pair, found)

    def _look_around(self, schemas: Collection[str]) -> None:
        """Hold what the accounts may see against all there is, and compare what is there beside the tables."""
        sides = [
            (side.name, database) for side, database in zip(self._sides, (self._expected, self._found), strict=True)
        ]
        present = {schema.lower() for _, database in sides for schema in list_schemas(database)}
        if nowhere := sorted(schema for schema in schemas if schema.lower() not in present):
            raise NotFound(
                f"There is no schema {', '.join(nowhere)} on either side, or the accounts do not see it.",
                hint="Check the names, and the rights of the accounts.",
            )
        self.unseen = tuple(f"{name}: {what}" for name, database in sides for what in unseen_tables(database, schemas))
        if not self._options.objects:
            return
        expected, found = (read_objects(database, schemas) for _, database in sides)
        hidden = dict.fromkeys([*unreadable(expected.items()), *unreadable(found.items())])
        lacking = [f"{name}: {what}" for name, database in sides for what in unseen_objects(database, schemas)]
        self.not_compared = (*lacking, *(f"{one} (its definition is not shown to the account)" for one in hidden))
        self.objects = compare_objects(expected, found)

    def plan_alone(self, wanted: Mapping[TableName, Digest]) -> None:
        """Put tables of one server on the board, each to be hashed as it was for an earlier digest.

        Raises:
            InputRefused: a row might not fit into this server's packets in these ways.
        """
        known = read_facts(self._expected, schemas={name.schema for name in wanted})
        packet = _packet(self._expected)
        for name, digest in sorted(wanted.items(), key=lambda item: known[item[0]].rows if item[0] in known else 0):
            if name not in known:
                continue
            facts, ways = known[name], dict(digest.ways)
            self.lacking[name] = tuple(column for column in ways if column not in facts.columns)
            left = {column: way for column, way in ways.items() if column in facts.columns}
            if not fits(facts, left, packet=packet):
                raise InputRefused(
                    f"Rows of {name} may be larger than this server's max_allowed_packet, {packet:,} bytes.",
                    hint="Raise it to that of the server the earlier proof was made with.",
                )
            self._put(Pair(expected=name, found=name), facts, None, left, fold=digest.fold)

    def work(self, watch: Watch) -> None:
        """Do all that is on the board."""
        self._board.work(lambda: Both(*self._sides, watch, alone=self._alone), workers=max(1, self._options.workers))

    def _put(
        self, pair: Pair, expected: TableFacts, found: TableFacts | None, ways: Ways, *, fold: Fold | None = None
    ) -> None:
        key = choose_key(expected, found or expected)
        work = Work(
            pair=pair,
            expected=expected,
            found=found or expected,
            found_has_rows=found is not None,
            ways=ways,
            fold=fold or fold_for(key),
            key=key,
            personal=frozenset(_matching(expected.table, ways, self._personal, key)),
            most_samples=self._samples,
            finished=lambda work: self._finish(work, found),
            differing=self._options.differing if found is not None and not self._alone else None,
        )
        work.begin()
        self._meter.expect(expected.rows)
        self._board.put(lambda both: self._start(work, both))

    def _start(self, work: Work, both: Both) -> None:
        if work.key is None:
            part = work.part()
            compare_bags(work, part, both)
            work.take(part)
            self._meter.advance(part.counts.expected_rows)
        else:
            if work.found_has_rows:
                work.found_has_rows = bool(both.found.rows(f"SELECT 1 FROM {work.found.table.sql} LIMIT 1"))  # noqa: S608
            low, before = self._keeper.steps(work.pair)
            for part in before:
                work.take(part)
                self._meter.advance(part.counts.expected_rows, before=True)
            Walk(work, self._board, low=low, kept=lambda walked, part: self._kept(work, walked, part)).begin()
        work.end()

    def _kept(self, work: Work, walked: Range, part: Findings) -> None:
        self._keeper.step(work.pair, walked, part)
        self._meter.advance(part.counts.expected_rows)

    def _put_new(self, pair: Pair, found: TableFacts) -> None:
        def count(both: Both) -> None:
            both.wait()
            rows = int(both.found.value(f"SELECT COUNT(*) FROM {found.table.sql}"))  # noqa: S608  # quoted
            self._add(TableVerdict(pair=pair, verdict=NEW, found_rows=rows, extra=rows))

        self._board.put(count)

    def _finish(self, work: Work, found: TableFacts | None) -> None:
        counts = work.known.counts
        definition: tuple[str, ...] = ()
        with self._lock:
            if found is not None:
                versioned = work.expected.versioned and work.found.versioned
                definition = differing(
                    read_definition(self._expected, work.pair.expected, versioned=versioned),
                    read_definition(self._found, work.pair.found, versioned=versioned),
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
                samples=tuple(sorted(work.known.samples, key=lambda sample: sample.place)),
                definition=definition,
                expected_digest=_digest(work, counts.expected_rows, counts.expected_total),
                found_digest=_digest(work, counts.found_rows, counts.found_total) if found else None,
            )
        )

    def _add(self, verdict: TableVerdict) -> None:
        self._keeper.table(verdict)
        with self._lock:
            self.verdicts.append(verdict)

    def _expect_and_advance(self, rows: int) -> None:
        self._meter.expect(rows)
        self._meter.advance(rows, before=True)


def _has_json(facts: TableFacts | None) -> bool:
    return facts is not None and any(column.kind == "json" for column in facts.columns.values())


def _namesakes(expected: Iterable[TableName], found: Iterable[TableName]) -> list[Pair]:
    return [Pair(expected=name, found=name) for name in sorted({*expected, *found})]


def _digest(work: Work, rows: int, total: int) -> Digest:
    return Digest(rows=rows, total=total, fold=work.fold, ways=tuple(work.ways.items()))


def _packet(database: Any) -> int:
    return int(database.value("SELECT @@max_allowed_packet"))


def _matching(table: TableName, columns: Iterable[str], patterns: Sequence[str], key: Key | None) -> Iterable[str]:
    shown = key.names if key is not None and key.is_whole_number else ()
    for column in columns:
        matching = [pattern for pattern in patterns if fnmatchcase(f"{table.schema}.{table.name}.{column}", pattern)]
        if matching and not (column in shown and matching == ["*"]):
            yield column


def _subject(
    sides: Sequence[Side], tables: Iterable[tuple[TableFacts | None, TableFacts | None]], personal: Sequence[str]
) -> dict[str, Any]:
    described = json.dumps([[_described(expected), _described(found)] for expected, found in tables], default=str)
    return {
        "version": VERSION,
        "expected": sides[0].name,
        "found": sides[1].name,
        "tables": hashlib.sha256(described.encode()).hexdigest(),
        "personal": sorted(personal),
    }


def _described(facts: TableFacts | None) -> list[Any]:
    return [] if facts is None else [str(facts.table), *map(str, facts.columns.values()), *map(str, facts.unique)]


def _verdict(counts: Counts, *, is_there: bool, lost_columns: bool) -> Verdict:
    if not is_there:
        return MISSING
    if counts.expected_rows and not counts.found_rows:
        return EMPTIED
    if counts.missing or counts.changed or lost_columns:
        return DAMAGED
    return NEW if counts.extra else SAME
