"""Replace every secret in a text by a mark that says its kind."""

from __future__ import annotations

import re
from typing import Any

from runbook_lib.redaction import assigned
from runbook_lib.redaction.known import SHORTEST, Known
from runbook_lib.redaction.patterns import Span, spans

_ANSI = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]|\x1b\][^\x07\x1b]{0,300}(?:\x07|\x1b\\)")
_MARK = re.compile(r"\[removed: [^\]\n]{1,80}\]")
_BINARY = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")
_NAMING, _VALUE = ("name", "key"), ("value",)


def mark(kind: str) -> str:
    """Return what stands in a record where a secret stood."""
    return f"[removed: {kind}]"


class Scrubber:
    """Known values with their kinds, and the patterns. Scrubbing twice changes nothing more."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._known: list[Known] = []

    def learn(self, value: str, *, kind: str) -> None:
        """Note a value; from now on it is removed in whatever writing it stands. One below four signs is not."""
        if not value or value in self.known:
            return
        self.known[value] = kind
        if len(value) >= SHORTEST:
            self._known.append(Known(value, kind))

    def text(self, text: str) -> str:
        """Return the text without its secrets."""
        return self._cleaned(text, code=False)

    def source(self, text: str) -> str:
        """Return the source of a cell without its secrets: a name, an attribute or a call beside `password` is none."""
        return self._cleaned(text, code=True)

    def spans(self, text: str, *, code: bool = False) -> list[Span]:
        """Return where secrets stand in a text, in order and apart from each other; marks are no secrets."""
        folded = text.lower()
        found = [
            Span(start, end, known.kind, start) for known in self._known for start, end in known.spans(text, folded)
        ]
        apart: list[Span] = []
        marks = [found.span() for found in _MARK.finditer(text)] if "[removed: " in text else []
        for span in sorted([*found, *spans(text, code=code)], key=lambda each: (each.start, -each.end)):
            if any(start <= span.start and span.end <= end for start, end in marks):
                continue
            if apart and span.start < apart[-1].end:
                first = apart[-1]
                apart[-1] = first._replace(end=max(first.end, span.end), told_from=min(first.told_from, span.told_from))
            else:
                apart.append(span)
        return apart

    def _cleaned(self, text: str, *, code: bool) -> str:
        cleaned = self._without(text, code=code)
        if "\x1b" in text:
            # Colours may stand between a name and its value; if a secret shows without them, they have to go.
            plain = _ANSI.sub("", cleaned)
            without = self._without(plain, code=code)
            if without != plain:
                return without
        return cleaned

    def _without(self, text: str, *, code: bool) -> str:
        parts, at = [], 0
        for span in self.spans(text, code=code):
            parts += [text[at : span.start], mark(span.kind)]
            at = span.end
        return "".join([*parts, text[at:]]) if parts else text

    def value(self, value: Any, *, binary: bool = False) -> Any:
        """Return a copy of texts, lists and mappings without secrets; images are left as they are.

        A text under a telling key (`{"password": "…"}`) is a secret whatever it looks like.
        """
        if isinstance(value, str):
            return value if binary else self.text(value)
        if isinstance(value, bytes | bytearray):
            text = value.decode("utf-8", "backslashreplace")
            cleaned = self.text(text)
            return value if cleaned == text else cleaned.encode()
        if isinstance(value, dict):
            said = _named(value)
            return {
                (self.text(key) if isinstance(key, str) else key): self._entry(said.get(key, key), entry)
                for key, entry in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(entry, binary=binary) for entry in value]
        return value

    def _entry(self, key: Any, entry: Any) -> Any:
        if isinstance(key, str) and isinstance(entry, str | bytes) and key not in _BINARY:
            text = entry if isinstance(entry, str) else entry.decode("utf-8", "backslashreplace")
            telling = assigned.is_telling(key)
            is_secret = telling == "strong" or (telling == "weak" and assigned.looks_like_one(text))
            if is_secret and not assigned.is_placeholder(text.strip()):
                return mark("password")
        return self.value(entry, binary=key in _BINARY)

    def open_end(self, text: str) -> int:
        """Return how many signs at the end of a text may be the beginning of a known value of several lines."""
        longest = 0
        for value in self.known:
            if "\n" in value:
                for size in range(min(len(value) - 1, len(text)), longest, -1):
                    if text.endswith(value[:size]):
                        longest = size
                        break
        return longest


def _named(value: dict[Any, Any]) -> dict[Any, Any]:
    """Return for `{"name": "DB_PASSWORD", "value": "…"}` that the value is called by the name."""
    names = [entry for key, entry in value.items() if isinstance(key, str) and key.lower() in _NAMING]
    return {key: names[0] for key in value if names and isinstance(key, str) and key.lower() in _VALUE}
