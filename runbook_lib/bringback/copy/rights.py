"""What the account may do, and which rights other accounts hold on single tables and routines."""

from __future__ import annotations

import re
from collections import defaultdict

from runbook_lib.errors import AccessDenied, StepFailed
from runbook_lib.inventory import SYSTEM_SCHEMAS
from runbook_lib.mysql import Database, quoted

_GRANT = re.compile(r"GRANT (.+?) ON \*\.\* TO ", re.DOTALL)


def read_rights(database: Database) -> frozenset[str]:
    """Give the account's rights on everything ("CREATE", "LOCK TABLES"), "ALL" for all of them."""
    held: set[str] = set()
    for (grant,) in database.rows("SHOW GRANTS"):
        if found := _GRANT.match(str(grant)):
            held |= {right.strip().upper() for right in found[1].split(",")}
    return frozenset({"ALL"} if "ALL PRIVILEGES" in held else held)


def read_grants(database: Database) -> frozenset[str]:
    """Give GRANT statements for the rights that accounts hold on schemas, tables, columns and routines.

    They belong to names, not to tables, so a swap keeps them; a schema or routine that was dropped may have lost them.
    What the account may not see is left out, and the check on grants says so.
    """
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for grantee, schema, right in database.rows(
        "SELECT grantee, table_schema, privilege_type FROM information_schema.schema_privileges"
    ):
        if str(schema).lower() not in SYSTEM_SCHEMAS:
            found[f"{_schema_pattern(str(schema))}.*", str(grantee)].add(str(right))
    for grantee, schema, table, right in database.rows(
        "SELECT grantee, table_schema, table_name, privilege_type FROM information_schema.table_privileges"
    ):
        if str(schema).lower() not in SYSTEM_SCHEMAS:
            found[quoted(str(schema), str(table)), str(grantee)].add(str(right))
    for grantee, schema, table, column, right in database.rows(
        "SELECT grantee, table_schema, table_name, column_name, privilege_type"
        " FROM information_schema.column_privileges"
    ):
        if str(schema).lower() not in SYSTEM_SCHEMAS:
            found[quoted(str(schema), str(table)), str(grantee)].add(f"{right} ({quoted(str(column))})")
    for where, grantee, rights in _routine_rights(database):
        found[where, grantee] |= rights
    return frozenset(
        f"GRANT {', '.join(sorted(rights))} ON {where} TO {grantee}" for (where, grantee), rights in found.items()
    )


def _routine_rights(database: Database) -> list[tuple[str, str, set[str]]]:
    try:
        rows = database.rows("SELECT host, db, user, routine_name, routine_type, proc_priv FROM mysql.procs_priv")
    except (AccessDenied, StepFailed):
        return []  # MariaDB's or Aurora's account may not read it; the check on grants says what is not known
    return [
        (
            f"{kind} {quoted(str(schema), str(name))}",
            f"'{_account_part(user)}'@'{_account_part(host)}'",
            {_ROUTINE_RIGHTS[right.lower()] for right in str(rights).split(",") if right.lower() in _ROUTINE_RIGHTS},
        )
        for host, schema, user, name, kind, rights in rows
    ]


_ROUTINE_RIGHTS = {"execute": "EXECUTE", "alter routine": "ALTER ROUTINE", "grant": "GRANT OPTION"}


def _account_part(text: object) -> str:
    said = text.decode() if isinstance(text, bytes) else str(text)
    return said.replace("'", "''")


def _schema_pattern(schema: str) -> str:
    """Quote a schema's name as it is kept, where it may be a pattern with escapes of its own."""
    return quoted(schema)


def read_clients(database: Database) -> dict[str, int]:
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
