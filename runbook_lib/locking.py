"""Locks on files: `fcntl`, which every record and every event is written under, or the sentence where there is none.

Windows has no `fcntl`. What needs it imports it from here, so that a person there reads a sentence, not a traceback.
"""

from __future__ import annotations

from runbook_lib.errors import InputRefused

try:
    import fcntl
except ImportError as error:
    raise InputRefused(
        "The runbooks do not run on Windows itself: Python has no `fcntl` there, which keeps a record whole.",
        hint="Run them on Linux or macOS, or on Windows in WSL 2 (the Windows Subsystem for Linux).",
    ) from error

__all__ = ["fcntl"]
