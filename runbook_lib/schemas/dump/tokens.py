"""The words of one statement, as far as a dump's reader needs them: names, keywords, signs and their places."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"(?P<open>/\*M?!\d*)|(?P<close>\*/)"
    rb"|(?P<comment>/\*.*?\*/|#[^\n]*+|--(?=[\x00-\x20]|\Z)[^\n]*+)"
    rb"|(?P<name>`[^`]*+(?:``[^`]*+)*+`)"
    rb"|(?P<string>'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'|\"[^\"\\]*+(?:(?:\\.|\"\")[^\"\\]*+)*+\")"
    rb"|(?P<variable>@@?[\w$.]*)"
    rb"|(?P<word>[\w$\x80-\xff]++)"
    rb"|(?P<sign>[^\x00-\x20])",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """One token: its kind, its text in the statement, its meaning (a name without its quotes, a word in capitals)."""

    kind: str  # "open", "close", "name", "string", "variable", "word" or "sign"
    value: str
    start: int
    end: int

    @property
    def can_name(self) -> bool:
        """Tell whether it may stand where a name is expected."""
        return self.kind in ("name", "word")


def tokens(statement: bytes, *, ansi_quotes: bool = False) -> list[Token]:
    """Cut a statement into tokens, comments and blanks left out."""
    found = []
    for match in _TOKEN.finditer(statement):
        kind = match.lastgroup or ""
        if kind == "comment":
            continue
        text = match[0].decode("utf-8", "surrogateescape")
        if kind == "string" and ansi_quotes and text[0] == '"':
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
    """Read `name` or `schema`.`name` at a place of the tokens; give it and the place behind it."""
    if place >= len(found) or not found[place].can_name:
        return None, place
    first = found[place]
    dotted = place + 2 < len(found) and found[place + 1].value == "." and found[place + 2].can_name
    if dotted and found[place + 1].kind == "sign":
        second = found[place + 2]
        return Name(schema=first.value, name=second.value, start=first.start, end=second.end), place + 3
    return Name(schema="", name=first.value, start=first.start, end=first.end), place + 1
