"""What differs between two records, cell by cell, leaving aside what differs between any two runs: times and ids."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from itertools import groupby
from typing import Any

# Order matters: longer shapes first.
_VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:\s?(?:Z|UTC|[+-]\d\d:?\d\d))?"), "‹time›"),
    (re.compile(r"\b20\d{6}(?:[T-]\d{4,6}Z?|\d{6})\b"), "‹time›"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "‹id›"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "‹id›"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b"), "‹id›"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b"), "‹time›"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "‹date›"),
    # a table breaks its lines between words: the end of a duration may stand in the next one
    (re.compile(r"\b\d+\s+(?:second|minute|hour|day)s?(?:\s+\d+\s+(?:second|minute|hour|day)s?)?\s+ago\b"), "‹ago›"),
    (
        re.compile(
            r"\b\d+(?:\.\d+)?\s?(?:ms|s|sec|seconds?|min|minutes?|hours?|days?)\b(?:\s\d+\s(?:seconds?|minutes?|hours?)\b)?"
        ),
        "‹duration›",
    ),
    # a secret's name ends with six signs of chance; ports of the stand-in are those the system had free
    (re.compile(r"(?<=secret:rds!cluster-‹id›-)\w{6}\b"), "‹id›"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=localhost:)\d+"), "‹port›"),
    (re.compile(r"(?<=\bPort)(?:\s+[3-6]\d{4}\b)+"), " ‹port›"),
)
_TAG = re.compile(r"<[^>]+>")
# Which states a wait saw on its way depends on the moments at which it asked: "creating", "available, as before the
# change", "making its secret".
_WAITING = re.compile(r"^\d\d:\d\d:\d\d UTC  \S.*: [a-z][a-z, -]* \([^()]*\)\n?", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference. `where` is "parameter timestamp", "outcome" or "cell 7 (Restore)"; the lines say what."""

    where: str
    lines: tuple[str, ...]


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Compare two executed notebooks: parameters as they were given, then each cell by its id."""
    found = [
        *_parameters(_given(first), _given(second)),
        *_plain("outcome", _summary(first, "outcome"), _summary(second, "outcome")),
    ]
    ours, theirs = _cells(first), _cells(second)
    run_ids = (_summary(first, "run_id"), _summary(second, "run_id"))
    for key in dict.fromkeys([*ours, *theirs]):
        one, other = ours.get(key), theirs.get(key)
        if one is None or other is None:
            only = "second" if one is None else "first"
            found.append(Difference(where=_name(one or other), lines=(f"only the {only} record has this cell",)))
        elif "injected-parameters" not in one[1].get("metadata", {}).get("tags", ()):
            found += _cell(one, other, run_ids=run_ids)
    return tuple(found)


def _given(notebook: Mapping[str, Any]) -> Mapping[str, Any]:
    found = notebook.get("metadata", {}).get("papermill", {}).get("parameters", {})
    return found if isinstance(found, Mapping) else {}


def _summary(notebook: Mapping[str, Any], name: str) -> str:
    return str(notebook.get("metadata", {}).get("runbook", {}).get(name, ""))


def _parameters(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    names = dict.fromkeys([*first, *second])
    return [
        Difference(where=f"parameter {name}", lines=_sides(_written(first, name), _written(second, name)))
        for name in names
        if first.get(name) != second.get(name) or (name in first) != (name in second)
    ]


def _written(given: Mapping[str, Any], name: str) -> str:
    return json.dumps(given[name], ensure_ascii=False) if name in given else "(default)"


def _plain(where: str, first: str, second: str) -> list[Difference]:
    return [] if first == second else [Difference(where=where, lines=_sides(first, second))]


def _sides(first: str, second: str) -> tuple[str, ...]:
    return (f"- {first}", f"+ {second}")


def _cells(notebook: Mapping[str, Any]) -> dict[str, tuple[int, Mapping[str, Any], str]]:
    heading, found = "", {}
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "markdown":
            titles = [line.lstrip("#").strip() for line in _text(cell["source"]).splitlines() if line.startswith("#")]
            heading = titles[-1] if titles else heading
        tags = cell.get("metadata", {}).get("tags", ())
        key = "injected" if "injected-parameters" in tags else cell.get("id") or str(number)
        if "papermill-error-cell-tag" not in tags:
            found[key] = (number, cell, heading)
    return found


def _name(cell: tuple[int, Mapping[str, Any], str] | None) -> str:
    assert cell is not None
    return f"cell {cell[0]}" + (f" ({cell[2]})" if cell[2] else "")


def _cell(
    first: tuple[int, Mapping[str, Any], str], second: tuple[int, Mapping[str, Any], str], *, run_ids: tuple[str, str]
) -> list[Difference]:
    lines: list[str] = []
    for what, ours, theirs in (
        ("state", _state(first[1]), _state(second[1])),
        ("source", _text(first[1]["source"]), _text(second[1]["source"])),
        ("output", _outputs(first[1]), _outputs(second[1])),
    ):
        if what == "output":
            ours, theirs = (steady(_without(text, own)) for text, own in zip((ours, theirs), run_ids, strict=True))
        if ours != theirs:
            lines.append(what)
            lines += [
                line
                for line in difflib.unified_diff(ours.splitlines(), theirs.splitlines(), n=0, lineterm="")
                if not line.startswith(("---", "+++", "@@"))
            ]
    return [Difference(where=_name(second), lines=tuple(lines))] if lines else []


def _without(text: str, run_id: str) -> str:
    """Take out a run's own id, which may look like a number."""
    return text.replace(run_id, "‹id›") if run_id else text


def _state(cell: Mapping[str, Any]) -> str:
    return str(cell.get("metadata", {}).get("runbook", {}).get("state", ""))


def _outputs(cell: Mapping[str, Any]) -> str:
    """Return what a cell shows. What it printed is one text, in however many pieces it came."""
    shown: list[str] = []
    for stream, pieces in groupby(cell.get("outputs", ()), key=lambda output: output.get("name", "")):
        if stream:
            shown.append(_WAITING.sub("", "".join(_text(piece["text"]) for piece in pieces)))
        else:
            shown += map(_output, pieces)
    return "\n".join(shown)


def _output(output: Mapping[str, Any]) -> str:
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    data = output.get("data", {})
    if "text/plain" in data:
        return _text(data["text/plain"])
    if "text/html" in data:
        return "\n".join(filter(str.strip, unescape(_TAG.sub("\n", _text(data["text/html"]))).splitlines()))
    return ", ".join(sorted(data))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value)


def steady(text: str) -> str:
    """Return the text with times, durations and ids replaced, so that two runs of the same thing read the same."""
    for shape, put in _VOLATILE:
        text = shape.sub(put, text)
    return re.sub("─+", "─", re.sub(r"[ \t]+", " ", text))  # a table is as wide as its longest duration
