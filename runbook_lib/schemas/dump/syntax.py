"""The lexical rules of a dump as the client that loads it sees them, as compiled patterns.

The rules are those of MySQL's and MariaDB's command-line clients (MySQL manual, "mysql Client Statement..." and
"Comments", "String Literals"): they decide where one statement ends before any server sees it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

# Lead bytes of the client character sets whose second byte can be a backslash or a quote-like ASCII byte. In a dump
# written in one of them, 0x5C is not always an escape (the Japanese letter "表" is 95 5C in cp932).
_LEAD_BYTES = {
    "sjis": rb"\x81-\x9F\xE0-\xFC",
    "cp932": rb"\x81-\x9F\xE0-\xFC",
    "gbk": rb"\x81-\xFE",
    "big5": rb"\xA1-\xF9",
    "gb18030": rb"\x81-\xFE",
}


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """What is in force at a place of the dump: the delimiter, the escapes, the client's character set."""

    delimiter: bytes = b";"
    backslash: bool = True
    ansi_quotes: bool = False
    lead: bytes = b""

    @property
    def usual(self) -> bool:
        """Tell whether row data can be scanned without the slow lexer."""
        return self.delimiter == b";" and self.backslash and not self.lead


# Before Python 3.11.5 a possessive group may keep what its last, failed turn had taken (CPython's gh-106052; Debian 12
# has 3.11.2), if that turn failed after a lookahead or a repetition. Such a group is repeated in an atomic one, which
# remembers each turn until it ends; hence the bound.
_TURNS = 4096


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """The patterns of one syntax. What may go on beyond the bytes at hand is never taken, unless they are the last.

    `head` is that of row data, up to its first row.
    """

    head: re.Pattern[bytes]
    gap: re.Pattern[bytes]
    body: re.Pattern[bytes]

    def gap_end(self, data: bytes, start: int) -> int:
        """Return where blanks and comments end that begin at `start`."""
        return _end(self.gap, data, start)

    def body_end(self, data: bytes, start: int) -> int:
        """Return where the statement that begins at `start` ends: at its delimiter, or before what is unfinished."""
        return _end(self.body, data, start)


def _end(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    while True:
        found = pattern.match(data, start)
        assert found is not None, "it takes nothing where it takes no more"
        if found.end() == start:
            return start
        start = found.end()


@lru_cache(maxsize=64)
def patterns(syntax: Syntax, *, final: bool) -> Patterns:
    """Compile the patterns; `final` when nothing follows the bytes at hand."""
    end = rb"(?:\n|\Z)" if final else rb"\n"
    quotes = b"|".join(_quoted(mark, syntax) for mark in (b"'", b'"')) + rb"|`[^`]*+`"
    comment = rb"#[^\n]*+" + end + rb"|--(?=[\x00-\x20" + (rb"]|\Z)" if final else rb"])") + rb"[^\n]*+" + end
    comment += rb"|/\*(?!!|M!).*?\*/"
    first, delimiter = re.escape(syntax.delimiter[:1]), re.escape(syntax.delimiter)
    single = rb"-(?:(?=[^-])|(?=-[^\x00-\x20]))|/(?:(?=[^*])|(?=\*(?:!|M!)))"
    if final:
        single += rb"|-\Z|/\Z"
    body = _repeated(
        rb"[^'\"`#/\-" + first + rb"]++|" + quotes + rb"|" + comment
        + rb"|(?!" + delimiter + rb")(?:" + single + rb"|" + _alone(syntax.delimiter[:1]) + rb")"
    )  # fmt: skip
    gap = _repeated(rb"[\x00-\x20]++|\xEF\xBB\xBF|" + comment)
    head = (
        rb"(?:INSERT|REPLACE)[\x00-\x20]"
        + _repeated(rb"(?!VALUES?\b)[\w$]++|" + quotes + rb"|[\x00-\x20,.()]|" + comment, turns=8 * _TURNS)
        + rb"VALUES?[\x00-\x20]*+(?=\()"
    )  # fmt: skip
    flags = re.DOTALL | re.IGNORECASE
    # The delimiter is compared with its case, the words of a head without.
    return Patterns(gap=re.compile(gap, re.DOTALL), body=re.compile(body, re.DOTALL), head=re.compile(head, flags))


def _repeated(alternatives: bytes, *, turns: int = _TURNS) -> bytes:
    return rb"(?>(?:" + alternatives + rb"){0,%d})" % turns


def _quoted(mark: bytes, syntax: Syntax) -> bytes:
    escapes = ([rb"\\."] if syntax.backslash else []) + ([rb"[" + syntax.lead + rb"]."] if syntax.lead else [])
    plain = rb"[^" + mark + (rb"\\" if syntax.backslash else b"") + syntax.lead + rb"]*+"
    if not escapes:
        return mark + plain + mark
    return mark + plain + rb"(?:(?:" + b"|".join(escapes) + rb")" + plain + rb")*+" + mark


def _alone(first: bytes) -> bytes:
    # The delimiter's first byte on its own; a quote, comment or operator sign is already taken care of.
    return rb"(?!)" if first in (b"'", b'"', b"`", b"#", b"-", b"/") else re.escape(first)


_MODE = re.compile(
    rb"@(?P<saved>\w+)\s*:?=\s*@@(?:session\.)?sql_mode"
    rb"|(?<![@\w])(?:@@)?(?:session[.\s]\s*)?sql_mode\s*:?=\s*(?:@(?P<from>\w+)|(?P<text>'[^']*'|\"[^\"]*\"))",
    re.IGNORECASE,
)
_NAMES = re.compile(rb"\bSET\s+(?:NAMES|CHARACTER\s+SET|(?:@@)?character_set_client\s*=)\s*'?(\w+)", re.IGNORECASE)


class Session:
    """Follows what the dump's own SET statements do to how the rest of it must be read."""

    def __init__(self) -> None:
        self.syntax = Syntax()
        self._saved: dict[bytes, tuple[bool, bool]] = {}

    def delimiter(self, text: bytes) -> None:
        """Take a DELIMITER line."""
        self.syntax = replace(self.syntax, delimiter=text)

    def follow(self, statement: bytes) -> None:
        """Take a whole statement; only SET changes anything."""
        lowered = statement[:4096].lower()
        if b"sql_mode" in lowered:
            self._modes(statement)
        if (b"set names" in lowered or b"character" in lowered) and (found := _NAMES.search(statement)):
            lead = _LEAD_BYTES.get(found[1].decode("latin-1").lower(), b"")
            self.syntax = replace(self.syntax, lead=lead)

    def _modes(self, statement: bytes) -> None:
        for found in _MODE.finditer(statement):
            if found["saved"]:
                self._saved[found["saved"].lower()] = (self.syntax.backslash, self.syntax.ansi_quotes)
            elif found["from"]:
                backslash, ansi = self._saved.get(found["from"].lower(), (True, False))
                self.syntax = replace(self.syntax, backslash=backslash, ansi_quotes=ansi)
            else:
                modes = set(found["text"].strip(b"'\"").upper().split(b","))
                self.syntax = replace(
                    self.syntax,
                    backslash=b"NO_BACKSLASH_ESCAPES" not in modes,
                    ansi_quotes=bool(modes & {b"ANSI_QUOTES", b"ANSI"}),
                )
