"""Walk a table by a unique key: which key serves, and ranges of it as SQL that both servers read alike.

A range is half open, [low, high), with each end a tuple of key values as SQL literals. The server compares them, in the
key's own collation: letters that it takes for equal, and trailing spaces, fall on the same side of an end on both
servers as long as both have the same collation. A key without that is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.mysql import quoted
from runbook_lib.proof.encoding import MOMENTS, NUMBERS
from runbook_lib.proof.facts import Column, TableFacts

_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_TEXTS = frozenset({"char", "varchar"})
_BYTES = frozenset({"binary", "varbinary"})

Edge = tuple[str, ...]
"""Where a range begins or ends: one SQL literal for each column of the key. Empty: open."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key that tells rows apart on both sides, by the name of its index on each."""

    columns: tuple[Column, ...]
    expected_index: str
    found_index: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of its columns."""
        return tuple(column.name for column in self.columns)

    @property
    def is_whole_number(self) -> bool:
        """Tell a key whose ranges can be computed."""
        return len(self.columns) == 1 and self.columns[0].kind in _WHOLE

    @property
    def listed(self) -> str:
        """Return its columns for ORDER BY."""
        return ", ".join(map(quoted, self.names))

    @property
    def values(self) -> tuple[str, ...]:
        """Return the expressions of its values as bytes, for `edge` and for telling rows apart."""
        return tuple(
            f"CAST({quoted(column.name)}{' + 0' if 'zerofill' in column.type else ''} AS BINARY)"
            for column in self.columns
        )

    def edge(self, values: Sequence[bytes]) -> Edge:
        """Make an edge of the values that `values` gave."""
        return tuple(_literal(column, value) for column, value in zip(self.columns, values, strict=True))

    def within(self, low: Edge, high: Edge) -> str:
        """Return the condition for a range of it."""
        if self.is_whole_number and low and high:
            # one comparison where two would cost a row 20 ns more
            return f"{quoted(self.names[0])} BETWEEN {low[0]} AND {int(high[0]) - 1}"
        conditions = []
        if low:
            conditions.append(self._compared(low, ">", ">="))
        if high:
            conditions.append(self._compared(high, "<", "<"))
        return " AND ".join(conditions) or "TRUE"

    def equals(self, edge: Edge) -> str:
        """Return the condition for one row."""
        return " AND ".join(f"{quoted(name)} = {value}" for name, value in zip(self.names, edge, strict=True))

    def _compared(self, edge: Edge, strictly: str, at_last: str) -> str:
        # not (a, b) >= (1, 2): the servers do not use an index for it
        arms = []
        for depth, (name, value) in enumerate(zip(self.names, edge, strict=True)):
            sign = at_last if depth == len(edge) - 1 else strictly
            before = [f"{quoted(n)} = {v}" for n, v in zip(self.names[:depth], edge[:depth], strict=True)]
            arms.append(" AND ".join([*before, f"{quoted(name)} {sign} {value}"]))
        if len(arms) == 1:
            return arms[0]
        outer = f"{quoted(self.names[0])} {strictly[0]}= {edge[0]}"
        return f"{outer} AND ({' OR '.join(f'({arm})' for arm in arms)})"


def choose_key(expected: TableFacts, found: TableFacts) -> Key | None:
    """Return the shortest unique key over whole NOT NULL columns that both sides have and compare alike."""
    found_names = {index.columns: index.name for index in found.unique}
    usable = [
        Key(
            columns=tuple(expected.columns[name] for name in index.columns),
            expected_index=index.name,
            found_index=found_names[index.columns],
        )
        for index in expected.unique
        if index.columns in found_names and all(_alike(expected, found, name) for name in index.columns)
    ]
    return min(usable, key=lambda key: (key.expected_index != "PRIMARY", len(key.columns)), default=None)


def _alike(expected: TableFacts, found: TableFacts, name: str) -> bool:
    left, right = expected.columns.get(name), found.columns.get(name)
    if left is None or right is None or left.nullable or right.nullable or left.generated or right.generated:
        return False
    for kinds in (_WHOLE, _TEXTS):
        if left.kind in kinds and right.kind in kinds:
            return left.collation == right.collation
    # the same value may be written otherwise by another type
    return left.type == right.type and left.kind in _BYTES | MOMENTS | NUMBERS


def _literal(column: Column, value: bytes) -> str:
    if column.kind in NUMBERS:
        return value.decode("ascii")
    if column.kind in MOMENTS:
        return f"'{value.decode('ascii')}'"
    if column.kind in _TEXTS:
        return f"_{column.charset} X'{value.hex()}'"
    return f"X'{value.hex()}'"
