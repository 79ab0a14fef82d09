"""Which rows a binary log has touched since a second, and what each of them was before: by its key, row by row.

A copy holds the transactions that were committed by its second: all up to some place in the log. The log says of an
event when its statement began, so a transaction is after the second where it, or one before it in the log, is dated
later. Those dated about the second, and the one that stands last before them, are in the copy or not: they have
numbers, and the copy ends behind one of them.

What is not understood is held: a statement that is logged as text, a change of a definition that may write rows anew,
an event that cannot be decoded. Then nothing is said of that table's rows (`TableTouches.unknown`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from runbook_lib.drills.words import Words
from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName
from runbook_lib.mysql import LogEntry, LoggedGap, LoggedRows, LoggedStatement
from runbook_lib.mysql.binary_rows import Image, NotDecoded, Wire
from runbook_lib.mysql.binary_values import value_of
from runbook_lib.mysql.lexer import Dialect, tokens
from runbook_lib.proof.encoding import MOMENTS, NUMBERS, TEXTS
from runbook_lib.proof.facts import Column, TableFacts
from runbook_lib.timeline.statements import NOT_UNDERSTOOD, Effect, effects
from runbook_lib.times import utc_text

ABOUT = timedelta(seconds=2)
"""How far clocks and commits may lie apart from the second that a copy is of."""
MOST_ROWS = 1_000_000
"""So many touched rows of a table are remembered; of more nothing is said."""
_MOST_GAPS = 20
_MOST_HELD = 200_000  # rows of a transaction that may stand before the second or after it
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_REALS = frozenset({"float", "double"})
READ = NUMBERS | MOMENTS | TEXTS | _BYTES | _REALS | {"bit"}
"""The kinds of columns whose values in the log are read."""

Values = tuple[bytes, ...]
Row = Mapping[str, bytes | None]
_DEFINES = frozenset({"ALTER", "CREATE", "DROP", "RENAME"})
_NO_ROWS = frozenset({"made", "added", "DROP COLUMN"})


@dataclass(frozen=True, kw_only=True)
class State:
    """What a row may be in the copy: the columns that are known, and a hash of their values. None: it is not there."""

    columns: tuple[str, ...]
    digest: bytes


def _is(row: Row | None, state: State | None) -> bool:
    return row is None if state is None else row is not None and state_of(row, state.columns) == state


def state_of(row: Row, columns: Iterable[str]) -> State:
    """Return some columns of a row in short."""
    names = tuple(name for name in columns if name in row)
    hashed = hashlib.sha256()
    for name in names:
        value = row[name]
        hashed.update(b"-" if value is None else b"%d:%b" % (len(value), value))
    return State(columns=names, digest=hashed.digest()[:16])


AFTER = 1 << 60
"""The number of every transaction that is surely behind the second."""


@dataclass(kw_only=True)
class TableTouches:
    """What the log says of one table. `rows` holds of each key the changes of its row, each with what it was before
    and after and the transaction's number; of those behind the second only the first.

    `unknown` says why nothing is known of its rows, `unread` which of its columns are not read in the log, `altered`
    how its definition was changed. `taken` are keys of rows that were deleted or got other values.
    """

    facts: TableFacts
    key: tuple[str, ...]
    rows: dict[Values, tuple[tuple[int, State | None, State | None], ...]] = field(default_factory=dict)
    events: int = 0
    unknown: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    taken: set[Values] = field(default_factory=set)
    epoch: int = 0
    decoded_in: set[int] = field(default_factory=set)

    @property
    def is_touched(self) -> bool:
        """Tell whether anything in the log is about it."""
        return bool(self.events or self.unknown or self.altered)

    def change(self, key: Values, number: int, before: State | None, after: State | None) -> None:
        """Note that a transaction changed a row."""
        known = self.rows.get(key, ())
        if known and known[-1][0] == AFTER:
            return
        if not known and len(self.rows) >= MOST_ROWS:
            self.give_up(f"more than {MOST_ROWS:,} of its rows were changed since")
            return
        self.rows[key] = (*known, (number, before, after))

    def is_changed_after(self, key: Values, number: int) -> bool:
        """Tell whether a row was changed behind a transaction."""
        changes = self.rows.get(key)
        return changes is not None and changes[-1][0] > number

    def wrong_at(self, key: Values, row: Row | None, *, last: int) -> Iterator[tuple[int, int]]:
        """Return from which to which transaction the copy cannot end, being 0 to `last`, as its row is."""
        changes = self.rows[key]
        expected, since = changes[0][1], 0
        for number, _, after in changes:
            end = min(number - 1, last)
            if since <= end and not _is(row, expected):
                yield since, end
            expected, since = after, number
        if since <= last and not _is(row, expected):
            yield since, last

    def give_up(self, why: str) -> None:
        """Note that nothing is known of its rows."""
        if why not in self.unknown and len(self.unknown) < 5:
            self.unknown.append(why)


class Touched:
    """What a log says of the tables of a copy, entry by entry.

    `copy` and `source` are the tables' columns in the copy and on the living source, `keys` the key of each by which
    rows are told apart. A table that only the source has is new and is known by `named` only.
    """

    def __init__(
        self,
        copy: Mapping[TableName, TableFacts],
        source: Mapping[TableName, TableFacts],
        *,
        keys: Mapping[TableName, tuple[str, ...]],
        dialect: Dialect,
    ) -> None:
        self._dialect = dialect
        self._source = source
        self.tables = {name: TableTouches(facts=facts, key=keys.get(name, ())) for name, facts in copy.items()}
        self._folded = {(name.schema.lower(), name.name.lower()): name for name in copy}
        self.named: dict[str, str] = {}
        self._made: dict[TableName, str] = {}
        self._gone: dict[TableName, str] = {}
        self.gaps: list[str] = []
        self.last = 0

    def read(self, entries: Iterable[LogEntry], *, second: datetime, about: timedelta = ABOUT) -> None:
        """Follow the log from before a second on; `about` is how far from it the copy may end."""
        for entry, number in _placed(entries, second=second, about=about):
            self.last = max(self.last, number if number < AFTER else 0)
            self._entry(entry, number)

    def tally(self, entries: Iterable[LogEntry]) -> None:
        """Follow a stretch of the log only for which tables it touches."""
        for entry in entries:
            self._entry(entry, AFTER, rows=False)

    def _entry(self, entry: LogEntry, number: int, *, rows: bool = True) -> None:
        if isinstance(entry, LoggedGap):
            said = f"{entry.why} ({utc_text(entry.at)})"
            table = self._table(TableName(schema=entry.table[0], name=entry.table[1])) if entry.table else None
            if entry.table is None and said not in self.gaps and len(self.gaps) < _MOST_GAPS:
                self.gaps.append(said)
            elif table:
                table.give_up(said)
        elif isinstance(entry, LoggedStatement):
            self._statement(entry)
        elif entry.schema.lower() not in SYSTEM_SCHEMAS:
            table = self._table(TableName(schema=entry.schema, name=entry.table))
            if table is not None:
                table.events += entry.rows
                if rows:
                    self._rows(table, entry, number)

    def made(self, name: TableName) -> str:
        """Return the statement that made a table, or renamed it to this name; empty where none did."""
        return self._made.get(_folded(name), "")

    def gone(self, name: TableName) -> str:
        """Return the statement that dropped a table or its schema, or renamed it away; empty where none did."""
        return self._gone.get(_folded(name)) or self._gone.get(_folded(TableName(schema=name.schema, name="")), "")

    def _table(self, name: TableName) -> TableTouches | None:
        if name in self.tables:
            return self.tables[name]
        folded = self._folded.get((name.schema.lower(), name.name.lower()))
        return self.tables[folded] if folded else None

    # rows

    def _rows(self, table: TableTouches, entry: LoggedRows, number: int) -> None:
        if not table.key or table.unknown:
            return
        layout = self._layout(table, entry)
        if layout is None:
            table.give_up(
                f"rows were logged with columns that neither the copy nor the source has ({utc_text(entry.at)})"
            )
            return
        table.decoded_in.add(table.epoch)
        try:
            for images in entry.images:
                before, after = (
                    self._read(table, entry.wires, layout, image) if image is not None else None for image in images
                )
                self._changed(table, number, before, after)
        except NotDecoded as error:
            table.give_up(f"the key of a logged row was not read: {error} ({utc_text(entry.at)})")

    def _layout(self, table: TableTouches, entry: LoggedRows) -> tuple[Column, ...] | None:
        """Return the columns of an event: the copy's until its definition was changed, then the source's."""
        now = self._source.get(table.facts.table)
        facts = table.facts if table.epoch == 0 else now
        if facts is None or len(facts.columns) != len(entry.wires):
            return None
        if entry.names and tuple(facts.columns) != entry.names:
            return None
        return tuple(facts.columns.values())

    def _changed(self, table: TableTouches, number: int, before: Row | None, after: Row | None) -> None:
        if before and after:
            after = {**before, **after}  # a log of minimal images holds of the new row only what was set
        was, became = (_key_of(row, table.key) if row else None for row in (before, after))
        states = [state_of(row, table.facts.columns) if row else None for row in (before, after)]
        if was is not None:
            table.taken.add(was)
            table.change(was, number, states[0], states[1] if became == was else None)
        if became is not None and became != was:
            table.change(became, number, None, states[1])

    def _read(
        self, table: TableTouches, wires: Sequence[Wire], layout: Sequence[Column], image: Image
    ) -> dict[str, bytes | None]:
        row: dict[str, bytes | None] = {}
        for place, raw in image.items():
            column, known = layout[place], table.facts.columns.get(layout[place].name)
            if known is None or known.is_virtual:
                continue
            if known.kind not in READ or known.type != column.type or known.charset != column.charset:
                table.unread.add(known.name)
                continue
            octets = known.octets if known.kind == "binary" else 0
            try:
                row[known.name] = (
                    None
                    if raw is None
                    else value_of(raw, wires[place], unsigned="unsigned" in known.type, octets=octets)
                )
            except (NotDecoded, ValueError, IndexError, OverflowError):
                table.unread.add(known.name)
        return row

    # statements

    def _statement(self, entry: LoggedStatement) -> None:
        dialect = Dialect(mode=entry.mode, version=self._dialect.version, mariadb=self._dialect.mariadb)
        when = f"{' '.join(entry.sql.split())[:80]} ({utc_text(entry.at)})"
        for effect in effects(entry.sql, schema=entry.schema, dialect=dialect):
            self._effect(effect, when)
        words = Words(tokens(entry.sql, dialect))
        if words.begins({"XA"}) and len(self.gaps) < _MOST_GAPS:
            self.gaps.append(f"a transaction in two phases, which may be committed elsewhere in the log: {when}")
        if not words.begins(_DEFINES):
            return
        for name in words.names:
            self.named.setdefault(name.lower(), when)
        if altered := words.altered(entry.schema):
            table = self._table(altered)
            if table is not None:
                table.altered.append(when)
                if table.epoch in table.decoded_in and table.epoch:
                    table.give_up("its definition was changed twice, and rows between were logged in neither form")
                table.epoch += 1
                if not words.keeps_values:
                    table.give_up(f"its rows may have been written anew: {when}")
        elif words.of_index and (table := self._table(words.of_index_table(entry.schema))) is not None:
            table.altered.append(when)

    def _effect(self, effect: Effect, when: str) -> None:
        if effect.verb == NOT_UNDERSTOOD:
            self.gaps.append(f"a statement that is not understood: {when}")
            return
        if effect.kind in ("TABLE", "SCHEMA"):
            if effect.verb in ("DROP TABLE", "DROP DATABASE", "renamed"):
                self._gone[_folded(effect.table)] = when
            if arrived := effect.table if effect.verb == "made" else effect.other:
                self._made[_folded(arrived)] = when
        if effect.verb in _NO_ROWS or effect.kind not in ("TABLE", "SCHEMA"):
            return
        for name in (effect.table, effect.other):
            if name is None:
                continue
            inside = [table for known, table in self.tables.items() if known.schema.lower() == name.schema.lower()]
            found = self._table(name)
            for table in inside if not name.name else [found] if found else []:
                table.give_up(when)
                if effect.verb not in ("DELETE", "UPDATE", "TRUNCATE", "filled"):
                    table.altered.append(when)  # it may be another table by this name now


def _folded(name: TableName) -> TableName:
    return TableName(schema=name.schema.lower(), name=name.name.lower())


def _placed(entries: Iterable[LogEntry], *, second: datetime, about: timedelta) -> Iterator[tuple[LogEntry, int]]:
    """Return the entries that may lie behind a second, each with its transaction's number.

    Entries of one transaction belong together. Of those before the second the last one is kept, unless the log says
    when it was committed: it may have taken long.
    """
    latest = datetime.min.replace(tzinfo=second.tzinfo)
    before: list[LogEntry] = []
    number = 0
    for _, group in groupby(entries, key=_transaction()):
        if number == AFTER:
            yield from ((entry, AFTER) for entry in group)
            continue
        held, rows = list[LogEntry](), 0
        for entry in group:
            latest = max(latest, entry.at)
            rows += entry.rows if isinstance(entry, LoggedRows) else 0
            held.append(entry if rows <= _MOST_HELD else _too_many(entry))
        if latest < second - about:
            committed = _committed(held[-1])
            if committed is None or committed < second - about:
                before = held if committed is None else []
                continue
        number += bool(before)
        yield from ((entry, number) for entry in before)
        before = []
        number = AFTER if latest > second + about else number + 1
        yield from ((entry, number) for entry in held)
    yield from ((entry, 1) for entry in before)


def _committed(entry: LogEntry) -> datetime | None:
    """Return when an entry's transaction was committed, where the log says it. Before its time, a clock was set."""
    at = None if isinstance(entry, LoggedGap) else entry.committed
    return at if at is not None and entry.at - ABOUT <= at else None


def _too_many(entry: LogEntry) -> LogEntry:
    if not isinstance(entry, LoggedRows):
        return entry
    why = f"a transaction of more than {_MOST_HELD:,} rows ended about the second that the copy is of"
    return LoggedGap(at=entry.at, why=why, table=(entry.schema, entry.table))


def _transaction() -> Callable[[LogEntry], int]:
    """Return what tells transactions apart; a gap belongs to the one before it."""
    number = 0

    def of(entry: LogEntry) -> int:
        nonlocal number
        number = number if isinstance(entry, LoggedGap) else entry.transaction
        return number

    return of


def _key_of(row: Row, key: Sequence[str]) -> Values:
    values = [row.get(name) for name in key]
    found = tuple(value for value in values if value is not None)
    if len(found) != len(key):
        raise NotDecoded("it is not among the columns that the log holds")
    return found
