"""Count the rows of a row event and tell which columns an UPDATE changed, without understanding a single value.

Where the rows themselves are asked for, their values stay the bytes that they are logged as: see `binary_values`.

Of every type only the length is needed, so that a type nobody has heard of spoils the events of its own table and no
other. Each event has to come out even: what does not end at its last byte was not understood and raises `NotDecoded`.
Source: MySQL and MariaDB, "Table_map_event" and "Rows_event" of their replication libraries.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_FIXED = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 0, 7: 4, 8: 8, 9: 3, 10: 3, 11: 3, 12: 8, 13: 1, 14: 3}
_FRACTIONS = {17: 4, 18: 5, 19: 3}  # TIMESTAMP, DATETIME, TIME with their bytes before the fraction
_BIT, _DECIMAL, _ENUM, _SET, _STRING, _JSON, _ARRAY = 16, 246, 247, 248, 254, 245, 20
_LENGTHS_OF_ONE_BYTE = {4, 5, 17, 18, 19, 140, 242, 245, 249, 250, 251, 252, 255}
_LENGTHS_OF_TWO_BYTES = {15, 16, 141, 246, 247, 248, 253, 254}
_BLOBS = {140, 242, 245, 249, 250, 251, 252, 255}  # their length stands in so many bytes as their metadata says
_TEXTS = {15, 141, 253}
_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)  # bytes of so many decimal digits
_COLUMN_NAMES = 4
_ONE_BYTE_LENGTH = 256
Values = list[bytes | None]
Image = Mapping[int, bytes | None]
"""One row as it is logged: by the column's place from 0 its bytes, None for NULL. What is not logged is not in it."""
_SHORT_VALUE = 64  # bytes; a longer one is remembered by its hash


class NotDecoded(Exception):
    """A part of a binary log is of a kind that is not known here."""


class Bytes:
    """A piece of an event that is read from its beginning to its end."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        if length < 0 or self.at + length > len(self.data):
            raise NotDecoded("an event ends before its content does")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length: int) -> int:
        """Return a number of so many bytes, the lowest first."""
        return int.from_bytes(self.take(length), "little")

    def packed(self) -> int:
        """Return a number that says itself how many bytes it has."""
        first = self.number(1)
        return first if first < 251 else self.number({252: 2, 253: 3, 254: 8}.get(first, -1))

    @property
    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self.data) - self.at


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How one column is logged: the number of its type, what that needs beside, and the `size`, as in `TableMap`."""

    kind: int
    extra: bytes
    size: int


@dataclass(frozen=True, kw_only=True)
class TableMap:
    """A table as the row events after it are written. `sizes` of each column: bytes, or minus those of its length.

    `why_not` says why its rows cannot be read. `names` are there only where the server logs them.
    """

    schema: str
    table: str
    sizes: tuple[int, ...]
    wires: tuple[Wire, ...] = ()
    json: frozenset[int]
    names: tuple[str, ...] = ()
    why_not: str = ""


@dataclass
class ColumnChange:
    """What UPDATEs did to one column: rows in which it changed, those in which it became NULL, and its new value.

    `value` is the one new value, as bytes nobody understands, or None where there are several.
    """

    rows: int = 0
    became_null: int = 0
    value: bytes | None = None

    def add(self, other: ColumnChange) -> None:
        """Add what other events did to it."""
        self.value = other.value if not self.rows or other.value == self.value else None
        self.rows += other.rows
        self.became_null += other.became_null


@dataclass
class RowImages:
    """The rows of one event: their number, and of an UPDATE what it changed in which column (by its place, from 0).

    `images` are the rows themselves, before and after, where they were asked for.
    """

    rows: int = 0
    columns: dict[int, ColumnChange] = field(default_factory=dict)
    images: list[tuple[Image | None, Image | None]] = field(default_factory=list)


def table_map(body: bytes, *, id_bytes: int) -> tuple[int, TableMap]:
    """Read a table map event's body; return the table's number in this log and the table."""
    read = Bytes(body)
    number = read.number(id_bytes)
    read.take(2)
    schema = read.take(read.number(1) + 1)[:-1].decode(errors="replace")
    table = read.take(read.number(1) + 1)[:-1].decode(errors="replace")
    kinds = read.take(read.packed())
    metadata = Bytes(read.take(read.packed()))
    try:
        wires = [_wire(kind, metadata) for kind in kinds]
    except NotDecoded as error:
        return number, TableMap(schema=schema, table=table, sizes=(), json=frozenset(), why_not=str(error))
    read.take((len(kinds) + 7) // 8)
    return number, TableMap(
        schema=schema,
        table=table,
        sizes=tuple(wire.size for wire in wires),
        wires=tuple(wires),
        json=frozenset(place for place, kind in enumerate(kinds) if kind == _JSON),
        names=_names(read),
    )


def _wire(kind: int, metadata: Bytes) -> Wire:
    extra = metadata.take(1 if kind in _LENGTHS_OF_ONE_BYTE else 2 if kind in _LENGTHS_OF_TWO_BYTES else 0)
    return Wire(kind=kind, extra=extra, size=_size(kind, extra))


def _size(kind: int, extra: bytes) -> int:
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _FRACTIONS:
        return _FRACTIONS[kind] + (extra[0] + 1) // 2
    if kind in _BLOBS:
        return -extra[0]
    if kind in _TEXTS:
        return -1 if struct.unpack("<H", extra)[0] < _ONE_BYTE_LENGTH else -2
    if kind == _BIT:
        return extra[1] + (extra[0] > 0)
    if kind == _DECIMAL:
        whole = extra[0] - extra[1]
        return whole // 9 * 4 + _DIGITS[whole % 9] + extra[1] // 9 * 4 + _DIGITS[extra[1] % 9]
    if kind in (_ENUM, _SET):
        return extra[1]
    if kind == _STRING:
        # the two highest bits of a length stand, inverted, in the byte of the real type
        real, length = extra[0] | 0x30, extra[1] | ((extra[0] & 0x30 ^ 0x30) << 4)
        if real in (_ENUM, _SET):
            return length
        return -1 if length < _ONE_BYTE_LENGTH else -2
    raise NotDecoded(f"a column's type {kind} is not known")


def _names(read: Bytes) -> tuple[str, ...]:
    """Return the columns' names where the server logs them; nothing else of the optional metadata is needed."""
    try:
        while read.left:
            kind, content = read.number(1), Bytes(read.take(read.packed()))
            if kind == _COLUMN_NAMES:
                names = []
                while content.left:
                    names.append(content.take(content.packed()).decode(errors="replace"))
                return tuple(names)
    except NotDecoded:
        return ()
    return ()


def row_images(body: bytes, table: TableMap, *, verb: str, partial: bool = False, keep: bool = False) -> RowImages:
    """Read the rows of an event from its column count on; `keep` keeps the rows themselves.

    Raises:
        NotDecoded: it does not come out even, or the table has a column of an unknown type.
    """
    if table.why_not:
        raise NotDecoded(table.why_not)
    updated = verb == "update"
    read = Bytes(body)
    count = read.packed()
    if count != len(table.sizes):
        raise NotDecoded("an event has another number of columns than its table")
    bits = (count + 7) // 8
    before = _present(read.take(bits), count)
    after = _present(read.take(bits), count) if updated else before
    if not updated and not keep:
        return RowImages(rows=_counted(read.data, read.at, [table.sizes[place] for place in before]))
    found = RowImages()
    while read.left:
        old = _row(read, table, before)
        found.rows += 1
        if not updated:
            image = dict(zip(before, old, strict=True))
            found.images.append((None, image) if verb == "insert" else (image, None))
            continue
        new = _row(read, table, after, partial=partial)
        _compare(found, before, old, after, new)
        if keep:
            whole = [n for n, place in enumerate(after) if not partial or place not in table.json]
            changed = {after[n]: new[n] for n in whole}
            found.images.append((dict(zip(before, old, strict=True)), changed))
    return found


def _counted(data: bytes, at: int, sizes: Sequence[int]) -> int:
    """Count rows without looking at a value: most of a log is of rows that were written, of which the number counts."""
    null_bytes = (len(sizes) + 7) // 8
    no_null = bytes(null_bytes)
    steps: list[int] = []  # columns of fixed sizes that follow each other are one step
    for size in sizes:
        if size >= 0 and steps and steps[-1] >= 0:
            steps[-1] += size
        else:
            steps.append(size)
    rows, end = 0, len(data)
    while at < end:
        nulls = data[at : at + null_bytes]
        at += null_bytes
        left = steps
        if nulls != no_null:
            left = [size for place, size in enumerate(sizes) if not nulls[place >> 3] >> (place & 7) & 1]
        for size in left:
            if size >= 0:
                at += size
            elif size == -1:
                at += data[at] + 1
            else:
                at += int.from_bytes(data[at : at - size], "little") - size
        rows += 1
    if at != end:
        raise NotDecoded("an event ends before its rows do")
    return rows


def _present(bits: bytes, count: int) -> tuple[int, ...]:
    return tuple(place for place in range(count) if bits[place // 8] >> place % 8 & 1)


def _row(read: Bytes, table: TableMap, present: Sequence[int], *, partial: bool = False) -> Values:
    """Return the values of a row as the bytes that they are logged as, None for NULL."""
    if partial and read.packed() & 1:
        read.take((len(table.json) + 7) // 8)  # which JSON values are logged by their differences: as long as others
    data = read.data
    nulls = read.take((len(present) + 7) // 8)
    at, end = read.at, len(data)
    values: Values = []
    for index, place in enumerate(present):
        if nulls[index >> 3] >> (index & 7) & 1:
            values.append(None)
            continue
        size = table.sizes[place]
        if size < 0:
            size = int.from_bytes(data[at : at - size], "little") - size
        values.append(data[at : at + size])
        at += size
        if at > end:
            raise NotDecoded("an event ends before its rows do")
    read.at = at
    return values


def _compare(
    found: RowImages,
    before: Sequence[int],
    old: Sequence[bytes | None],
    after: Sequence[int],
    new: Sequence[bytes | None],
) -> None:
    known = dict(zip(before, old, strict=True)) if before != after else None
    for index, place in enumerate(after):
        value = new[index]
        if known is None:
            if value == old[index]:
                continue
            was_null = old[index] is None
        else:  # a log of minimal images holds of the new row only what was set
            if place in known and known[place] == value:
                continue
            was_null = False
        change = found.columns.get(place)
        became_null = int(value is None and not was_null)
        if change is None:
            found.columns[place] = ColumnChange(rows=1, became_null=became_null, value=_remembered(value))
            continue
        if change.value is not None and change.value != _remembered(value):
            change.value = None
        change.rows += 1
        change.became_null += became_null


def _remembered(value: bytes | None) -> bytes:
    if value is None:
        return b"NULL"
    return b"=" + (value if len(value) <= _SHORT_VALUE else hashlib.sha256(value).digest())
