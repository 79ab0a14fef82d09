"""Find where a statement's row data ends, many gigabytes a minute, without taking a string for SQL.

Row data is nearly the whole of a dump and nothing in it matters but its end. Python cannot look at each byte, so numpy
looks at 64 of them at a time: one bit a byte for the quotes, minus those that a backslash escapes, gives the bytes that
lie inside a string; a semicolon outside ends the statement. Whatever else could change the meaning of a quote (a
comment, another kind of quote, a backslash outside a string) stops the scan too, and the slow lexer judges it.

The bit arithmetic is that of Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (VLDB Journal 28, 2019), with
the carries between words made whole-array operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_WORD = np.uint64
_ONE, _TOP, _NONE = _WORD(1), _WORD(63), _WORD(0)
_ALL = ~_NONE
_EVEN = _WORD(0x5555_5555_5555_5555)
_DOUBLING = tuple(_WORD(step) for step in (1, 2, 4, 8, 16, 32))
_STEP = 1 << 19  # bytes a turn: fewer and longer numpy calls win over the second-level cache up to here

# What can end row data or change what a quote means there: end, "strings", `names`, # comments, /* comments.
_SPECIAL = b';"`#*'


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
        self._bytes = np.empty(_STEP, np.uint8)
        self._padded = np.zeros(_STEP, np.uint8)
        self._zeros = np.empty(_STEP, np.uint8)

    def stop(self, data: bytes, start: int, *, inside: bool, escaped: bool) -> tuple[int, bool, bool]:
        """Give the place of the first byte at or after `start` that ends row data or needs the slow lexer.

        `inside`: a string is open at `start`; `escaped`: the byte at `start` follows a backslash that escapes it.
        Gives (place, inside, escaped); the place is len(data) when all of it is row data, with the state there.
        """
        view = np.frombuffer(data, np.uint8)
        turn = self._last
        known = turn is not None and turn.data is data and turn.start < start < turn.end
        if turn and known and not inside and not escaped and data[start - 1] != 0x5C:
            found, inside, escaped = _reread(turn, start - turn.start)
            if found >= 0:
                return turn.start + found, False, False
            start = turn.end
        while start < len(data):
            end = min(start + _STEP, len(data))
            block = view[start:end]
            if size := len(block) % 64:
                whole = len(block) + 64 - size
                self._padded[: len(block)] = block
                self._padded[len(block) : whole] = 0
                block = self._padded[:whole]
            found, inside, escaped = self._turn(data, start, end, block, inside, escaped)
            if found >= 0:
                return start + found, False, False
            start = end
        return len(data), inside, escaped

    def _turn(
        self, data: bytes, start: int, end: int, block: npt.NDArray[np.uint8], inside: bool, escaped: bool
    ) -> tuple[int, bool, bool]:
        quotes = self._where(block, 0x27)
        backslashes = None
        if escaped or data.find(b"\\", start, end) >= 0:
            backslashes = self._where(block, 0x5C)
            skipped, escaped = _escaped(backslashes, escaped, last=end - start - 1)
            quotes &= ~skipped
        special = self._specials(data, start, end, block)
        if special is None and backslashes is None:
            odd = int(np.bitwise_xor.reduce(quotes)).bit_count() & 1
            return -1, inside ^ bool(odd), escaped
        strings = _between(quotes, inside)
        self._last = _Turn(data, start, end, special, backslashes, strings, escaped)
        found = _first(_stops(special, backslashes, strings))
        return (found, False, False) if found >= 0 else (-1, bool(int(strings[-1]) >> 63), escaped)

    def _where(self, block: npt.NDArray[np.uint8], byte: int) -> Words:
        """Give a bit a byte, set where the byte is found. An exclusive or and a pack are cheaper than a comparison."""
        scratch = self._bytes[: len(block)]
        np.bitwise_xor(block, np.uint8(byte), out=scratch)
        return ~np.packbits(scratch, bitorder="little").view(_WORD)

    def _specials(self, data: bytes, start: int, end: int, block: npt.NDArray[np.uint8]) -> Words | None:
        """Give the bits of every byte that may end row data or begin another kind of quote; None if there is none.

        A pair of dashes is marked at its second dash; one at the block's first byte counts, as it may follow another.
        """
        scratch, zeros = self._bytes[: len(block)], self._zeros[: len(block)]
        np.bitwise_xor(block, np.uint8(0x2D), out=scratch)
        np.bitwise_or(scratch[1:], scratch[:-1], out=zeros[1:])
        zeros[0] = scratch[0]
        found = not zeros.view(np.bool_).all()
        for byte in _SPECIAL:
            if data.find(byte, start, end) >= 0:
                np.bitwise_xor(block, np.uint8(byte), out=scratch)
                np.minimum(zeros, scratch, out=zeros)
                found = True
        return ~np.packbits(zeros, bitorder="little").view(_WORD) if found else None


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
