"""Keep a proof: its progress while it goes on, and in the record of its run what came of it.

The progress is a file with one JSON line for what is being proved, one for each step through a table and one for each
finished table, so that a stopped proof goes on where it was. Steps finish out of order; those that follow each other
from a table's beginning count. A torn last line is left out. The record gets names, counts and hashes, no value of any
row.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from runbook_lib.errors import InputRefused
from runbook_lib.events import EVENTS_VARIABLE, announce
from runbook_lib.proof.keys import Edge
from runbook_lib.proof.rows import Range
from runbook_lib.proof.tally import Counts, Findings
from runbook_lib.proof.values import (
    Pair,
    Proof,
    TableVerdict,
    row_from_json,
    rows_to_json,
    table_from_json,
    table_to_json,
)


class Keeper:
    """The file of one proof. Without a path nothing is kept."""

    def __init__(self, path: Path | None, subject: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        self.tables: dict[Pair, TableVerdict] = {}
        self._steps: dict[str, list[dict[str, Any]]] = {}
        if path is None:
            return
        found = list(_lines(path))
        if found and found[0] != {"proof": dict(subject)}:
            raise InputRefused(
                f'"{path}" was kept by another proof.',
                hint="Name another file, or delete this one to begin again.",
            )
        for line in found[1:]:
            if "table" in line:
                table = table_from_json(line["table"])
                self.tables[table.pair] = table
            else:
                self._steps.setdefault(json.dumps(line["pair"]), []).append(line)
        self._file = path.open("a", encoding="utf-8")
        if not found:
            self._write({"proof": dict(subject)})

    def steps(self, pair: Pair) -> tuple[Edge, list[Findings]]:
        """Return what the steps from a table's beginning found, and where the next one begins.

        The edge is empty if there are none. A table whose steps are all there begins behind its end.
        """
        after = {tuple(step["low"]): step for step in self._steps.get(json.dumps(_named(pair)), ())}
        low: Edge = ()
        found: list[Findings] = []
        while (step := after.pop(low, None)) is not None and step["high"]:
            low = tuple(step["high"])
            found.append(_findings(step))
        return low, found

    def step(self, pair: Pair, walked: Range, found: Findings) -> None:
        """Keep what one step found."""
        if self._file is not None:
            self._write(
                {
                    "pair": _named(pair),
                    "low": list(walked.low),
                    "high": list(walked.high),
                    "counts": vars(found.counts),
                    "samples": rows_to_json(found.samples),
                    "columns": dict(found.columns),
                    "examined": found.examined,
                }
            )

    def table(self, verdict: TableVerdict) -> None:
        """Keep a finished table."""
        if self._file is not None:
            self._write({"table": table_to_json(verdict)})

    def close(self) -> None:
        """Close the file; it stays, and belongs to whoever named it."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        with self._lock:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()


def _named(pair: Pair) -> list[str]:
    return [pair.expected.schema, pair.expected.name, pair.found.schema, pair.found.name]


def _findings(step: Mapping[str, Any]) -> Findings:
    return Findings(
        counts=Counts(**step["counts"]),
        samples=[row_from_json(row) for row in step["samples"]],
        columns=Counter(step["columns"]),
        examined=step["examined"],
    )


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        content = content[: content.rfind(b"\n") + 1]
        os.truncate(path, len(content))
    for line in content.splitlines():
        yield json.loads(line)


log = logging.getLogger(__name__)

FILE = "proof.json"


def record_proof(proof: Proof) -> Path | None:
    """Write a proof into the record of this run, if it has one. A record that takes nothing does not stop the run."""
    announce(
        "proof",
        expected=proof.expected,
        found=proof.found,
        verdict=proof.verdict,
        tables=len(proof.tables),
        damaged=[str(table) for table in proof.damaged],
    )
    events = os.environ.get(EVENTS_VARIABLE, "")
    if not events:
        return None
    path = Path(events).parent / FILE
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(proof.to_json(samples=False), ensure_ascii=False, indent=1), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        log.warning("The proof is not in the record: %s", error.strerror)
        return None
    return path


def read_proof(path: Path) -> Proof:
    """Read the proof that a record keeps; `path` is the file or the record's folder.

    Raises:
        InputRefused: there is none, or it cannot be read.
    """
    file = path / FILE if path.is_dir() else path
    try:
        return Proof.from_json(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputRefused(
            f'There is no proof in "{path}": {error.strerror}.', hint="Name a record's folder."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputRefused(
            f'"{file}" is not a proof that can be read here: {error}.',
            hint="Name the file as a run left it; one of another version has to be made again.",
        ) from error
