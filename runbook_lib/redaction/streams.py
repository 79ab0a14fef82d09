"""Secrets in what a program prints piece by piece: a piece is given on only when no secret can begin in it."""

from __future__ import annotations

import re

from runbook_lib.redaction.scrubber import Scrubber

_LONGEST_LINE = 1 << 16  # a line longer than this is given on in part: nobody prints such a line, except by mistake
_KEPT_OF_IT = 1 << 13  # and this much of its end is kept, more than any secret is long
_LONGEST_SECRET = 1 << 18  # what goes on for longer is removed up to the next white space
_OPEN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----END ).){0,16384}\Z", re.DOTALL)
_WHITE = re.compile(r"\s")


class StreamScrubber:
    """One stream (a cell's stdout). Holds back an unfinished line, key block or known value of several lines.

    No pattern but a key block reaches over the end of a line, so finished lines go on at once.
    """

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._held = ""
        self._inside = False

    def feed(self, text: str) -> str:
        """Take what was printed, and give what may be stored of all that was printed so far."""
        if self._inside:
            end = _WHITE.search(text)
            if end is None:
                return ""
            self._inside, text = False, text[end.start() :]
        self._held += text
        cut = self._safe_until(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._scrubber.text(ready)

    def flush(self) -> str:
        """Return the rest: the stream has ended."""
        rest, self._held, self._inside = self._held, "", False
        return self._scrubber.text(rest)

    def _safe_until(self, text: str) -> int:
        cut = max(text.rfind("\n"), text.rfind("\r")) + 1
        if len(text) - cut > _LONGEST_LINE:
            return self._within_a_line(text, len(text) - _KEPT_OF_IT)
        if "-----BEGIN" in text and (found := _OPEN_KEY.search(text, 0, cut)):
            cut = found.start()
        return cut - self._scrubber.open_end(text[:cut])

    def _within_a_line(self, text: str, cut: int) -> int:
        """Return the last place before `cut` that parts no secret, nor one from the name that tells it."""
        for span in sorted(self._scrubber.spans(text), key=lambda each: each.told_from, reverse=True):
            if span.told_from < cut < span.end:
                cut = span.told_from
                if not cut and len(text) > _LONGEST_SECRET:
                    self._inside = True
                    return len(text)
        return cut
