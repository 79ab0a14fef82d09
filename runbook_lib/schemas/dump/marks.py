"""Mark the bytes of a block of row data that can matter: quotes, backslashes, and whatever may end the rows.

In row data that is nothing but values, a bracket follows a comma, no variable is set, and no word has the letter T:
neither NULL nor a number, hexadecimal or `_binary`. A function's call, a subquery, a sequence's next value and whatever
follows the rows have one of these; they are marked with the others.

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

# What can end row data or change what a quote means there: end, "strings", `names`, # comments, /* comments, variables.
# A pair of dashes can, too, a backslash, a T and a bracket that follows no comma: they are looked for by themselves.
_SPECIAL = b';"`#*@'
_T_MASK = 0xD7  # of 0x54, 0x74, 0x5C and 0x7C it leaves 0x54
_FEW = 8  # so many of one of them are put down one by one; more are looked for with numpy


@dataclass(frozen=True, slots=True)
class Marks:
    """One bit a byte, in words of 64, the first byte's bit the lowest.

    `quotes` has all words; `special` (backslashes among them) has those at `places`, in order, `backslashes` those at
    `escapes`.
    """

    quotes: Words
    places: Places
    special: Words
    escapes: Places
    backslashes: Words


class Marker:
    """Marks up to `STEP` bytes at a time. It has buffers of its own: one a thread."""

    def __init__(self) -> None:
        self._found = bytearray(STEP)  # what _scratch shows as numbers
        self._scratch = np.frombuffer(self._found, np.uint8)
        self._padded = np.zeros(STEP, np.uint8)
        self._zeros = np.empty(STEP, np.uint8)

    def mark(self, data: bytes, start: int) -> Marks:
        """Mark the bytes from `start`, at most `STEP` of them; the last word is filled up with zero bits."""
        end = min(start + STEP, len(data))
        block = np.frombuffer(data, np.uint8, end - start, start)
        if size := len(block) % 64:
            whole = len(block) + 64 - size
            self._padded[: len(block)] = block
            self._padded[len(block) : whole] = 0
            block = self._padded[:whole]
        # An exclusive or and a pack are cheaper than a comparison, and what is done in place is cheaper still.
        quotes = _zero_bits(np.bitwise_xor(block, np.uint8(0x27), out=self._scratch[: len(block)]))
        if not self._find_special(data, start, end, block):
            return Marks(quotes, _NOWHERE, _NO_WORDS, _NOWHERE, _NO_WORDS)
        special = _zero_bits(self._zeros[: len(block)])
        places = np.flatnonzero(special != 0)  # a bool has the quicker search
        lines = block.reshape(-1, 64).take(places, axis=0)
        backslashes = _zero_bits(np.bitwise_xor(lines, np.uint8(0x5C), out=lines).ravel())
        escapes = np.flatnonzero(backslashes != 0)
        return Marks(quotes, places, special[places], places[escapes], backslashes[escapes])

    def _find_special(self, data: bytes, start: int, end: int, block: Bytes) -> bool:
        """Make `_zeros` zero for each byte that may end row data or change what a quote means; tell if there is one.

        A pair of dashes is marked at its second dash; one at the block's first byte counts, as it may follow another.
        `_scratch` is zero at the quotes.
        """
        loose = self._loose(data, start, block)
        scratch, zeros = self._scratch[: len(block)], self._zeros[: len(block)]
        np.bitwise_xor(block, np.uint8(0x2D), out=scratch)
        np.bitwise_or(scratch[1:], scratch[:-1], out=zeros[1:])
        zeros[0] = scratch[0]
        for place in loose:
            zeros[place] = 0
        found, zero = bool(loose), 0x2D  # where the block has this byte, `scratch` is zero
        for byte in _SPECIAL:
            few = _places_of(byte, data, start, end)
            if len(few) > _FEW:
                np.bitwise_xor(scratch, np.uint8(zero ^ byte), out=scratch)
                np.minimum(zeros, scratch, out=zeros)
                zero = byte
            else:
                for place in few:
                    zeros[place - start] = 0
            found = found or bool(few)
        np.bitwise_and(scratch, np.uint8(_T_MASK), out=scratch)  # T, t, the backslash and | become one
        np.bitwise_xor(scratch, np.uint8((zero ^ 0x54) & _T_MASK), out=scratch)
        np.minimum(zeros, scratch, out=zeros)
        return found or not zeros.view(np.bool_).all()

    def _loose(self, data: bytes, start: int, block: Bytes) -> list[int]:
        """Return the places of brackets that follow no comma; a row may begin on a line of its own."""
        scratch, commas = self._scratch[: len(block)], self._zeros[: len(block)]
        np.equal(block[:-1], np.uint8(0x2C), out=commas[1:].view(np.bool_))
        np.bitwise_xor(scratch, np.uint8(0x27 ^ 0x28), out=scratch)
        np.bitwise_or(scratch[1:], commas[1:], out=scratch[1:])
        few = _places_of(0, self._found, 0, len(block))
        if not few:  # as in most blocks
            return []
        places = np.array(few) if len(few) <= _FEW else np.flatnonzero(scratch == 0)
        on_lines = (block[places - 1] == 0x0A) & (block[places - 2] == 0x2C) & (places > 1)
        loose: list[int] = places[~on_lines].tolist()
        if loose and loose[0] < 2 and data[max(start - 2, 0) : start + loose[0]].endswith((b",", b",\n")):
            del loose[0]  # its comma is before the block
        return loose


def _places_of(byte: int, data: bytes | bytearray, start: int, end: int) -> list[int]:
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


_NOWHERE: Places = np.empty(0, np.intp)
_NO_WORDS: Words = np.empty(0, np.uint64)
