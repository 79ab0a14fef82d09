"""The button under a result that opens the next notebook, with what it needs filled in."""

from __future__ import annotations

from typing import Any

from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words
from runbook_lib.display.result import Result


def leads_on(result: Result, notebook: str, *, when: bool, **values: Any) -> Any:
    """Show a result, in JupyterLab with a button that opens the next notebook with these parameters.

    Pressing it writes the record of this notebook first. Without `when` there is no next one yet.
    """
    if not when or not front.reader_is_there():
        return result
    import ipywidgets as w

    cell = front.cell_now()
    button = w.Button(description=f"Go on: open {notebook}", button_style="primary")
    button.layout = w.Layout(width="auto", align_self="flex-start")
    said = w.HTML(
        words(f"Writes the record of this notebook, and opens {notebook} with:") + in_sight(front.assignments(values))
    )

    def on_click(_button: Any) -> None:
        button.disabled = True
        front.hand_on(notebook, values, cell=cell)
        said.value = words(f"{notebook} opens with this in its parameters cell. Run it from its top.") + in_sight(
            front.assignments(values)
        )

    button.on_click(on_click)
    box = w.VBox([button, said, front.outlet()])
    box.add_class("runbook-onward")
    return Shown(value=result, widgets=(box,))
