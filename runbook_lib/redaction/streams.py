"""Secrets in what a program prints piece by piece: a piece is given on only when no secret can begin in it."""

from __future__ import annotations

import re

from runbook_lib.redaction.scrubber import Scrubber

_LONGEST_LINE = 1 << 16  # a line longer than this is given on in part: nobody prints such a line, except by mistake
_KEPT_OF_IT = 1 << 13  # and this much of its end is kept, more than any secret is long
_OPEN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?!.*-----END )", re.DOTALL)
_LONGEST_KEY = 1 << 14


class StreamScrubber:
    """One stream (a cell's stdout). Holds back an unfinished line, key block or known value of several lines.

    No pattern but a key block reaches over the end of a line, so finished lines go on at once.
    """

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._held = ""

    def feed(self, text: str) -> str:
        """Take what was printed, and give what may be stored of all that was printed so far."""
        self._held += text
        cut = self._safe_until(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._scrubber.text(ready)

    def flush(self) -> str:
        """Return the rest: the stream has ended."""
        rest, self._held = self._held, ""
        return self._scrubber.text(rest)

    def _safe_until(self, text: str) -> int:
        cut = max(text.rfind("\n"), text.rfind("\r")) + 1
        if len(text) - cut > _LONGEST_LINE:
            cut = len(text) - _KEPT_OF_IT
        if (found := _OPEN_KEY.search(text, 0, cut)) and cut - found.start() < _LONGEST_KEY:
            cut = found.start()
        return cut - self._scrubber.open_end(text[:cut])
