"""Follow a binary log entry by entry: how many rows each table has, what was taken from it, and what came back.

Rows are counted by the log's own events. A table that was made within what was read has an exact count, any other one
only a difference; what cannot be counted is None and never zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName
from runbook_lib.mysql import LogEntry, LoggedGap, LoggedRows, LoggedStatement
from runbook_lib.mysql.binary_rows import ColumnChange
from runbook_lib.mysql.lexer import Dialect
from runbook_lib.timeline.followed import (
    ALMOST_ALL,
    CHUNKS,
    LARGE,
    LEAST,
    MANY,
    MOMENT,
    MOST_LARGE,
    MOST_TEXTS,
    NEVER,
    OF_ROWS,
    SINGLE,
    Burst,
    Large,
    Loss,
    Part,
    TableState,
    doings,
    is_place,
    needed,
    same_value,
)
from runbook_lib.timeline.statements import NOT_UNDERSTOOD, Effect, effects
from runbook_lib.timeline.values import LogGap


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
        self.retyped: list[tuple[datetime, TableName]] = []
        self.deleted: dict[TableName, list[tuple[datetime, int]]] = defaultdict(list)
        self._alike: dict[tuple[str, TableName, str], int] = defaultdict(int)
        self._objects: dict[tuple[str, TableName], list[Loss]] = defaultdict(list)
        self._large = Large(number=-1, at=NEVER)

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
        if known and abs(entry.at - known[-1][0]) < MOMENT:
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

    def _burst(self, name: TableName, table: TableState, entry: LoggedRows) -> Burst:
        burst = table.bursts.get(entry.verb)
        if burst and abs(entry.at - burst.parts[-1].until) > CHUNKS:
            self._end_burst(name, table, entry.verb)
            burst = None
        part = Part(at=entry.at, until=entry.at, transaction=entry.transaction, thread=entry.thread,
                     account=self._large.account, net=table.net)  # fmt: skip
        if burst is None:
            burst = Burst(parts=[part], of=table.rows, basis=table.basis, names=entry.names, width=entry.width)
            table.bursts[entry.verb] = burst
            return burst
        last = burst.parts[-1]
        small = last.rows < SINGLE and entry.rows < SINGLE and entry.at == last.at
        if last.transaction != entry.transaction and not small:
            burst.parts.append(part)
        return burst

    def _end_burst(self, name: TableName, table: TableState, verb: str) -> None:
        burst = table.bursts.pop(verb)
        for parts in doings(burst.parts):
            rows = sum(part.rows for part in parts)
            if rows < LEAST:
                continue
            most = max(parts, key=lambda part: part.rows)
            changes: dict[int, ColumnChange] = {}
            for part in parts:
                for place, change in part.changes.items():
                    changes.setdefault(place, ColumnChange()).add(change)
            if verb == "update" and most.rows < SINGLE and not (rows >= MANY and same_value(changes)):
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
        if self._large.rows >= LARGE:
            self.large.append(self._large)
            if len(self.large) > 4 * MOST_LARGE:
                self.large = sorted(self.large, key=lambda one: -one.rows)[:MOST_LARGE]

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
            if effect.like:
                self.texts.append((entry.at, effect.like))
            self.tables[name].add(effect.rows)
            self._filled(name, entry.at, effect.rows)
        elif effect.verb == "added":
            self.tables[name].added[effect.columns[0].lower()] = entry.at
        elif effect.verb == "retyped":
            self.retyped.append((entry.at, name))
        elif effect.verb == "renamed" and other is not None:
            self._renamed(entry, name, other)
        elif effect.verb == "exchanged" and other is not None:
            self._filled(name, entry.at, self.tables[other].rows)
            self.tables[other].unknown()
        elif effect.verb in OF_ROWS:
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
        if not any(is_place(loss, entry.at) for loss in place.open):
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
        if self._alike[effect.verb, name, effect.like] <= MOST_TEXTS:
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
            of=table.rows if effect.kind == "TABLE" and effect.verb not in OF_ROWS else None,
            need=needed(table) if emptied else None,
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
