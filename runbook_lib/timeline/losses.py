"""Follow a binary log entry by entry: how many rows each table has, what was taken from it, and what came back.

Rows are counted by the log's own events. A table that was made within what was read has an exact count, any other one
only a difference; what cannot be counted is None and never zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName
from runbook_lib.mysql import LogEntry, LoggedGap, LoggedRows, LoggedStatement
from runbook_lib.mysql.binary_rows import ColumnChange
from runbook_lib.mysql.lexer import Dialect
from runbook_lib.timeline.statements import NOT_UNDERSTOOD, Effect, effects
from runbook_lib.timeline.values import LogGap

MANY = 1000
"""So many rows are many, whatever the size of their table."""
ALMOST_ALL = 0.95
"""A table with so much of its rows again is refilled: a night's load may bring a few rows fewer."""
_CHUNKS = timedelta(minutes=10)  # deletes and updates of one table with shorter pauses between are one doing
_MOMENT, _LASTING = timedelta(minutes=1), timedelta(hours=1)
_SINGLE = 10  # rows; transactions of fewer are everyday work, and belong together only without a pause
_NOT_PART = 0.05  # of the largest transaction: smaller ones at the edges are somebody else's
_LEAST = 5  # rows; fewer are not followed
_LARGE, _MOST_LARGE = 100, 40
_MOST_TEXTS = 200  # of statements that are alike
_NEVER = datetime.min.replace(tzinfo=UTC)
_OF_ROWS = frozenset({"DELETE", "UPDATE"})


@dataclass
class Loss:
    """Something that was taken away or changed, while what became of it is followed.

    `net` and `basis` are the table's when it began: with both unchanged in their meaning, its size then can be worked
    out from its size now.
    """

    kind: str
    table: TableName
    at: datetime
    until: datetime
    object: str = "TABLE"
    rows: int | None = None
    of: int | None = None
    need: int | None = None
    made: datetime | None = None
    remade: datetime | None = None
    refilled: datetime | None = None
    written: int = 0
    counted: bool = True
    changes: dict[int, ColumnChange] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    width: int = 0
    detail: str = ""
    like: str = ""
    whole: bool = False
    thread: int = 0
    account: str = ""
    net: int = 0
    basis: int = 0

    def is_made(self, at: datetime) -> None:
        """Note that the table was made again."""
        self.remade = self.remade or at
        if self.object != "TABLE" or self.of == 0:
            self.refilled = self.refilled or at

    def is_filled(self, at: datetime, rows: int | None) -> None:
        """Note that rows were written to the table; None: so many that the log does not tell."""
        if rows is None:
            self.counted = False
            self.refilled = self.refilled or at
            return
        self.written += rows
        enough = self.need if self.need is not None else MANY
        if self.refilled is None and self.written >= enough:
            self.refilled = at


@dataclass
class _Part:
    """What one transaction took from a table or changed in it, or several small ones within a minute."""

    at: datetime
    until: datetime
    transaction: int
    thread: int
    account: str
    net: int
    rows: int = 0
    changes: dict[int, ColumnChange] = field(default_factory=dict)


@dataclass
class _Burst:
    """Deletes or updates of one table that follow each other, and what was written to it meanwhile."""

    parts: list[_Part]
    of: int | None
    basis: int
    names: tuple[str, ...]
    width: int
    written: int = 0
    refilled: datetime | None = None

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def is_filled(self, at: datetime, rows: int) -> None:
        self.written += rows
        if self.written >= ALMOST_ALL * self.rows:
            self.refilled = self.refilled or at


@dataclass
class TableState:
    """A table under its present name. `rows` is its count, `net` the difference since it was first met."""

    rows: int | None = None
    exists: bool | None = None
    made: datetime | None = None
    net: int = 0
    basis: int = 0
    fills: list[int] = field(default_factory=list)
    added: dict[str, datetime] = field(default_factory=dict)
    open: list[Loss] = field(default_factory=list)
    bursts: dict[str, _Burst] = field(default_factory=dict)
    inserted: tuple[int, int] = (0, 0)  # in which transaction so many rows were written last

    def add(self, rows: int | None) -> None:
        """Count rows that were written (or, negative, taken away)."""
        if rows is None:
            self.unknown()
            return
        self.net += rows
        if self.rows is not None:
            self.rows = self.rows + rows if self.rows + rows >= 0 else None

    def unknown(self) -> None:
        """Note that its number of rows is not known from here on."""
        self.rows, self.basis = None, self.basis + 1


@dataclass
class Large:
    """A transaction while it is read: per table the rows written, changed and taken away, and the columns changed."""

    number: int
    at: datetime
    thread: int = 0
    account: str = ""
    tables: dict[TableName, list[int]] = field(default_factory=dict)
    columns: dict[TableName, set[int]] = field(default_factory=dict)
    of: dict[TableName, int | None] = field(default_factory=dict)
    names: dict[TableName, tuple[str, ...]] = field(default_factory=dict)
    widths: dict[TableName, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All rows of it."""
        return sum(map(sum, self.tables.values()))


class Ledger:
    """What a log says so far. Entries are given in their order; `close` ends it."""

    def __init__(self, *, dialect: Dialect = Dialect(), fold: bool = False) -> None:  # noqa: B008  # frozen
        self._dialect = dialect
        self._fold: Callable[[str], str] = str.lower if fold else str
        self.tables: dict[TableName, TableState] = defaultdict(TableState)
        self.losses: list[Loss] = []
        self._gaps: dict[tuple[str, datetime], LogGap] = {}
        self.large: list[Large] = []
        self.not_understood: list[tuple[datetime, str]] = []
        self.texts: list[tuple[datetime, str]] = []
        self.deleted: dict[TableName, list[tuple[datetime, int]]] = defaultdict(list)
        self._alike: dict[tuple[str, TableName, str], int] = defaultdict(int)
        self._objects: dict[tuple[str, TableName], list[Loss]] = defaultdict(list)
        self._large = Large(number=-1, at=_NEVER)

    def read(self, entries: Iterable[LogEntry]) -> None:
        """Follow entries of the log."""
        for entry in entries:
            if isinstance(entry, LoggedGap):
                self._gap(entry)
            elif isinstance(entry, LoggedRows):
                if entry.schema.lower() not in SYSTEM_SCHEMAS:
                    self._rows(entry)
            else:
                self._statement(entry)

    @property
    def gaps(self) -> tuple[LogGap, ...]:
        """Return what was not read, by the hour and by why."""
        return tuple(self._gaps.values())

    def close(self) -> None:
        """End what is still going on."""
        for name, table in list(self.tables.items()):
            for verb in list(table.bursts):
                self._end_burst(name, table, verb)
        self._end_transaction()
        self.losses.sort(key=lambda loss: loss.at)

    def _gap(self, gap: LoggedGap) -> None:
        key = (gap.why, gap.at.replace(minute=0, second=0))
        known = self._gaps.get(key)
        self._gaps[key] = LogGap(
            since=min(known.since, gap.at) if known else gap.at,
            until=max(known.until, gap.at) if known else gap.at,
            events=known.events + 1 if known else 1,
            why=gap.why,
        )
        # nobody knows whose rows an unknown event holds
        spoilt = [self.tables[self._named(*gap.table)]] if gap.table else self.tables.values()
        for table in spoilt:
            table.unknown()

    def _named(self, schema: str, name: str) -> TableName:
        return TableName(schema=self._fold(schema), name=self._fold(name))

    # rows

    def _rows(self, entry: LoggedRows) -> None:
        name = self._named(entry.schema, entry.table)
        table = self.tables[name]
        table.exists = True
        self._note(name, table, entry)
        if entry.verb == "insert":
            self._insert(name, table, entry)
            return
        burst = self._burst(name, table, entry)
        part = burst.parts[-1]
        part.until, part.rows = entry.at, part.rows + entry.rows
        for place, change in entry.columns.items():
            part.changes.setdefault(place, ColumnChange()).add(change)
        if entry.verb == "delete":
            table.add(-entry.rows)
            self._count_deleted(name, entry)
            transaction, rows = table.inserted
            if transaction == entry.transaction and rows:  # written before it was deleted: a row that was replaced
                burst.is_filled(entry.at, rows)
                table.inserted = (transaction, 0)
            burst.is_filled(entry.at, 0)
            if burst.written < ALMOST_ALL * burst.rows:
                burst.refilled = None

    def _count_deleted(self, name: TableName, entry: LoggedRows) -> None:
        known = self.deleted[name]
        if known and abs(entry.at - known[-1][0]) < _MOMENT:
            known[-1] = (known[-1][0], known[-1][1] + entry.rows)
        else:
            known.append((entry.at, entry.rows))

    def _insert(self, name: TableName, table: TableState, entry: LoggedRows) -> None:
        table.add(entry.rows)
        before = table.inserted[1] if table.inserted[0] == entry.transaction else 0
        if burst := table.bursts.get("delete"):
            burst.is_filled(entry.at, entry.rows)
        else:
            table.inserted = (entry.transaction, before + entry.rows)
        self._filled(name, entry.at, entry.rows)

    def _filled(self, name: TableName, at: datetime, rows: int | None) -> None:
        for place in (name, TableName(schema=name.schema, name="")):
            if state := self.tables.get(place):
                for loss in state.open:
                    loss.is_filled(at, rows)
                state.open = [loss for loss in state.open if loss.refilled is None]

    def _burst(self, name: TableName, table: TableState, entry: LoggedRows) -> _Burst:
        burst = table.bursts.get(entry.verb)
        if burst and abs(entry.at - burst.parts[-1].until) > _CHUNKS:
            self._end_burst(name, table, entry.verb)
            burst = None
        part = _Part(at=entry.at, until=entry.at, transaction=entry.transaction, thread=entry.thread,
                     account=self._large.account, net=table.net)  # fmt: skip
        if burst is None:
            burst = _Burst(parts=[part], of=table.rows, basis=table.basis, names=entry.names, width=entry.width)
            table.bursts[entry.verb] = burst
            return burst
        last = burst.parts[-1]
        small = last.rows < _SINGLE and entry.rows < _SINGLE and entry.at == last.at
        if last.transaction != entry.transaction and not small:
            burst.parts.append(part)
        return burst

    def _end_burst(self, name: TableName, table: TableState, verb: str) -> None:
        burst = table.bursts.pop(verb)
        for parts in _doings(burst.parts):
            rows = sum(part.rows for part in parts)
            if rows < _LEAST:
                continue
            most = max(parts, key=lambda part: part.rows)
            changes: dict[int, ColumnChange] = {}
            for part in parts:
                for place, change in part.changes.items():
                    changes.setdefault(place, ColumnChange()).add(change)
            if verb == "update" and most.rows < _SINGLE and not (rows >= MANY and _same_value(changes)):
                continue  # an application at work, row by row
            first = parts[0]
            loss = Loss(
                kind=verb.upper(),
                table=name,
                at=first.at,
                until=max(part.until for part in parts),
                rows=rows,
                of=None if burst.of is None else burst.of + first.net - burst.parts[0].net,
                need=round(ALMOST_ALL * rows) or 1,
                made=table.made,
                written=burst.written,
                refilled=burst.refilled if burst.written >= ALMOST_ALL * rows else None,
                changes=changes,
                names=burst.names,
                width=burst.width,
                thread=most.thread,
                account=most.account,
                net=first.net,
                basis=burst.basis,
            )
            self.losses.append(loss)
            if verb == "delete" and loss.refilled is None:
                table.open.append(loss)

    def _note(self, name: TableName, table: TableState, entry: LoggedRows) -> None:
        if entry.transaction != self._large.number:
            self._begin_transaction(entry)
        large = self._large
        large.thread = large.thread or entry.thread
        large.of.setdefault(name, table.rows)
        large.names[name], large.widths[name] = entry.names, entry.width
        counts = large.tables.setdefault(name, [0, 0, 0])
        counts[("insert", "update", "delete").index(entry.verb)] += entry.rows
        if entry.columns:
            large.columns.setdefault(name, set()).update(entry.columns)

    def _begin_transaction(self, entry: LoggedRows | LoggedStatement) -> None:
        self._end_transaction()
        account = entry.account if isinstance(entry, LoggedStatement) else ""
        self._large = Large(number=entry.transaction, at=entry.at, thread=entry.thread, account=account)

    def _end_transaction(self) -> None:
        if self._large.rows >= _LARGE:
            self.large.append(self._large)
            if len(self.large) > 4 * _MOST_LARGE:
                self.large = sorted(self.large, key=lambda one: -one.rows)[:_MOST_LARGE]

    # statements

    def _statement(self, entry: LoggedStatement) -> None:
        if entry.transaction != self._large.number:
            self._begin_transaction(entry)
        dialect = Dialect(mode=entry.mode, version=self._dialect.version, mariadb=self._dialect.mariadb)
        for effect in effects(entry.sql, schema=entry.schema, dialect=dialect):
            self._effect(entry, effect)

    def _effect(self, entry: LoggedStatement, effect: Effect) -> None:
        name = self._named(effect.table.schema, effect.table.name)
        other = self._named(effect.other.schema, effect.other.name) if effect.other else None
        if effect.verb == NOT_UNDERSTOOD:
            self.not_understood.append((entry.at, effect.detail))
        elif effect.kind not in ("TABLE", "SCHEMA"):
            self._object(entry, effect, name)
        elif effect.verb == "made":
            self._made(name, entry.at, if_missing=effect.if_missing)
        elif effect.verb == "filled":
            self.tables[name].add(effect.rows)
            self._filled(name, entry.at, effect.rows)
        elif effect.verb == "added":
            self.tables[name].added[effect.columns[0].lower()] = entry.at
        elif effect.verb == "renamed" and other is not None:
            self._renamed(entry, name, other)
        elif effect.verb == "exchanged" and other is not None:
            self._filled(name, entry.at, self.tables[other].rows)
            self.tables[other].unknown()
        elif effect.verb in _OF_ROWS:
            self._text(entry, effect, name)
        else:
            self._taken(entry, effect, name)

    def _object(self, entry: LoggedStatement, effect: Effect, name: TableName) -> None:
        key = (effect.kind, name)
        if effect.verb == "made":
            for loss in self._objects.pop(key, ()):
                loss.is_made(entry.at)
            return
        self._objects[key].append(self._lose(entry, effect, name))

    def _made(self, name: TableName, at: datetime, *, if_missing: bool) -> None:
        table = self.tables[name]
        if if_missing and table.exists:
            return
        if not name.name:
            table.exists, table.made = True, at
        elif if_missing and table.exists is None and not table.open:
            return  # nobody knows whether it was there already
        else:
            self._reset(table, made=at)
        for place in (name, TableName(schema=name.schema, name="")):
            for loss in self.tables[place].open if place in self.tables else ():
                if place == name or loss.remade is None:
                    loss.is_made(at)
        table.open = [loss for loss in table.open if loss.refilled is None]

    def _reset(self, table: TableState, *, made: datetime | None) -> None:
        table.rows, table.exists, table.made = (0, True, made) if made else (None, False, None)
        table.net, table.basis = 0, table.basis + 1
        table.added.clear()

    def _renamed(self, entry: LoggedStatement, old: TableName, new: TableName) -> None:
        for verb in list(self.tables[old].bursts):
            self._end_burst(old, self.tables[old], verb)
        moved, place = self.tables[old], self.tables[new]
        if not any(_is_place(loss, entry.at) for loss in place.open):
            self._lose(entry, Effect(verb="DROP TABLE", table=old, detail=f"renamed to {new}"), old)
        gone = TableState(exists=False, open=moved.open, fills=moved.fills, basis=moved.basis + 1)
        arrived = TableState(rows=moved.rows, exists=True, made=entry.at, open=place.open, fills=place.fills,
                             net=moved.net, basis=moved.basis)  # fmt: skip
        self.tables[old], self.tables[new] = gone, arrived
        for loss in list(arrived.open):
            loss.is_made(entry.at)
        self._filled(new, entry.at, moved.rows)

    def _taken(self, entry: LoggedStatement, effect: Effect, name: TableName) -> None:
        table = self.tables[name]
        for verb in list(table.bursts):
            self._end_burst(name, table, verb)
        loss = self._lose(entry, effect, name)
        if effect.verb == "DROP DATABASE":
            self._schema_is_gone(name.schema, loss)
        elif effect.verb == "DROP TABLE":
            self._reset(table, made=None)
        elif effect.verb == "TRUNCATE":
            self._reset(table, made=table.made or entry.at)
            table.made = loss.made
        elif effect.verb == "DROP PARTITION":
            table.unknown()
        elif effect.verb == "DROP COLUMN":
            added = [table.added.pop(column.lower(), None) for column in effect.columns]
            loss.made = min((at for at in added if at), default=None) if all(added) else None

    def _schema_is_gone(self, schema: str, loss: Loss) -> None:
        inside = [name for name in self.tables if name.schema == schema and name.name]
        sizes = [self.tables[name].rows for name in inside if self.tables[name].exists]
        if sizes and None not in sizes:
            loss.of = sum(size or 0 for size in sizes)
            loss.need = max(1, round(ALMOST_ALL * loss.of))
        for name in inside:
            for verb in list(self.tables[name].bursts):
                self._end_burst(name, self.tables[name], verb)
            self._reset(self.tables[name], made=None)

    def _text(self, entry: LoggedStatement, effect: Effect, name: TableName) -> None:
        """Note a DELETE or UPDATE that was logged as text: how many rows it met, nobody can tell from it."""
        self.texts.append((entry.at, effect.like))
        self.tables[name].unknown()
        self._alike[effect.verb, name, effect.like] += 1
        if self._alike[effect.verb, name, effect.like] <= _MOST_TEXTS:
            self._lose(entry, effect, name)

    def _lose(self, entry: LoggedStatement, effect: Effect, name: TableName) -> Loss:
        table = self.tables[name]
        emptied = effect.verb in ("DROP TABLE", "TRUNCATE") and effect.kind == "TABLE"
        if emptied and table.rows is not None:
            table.fills.append(table.rows)
        loss = Loss(
            kind=effect.verb,
            table=name,
            at=entry.at,
            until=entry.at,
            object="TABLE" if effect.kind == "SCHEMA" else effect.kind,
            of=table.rows if effect.kind == "TABLE" and effect.verb not in _OF_ROWS else None,
            need=_needed(table) if emptied else None,
            made=table.made,
            columns=effect.columns,
            detail=effect.detail,
            like=effect.like,
            whole=effect.whole,
            thread=entry.thread,
            account=entry.account,
            net=table.net,
            basis=table.basis,
        )
        self.losses.append(loss)
        if effect.kind in ("TABLE", "SCHEMA") and effect.verb not in ("UPDATE", "DROP COLUMN"):
            table.open.append(loss)
        return loss


def _is_place(loss: Loss, at: datetime) -> bool:
    """Tell a name that a lasting table had, and that another one takes now."""
    lasting = loss.made is None or loss.at - loss.made > _LASTING or loss.at == at
    return loss.remade is None and lasting


def _needed(table: TableState) -> int | None:
    """Return how many rows make a table refilled: almost all it had, or as few as an earlier night left it with."""
    usual = [rows for rows in table.fills if 2 * rows >= (table.rows if table.rows is not None else max(table.fills))]
    known = [] if table.rows is None else [round(ALMOST_ALL * table.rows)]
    return min([*known, *usual], default=None)


def _doings(parts: list[_Part]) -> Iterator[list[_Part]]:
    """Cut what small transactions of somebody else stand at the edges of a burst, and small ones at their pauses."""
    most = max(part.rows for part in parts)
    if most >= _SINGLE:
        large = [place for place, part in enumerate(parts) if part.rows >= _NOT_PART * most]
        yield parts[large[0] : large[-1] + 1]
        return
    doing: list[_Part] = []
    for part in parts:
        if doing and abs(part.at - doing[-1].until) > _MOMENT:
            yield doing
            doing = []
        doing.append(part)
    yield doing


def _same_value(changes: dict[int, ColumnChange]) -> bool:
    return any(change.value is not None for change in changes.values())
