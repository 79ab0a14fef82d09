"""What was written to production while a load was tried: by its binary log, and by which connections.

A write is taken for the load's where a connection that was not there before the try changed a definition, or a table
that the load changed on the clone. Its limit: an application that opens a new connection for each request looks alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from runbook_lib.clusters import Cluster
from runbook_lib.databases import open_database
from runbook_lib.errors import RunbookError
from runbook_lib.inventory import SYSTEM_SCHEMAS
from runbook_lib.mysql import Credentials, Database, LogEntry, list_log_files, read_log
from runbook_lib.mysql.binary_log import LoggedGap, LoggedRows, LoggedStatement

_NO_WRITE = re.compile(
    r"\s*(?:/\*.*?\*/\s*)*(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|XA|START|SET|USE|FLUSH|ANALYZE)\b",
    re.IGNORECASE | re.DOTALL,
)
_MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Before:
    """How the source stood before a load was tried: its clock, its log, its connections (None: could not be seen)."""

    at: datetime
    file: str
    threads: frozenset[int] | None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceWrite:
    """One table of production that was written meanwhile, or a statement where the log names no table."""

    what: str
    how: str
    rows: int
    is_loads: bool


@dataclass(frozen=True, kw_only=True)
class SourceLog:
    """What the source's log says of the time of a try. `why_not`: it could not be read, and nothing is known."""

    writes: tuple[SourceWrite, ...] = ()
    gaps: tuple[str, ...] = ()
    why_not: str = ""

    @property
    def by_the_load(self) -> tuple[SourceWrite, ...]:
        """Return the writes that are taken for the load's."""
        return tuple(write for write in self.writes if write.is_loads)


def look_before(cluster: Cluster, account: Credentials) -> Before:
    """Note how the source stands. What cannot be seen is said, not raised."""
    try:
        with open_database(cluster, account) as database:
            files = list_log_files(database)
            at = database.value("SELECT UTC_TIMESTAMP()").replace(tzinfo=UTC)
            if not files:
                return Before(at=at, file="", threads=None, why_not="the server writes no binary log")
            return Before(at=at, file=files[-1].name, threads=_threads(database))
    except RunbookError as error:
        return Before(at=datetime.now(UTC), file="", threads=None, why_not=error.message)


def _threads(database: Database) -> frozenset[int] | None:
    grants = " ".join(str(row[0]) for row in database.rows("SHOW GRANTS"))
    if "PROCESS" not in grants and "ALL PRIVILEGES ON *.*" not in grants:
        return None  # only its own connections are listed
    return frozenset(int(row[0]) for row in database.rows("SELECT id FROM information_schema.processlist"))


def look_after(
    cluster: Cluster, account: Credentials, before: Before, *, touched: Collection[tuple[str, str]]
) -> SourceLog:
    """Read what was written since. `touched` are the tables that the load changed on the clone."""
    if before.why_not:
        return SourceLog(why_not=before.why_not)
    try:
        with open_database(cluster, account) as database:
            files = list_log_files(database)
            until = database.value("SELECT UTC_TIMESTAMP()").replace(tzinfo=UTC)
        names = [file.name for file in files]
        if before.file not in names:
            return SourceLog(why_not=f"{before.file} of its binary log is not there any more")
        return _judged(
            read_log(cluster.endpoint, account, files=files[names.index(before.file) :], since=before.at, until=until),
            before,
            touched={(schema.casefold(), table.casefold()) for schema, table in touched},
        )
    except RunbookError as error:
        return SourceLog(why_not=error.message)


@dataclass
class _Tally:
    rows: dict[tuple[str, str, bool], int] = field(default_factory=dict)

    def add(self, what: str, how: str, is_loads: bool, rows: int) -> None:
        if len(self.rows) < _MOST or (what, how, is_loads) in self.rows:
            self.rows[what, how, is_loads] = self.rows.get((what, how, is_loads), 0) + rows


def _judged(entries: Iterable[LogEntry], before: Before, *, touched: Collection[tuple[str, str]]) -> SourceLog:
    tally, gaps = _Tally(), dict[str, None]()
    for entry in entries:
        if isinstance(entry, LoggedGap):
            gaps[entry.why] = None
            continue
        schema = str(entry.schema or "").casefold()
        known = bool(entry.thread and before.threads is not None and entry.thread in before.threads)
        if isinstance(entry, LoggedRows):
            if schema in SYSTEM_SCHEMAS:
                continue
            hit = (schema, entry.table.casefold()) in touched
            tally.add(f"{entry.schema}.{entry.table}", entry.verb, hit and not known, entry.rows)
        elif isinstance(entry, LoggedStatement) and not _NO_WRITE.match(entry.sql) and schema not in SYSTEM_SCHEMAS:
            said = " ".join(entry.sql.split())
            tally.add(said if len(said) <= 120 else f"{said[:117]}…", "statement", not known, 0)
    writes = [
        SourceWrite(what=what, how=how, rows=rows, is_loads=is_loads)
        for (what, how, is_loads), rows in tally.rows.items()
    ]
    return SourceLog(writes=tuple(sorted(writes, key=lambda write: (not write.is_loads, write.what))), gaps=tuple(gaps))
