"""Replace every secret in a text by a mark that says its kind."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

from runbook_lib.redaction.patterns import PATTERNS

_ANYWHERE = 8  # a known value this long is removed wherever it stands
_AS_A_WORD = 4  # a shorter one only where it stands alone; below this it would blot out ordinary text
_SHOWN_START = 12  # tables cut long values: a start this long of a known value is removed too
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BINARY = ("image/png", "image/jpeg", "image/gif", "application/pdf")


def mark(kind: str) -> str:
    """Return what stands in a record where a secret stood."""
    return f"[removed: {kind}]"


class Scrubber:
    """Known values with their kinds, and the patterns. Scrubbing twice changes nothing more."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._forms: dict[str, str] = {}
        self._starts: dict[str, str] = {}
        self._shape: re.Pattern[str] | None = None

    def learn(self, value: str, *, kind: str) -> None:
        """Note a value; from now on it is removed in plain, URL, HTML, JSON, Python and base64 writing."""
        if not value or value in self.known:
            return
        self.known[value] = kind
        for form in _writings(value):
            if len(form) >= _AS_A_WORD:
                self._forms.setdefault(form, kind)
            if len(form) > _SHOWN_START:
                self._starts.setdefault(form[:_SHOWN_START], form)
        parts = sorted(self._forms, key=len, reverse=True)
        self._shape = re.compile("|".join(_alternative(part) for part in parts)) if parts else None

    def text(self, text: str) -> str:
        """Return the text without its secrets."""
        scrubbed = self._all(text)
        if "\x1b[" in text:
            # Colours may stand between a name and its value; if a secret shows without them, they have to go.
            plain = _ANSI.sub("", scrubbed)
            without = self._all(plain)
            if without != plain:
                return without
        return scrubbed

    def _all(self, text: str) -> str:
        if self._shape is not None:
            text = self._shape.sub(lambda found: mark(self._forms[found[0]]), text)
            for start, whole in self._starts.items():
                text = _without_starts(text, start, whole, mark(self._forms[whole]))
        small = text.lower()
        for pattern in PATTERNS:
            if pattern.needs and not any(word in small for word in pattern.needs):
                continue
            text = pattern.shape.sub(_replacing(pattern.kind, pattern.accept), text)
        return text

    def value(self, value: Any, *, binary: bool = False) -> Any:
        """Return a copy of texts, lists and mappings without secrets; images are left as they are."""
        if isinstance(value, str):
            return value if binary else self.text(value)
        if isinstance(value, dict):
            return {
                (self.text(key) if isinstance(key, str) else key): self.value(entry, binary=key in _BINARY)
                for key, entry in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(entry, binary=binary) for entry in value]
        return value

    def open_end(self, text: str) -> int:
        """Return how many signs at the end of a text may be the beginning of a known value of several lines."""
        longest = 0
        for form in self._forms:
            if "\n" in form:
                for size in range(min(len(form) - 1, len(text)), longest, -1):
                    if text.endswith(form[:size]):
                        longest = size
                        break
        return longest


def _writings(value: str) -> set[str]:
    quoted = json.dumps(value)[1:-1]
    return {
        value,
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        html.escape(value),
        quoted,
        json.dumps(quoted)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        base64.b64encode(value.encode()).decode().rstrip("="),
    }


def _alternative(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= _ANYWHERE else rf"(?<!\w){escaped}(?!\w)"


def _without_starts(text: str, start: str, whole: str, put: str) -> str:
    at = text.find(start)
    while at >= 0:
        end = at + len(start)
        while end < len(text) and end - at < len(whole) and text[end] == whole[end - at]:
            end += 1
        text = text[:at] + put + text[end:]
        at = text.find(start, at + len(put))
    return text


def _replacing(kind: str, accept: Any) -> Any:
    def replaced(found: re.Match[str]) -> str:
        if not accept(found["secret"]):
            return found[0]
        start, end = found.span("secret")
        return found[0][: start - found.start()] + mark(kind) + found[0][end - found.start() :]

    return replaced
