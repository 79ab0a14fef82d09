"""A cell that uses what no cell has made yet says so in a sentence, instead of `name 'done' is not defined`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from runbook_lib.records.interactive.saved import saved_notebook


def explain_missing_names(shell: Any, notebook: Path) -> None:
    """Have a NameError of a cell shown as a sentence that names the cell to run first."""

    def shown(
        shell: Any, kind: type[BaseException], error: BaseException, traceback: Any, tb_offset: Any = None
    ) -> Any:
        name = getattr(error, "name", None)
        said = _sentence(str(name), notebook) if name else ""
        if not said:
            shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
            return None
        lines = [f"Not yet: {said}", "What to do: run that cell first, and then the cells below it, in their order."]
        shell._showtraceback(kind, error, lines)
        return lines

    shell.set_custom_exc((NameError,), shown)


def _sentence(name: str, notebook: Path) -> str:
    """Say which cell of the notebook makes a name; nothing where none does."""
    heading = ""
    for cell in saved_notebook(notebook)[1]["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = next((line.lstrip("# ") for line in source.splitlines() if line.startswith("#")), heading)
        elif name in _made(source):
            return f'the cell under "{heading}" has not run, or has failed: it makes `{name}`, which this cell needs.'
    return ""


def _made(source: str) -> set[str]:
    """Return the names that a cell's own statements set."""
    found: set[str] = set()
    for statement in ast.parse(source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        found |= {node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)}
        if isinstance(statement, ast.ImportFrom | ast.Import):
            found |= {alias.asname or alias.name for alias in statement.names}
    return found
