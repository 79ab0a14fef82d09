"""The words of one statement, as far as a dump's reader needs them: names, keywords, signs and their places."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from runbook_lib.schemas.dump.syntax import LETTERS, Syntax, quoted_text


@lru_cache(maxsize=64)
def _pattern(syntax: Syntax) -> re.Pattern[bytes]:
    letters = LETTERS.get(syntax.charset)
    pair = rb"[" + letters.lead + rb"]" + letters.rest + rb"|" if letters else b""
    name = quoted_text(b"`", syntax, final=True)
    strings = quoted_text(b"'", syntax, final=True) + rb"|" + quoted_text(b'"', syntax, final=True)
    return re.compile(
        rb"(?P<open>/\*M?!\d*)|(?P<close>\*/)"
        rb"|(?P<comment>/\*.*?\*/|#[^\n]*+|--(?=[\x00-\x20]|\Z)[^\n]*+)"
        rb"|(?P<name>" + name + rb"(?:" + name + rb")*)"
        rb"|(?P<string>" + strings + rb")"
        rb"|(?P<variable>@@?[\w$.]*)"
        rb"|(?P<number>\d+(?:\.\d+)?(?:[eE][+\-]?\d+)?(?![\w$\x80-\xff]))"
        rb"|(?P<word>(?:" + pair + rb"[\w$\x80-\xff])++)"
        rb"|(?P<control>[\x00-\x08\x0B\x0C\x0E-\x1F\x7F])"
        rb"|(?P<sign>[^\x00-\x20])",
        re.DOTALL,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """One token: its kind, its text in the statement, its meaning (a name without its quotes)."""

    kind: str  # "open", "close", "comment", "name", "string", "variable", "number", "word", "control" or "sign"
    value: str
    start: int
    end: int

    @property
    def can_name(self) -> bool:
        """Tell whether it may be where a name is expected."""
        return self.kind in ("name", "word")

    @property
    def upper(self) -> str:
        """Return the keyword or sign in capitals, empty for a name, string or number."""
        return self.value.upper() if self.kind in ("word", "sign") else ""


def text_of(data: bytes, charset: str = "") -> str:
    """Return bytes of a dump as text that becomes the same bytes again by `bytes_of`."""
    if charset:
        codec = LETTERS[charset].codec
        text = data.decode(codec, "surrogateescape")
        if text.encode(codec, "surrogateescape") == data:
            return text
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str, charset: str = "") -> bytes:
    """Return a text as it is written in a dump of a character set."""
    return text.encode(LETTERS[charset].codec if charset else "utf-8", "surrogateescape")


def tokens(statement: bytes, syntax: Syntax) -> list[Token]:
    """Cut a statement into tokens, blanks left out."""
    found = []
    for match in _pattern(syntax).finditer(statement):
        kind = match.lastgroup or ""
        text = text_of(match[0], syntax.charset)
        if kind == "string" and syntax.ansi_quotes and text[0] == '"':
            kind, text = "name", text[1:-1].replace('""', '"')
        elif kind == "name":
            text = text[1:-1].replace("``", "`")
        found.append(Token(kind=kind, value=text, start=match.start(), end=match.end()))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A name of a table, view, routine or schema in a statement, with its schema if that is said."""

    schema: str
    name: str
    start: int
    end: int

    @property
    def full(self) -> str:
        """Return it as a person writes it."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


def name_at(found: list[Token], place: int) -> tuple[Name | None, int]:
    """Read `name` or `schema`.`name` at a place of the tokens; return it and the place behind it."""
    if place >= len(found) or not found[place].can_name:
        return None, place
    first = found[place]
    dotted = place + 2 < len(found) and found[place + 1].value == "." and found[place + 2].can_name
    if dotted and found[place + 1].kind == "sign":
        second = found[place + 2]
        return Name(schema=first.value, name=second.value, start=first.start, end=second.end), place + 3
    return Name(schema="", name=first.value, start=first.start, end=first.end), place + 1


class Cursor:
    """Reads the tokens of a statement from the left; a token is taken only if it is of those that may be there."""

    def __init__(self, found: list[Token], place: int = 0) -> None:
        self.found = found
        self.place = place

    @property
    def done(self) -> bool:
        """Tell whether every token is taken."""
        return self.place >= len(self.found)

    @property
    def rest(self) -> list[Token]:
        """Return the tokens that are not taken."""
        return self.found[self.place :]

    def peek(self) -> str:
        """Return the next keyword or sign in capitals; empty at the end and before names, strings and numbers."""
        return "" if self.done else self.found[self.place].upper

    def take(self, *words: str) -> str:
        """Take the next keyword or sign if it is one of these, and return it; else return nothing."""
        if (said := self.peek()) and said in words:
            self.place += 1
            return said
        return ""

    def phrase(self, *words: str) -> bool:
        """Take several keywords that follow each other, all of them or none."""
        if [token.upper for token in self.found[self.place : self.place + len(words)]] != list(words):
            return False
        self.place += len(words)
        return True

    def kind(self, *kinds: str) -> Token | None:
        """Take the next token if it is of one of these kinds."""
        if self.done or self.found[self.place].kind not in kinds:
            return None
        self.place += 1
        return self.found[self.place - 1]

    def name(self) -> Name | None:
        """Take a name, with its schema if that is said."""
        name, self.place = name_at(self.found, self.place)
        return name

    def names(self) -> tuple[Name, ...]:
        """Take names with commas between them."""
        found: list[Name] = []
        while name := self.name():
            found.append(name)
            if not self.take(","):
                break
        return tuple(found)

    def brackets(self) -> bool:
        """Take a bracket with everything up to where it is closed."""
        if not self.take("("):
            return False
        depth = 1
        while depth and not self.done:
            depth += {"(": 1, ")": -1}.get(self.found[self.place].upper, 0)
            self.place += 1
        return not depth


def at_top(found: list[Token], words: Collection[str]) -> bool:
    """Tell whether one of some keywords or signs is outside every bracket."""
    depth = 0
    for token in found:
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if not depth and token.upper in words:
            return True
    return False
