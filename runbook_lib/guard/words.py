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
    """Tell whether a WHERE bounds the statement: each of its alternatives compares a column with something else.

    What may pass is listed (`_binds`): a condition without a column, a column with itself, or one that every row meets
    (WHERE 1, NOW() > '2000-01-01', id IS NOT NULL, name LIKE '%') bounds nothing.
    """
    wheres = [p for p in range(len(words)) if depth(words, p) == 0 and word(words, p) == "WHERE"]
    if not wheres:
        return False
    condition: list[Token] = []
    for token in words[wheres[-1] + 1 :]:
        if upper(token) in ("ORDER", "LIMIT", "RETURNING") and token.kind == "word":
            break
        condition.append(token)
    targets = {token.value.casefold() for token in words[: wheres[-1]] if token.kind in ("word", "name")}
    return _holds(condition, targets)


def _holds(condition: list[Token], targets: set[str]) -> bool:
    """Tell whether every alternative of a condition binds: some part of it, tied by AND, does."""
    condition = _bare(condition)
    alternatives = _split(condition, ("OR", "||", "XOR"))
    if len(alternatives) > 1:
        return all(_holds(part, targets) for part in alternatives)
    parts = _split(condition, ("AND", "&&"))
    if len(parts) > 1:
        return any(_holds(part, targets) for part in parts)
    return _binds(condition, targets)


def _bare(condition: list[Token]) -> list[Token]:
    """Take the brackets away that enclose a whole condition."""
    while len(condition) > 2 and condition[0].value == "(" and condition[-1].value == ")":
        if any(depth(condition, place) == 0 for place in range(1, len(condition))):
            break
        condition = condition[1:-1]
    return condition


def _split(condition: list[Token], at: tuple[str, ...]) -> list[list[Token]]:
    """Cut a condition at words outside of brackets; the AND of a BETWEEN is none."""
    parts: list[list[Token]] = [[]]
    nested, between, skipped = 0, False, False
    for place, token in enumerate(condition):
        if skipped:
            skipped = False
            continue
        nested += (token.value == "(") - (token.value == ")")
        said = upper(token)
        twice = said + (condition[place + 1].value if place + 1 < len(condition) else "")
        between = between or (nested == 0 and said == "BETWEEN")
        if nested == 0 and (said in at or (token.kind == "sign" and twice in at)):
            if between and said == "AND":
                between = False
                parts[-1].append(token)
                continue
            skipped = said not in at
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part] or [[]]


_NO_COLUMNS = frozenset([
    "TRUE", "FALSE", "NULL", "NOT", "IS", "IN", "LIKE", "BETWEEN", "AND", "OR", "EXISTS", "SELECT", "FROM", "ALL",
    "ANY", "SOME", "INTERVAL", "BINARY", "DIV", "ESCAPE", "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_USER",
    "CASE", "WHEN", "THEN", "ELSE", "END", "REGEXP", "RLIKE", "COLLATE", "DISTINCT", "AS", "XOR", "DUAL", "LIMIT",
])  # fmt: skip
_COMPARING = ("=", "<", ">", "!", "IS", "IN", "LIKE", "BETWEEN", "REGEXP", "RLIKE", "MEMBER", "NOT")


def _binds(part: list[Token], targets: set[str]) -> bool:
    """Tell whether one comparison leaves rows out."""
    if any(HOLE in token.value for token in part):
        return True  # whatever it is, a WHERE that the job makes is listed by its caller
    if not part or (upper(part[0]) in ("NOT", "!") and len(part) != 2):
        begins = [upper(token) for token in part[1:2]]
        return begins == ["EXISTS"] and _subquery_binds(part, targets)
    if any(upper(token) == "SELECT" for token in part):
        return _subquery_binds(part, targets)
    columns = _columns(part)
    if not columns:
        given = [
            p for p in range(len(part)) if part[p].value in MARKS and (p + 1 == len(part) or part[p + 1].value != "=")
        ]
        return bool(given) and len(part) > 2
    places = [place for place in range(len(part)) if depth(part, place) == 0 and upper(part[place]) in _COMPARING]
    if not places:
        return True  # a column, or a function of one, by itself
    left, sign = part[: places[0]], "".join(upper(part[place]) for place in places)
    right = part[places[-1] + 1 :]
    if _same(left, right):
        return "=" not in sign
    return not _is_met_by_all(left, sign, right)


def _columns(part: list[Token]) -> list[str]:
    """Return the names in a condition that may be columns: no keyword, function, number or mark of a literal."""
    found = []
    for place, token in enumerate(part):
        behind = part[place + 1] if place + 1 < len(part) else None
        if token.kind == "name" or (
            token.kind == "word"
            and upper(token) not in _NO_COLUMNS
            and not token.value[:1].isdigit()
            and not (behind is not None and (behind.value == "(" or behind.kind == "string"))
            and not (place and part[place - 1].value == "@")
            and not any(upper(before) == "INTERVAL" for before in part[max(0, place - 4) : place])
        ):
            found.append(token.value)
    return found


def _subquery_binds(part: list[Token], targets: set[str]) -> bool:
    """Tell whether a subquery leaves rows out: it has a WHERE, a HAVING, a JOIN or a LIMIT, or reads another table."""
    words = [upper(token) for token in part]
    if any(word in words for word in ("WHERE", "HAVING", "JOIN", "LIMIT")):
        return True
    if "FROM" not in words:
        return False
    name, _ = dotted(part, words.index("FROM") + 1)
    return bool(name) and not {one.casefold() for one in name} <= targets and "EXISTS" not in words


def _same(left: list[Token], right: list[Token]) -> bool:
    """Tell whether both sides are one column, with or without the table's name."""
    sides = [
        [token.value.casefold().strip("`") for token in side if token.value not in "().`"] for side in (left, right)
    ]
    if not sides[0] or not sides[1]:
        return False
    if sides[0] == sides[1]:
        return True
    if any(token.kind not in ("word", "name", "sign") or token.value in MARKS for token in (*left, *right)):
        return False
    short, long = sorted(sides, key=len)
    return len(short) == 1 and len(long) in (2, 3) and short[0] == long[-1] and len(left) + len(right) <= 6


def _is_met_by_all(left: list[Token], sign: str, right: list[Token]) -> bool:
    """Tell whether a comparison is one that every row meets, as far as its form tells."""
    values = [token.value for token in right]
    if sign == "LIKE":
        return len(values) == 1 and not values[0].strip("'\"").replace("%", "").replace("_", "")
    name = next((token.value for token in reversed(left) if token.kind in ("word", "name")), "").casefold()
    is_key = name in ("id", "uuid", "key", "pk", "rowid") or name.endswith(("_id", "_key", "_uuid", "_pk", "_no"))
    if not is_key or len(left) > 3:
        return False
    text = "".join(values).strip("'\"")
    return (
        (sign in ("ISNOT",) and text.upper() == "NULL")
        or (sign in (">", ">=") and text in ("0", "-1", "1", ""))
        or (sign in ("<>", "!=") and text in ("0", "-1", ""))
    )


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
