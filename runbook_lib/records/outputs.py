"""What one cell shows, put into its outputs without secrets, in its place and within limits that are said.

Of what a cell prints the first and the last are kept, and the middle is counted. What is shown (tables, figures) is
kept up to a number and a size; the rest is counted too. Nothing that was left out is left out silently.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from nbformat.v4 import new_output

from runbook_lib.records.cells import malformed, shortened
from runbook_lib.redaction import Scrubber, StreamScrubber

HEAD, TAIL = 1 << 20, 1 << 18  # characters kept of one stream of a cell
DISPLAYS = 500  # tables and figures kept of one cell
LARGEST = 4 << 20  # characters of a display that are text
LARGEST_BINARY = 32 << 20  # characters of a picture
_MARGIN = 1 << 14  # of the tail is not shown: a secret that begins before it ends in it
_PIECE = 1 << 16
_BINARY = ("image/png", "image/jpeg", "image/gif", "application/pdf")


class _Stream:
    """One stream of a cell within its limit."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._clean = StreamScrubber(scrubber)
        self._taken = 0
        self._tail: deque[str] = deque()
        self._tail_size = self._behind = 0
        self.left_out = 0

    def feed(self, text: str) -> str:
        room = HEAD - self._taken
        now, later = text[: max(0, room)], text[max(0, room) :]
        self._taken += len(now)
        ready = "".join(self._clean.feed(now[at : at + _PIECE]) for at in range(0, len(now), _PIECE))
        if later:
            self._behind += len(later)
            later = later[-TAIL - _MARGIN :]
            self._tail.append(later)
            self._tail_size += len(later)
            while self._tail_size - len(self._tail[0]) >= TAIL + _MARGIN:
                self._tail_size -= len(self._tail.popleft())
        return ready

    def flush(self) -> str:
        tail = "".join(self._tail)
        if len(tail) == self._behind:
            return self._clean.feed(tail) + self._clean.flush()
        held = len(self._clean.flush())  # an unfinished line, which may hold the beginning of a secret
        tail = self._scrubber.text(tail[-TAIL - _MARGIN :])[_MARGIN:]
        self.left_out = self._behind + held - len(tail)
        return f"\n[… {self.left_out:,} characters left out: only the beginning and the end are kept …]\n{tail}"


class CellOutputs:
    """What one cell shows. A line held back goes where it began, once it is known to be harmless."""

    def __init__(self, cell: Any, scrubber: Scrubber) -> None:
        self._cell = cell
        self._scrubber = scrubber
        self._streams: dict[str, _Stream] = {}
        self._begun: dict[str, Any] = {}
        self._displays = 0
        self._left_out: Counter[str] = Counter()
        self.malformed = ""

    def take(self, name: str, text: str) -> str:
        """Take what was printed to `name` (stdout, stderr); return what was put into the outputs now."""
        ready = self._streams.setdefault(name, _Stream(self._scrubber)).feed(text)
        self._put(name, ready)
        self._begun[name] = self._last(name)
        return ready

    def admit(self, kind: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a display or an error clean of secrets, or None where it is not kept. `kind` is its message's type."""
        if kind == "error":
            return self._error(content)
        data = content.get("data")
        if problem := malformed(data):
            self.malformed = self.malformed or problem
            data = {"text/plain": f"[a display was left out: {problem}]"}
        assert isinstance(data, dict)
        self._displays += kind != "update_display_data"
        if self._displays > DISPLAYS:
            self._left_out["displays"] += 1
            return None
        kept = {}
        for name, value in data.items():
            size = len(value) if isinstance(value, str) else _size(value)
            if size > (LARGEST_BINARY if name in _BINARY else LARGEST):
                self._left_out[f"characters of {name}"] += size
            else:
                kept[name] = value
        if not kept and data:
            kept = {"text/plain": f"[a display was left out: it is too large ({', '.join(data)})]"}
        metadata = content.get("metadata")
        cleaned: dict[str, Any] = self._scrubber.value(
            {**content, "data": kept, "metadata": metadata if isinstance(metadata, dict) else {}}
        )
        return cleaned

    def _error(self, content: Mapping[str, Any]) -> dict[str, Any]:
        lines = content.get("traceback")
        lines = [shortened(str(line)) for line in lines[-200:]] if isinstance(lines, list) else []
        said = {name: shortened(str(content.get(name, ""))) for name in ("ename", "evalue")}
        cleaned: dict[str, Any] = self._scrubber.value({**content, **said, "traceback": lines})
        return cleaned

    def close(self) -> None:
        """Put what is still held back: the cell has ended."""
        for name, stream in self._streams.items():
            if rest := stream.flush():
                self._put(name, rest)
            if stream.left_out:
                self._left_out[f"characters of {name}"] += stream.left_out
        kept = [output for output in self._cell.outputs if output["output_type"] != "stream" or output["text"]]
        self._cell.outputs[:] = kept
        self._streams.clear()
        self._begun.clear()

    def left_out(self) -> dict[str, int]:
        """Count what was shown and is not kept: characters of streams and of large displays, displays."""
        return dict(self._left_out)

    def _put(self, name: str, text: str) -> None:
        begun = self._begun.get(name)
        if begun is not None and any(begun is each for each in self._cell.outputs):
            line, end, text = text.partition("\n")
            begun["text"] += line + end
        if text:
            self._last(name)["text"] += text

    def _last(self, name: str) -> Any:
        last = self._cell.outputs[-1] if self._cell.outputs else None
        if last is None or last["output_type"] != "stream" or last["name"] != name:
            last = new_output("stream", name=name, text="")
            self._cell.outputs.append(last)
        return last


def _size(value: Any) -> int:
    """Count the characters of JSON, without writing it."""
    waiting, size = [value], 0
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
        size += len(item) if isinstance(item, str) else 8
    return size
