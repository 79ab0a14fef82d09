"""Read what a server holds: a dozen statements whatever the number of tables, and one probe for each batch of them."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.errors import AccessDenied, RunbookError
from runbook_lib.inventory import SYSTEM_SCHEMAS
from runbook_lib.mysql import Database
from runbook_lib.mysql.connection import Row
from runbook_lib.schemas.facts import Code, ForeignKey, SchemaFacts, Survey, TableFacts, Unseen
from runbook_lib.schemas.probing import Probes

log = logging.getLogger(__name__)

_OURS = "', '".join(sorted(SYSTEM_SCHEMAS))
_OTHERS = f"NOT IN ('{_OURS}')"

# Each statement names its columns: MySQL gives information_schema's own names in capitals, MariaDB does not.
_SCHEMATA = "SELECT schema_name FROM information_schema.schemata WHERE schema_name {others}"
_TABLES = """SELECT table_schema, table_name, table_type, engine, table_rows, data_length + index_length, create_time,
update_time FROM information_schema.tables WHERE table_schema {others}"""
_VIEWS = """SELECT table_schema, table_name, 'VIEW', view_definition, definer FROM information_schema.views
WHERE table_schema {others}"""
_ROUTINES = """SELECT routine_schema, routine_name, routine_type, routine_definition, definer
FROM information_schema.routines WHERE routine_schema {others}"""
_TRIGGERS = """SELECT trigger_schema, trigger_name, 'TRIGGER', action_statement, definer
FROM information_schema.triggers WHERE trigger_schema {others}"""
_EVENTS = """SELECT event_schema, event_name, 'EVENT', event_definition, definer FROM information_schema.events
WHERE event_schema {others}"""
_KEYS = """SELECT constraint_schema, table_name, constraint_name, unique_constraint_schema, referenced_table_name
FROM information_schema.referential_constraints WHERE constraint_schema {others}"""
# Lock counts, not io counts: a statement that reads an empty table fetches no row, but it does lock the table.
_USAGE = """SELECT object_schema, object_name, count_read_external, count_write_external
FROM performance_schema.table_lock_waits_summary_by_table WHERE object_schema {others}"""
_GRANTS = (
    "SELECT db, '', user, host FROM mysql.db",
    "SELECT db, table_name, user, host FROM mysql.tables_priv",
    "SELECT db, table_name, user, host FROM mysql.columns_priv",
    "SELECT db, routine_name, user, host FROM mysql.procs_priv",
)

# What an account needs, and what stays hidden without it: a hidden thing is never called missing or empty.
_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?:TABLE )?(?P<where>(?:`(?:[^`]|``)*`|\*)\.(?:`(?:[^`]|``)*`|\*))", re.S)
_NEEDED = {
    "SELECT": "rows and tables of schemas that are not granted one by one",
    "SHOW VIEW": "what views are made of",
    "TRIGGER": "triggers",
    "EVENT": "events",
}


@dataclass(frozen=True, kw_only=True)
class Rights:
    """The global privileges of the account, its roles included. `account` is `user@host`."""

    account: str
    everywhere: frozenset[str]
    readable: bool  # the account's own grants could be read

    def has(self, privilege: str) -> bool:
        """Tell whether it holds a privilege on everything."""
        return privilege in self.everywhere or any(p.startswith("ALL PRIVILEGES") for p in self.everywhere)

    def unseen(self, *, mariadb: bool) -> tuple[Unseen, ...]:
        """Say what the account cannot be sure to see."""
        found = [Unseen(what=what, right=f"{right} on *.*") for right, what in _NEEDED.items() if not self.has(right)]
        # MySQL 8.0.20 and later show routines of others with SHOW_ROUTINE or the global SELECT; MariaDB with SELECT on
        # mysql.proc, which the global SELECT includes (manuals: "The INFORMATION_SCHEMA ROUTINES Table").
        if not (self.has("SELECT") or self.has("SHOW_ROUTINE") or self.has("SHOW CREATE ROUTINE")):
            right = "SELECT on mysql.proc" if mariadb else "SHOW_ROUTINE on *.*"
            found.append(Unseen(what="routines of others", right=right))
        return tuple(found)


def rights_of(database: Database) -> Rights:
    """Read the account's own grants, those of its active roles included."""
    account = str(database.value("SELECT CURRENT_USER()"))
    roles = str(database.value("SELECT CURRENT_ROLE()") or "NONE")
    lines = [str(row[0]) for row in database.rows("SHOW GRANTS")]
    if roles.upper() not in ("NONE", "") and not database.is_mariadb:
        try:
            lines += [str(row[0]) for row in database.rows(f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")]
        except RunbookError:
            return Rights(account=account, everywhere=frozenset(), readable=False)
    everywhere: set[str] = set()
    for line in lines:
        if (found := _GRANT.match(line)) and found["where"] == "*.*":
            everywhere |= {part.strip().upper() for part in found["what"].split(",")}
    return Rights(account=account, everywhere=frozenset(everywhere), readable=True)


def survey(database: Database) -> Survey:
    """Look at everything outside the system schemas, with whatever rights the account has.

    Usage is read before the tables are probed, so the probes of this survey are not counted as somebody's reading;
    those of earlier ones are (see `last_audit`).

    Raises:
        AccessDenied: not even information_schema answers.
    """
    return _Surveyor(database).run()


class _Surveyor:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._unseen: list[Unseen] = []
        self._statements = 0

    def run(self) -> Survey:
        rights = rights_of(self._database)
        self._unseen += rights.unseen(mariadb=self._database.is_mariadb)
        names = [str(name) for (name,) in self._rows(_SCHEMATA)]
        log.info("looking at %d schemas", len(names))
        uptime = self._rows("SHOW GLOBAL STATUS LIKE 'Uptime'")
        clock = self._rows("SELECT UTC_TIMESTAMP(), @@lower_case_table_names, VERSION()")[0]
        taken = _utc(clock[0]) or datetime.now(UTC)
        usage = self._usage()
        tables = self._tables(usage)
        bases = [(schema, table.name) for schema, held in tables.items() for table in held if table.is_base]
        with Probes(self._database, bases) as probes:
            code = self._code()
            grants = self._grants()
            keys = tuple(
                ForeignKey(schema=s, table=t, name=n, to_schema=ts, to_table=tt)
                for s, t, n, ts, tt in self._rows(_KEYS)
            )
            empty = probes.empty()
        self._statements += probes.statements
        if refused := len(bases) - len(empty):
            self._unseen.append(Unseen(what=f"whether {refused} tables hold rows", right="SELECT on them"))
        schemas = {
            name: SchemaFacts(
                name=name,
                tables={
                    table.name: replace(table, empty=empty.get((name, table.name))) for table in tables.get(name, ())
                },
                code=tuple(code.get(name, ())),
                grants=tuple(sorted(grants.get(name, ()))),
            )
            for name in sorted({*names, *tables})
        }
        return Survey(
            server=f"{'MariaDB' if self._database.is_mariadb else 'MySQL'} {str(clock[2]).partition('-')[0]}",
            account=rights.account,
            taken=taken,
            started=taken - timedelta(seconds=int(uptime[0][1])) if uptime else None,
            counts_usage=usage is not None,
            case_sensitive=int(clock[1]) == 0,
            schemas=schemas,
            foreign_keys=keys,
            unseen=tuple(self._unseen),
            statements=self._statements,
        )

    def _rows(self, sql: str) -> list[Row]:
        self._statements += 1
        return self._database.rows(sql.replace("{others}", _OTHERS))

    def _tables(self, usage: Mapping[tuple[str, str], tuple[int, int]] | None) -> dict[str, list[TableFacts]]:
        found: dict[str, list[TableFacts]] = defaultdict(list)
        for schema, name, kind, engine, rows, size, created, written in self._rows(_TABLES):
            reads, writes = (None, None) if usage is None else usage.get((schema, name), (0, 0))
            found[schema].append(
                TableFacts(
                    name=name, kind=kind, engine=engine or "", rows_estimate=int(rows or 0), size_bytes=int(size or 0),
                    created=_utc(created), written=_utc(written), reads=reads, writes=writes,
                )
            )  # fmt: skip
        return found

    def _usage(self) -> dict[tuple[str, str], tuple[int, int]] | None:
        """Return reads and writes by table; None when the server does not count them or we may not look."""
        try:
            if str(self._rows("SELECT @@performance_schema")[0][0]) not in ("1", "ON"):
                self._unseen.append(
                    Unseen(what="reads and writes since the server started", right="performance_schema switched on")
                )
                return None
            return {(schema, name): (int(r), int(w)) for schema, name, r, w in self._rows(_USAGE)}
        except AccessDenied:
            self._unseen.append(
                Unseen(what="reads and writes since the server started", right="SELECT on performance_schema.*")
            )
            return None

    def _code(self) -> dict[str, list[Code]]:
        found: dict[str, list[Code]] = defaultdict(list)
        for sql in (_VIEWS, _ROUTINES, _TRIGGERS, _EVENTS):
            for schema, name, kind, text, definer in self._rows(sql):
                shown = _text(text)
                found[schema].append(
                    Code(schema=schema, name=name, kind=kind, text=shown or None, definer=definer or "")
                )
        hidden = [f"{c.kind.lower()} {c.schema}.{c.name}" for codes in found.values() for c in codes if c.text is None]
        if hidden:
            self._unseen.append(
                Unseen(
                    what=f"what is in {len(hidden)} views or routines, such as {hidden[0]}", right="SHOW VIEW, SELECT"
                )
            )
        return found

    def _grants(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        try:
            for sql in _GRANTS:
                for schema, what, user, host in self._rows(sql):
                    place = f" ({_text(what)})" if what else ""
                    found[_text(schema).replace("\\_", "_").replace("\\%", "%")].add(
                        f"{_text(user)}@{_text(host)}{place}"
                    )
        except AccessDenied:
            self._unseen.append(Unseen(what="which accounts are granted a schema by name", right="SELECT on mysql.*"))
        return found


def reads_of(database: Database) -> dict[tuple[str, str], int]:
    """Return how often each table has been read since the server started, as it counts."""
    return {(schema, name): int(reads) for schema, name, reads, _ in database.rows(_USAGE.replace("{others}", _OTHERS))}


def columns_of(database: Database, schemas: Iterable[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the column names of every table of some schemas, in order."""
    wanted = sorted(set(schemas))
    found: dict[str, dict[str, tuple[str, ...]]] = {schema: {} for schema in wanted}
    if not wanted:
        return found
    marks = ", ".join(["%s"] * len(wanted))
    for schema, table, column in database.rows(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns "  # noqa: S608  # only marks
        f"WHERE table_schema IN ({marks}) ORDER BY table_schema, table_name, ordinal_position",
        wanted,
    ):
        held = found[schema]
        held[table] = (*held.get(table, ()), str(column))
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _utc(value: Any) -> datetime | None:
    """Read a time of the session's zone, which is UTC (`runbook_lib.mysql.connect`)."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None
