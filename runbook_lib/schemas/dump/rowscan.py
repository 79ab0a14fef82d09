"""Find where a statement's row data ends, many gigabytes a minute, without taking a string for SQL.

Row data is nearly the whole of a dump and nothing in it matters but its end. Python cannot look at each byte, so numpy
looks at 64 of them at a time: one bit a byte for the quotes, minus those that a backslash escapes, tells which of the
few other bytes of interest lie inside a string; a semicolon outside ends the statement. Whatever else could change the
meaning of a quote (a comment, another kind of quote, a backslash outside a string) stops the scan too, and the slow
lexer judges it.

The bit arithmetic is that of Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (VLDB Journal 28, 2019), done
for the words alone that hold such a byte, with the carries between words made whole-array operations.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from runbook_lib.schemas.dump.marks import STEP, Bytes, Marker, Marks, Places, Words
from runbook_lib.schemas.dump.pipeline import worked_ahead

_WORD = np.uint64
_ONE, _TOP, _NONE = _WORD(1), _WORD(63), _WORD(0)
_ALL = ~_NONE
_EVEN = _WORD(0x5555_5555_5555_5555)
_DOUBLING = tuple(_WORD(step) for step in (1, 2, 4, 8, 16, 32))
_AHEAD = 2  # blocks marked ahead


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a turn has found out about its bytes; the rows of the next statement are usually among them.

    `parity` has a word's parity of all quotes up to its end, `strings` the bytes that lie within a string, for the
    words at the marks' places; both as if the turn began outside a string if not `inside`.
    """

    data: bytes
    start: int
    end: int
    inside: bool
    escaped: bool
    marks: Marks
    quotes: Words
    parity: Bytes
    strings: Words
    _stops: dict[bool, list[int]] = field(default_factory=dict)

    def inside_at(self, place: int) -> bool:
        """Tell whether the byte at a place of the turn follows an open quote; at its end, whether one is left open."""
        word, bit = divmod(place, 64)
        before = self.inside ^ bool(word and self.parity[word - 1])
        return before ^ bool(bit and (int(self.quotes[word]) & ((1 << bit) - 1)).bit_count() & 1)

    def stops(self, *, turned: bool) -> list[int]:
        """Return the places of the special bytes outside strings; `turned`: of those that the turn takes for inside."""
        if turned not in self._stops:
            marks = self.marks
            found = _places_of(marks.special & (self.strings if turned else ~self.strings), marks.places)
            self._stops[turned] = found
        return self._stops[turned]


class RowScanner:
    """Scans row data of the usual syntax: single-quoted strings, backslash escapes, delimiter `;`."""

    def __init__(self) -> None:
        self._last: _Turn | None = None
        self._marker = Marker()
        self._block = b""
        self._marks: tuple[Marks, ...] = ()  # of the block above, one a turn

    def marked_ahead(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Return the same blocks; those of a long dump have then been marked in a thread of their own."""
        first = next(blocks, b"")
        if len(first) < STEP:
            yield first
            yield from blocks
            return
        self._block, self._marks = first, ()
        yield first
        marker = Marker()

        def mark(block: bytes) -> tuple[Marks, ...]:
            return tuple(marker.mark(block, start) for start in range(0, len(block), STEP))

        for self._block, self._marks in worked_ahead(blocks, mark, depth=_AHEAD):
            yield self._block

    def stop(self, data: bytes, start: int, *, inside: bool, escaped: bool) -> tuple[int, bool, bool]:
        """Return the place of the first byte at or after `start` that ends row data or needs the slow lexer.

        `inside`: a string is open at `start`; `escaped`: the byte at `start` follows a backslash that escapes it.
        Returns (place, inside, escaped); the place is len(data) when all of it is row data, with the state at its end.
        """
        turn = self._last
        known = turn is not None and turn.data is data and turn.start < start < turn.end
        if turn and known and not inside and not escaped and data[start - 1] != 0x5C:
            # The place lies outside strings; if the turn took it for inside, all it says is turned round.
            found, inside, escaped = _look(turn, start - turn.start, turned=turn.inside_at(start - turn.start))
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
        quotes = marks.quotes
        if not len(marks.places) and not escaped:
            open_after = int(np.bitwise_xor.reduce(quotes)).bit_count() & 1
            return -1, inside ^ bool(open_after), False
        quotes, escaped = _without_escaped(marks, escaped, last=end - start - 1)
        parity = np.bitwise_xor.accumulate(np.bitwise_count(quotes) & 1)
        strings = _strings_at(marks.places, quotes, parity, inside=inside)
        self._last = turn = _Turn(data, start, end, inside, escaped, marks, quotes, parity, strings)
        return _look(turn, 0, turned=False)

    def _marks_of(self, data: bytes, start: int) -> Marks:
        turn, rest = divmod(start, STEP)
        if data is self._block and not rest and turn < len(self._marks):
            return self._marks[turn]
        return self._marker.mark(data, start)


def _look(turn: _Turn, place: int, *, turned: bool) -> tuple[int, bool, bool]:
    """Look from a place of a turn for what stops; `turned`: what the turn takes for strings is outside them."""
    stops = turn.stops(turned=turned)
    first = bisect_left(stops, place)
    if first < len(stops):
        return stops[first], False, False
    return -1, turn.inside ^ bool(turn.parity[-1]) ^ turned, turn.escaped


def _places_of(bits: Words, words: Places) -> list[int]:
    """Return the places of the bits that are set; `words` says which words these are."""
    some = np.flatnonzero(bits)
    found: npt.NDArray[np.intp] = np.flatnonzero(np.unpackbits(bits[some].view(np.uint8), bitorder="little"))
    places: list[int] = (words[some][found >> 6] * 64 + (found & 63)).tolist()
    return places


def _without_escaped(marks: Marks, first: bool, *, last: int) -> tuple[Words, bool]:
    """Return the quotes that no backslash escapes, and whether the byte after `last` is escaped.

    `first`: the first byte is escaped by what came before it.
    """
    places, backslashes = marks.escapes, marks.backslashes
    quotes = marks.quotes.copy()
    if first and not (len(places) and not places[0]):
        quotes[0] &= ~_ONE
        first = False
    if not len(places):
        return quotes, False
    next_to = np.empty(len(places), np.bool_)  # the word before is among them too
    next_to[0], next_to[1:] = True, places[1:] == places[:-1] + 1
    follows = backslashes << _ONE
    starts = backslashes & ~(follows | _EVEN)
    carry = np.empty(len(places) + 1, np.bool_)
    carry[0] = first
    carry[1:] = (starts + backslashes) < starts  # a run of odd length reaches the word's end
    for word in np.flatnonzero(backslashes == _ALL).tolist():  # 64 of them hand on what they were given
        carry[word + 1] = carry[word] and next_to[word]
    given = (carry[:-1] & next_to).astype(_WORD)
    backslashes = backslashes & ~given
    follows = (backslashes << _ONE) | given
    starts = backslashes & ~(follows | _EVEN)
    escaped = (_EVEN ^ ((starts + backslashes) << _ONE)) & follows
    quotes[places] &= ~escaped
    handed = places[carry[1:]] + 1
    quotes[handed[handed < len(quotes)]] &= ~_ONE
    word, bit = divmod(last, 64)
    if places[-1] != word:
        return quotes, False
    return quotes, bool(carry[-1]) if bit == 63 else bool(int(escaped[-1]) >> (bit + 1) & 1)


def _strings_at(places: Places, quotes: Words, parity: Bytes, *, inside: bool) -> Words:
    """Return the bits within strings of the words at some places."""
    before = parity[places - 1].astype(_WORD)
    if len(before) and not places[0]:
        before[0] = 0
    if inside:
        before ^= _ONE
    return _between(quotes[places], _NONE - before)


def _between(quotes: Words, before: Words) -> Words:
    """Return the bits from each opening quote up to before its closing one; `before`: all ones where one is open."""
    strings = quotes
    for step in _DOUBLING:
        strings = strings ^ (strings << step)
    return strings ^ before
