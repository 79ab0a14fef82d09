"""What the account may do, and which rights other accounts hold on single tables and routines."""

from __future__ import annotations

import re
from collections import defaultdict

from runbook_lib.bringback.copy.facts import Grant
from runbook_lib.errors import AccessDenied, StepFailed
from runbook_lib.inventory import SYSTEM_SCHEMAS
from runbook_lib.mysql import Database, quoted

_GRANT = re.compile(r"GRANT (.+?) ON \*\.\* TO ", re.DOTALL)


def read_rights(database: Database) -> frozenset[str]:
    """Return the account's rights on everything ("CREATE", "LOCK TABLES"), "ALL" for all of them."""
    held: set[str] = set()
    for (grant,) in database.rows("SHOW GRANTS"):
        if found := _GRANT.match(str(grant)):
            held |= {right.strip().upper() for right in found[1].split(",")}
            held |= {"GRANT OPTION"} if " WITH GRANT OPTION" in str(grant) else set()
    return frozenset(held & {"GRANT OPTION"} | {"ALL"} if "ALL PRIVILEGES" in held else held)


def read_grants(database: Database) -> frozenset[Grant]:
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


_ROUTINE_RIGHTS = {"execute": "EXECUTE", "alter routine": "ALTER ROUTINE", "grant": "GRANT OPTION"}


def _account(user: object, host: object) -> str:
    return "@".join(f"'{_text(part)}'" for part in (user, host))


def _text(part: object) -> str:
    said = part.decode() if isinstance(part, bytes) else str(part)
    return said.replace("'", "''")


def read_accounts(database: Database) -> frozenset[str] | None:
    """Return all accounts ("'name'@'host'"), None if the account may not see the others."""
    try:
        return frozenset(_account(user, host) for user, host in database.rows("SELECT user, host FROM mysql.user"))
    except (AccessDenied, StepFailed):
        return None


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
