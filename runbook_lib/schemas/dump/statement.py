"""What a statement of a dump would do, read from its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from runbook_lib.schemas.dump.tokens import Name, Token, name_at, tokens


class Act(StrEnum):
    """What a statement does, as far as loading a dump is concerned."""

    CREATE_SCHEMA = "creates a schema"
    DROP_SCHEMA = "drops a schema"
    ALTER_SCHEMA = "alters a schema"
    USE = "changes the schema"
    CREATE_TABLE = "creates a table"
    CREATE_VIEW = "creates a view"
    CREATE_ROUTINE = "creates a routine"
    CREATE_TRIGGER = "creates a trigger"
    CREATE_EVENT = "creates an event"
    DROP = "drops"
    INSERT = "inserts rows"
    TABLE_UPKEEP = "locks, alters or analyses a table"
    CHANGE = "changes rows or names"
    SETTING = "sets a session variable"
    GLOBAL = "sets something of the whole server"
    BINARY_LOG = "hides the load from the binary log, or rewrites its position"
    ACCOUNT = "changes accounts or rights"
    REPLICATION = "steers replication"
    TRANSACTION = "begins or ends a transaction"
    CLIENT = "is a command of the client, not SQL"
    NOTHING = "does nothing"
    UNKNOWN = "is not understood"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A statement understood: what it does, to which objects (`kind`: TABLE, VIEW, TRIGGER …), as whom."""

    act: Act
    names: tuple[Name, ...] = ()
    kind: str = ""
    definer: str = ""
    found: tuple[Token, ...] = ()


_WORDS: dict[str, Act] = {
    "GRANT": Act.ACCOUNT, "REVOKE": Act.ACCOUNT, "FLUSH": Act.GLOBAL, "RESET": Act.REPLICATION,
    "BEGIN": Act.TRANSACTION, "COMMIT": Act.TRANSACTION, "ROLLBACK": Act.TRANSACTION, "STOP": Act.REPLICATION,
    "SAVEPOINT": Act.TRANSACTION, "RELEASE": Act.TRANSACTION, "UNLOCK": Act.TABLE_UPKEEP, "PURGE": Act.REPLICATION,
    "CALL": Act.CHANGE, "LOAD": Act.CHANGE, "INSTALL": Act.GLOBAL, "UNINSTALL": Act.GLOBAL,
    "SHUTDOWN": Act.GLOBAL, "KILL": Act.GLOBAL, "WITH": Act.CHANGE, "PREPARE": Act.CHANGE,
    "EXECUTE": Act.CHANGE, "DEALLOCATE": Act.CHANGE, "SHOW": Act.NOTHING, "BINLOG": Act.BINARY_LOG,
}  # fmt: skip
_CLIENT = {"SOURCE", "SYSTEM", "TEE", "PAGER", "QUIT", "EXIT", "CONNECT", "EDIT", "CHARSET", "STATUS", "NOTEE"}
_KINDS = {
    "TABLE": Act.CREATE_TABLE, "VIEW": Act.CREATE_VIEW, "TRIGGER": Act.CREATE_TRIGGER, "EVENT": Act.CREATE_EVENT,
    "PROCEDURE": Act.CREATE_ROUTINE, "FUNCTION": Act.CREATE_ROUTINE, "PACKAGE": Act.CREATE_ROUTINE,
    "SEQUENCE": Act.CREATE_TABLE,
}  # fmt: skip
_ACCOUNTS = {"USER", "ROLE"}
_SERVER_WIDE = {"SERVER", "TABLESPACE", "LOGFILE", "RESOURCE"}
_LOGGING = ("SQL_LOG_BIN", "GTID_PURGED", "GTID_NEXT", "GTID_SLAVE_POS")


def read(statement: bytes, *, ansi_quotes: bool = False) -> Reading:
    """Understand a statement from its words; a conditional comment's content counts as SQL."""
    found = [token for token in tokens(statement, ansi_quotes=ansi_quotes) if token.kind not in ("open", "close")]
    if not found:
        return Reading(act=Act.NOTHING)
    word = found[0].value.upper()
    if found[0].value == "\\" or (word in _CLIENT and found[0].kind == "word"):
        return Reading(act=Act.CLIENT, found=tuple(found))
    if word == "(":
        return Reading(act=Act.CHANGE, found=tuple(found))
    reader: Callable[[list[Token]], Reading] | None = _READERS.get(word) if found[0].kind == "word" else None
    if reader:
        return reader(found)
    return Reading(act=_WORDS.get(word, Act.UNKNOWN), found=tuple(found))


def _skip(found: list[Token], place: int, *words: str) -> int:
    while place < len(found) and found[place].kind == "word" and found[place].value.upper() in words:
        place += 1
    return place


def _list(found: list[Token], place: int) -> tuple[Name, ...]:
    names: list[Name] = []
    while True:
        name, place = name_at(found, place)
        if not name:
            return tuple(names)
        names.append(name)
        while place < len(found) and found[place].value != ",":
            if found[place].value == "(":
                return tuple(names)
            place += 1
        place += 1


def _one(found: list[Token], place: int) -> tuple[Name, ...]:
    name, _ = name_at(found, place)
    return (name,) if name else ()


def _create(found: list[Token]) -> Reading:
    definer = _definer(found)
    for place, token in enumerate(found[1:40], start=1):
        if token.kind != "word":
            continue
        kind = token.value.upper()
        if kind in ("DATABASE", "SCHEMA"):
            named = _one(found, _skip(found, place + 1, "IF", "NOT", "EXISTS"))
            return Reading(act=Act.CREATE_SCHEMA, kind="SCHEMA", names=named, found=tuple(found))
        if kind in _ACCOUNTS:
            return Reading(act=Act.ACCOUNT, found=tuple(found))
        if kind in _SERVER_WIDE or (kind == "FUNCTION" and "SONAME" in (t.value.upper() for t in found[:12])):
            return Reading(act=Act.GLOBAL, found=tuple(found))
        if kind == "INDEX":
            return Reading(act=Act.TABLE_UPKEEP, names=_after(found, "ON"), found=tuple(found))
        if kind in _KINDS:
            start = _skip(found, place + 1, "BODY", "IF", "NOT", "EXISTS")
            named = _one(found, start)
            if kind == "TRIGGER":
                named += _after(found[start:], "ON")
            return Reading(act=_KINDS[kind], kind=kind, names=named, definer=definer, found=tuple(found))
    return Reading(act=Act.UNKNOWN, found=tuple(found))


def _after(found: list[Token], word: str) -> tuple[Name, ...]:
    for place, token in enumerate(found):
        if token.kind == "word" and token.value.upper() == word:
            return _one(found, place + 1)
    return ()


def _definer(found: list[Token]) -> str:
    """Return the account after DEFINER= as `user@host`, empty if the statement names none."""
    span = definer_span(found)
    return "".join(token.value.strip("'\"") for token in found[span[0] + 2 : span[1]]) if span else ""


def definer_span(found: list[Token]) -> tuple[int, int] | None:
    """Return where `DEFINER = user @ host` stands in the tokens: the first place, and the one behind it."""
    for place, token in enumerate(found[:30]):
        if token.kind == "word" and token.value.upper() == "DEFINER" and found[place + 1 : place + 2]:
            end = place + 3
            if found[end : end + 1] and found[end].value.startswith("@"):
                end += 2 if found[end].value == "@" else 1
            elif [t.value for t in found[end : end + 2]] == ["(", ")"]:
                end += 2
            return place, end
    return None


def _drop(found: list[Token]) -> Reading:
    place = _skip(found, 1, "TEMPORARY")
    kind = found[place].value.upper() if place < len(found) else ""
    start = _skip(found, place + 1, "BODY", "IF", "EXISTS")
    if kind in ("DATABASE", "SCHEMA"):
        return Reading(act=Act.DROP_SCHEMA, kind="SCHEMA", names=_one(found, start), found=tuple(found))
    if kind in _ACCOUNTS:
        return Reading(act=Act.ACCOUNT, found=tuple(found))
    if kind == "TABLES":
        kind = "TABLE"
    if kind in _KINDS:
        named = _list(found, start) if kind in ("TABLE", "VIEW") else _one(found, start)
        return Reading(act=Act.DROP, kind=kind, names=named, found=tuple(found))
    if kind == "INDEX":
        return Reading(act=Act.TABLE_UPKEEP, names=_after(found, "ON"), found=tuple(found))
    return Reading(act=Act.GLOBAL if kind in _SERVER_WIDE else Act.UNKNOWN, found=tuple(found))


def _insert(found: list[Token]) -> Reading:
    place = _skip(found, 1, "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO")
    return Reading(act=Act.INSERT, kind="TABLE", names=_one(found, place), found=tuple(found))


def _use(found: list[Token]) -> Reading:
    return Reading(act=Act.USE, kind="SCHEMA", names=_one(found, 1), found=tuple(found))


def _alter(found: list[Token]) -> Reading:
    place = _skip(found, 1, "ONLINE", "OFFLINE", "IGNORE")
    kind = found[place].value.upper() if place < len(found) else ""
    named = _one(found, place + 1)
    if kind in ("DATABASE", "SCHEMA"):
        return Reading(act=Act.ALTER_SCHEMA, kind="SCHEMA", names=named, found=tuple(found))
    if kind == "TABLE":
        words = {token.value.upper() for token in found[place + 1 :] if token.kind == "word"}
        return Reading(
            act=Act.CHANGE if "RENAME" in words and not words & {"COLUMN", "INDEX", "KEY"} else Act.TABLE_UPKEEP,
            kind="TABLE", names=named, found=tuple(found),
        )  # fmt: skip
    return Reading(act=Act.ACCOUNT if kind in _ACCOUNTS else Act.GLOBAL, found=tuple(found))


def _lock(found: list[Token]) -> Reading:
    place = _skip(found, 1, "TABLE", "TABLES")
    return Reading(act=Act.TABLE_UPKEEP, kind="LOCK", names=_list(found, place), found=tuple(found))


def _upkeep(found: list[Token]) -> Reading:
    place = _skip(found, 1, "LOCAL", "NO_WRITE_TO_BINLOG", "TABLE", "TABLES")
    return Reading(act=Act.TABLE_UPKEEP, kind="TABLE", names=_list(found, place), found=tuple(found))


def _change(found: list[Token]) -> Reading:
    place = _skip(found, 1, "LOW_PRIORITY", "QUICK", "IGNORE", "TABLE", "TABLES", "FROM")
    return Reading(act=Act.CHANGE, kind="TABLE", names=_one(found, place), found=tuple(found))


def _set(found: list[Token]) -> Reading:
    said = "".join(token.value.upper() for token in found[1:])
    if any(name in said for name in _LOGGING):
        return Reading(act=Act.BINARY_LOG, found=tuple(found))
    if found[1:2] and found[1].value.upper() in ("PASSWORD", "ROLE", "DEFAULT"):
        return Reading(act=Act.ACCOUNT, found=tuple(found))
    words = {token.value.upper() for token in found if token.kind == "word"}
    # "SET @OLD=@@GLOBAL.X" only reads; "SET GLOBAL X" and "SET @@GLOBAL.X=" write.
    writes = any(
        token.value.upper().startswith(("@@GLOBAL.", "@@PERSIST.")) and found[place + 1 : place + 2]
        and found[place + 1].value in ("=", ":")
        for place, token in enumerate(found)
    )  # fmt: skip
    return Reading(act=Act.GLOBAL if writes or words & {"GLOBAL", "PERSIST"} else Act.SETTING, found=tuple(found))


def _call(found: list[Token]) -> Reading:
    # MariaDB's dump sets a sequence's place this way: DO SETVAL(`orders`, 1001, 0)
    if [token.value.upper() for token in found[1:3]] == ["SETVAL", "("]:
        return Reading(act=Act.TABLE_UPKEEP, kind="TABLE", names=_one(found, 3), found=tuple(found))
    return Reading(act=Act.CHANGE, found=tuple(found))


def _replication(found: list[Token]) -> Reading:
    return Reading(act=Act.REPLICATION, found=tuple(found))


def _start(found: list[Token]) -> Reading:
    steers = {"SLAVE", "REPLICA", "GROUP_REPLICATION", "ALL"} & {token.value.upper() for token in found[1:2]}
    return Reading(act=Act.REPLICATION if steers else Act.TRANSACTION, found=tuple(found))


_READERS: dict[str, Callable[[list[Token]], Reading]] = {
    "CREATE": _create, "DROP": _drop, "INSERT": _insert, "REPLACE": _insert, "USE": _use, "ALTER": _alter,
    "LOCK": _lock, "ANALYZE": _upkeep, "CHECK": _upkeep, "OPTIMIZE": _upkeep, "REPAIR": _upkeep, "SET": _set,
    "UPDATE": _change, "DELETE": _change, "TRUNCATE": _change, "RENAME": _change, "CHANGE": _replication,
    "START": _start, "DO": _call, "SELECT": _call,
}  # fmt: skip
