"""The words of a statement, for those who judge it: its ends, its names, and whether a WHERE bounds it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from runbook_lib.schemas.dump.tokens import Token

HOLE = "\ue000"
"""Stands in a text for what only the running job knows; a letter of the private use area, so that no job writes it."""

MARKS = frozenset("%?{}:")
"""Signs that drivers and templates fill in: a name in whose place one stands is not known."""


def statements(words: Sequence[Token]) -> Iterator[list[Token]]:
    """Cut tokens at `;`, `\\g` and `\\G`."""
    begin = 0
    for place, token in enumerate(words):
        client = token.value == "\\" and place + 1 < len(words) and words[place + 1].value in ("g", "G")
        if token.kind == "sign" and (token.value == ";" or client):
            if place > begin:
                yield list(words[begin:place])
            begin = place + (2 if client else 1)
    if begin < len(words):
        yield list(words[begin:])


def is_bounded(words: list[Token]) -> bool:
    """Tell whether a WHERE bounds the statement. What is always true (WHERE 1, id = id, 1 = 1 OR …) bounds nothing."""
    wheres = [p for p in range(len(words)) if depth(words, p) == 0 and word(words, p) == "WHERE"]
    if not wheres:
        return False
    condition: list[Token] = []
    for token in words[wheres[-1] + 1 :]:
        if upper(token) in ("ORDER", "LIMIT", "RETURNING") and token.kind == "word":
            break
        condition.append(token)
    terms: list[list[Token]] = [[]]
    nested = 0
    for token in condition:
        nested += (token.value == "(") - (token.value == ")")
        either = upper(token) in ("OR", "||") or (token.value == "|" and token.kind == "sign")
        if nested == 0 and either:
            terms.append([])
        else:
            terms[-1].append(token)
    return all(term and not _is_always(term) for term in terms if term or len(terms) == 1)


def _is_always(term: list[Token]) -> bool:
    """Tell whether a condition cannot be false: all its parts tied by AND are constants, or a thing equal to itself."""
    while len(term) > 2 and term[0].value == "(" and term[-1].value == ")" and depth(term, len(term) - 1) in (0, 1):
        term = term[1:-1]
    parts: list[list[Token]] = [[]]
    for token in term:
        if upper(token) == "AND" and token.kind == "word":
            parts.append([])
        else:
            parts[-1].append(token)
    return all(_is_constant(part) for part in parts)


def _is_constant(part: list[Token]) -> bool:
    values = [upper(token) for token in part if token.value not in ("(", ")")]
    if any(HOLE in value for value in values):
        return False  # whatever it is, a WHERE that the job makes is listed by its caller
    if len(values) == 1:
        return (values[0].isdigit() and values[0] != "0") or values[0] == "TRUE" or part[0].kind == "string"
    signs = [value for value in values if value in ("=", "<", ">", "!", "LIKE", "IS", "IN", "BETWEEN")]
    if not signs:
        return False
    at = values.index(signs[0])
    left, right = values[:at], [value for value in values[at:] if value not in ("=", "<", ">", "!")]
    if signs[0] in ("=", "<", ">") and left == right:
        return "=" in values[at:]
    literal = [token.kind == "string" or token.value.isdigit() for token in part if token.value not in ("(", ")")]
    if len(values) >= 3 and literal[0] and literal[-1]:
        return True  # two literals: true, or the statement does nothing
    if signs[0] == "LIKE":
        return values[-1] in ("'%'", '"%"')
    return False


def word(words: Sequence[Token], place: int) -> str:
    """Return the word at a place in capitals, empty for a quoted name and behind the end."""
    return upper(words[place]) if place < len(words) else ""


def upper(token: Token) -> str:
    """Return a token in capitals, empty for a quoted name: that is never a keyword."""
    return token.value.upper() if token.kind != "name" else ""


def skip(words: Sequence[Token], place: int, *known: str) -> int:
    """Return the place behind the known words that stand at a place, one after another."""
    return past(words, place, known)


def past(words: Sequence[Token], place: int, known: Collection[str]) -> int:
    """Return the place behind the known words that stand at a place, one after another."""
    while place < len(words) and word(words, place) in known:
        place += 1
    return place


def depth(words: Sequence[Token], place: int) -> int:
    """Return how many brackets are open at a place."""
    return sum((token.value == "(") - (token.value == ")") for token in words[:place] if token.kind == "sign")


def dotted(words: Sequence[Token], place: int) -> tuple[tuple[str, ...], int]:
    """Read `a`, `a.b` or `a.b.c` at a place; return its parts and the place behind it.

    A double-quoted word is a name too (ANSI_QUOTES).
    """
    parts: list[str] = []
    while place < len(words):
        token = words[place]
        if token.kind == "string" and token.value[0] == '"':
            parts.append(token.value[1:-1])
        elif token.kind in ("name", "word"):
            parts.append(token.value)
        else:
            if token.value in MARKS:
                parts.append(token.value)
            break
        place += 1
        if place >= len(words) or words[place].value != "." or words[place].kind != "sign":
            break
        place += 1
    return tuple(parts), place
