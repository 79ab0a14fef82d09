"""How each cell ended, on a way of its own: what the kernel's extension writes, and the runner reads.

Shared by two processes, so it imports next to nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CELLS_VARIABLE = "RUNBOOK_CELLS"  # names the file; unset in a kernel that no runner started
COUNTED = ("stream", "display_data", "execute_result", "update_display_data", "error", "clear_output")
LONGEST_ERROR = 20_000  # characters of an error's message that are kept, half of them from its end


@dataclass(kw_only=True)
class Said:
    """What the kernel said of one cell: errors it showed, its result, and how it ended if it has.

    An error has `name`, `message`, `lines` (ours) and, for SystemExit, `status`. `malformed` says what is wrong with a
    display. `sent` counts messages of its output.
    """

    ended: bool = False
    error: dict[str, Any] | None = None
    shown: list[dict[str, Any]] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    malformed: str = ""
    exiting: bool = False
    sent: int = 0


class Cells:
    """Reads the file while the kernel writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        self._rest = b""
        self._said: dict[str, Said] = {}

    def of(self, cell: str) -> Said:
        """Return what was said until now of the cell that the message `cell` asked to run."""
        self._read()
        return self._said.setdefault(cell, Said())

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except OSError:
            return
        self._at += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            try:
                entry = json.loads(line)
                self._take(self._said.setdefault(str(entry["cell"]), Said()), entry)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # nothing of ours writes such a line

    def _take(self, said: Said, entry: dict[str, Any]) -> None:
        match entry["what"]:
            case "ended":
                said.ended, said.error = True, entry["error"]
                said.exiting, said.sent = entry["exiting"], entry["sent"]
            case "error":
                said.shown.append(entry["error"])
            case "result":
                said.results.append(entry["result"])
            case "malformed":
                said.malformed = said.malformed or str(entry["problem"])


def shortened(text: str, longest: int = LONGEST_ERROR) -> str:
    """Return the head and the tail of a text that is too long to be kept, with the count of what is left out."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}[… {len(text) - 2 * half:,} characters left out …]{text[-half:]}"


def malformed(data: Any) -> str:
    """Say what is wrong with a display's data, or nothing: a mapping of types to texts, of JSON types to JSON."""
    if not isinstance(data, dict):
        return f"its data is {type(data).__name__}, not a mapping of types"
    for kind, value in data.items():
        is_text = isinstance(value, str) or (isinstance(value, list) and all(isinstance(line, str) for line in value))
        if not is_text and kind != "application/json" and not kind.endswith("+json"):
            return f"{kind} holds {type(value).__name__}, not text"
    return ""
