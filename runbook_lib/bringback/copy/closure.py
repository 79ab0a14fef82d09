"""Which tables must be swapped together: everything that foreign keys tie to a chosen table, in both directions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from runbook_lib.bringback.copy.facts import ForeignKey
from runbook_lib.inventory import TableName


def closure(tables: Iterable[TableName], *keys: Iterable[ForeignKey]) -> tuple[TableName, ...]:
    """Return the tables and all that are tied to them by any of the foreign keys, sorted.

    A parent that is swapped alone leaves its children's keys on the old table, and a child that is swapped alone has
    keys on the parent that goes away.
    """
    tied: dict[TableName, set[TableName]] = defaultdict(set)
    for key in (key for some in keys for key in some):
        tied[key.table].add(key.parent)
        tied[key.parent].add(key.table)
    found: set[TableName] = set()
    waiting = list(tables)
    while waiting:
        table = waiting.pop()
        if table not in found:
            found.add(table)
            waiting.extend(tied[table] - found)
    return tuple(sorted(found))
