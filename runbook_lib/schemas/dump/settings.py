"""What a dump's SET statements set, and what they do to how the rest of the dump must be read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runbook_lib.schemas.dump.syntax import LETTERS, PLAIN, Syntax
from runbook_lib.schemas.dump.tokens import Cursor, Token

# Variables of the session that dump tools set: they change how this load runs and nothing else.
_SESSION = frozenset({
    "alter_algorithm", "autocommit", "character_set_client", "character_set_connection",
    "character_set_database", "character_set_results", "check_constraint_checks", "collation_connection",
    "collation_database", "explicit_defaults_for_timestamp", "foreign_key_checks", "group_concat_max_len",
    "information_schema_stats_expiry", "innodb_lock_wait_timeout", "innodb_strict_mode", "interactive_timeout",
    "lc_time_names", "lock_wait_timeout", "max_execution_time", "max_statement_time", "net_read_timeout",
    "net_write_timeout", "note_verbosity", "show_create_table_skip_secondary_engine",
    "show_gipk_in_create_table_and_information_schema", "sql_auto_is_null",
    "sql_generate_invisible_primary_key", "sql_mode", "sql_notes", "sql_quote_show_create",
    "sql_require_primary_key", "sql_safe_updates", "sql_warnings", "standard_compliant_cte",
    "system_versioning_alter_history", "system_versioning_insert_history", "terminology_use_previous",
    "time_zone", "timestamp", "tmp_table_size", "transaction_isolation",
    "tx_isolation", "unique_checks", "use_stat_tables", "wait_timeout",
})  # fmt: skip
_LOGGING = frozenset({
    "sql_log_bin", "gtid_purged", "gtid_next", "gtid_slave_pos", "sql_log_off",
})  # fmt: skip
_OF_TOOLS = frozenset({"innodb_stats_auto_recalc", "log_output"})
"""Settings of the whole server that dump tools write around what they bring."""
_SERVER = ("GLOBAL", "PERSIST", "PERSIST_ONLY")
_ANSI = frozenset({"ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL", "DB2", "POSTGRESQL", "MAXDB"})
_MODES = _ANSI | {
    "ALLOW_INVALID_DATES", "EMPTY_STRING_IS_NULL", "ERROR_FOR_DIVISION_BY_ZERO", "HIGH_NOT_PRECEDENCE",
    "IGNORE_BAD_TABLE_OPTIONS", "IGNORE_SPACE", "MYSQL323", "MYSQL40", "NO_AUTO_CREATE_USER", "NO_AUTO_VALUE_ON_ZERO",
    "NO_BACKSLASH_ESCAPES", "NO_DIR_IN_CREATE", "NO_ENGINE_SUBSTITUTION", "NO_FIELD_OPTIONS", "NO_KEY_OPTIONS",
    "NO_TABLE_OPTIONS", "NO_UNSIGNED_SUBTRACTION", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ONLY_FULL_GROUP_BY",
    "PAD_CHAR_TO_FULL_LENGTH", "PIPES_AS_CONCAT", "REAL_AS_FLOAT", "SIMULTANEOUS_ASSIGNMENT", "STRICT_ALL_TABLES",
    "STRICT_TRANS_TABLES", "TIME_ROUND_FRACTIONAL", "TIME_TRUNCATE_FRACTIONAL", "TRADITIONAL", "DEFAULT", "0", "",
}  # fmt: skip
"""Every sql_mode of both servers. Any may be written as a number or in hexadecimal, too: that is not understood."""
_CHARSETS = ("character_set_client", "names")


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """One variable that is set. `scope` is "session", "user" (an @variable) or "server"; `value` are its tokens."""

    scope: str
    name: str
    value: tuple[Token, ...]

    @property
    def hides(self) -> bool:
        """Tell whether it takes the load out of the binary log, or writes replication's positions."""
        return self.name in _LOGGING or any(t.value.lower().rpartition(".")[2] in _LOGGING for t in self.value)

    @property
    def is_known(self) -> bool:
        """Tell whether the variable and the form of its value are known to change this session only."""
        if self.scope == "server" or not _is_value(self.value):
            return False
        if self.name in ("default_storage_engine", "storage_engine"):
            return self.value[0].value.strip("'\"").upper() in ("INNODB", "MYISAM", "ARIA")
        if self.scope == "user":
            return not self.name.startswith("runbook")
        return self.name in _SESSION or self.name in ("names", "transaction")

    @property
    def is_of_tools(self) -> bool:
        """Tell whether it is one of the server's settings that dump tools write."""
        return self.scope == "server" and self.name in _OF_TOOLS and _is_value(self.value)


def assignments(found: list[Token]) -> list[Assignment] | None:
    """Take a SET statement apart, None if it is not a list of variables with values."""
    read = Cursor(found, 1)
    made = []
    while True:
        assignment = _assignment(read)
        if assignment is None:
            return None
        made.append(assignment)
        if read.done:
            return made
        if not read.take(","):
            return None


def _assignment(read: Cursor) -> Assignment | None:
    if read.take("NAMES") or read.phrase("CHARACTER", "SET") or read.take("CHARSET"):
        value = read.kind("word", "string")
        if value and read.take("COLLATE") and not read.kind("word", "string"):
            return None
        return Assignment(scope="session", name="names", value=(value,)) if value else None
    scope = read.take(*_SERVER, "SESSION", "LOCAL") or "SESSION"
    if scope not in _SERVER and (
        read.phrase("TRANSACTION", "ISOLATION", "LEVEL") or read.phrase("TRANSACTION", "READ")
    ):
        words = [token for token in read.rest if token.kind == "word"]
        read.place += len(words)
        return Assignment(scope="session", name="transaction", value=tuple(words[:1])) if words else None
    target = read.kind("word", "name", "variable")
    if target is None or not (read.take("=") or (read.take(":") and read.take("="))):
        return None
    name = target.value.lower()
    if name.startswith("@@"):
        where, dot, name = name[2:].rpartition(".")
        if where not in ("", "session", "local", "global", "persist", "persist_only") or (dot and not where):
            return None
        scope = where.upper() or scope
    elif name.startswith("@"):
        return Assignment(scope="user", name=name[1:], value=_value(read))
    return Assignment(scope="server" if scope in _SERVER else "session", name=name, value=_value(read))


def _value(read: Cursor) -> tuple[Token, ...]:
    start, depth = read.place, 0
    while not read.done:
        depth += {"(": 1, ")": -1}.get(read.peek(), 0)
        if read.peek() == "," and not depth:
            break
        read.place += 1
    return tuple(read.found[start : read.place])


def _is_value(value: tuple[Token, ...]) -> bool:
    """Tell a literal, a variable, or a known function of such, from anything that could do more."""
    if not value:
        return False
    if len(value) == 1:
        return value[0].kind in ("string", "number", "word", "variable")
    if value[0].upper in ("-", "+"):
        return len(value) == 2 and value[1].kind == "number"
    if value[0].upper in ("IFNULL", "COALESCE", "CONCAT", "REPLACE") and value[1].upper == "(":
        return value[-1].upper == ")" and all(_is_value(part) for part in _arguments(value))
    return False


def _arguments(value: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in value[2:-1]:
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if token.upper == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(token)
    return [tuple(part) for part in parts]


def _modes(text: str) -> frozenset[str]:
    return frozenset(mode.strip().upper() for mode in text.split(","))


class Session:
    """Follows what the dump's own SET statements do to how the rest of it must be read.

    The client cuts by the character set it was started with, whatever the dump sets later; that is the first one of
    `LETTERS` that the dump sets, since nothing else could load it. `syntax` is the client's, `server` what the server
    reads by.
    """

    def __init__(self) -> None:
        self.syntax = Syntax()
        self.server = Syntax()
        self._mode = ""
        self._charset = ""
        self._variables: dict[str, str | None] = {}

    def delimiter(self, text: bytes) -> None:
        """Take a DELIMITER line."""
        self.syntax, self.server = replace(self.syntax, delimiter=text), replace(self.server, delimiter=text)

    def follow(self, made: list[Assignment], *, certain: bool) -> str:
        """Take what a statement sets; return why the rest of the dump cannot be read, empty if it can.

        `certain`: every server carries the statement out, whatever its version.
        """
        before = (self.syntax, self.server)
        for assignment in made:
            name = assignment.name
            if assignment.scope == "user":
                self._variables[name] = self._text(assignment.value)
            elif (assignment.scope == "session" and name == "sql_mode" and (why := self._set_mode(assignment))) or (
                assignment.scope == "session" and name in _CHARSETS and (why := self._set_charset(assignment))
            ):
                return why
        if not certain and before != (self.syntax, self.server):
            return "how it is to be read depends on the server's version"
        return ""

    def _set_mode(self, assignment: Assignment) -> str:
        text = self._text(assignment.value)
        modes = _modes(text) if text is not None else frozenset({"?"})
        if text is None or not modes <= _MODES:
            return "sql_mode is set to something that is not understood"
        self._mode = "" if text.upper() == "DEFAULT" else text
        backslash, ansi = "NO_BACKSLASH_ESCAPES" not in modes, bool(modes & _ANSI)
        self.syntax = replace(self.syntax, backslash=backslash, ansi_quotes=ansi)
        self.server = replace(self.server, backslash=backslash, ansi_quotes=ansi)
        return ""

    def _set_charset(self, assignment: Assignment) -> str:
        text = self._text(assignment.value)
        charset = "" if text is None else text.lower()
        if text is None or (charset not in PLAIN and charset not in LETTERS and charset not in ("", "default")):
            return "the character set is set to something that is not understood"
        self._charset = charset
        letters = charset if charset in LETTERS else ""
        if letters and self.syntax.charset not in ("", letters):
            return f"it is written in {self.syntax.charset} and then in {letters}"
        self.server = replace(self.server, charset=letters)
        self.syntax = replace(self.syntax, charset=letters or self.syntax.charset)
        return ""

    def _text(self, value: tuple[Token, ...]) -> str | None:
        """Return the text that a value is, None if it is not known."""
        if len(value) == 1:
            return self._token_text(value[0])
        if not _is_value(value):
            return None
        parts = [self._text(part) for part in _arguments(value)]
        if value[0].upper in ("IFNULL", "COALESCE"):
            return self._first_set(value, parts)
        if any(part is None for part in parts):
            return None
        if value[0].upper == "CONCAT":
            return "".join(part or "" for part in parts)
        # what the server's own sql_mode is, which may be a part of it, is not known: a mode can be taken out of it
        if value[0].upper == "REPLACE" and len(parts) == 3 and parts[1] and not parts[2] and _modes(parts[1]) <= _MODES:
            return (parts[0] or "").replace(parts[1], "")
        return None

    def _first_set(self, value: tuple[Token, ...], parts: list[str | None]) -> str | None:
        for tokens, text in zip(_arguments(value), parts, strict=True):
            if text is not None or tokens[0].value.lower()[1:] in self._variables:
                return text
        return None

    def _token_text(self, token: Token) -> str | None:
        said = token.value.lower()
        if token.kind == "string":
            return None if "\\" in token.value else token.value[1:-1]
        if token.kind in ("word", "number"):
            return token.value
        if not said.startswith("@@"):
            return self._variables.get(said[1:])
        held = {"sql_mode": self._mode, "character_set_client": self._charset}
        where, _, name = said[2:].rpartition(".")
        return held.get(name) if where in ("", "session", "local") else None
