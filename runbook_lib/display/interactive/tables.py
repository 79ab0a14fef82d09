"""The table chooser: which tables to bring back, each with what was found of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words

_SHOWN_LINES = 16


def table_chooser(
    value: Any, found: Mapping[str, str], *, chosen: str = "", parameter: str = "tables", separator: str = ", "
) -> Any:
    """Show what was found of each table, in JupyterLab with a list to choose from.

    `found` has a line about each table by its name (`schema.table`); `chosen` is the parameter as it stands, names
    with the `separator` between them. Choosing runs the notebook anew, because its plan is then about other tables.
    """
    if not found or not front.reader_is_there():
        return value
    import ipywidgets as w

    longest = max(map(len, found))
    given = {name.strip() for name in chosen.split(separator.strip()) if name.strip()}
    choice = w.SelectMultiple(
        options=[(f"{name.ljust(longest)}   {line}", name) for name, line in found.items()],
        value=[name for name in found if name in given],
        rows=min(_SHOWN_LINES, len(found)),
        layout=w.Layout(width="100%"),
    )
    button = w.Button(description="Take these tables", button_style="primary", layout=w.Layout(width="auto"))
    every = w.Button(description="All of them", layout=w.Layout(width="auto"))
    said = w.HTML()

    def values() -> dict[str, str]:
        return {parameter: separator.join(name for name in found if name in choice.value)}

    def show(_change: Any = None) -> None:
        count = f"{len(choice.value)} of {len(found)} tables. Ctrl or Shift with a click takes several."
        said.value = words(count) + in_sight(front.assignments(values()))
        button.disabled = not choice.value

    def take_all(_button: Any) -> None:
        choice.value = tuple(found)

    show()
    choice.observe(show, names="value")
    every.on_click(take_all)
    button.on_click(lambda _: front.choose(values(), again=True))
    box = w.VBox([choice, w.HBox([every, button]), said, front.outlet()])
    box.add_class("runbook-tables")
    return Shown(value=value, widgets=(box,))
