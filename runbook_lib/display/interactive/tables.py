"""The table chooser: which tables to bring back, each with what was found of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words
from runbook_lib.proof import Proof, TableVerdict

_SHOWN_LINES = 16


def table_chooser(value: Any, proof: Proof, *, chosen: str = "") -> Any:
    """Show what a proof found of each table, in JupyterLab with a list of the damaged ones to be copied back.

    `chosen` is the parameter as it stands. Choosing runs the notebook anew without an approval, because its plan is
    then another one.
    """
    lost = {str(name) for name in proof.damaged}
    lines = {str(verdict.pair.expected): verdict for verdict in proof.tables}
    found = {name: _line(verdict) for name, verdict in lines.items() if name in lost}
    return _chooser(value, found, chosen=chosen)


def _line(verdict: TableVerdict) -> str:
    return (
        f"{verdict.verdict}: {verdict.missing:,} rows missing, {verdict.changed:,} changed, {verdict.extra:,} new since"
    )


def _chooser(value: Any, found: Mapping[str, str], *, chosen: str) -> Any:
    if not found or not front.reader_is_there():
        return value
    import ipywidgets as w

    longest = max(map(len, found))
    given = {name.strip() for name in chosen.split(",") if name.strip()}
    choice = w.SelectMultiple(
        options=[(f"{name.ljust(longest)}   {line}", name) for name, line in found.items()],
        value=[name for name in found if name in given],
        rows=min(_SHOWN_LINES, len(found)),
        layout=w.Layout(width="100%"),
    )
    button = w.Button(
        description="Copy these tables back: make the plan", button_style="primary", layout=w.Layout(width="auto")
    )
    every = w.Button(description="All of them", layout=w.Layout(width="auto"))
    said = w.HTML()

    def values() -> dict[str, str]:
        taken = ", ".join(name for name in found if name in choice.value)
        return {"way": "copy", "tables": taken, "approve": ""}

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
