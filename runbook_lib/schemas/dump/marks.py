"""Mark the bytes of a block of row data that can matter: quotes, backslashes, and whatever may end the rows.

This looks at each byte without knowing what came before it, so it can be done ahead, in a thread of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

STEP = 1 << 19  # bytes a turn: fewer and longer numpy calls win over the second-level cache up to here

# What can end row data or change what a quote means there: end, "strings", `names`, # comments, /* comments.
_SPECIAL = b';"`#*'


@dataclass(frozen=True, slots=True)
class Marks:
    """One bit a byte, in words of 64, the first byte's bit the lowest. None: there is no such byte."""

    quotes: Words
    backslashes: Words | None
    special: Words | None


class Marker:
    """Marks up to `STEP` bytes at a time. It has buffers of its own: one a thread."""

    def __init__(self) -> None:
        self._bytes = np.empty(STEP, np.uint8)
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
        return Marks(
            quotes=self._where(block, 0x27),
            backslashes=self._where(block, 0x5C) if data.find(b"\\", start, end) >= 0 else None,
            special=self._specials(data, start, end, block),
        )

    def _where(self, block: npt.NDArray[np.uint8], byte: int) -> Words:
        """Give a bit a byte, set where the byte is found. An exclusive or and a pack are cheaper than a comparison."""
        scratch = self._bytes[: len(block)]
        np.bitwise_xor(block, np.uint8(byte), out=scratch)
        bits: Words = np.packbits(scratch, bitorder="little").view(np.uint64)
        return np.invert(bits, out=bits)

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
        if not found:
            return None
        bits: Words = np.packbits(zeros, bitorder="little").view(np.uint64)
        return np.invert(bits, out=bits)
