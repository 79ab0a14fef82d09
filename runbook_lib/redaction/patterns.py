"""What looks like a secret wherever it stands.

Patterns are a second net: they catch well-known shapes and values written beside a telling name. A password that
nobody remembered and that stands alone looks like any other word and is not caught; that is what `remember` is for.
The shapes are our own; gitleaks' and detect-secrets' rules were read for what services there are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from runbook_lib.redaction import assigned, clients, vendors

_NAME = re.compile(r"(?i)password|passwd|passphrase|\bpwd\b|_pwd|secret|token|api_?key|private_?key|credential")
_ONLY_A_REFERENCE = re.compile(r"(?i)_(arn|id|ids|name|names|ref|env|variable|file|path|count|days)$")


_SHORT = 4000  # signs: names, sources and metadata, which are looked at at every save of a notebook
_NO_VALUE = re.compile(r"\[removed:.*|…|\.{3}|\*{3,}|\$?\{\w*\}|<\w+>", re.DOTALL)


def _is_no_value(text: str) -> bool:
    """Tell what a text writes in place of a secret."""
    return bool(_NO_VALUE.fullmatch(text))


class Span(NamedTuple):
    """Where a secret stands in a text, of what kind it is, and where begins what tells it (the name beside it)."""

    start: int
    end: int
    kind: str
    told_from: int


def spans(text: str, *, code: bool = False) -> list[Span]:
    """Return where secrets stand in a text, by the patterns. They may overlap.

    In `code` a value without quotes is a name or a call, and none of a secret's.
    """
    return list(_of_short(text, code) if len(text) <= _SHORT else _found(text, code=code))


@lru_cache(maxsize=2048)
def _of_short(text: str, code: bool) -> tuple[Span, ...]:  # a cache counts names as other keys
    return tuple(_found(text, code=code))


def _found(text: str, *, code: bool) -> list[Span]:
    folded = text.lower()
    found = []
    for shape in (*vendors.SHAPES, *clients.SHAPES):
        if not vendors.needed(shape, text, folded):
            continue
        for match in shape.shape.finditer(text):
            start, end = match.span("secret")
            if end - start > 1 and text[start] in "'\"" and text[end - 1] == text[start] and shape in clients.SHAPES:
                start, end = start + 1, end - 1
            if end > start and not _is_no_value(text[start:end]) and shape.accept(match):
                found.append(Span(start, end, shape.kind, match.start()))
    if any(word in folded for word in assigned.NEEDS):
        found += [
            Span(start, end, "password", told_from)
            for told_from, start, end in assigned.found_in(text, folded, code=code)
        ]
    return found


def looks_secret(text: str) -> str:
    """Return the kind of secret a text looks like or contains, or nothing."""
    found = spans(text)
    return min(found).kind if found else ""


def secret_name(name: str) -> str:
    """Return the kind of secret a parameter's name promises, or nothing; `master_secret_arn` only refers to one."""
    found = _NAME.search(name)
    return found[0].strip("_").lower() if found and not _ONLY_A_REFERENCE.search(name) else ""
