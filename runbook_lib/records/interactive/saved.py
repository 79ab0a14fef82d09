"""The notebook as JupyterLab has saved it. Its server writes the file in place: for a moment only a part is there."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from runbook_lib.errors import CheckFailed

_PATIENCE_SECONDS = 10.0  # for a save that is under way


def saved_notebook(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return a notebook's file and what it says; one that is just being written is waited for.

    Raises:
        CheckFailed: it stays unreadable.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        content = path.read_bytes()
        try:
            found: dict[str, Any] = json.loads(content)
            return content, found
        except ValueError:
            if time.monotonic() > until:
                raise CheckFailed(
                    f"The saved notebook {path.name} is not whole.", hint="Save it (Ctrl+S, or ⌘S) and finish again."
                ) from None
            time.sleep(0.1)
