"""Find where a statement's row data ends, many gigabytes a minute, without taking a string for SQL.

Row data is nearly the whole of a dump and nothing in it matters but its end. Python cannot look at each byte, so numpy
looks at 64 of them at a time: one bit a byte for the quotes, minus those that a backslash escapes, gives the bytes that
lie inside a string; a semicolon outside ends the statement. Whatever else could change the meaning of a quote (a
comment, another kind of quote, a backslash outside a string) stops the scan too, and the slow lexer judges it.

The bit arithmetic is that of Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (VLDB Journal 28, 2019), with
the carries between words made whole-array operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from runbook_lib.schemas.dump.marks import STEP, Marker, Marks, Words
from runbook_lib.schemas.dump.pipeline import ahead

_WORD = np.uint64
_ONE, _TOP, _NONE = _WORD(1), _WORD(63), _WORD(0)
_ALL = ~_NONE
_EVEN = _WORD(0x5555_5555_5555_5555)
_DOUBLING = tuple(_WORD(step) for step in (1, 2, 4, 8, 16, 32))
_AHEAD = 2  # blocks marked ahead


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a turn has found out about its bytes; the rows of the next statement are usually among them."""

    data: bytes
    start: int
    end: int
    special: Words | None
    backslashes: Words | None
    strings: Words
    escaped: bool


class RowScanner:
    """Scans row data of the usual syntax: single-quoted strings, backslash escapes, delimiter `;`."""

    def __init__(self) -> None:
        self._last: _Turn | None = None
        self._marker = Marker()
        self._block = b""
        self._marks: tuple[Marks, ...] = ()  # of the block above, one a turn

    def marked_ahead(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Give the same blocks; those of a long dump have then been marked in a thread of their own."""
        first = next(blocks, b"")
        if len(first) < STEP:
            yield first
            yield from blocks
            return
        self._block, self._marks = first, ()
        yield first
        for self._block, self._marks in ahead(_marked(blocks), depth=_AHEAD):
            yield self._block

    def stop(self, data: bytes, start: int, *, inside: bool, escaped: bool) -> tuple[int, bool, bool]:
        """Give the place of the first byte at or after `start` that ends row data or needs the slow lexer.

        `inside`: a string is open at `start`; `escaped`: the byte at `start` follows a backslash that escapes it.
        Gives (place, inside, escaped); the place is len(data) when all of it is row data, with the state there.
        """
        turn = self._last
        known = turn is not None and turn.data is data and turn.start < start < turn.end
        if turn and known and not inside and not escaped and data[start - 1] != 0x5C:
            found, inside, escaped = _reread(turn, start - turn.start)
            if found >= 0:
                return turn.start + found, False, False
            start = turn.end
        while start < len(data):
            found, inside, escaped = self._turn(data, start, inside, escaped)
            if found >= 0:
                return start + found, False, False
            start += STEP
        return len(data), inside, escaped

    def _turn(self, data: bytes, start: int, inside: bool, escaped: bool) -> tuple[int, bool, bool]:
        end, marks = min(start + STEP, len(data)), self._marks_of(data, start)
        quotes, backslashes, special = marks.quotes, marks.backslashes, marks.special
        if backslashes is None and escaped:
            backslashes = np.zeros_like(quotes)
        if backslashes is not None:
            skipped, escaped = _escaped(backslashes, escaped, last=end - start - 1)
            quotes = quotes & ~skipped
        if special is None and backslashes is None:
            odd = int(np.bitwise_xor.reduce(quotes)).bit_count() & 1
            return -1, inside ^ bool(odd), escaped
        strings = _between(quotes, inside)
        self._last = _Turn(data, start, end, special, backslashes, strings, escaped)
        found = _first(_stops(special, backslashes, strings))
        return (found, False, False) if found >= 0 else (-1, bool(int(strings[-1]) >> 63), escaped)

    def _marks_of(self, data: bytes, start: int) -> Marks:
        turn, rest = divmod(start, STEP)
        if data is self._block and not rest and turn < len(self._marks):
            return self._marks[turn]
        return self._marker.mark(data, start)


def _marked(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, tuple[Marks, ...]]]:
    marker = Marker()
    for block in blocks:
        yield block, tuple(marker.mark(block, start) for start in range(0, len(block), STEP))


def _stops(special: Words | None, backslashes: Words | None, strings: Words) -> Words:
    """Give the bits of the special bytes outside strings, backslashes among them."""
    if special is None:
        assert backslashes is not None
        return backslashes & ~strings
    return (special if backslashes is None else special | backslashes) & ~strings


def _first(bits: Words) -> int:
    """Give the place of the first bit, -1 if none is set."""
    words = np.flatnonzero(bits)[:1].tolist()
    if not words:
        return -1
    word = int(bits[words[0]])
    return int(words[0]) * 64 + (word & -word).bit_length() - 1


def _reread(turn: _Turn, place: int) -> tuple[int, bool, bool]:
    """Look from a place within a turn that lies outside strings; what the turn took it for does not matter."""
    before, bit = divmod(place - 1, 64)
    strings = ~turn.strings if int(turn.strings[before]) >> bit & 1 else turn.strings
    stops = _stops(turn.special, turn.backslashes, strings)
    word, bit = divmod(place, 64)
    stops[:word] = 0
    stops[word] &= _ALL << _WORD(bit)
    found = _first(stops)
    return (found, False, False) if found >= 0 else (-1, bool(int(strings[-1]) >> 63), turn.escaped)


def _escaped(backslashes: Words, first: bool, *, last: int) -> tuple[Words, bool]:
    """Give the bits of the bytes that a backslash escapes, and whether the byte after `last` is one of them."""
    follows = backslashes << _ONE
    follows[1:] |= backslashes[:-1] >> _TOP
    follows[0] |= _WORD(first)
    if not (follows & backslashes).any():  # no backslash escapes another: each escapes what follows it
        place, bit = divmod(last, 64)
        return follows, bool(int(backslashes[place]) >> bit & 1)
    follows = backslashes << _ONE
    starts = backslashes & ~(follows | _EVEN)
    carry = np.empty(len(backslashes) + 1, _WORD)
    carry[0] = first
    carry[1:] = (starts + backslashes) < starts  # a run of odd length reaches the word's end
    for word in np.flatnonzero(backslashes == _ALL).tolist():  # 64 of them hand on what they were given
        carry[word + 1] = carry[word]
    given = carry[:-1]
    backslashes = backslashes & ~given
    follows = (backslashes << _ONE) | given
    starts = backslashes & ~(follows | _EVEN)
    runs = starts + backslashes
    escaped = (_EVEN ^ (runs << _ONE)) & follows
    place, bit = divmod(last, 64)
    if bit == 63:
        return escaped, bool(carry[place + 1])
    return escaped, bool(int(escaped[place]) >> (bit + 1) & 1)


def _between(quotes: Words, inside: bool) -> Words:
    """Give the bits from each opening quote up to before its closing one: the exclusive or of all quotes so far."""
    strings = quotes
    for step in _DOUBLING:
        strings = strings ^ (strings << step)
    carry = np.bitwise_xor.accumulate(strings >> _TOP)
    strings[1:] ^= _NONE - carry[:-1]
    return ~strings if inside else strings
