"""What the binary log tells of a time: what was taken away or changed, in which second, and what could not be read.

The nights before the time asked about are read too, as far as they are cheap to read: they are the measure of what is
usual. How large a table is that was made before them is worked out from its rows now.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from runbook_lib.errors import AccessDenied, RunbookError, StepFailed
from runbook_lib.inventory import TableName
from runbook_lib.mysql import (
    Credentials,
    Database,
    Endpoint,
    LogEntry,
    LogFile,
    began,
    connect,
    list_log_files,
    read_log,
)
from runbook_lib.mysql.lexer import Dialect
from runbook_lib.timeline.followed import ALMOST_ALL, MANY, Large, Loss
from runbook_lib.timeline.losses import Ledger
from runbook_lib.timeline.values import Destruction, LogGap, TableChange, Transaction
from runbook_lib.times import utc_text

log = logging.getLogger(__name__)

_PAST = timedelta(days=14)
_MOST_BYTES = 512 * 2**20  # about a minute of reading; beyond it the newest part is read, and that is said
_MOST_PAST_BYTES, _MOST_PAST_FILES = 128 * 2**20, 12
_ANOTHER_NIGHT = timedelta(hours=6)
_FEW, _SMALL = 5, 20  # rows; fewer are everyday work, even of a table that has no more
_WHOLE, _HALF, _MUCH, _SOME = ALMOST_ALL, 0.5, 0.2, 0.1
_LARGEST, _PROBED = 12, 200
_ALIKE, _TWICE = 3, 2
_SOON = timedelta(hours=1)
_BY_SIZE = frozenset({"DELETE", "UPDATE", "DROP COLUMN", "DROP PARTITION"})
_CASCADES_ARE_LOGGED = (9, 6)  # MySQL manual, "What Is New in MySQL 9.6"; not on Aurora 3, not on MariaDB
_FOREIGN_KEYS = (
    "SELECT DISTINCT k.referenced_table_schema, k.referenced_table_name, k.table_schema, k.table_name, r.delete_rule"
    " FROM information_schema.referential_constraints r JOIN information_schema.key_column_usage k"
    " ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name"
    " AND k.table_name = r.table_name WHERE r.delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT')"
)


class LogNotRead(StepFailed):
    """The server writes no binary log, or keeps none of it."""

    headline = "No binary log"


@dataclass(frozen=True, kw_only=True)
class LogReading:
    """What the binary log told. `since` is the second from which it is complete; `note` says what was left out.

    `gaps` are parts that were not read, `untold` says in sentences what a log of this kind cannot tell.
    """

    since: datetime
    destructions: tuple[Destruction, ...]
    files: int
    note: str = ""
    gaps: tuple[LogGap, ...] = ()
    untold: tuple[str, ...] = ()
    transactions: tuple[Transaction, ...] = ()

    @property
    def text(self) -> str:
        """Say what was found, and in how much."""
        return f"{len(self.destructions)} in {self.files} files from {utc_text(self.since)}{self.note}"

    @property
    def left_out(self) -> str:
        """Say what was not read of it; nothing where all was."""
        return "; ".join(map(gap_text, self.gaps))


def gap_text(gap: LogGap) -> str:
    """Say in words from when to when the log was not read, and why."""
    when = f"at {utc_text(gap.since)}" if gap.since == gap.until else f"{utc_text(gap.since)} to {utc_text(gap.until)}"
    events = "1 event" if gap.events == 1 else f"{gap.events:,} events"
    return f"read, but not {when}, {events}: {gap.why}"


def read_destructions(endpoint: Endpoint, credentials: Credentials, *, since: datetime, until: datetime) -> LogReading:
    """Read the files of the binary log that reach into the time between two moments, and some of the nights before.

    Raises:
        LogNotRead: the server writes no binary log.
        AccessDenied: the account may not read it.
        Unreachable: nothing answers at the endpoint.
    """
    with connect(endpoint, credentials) as database:
        files = list_log_files(database)
        if not files:
            raise LogNotRead(
                "The server writes no binary log, so no statement's second is known.",
                hint="On Aurora it is switched on by binlog_format in the cluster's parameter group, before an "
                "incident.",
            )
        chosen, complete_since, cut = _reaching_into(endpoint, credentials, files, since=since)
        log.info("reading %d of %d files of the binary log", len(chosen), len(files))
        ledger = Ledger(
            dialect=Dialect.of_server(database.version),
            fold=bool(database.value("SELECT @@lower_case_table_names")),
        )
        first = since
        seen = _Seen(read_log(endpoint, credentials, files=chosen, since=since - _PAST, until=until), since)
        ledger.read(seen)
        ledger.close()
        if seen.first is not None:
            # a session may write older dates than the file's own (SET timestamp): what is there was not left out
            first = seen.first
        now = _Now(database, ledger)
        destructions, untold = _judged(ledger, now, since=since)
    return LogReading(
        since=min(complete_since, first) if seen.first is not None else complete_since,
        destructions=destructions,
        files=len(chosen),
        note=f"; older files were left out, {_MOST_BYTES >> 20} MiB are read at most" if cut else "",
        gaps=_gaps(ledger, since=since),
        untold=untold,
        transactions=_largest(ledger.large, now, since=since),
    )


class _Seen:
    """Entries as they go by, and the first one within the time asked about."""

    def __init__(self, entries: Iterable[LogEntry], since: datetime) -> None:
        self._entries = entries
        self._since = since
        self.first: datetime | None = None

    def __iter__(self) -> Iterator[LogEntry]:
        for entry in self._entries:
            if entry.at >= self._since and (self.first is None or entry.at < self.first):
                self.first = entry.at
            yield entry


def _reaching_into(
    endpoint: Endpoint, credentials: Credentials, files: Sequence[LogFile], *, since: datetime
) -> tuple[list[LogFile], datetime, bool]:
    """Choose files from the newest back to the first one begun by `since`, as long as they are not too much.

    Then some more, for the nights before. Return with them from when on they are complete, and whether some that
    reach into the time asked about were left out.
    """
    chosen: list[LogFile] = []
    size, past, of_past = 0, 0, 0
    complete: datetime | None = None
    for file in reversed(files):
        size, past, of_past = size + file.size, past + (file.size if complete else 0), of_past + bool(complete)
        if chosen and (size > _MOST_BYTES or past > _MOST_PAST_BYTES or of_past > _MOST_PAST_FILES):
            break
        begun = began(endpoint, credentials, file)
        if complete and begun < since - _PAST:
            break
        chosen.insert(0, file)
        if complete is None and begun <= since:
            complete = since
    cut = complete is None and len(chosen) < len(files)
    return chosen, complete or began(endpoint, credentials, chosen[0]), cut


class _Now:
    """What the server says now of the tables that the log names, as far as this account may see it."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._columns: dict[TableName, tuple[str, ...]] = {}
        self.refused: set[TableName] = set()
        self._asked = 0

    def rows_at(self, loss: Loss) -> int | None:
        """Work out how many rows a table had when something was taken from it; None where that cannot be known."""
        if loss.of is not None:
            return loss.of
        table = self._ledger.tables.get(loss.table)
        if table is None or loss.rows is None or table.basis != loss.basis or table.exists is False:
            return None
        written = table.net - loss.net
        # a share of less than a tenth is none that matters, so more need not be counted
        most = 10 * loss.rows + abs(written) + 1
        now = self.count(loss.table, most=most)
        if now is None or now - written < 0:
            return None
        return now - written

    def count(self, table: TableName, *, most: int) -> int | None:
        """Count a table's rows, up to some; None where that cannot be asked."""
        self._asked += 1
        if self._asked > _PROBED:
            return None
        try:
            probe = f"SELECT COUNT(*) FROM (SELECT 1 FROM {table.sql} LIMIT {most}) AS some"  # noqa: S608  # quoted
            return int(self._database.value(probe))
        except AccessDenied:
            self.refused.add(table)
            return None
        except RunbookError:  # there is no such table any more
            return None

    def columns(self, table: TableName, places: Iterable[int], names: Sequence[str], width: int) -> tuple[str, ...]:
        """Name columns by their places: as the log does, else as the server does now if it has as many."""
        if not names and table not in self._columns:
            try:
                found = self._database.rows(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
                    " ORDER BY ordinal_position",
                    (table.schema, table.name),
                )
            except RunbookError:
                found = []
            self._columns[table] = tuple(str(name) for (name,) in found)
        known = names or self._columns[table]
        fits = not width or len(known) == width
        return tuple(known[place] if fits and place < len(known) else f"column {place + 1}" for place in sorted(places))

    def cascading(self) -> dict[TableName, list[tuple[TableName, str]]]:
        """Return per parent the tables whose rows go with its rows without being in the log; nothing if they are."""
        version = divmod(Dialect.of_server(self._database.version).version // 100, 100)
        if not self._database.is_mariadb and version >= _CASCADES_ARE_LOGGED:
            return {}
        found: dict[TableName, list[tuple[TableName, str]]] = {}
        for parent_schema, parent, schema, name, rule in self._database.rows(_FOREIGN_KEYS):
            parent_name = TableName(schema=parent_schema, name=parent)
            found.setdefault(parent_name, []).append((TableName(schema=schema, name=name), rule))
        return found

    def parents(self) -> set[TableName]:
        """Return the tables whose rows may take others along."""
        rows = self._database.rows(_FOREIGN_KEYS)
        return {TableName(schema=schema, name=name) for schema, name, *_ in rows}


def _judged(ledger: Ledger, now: _Now, *, since: datetime) -> tuple[tuple[Destruction, ...], tuple[str, ...]]:
    parents = now.parents()
    known = [(loss, _told(loss, now, parents)) for loss in ledger.losses]
    told = [one for _, one in known if one is not None]
    found = [_measured(one, told) for one in told if one.at >= since]
    cascades, untold = _unlogged(ledger, now, since=since)
    untold += _sentences(ledger, now, since=since)
    smaller = [loss for loss, one in known if one is None and loss.kind == "DELETE" and _is_open(loss, since)]
    if smaller:
        rows, tables = sum(loss.rows or 0 for loss in smaller), {loss.table for loss in smaller}
        untold.append(f"smaller deletes took {rows:,} rows of {_named(tables)} that were not written again")
    return tuple(sorted((*found, *cascades), key=lambda one: one.at)), tuple(untold)


def _is_open(loss: Loss, since: datetime) -> bool:
    return loss.at >= since and loss.refilled is None and (loss.rows or 0) >= _SMALL


def _told(loss: Loss, now: _Now, parents: set[TableName]) -> Destruction | None:
    """Make of a loss what is told of it; None of everyday work."""
    of = now.rows_at(loss) if loss.kind in ("DELETE", "UPDATE") else loss.of
    is_parent = loss.kind == "DELETE" and loss.table in parents and (loss.rows or 0) >= _SMALL
    everywhere = {place: change for place, change in loss.changes.items() if change.rows == loss.rows}
    flat = [place for place, change in everywhere.items() if change.value is not None]
    nulls = [place for place, change in everywhere.items() if change.became_null == loss.rows]
    if loss.rows is not None and not is_parent and not _is_large(loss, of, flat=bool(flat)):
        return None
    return Destruction(
        at=loss.at,
        until=loss.until,
        kind=loss.kind,
        table=loss.table,
        rows=loss.rows,
        of=of,
        made=loss.made,
        remade=loss.remade,
        refilled=loss.refilled,
        written=loss.written,
        counted=loss.counted,
        columns=loss.columns or now.columns(loss.table, loss.changes, loss.names, loss.width),
        nulls=now.columns(loss.table, nulls, loss.names, loss.width),
        flat=now.columns(loss.table, [place for place in flat if place not in nulls], loss.names, loss.width),
        detail=loss.detail,
        like=loss.like,
        whole=loss.whole,
        thread=loss.thread,
        account=loss.account,
        parent=is_parent,
    )


def _is_large(loss: Loss, of: int | None, *, flat: bool) -> bool:
    rows = loss.rows or 0
    share = rows / of if of else None
    if share is None:
        return rows >= MANY
    if (share >= _WHOLE and rows >= _FEW) or (share >= _HALF and rows >= _SMALL):
        return True
    if loss.kind == "DELETE":
        return rows >= MANY
    return (rows >= MANY and share >= _MUCH) or (flat and rows >= _SMALL and share >= _SOME)


def _measured(one: Destruction, ever: Sequence[Destruction]) -> Destruction:
    """Hold what was done against other nights: once before is enough, or twice since where none before is known."""
    others = [
        other
        for other in ever
        if (other.kind, other.table) == (one.kind, one.table) and abs(other.at - one.at) >= _ANOTHER_NIGHT
    ]
    if one.kind in _BY_SIZE:
        alike = [other for other in others if _alike(one, other)]
        before = sum(other.at < one.at for other in alike)
        # an application's everyday statement; one that takes what it finds is none, however often it is sent
        chosen = " WHERE " in one.like.upper() and not one.whole
        repeated = chosen and sum((other.table, other.like) == (one.table, one.like) for other in ever) >= _ALIKE
        return replace(one, usual=bool(before) or len(alike) - before >= _TWICE or repeated)
    last = max((other for other in others if other.at < one.at), key=lambda other: other.at, default=None)
    return replace(one, usual=last is not None and _left_the_same(last, one))


def _left_the_same(last: Destruction, one: Destruction) -> bool:
    """Tell whether the table was as gone, or as empty, after the last night that took something from it."""
    return not _soon_back(last) and not _soon_back(one) and (last.remade is None) == (one.remade is None)


def _soon_back(one: Destruction) -> bool:
    return one.refilled is not None and one.refilled <= one.until + _SOON


def _alike(one: Destruction, other: Destruction) -> bool:
    """Tell whether another night did at least half as much of the same to a table."""
    if one.like or other.like:
        return one.like == other.like
    same = set(one.columns) <= {*other.columns} and set(one.nulls) <= {*other.nulls}
    return same and set(one.flat) <= {*other.flat} and 2 * (other.rows or 0) >= (one.rows or 0)


def _unlogged(ledger: Ledger, now: _Now, *, since: datetime) -> tuple[list[Destruction], list[str]]:
    """Find rows that foreign keys took along and the log does not hold: fewer are there than the log counts."""
    found: list[Destruction] = []
    untold: list[str] = []
    for parent, children in now.cascading().items():
        deletes = [(at, rows) for at, rows in ledger.deleted.get(parent, ()) if at >= since]
        if not deletes:
            continue
        at, most = max(deletes, key=lambda delete: delete[1])
        taken = [child for child, _ in children]
        for child, rule in children:
            expected = ledger.tables[child].rows if child in ledger.tables else None
            left = None if expected is None or rule != "CASCADE" else now.count(child, most=expected + 1)
            if expected is not None and left is not None and expected - left >= _FEW:
                gone = f"the log counts {expected:,} rows of {child}, and {left:,} are there"
                found.append(
                    Destruction(at=at, until=at, kind="CASCADE", table=child, rows=expected - left, of=expected,
                                detail=f"a delete of {most:,} rows of {parent} took them along; {gone}", parent=True)
                )  # fmt: skip
        untold.append(
            f"{sum(rows for _, rows in deletes):,} rows of {parent} were deleted, most of them at {utc_text(at)}: what "
            f"its foreign keys did to {_named(taken)} is not in the log of this server"
        )
    return found, untold


def _sentences(ledger: Ledger, now: _Now, *, since: datetime) -> list[str]:
    said = []
    texts = [at for at, _ in ledger.texts if at >= since]
    if texts:
        said.append(
            f"{len(texts):,} DELETE, UPDATE and REPLACE statements are logged as text, the first at "
            f"{utc_text(min(texts))}: how many rows they met is not in the log (that needs binlog_format=ROW)"
        )
    retyped = [(at, table) for at, table in ledger.retyped if at >= since]
    if retyped:
        said.append(
            f"ALTER TABLE gave columns of {_named({table for _, table in retyped})} another type or character set, the "
            f"first at {utc_text(min(at for at, _ in retyped))}: whether values were cut by it is not in the log"
        )
    strange = [(at, what) for at, what in ledger.not_understood if at >= since]
    if strange:
        kinds = ", ".join(sorted({what for _, what in strange})[:_LARGEST])
        said.append(f"{len(strange):,} statements were not understood, the first at {utc_text(strange[0][0])}: {kinds}")
    if now.refused:
        said.append(f"the account may not count {_named(now.refused)}, so the share of their rows is not known")
    return said


def _named(tables: Iterable[TableName]) -> str:
    names = sorted(map(str, tables))
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def _gaps(ledger: Ledger, *, since: datetime) -> tuple[LogGap, ...]:
    """Put the events that were not read together, by why."""
    inside = sorted((gap for gap in ledger.gaps if gap.until >= since), key=lambda gap: (gap.why, gap.since))
    grouped = [list(gaps) for _, gaps in groupby(inside, lambda gap: gap.why)]
    found = [
        replace(gaps[0], since=max(gaps[0].since, since), until=gaps[-1].until, events=sum(gap.events for gap in gaps))
        for gaps in grouped
    ]
    return tuple(sorted(found, key=lambda gap: gap.since))


def _largest(large: Iterable[Large], now: _Now, *, since: datetime) -> tuple[Transaction, ...]:
    inside = sorted((one for one in large if one.at >= since), key=lambda one: -one.rows)[:_LARGEST]
    return tuple(
        Transaction(
            at=one.at,
            thread=one.thread,
            account=one.account,
            tables=tuple(
                TableChange(table=name, inserted=counts[0], updated=counts[1], deleted=counts[2], of=one.of.get(name),
                            columns=now.columns(name, one.columns.get(name, ()), one.names[name], one.widths[name]))
                for name, counts in one.tables.items()
            ),
        )
        for one in sorted(inside, key=lambda one: one.at)
    )  # fmt: skip
