"""Take CREATE TABLE apart: the table as it is loaded, and what is added when the rows are in it.

Secondary indexes are built faster from a filled table than row by row, and foreign keys must point at the tables that
are swapped together. SHOW CREATE TABLE is read by its marks: names in backticks, texts in quotes, parentheses and
commas; what is written within a name or a text is never taken for a word of the definition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted

_MARK = re.compile(r"`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|\w+|\s+|.", re.DOTALL)
_SECONDARY = {("KEY",), ("UNIQUE", "KEY"), ("FULLTEXT", "KEY"), ("SPATIAL", "KEY")}


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A table's statements: `create` before the rows, `keys` and `foreign_keys` as clauses of an ALTER TABLE.

    `constraints` are all its indexes, foreign keys and checks, as the server writes them.
    """

    create: str
    keys: tuple[str, ...]
    foreign_keys: tuple[str, ...]
    constraints: tuple[str, ...]

    def add_keys(self, table: TableName) -> tuple[str, ...]:
        """Write the statements that add the secondary indexes: InnoDB makes one FULLTEXT index at a time."""
        fulltext = [clause for clause in self.keys if clause.startswith("ADD FULLTEXT")]
        together = [clause for clause in self.keys if clause not in fulltext]
        return tuple(_alter(table, clauses) for clauses in (together, *([clause] for clause in fulltext)) if clauses)

    def add_foreign_keys(self, table: TableName) -> str:
        """Write the statement that adds the foreign keys, empty if there are none."""
        return _alter(table, self.foreign_keys) if self.foreign_keys else ""


def take_apart(
    shown: str, *, table: TableName, place: Callable[[TableName], TableName], counted: str, keys_later: bool
) -> Definition:
    """Take a table's SHOW CREATE TABLE apart for a table of another schema.

    `place` tells where a referenced table will be; `counted` is the AUTO_INCREMENT column, whose index must be in the
    table from the beginning. Without `keys_later` all indexes are.
    """
    parts, options = _split(shown)
    has_primary = any(_words(part)[:2] == ("PRIMARY", "KEY") for part in parts)
    kept: list[str] = []
    keys: list[str] = []
    foreign: list[str] = []
    constraints: list[str] = []
    for part in parts:
        if not part.startswith("`"):
            constraints.append(part)
        if is_foreign(part):
            foreign.append("ADD " + _placed(part, table, place))
        elif keys_later and _is_secondary(part) and not _needed(part, counted, has_primary):
            keys.append(f"ADD {part}")
        else:
            kept.append(part)
    new = place(table)
    body = ",\n  ".join(kept)
    create = f"CREATE TABLE {quoted(new.schema, new.name)} (\n  {body}\n{_without_counter(options)}"
    return Definition(
        create=create, keys=tuple(keys), foreign_keys=tuple(foreign), constraints=tuple(sorted(constraints))
    )


def without_counter(shown: str) -> str:
    """Return a definition without the next AUTO_INCREMENT value, which changes with every row."""
    _, options = _split(shown)
    return shown[: len(shown) - len(options)] + _without_counter(options)


def constraints_of(shown: str) -> frozenset[str]:
    """Return a table's indexes, foreign keys and checks, as the server writes them."""
    return frozenset(part for part in _split(shown)[0] if not part.startswith("`"))


def constraint_names(shown: str, *, checks: bool) -> frozenset[str]:
    """Return the names of a table's foreign keys, with `checks` of its checks too, which are one in their schema."""
    named = (part for part in _split(shown)[0] if _words(part)[:1] == ("CONSTRAINT",))
    return frozenset(key_name(part) for part in named if checks or is_foreign(part))


def with_constraints_renamed(shown: str, names: Mapping[str, str]) -> str:
    """Return a definition with other names for some of its foreign keys and checks."""
    marks = list(_marks(shown))
    for at, mark in enumerate(marks):
        if mark == "CONSTRAINT" and (new := names.get(_unquoted(marks[at + 2]))):
            marks[at + 2] = quoted(new)
    return "".join(marks)


def constraint_name(clause: str) -> str:
    """Return what kind of constraint a clause is, and its name: there is one PRIMARY KEY."""
    return "PRIMARY" if clause.startswith("PRIMARY KEY") else f"{_words(clause)[-1:]} {key_name(clause)}"


def key_name(clause: str) -> str:
    """Return the name of the index that a clause "[ADD] … KEY `name` (…)" makes."""
    return _unquoted(next(mark for mark in _marks(clause) if mark.startswith("`")))


def _words(part: str) -> tuple[str, ...]:
    """Return the words that a definition begins with, up to its first name or parenthesis."""
    found: list[str] = []
    for mark in _marks(part):
        if mark.isspace():
            continue
        if not re.fullmatch(r"\w+", mark):
            break
        found.append(mark)
    return tuple(found)


def _is_secondary(part: str) -> bool:
    return _words(part) in _SECONDARY


def is_foreign(part: str) -> bool:
    """Tell whether a clause of a definition is a foreign key."""
    marks = [mark for mark in _marks(part) if not mark.isspace()]
    return marks[0] == "CONSTRAINT" and marks[2:4] == ["FOREIGN", "KEY"]


def _needed(part: str, counted: str, has_primary: bool) -> bool:
    """Tell whether an index must be there before the rows: for AUTO_INCREMENT, or to order a table without a key."""
    names = [mark for mark in _marks(part) if mark.startswith("`")]
    if counted and quoted(counted) in names[1:2]:
        return True
    return part.startswith("UNIQUE") and not has_primary


def _placed(part: str, table: TableName, place: Callable[[TableName], TableName]) -> str:
    """Write a foreign key that points at its parent's place. The parent's name follows the only bare REFERENCES."""
    marks = list(_marks(part))
    at = marks.index("REFERENCES") + 2
    schema, name, end = (marks[at], marks[at + 2], at + 3) if marks[at + 1] == "." else ("", marks[at], at + 1)
    parent = TableName(schema=_unquoted(schema) if schema else table.schema, name=_unquoted(name))
    return "".join(marks[:at]) + place(parent).sql + "".join(marks[end:])


def _without_counter(options: str) -> str:
    marks = list(_marks(options))
    for at, mark in enumerate(marks):
        if mark == "AUTO_INCREMENT" and marks[at + 1] == "=":
            return "".join(marks[: at - 1] + marks[at + 3 :])
    return options


def _split(shown: str) -> tuple[list[str], str]:
    """Split the definitions between the outer parentheses at their commas; return them and what follows, from ")"."""
    parts: list[str] = []
    depth = at = start = 0
    for mark in _marks(shown):
        depth += (mark == "(") - (mark == ")")
        if mark == "(" and depth == 1:
            start = at + 1
        elif (mark == "," and depth == 1) or (mark == ")" and depth == 0):
            parts.append(shown[start:at].strip())
            start = at + 1
        at += len(mark)
        if mark == ")" and depth == 0:
            return parts, shown[at - 1 :]
    raise ValueError("unbalanced definition")


def _marks(text: str) -> Iterator[str]:
    return (found[0] for found in _MARK.finditer(text))


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`")


def _alter(table: TableName, clauses: list[str] | tuple[str, ...]) -> str:
    return f"ALTER TABLE {table.sql}\n  " + ",\n  ".join(clauses)
