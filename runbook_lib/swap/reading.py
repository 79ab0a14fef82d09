"""Read what a swap needs to know of a server: tables, keys, the objects around them, settings and rights."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from runbook_lib.errors import AccessDenied, StepFailed
from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.facts import Column, ForeignKey, Grant, ServerFacts, TableFacts
from runbook_lib.swap.names import is_ours
from runbook_lib.swap.objects import read_objects, steady
from runbook_lib.swap.reach import read_everywhere, read_restricted

_GRANT = re.compile(r"GRANT (.+?) ON \*\.\* TO ", re.DOTALL)
_ROUTINE_RIGHTS = {"execute": "EXECUTE", "alter routine": "ALTER ROUTINE", "grant": "GRANT OPTION"}
_OF_RIGHTS = ("user", "db", "tables_priv", "columns_priv", "procs_priv")
_SETTINGS = (
    "local_infile", "event_scheduler", "max_allowed_packet", "lower_case_table_names", "innodb_page_size",
    "group_concat_max_len", "read_only", "aws_default_s3_role", "aurora_select_into_s3_role",
    "aurora_load_from_s3_role", "aurora_version", "innodb_file_per_table", "datadir", "explicit_defaults_for_timestamp",
    "partial_revokes", "enforce_gtid_consistency",
)  # fmt: skip


def read_server(database: Database, *, name: str, schemas: Iterable[str] | None = None) -> ServerFacts:
    """Read tables, keys, objects around them, settings and rights; of all schemas, or of those named.

    Foreign keys are read of all schemas, because the tables that must be swapped together may lie in any.

    Raises:
        AccessDenied: the account may not look at something that is needed.
    """
    _exact(database)
    characters = {
        str(schema): (str(charset), str(collation))
        for schema, charset, collation in database.rows(
            "SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata"
        )
        if _is_theirs(str(schema))
    }
    wanted = set(characters) if schemas is None else set(schemas) & set(characters)
    keys = _foreign_keys(database)
    rights, accounts = _rights(database), _accounts(database)
    wanted |= {table.schema for key in keys for table in (key.table, key.parent)} & set(characters)
    return ServerFacts(
        name=name,
        identity=_identity(database),
        version=database.version,
        is_mariadb=database.is_mariadb,
        schemas=characters,
        tables=_tables(database, wanted),
        foreign_keys=keys,
        objects=read_objects(database, wanted),
        settings=_settings(database),
        rights=rights,
        grants=_grants(database),
        accounts=accounts,
        everywhere=read_everywhere(database),
        restricted=read_restricted(database),
        clients=_clients(database),
        unknown=_unknown(database, wanted),
        unseen=_unseen(database, rights, accounts),
    )


def _exact(database: Database) -> None:
    """Have SHOW CREATE quote every name, and sizes and counters read from the tables instead of a day-old cache."""
    steady(database)
    if not database.is_mariadb:
        database.execute("SET SESSION information_schema_stats_expiry = 0")


def _is_theirs(schema: str) -> bool:
    return schema.lower() not in SYSTEM_SCHEMAS and not is_ours(schema)


def _identity(database: Database) -> str:
    if database.is_mariadb:
        return f"{database.endpoint} {database.value('SELECT @@server_id')}"
    return str(database.value("SELECT @@server_uuid"))


def _settings(database: Database) -> dict[str, str]:
    listed = ", ".join(f"'{name}'" for name in _SETTINGS)
    found = database.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})")
    return {str(name): str(value) for name, value in found}


def _foreign_keys(database: Database) -> tuple[ForeignKey, ...]:
    columns: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    parents: dict[tuple[str, str, str], TableName] = {}
    for schema, table, name, column, parent_schema, parent, parent_column in database.rows(
        "SELECT table_schema, table_name, constraint_name, column_name, referenced_table_schema,"
        " referenced_table_name, referenced_column_name FROM information_schema.key_column_usage"
        " WHERE referenced_table_name IS NOT NULL ORDER BY table_schema, constraint_name, ordinal_position"
    ):
        if _is_theirs(str(schema)) and _is_theirs(str(parent_schema)):
            key = (str(schema), str(table), str(name))
            parents[key] = TableName(schema=str(parent_schema), name=str(parent))
            columns[key].append((str(column), str(parent_column)))
    return tuple(
        ForeignKey(
            name=name,
            table=TableName(schema=schema, name=table),
            columns=tuple(own for own, _ in columns[schema, table, name]),
            parent=parents[schema, table, name],
            parent_columns=tuple(other for _, other in columns[schema, table, name]),
        )
        for schema, table, name in sorted(columns)
    )


def _tables(database: Database, schemas: set[str]) -> dict[TableName, TableFacts]:
    columns = _columns(database, schemas)
    keys = _unique_keys(database, schemas)
    found: dict[TableName, TableFacts] = {}
    for schema, name, engine, rows, data, index, counter, kind in _of(
        database,
        "SELECT table_schema, table_name, engine, table_rows, data_length, index_length, auto_increment,"
        " table_type FROM information_schema.tables"
        " WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_schema IN ({})",
        schemas,
    ):
        table = TableName(schema=str(schema), name=str(name))
        of_table = tuple(columns.get(table, ()))
        key, uniques = _key(keys.get(table, {}), of_table)
        found[table] = TableFacts(
            name=table,
            create=str(database.rows(f"SHOW CREATE TABLE {table.sql}")[0][1]),
            engine=str(engine),
            columns=of_table,
            key=key,
            uniques=uniques,
            counter=int(counter) if counter is not None else None,
            rows=int(rows or 0),
            bytes=int(data or 0) + int(index or 0),
            versioned=kind == "SYSTEM VERSIONED",
        )
    return found


def _unknown(database: Database, schemas: set[str]) -> tuple[tuple[str, str], ...]:
    """Return what is neither a table nor an object that is read here, by schema: none is passed over without a word."""
    found = _of(
        database,
        "SELECT table_schema, CONCAT(LOWER(table_type), ' ', table_schema, '.', table_name)"
        " FROM information_schema.tables WHERE table_schema IN ({})"
        " AND table_type NOT IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW', 'SEQUENCE')",
        schemas,
    )
    found += _of(
        database,
        "SELECT routine_schema, CONCAT(LOWER(routine_type), ' ', routine_schema, '.', routine_name)"
        " FROM information_schema.routines WHERE routine_schema IN ({})"
        " AND routine_type NOT IN ('PROCEDURE', 'FUNCTION', 'PACKAGE', 'PACKAGE BODY')",
        schemas,
    )
    return tuple(sorted((str(schema), str(title)) for schema, title in found))


def _columns(database: Database, schemas: set[str]) -> dict[TableName, list[Column]]:
    found: dict[TableName, list[Column]] = defaultdict(list)
    for schema, table, name, kind, full, nullable, extra, charset, collation in _of(
        database,
        "SELECT table_schema, table_name, column_name, data_type, column_type, is_nullable, extra, character_set_name,"
        " collation_name"
        " FROM information_schema.columns WHERE table_schema IN ({})"
        " ORDER BY table_schema, table_name, ordinal_position",
        schemas,
    ):
        said = str(extra).upper()
        found[TableName(schema=str(schema), name=str(table))].append(
            Column(
                name=str(name),
                kind=str(kind).lower(),
                full_type=str(full.decode() if isinstance(full, bytes) else full),
                nullable=nullable == "YES",
                # MySQL says DEFAULT_GENERATED of a column whose default is an expression
                generated="GENERATED" in said.replace("DEFAULT_GENERATED", ""),
                counted="AUTO_INCREMENT" in said,
                charset=str(charset or ""),
                collation=str(collation or ""),
            )
        )
    return found


def _unique_keys(database: Database, schemas: set[str]) -> dict[TableName, dict[str, list[str | None]]]:
    found: dict[TableName, dict[str, list[str | None]]] = defaultdict(lambda: defaultdict(list))
    for schema, table, index, column, part in _of(
        database,
        "SELECT table_schema, table_name, index_name, column_name, sub_part FROM information_schema.statistics"
        " WHERE non_unique = 0 AND table_schema IN ({}) ORDER BY table_schema, table_name, index_name, seq_in_index",
        schemas,
    ):
        # an expression has no column, and a prefix does not tell two values apart
        whole = str(column) if column is not None and part is None else None
        found[TableName(schema=str(schema), name=str(table))][str(index)].append(whole)
    return found


def _key(
    indexes: dict[str, list[str | None]], columns: tuple[Column, ...]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the key that tells rows apart, and the other unique keys."""
    nullable = {column.name for column in columns if column.nullable}
    usable = {name: tuple(part for part in parts if part) for name, parts in indexes.items() if None not in parts}
    order = sorted(usable, key=lambda name: (name != "PRIMARY", len(usable[name]), name))
    first = next((name for name in order if not nullable & set(usable[name])), "")
    return usable.get(first, ()), tuple(usable[name] for name in order if name != first)


def _of(database: Database, sql: str, schemas: set[str]) -> list[tuple[Any, ...]]:
    if not schemas:
        return []
    return database.rows(sql.format(", ".join(["%s"] * len(schemas))), tuple(sorted(schemas)))


def _rights(database: Database) -> frozenset[str]:
    """Return the account's rights on everything ("CREATE", "LOCK TABLES"), "ALL" for all of them."""
    held: set[str] = set()
    for (grant,) in database.rows("SHOW GRANTS"):
        if found := _GRANT.match(str(grant)):
            held |= {right.strip().upper() for right in found[1].split(",")}
            held |= {"GRANT OPTION"} if " WITH GRANT OPTION" in str(grant) else set()
    return frozenset(held & {"GRANT OPTION"} | {"ALL"} if "ALL PRIVILEGES" in held else held)


def _grants(database: Database) -> frozenset[Grant]:
    """Return the rights that accounts hold on schemas, tables, columns and routines.

    They belong to names, not to tables, so a swap keeps them, and so do DROP TABLE and DROP DATABASE; only DROP
    PROCEDURE and DROP FUNCTION take rights away (automatic_sp_privileges). What the account may not see is left out.
    """
    found: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)

    def note(kind: str, schema: object, name: object, grantee: object, right: str, grantable: object) -> None:
        if str(schema).lower() not in SYSTEM_SCHEMAS:
            rights = found[kind, str(schema), str(name), str(grantee)]
            rights.add(right)
            if grantable == "YES":
                rights.add("GRANT OPTION")

    for grantee, schema, right, grantable in database.rows(
        "SELECT grantee, table_schema, privilege_type, is_grantable FROM information_schema.schema_privileges"
    ):
        note("schema", schema, "", grantee, str(right), grantable)
    for grantee, schema, table, right, grantable in database.rows(
        "SELECT grantee, table_schema, table_name, privilege_type, is_grantable"
        " FROM information_schema.table_privileges"
    ):
        note("table", schema, table, grantee, str(right), grantable)
    for grantee, schema, table, column, right, grantable in database.rows(
        "SELECT grantee, table_schema, table_name, column_name, privilege_type, is_grantable"
        " FROM information_schema.column_privileges"
    ):
        note("table", schema, table, grantee, f"{right} ({quoted(str(column))})", grantable)
    for kind, schema, name, grantee, rights in _routine_rights(database):
        for right in rights:
            note(kind, schema, name, grantee, right, "")
    return frozenset(
        Grant(kind=kind, schema=schema, name=name, account=account, rights=frozenset(rights - {"USAGE"}))
        for (kind, schema, name, account), rights in found.items()
        if rights - {"USAGE"}
    )


def _routine_rights(database: Database) -> list[tuple[str, str, str, str, set[str]]]:
    try:
        rows = database.rows("SELECT host, db, user, routine_name, routine_type, proc_priv FROM mysql.procs_priv")
    except (AccessDenied, StepFailed):
        return []  # MariaDB's or Aurora's account may not read it; then nothing is known to have been taken away
    return [
        (
            str(kind),
            str(schema),
            str(name),
            _account(user, host),
            {_ROUTINE_RIGHTS[right.lower()] for right in str(rights).split(",") if right.lower() in _ROUTINE_RIGHTS},
        )
        for host, schema, user, name, kind, rights in rows
    ]


def _account(user: object, host: object) -> str:
    return "@".join(f"'{_text(part)}'" for part in (user, host))


def _text(part: object) -> str:
    said = part.decode() if isinstance(part, bytes) else str(part)
    return said.replace("'", "''")


def _accounts(database: Database) -> frozenset[str] | None:
    """Return all accounts ("'name'@'host'"), None if the account may not see the others."""
    try:
        return frozenset(_account(user, host) for user, host in database.rows("SELECT user, host FROM mysql.user"))
    except (AccessDenied, StepFailed):
        return None


def _unseen(database: Database, rights: frozenset[str], accounts: frozenset[str] | None) -> frozenset[str]:
    """Return what the account may not look at. A server leaves that out of its answers without a word.

    Other accounts' rights are shown to who may read all tables of mysql, their connections to who has PROCESS (MySQL
    manual, "INFORMATION_SCHEMA SCHEMA_PRIVILEGES" and "PROCESSLIST").
    """
    found = {"accounts"} if accounts is None else set()
    try:
        for table in _OF_RIGHTS:
            database.rows(f"SELECT 1 FROM mysql.{table} LIMIT 0")
    except (AccessDenied, StepFailed):
        found.add("rights")
    return frozenset(found | (set() if rights & {"ALL", "PROCESS"} else {"connections"}))


def _clients(database: Database) -> dict[str, int]:
    """Count the other connections by the schema they are in; empty if the account may not see them."""
    try:
        rows = database.rows(
            "SELECT COALESCE(db, ''), COUNT(*) FROM information_schema.processlist"
            " WHERE id <> CONNECTION_ID() AND command NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID')"
            " GROUP BY COALESCE(db, '')"
        )
    except AccessDenied:
        return {}
    return {str(schema): int(count) for schema, count in rows}
