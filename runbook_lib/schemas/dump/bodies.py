"""Which schemas the text of a table, view, trigger, routine or event names, and what such a text may not do."""

from __future__ import annotations

from collections.abc import Collection

from runbook_lib.schemas.dump.acts import Reference
from runbook_lib.schemas.dump.tokens import Token

# Behind these words a name is a table's or a routine's; `x`.`y` elsewhere may be a column `y` of something called `x`.
_BEFORE_TABLES = frozenset({
    "FROM", "JOIN", "STRAIGHT_JOIN", "INTO", "UPDATE", "TABLE", "TABLES", "TRUNCATE", "CALL", "DELETE",
    "HANDLER", "TO", "REFERENCES", "LIKE", "EXISTS", "PROCEDURE", "FUNCTION", "VIEW", "TRIGGER", "EVENT",
    "SEQUENCE", "FOR", "FOLLOWS", "PRECEDES", "NEXTVAL", "LASTVAL", "SETVAL",
})  # fmt: skip
_ENDS_LIST = frozenset({
    "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "SET", "VALUES", "VALUE",
    "SELECT", "PROCEDURE", "FOR", "WINDOW", "DO", "THEN", ";", "BEGIN", "END", "RETURNING",
})  # fmt: skip
_ROWS = frozenset({"NEW", "OLD"})  # of a trigger: what they name is a column of its own table
_FORBIDDEN = frozenset({"GRANT", "REVOKE", "OUTFILE", "DUMPFILE", "INSTALL", "UNINSTALL", "SHUTDOWN", "KILL"})


def body_problem(rest: list[Token], kind: str) -> str:
    """Say what the text of a view, trigger, routine or event does beyond its own schema; empty if nothing is known."""
    for place, token in enumerate(rest):
        of_server = token.kind == "variable" and token.value.lower().startswith(("@@global.", "@@persist"))
        if of_server and rest[place + 1 : place + 2] and rest[place + 1].value in ("=", ":"):
            return "its text sets something of the whole server"
        if token.kind != "word":
            continue
        before, after = (rest[place - 1].upper if place else ""), "".join(t.upper for t in rest[place + 1 : place + 2])
        word = token.upper
        if "." in (before, after) or before == "AS":
            continue
        if (word in _FORBIDDEN and after != "(") or (word == "LOAD" and after in ("DATA", "XML")):
            return f"its text says {word}"
        if word == "SET" and after in ("GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "STATEMENT"):
            return f"its text says SET {after}"
        if word in ("CREATE", "ALTER", "DROP") and after in ("DATABASE", "SCHEMA", "USER", "ROLE", "SERVER"):
            return f"its text says {word} {after}"
        if kind == "EVENT" and word in ("PREPARE", "EXECUTE") and before != "ON":
            return "it runs by itself, and makes up statements that cannot be known"
    return ""


def references(found: list[Token], *, skip: Collection[int], tables_only: bool = False) -> tuple[Reference, ...]:
    """Return the places that name a schema. `skip` are the starts of the names of the object itself.

    Where a name is a table's or a routine's, what is before its dot is a schema. Elsewhere it is a schema too, unless
    something in the text is called so: a table without its schema, or an alias. `tables_only`: there are no aliases.
    """
    called = set() if tables_only else _called(found)
    made = []
    place, in_list, depths = 0, False, list[bool]()
    while place < len(found):
        token = found[place]
        if token.upper == "(":
            depths.append(in_list)
        elif token.upper == ")":
            in_list = depths.pop() if depths else False
        elif token.upper in _ENDS_LIST and _is_keyword(found, place):
            in_list = False
        if token.upper in ("FROM", "JOIN", "STRAIGHT_JOIN", "UPDATE", "INTO") and _is_keyword(found, place):
            in_list = True
        parts, end = _dotted(found, place)
        if len(parts) < 2:
            place += 1
            continue
        first = parts[0].value
        if tables_only and [part.upper for part in parts] == ["MARIADB_SCHEMA", "DATE"]:
            place = end  # MariaDB's own type DATE, as it is written in Oracle's mode
            continue
        is_call = end < len(found) and found[end].upper == "("
        is_table = is_call or _is_table(found, place, in_list=in_list)
        if (
            token.start not in skip
            and first.upper() not in _ROWS
            and (is_table or len(parts) > 2 or first.casefold() not in called)
        ):
            made.append(Reference(schema=first, start=token.start, parts=tuple(parts), end=found[end - 1].end))
        place = end
    return tuple(made)


def _is_keyword(found: list[Token], place: int) -> bool:
    """Tell a keyword from a part of a dotted name."""
    return not (place and found[place - 1].upper == ".") and not (
        place + 1 < len(found) and found[place + 1].upper == "."
    )


def _dotted(found: list[Token], place: int) -> tuple[list[Token], int]:
    """Return the parts of a name with dots that begins at a place, and the place behind it."""
    if not found[place].can_name:
        return [], place
    parts = [found[place]]
    place += 1
    while place + 1 < len(found) and found[place].upper == "." and (found[place + 1].can_name or len(parts) < 2):
        if not found[place + 1].can_name and found[place + 1].upper != "*":
            break
        parts.append(found[place + 1])
        place += 2
    return parts, place


def _is_table(found: list[Token], place: int, *, in_list: bool) -> bool:
    before = place - 1
    while before >= 0 and found[before].upper == "(":
        before -= 1
    if before < 0 or (found[before].kind != "word" and found[before].upper != ","):
        return False
    word = found[before].upper
    if word == ",":
        return in_list
    if word == "UPDATE" and before and found[before - 1].upper in ("KEY", "ON"):
        return False
    if word in ("QUICK", "IGNORE", "LOW_PRIORITY"):
        return in_list or found[before - 1].upper in ("DELETE", "UPDATE", "INSERT", "REPLACE")
    return word in _BEFORE_TABLES


def _called(found: list[Token]) -> set[str]:
    """Return what is called something in a text: names and aliases that are written without a dot at either side."""
    made = set()
    for place, token in enumerate(found):
        before = found[place - 1].upper if place else ""
        after = found[place + 1].upper if place + 1 < len(found) else ""
        if token.can_name and "." not in (before, after):
            made.add(token.value.casefold())
        elif token.can_name and before == "." and after != ".":
            # `schema`.`table` in a list of tables: its columns may be written `table`.`column`
            start = place - 2
            if start >= 0 and (_is_table(found, start, in_list=False) or (start and found[start - 1].upper == ",")):
                made.add(token.value.casefold())
    return made
