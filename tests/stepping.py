"""A notebook stepped through in this process as a person does in JupyterLab: cells, buttons, typing, restarts.

The kernel is an IPython shell with the project's own extension, so that widgets, choices and the record are the real
ones. Only the page is missing: what it would write into the parameters cell is written by `choose` here.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ipykernel.connect as connect
import nbformat
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from runbook_lib import events
from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown
from runbook_lib.records import interactive
from runbook_lib.records.interactive.journal import Journal
from runbook_lib.records.interactive.names import explain_missing_names

ROOT = Path(__file__).parents[1]
connect.get_connection_file = lambda: "in this process"  # the record names the kernel's; there is none


_NO_HISTORY = Config({"HistoryManager": {"enabled": False}})  # it would have a thread for each


class _Hook(DisplayHook):  # type: ignore[misc] # IPython has no types
    """Keeps what a cell's last line shows."""

    def write_output_prompt(self) -> None:
        """Show no number."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Keep it beside what was displayed before."""
        self.shell.display_pub.publish(data=format_dict, metadata=md_dict or {})


class _Shell(InteractiveShell):
    """A kernel's shell without a kernel."""

    displayhook_class = _Hook
    display_pub_class = CapturingDisplayPublisher


class Stepped:
    """One notebook before one person. `folder` takes its copy; records go to where $RUNBOOK_RECORDS says."""

    def __init__(self, name: str, folder: Path, **typed: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.ipynb"
        self._original = ROOT / "notebooks" / f"{name}.ipynb"
        shutil.copy(self._original, self.path)
        self.cells = {cell.id: cell for cell in nbformat.read(self.path, as_version=4).cells}
        self.code = [name for name, cell in self.cells.items() if cell.cell_type == "code"]
        self.shown: dict[str, Any] = {}
        self.errors: dict[str, BaseException] = {}
        self.texts: dict[str, str] = {}
        self.journal: Journal | None = None
        self.shell: InteractiveShell | None = None
        self.finished: list[str] = []
        self.type(**typed)
        self.start()

    # The kernel.

    def start(self) -> None:
        """Start a kernel; one that is running ends as a restart ends it."""
        self.stop()
        InteractiveShell.clear_instance()
        _Shell.clear_instance()
        self.shell = _Shell.instance(config=_NO_HISTORY)
        atexit.unregister(self.shell.atexit_operations)  # of hundreds of shells it would take minutes
        front._Page.cell, front._Page.outlet = "", None
        front._Page.watchers.clear()
        os.environ[front.KERNEL_VARIABLE] = str(os.getpid())
        os.environ[front.NOTEBOOK_VARIABLE] = str(self.path)
        self.journal = Journal(self.path, original=self._original)
        interactive._follow(self.shell, self.journal)
        explain_missing_names(self.shell, self._original)

    def stop(self) -> None:
        """End the kernel; its record is written with what it has."""
        if self.journal is not None:
            self._save()
            self.journal.close()
            events._listeners.clear()
            for name in (front.KERNEL_VARIABLE, front.NOTEBOOK_VARIABLE):
                os.environ.pop(name, None)
        self.journal = None

    # What a person does.

    def run(self, cell_id: str) -> str:
        """Run a cell; return what it shows, or the error's sentence."""
        assert self.shell is not None
        cell, shell = self.cells[cell_id], self.shell
        shell.display_pub.outputs = []
        result = shell.run_cell(cell.source, store_history=True, silent=False, cell_id=cell_id)
        outputs = shell.display_pub.outputs
        cell.outputs = [
            nbformat.v4.new_output("display_data", data=output["data"], metadata=output.get("metadata") or {})
            for output in outputs
        ]
        cell.execution_count = shell.execution_count - 1
        error = result.error_before_exec or result.error_in_exec
        self.errors.pop(cell_id, None)
        self.shown[cell_id] = result.result
        if error is not None:
            self.errors[cell_id] = error
        text = "\n".join(str(output["data"].get("text/plain", "")) for output in outputs)
        self.texts[cell_id] = f"{type(error).__name__}: {error}" if error else text
        return self.texts[cell_id]

    def run_to(self, cell_id: str, *, since: str = "parameters") -> str:
        """Run cell after cell; stop where one fails."""
        names = self.code[self.code.index(since) : self.code.index(cell_id) + 1]
        for name in names:
            text = self.run(name)
            if name in self.errors:
                return text
        return text

    def type(self, **values: Any) -> None:
        """Type parameters into their cell. Nothing is run."""
        cell = self.cells["parameters"]
        lines = cell.source.splitlines()
        for name, value in values.items():
            at = next(number for number, line in enumerate(lines) if line.startswith(f"{name}: "))
            before, _, comment = lines[at].partition("  # ")
            lines[at] = f"{before.partition(' = ')[0]} = {front.literal(value)}  # {comment}"
        cell.source = "\n".join(lines)

    def widgets(self, cell_id: str, kind: str) -> list[Any]:
        """Return the widgets of a kind that a cell shows."""
        shown = self.shown.get(cell_id)
        boxes = shown.widgets if isinstance(shown, Shown) else ()
        return [each for box in boxes for each in _below(box) if type(each).__name__ == kind]

    def button(self, cell_id: str, name: str) -> Any | None:
        """Return the button whose words begin so, None if the cell shows none."""
        return next((each for each in self.widgets(cell_id, "Button") if each.description.startswith(name)), None)

    def press(self, cell_id: str, name: str) -> bool:
        """Press a button; tell whether there was one that is open. The page then shows what was chosen."""
        button = self.button(cell_id, name)
        if button is None or button.disabled:
            return False
        button.click()
        self._as_the_page_does()
        return True

    def approve(self, cell_id: str = "checks", *, touches: str = "") -> bool:
        """Type the cluster's name where it is asked for, and press the approve button."""
        for field in self.widgets(cell_id, "Text"):
            field.value = touches
        return self.press(cell_id, "Approve plan")

    def finish(self) -> str:
        """Press the button that writes the record; return what it says."""
        assert self.journal is not None
        self._save()
        self.finished.append(self.journal.finish())
        return self.finished[-1]

    def _as_the_page_does(self) -> None:
        """Write parameters that a widget has set into their cell, as JupyterLab's script does."""
        assert self.shell is not None
        names = dict(front.literals(self.cells["parameters"].source))
        self.type(**{name: self.shell.user_ns[name] for name in names if name in self.shell.user_ns})

    def _save(self) -> None:
        notebook = json.loads(self._original.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            mine = self.cells[cell["id"]]
            cell["source"] = mine.source
            if cell["cell_type"] == "code":
                cell["outputs"] = json.loads(json.dumps(mine.outputs))
                cell["execution_count"] = mine.execution_count
        self.path.write_text(json.dumps(notebook), encoding="utf-8")


def _below(box: Any) -> Iterator[Any]:
    yield box
    for child in getattr(box, "children", ()):
        yield from _below(child)


def manifests(records: Path) -> list[Mapping[str, Any]]:
    """Return the manifests of all records, oldest first."""
    found = [json.loads(path.read_bytes()) for path in records.rglob("manifest.json")]
    return sorted(found, key=lambda manifest: str(manifest["started"]))
