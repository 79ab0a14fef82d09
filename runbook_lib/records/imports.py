"""Import papermill and nbconvert without the second and more that one unused grammar costs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_GRAMMAR = "rfc3987_syntax"


@contextmanager
def without_slow_grammar() -> Iterator[None]:
    """Import inside without jsonschema's IRI grammar.

    jsonschema imports `rfc3987_syntax`, which builds a parser of all of RFC 3987 at import (1 to 3 s), only to offer
    a format check that neither nbformat nor papermill asks for; without the package it goes on without the check.
    """
    if _GRAMMAR in sys.modules:
        yield
        return
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment] # None makes an import fail, as if it were not installed
    try:
        yield
    finally:
        sys.modules.pop(_GRAMMAR, None)
