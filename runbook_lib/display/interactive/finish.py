"""The button that finishes the record of a notebook that was stepped through."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import words
from runbook_lib.errors import RunbookError


def finish_strip(finish: Callable[[], str]) -> None:
    """Show the button; `finish` writes the record and says where it is."""
    import ipywidgets as w
    from IPython.display import display

    cell = front.cell_now()
    button = w.Button(description="Finish: write the record", button_style="primary")
    button.layout = w.Layout(width="auto", align_self="flex-start")
    said = w.HTML(
        words("Saves this notebook and keeps it as a record: the same as a headless run leaves, marked interactive.")
    )

    def on_click(_button: Any) -> None:
        button.disabled = True
        try:
            lines = finish().splitlines()
        except RunbookError as error:
            button.disabled = False
            lines = error.lines()
        except Exception as error:  # noqa: BLE001 # nobody sees what a click raises; the run's record stays open
            button.disabled = False
            lines = [f"The record could not be written: {type(error).__name__}: {error}"]
        said.value = words("<br>".join(escape(line) for line in lines))
        front.return_to(cell)

    button.on_click(on_click)
    box = w.VBox([button, said, front.outlet()])
    box.add_class("runbook-finish")
    untyped: Any = display
    untyped(box)
