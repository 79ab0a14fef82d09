"""Records of headless runs: truthful, without secrets, checkable. `run.run_notebook` makes one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# jsonschema imports `rfc3987_syntax`, which builds a parser of all of RFC 3987 (1 to 3 s), only to offer a format
# check that neither nbformat nor papermill asks for; without the package it goes on without the check.
_GRAMMAR = "rfc3987_syntax"
# papermill imports these for notebooks in S3 and HDFS, and goes on without them. Our runner reads and writes local
# files; where boto3 is needed, to publish, it is imported later as usual.
_OTHER_STORES = ("boto3", "pyarrow")


@contextmanager
def without_unused(*, other_stores: bool = True) -> Iterator[None]:
    """Import inside as if the unused packages were not installed; those imported already stay."""
    unused = [name for name in (_GRAMMAR, *(() if other_stores else _OTHER_STORES)) if name not in sys.modules]
    for name in unused:
        sys.modules[name] = None  # type: ignore[assignment] # None makes an import of it fail
    try:
        yield
    finally:
        for name in unused:
            sys.modules.pop(name, None)
