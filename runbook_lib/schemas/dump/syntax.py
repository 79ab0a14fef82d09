"""The lexical rules of a dump as the client that loads it sees them, as compiled patterns.

The rules are those of MySQL's and MariaDB's command-line clients (MySQL manual, "mysql Client Commands", "Comments",
"String Literals"): they decide where one statement ends before any server sees it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, kw_only=True)
class Letters:
    """A character set in which a byte of ASCII may be the second half of a letter ("表" is 95 5C in cp932).

    `lead` are the bytes that begin a letter of several bytes, `rest` what may follow; `codec` is Python's name for it.
    """

    lead: bytes
    rest: bytes
    codec: str


_SJIS = Letters(lead=rb"\x81-\x9F\xE0-\xFC", rest=rb"[\x40-\x7E\x80-\xFC]", codec="cp932")
LETTERS = {
    "sjis": _SJIS,
    "cp932": _SJIS,
    "gbk": Letters(lead=rb"\x81-\xFE", rest=rb"[\x40-\x7E\x80-\xFE]", codec="gbk"),
    "big5": Letters(lead=rb"\xA1-\xF9", rest=rb"[\x40-\x7E\xA1-\xFE]", codec="cp950"),
    "gb18030": Letters(
        lead=rb"\x81-\xFE", rest=rb"(?:[\x40-\x7E\x80-\xFE]|[\x30-\x39][\x81-\xFE][\x30-\x39])", codec="gb18030"
    ),
}
PLAIN = frozenset({
    "ascii", "armscii8", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8",
    "eucjpms", "euckr", "gb2312", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1",
    "latin2", "latin5", "latin7", "macce", "macroman", "tis620", "ujis", "utf8", "utf8mb3", "utf8mb4",
})  # fmt: skip
"""Character sets in which a byte of ASCII is always that character. What is in neither list is not understood."""


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """What is in force at a place of the dump: the delimiter, the escapes, the character set if it is of `LETTERS`."""

    delimiter: bytes = b";"
    backslash: bool = True
    ansi_quotes: bool = False
    charset: str = ""

    @property
    def usual(self) -> bool:
        """Tell whether row data can be scanned without the slow lexer."""
        return self.delimiter == b";" and self.backslash and not self.charset


# Before Python 3.11.5 a possessive group may keep what its last, failed turn had taken (CPython's gh-106052; Debian 12
# has 3.11.2), if that turn failed after a lookahead or a repetition. Such a group is repeated in an atomic one, which
# remembers each turn until it ends; hence the bound.
_TURNS = 4096

# Functions that only make a value of others: a dump may write rows with them. Whatever else is called is not known.
_MAKERS = (
    rb"ST_(?:GEOM(?:ETRY|COLL|ETRYCOLLECTION)?|POINT|M?(?:POINT|LINE|POLY)|(?:MULTI)?(?:POINT|LINESTRING|POLYGON))"
    rb"FROM(?:TEXT|TXT|WKB|GEOJSON|GEOHASH)|ST_SRID|(?:MULTI)?(?:POINT|LINESTRING|POLYGON)|GEOMETRYCOLLECTION"
    rb"|GEOM(?:ETRY)?FROM(?:TEXT|WKB)|CAST|CONVERT"
    rb"|UNHEX|FROM_BASE64|CONCAT|CHAR|NOW|CURRENT_TIMESTAMP|CURDATE|CURTIME|STR_TO_DATE|FROM_UNIXTIME|JSON_(?:ARRAY|OBJECT|QUOTE)"
    rb"|UUID_TO_BIN|INET6?_ATON|(?:STRING_)?TO_VECTOR|VEC_FROMTEXT"
)
_WORDS = rb"DEFAULT|CURRENT_TIMESTAMP|DATE|TIME|TIMESTAMP|BINARY|CHAR|DECIMAL|DATETIME|ascii"  # some are functions
_UNCALLED = rb"NULL|TRUE|FALSE|AS|USING|JSON|UNSIGNED|SIGNED|utf8mb[34]|utf8|latin1"  # a bracket makes another's name


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """The patterns of one syntax. What may go on beyond the bytes at hand is never taken, unless they are the last.

    `head` is that of row data, up to its first row. `rows` is row data that is nothing but values.
    """

    head: re.Pattern[bytes]
    gap: re.Pattern[bytes]
    body: re.Pattern[bytes]
    rows: re.Pattern[bytes]

    def gap_end(self, data: bytes, start: int) -> int:
        """Return where blanks and comments end that begin at `start`."""
        return _end(self.gap, data, start)

    def body_end(self, data: bytes, start: int) -> int:
        """Return where the statement that begins at `start` ends: at its delimiter, at a backslash of the client, or
        before what is unfinished.
        """
        return _end(self.body, data, start)

    def rows_end(self, data: bytes, start: int) -> int:
        """Return where row data ends that is nothing but values: the byte there is something else, or unfinished."""
        return _end(self.rows, data, start)


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
    letters = LETTERS.get(syntax.charset)
    lead = letters.lead if letters else b""
    pair = _pair(letters, final=final) + rb"|" if letters else b""
    quotes = b"|".join(quoted_text(mark, syntax, final=final) for mark in (b"'", b'"', b"`"))
    comment = rb"#[^\n]*+" + end + rb"|--(?=[\x00-\x20" + (rb"]|\Z)" if final else rb"])") + rb"[^\n]*+" + end
    comment += rb"|/\*(?!!|M!|\+).*?\*/"
    first, delimiter = re.escape(syntax.delimiter[:1]), re.escape(syntax.delimiter)
    single = rb"-(?:(?=[^-])|(?=-[^\x00-\x20]))|/(?:(?=[^*])|(?=\*(?:!|M!|\+)))|\\N"
    if final:
        single += rb"|-\Z|/\Z"
    body = _repeated(
        rb"[^'\"`#/\-\\" + lead + first + rb"]++|" + pair + quotes + rb"|" + comment
        + rb"|(?!" + delimiter + rb")(?:" + single + rb"|" + _alone(syntax.delimiter[:1]) + rb")"
    )  # fmt: skip
    # A byte order mark is blank at the start of a file only; a client that meets one later stops at it.
    gap = _repeated(rb"[\x00-\x20]++|\xEF\xBB\xBF|" + comment)
    head = (
        rb"(?:INSERT|REPLACE)[\x00-\x20]"
        + _repeated(
            rb"(?!VALUES?\b)[\w$]++|" + pair + rb"[\x80-\xff]|" + quotes + rb"|[\x00-\x20,.()]|" + comment,
            turns=8 * _TURNS,
        )
        + rb"VALUES?[\x00-\x20]*+(?=\()"
    )  # fmt: skip
    word = rb"(?![\w$\x80-\xff])" + (b"" if final else rb"(?=.)")
    uncalled = word + (rb"(?![\x00-\x20]*+\()" if final else rb"(?=[\x00-\x20]*+[^\x00-\x20(])")
    strings = (b"'",) if syntax.ansi_quotes else (b"'", b'"')  # a name is no value: it may be a function's
    rows = _repeated(
        rb"[\t\n\r ,()]++|" + b"|".join(quoted_text(mark, syntax, final=final) for mark in strings)
        + rb"|(?:" + _UNCALLED + rb")" + uncalled
        + rb"|(?:" + _WORDS + rb"|\d[\d.]*+(?:E[+\-]?\d++)?+|0x[0-9A-F]++|0b[01]++)" + word
        + rb"|(?:" + _MAKERS + rb")(?=\()|[XBN](?=')|_[A-Z]\w*+[ ]*+(?=['\"0XB])|[+.]|-(?=[^\-])|\\N" + word
        + rb"|/\*!\d{5,6}[\s0-9A-FXNUL,.+\-]*+\*/|" + comment  # values that only some servers take, without quotes
    )  # fmt: skip
    flags = re.DOTALL | re.IGNORECASE
    # The delimiter is compared with its case, the words of a head without.
    return Patterns(
        head=re.compile(head, flags),
        gap=re.compile(gap, re.DOTALL),
        body=re.compile(body, re.DOTALL),
        rows=re.compile(rows, flags),
    )


def _repeated(alternatives: bytes, *, turns: int = _TURNS) -> bytes:
    return rb"(?>(?:" + alternatives + rb"){0,%d})" % turns


def _pair(letters: Letters, *, final: bool) -> bytes:
    """Return the pattern of a letter of several bytes, or of its first byte alone where no second one follows."""
    alone = b"" if final else rb"(?=.{3})"
    return rb"[" + letters.lead + rb"]" + letters.rest + rb"|[" + letters.lead + rb"](?!" + letters.rest + rb")" + alone


def quoted_text(mark: bytes, syntax: Syntax, *, final: bool) -> bytes:
    """Return the pattern of a text between two quotes of a kind: a string, or a name where names are quoted so."""
    letters = LETTERS.get(syntax.charset)
    escapes = [_pair(letters, final=final)] if letters else []
    lead = letters.lead if letters else b""
    backslash = syntax.backslash and mark != b"`" and not (mark == b'"' and syntax.ansi_quotes)
    if backslash:
        escapes.append(rb"\\.")
    plain = rb"[^" + mark + (rb"\\" if backslash else b"") + lead + rb"]*+"
    if not escapes:
        return mark + plain + mark
    return mark + plain + rb"(?:(?:" + b"|".join(escapes) + rb")" + plain + rb")*+" + mark


def _alone(first: bytes) -> bytes:
    # The delimiter's first byte on its own; a quote, comment or operator sign is already taken care of.
    return rb"(?!)" if first in (b"'", b'"', b"`", b"#", b"-", b"/") else re.escape(first)
