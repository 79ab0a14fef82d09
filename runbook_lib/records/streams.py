"""What one cell prints, put into its outputs without secrets and in its place."""

from __future__ import annotations

from typing import Any

from nbformat.v4 import new_output

from runbook_lib.redaction import Scrubber, StreamScrubber


class CellStreams:
    """The streams of one cell. A line held back goes where it began, once it is known to be harmless."""

    def __init__(self, cell: Any, scrubber: Scrubber) -> None:
        self._cell = cell
        self._scrubber = scrubber
        self._streams: dict[str, StreamScrubber] = {}
        self._begun: dict[str, Any] = {}

    def take(self, name: str, text: str) -> str:
        """Take what was printed to `name` (stdout, stderr); give what was put into the outputs now."""
        ready = self._streams.setdefault(name, StreamScrubber(self._scrubber)).feed(text)
        self._put(name, ready)
        self._begun[name] = self._last(name)
        return ready

    def close(self) -> list[tuple[str, str]]:
        """Put what is still held back: the cell has ended. Gives it by stream."""
        rests = []
        for name, stream in self._streams.items():
            if rest := stream.flush():
                self._put(name, rest)
                rests.append((name, rest))
        kept = [output for output in self._cell.outputs if output["output_type"] != "stream" or output["text"]]
        self._cell.outputs[:] = kept
        self._streams.clear()
        self._begun.clear()
        return rests

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
