"""Take CREATE TABLE apart: the table as it is loaded, and what is added when the rows are there.

Secondary indexes are built faster from a filled table than row by row, and foreign keys must point at the tables that
are swapped together. SHOW CREATE TABLE is the server's own writing: one definition a line, names in backticks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted

_NAME = r"`(?:[^`]|``)+`"
_REFERENCES = re.compile(rf"REFERENCES ({_NAME})(?:\.({_NAME}))? \(")
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_SECONDARY = re.compile(r"(?:UNIQUE |FULLTEXT |SPATIAL )?KEY ")
_FOREIGN = re.compile(rf"CONSTRAINT {_NAME} FOREIGN KEY ")
_FIRST = re.compile(rf"KEY {_NAME}[^(]*\(({_NAME})")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A table's statements: `create` before the rows, `keys` and `foreign_keys` as clauses of one ALTER TABLE each."""

    create: str
    keys: tuple[str, ...]
    foreign_keys: tuple[str, ...]

    def add_keys(self, table: TableName) -> str:
        """Write the statement that adds the secondary indexes, empty if there are none."""
        return _alter(table, self.keys)

    def add_foreign_keys(self, table: TableName) -> str:
        """Write the statement that adds the foreign keys, empty if there are none."""
        return _alter(table, self.foreign_keys)


def take_apart(
    shown: str, *, table: TableName, place: Callable[[TableName], TableName], counted: str, keys_later: bool
) -> Definition:
    """Take a table's SHOW CREATE TABLE apart for a table of another schema.

    `place` tells where a referenced table will be; `counted` is the AUTO_INCREMENT column, whose index must be
    there from the beginning. Without `keys_later` all indexes are.
    """
    opening = shown.index("(")
    parts, rest = _split(shown, opening)
    has_primary = any(part.startswith("PRIMARY KEY") for part in parts)
    kept: list[str] = []
    keys: list[str] = []
    foreign: list[str] = []
    for part in parts:
        if _FOREIGN.match(part):
            foreign.append("ADD " + _placed(part, table, place))
        elif keys_later and _SECONDARY.match(part) and not _needed(part, counted, has_primary):
            keys.append(f"ADD {part}")
        else:
            kept.append(part)
    new = place(table)
    body = ",\n  ".join(kept)
    create = f"CREATE TABLE {quoted(new.schema, new.name)} (\n  {body}\n{_COUNTER.sub('', rest, count=1)}"
    return Definition(create=create, keys=tuple(keys), foreign_keys=tuple(foreign))


def without_counter(shown: str) -> str:
    """Return a definition without the next AUTO_INCREMENT value, which changes with every row."""
    opening = shown.index("(")
    _, rest = _split(shown, opening)
    return shown[: len(shown) - len(rest)] + _COUNTER.sub("", rest, count=1)


def _needed(part: str, counted: str, has_primary: bool) -> bool:
    """Tell whether an index must be there before the rows: for AUTO_INCREMENT, or to order a table without a key."""
    first = _FIRST.search(part)
    if counted and first and first[1] == quoted(counted):
        return True
    return part.startswith("UNIQUE") and not has_primary


def _placed(part: str, table: TableName, place: Callable[[TableName], TableName]) -> str:
    def moved(found: re.Match[str]) -> str:
        names = [name[1:-1].replace("``", "`") for name in found.groups() if name]
        parent = TableName(schema=names[0] if len(names) == 2 else table.schema, name=names[-1])
        return f"REFERENCES {place(parent).sql} ("

    return _REFERENCES.sub(moved, part, count=1)


def _split(shown: str, opening: int) -> tuple[list[str], str]:
    """Split the definitions between the outer parentheses at their commas; return them and what follows, from ")"."""
    parts: list[str] = []
    depth, at, start = 0, opening, opening + 1
    while at < len(shown):
        char = shown[at]
        if char in "'`\"":
            at = _closing(shown, at)
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                parts.append(shown[start:at].strip())
                return parts, shown[at:]
        elif char == "," and depth == 1:
            parts.append(shown[start:at].strip())
            start = at + 1
        at += 1
    raise ValueError("unbalanced definition")


def _closing(shown: str, at: int) -> int:
    """Return the place of the quote that ends what begins at `at`; a doubled quote is part of it."""
    mark, at = shown[at], at + 1
    while shown[at] != mark or shown[at + 1 : at + 2] == mark:
        at += 2 if shown[at] == mark or (shown[at] == "\\" and mark != "`") else 1
    return at


def _alter(table: TableName, clauses: tuple[str, ...]) -> str:
    return f"ALTER TABLE {table.sql}\n  " + ",\n  ".join(clauses) if clauses else ""
