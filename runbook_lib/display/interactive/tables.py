"""The table chooser: which tables to bring back, each with what was found of it."""

from __future__ import annotations

from typing import Any

from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words
from runbook_lib.proof import Proof, TableVerdict

_SHOWN_LINES = 16


def table_chooser(value: Any, proof: Proof, *, chosen: str = "") -> Any:
    """Show what a proof found of each table, in JupyterLab with a list of the damaged ones to be copied back.

    `chosen` is the parameter as it is. What is marked is written into it at once, so that it is not lost whatever is
    chosen next; an approval is taken away with it, because the plan is then another one.
    """
    lost = {str(name) for name in proof.damaged}
    found = {str(table.pair.expected): _line(table) for table in proof.tables if str(table.pair.expected) in lost}
    if not found or not front.reader_is_there():
        return value
    import ipywidgets as w

    cell, longest = front.cell_now(), max(map(len, found))
    given = {name.strip() for name in chosen.split(",") if name.strip()}
    marked = [name for name in found if given & {name, name.partition(".")[0]}]
    typed = sorted(given - {part for name in found for part in (name, name.partition(".")[0])})
    choice = w.SelectMultiple(
        options=[(f"{name.ljust(longest)}   {line}", name) for name, line in found.items()],
        value=marked,
        rows=min(_SHOWN_LINES, len(found)),
        layout=w.Layout(width="100%"),
    )
    every = w.Button(description="Mark all", layout=w.Layout(width="auto"))
    none = w.Button(description="Mark none", layout=w.Layout(width="auto"))
    button = w.Button(description="Copy these tables back", button_style="primary", layout=w.Layout(width="auto"))
    said = w.HTML()

    def values() -> dict[str, str]:
        names = [] if len(choice.value) == len(found) else [name for name in found if name in choice.value]
        taken = ", ".join([*names, *typed])
        return {"tables": taken, "approve": ""}

    def show() -> None:
        count = len(choice.value)
        what = f"{count} of {len(found)} tables" if count else f"None is marked: that means all {len(found)}"
        said.value = words(f"{what}. Ctrl or Shift with a click takes several.") + in_sight(front.assignments(values()))

    def mark(_change: Any) -> None:
        front.choose(values(), cell=cell, stay=True)
        show()

    def take(_button: Any) -> None:
        front.choose({"way": "copy", **values()}, cell=cell)
        said.value = words("Written into the parameters. Go on with the next cell (Shift+Enter).") + in_sight(
            front.assignments({"way": "copy", **values()})
        )

    show()
    choice.observe(mark, names="value")
    every.on_click(lambda _: setattr(choice, "value", tuple(found)))
    none.on_click(lambda _: setattr(choice, "value", ()))
    button.on_click(take)
    box = w.VBox([choice, w.HBox([every, none, button], layout=w.Layout(flex_flow="row wrap")), said, front.outlet()])
    box.add_class("runbook-tables")
    return Shown(value=value, widgets=(box,))


def _line(table: TableVerdict) -> str:
    extra = f", {table.extra:,} only in the damaged table" if table.extra else ""
    return f"{table.verdict}: {table.missing:,} rows missing, {table.changed:,} changed{extra}"
