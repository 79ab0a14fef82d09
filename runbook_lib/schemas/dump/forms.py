"""The forms of statements that are known: each is read to its last word, and what is left over makes it unknown."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from runbook_lib.schemas.dump.acts import Act, Reading
from runbook_lib.schemas.dump.bodies import body_problem, references
from runbook_lib.schemas.dump.settings import assignments
from runbook_lib.schemas.dump.tokens import Cursor, Name, Token, at_top

_CLIENT = frozenset({
    "SOURCE", "SYSTEM", "TEE", "PAGER", "QUIT", "EXIT", "CONNECT", "EDIT", "CHARSET", "STATUS", "NOTEE",
    "NOPAGER", "CLEAR", "EGO", "GO", "PRINT", "PROMPT", "REHASH", "WARNINGS", "NOWARNING", "RESETCONNECTION",
    "DELIMITER", "HELP", "SANDBOX", "QUERY_ATTRIBUTES", "SSL_SESSION_DATA_PRINT", "?",
})  # fmt: skip
_OTHERS: dict[str, Act] = {
    "GRANT": Act.ACCOUNT, "REVOKE": Act.ACCOUNT, "RESET": Act.GLOBAL, "PURGE": Act.GLOBAL, "INSTALL": Act.GLOBAL,
    "UNINSTALL": Act.GLOBAL, "SHUTDOWN": Act.GLOBAL, "KILL": Act.GLOBAL, "CLONE": Act.GLOBAL, "BINLOG": Act.BINARY_LOG,
    "UPDATE": Act.CHANGE, "DELETE": Act.CHANGE, "RENAME": Act.CHANGE, "CALL": Act.CHANGE, "LOAD": Act.CHANGE,
    "WITH": Act.CHANGE, "EXECUTE": Act.CHANGE,
}  # fmt: skip
_KINDS = {
    "TABLE": Act.CREATE_TABLE, "VIEW": Act.CREATE_VIEW, "TRIGGER": Act.CREATE_TRIGGER, "EVENT": Act.CREATE_EVENT,
    "PROCEDURE": Act.CREATE_ROUTINE, "FUNCTION": Act.CREATE_ROUTINE, "PACKAGE": Act.CREATE_ROUTINE,
    "SEQUENCE": Act.CREATE_TABLE,
}  # fmt: skip
_BEFORE_NAMES = frozenset({*_KINDS, "EXISTS", "ON", "INTO"})
_ACCOUNTS = ("USER", "ROLE", "MASKING")
_SERVER_WIDE = ("SERVER", "TABLESPACE", "LOGFILE", "RESOURCE", "UNDO", "SPATIAL", "INSTANCE")
# Engines whose tables hold their own rows. Others (MERGE, FEDERATED, CONNECT, SPIDER …) reach into other tables.
_ENGINES = frozenset({
    "INNODB", "MYISAM", "ARIA", "MEMORY", "HEAP", "CSV", "ARCHIVE", "BLACKHOLE", "ROCKSDB", "TOKUDB", "XTRADB",
    "NDB", "NDBCLUSTER", "COLUMNSTORE",
})  # fmt: skip
_ALTERS = frozenset({
    "ADD", "MODIFY", "CHANGE", "ALTER", "DROP", "AUTO_INCREMENT", "COMMENT", "ORDER", "DEFAULT", "CHARACTER",
    "COLLATE", "ROW_FORMAT", "KEY_BLOCK_SIZE", "STATS_PERSISTENT", "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES",
    "FORCE", "ALGORITHM", "LOCK",
})  # fmt: skip


def understood(found: list[Token]) -> Reading:
    """Return what a statement does whose words are these: conditional comments are opened, others left out."""
    if not found:
        return Reading(act=Act.NOTHING)
    word = found[0].upper
    if word in _CLIENT:
        return _held(found, Act.CLIENT)
    form = _FORMS.get(word)
    reading = form(found) if form else None
    return reading or _held(found, _OTHERS.get(word, Act.UNKNOWN), _quoted_as_text(found))


def _quoted_as_text(found: list[Token]) -> str:
    """Say why a name is none: `--compatible=ansi` writes triggers and routines that no server takes."""
    for word, name in pairwise(found):
        if word.upper in _BEFORE_NAMES and name.kind == "string" and name.value[0] == '"':
            return f"{name.value} is a text here, as ANSI_QUOTES is not set; make the dump without --compatible=ansi"
    return ""


def _held(found: list[Token], act: Act, why: str = "", names: tuple[Name, ...] = ()) -> Reading:
    return Reading(act=act, found=tuple(found), why=why, names=names)


def _create(found: list[Token]) -> Reading | None:
    read = Cursor(found, 1)
    replaces = read.phrase("OR", "REPLACE")
    definer: tuple[Token, ...] = ()
    while True:
        start = read.place
        if read.take("ALGORITHM"):
            read.take("=")
            read.kind("word")
        elif read.peek() == "DEFINER":
            if not _account(read):
                return None
            definer = tuple(found[start : read.place])
        elif read.phrase("SQL", "SECURITY"):
            read.kind("word")
        elif not read.take("AGGREGATE"):
            break
    if read.take("DATABASE", "SCHEMA"):
        read.phrase("IF", "NOT", "EXISTS")
        name = read.name()
        return Reading(act=Act.CREATE_SCHEMA, kind="SCHEMA", names=(name,) if name else (), found=tuple(found))
    if read.peek() in _ACCOUNTS:
        return _held(found, Act.ACCOUNT)
    if read.take("UNIQUE", "FULLTEXT", "SPATIAL", "INDEX", "VECTOR"):
        return _index(found)
    if read.peek() in _SERVER_WIDE or any(token.upper == "SONAME" for token in found):
        return _held(found, Act.GLOBAL)
    kind = read.take(*_KINDS)
    if not kind:
        return None
    body = kind == "PACKAGE" and bool(read.take("BODY"))
    read.phrase("IF", "NOT", "EXISTS")
    name = read.name()
    if name is None:
        return _held(found, Act.UNKNOWN, _quoted_as_text(found) or "something is created whose name is not found")
    names: tuple[Name, ...] = (name,)
    if kind == "TRIGGER":
        if not (read.take("BEFORE", "AFTER") and read.kind("word") and read.take("ON") and (table := read.name())):
            return _held(found, Act.UNKNOWN, "a trigger whose table is not found", names)
        names = (name, table)
    is_table = kind in ("TABLE", "SEQUENCE")
    why = _table_problem(read.rest, kind) if is_table else body_problem(read.rest, kind)
    return Reading(
        act=Act.UNKNOWN if why else _KINDS[kind], kind="PACKAGE BODY" if body else kind, names=names, definer=definer,
        found=tuple(found), replaces=replaces, why=why,
        references=references(found, skip={name.start for name in names}, tables_only=is_table),
    )  # fmt: skip


def _account(read: Cursor) -> bool:
    """Take `DEFINER = account`."""
    read.take("DEFINER")
    if not read.take("="):
        return False
    if read.take("CURRENT_USER", "CURRENT_ROLE"):
        return not read.take("(") or bool(read.take(")"))
    if not read.kind("string", "name", "word"):
        return False
    if (host := read.kind("variable")) and host.value == "@":
        return read.kind("string", "name", "word") is not None
    return True


def _table_problem(rest: list[Token], kind: str) -> str:
    """Say why a table's definition is not known to hold rows of its own only; empty if it is."""
    depth = 0
    for place, token in enumerate(rest):
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        following = [after.upper or after.value.strip("'\"").upper() for after in rest[place + 1 : place + 3]]
        if token.kind != "word":
            continue
        word = token.upper
        if word == "ENGINE" and (not depth or following[:1] == ["="]):
            engine = following[-1] if following[:1] == ["="] else "".join(following[:1])
            if engine not in _ENGINES:
                return f"its engine {engine} is not known to keep the rows of the table alone"
        if word in ("DATA", "INDEX") and following[:1] == ["DIRECTORY"]:
            return "it names a directory of the server"
        reaches = ("UNION", "CONNECTION", "EXCHANGE", *(["START"] if kind == "TABLE" else []))
        if word in ("SELECT", "TABLE") or (not depth and word in reaches):
            return f"its definition says {word}"
    return ""


def _index(found: list[Token]) -> Reading | None:
    place = next((place for place, token in enumerate(found) if token.upper == "ON"), len(found))
    name = Cursor(found, place + 1).name()
    return Reading(act=Act.TABLE_UPKEEP, kind="TABLE", names=(name,), found=tuple(found)) if name else None


def _drop(found: list[Token]) -> Reading | None:
    read = Cursor(found, 1)
    temporary = read.take("TEMPORARY")
    kind = read.take(*_KINDS, "TABLES", "DATABASE", "SCHEMA")
    if read.peek() in _ACCOUNTS:
        return _held(found, Act.ACCOUNT)
    if not kind or temporary:
        return _held(found, Act.GLOBAL if read.peek() in _SERVER_WIDE else Act.UNKNOWN)
    body = kind == "PACKAGE" and bool(read.take("BODY"))
    read.phrase("IF", "EXISTS")
    names = read.names()
    read.take("RESTRICT", "CASCADE")
    if not names or not read.done:
        return None
    if kind in ("DATABASE", "SCHEMA"):
        return Reading(act=Act.DROP_SCHEMA, kind="SCHEMA", names=names, found=tuple(found))
    kind = "TABLE" if kind == "TABLES" else "PACKAGE BODY" if body else kind
    return Reading(act=Act.DROP, kind=kind, names=names, found=tuple(found))


def _insert(found: list[Token]) -> Reading | None:
    """Read the head of an INSERT: its rows are judged where they are read."""
    read = Cursor(found, 1)
    while read.take("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"):
        pass
    name = read.name()
    if name is None:
        return None
    if read.take("PARTITION") and not read.brackets():
        return None
    start = read.place
    if read.peek() == "(" and (not read.brackets() or at_top(found[start + 1 : read.place - 1], {"."})):
        return None
    if not read.take("VALUES", "VALUE") or not read.done:
        return _held(found, Act.UNKNOWN, "it inserts something else than values", (name,))
    return Reading(act=Act.INSERT, kind="TABLE", names=(name,), found=tuple(found))


def _use(found: list[Token]) -> Reading | None:
    read = Cursor(found, 1)
    name = read.kind("name", "word")
    if name is None or not read.done:
        return None
    chosen = Name(schema="", name=name.value, start=name.start, end=name.end)
    return Reading(act=Act.USE, kind="SCHEMA", names=(chosen,), found=tuple(found))


def _alter(found: list[Token]) -> Reading | None:
    read = Cursor(found, 1)
    while read.take("ONLINE", "IGNORE"):
        pass
    if read.take("DATABASE", "SCHEMA"):
        plain = read.peek() in ("CHARACTER", "DEFAULT", "COLLATE", "CHARSET")
        name = None if plain else read.name()
        return Reading(act=Act.ALTER_SCHEMA, kind="SCHEMA", names=(name,) if name else (), found=tuple(found))
    if not read.take("TABLE"):
        return _held(found, Act.ACCOUNT if read.peek() in _ACCOUNTS else Act.GLOBAL)
    read.phrase("IF", "EXISTS")
    name = read.name()
    if name is None:
        return None
    keys = read.take("DISABLE", "ENABLE") and read.take("KEYS") and read.done
    if keys:
        return Reading(act=Act.LOCK, kind="TABLE", names=(name,), found=tuple(found))
    specs, depth, first = [], 0, True
    for token in read.rest:
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if first:
            specs.append(token.upper)
        first = token.upper == "," and not depth
    why = _table_problem(read.rest, "ALTER")
    if why or not specs or not set(specs) <= _ALTERS or at_top(read.rest, {"RENAME", "ENGINE", "IMPORT", "DISCARD"}):
        return _held(found, Act.CHANGE, why, (name,))
    return Reading(
        act=Act.TABLE_UPKEEP, kind="TABLE", names=(name,), found=tuple(found),
        references=references(found, skip={name.start}, tables_only=True),
    )  # fmt: skip


def _lock(found: list[Token]) -> Reading | None:
    read, names = Cursor(found, 1), []
    if not read.take("TABLE", "TABLES"):
        return None
    while name := read.name():
        names.append(name)
        if read.take("AS") or read.peek() not in ("READ", "WRITE", "LOW_PRIORITY"):
            read.kind("name", "word")
        read.take("LOW_PRIORITY")
        if not read.take("READ", "WRITE"):
            return None
        read.take("LOCAL", "CONCURRENT")
        if not read.take(","):
            break
    return Reading(act=Act.LOCK, kind="LOCK", names=tuple(names), found=tuple(found)) if read.done and names else None


def _upkeep(found: list[Token]) -> Reading | None:
    read = Cursor(found, 1)
    read.take("LOCAL", "NO_WRITE_TO_BINLOG")
    if not read.take("TABLE", "TABLES"):
        return None
    names = read.names()
    if found[0].upper == "ANALYZE" and read.take("UPDATE", "DROP"):
        if not (read.phrase("HISTOGRAM", "ON") and read.names()):
            return None
        if read.take("WITH"):
            read.kind("number")
            read.take("BUCKETS")
        read.take("AUTO", "MANUAL") and read.take("UPDATE")
        read.phrase("USING", "DATA") and read.kind("string")
    while read.take("QUICK", "EXTENDED", "FAST", "MEDIUM", "CHANGED", "PERSISTENT", "FOR", "ALL", "UPGRADE"):
        pass
    if not names or not read.done:
        return None
    return Reading(act=Act.TABLE_UPKEEP, kind="TABLE", names=names, found=tuple(found))


def _empty(found: list[Token]) -> Reading | None:
    """Read TRUNCATE, and a DELETE of every row."""
    read = Cursor(found, 1)
    if not read.take("TABLE", "FROM") and found[0].upper == "DELETE":
        return None
    name = read.name()
    if name is None or not read.done:
        return _held(found, Act.CHANGE)
    return Reading(act=Act.EMPTY, kind="TABLE", names=(name,), found=tuple(found))


def _set(found: list[Token]) -> Reading | None:
    said = {token.upper for token in found[1:3]}
    if said & {"PASSWORD", "ROLE"} or "RESOURCE" in said:
        return _held(found, Act.ACCOUNT)
    made = assignments(found)
    if made is None:
        return _held(found, Act.UNKNOWN, "it is no list of variables with values")
    if any(assignment.hides for assignment in made):
        of_tools = all(assignment.hides or assignment.is_known for assignment in made)
        return Reading(act=Act.BINARY_LOG, found=tuple(found), of_tools=of_tools)
    if any(assignment.scope == "server" for assignment in made):
        of_tools = all(assignment.is_of_tools for assignment in made)
        return Reading(act=Act.GLOBAL, found=tuple(found), of_tools=of_tools)
    if not all(assignment.is_known for assignment in made):
        return _held(found, Act.UNKNOWN, "it sets something that is not known to be of this session only")
    return Reading(act=Act.SETTING, found=tuple(found), settings=tuple(made))


def _call(found: list[Token]) -> Reading | None:
    # MariaDB's dump sets a sequence's place this way: DO SETVAL(`orders`, 1001, 0)
    read = Cursor(found, 1)
    if found[0].upper == "SELECT" and read.kind("string"):  # a message of the dump's author
        read.take("AS")
        read.kind("string", "word", "name")
        return Reading(act=Act.NOTHING, found=tuple(found)) if read.done else None
    name = read.name() if read.phrase("SETVAL", "(") else None
    if name is None:
        return None
    while read.take(","):
        read.take("-")
        if not read.kind("number", "word"):
            return None
    if not read.take(")") or not read.done:
        return None
    return Reading(act=Act.TABLE_UPKEEP, kind="TABLE", names=(name,), found=tuple(found))


_TRANSACTIONS = {
    ("BEGIN",), ("BEGIN", "WORK"), ("COMMIT",), ("COMMIT", "WORK"), ("START", "TRANSACTION"),
    ("START", "TRANSACTION", "WITH", "CONSISTENT", "SNAPSHOT"), ("START", "TRANSACTION", "READ", "WRITE"),
}  # fmt: skip


def _transaction(found: list[Token]) -> Reading | None:
    words = tuple(token.upper for token in found)
    if words[0] in ("START", "STOP") and {"SLAVE", "REPLICA", "SLAVES", "REPLICAS"} & set(words[1:3]):
        return Reading(act=Act.REPLICATION, found=tuple(found), of_tools=True)
    return Reading(act=Act.TRANSACTION, found=tuple(found)) if words in _TRANSACTIONS else None


def _unlock(found: list[Token]) -> Reading | None:
    plain = [token.upper for token in found[1:]] in (["TABLES"], ["TABLE"])
    return Reading(act=Act.LOCK, kind="LOCK", found=tuple(found)) if plain else None


def _replication(found: list[Token]) -> Reading | None:
    return Reading(act=Act.REPLICATION, found=tuple(found), of_tools=found[1:2] != [])


def _flush(found: list[Token]) -> Reading | None:
    return Reading(act=Act.GLOBAL, found=tuple(found), of_tools=[t.upper for t in found[1:]] == ["PRIVILEGES"])


def _show(found: list[Token]) -> Reading | None:
    # its WHERE may call a function, which may do anything
    calls = any(token.upper in ("(", "WHERE") for token in found)
    return None if calls else Reading(act=Act.NOTHING, found=tuple(found))


_FORMS: dict[str, Callable[[list[Token]], Reading | None]] = {
    "CREATE": _create, "DROP": _drop, "INSERT": _insert, "REPLACE": _insert, "USE": _use, "ALTER": _alter,
    "LOCK": _lock, "UNLOCK": _unlock, "ANALYZE": _upkeep, "CHECK": _upkeep, "OPTIMIZE": _upkeep, "REPAIR": _upkeep,
    "SET": _set, "TRUNCATE": _empty, "DELETE": _empty, "CHANGE": _replication, "START": _transaction,
    "STOP": _transaction, "BEGIN": _transaction, "COMMIT": _transaction, "DO": _call, "SELECT": _call,
    "FLUSH": _flush, "SHOW": _show,
}  # fmt: skip
