r"""Who could read a schema that is made, though not the one it belongs to, and what keeps them out.

Rights on tables and columns are by name: a RENAME leaves them with the name, on both engines (MySQL manual, RENAME
TABLE: "privileges … are not migrated to the new name"). So whoever could read a table reads the one brought back, and
nobody gets anything in a dated schema by them. Two kinds of rights do reach it. A pattern such as `app%`.* takes
in app_damaged_…, while on app itself a row of its own may say less, because only the closest row counts (MySQL manual,
"Access Control, Stage 2"). And a partial revoke (MySQL 8.0.16 and later) takes rights on everything away for app
alone. The first are kept out by a row of their own for the new schema, the others by the same partial revoke.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from runbook_lib.errors import AccessDenied, RunbookError
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.facts import Grant, ServerFacts

HARMLESS = "SHOW VIEW"  # shows nothing without SELECT, and a row with no right at all is none
_WILD = re.compile(r"(?<!\\)[%_]")


@dataclass(frozen=True, kw_only=True)
class Shut:
    """A statement that keeps an account out of a schema, and the one that takes it back when the schema is dropped."""

    schema: str
    statement: str
    opened: str


def shut_out(made: Mapping[str, str], server: ServerFacts) -> tuple[Shut, ...]:
    """Plan what keeps accounts out of the schemas that are made; `made` gives the schema each belongs to.

    The rights of accounts that cannot be seen are not known. Where partial revokes are on, no name is a pattern, and a
    backslash in one is only a backslash (MySQL manual, "Privilege Restriction Using Partial Revokes").
    """
    literal = server.settings.get("partial_revokes", "OFF") == "ON"
    patterns: dict[str, list[Grant]] = {}
    for grant in server.grants:
        if grant.kind == "schema":
            patterns.setdefault(grant.account, []).append(grant)
    found: list[Shut] = []
    for schema, original in sorted(made.items()):
        where = f"{quoted(schema) if literal else exactly(schema)}.*"
        for account in sorted({*patterns, *(account for account, name in server.restricted if name == original)}):
            everywhere = server.everywhere.get(account, frozenset())
            held = patterns.get(account, [])
            on_original = _closest(held, original, literal=literal)
            kept_from = server.restricted.get((account, original), frozenset())
            if lost := (kept_from & everywhere) - on_original:
                text = ", ".join(sorted(lost))
                found.append(
                    Shut(
                        schema=schema,
                        statement=f"REVOKE {text} ON {where} FROM {account}",
                        opened=f"GRANT {text} ON {where} TO {account}",
                    )
                )
            rights = _closest(held, schema, literal=literal)
            if rights - on_original - (everywhere - kept_from):
                less = ", ".join(sorted(rights & on_original)) or HARMLESS
                found.append(
                    Shut(
                        schema=schema,
                        statement=f"GRANT {less} ON {where} TO {account}",
                        opened=f"REVOKE {less} ON {where} FROM {account}",
                    )
                )
    return tuple(found)


def _closest(held: Collection[Grant], schema: str, *, literal: bool) -> frozenset[str]:
    """Return the rights of the row that counts for a schema: a name before a pattern, then the longest beginning."""
    fitting = [grant for grant in held if fits(grant.schema, schema, literal=literal)]
    if not fitting:
        return frozenset()
    return max(fitting, key=lambda grant: certainty(grant.schema)).rights


def certainty(pattern: str) -> int:
    """Return how much of a name in a grant is certain: of several that fit, the most certain counts alone."""
    wild = _WILD.search(pattern)
    return wild.start() if wild else 1000


def fits(pattern: str, schema: str, *, literal: bool) -> bool:
    """Tell whether the name in a grant takes a schema in: `%` and `_` are wild unless a backslash is before them."""
    plain = re.sub(r"\\([%_])", r"\1", pattern)
    if literal or not _WILD.search(pattern):
        return plain == schema
    parts = (
        ".*" if part == "%" else "." if part == "_" else re.escape(part.removeprefix("\\"))
        for part in re.findall(r"\\[%_]|[%_]|[^%_\\]+|\\", pattern)
    )
    return bool(re.fullmatch("".join(parts), schema, re.DOTALL))


def exactly(schema: str) -> str:
    """Quote a schema's name for a grant that means this schema only: `%` and `_` would be wild in it."""
    return quoted(re.sub(r"([%_])", r"\\\1", schema))


def read_everywhere(database: Database) -> dict[str, frozenset[str]]:
    """Return the rights on everything by account, of those accounts that may be seen."""
    found: dict[str, set[str]] = {}
    for account, right in database.rows("SELECT grantee, privilege_type FROM information_schema.user_privileges"):
        found.setdefault(str(account), set()).add(str(right))
    return {account: frozenset(rights - {"USAGE"}) for account, rights in found.items()}


def read_restricted(database: Database) -> dict[tuple[str, str], frozenset[str]]:
    """Return the rights that partial revokes take away, by account and schema; MariaDB has none."""
    if database.is_mariadb:
        return {}
    try:
        rows = database.rows(
            "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)), JSON_EXTRACT(User_attributes, '$.Restrictions')"
            " FROM mysql.user WHERE JSON_EXTRACT(User_attributes, '$.Restrictions') IS NOT NULL"
        )
    except AccessDenied:
        return {}
    return {
        (str(account), str(revoke["Database"])): frozenset(map(str, revoke["Privileges"]))
        for account, listed in rows
        for revoke in json.loads(listed)
    }


def shut(database: Database, schemas: Collection[str], wanted: Iterable[Shut]) -> None:
    """Keep accounts out of schemas that have just been made."""
    for kept_out in wanted:
        if kept_out.schema in schemas:
            database.execute(kept_out.statement)


def give(database: Database, statements: Iterable[str]) -> list[str]:
    """Give or take rights by GRANT and REVOKE; return what failed, and why. No account is made by it."""
    problems = []
    if database.is_mariadb:
        # without it, a GRANT to an account that is gone would make one without a password
        database.execute("SET SESSION sql_mode = 'NO_AUTO_CREATE_USER'")
    for statement in statements:
        try:
            database.execute(statement)
        except RunbookError as error:
            problems.append(f"{statement}: {error.message}")
    database.execute("SET SESSION sql_mode = ''")
    return problems
