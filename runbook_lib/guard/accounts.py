"""Could this account destroy live data? Each way by which it could, with the statement that would do it.

Read from what the server says of the account: its grants, its roles, what runs with other accounts' rights and may be
started by it. What could not be read makes the answer *could not look*, never *no*. Its limits: what a person does with
the server's operating system or with AWS's own calls is no matter of grants; a routine that builds its statement from
text is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from runbook_lib.errors import AccessDenied, InputRefused, NotFound, RunbookError
from runbook_lib.guard.grants import Grant, Held, read_grants, rights_on
from runbook_lib.guard.sql import Reader
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.reach import exactly

Answer = Literal["no", "yes", "could not look"]

LOADING = (
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "LOCK TABLES",
    "CREATE TEMPORARY TABLES", "CREATE VIEW", "SHOW VIEW", "TRIGGER", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE",
)  # fmt: skip
"""What an account needs in the schema that it loads into. EVENT is left out: nothing should run there by itself."""

_ON_TABLES = {
    "DROP": "TRUNCATE TABLE {table}", "DELETE": "DELETE FROM {table}", "UPDATE": "UPDATE {table} SET {column} = NULL",
    "ALTER": "ALTER TABLE {table} DROP COLUMN {column}", "INDEX": "DROP INDEX {index} ON {table}",
    "TRIGGER": "CREATE TRIGGER {schema}.spoil BEFORE INSERT ON {table} FOR EACH ROW SET NEW.{column} = NULL",
    "DELETE HISTORY": "DELETE HISTORY FROM {table}",
}  # fmt: skip
_ON_SCHEMAS = {
    "DROP": "DROP DATABASE {schema}", "EVENT": "DROP EVENT {schema}.{event}",
    "ALTER ROUTINE": "DROP PROCEDURE {schema}.{routine}",
}  # fmt: skip
_EVERYWHERE = {
    "SUPER": "SET GLOBAL init_connect = 'DROP DATABASE {live}'", "CREATE USER": "ALTER USER {other} IDENTIFIED BY '…'",
    "SYSTEM_VARIABLES_ADMIN": "SET GLOBAL init_connect = 'DROP DATABASE {live}'",
    "CLONE_ADMIN": "CLONE INSTANCE FROM {other}:3306 IDENTIFIED BY '…'",
    "SET_USER_ID": "CREATE DEFINER = {other} PROCEDURE …", "SET_ANY_DEFINER": "CREATE DEFINER = {other} PROCEDURE …",
    "SET USER": "CREATE DEFINER = {other} PROCEDURE …", "ROLE_ADMIN": "GRANT {other} TO CURRENT_USER()",
    "BINLOG ADMIN": "BINLOG '…'", "REPLICATION_APPLIER": "BINLOG '…'", "BINLOG REPLAY": "BINLOG '…'",
    "REPLICATION_SLAVE_ADMIN": "CHANGE REPLICATION SOURCE TO …", "REPLICATION SLAVE ADMIN": "CHANGE MASTER TO …",
    "CREATE ROLE": "", "DROP ROLE": "",
}  # fmt: skip
_HARMLESS = frozenset({
    "ALLOW_NONEXISTENT_DEFINER", "APPLICATION_PASSWORD_ADMIN", "AUDIT_ABORT_EXEMPT", "AUTHENTICATION_POLICY_ADMIN",
    "AWS_BEDROCK_ACCESS", "AWS_COMPREHEND_ACCESS", "AWS_LAMBDA_ACCESS", "AWS_LOAD_S3_ACCESS", "AWS_SAGEMAKER_ACCESS",
    "AWS_SELECT_S3_ACCESS", "BACKUP_ADMIN", "BINLOG MONITOR", "CONNECTION ADMIN", "CONNECTION_ADMIN", "CREATE",
    "CREATE ROUTINE", "CREATE TABLESPACE", "CREATE TEMPORARY TABLES", "CREATE VIEW",
    "CREATE_SPATIAL_REFERENCE_SYSTEM", "ENCRYPTION_KEY_ADMIN", "EXECUTE", "FEDERATED ADMIN", "FILE",
    "FIREWALL_EXEMPT", "FLUSH_OPTIMIZER_COSTS", "FLUSH_PRIVILEGES", "FLUSH_STATUS", "FLUSH_TABLES",
    "FLUSH_USER_RESOURCES", "GRANT OPTION", "GROUP_REPLICATION_STREAM", "INNODB_REDO_LOG_ARCHIVE",
    "INNODB_REDO_LOG_ENABLE", "INSERT", "INVOKE COMPREHEND", "INVOKE LAMBDA", "INVOKE SAGEMAKER", "LOAD FROM S3",
    "LOCK TABLES", "OPTIMIZE_LOCAL_TABLE", "OPTION_TRACKER_OBSERVER", "OPTION_TRACKER_UPDATER",
    "PASSWORDLESS_USER_ADMIN", "PROCESS", "READ_ONLY ADMIN", "REFERENCES", "RELOAD", "REPLICATION CLIENT",
    "REPLICATION MASTER ADMIN", "REPLICATION SLAVE", "RESOURCE_GROUP_ADMIN", "RESOURCE_GROUP_USER", "SELECT",
    "SELECT INTO S3", "SENSITIVE_VARIABLES_OBSERVER", "SERVICE_CONNECTION_ADMIN", "SESSION_VARIABLES_ADMIN",
    "SHOW CREATE ROUTINE", "SHOW DATABASES", "SHOW VIEW", "SHOW_ROUTINE", "SHOW_VIEW", "SHUTDOWN", "SLAVE MONITOR",
    "SYSTEM_USER", "TELEMETRY_LOG_ADMIN", "TRANSACTION_GTID_TAG", "USAGE", "XA_RECOVER_ADMIN",
})  # fmt: skip
"""Rights on everything by which no row of a table can be changed or lost; a right that is on no list is unknown."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way by which an account could destroy live data: by which right, from where it has it, by which statement."""

    right: str
    source: str
    statement: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class AccountVerdict:
    """What an account could do to the live schemas. `unknown` says what could not be read or judged."""

    account: str
    live: tuple[str, ...]
    ways: tuple[Way, ...]
    unknown: tuple[str, ...]

    @property
    def answer(self) -> Answer:
        """Say whether it can destroy live data. "no" only where all could be read and judged."""
        if self.ways:
            return "yes"
        return "could not look" if self.unknown else "no"


def grants_for_loading(account: str, *, live: Sequence[str], into: str, literal: bool = False) -> tuple[str, ...]:
    """Return the statements that give an account what a load needs, and of the live schemas only reading.

    `literal`: partial revokes are on at the server, so that `_` in a name is no wildcard.
    """
    written = quoted if literal else exactly
    return (
        *(f"GRANT SELECT, SHOW VIEW ON {written(schema)}.* TO {account};" for schema in live),
        f"GRANT {', '.join(LOADING)} ON {written(into)}.* TO {account};",
    )


def look_at_account(database: Database, account: str, *, live: Sequence[str]) -> AccountVerdict:
    """Read what an account holds, and judge it. `account` is `user@host`, empty for the one that looks.

    Raises:
        InputRefused, NotFound: there is no such account, or its name is not `user@host`.
        Unreachable: the server does not answer.
    """
    unknown: list[str] = []
    name = account_name(account) if account else _current(database)
    held = _everything(database, name, own=not account, unknown=unknown)
    literal = False
    if not database.is_mariadb:
        literal = str(database.value("SELECT @@GLOBAL.partial_revokes")) == "1"
    ways = [*_rights(database, held, live, literal=literal, unknown=unknown)]
    ways += _as_others(database, held, live, literal=literal, unknown=unknown)
    unknown += [f"a line of its grants is not understood: {line}" for line in held.not_understood]
    unknown += [
        f"it may act as {proxy}, whose grants are not looked at"
        for proxy in held.proxies
        if proxy not in ("''@''", "``@``")
    ]
    return AccountVerdict(
        account=name, live=tuple(live), ways=tuple(dict.fromkeys(ways)), unknown=tuple(dict.fromkeys(unknown))
    )


def account_name(text: str) -> str:
    """Return `user@host` as it is written in SQL: `'loader'@'%'`.

    Raises:
        InputRefused: it is not of this form.
    """
    user, at, host = text.strip().rpartition("@")
    parts = [part.strip("'`\"") for part in (user, host)]
    if not at or not all(parts) or any("'" in part or "\\" in part for part in parts):
        raise InputRefused(f'"{text}" is not an account.', hint="Write it as user@host, such as loader@%.")
    return "@".join(f"'{part}'" for part in parts)


def _current(database: Database) -> str:
    return account_name(str(database.value("SELECT CURRENT_USER()")))


def _everything(database: Database, account: str, *, own: bool, unknown: list[str]) -> Held:
    """Read the grants of an account and of every role it could take, however deep."""
    held = read_grants(_lines(database, "" if own else account, account))
    todo, seen = list(held.roles), {account}
    todo += _for_everybody(database, unknown)
    grants, strange, proxies = list(held.grants), list(held.not_understood), list(held.proxies)
    while todo:
        role = todo.pop(0)
        if role in seen:
            continue
        seen.add(role)
        try:
            more = read_grants(_lines(database, role, role), through=role)
        except RunbookError as error:
            unknown.append(f"the rights of the role {role} cannot be read ({error.message})")
            continue
        todo += more.roles
        grants += more.grants
        strange += more.not_understood
    return Held(
        grants=tuple(grants), roles=tuple(seen - {account}), proxies=tuple(proxies), not_understood=tuple(strange)
    )


def _lines(database: Database, account: str, shown: str) -> list[str]:
    try:
        rows = database.rows(f"SHOW GRANTS FOR {account}" if account else "SHOW GRANTS")
    except AccessDenied:
        raise
    except RunbookError as error:
        if error.facts.get("code") in (1141, 1269, 1410, 3530):
            raise NotFound(
                f"There is no account {shown} at {database.endpoint}.", hint="Check its name and host."
            ) from error
        raise
    return [str(row[0]) for row in rows]


def _for_everybody(database: Database, unknown: list[str]) -> list[str]:
    """Return the roles that every account has: MariaDB's PUBLIC, MySQL's mandatory roles."""
    if database.is_mariadb:
        try:
            return ["PUBLIC"] if database.rows("SHOW GRANTS FOR PUBLIC") else []
        except RunbookError as error:
            if error.facts.get("code") not in (1141, 1064, 1959):
                unknown.append(f"what everybody may do (PUBLIC) cannot be read ({error.message})")
            return []
    roles = str(database.value("SELECT @@GLOBAL.mandatory_roles") or "")
    return [account_name(role if "@" in role else f"{role}@%") for role in roles.split(",") if role.strip()]


def _rights(database: Database, held: Held, live: Sequence[str], *, literal: bool, unknown: list[str]) -> Iterable[Way]:
    for schema in live:
        rights = rights_on(held.grants, schema, literal=literal)
        table, column = _example(database, schema)
        yield from _ways(rights, {**_ON_SCHEMAS, **_ON_TABLES}, quoted(schema), quoted(schema, table), column)
        tables = {
            grant.object
            for grant in held.grants
            if grant.schema.casefold() == schema.casefold() and grant.object and not grant.kind
        }
        for table in sorted(tables):
            own = {
                right: grant
                for right, grant in rights_on(held.grants, schema, table, literal=literal).items()
                if right not in rights
            }
            yield from _ways(own, _ON_TABLES, quoted(schema), quoted(schema, table), _column(database, schema, table))
    everywhere = rights_on(held.grants, "", literal=literal)
    for right, grant in sorted(everywhere.items()):
        if right in ("ALL PRIVILEGES", "ALL") or right in _ON_TABLES or right in _ON_SCHEMAS:
            continue
        if right in _EVERYWHERE:
            if statement := _EVERYWHERE[right]:
                yield Way(
                    right=right, source=_source(grant), statement=statement.format(live=live[0], other="somebody")
                )
        elif right not in _HARMLESS:
            unknown.append(f"what the right {right} allows is not known here")
    system = rights_on(held.grants, "mysql", literal=literal)
    for right in ("ALL PRIVILEGES", "INSERT", "UPDATE"):
        on_mysql = system.get(right)
        if on_mysql and (on_mysql.schema or right != "ALL PRIVILEGES"):
            source, statement = _source(on_mysql), "UPDATE mysql.db SET Drop_priv = 'Y'"
            yield Way(right=f"{right} on mysql", source=source, statement=statement)


def _ways(rights: dict[str, Grant], statements: dict[str, str], schema: str, table: str, column: str) -> Iterable[Way]:
    blanks = {
        "schema": schema, "table": table, "column": quoted(column), "index": "some_index",
        "event": "some_event", "routine": "some_routine",
    }  # fmt: skip
    for right, grant in sorted(rights.items()):
        for given in statements if right in ("ALL PRIVILEGES", "ALL") else [right]:
            if given in statements:
                yield Way(right=given, source=_source(grant), statement=statements[given].format(**blanks))


def _example(database: Database, schema: str) -> tuple[str, str]:
    """Return a table of a schema and one of its columns, so that the statements shown are real ones."""
    rows = database.rows(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_name LIMIT 1",
        (schema,),
    )
    table = next((str(name) for (name,) in rows), "")
    return (table, _column(database, schema, table)) if table else ("some_table", "some_column")


def _column(database: Database, schema: str, table: str) -> str:
    rows = database.rows(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position DESC LIMIT 1",
        (schema, table),
    )
    return next((str(name) for (name,) in rows), "some_column")


def _source(grant: Grant) -> str:
    where = "everything" if not grant.schema else f"{grant.schema}.{grant.object or '*'}"
    return f"on {where}" + (f", by the role {grant.through}" if grant.through else "")


# ---- what runs with other accounts' rights ---------------------------------------------------------------------------

_ROUTINES = (
    "SELECT routine_schema, routine_name, routine_type, routine_definition, definer FROM information_schema.routines"
    " WHERE security_type = 'DEFINER' AND routine_schema NOT IN ('sys', 'mysql', 'performance_schema')"
)
_TRIGGERS = (
    "SELECT event_object_schema, event_object_table, trigger_name, action_statement, definer"
    " FROM information_schema.triggers"
    " WHERE trigger_schema NOT IN ('sys', 'mysql', 'performance_schema')"
)
_VIEWS = (
    "SELECT table_schema, table_name, view_definition, definer FROM information_schema.views"
    " WHERE security_type = 'DEFINER' AND is_updatable = 'YES'"
    " AND table_schema NOT IN ('sys', 'mysql', 'performance_schema')"
)


def _as_others(
    database: Database, held: Held, live: Sequence[str], *, literal: bool, unknown: list[str]
) -> Iterable[Way]:
    folded = frozenset(schema.casefold() for schema in live)
    yield from _routines(database, held, folded, literal=literal, unknown=unknown)
    for schema, table, trigger, body, definer in database.rows(_TRIGGERS):
        rights = rights_on(held.grants, str(schema), str(table), literal=literal)
        if {"INSERT", "UPDATE", "DELETE", "ALL PRIVILEGES"} & set(rights):
            said = f"trigger {schema}.{trigger} of {definer}"
            yield from _of_body(body, folded, str(schema), said, f"a change of {schema}.{table}", unknown)
    for schema, view, definition, definer in database.rows(_VIEWS):
        rights = rights_on(held.grants, str(schema), str(view), literal=literal)
        able = sorted({"DELETE", "UPDATE", "ALL PRIVILEGES"} & set(rights))
        text = str(definition or "")
        if not able or str(schema).casefold() in folded:
            continue
        if not text:
            unknown.append(f"what the view {schema}.{view} of {definer} is made of cannot be read")
        elif any(f"`{name}`" in text.casefold() for name in folded):
            yield Way(
                right=able[0], source=f"on the view {schema}.{view}, which runs as {definer}",
                statement=f"DELETE FROM {quoted(str(schema), str(view))}",  # noqa: S608 - shown, never run
            )  # fmt: skip


def _routines(
    database: Database, held: Held, live: frozenset[str], *, literal: bool, unknown: list[str]
) -> Iterable[Way]:
    single = {
        (g.schema, g.object): g for g in held.grants if g.kind and "EXECUTE" in g.rights | {"EXECUTE"} and g.object
    }
    for schema, name, kind, body, definer in database.rows(_ROUTINES):
        rights = rights_on(held.grants, str(schema), literal=literal)
        if not ({"EXECUTE", "ALL PRIVILEGES"} & set(rights) or (str(schema), str(name)) in single):
            continue
        said = f"{str(kind).lower()} {schema}.{name}, which runs as {definer}"
        call = (
            f"CALL {quoted(str(schema), str(name))}(…)"
            if kind == "PROCEDURE"
            else f"SELECT {quoted(str(schema), str(name))}(…)"
        )
        yield from _of_body(body, live, str(schema), said, call, unknown)
    seen = {(str(row[0]), str(row[1])) for row in database.rows(_ROUTINES)}
    for (schema, name), grant in single.items():
        if (schema, name) not in seen and not _runs_as_caller(database, schema, name):
            unknown.append(f"the {grant.kind.lower()} {schema}.{name} may be executed and cannot be looked at")


def _runs_as_caller(database: Database, schema: str, name: str) -> bool:
    return bool(
        database.value(
            "SELECT COUNT(*) FROM information_schema.routines"
            " WHERE routine_schema = %s AND routine_name = %s AND security_type = 'INVOKER'",
            (schema, name),
        )
    )


def _of_body(
    body: object, live: frozenset[str], schema: str, said: str, statement: str, unknown: list[str]
) -> Iterable[Way]:
    if body is None:
        unknown.append(f"what the {said} does cannot be read")
        return
    reader = Reader(live=live, schema=schema)
    for finding in reader.read(f"CREATE PROCEDURE x() {body}".encode()):
        if finding.level == "destroys":
            yield Way(
                right="EXECUTE" if "CALL" in statement or "SELECT" in statement else "INSERT, UPDATE or DELETE",
                source=said,
                statement=statement,
                note=finding.why,
            )
        else:
            unknown.append(f"the {said}: {finding.why}")
