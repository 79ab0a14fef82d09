"""Mark the bytes of a block of row data that can matter: quotes, backslashes, and whatever may end the rows.

In row data that is nothing but values, a bracket follows a comma, no variable is set, and no word has the letter T:
neither NULL nor a number, hexadecimal or `_binary`. A function's call, a subquery, a sequence's next value and whatever
follows the rows have one of these; they are marked too (`odd`).

This looks at each byte without knowing what came before it, so it can be done ahead, in a thread of its own. A row has
many quotes and hardly ever one of the others: the quotes are one bit a byte of the whole block, the others are kept for
those words only in which there are any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

STEP = 2 << 20  # bytes a turn: fewer and longer numpy calls win over the second-level cache

# What can end row data or change what a quote means there: end, "strings", `names`, # comments, /* comments, escapes.
# A pair of dashes can, too.
_SPECIAL = b';"`#*\\'
_NEAR = 1 << 19  # bytes that are looked at several times while they are in the processor's cache
_FEW = 8  # so many of one of them are put down one by one; more are looked for with numpy


@dataclass(frozen=True, slots=True)
class Marks:
    """One bit a byte, in words of 64, the first byte's bit the lowest.

    `quotes` has all words; `special` (backslashes among them) and `backslashes` have those at `places`, in order, `odd`
    (what values do not have) those at `odd_places`.
    """

    quotes: Words
    places: Places
    special: Words
    backslashes: Words
    odd_places: Places
    odd: Words


class Marker:
    """Marks up to `STEP` bytes at a time. It has buffers of its own: one a thread."""

    def __init__(self) -> None:
        self._scratch = np.empty(STEP, np.uint8)
        self._padded = np.zeros(STEP, np.uint8)
        self._zeros = np.empty(STEP, np.uint8)

    def mark(self, data: bytes, start: int) -> Marks:
        """Mark the bytes from `start`, at most `STEP` of them; the last word is filled up with zero bits."""
        end = min(start + STEP, len(data))
        parts = [self._mark_near(data, place, min(place + _NEAR, end)) for place in range(start, end, _NEAR)]
        if len(parts) == 1:
            return parts[0]
        words = range(0, (end - start) // 64 + 1, _NEAR // 64)
        return Marks(
            np.concatenate([part.quotes for part in parts]),
            np.concatenate([part.places + first for part, first in zip(parts, words, strict=False)]),
            np.concatenate([part.special for part in parts]),
            np.concatenate([part.backslashes for part in parts]),
            np.concatenate([part.odd_places + first for part, first in zip(parts, words, strict=False)]),
            np.concatenate([part.odd for part in parts]),
        )

    def _mark_near(self, data: bytes, start: int, end: int) -> Marks:
        block = np.frombuffer(data, np.uint8, end - start, start)
        if size := len(block) % 64:
            whole = len(block) + 64 - size
            self._padded[: len(block)] = block
            self._padded[len(block) : whole] = 0
            block = self._padded[:whole]
        # An exclusive or and a pack are cheaper than a comparison.
        quotes = self._bits(block, 0x27)
        odd = self._odd(data, start, block)
        odd_places = np.flatnonzero(odd)
        if not self._find_special(data, start, end, block):
            return Marks(quotes, _NOWHERE, _NO_WORDS, _NO_WORDS, odd_places, odd[odd_places])
        special = _zero_bits(self._zeros[: len(block)])
        places = np.flatnonzero(special != 0)  # a bool has the quicker search
        lines = block.reshape(-1, 64).take(places, axis=0)
        backslashes = _zero_bits(np.bitwise_xor(lines, np.uint8(0x5C), out=lines).ravel())
        return Marks(quotes, places, special[places], backslashes, odd_places, odd[odd_places])

    def _odd(self, data: bytes, start: int, block: Bytes) -> Words:
        """Return a bit for each byte that values do not have outside strings."""
        scratch = self._scratch[: len(block)]
        np.bitwise_or(block, np.uint8(0x20), out=scratch)
        found = _zero_bits(np.bitwise_xor(scratch, np.uint8(0x74), out=scratch))  # T and t
        if data.find(b"@", start, start + len(block)) >= 0:
            found |= self._bits(block, 0x40)
        if not self._has_loose(block):
            return found
        commas = _shifted(self._bits(block, 0x2C), first=data[start - 1 : start] == b",")
        loose = self._bits(block, 0x28) & ~commas
        if loose.any():  # a row may begin on a line of its own
            lines = self._bits(block, 0x0A) & commas
            found |= loose & ~_shifted(lines, first=start >= 2 and data[start - 2 : start] == b",\n")
        return found

    def _has_loose(self, block: Bytes) -> bool:
        """Tell if there is a bracket that no comma may stand before: most blocks have none, and need no bits of it."""
        scratch, zeros = self._scratch[: len(block)], self._zeros[: len(block)]
        np.bitwise_xor(block, np.uint8(0x28), out=scratch)
        np.equal(block[:-1], np.uint8(0x2C), out=zeros[1:].view(np.bool_))
        np.bitwise_or(scratch[1:], zeros[1:], out=scratch[1:])
        return not scratch.view(np.bool_).all()

    def _bits(self, block: Bytes, byte: int) -> Words:
        return _zero_bits(np.bitwise_xor(block, np.uint8(byte), out=self._scratch[: len(block)]))

    def _find_special(self, data: bytes, start: int, end: int, block: Bytes) -> bool:
        """Make `_zeros` zero for each byte that may end row data or change what a quote means; tell if there is one.

        A pair of dashes is marked at its second dash; one at the block's first byte counts, as it may follow another.
        """
        scratch, zeros = self._scratch[: len(block)], self._zeros[: len(block)]
        np.bitwise_xor(block, np.uint8(0x2D), out=scratch)
        np.bitwise_or(scratch[1:], scratch[:-1], out=zeros[1:])
        zeros[0] = scratch[0]
        found = False
        for byte in _SPECIAL:
            few = _places_of(byte, data, start, end)
            if len(few) > _FEW:
                np.bitwise_xor(block, np.uint8(byte), out=scratch)
                np.minimum(zeros, scratch, out=zeros)
            for place in few[: _FEW + 1]:
                zeros[place - start] = 0
            found = found or bool(few)
        return found or not zeros.view(np.bool_).all()


def _places_of(byte: int, data: bytes, start: int, end: int) -> list[int]:
    """Give the first places of a byte, at most one more than `_FEW`."""
    places: list[int] = []
    while len(places) <= _FEW and (start := data.find(byte, start, end)) >= 0:
        places.append(start)
        start += 1
    return places


def _zero_bits(block: Bytes) -> Words:
    """Give a bit a byte, set where the byte is zero."""
    bits: Words = np.packbits(block, bitorder="little").view(np.uint64)
    return np.invert(bits, out=bits)


def _shifted(bits: Words, *, first: bool) -> Words:
    """Return the bits of the bytes that follow those whose bits are set; `first` is the first byte's."""
    following: Words = bits << np.uint64(1)
    following[1:] |= bits[:-1] >> np.uint64(63)
    following[0] |= np.uint64(first)
    return following


_NOWHERE: Places = np.empty(0, np.intp)
_NO_WORDS: Words = np.empty(0, np.uint64)
