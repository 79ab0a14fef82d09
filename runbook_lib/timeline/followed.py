"""What is kept of a table, a loss, a burst of changes and a transaction while a binary log is followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from runbook_lib.inventory import TableName
from runbook_lib.mysql.binary_rows import ColumnChange

MANY = 1000
"""So many rows are many, whatever the size of their table."""
ALMOST_ALL = 0.95
"""A table with so much of its rows again is refilled: a night's load may bring a few rows fewer."""
CHUNKS = timedelta(minutes=10)  # deletes and updates of one table with shorter pauses between are one doing
MOMENT, _LASTING = timedelta(minutes=1), timedelta(hours=1)
SINGLE = 10  # rows; transactions of fewer are everyday work, and belong together only without a pause
_NOT_PART = 0.05  # of the largest transaction: smaller ones at the edges are somebody else's
LEAST = 5  # rows; fewer are not followed
LARGE, MOST_LARGE = 100, 40
MOST_TEXTS = 200  # of statements that are alike
NEVER = datetime.min.replace(tzinfo=UTC)
OF_ROWS = frozenset({"DELETE", "UPDATE"})


@dataclass
class Loss:
    """Something that was taken away or changed, while what became of it is followed.

    `net` and `basis` are the table's when it began: with both unchanged in their meaning, its size then can be worked
    out from its size now.
    """

    kind: str
    table: TableName
    at: datetime
    until: datetime
    object: str = "TABLE"
    rows: int | None = None
    of: int | None = None
    need: int | None = None
    made: datetime | None = None
    remade: datetime | None = None
    refilled: datetime | None = None
    written: int = 0
    counted: bool = True
    changes: dict[int, ColumnChange] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    width: int = 0
    detail: str = ""
    like: str = ""
    whole: bool = False
    thread: int = 0
    account: str = ""
    net: int = 0
    basis: int = 0

    def is_made(self, at: datetime) -> None:
        """Note that the table was made again."""
        self.remade = self.remade or at
        if self.object != "TABLE" or self.of == 0:
            self.refilled = self.refilled or at

    def is_filled(self, at: datetime, rows: int | None) -> None:
        """Note that rows were written to the table; None: so many that the log does not tell."""
        if rows is None:
            self.counted = False
            self.refilled = self.refilled or at
            return
        self.written += rows
        enough = self.need if self.need is not None else MANY
        if self.refilled is None and self.written >= enough:
            self.refilled = at


@dataclass
class Part:
    """What one transaction took from a table or changed in it, or several small ones within a minute."""

    at: datetime
    until: datetime
    transaction: int
    thread: int
    account: str
    net: int
    rows: int = 0
    changes: dict[int, ColumnChange] = field(default_factory=dict)


@dataclass
class Burst:
    """Deletes or updates of one table that follow each other, and what was written to it meanwhile."""

    parts: list[Part]
    of: int | None
    basis: int
    names: tuple[str, ...]
    width: int
    written: int = 0
    refilled: datetime | None = None

    @property
    def rows(self) -> int:
        """All rows of it."""
        return sum(part.rows for part in self.parts)

    def is_filled(self, at: datetime, rows: int) -> None:
        """Note that rows were written to the table meanwhile."""
        self.written += rows
        if self.written >= ALMOST_ALL * self.rows:
            self.refilled = self.refilled or at


@dataclass
class TableState:
    """A table under its present name. `rows` is its count, `net` the difference since it was first met."""

    rows: int | None = None
    exists: bool | None = None
    made: datetime | None = None
    net: int = 0
    basis: int = 0
    fills: list[int] = field(default_factory=list)
    added: dict[str, datetime] = field(default_factory=dict)
    open: list[Loss] = field(default_factory=list)
    bursts: dict[str, Burst] = field(default_factory=dict)
    inserted: tuple[int, int] = (0, 0)  # in which transaction so many rows were written last

    def add(self, rows: int | None) -> None:
        """Count rows that were written (or, negative, taken away)."""
        if rows is None:
            self.unknown()
            return
        self.net += rows
        if self.rows is not None:
            self.rows = self.rows + rows if self.rows + rows >= 0 else None

    def unknown(self) -> None:
        """Note that its number of rows is not known from here on."""
        self.rows, self.basis = None, self.basis + 1


@dataclass
class Large:
    """A transaction while it is read: per table the rows written, changed and taken away, and the columns changed."""

    number: int
    at: datetime
    thread: int = 0
    account: str = ""
    tables: dict[TableName, list[int]] = field(default_factory=dict)
    columns: dict[TableName, set[int]] = field(default_factory=dict)
    of: dict[TableName, int | None] = field(default_factory=dict)
    names: dict[TableName, tuple[str, ...]] = field(default_factory=dict)
    widths: dict[TableName, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All rows of it."""
        return sum(map(sum, self.tables.values()))


def is_place(loss: Loss, at: datetime) -> bool:
    """Tell a name that a lasting table had, and that another one takes now."""
    lasting = loss.made is None or loss.at - loss.made > _LASTING or loss.at == at
    return loss.remade is None and lasting


def needed(table: TableState) -> int | None:
    """Return how many rows make a table refilled: almost all it had, or as few as an earlier night left it with."""
    usual = [rows for rows in table.fills if 2 * rows >= (table.rows if table.rows is not None else max(table.fills))]
    known = [] if table.rows is None else [round(ALMOST_ALL * table.rows)]
    return min([*known, *usual], default=None)


def doings(parts: list[Part]) -> Iterator[list[Part]]:
    """Cut what small transactions of somebody else stand at the edges of a burst, and small ones at their pauses."""
    most = max(part.rows for part in parts)
    if most >= SINGLE:
        large = [place for place, part in enumerate(parts) if part.rows >= _NOT_PART * most]
        yield parts[large[0] : large[-1] + 1]
        return
    doing: list[Part] = []
    for part in parts:
        if doing and abs(part.at - doing[-1].until) > MOMENT:
            yield doing
            doing = []
        doing.append(part)
    yield doing


def same_value(changes: dict[int, ColumnChange]) -> bool:
    """Tell whether some column got one value in every row in which it changed."""
    return any(change.value is not None for change in changes.values())
