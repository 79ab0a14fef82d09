"""The notebooks keep their contract as they stand in git, and run as they stand."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from runbook_lib import restore
from runbook_lib.clusters import find_cluster
from runbook_lib.times import AskedTime, utc_now
from tests.conftest import Told
from tests.matrix import thorough

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "notebooks" / "index.ipynb"  # it routes to the others
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_it_begins_with_a_title_and_its_facts(path: Path) -> None:
    first = source(read(path)["cells"][0])
    assert first.startswith("# ")
    for fact in ("Use when", "Do not use when", "Changes anything?", "Needs", "Usually takes", "Undo"):
        assert f"**{fact}**" in first


@each_notebook
def test_its_parameters_cell_holds_commented_literals_and_a_timestamp(path: Path) -> None:
    tagged = [cell for cell in read(path)["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    assert tagged == code_cells(path)[:1]
    lines = source(tagged[0]).splitlines()
    statements = ast.parse(source(tagged[0])).body
    assert len(statements) == len(lines)
    for line, statement in zip(lines, statements, strict=True):
        assert isinstance(statement, ast.AnnAssign), line
        assert statement.value is not None
        ast.literal_eval(statement.value)
        assert "  # " in line, f"no comment: {line}"
    assert lines[0].startswith("timestamp: str = ")


@each_notebook
def test_it_is_short_and_does_no_work_of_its_own(path: Path) -> None:
    assert len(read(path)["cells"]) <= 25
    sizes = []
    for cell in code_cells(path):
        text = source(cell)
        sizes.append(len(text.splitlines()))
        assert not text.lstrip().startswith(("!", "%"))
        kinds = (ast.FunctionDef, ast.For, ast.While, ast.ClassDef, ast.Lambda)
        assert not any(isinstance(node, kinds) for node in ast.walk(ast.parse(text))), cell["id"]
    assert max(sizes) <= 12
    assert median(sizes) <= 5


@each_notebook
def test_it_is_stored_without_outputs_under_stable_ids(path: Path) -> None:
    content = read(path)
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    for cell in code_cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    ids = [cell["id"] for cell in content["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(not any(char.isdigit() for char in one) or "-" in one for one in ids), "ids are words, not random"


@each_notebook
def test_every_code_cell_but_the_parameters_follows_words(path: Path) -> None:
    cells = read(path)["cells"]
    for before, cell in pairwise(cells):
        if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", []):
            assert before["cell_type"] == "markdown", cell["id"]


@each_notebook
def test_nothing_is_approved_or_applied_but_for_the_choices_as_they_are_now(path: Path) -> None:
    """It should hand the choices themselves to whatever asks for an approval, never a copy of the id."""
    cells = code_cells(path)
    if "approve: str" not in source(cells[0]):
        return
    reads = [node for cell in cells[1:] for node in ast.walk(ast.parse(source(cell))) if isinstance(node, ast.Name)]
    assert "approve" not in {node.id for node in reads}
    calls = [node for cell in cells for node in ast.walk(ast.parse(source(cell))) if isinstance(node, ast.Call)]
    given = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "approve"]
    assert len(given) >= 2
    assert {ast.unparse(value) for value in given} == {"run.given"}


def test_the_index_leads_to_every_other_notebook() -> None:
    linked = set(re.findall(r"\]\((\w+\.ipynb)\)", "".join(map(source, read(INDEX)["cells"]))))
    assert linked == {path.name for path in NOTEBOOKS} - {INDEX.name}


def test_every_link_between_notebooks_leads_to_one() -> None:
    for path in NOTEBOOKS:
        for cell in read(path)["cells"]:
            for name in re.findall(r"\]\(([^)#]+)", source(cell)):
                assert name.startswith("https://") or (path.parent / name).is_file(), f"{path.name}: {name}"


FIRST = [path for path in NOTEBOOKS if path.stem in ("index", "inspect_backups", "restore_to_timestamp")]
OTHERS = [path for path in NOTEBOOKS if path not in FIRST]


@pytest.mark.one_engine
@pytest.mark.parametrize("paths", [FIRST, thorough(OTHERS)], ids=["those of the incident", "the others"])
def test_nbval_runs_them_as_they_stand(told: Told, tmp_path: Path, paths: list[Path]) -> None:
    """It should run each notebook with its defaults: the only Aurora MySQL cluster there is, read-only or planned."""
    if paths == OTHERS:
        restore_beside(told)  # bring_back_data compares it
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *paths],
        cwd=ROOT,
        env={**os.environ, **told.stand_in.environment(), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def restore_beside(told: Told) -> None:
    source = find_cluster(told.session, told.stand_in.cluster)
    asked = AskedTime(text="", moment=told.story.restore_point)
    choices = restore.Choices(target="for-bring-back")
    plan = restore.propose(told.session, source, asked=asked, now=utc_now(), choices=choices)
    restore.apply(told.session, plan, approve=plan.id)
