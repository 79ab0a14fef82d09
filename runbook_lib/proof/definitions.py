"""Compare the definitions of two tables as their servers describe them, apart from what only counts or decorates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database

# in the line of options, which is not the last one of a partitioned table; before its comment
_COUNTER = re.compile(r"^(\).*?ENGINE=\w+) AUTO_INCREMENT=\d+")
_WIDTH = re.compile(r"\b((?:tiny|small|medium|big)?int)\(\d+\)")
_OWN_NAME = re.compile(r"^CREATE TABLE `(?:[^`]|``)+`")
_NAME = r"`(?:[^`]|``)+`"
_ITEM = re.compile(
    rf"^\s*({_NAME}|PRIMARY KEY|(?:UNIQUE |FULLTEXT |SPATIAL )?KEY {_NAME}|CONSTRAINT {_NAME}|PERIOD `history`)"
)
MOST = 20


def read_definition(database: Database, table: TableName, *, versioned: bool = False) -> str:
    """Return a table's definition in one form: without its name, its counter, and widths that only pad.

    To that of a versioned table the number of rows in its history is added.
    """
    shown = str(database.rows(f"SHOW CREATE TABLE {table.sql}")[0][1])
    lines = _OWN_NAME.sub("CREATE TABLE", shown).splitlines()
    lines = [_COUNTER.sub(r"\1", line) for line in lines]
    if versioned:
        history = database.value(f"SELECT COUNT(*) FROM {table.sql} FOR SYSTEM_TIME ALL")  # noqa: S608  # quoted
        lines.append(f"PERIOD `history`: {history} rows with its past ones")
    return "\n".join(_WIDTH.sub(r"\1", line) if "zerofill" not in line.lower() else line for line in lines)


def differing(expected: str, found: str) -> tuple[str, ...]:
    """Say what differs between two definitions, item by item; nothing if they are equal."""
    expected_items, found_items = _items(expected), _items(found)
    lines = list(_item_lines(expected_items, found_items))
    if not lines and list(expected_items) != list(found_items):
        lines.append("the columns or keys are in another order")
    return (*lines[:MOST], *([f"and {len(lines) - MOST} more"] if len(lines) > MOST else []))


def _items(definition: str) -> dict[str, str]:
    items: dict[str, str] = {}
    for line in definition.splitlines()[1:]:
        found = _ITEM.match(line)
        name = found[1] if found else "options" if line.startswith(")") else line.strip()
        items[name] = line.strip().rstrip(",").removeprefix(") ")
    return items


def _item_lines(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name, line in expected.items():
        if name not in found:
            yield f"{name} is not there: {line}"
        elif found[name] != line:
            yield f"{name}: {line} expected, {found[name]} found"
    for name, line in found.items():
        if name not in expected:
            yield f"{name} is not expected: {line}"
