"""Cut a statement into its words as a server reads it: quotes, comments, and comments that are run all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ANSI_QUOTES, NO_BACKSLASH_ESCAPES = 1 << 2, 1 << 20
"""Bits of sql_mode that change how a statement is read, as the binary log holds them."""

# A name without quotes: letters, digits, $, _ and everything beyond ASCII.
_BARE = re.compile(r"[^\x00-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]+")
_BLANK = re.compile(r"[\s\x00]+")
_RUN = re.compile(r"/\*(M?)!(\d{5,6})?")
_LINE_COMMENT = re.compile(r"(?:#|--(?=[\s\x00-\x1f]|$))[^\n]*")
_MYSQL_ONLY = range(50700, 100000)  # versions in comments that MariaDB does not run


@dataclass(frozen=True, slots=True)
class Token:
    """One word: `kind` is "word" (a keyword or a bare name), "name" (quoted), "text", "number" or "mark"."""

    kind: str
    text: str

    def is_word(self, *words: str) -> bool:
        """Tell whether it is one of these keywords, written in capitals."""
        return self.kind == "word" and self.text.upper() in words


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What decides how a statement is read: the bits of its sql_mode, and whose server of which version ran it.

    `version` is 0 where it is not known (every comment for a version is then taken as run), else as 80045 or 101108.
    """

    mode: int = 0
    version: int = 0
    mariadb: bool = False

    @classmethod
    def of_server(cls, version: str) -> Dialect:
        """Return how a server reads that says this of its version: 8.0.45 is 80045."""
        numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in version.split("-")[0].split(".")]
        major, minor, patch = [*numbers, 0, 0][:3]
        number = major * 10000 + minor * 100 + min(patch, 99)
        return cls(version=number, mariadb="mariadb" in version.lower())

    def runs(self, mariadb_only: str, version: str) -> bool:
        """Tell whether a comment `/*!` or `/*M!` is run by the server."""
        if not self.version:
            return True
        if mariadb_only and not self.mariadb:
            return False
        number = int(version or 0)
        if self.mariadb and not mariadb_only and number in _MYSQL_ONLY:
            return False
        return number <= self.version


def tokens(sql: str, dialect: Dialect) -> Iterator[Token]:
    """Yield the words of a statement. What is not closed ends with the statement."""
    quotes = {"`": "name", "'": "text", '"': "name" if dialect.mode & ANSI_QUOTES else "text"}
    at, inside = 0, False
    while at < len(sql):
        letter = sql[at]
        if found := _BLANK.match(sql, at) or _LINE_COMMENT.match(sql, at):
            at = found.end()
        elif inside and sql.startswith("*/", at):
            at, inside = at + 2, False
        elif sql.startswith("/*", at):
            found = _RUN.match(sql, at)
            if found and dialect.runs(found[1], found[2]):
                at, inside = found.end(), True
            else:
                at = _after(sql, "*/", at + 2)
        elif letter in quotes:
            text, at = _quoted(sql, at, escapes=letter != "`" and not dialect.mode & NO_BACKSLASH_ESCAPES)
            yield Token(quotes[letter], text)
        elif found := _BARE.match(sql, at):
            at = found.end()
            yield Token("number" if found[0].isdecimal() else "word", found[0])
        else:
            at += 1
            yield Token("mark", letter)


def _after(sql: str, end: str, at: int) -> int:
    found = sql.find(end, at)
    return len(sql) if found < 0 else found + len(end)


def _quoted(sql: str, at: int, *, escapes: bool) -> tuple[str, int]:
    """Return what stands in the quotes that begin there, and where it goes on behind them."""
    quote, at = sql[at], at + 1
    parts = []
    begin = at
    while at < len(sql):
        if escapes and sql[at] == "\\":
            at += 2
        elif sql[at] != quote:
            at += 1
        elif sql.startswith(quote, at + 1):
            parts.append(sql[begin : at + 1])
            at += 2
            begin = at
        else:
            break
    parts.append(sql[begin:at])
    return "".join(parts), at + 1
