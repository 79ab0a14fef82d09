"""Prove a restored copy without trusting the source: by an earlier sealed proof, and by the source's binary log.

What has the same digest as in the earlier proof is as it was sealed then. What has not is compared with the living
source, row by row. A row that differs is explained only if the log since the copy's second has touched it; and each row
that the log has touched is held against what the log says it was before, so that a row that is wrong in the copy and
was changed since at the source is found too. What was logged in a way that does not name rows is *not known*.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate

from runbook_lib.drills.cascades import explain_cascades
from runbook_lib.drills.source_log import SourceLog
from runbook_lib.drills.touched import MOST_ROWS, READ, Row, TableTouches, Touched, Values
from runbook_lib.drills.values import (
    EXPLAINED,
    NOT_KNOWN,
    SAME,
    SEALED,
    UNEXPLAINED,
    DrillProof,
    SealedProof,
    TableResult,
    Unexplained,
)
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.mysql.lexer import Dialect
from runbook_lib.proof import Proof, ProofOptions, Side, TableVerdict, hold
from runbook_lib.proof.asking import open_reader
from runbook_lib.proof.facts import Column, TableFacts, read_facts
from runbook_lib.proof.keys import Key, choose_key
from runbook_lib.proof.rows import readable
from runbook_lib.proof.tally import Work
from runbook_lib.proof.values import HIDDEN
from runbook_lib.restore.compare import compare_servers, unread_of
from runbook_lib.times import utc_text

log = logging.getLogger(__name__)

_NAMED = 20
"""Of so many unexplained rows of a table the keys are kept; the number is exact."""
_AT_ONCE = 200
_KINDS = {
    "missing": "is in the copy and not on the source, and the log never touched it",
    "extra": "is on the source and not in the copy, and the log never touched it",
    "changed": "is another one than on the source, and the log never touched it",
    "not as logged": "is not what the log says it was before it was changed",
}
_REAL = slice(9, 17)  # the first number within a point's binary form


def prove_drill(
    copy: Side,
    source: Side,
    *,
    second: datetime,
    source_log: SourceLog,
    earlier: SealedProof | None = None,
    options: ProofOptions,
) -> DrillProof:
    """Prove a copy of a second against an earlier sealed proof, the living source and its log. Both are only read.

    Raises:
        AccessDenied, Unreachable, TimedOut: see `compare_servers`.
    """
    began = time.monotonic()
    held, remarks = _held(copy, earlier, options)
    sealed = {table.pair.expected: table for table in held if table.verdict == "same"}
    found = _Differing()
    comparison = compare_servers(
        copy, source, options=replace(options, objects=True, differing=found.add, leave_out=tuple(sealed))
    )
    judging = _Judging(copy, source, comparison, found)
    judging.follow(source_log, second=second)
    changed = {table.pair.expected for table in held} - set(sealed)
    suspects, said = _quiet_and_other(judging, source_log, earlier, changed, until=second) if changed else ({}, "")
    with open_reader(copy) as reader:
        tables = [*judging.tables(reader, suspects)]
    lost = set(suspects) - {table.table for table in tables}  # neither the copy nor the source has them
    tables += [
        TableResult(table=name, how=UNEXPLAINED, rows=None, unexplained=(Unexplained(what=suspects[name]),))
        for name in sorted(lost)
    ]
    objects, objects_why_not = judging.objects()
    tables += [
        TableResult(table=name, how=SEALED, rows=table.expected_rows, why=f"as {_sealed_text(earlier)}")
        for name, table in sealed.items()
    ]
    tables += [TableResult(table=name, how=NOT_KNOWN, rows=None, why=why) for name, why in unread_of(comparison)]
    return DrillProof(
        second=second,
        tables=tuple(sorted(tables, key=lambda table: table.table)),
        objects=objects,
        objects_why_not=objects_why_not,
        earlier=earlier,
        log_why_not=judging.why_not,
        remarks=(*remarks, *([said] if said else []), *judging.remarks()),
        seconds=time.monotonic() - began,
        comparison=comparison,
        kept=_kept(comparison, tuple(sealed.values())),
    )


def _held(
    copy: Side, earlier: SealedProof | None, options: ProofOptions
) -> tuple[tuple[TableVerdict, ...], tuple[str, ...]]:
    if earlier is None:
        return (), ("There is no earlier sealed proof: every table is held against the living source only.",)
    try:
        return hold(copy, earlier.proof, options=options).tables, ()
    except (InputRefused, NotFound) as error:
        return (), (f"The copy was not held against the earlier proof: {error.message}",)


def _sealed_text(earlier: SealedProof | None) -> str:
    return f"sealed in the record {earlier.run_id}, of {utc_text(earlier.second)}" if earlier else ""


def _kept(comparison: Proof, sealed: Sequence[TableVerdict]) -> Proof:
    """Return the proof that the record keeps for later ones: the digests of the copy, of every table."""
    tables = sorted((*comparison.tables, *sealed), key=lambda table: table.pair)
    return replace(comparison, tables=tuple(tables))


def _quiet_and_other(
    judging: _Judging, source_log: SourceLog, earlier: SealedProof | None, changed: set[TableName], *, until: datetime
) -> tuple[Mapping[TableName, str], str]:
    """Return the tables that differ from the earlier proof although the log until the copy's second has nothing of it.

    And what to say where the log does not reach back to that proof.
    """
    if earlier is None or earlier.second >= until:
        return {}, ""
    touched = judging.new_touched()
    why_not = source_log.follow(touched, second=earlier.second, until=until)
    if why_not or touched.gaps:
        said = why_not or f"not all of it could be read: {touched.gaps[0]}"
        return {}, (
            f"Whether tables that differ from the proof of {utc_text(earlier.second)} were changed by then is not "
            f"known: {said}. Those that are there were held against the living source: {_listed(changed)}."
        )
    said = f"differs from what was {_sealed_text(earlier)}, and the log until the copy's second never touched it"
    return {
        name: said
        for name in changed
        if not (touched.tables[name].is_touched if name in touched.tables else touched.gone(name))
    }, ""


def _listed(names: Iterable[TableName]) -> str:
    found = sorted(map(str, names))
    return ", ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")


class _Differing:
    """The keys of all rows that differ, by table. Workers add to it side by side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.keys: dict[TableName, dict[Values, str]] = defaultdict(dict)
        self.personal: dict[TableName, frozenset[str]] = {}
        self.too_many: set[TableName] = set()

    def add(self, work: Work, kind: str, keys: Sequence[Values]) -> None:
        table = work.pair.expected
        with self._lock:
            known = self.keys[table]
            self.personal[table] = work.personal
            if len(known) + len(keys) > MOST_ROWS:
                self.too_many.add(table)
                return
            known.update(dict.fromkeys(keys, kind))


class _Judging:
    """Both servers' tables, what differs between them, and what the log says of it."""

    def __init__(self, copy: Side, source: Side, comparison: Proof, differing: _Differing) -> None:
        self._comparison, self._differing = comparison, differing
        with source.connect() as database:
            self._source = read_facts(database)
            self._dialect = Dialect.of_server(database.version)
        with copy.connect() as database:
            self._copy = read_facts(database)
        self._sides = (copy, source)
        self._keys = {
            name: key
            for name, facts in self._copy.items()
            if (key := choose_key(facts, self._source.get(name, facts))) is not None
        }
        self.touched = self.new_touched()
        self.why_not = ""

    def new_touched(self) -> Touched:
        """Return what nothing is known in yet."""
        keys = {name: key.names for name, key in self._keys.items()}
        return Touched(self._copy, self._source, keys=keys, dialect=self._dialect)

    def follow(self, source_log: SourceLog, *, second: datetime) -> None:
        """Read the log: after the comparison, so that it holds everything that the comparison has seen."""
        self.why_not = source_log.follow(self.touched, second=second)

    def remarks(self) -> Iterator[str]:
        """Say what was left out."""
        yield from (f"Not seen: {what}." for what in self._comparison.unseen)
        yield from (f"Not compared: {what}." for what in self._comparison.not_compared)
        for name, table in sorted(self.touched.tables.items()):
            if table.unread and table.rows:
                yield f"Of touched rows of {name} the log's values of {', '.join(sorted(table.unread))} are not read."

    @property
    def _log_gap(self) -> str:
        return self.why_not or (self.touched.gaps[0] if self.touched.gaps else "")

    def objects(self) -> tuple[tuple[Unexplained, ...], str]:
        """Return objects that differ without a statement in the log that names them, and why that is not known."""
        found = [
            f"{one.kind} {one.schema}.{one.name} is {one.verdict}"
            for one in self._comparison.objects or ()
            if one.name.split()[-1].lower() not in self.touched.named
        ]
        if found and self._log_gap:
            return (), f"{'; '.join(found[:3])}: {self._log_gap}"
        if self._comparison.unseen:
            return tuple(Unexplained(what=what) for what in found), "not every table is seen by the accounts"
        return tuple(Unexplained(what=f"{what}, and no statement in the log names it") for what in found), ""

    def tables(self, copy: Database, suspects: Mapping[TableName, str]) -> Iterator[TableResult]:
        """Judge every table that was compared with the source."""
        wrong, checked, end = self._held_against_log(copy)
        candidates = {
            name: {k: kind for k, kind in keys.items() if not self.touched.tables[name].is_changed_after(k, end)}
            for name, keys in self._differing.keys.items()
            if name in self.touched.tables
        }
        unclear: Mapping[TableName, str] = {}
        if not self._log_gap and any(candidates.values()):
            unclear = explain_cascades(copy, self._sides[1], self.touched.tables, candidates, self._keys)
        for table in self._comparison.tables:
            name = table.pair.expected
            rows = {**candidates.get(name, {}), **wrong.get(name, {})}
            result = replace(self._judged(table, rows, unclear), checked=checked.get(name, 0))
            why = suspects.get(name)
            if why:
                found = (Unexplained(what=why), *result.unexplained)
                result = replace(result, how=UNEXPLAINED, unexplained=found, why="")
            yield result

    def _judged(self, table: TableVerdict, rows: Mapping[Values, str], unclear: Mapping[TableName, str]) -> TableResult:
        """Judge a table, of which some rows are not explained by the log, if it is known at all."""
        name = table.pair.expected
        differing = table.missing + table.extra + table.changed
        touches = self.touched.tables.get(name)
        result = TableResult(
            table=name, how=SAME, rows=table.expected_rows, differing=differing,
            touched=touches.events if touches else 0,
        )  # fmt: skip
        if touches is None or table.verdict == "missing":
            return self._of_one_side(table, result)
        why_not = self._why_not(touches, name, unclear) if differing else ""
        found = [] if why_not else [self._named(name, key, _KINDS[what]) for key, what in rows.items()]
        if differing and not why_not and not touches.key:
            found = [Unexplained(what=f"{differing:,} rows differ, and the log never touched it")]
        if table.definition and not touches.altered:
            why_not = why_not or self._log_gap
            said = f"its definition differs, and the log has no statement on it: {table.definition[0]}"
            found += [] if self._log_gap else [Unexplained(what=said)]
        if found:
            shown = tuple(sorted(found, key=str)[:_NAMED])
            return replace(result, how=UNEXPLAINED, unexplained=shown, unexplained_rows=len(found))
        if why_not:
            return replace(result, how=NOT_KNOWN, why=why_not)
        if differing or table.definition:
            return replace(result, how=EXPLAINED, why="; ".join(touches.altered[:2]))
        return result

    def _of_one_side(self, table: TableVerdict, result: TableResult) -> TableResult:
        """Judge a table that only one side has."""
        name = table.pair.expected
        statement = self.touched.gone(name) if table.verdict == "missing" else self.touched.made(name)
        if table.verdict != "missing" and statement:
            return replace(result, how=EXPLAINED, rows=0, why=f"made since: {statement}")
        if statement:
            why = f"it is gone from the source since, so its rows can be held against nothing: {statement}"
            return replace(result, how=NOT_KNOWN, why=why)
        if self._log_gap:
            return replace(result, how=NOT_KNOWN, why=self._log_gap)
        where = "is in the copy only" if table.verdict == "missing" else "is on the source only"
        said = Unexplained(what=f"it {where}, and no statement in the log says why")
        return replace(result, how=UNEXPLAINED, unexplained=(said,))

    def _why_not(self, touches: TableTouches, name: TableName, unclear: Mapping[TableName, str]) -> str:
        if self._log_gap:
            return self._log_gap
        if touches.unknown:
            return touches.unknown[0]
        if name in self._differing.too_many:
            return f"more than {MOST_ROWS:,} of its rows differ: drill a later second"
        if not touches.key and touches.events:
            return "it has no key that tells its rows apart, and the log has changed some"
        return unclear.get(name, "")

    def _named(self, name: TableName, key: Values, what: str) -> Unexplained:
        hidden = self._differing.personal.get(name)
        columns = self._keys[name].columns
        is_number = self._keys[name].is_whole_number
        return Unexplained(
            what=f"the row {what}",
            key=tuple(
                (column.name, readable(part, column) if _may_show(column, hidden, is_number=is_number) else HIDDEN)
                for column, part in zip(columns, key, strict=True)
            ),
        )

    def _held_against_log(
        self, copy: Database
    ) -> tuple[Mapping[TableName, dict[Values, str]], Mapping[TableName, int], int]:
        """Hold rows of the copy that were touched since against what the log says they were before.

        Return those that are not so, how many were looked at of each table, and behind which transaction of those
        about its second the copy ends: the one that fits most rows.
        """
        last = self.touched.last
        against: Counter[int] = Counter()  # where it becomes more, and less, that speaks against an end
        bad: list[tuple[TableName, Values, int, int]] = []
        checked: dict[TableName, int] = {}
        for table in self._comparison.tables:
            name = table.pair.expected
            touches = self.touched.tables.get(name)
            if touches is None or self._log_gap or touches.unknown or table.verdict == "missing":
                continue
            checked[name] = len(touches.rows)
            for key, row in read_rows(copy, touches.facts, self._keys.get(name), list(touches.rows)):
                for since, until in touches.wrong_at(key, row, last=last):
                    bad.append((name, key, since, until))
                    against.update({since: 1})
                    against.subtract({until + 1: 1})
        ends = list(accumulate(against[place] for place in range(last + 1)))
        end = max(range(last + 1), key=lambda place: (-ends[place], place))
        wrong: dict[TableName, dict[Values, str]] = defaultdict(dict)
        for name, key, since, until in bad:
            if since <= end <= until:
                wrong[name][key] = "not as logged"
        return wrong, checked, end


def _may_show(column: Column, hidden: frozenset[str] | None, *, is_number: bool) -> bool:
    return is_number if hidden is None else column.name not in hidden


def read_rows(
    database: Database, facts: TableFacts, key: Key | None, keys: Sequence[Values]
) -> Iterator[tuple[Values, Row | None]]:
    """Read rows by their keys, each value as `binary_values.value_of` gives it; None for a row that is not there."""
    for start in range(0, len(keys) if key else 0, _AT_ONCE):
        assert key is not None
        some = keys[start : start + _AT_ONCE]
        found = _rows_of(database, facts, key, some)
        yield from ((value, found.get(value)) for value in some)


def _rows_of(database: Database, facts: TableFacts, key: Key, keys: Sequence[Values]) -> dict[Values, Row]:
    columns = [column for column in facts.columns.values() if column.kind in READ and not column.is_virtual]
    where = " OR ".join(f"({key.equals(key.edge(value))})" for value in keys)
    asked = ", ".join([*key.values, *map(_expression, columns)])
    width = len(key.columns)
    found: dict[Values, Row] = {}
    index = f"FORCE INDEX ({quoted(key.expected_index)})"
    for row in database.rows(f"SELECT {asked} FROM {facts.table.sql} {index} WHERE {where}"):  # noqa: S608  # quoted
        found[tuple(row[:width])] = {
            column.name: value if value is None or column.kind not in ("float", "double") else value[_REAL]
            for column, value in zip(columns, row[width:], strict=True)
        }
    return found


def _expression(column: Column) -> str:
    name = quoted(column.name)
    if column.kind in ("float", "double"):
        return f"CAST(POINT(CAST({name} AS DOUBLE), 0) AS BINARY)"
    if column.kind in ("bit", "enum", "set") or "zerofill" in column.type:
        name = f"{name} + 0"
    return f"CAST({name} AS BINARY)"
