"""Schemas, tables and exact row counts of a server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local

from runbook_lib.mysql import Database, quoted

log = logging.getLogger(__name__)

SYSTEM_SCHEMAS = frozenset({"mysql", "information_schema", "performance_schema", "sys"})


@dataclass(frozen=True, kw_only=True, order=True)
class TableName:
    """A table by its schema and name, which may hold any character."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """Return the name quoted for SQL."""
        return quoted(self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What a server holds: every schema that is not the system's, and the exact rows of each base table."""

    schemas: tuple[str, ...]
    rows: Mapping[TableName, int]

    def tables_in(self, schema: str) -> tuple[TableName, ...]:
        """Return the base tables of a schema, sorted."""
        return tuple(sorted(table for table in self.rows if table.schema == schema))


def list_schemas(database: Database) -> tuple[str, ...]:
    """Return the schemas that are not the server's own, sorted."""
    found = database.rows("SELECT schema_name FROM information_schema.schemata")
    return tuple(sorted(name for (name,) in found if name.lower() not in SYSTEM_SCHEMAS))


def list_tables(database: Database) -> tuple[TableName, ...]:
    """Return every base table outside the system schemas, sorted."""
    found = database.rows(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')"
    )
    return tuple(sorted(TableName(schema=s, name=n) for s, n in found if s.lower() not in SYSTEM_SCHEMAS))


def count_rows(
    connect: Callable[[], Database], tables: Iterable[TableName], *, workers: int = 4
) -> dict[TableName, int]:
    """Count the rows of each table exactly, on a few connections at once.

    `information_schema.tables.table_rows` is an estimate cached for a day (MySQL manual,
    information_schema_stats_expiry) and must not decide anything.
    """
    wanted = tuple(tables)
    own = local()
    opened: list[Database] = []

    def count(table: TableName) -> tuple[TableName, int]:
        if not hasattr(own, "database"):
            own.database = connect()
            opened.append(own.database)
        return table, int(own.database.value(f"SELECT COUNT(*) FROM {table.sql}"))  # noqa: S608  # quoted

    try:
        with ThreadPoolExecutor(max_workers=max(1, min(workers, len(wanted)))) as pool:
            return dict(pool.map(count, wanted))
    finally:
        for database in opened:
            database.close()


def take_inventory(connect: Callable[[], Database]) -> Inventory:
    """List the schemas and tables of a server and count every row."""
    with connect() as database:
        schemas, tables = list_schemas(database), list_tables(database)
    log.info("counting the rows of %d tables", len(tables))
    return Inventory(schemas=schemas, rows=count_rows(connect, tables))
