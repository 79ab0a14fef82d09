"""No module needs itself: an import circle is a module that nobody can read, test or move alone.

Layers are held by the import contracts of pyproject.toml (`make lint`); within a layer these tests hold the order.
Imports inside functions count too, since they are most often a circle that was put off; those for types only do not.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "runbook_lib").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules that a module imports, wherever it does, but for what only the type checker reads."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in known else node.module for full in whole}
    return (found & set(known)) - {name}


def test_no_two_modules_import_each_other_by_whatever_way() -> None:
    known = modules()
    assert len(known) > 200
    graph = {name: imports(name, path, known) for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_a_circle_is_found(tmp_path: Path) -> None:
    known = {"a": tmp_path / "a.py", "b": tmp_path / "b.py"}
    known["a"].write_text("import b\n")
    known["b"].write_text("def late():\n    from a import thing\n")
    with pytest.raises(CycleError):
        TopologicalSorter({name: imports(name, path, known) for name, path in known.items()}).prepare()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("rows_there = 1", "rows_there"),
        ("def read(here): ...", "here"),
        ("fetch(only_here=1)", "only_here"),
        ("side = 'there'", "there"),
        ("import a.here", "here"),
        ("is_there = still_there(1)", ""),
        ('say(f"{name} is not there")  # here', ""),
        ("wherever = otherwise", ""),
    ],
)
def test_names_that_mean_another_server_from_each_side_are_kept_out(line: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(line)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "names.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if name else 0)
    assert (f"`{name}`" in done.stdout) == bool(name)
