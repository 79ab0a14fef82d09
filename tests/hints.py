"""What a result tells the reader to type is held to the notebook it is for: it has these parameters and takes them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from runbook_lib.bringback.rules import Wanted
from runbook_lib.display.result import Result
from runbook_lib.records.parameters import check_parameters, read_parameters

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {path.stem: path for path in (ROOT / "notebooks").glob("*.ipynb")}


def held_to_the_notebooks(result: Result) -> list[dict[str, str]]:
    """Return what each step of a result sets, once it is sure that its notebook would take it.

    A step that offers a choice (`way="copy", or way="cutover"`) is each of them, with all that stands before.
    """
    found = []
    for step in result.next:
        assert "undo=" not in step, step
        offered = offered_by(step)
        if not offered:
            continue
        named = [name for name in NOTEBOOKS if name in step]
        notebook = named[0] if named else result.notebook
        declared = read_parameters(nbformat.read(NOTEBOOKS[notebook], as_version=4), name=notebook)
        for given in offered:
            check_parameters(declared, dict(given), name=notebook)
            if notebook == "bring_back_data":
                Wanted(**{name: value for name, value in given.items() if name in Wanted.__dataclass_fields__})
            found.append(given)
    return found


def offered_by(step: str) -> list[dict[str, str]]:
    """Return the parameters of each choice in a step, as they are to be typed; none may be given twice."""
    choices: list[dict[str, str]] = []
    for part in step.split(", or "):
        pairs = re.findall(r'\b(\w+)="([^"]*)"', part)
        assert len(pairs) == len(dict(pairs)), f"one parameter is given twice: {step}"
        if pairs:
            choices.append({**(choices[0] if choices else {}), **dict(pairs)})
    return choices
