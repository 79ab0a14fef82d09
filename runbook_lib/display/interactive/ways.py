"""The chooser of the way back: copy, cut over or undo, and what becomes of rows written since."""

from __future__ import annotations

from typing import Any, Protocol

from runbook_lib.bringback.cutover import Pairing
from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words

_WAYS = (
    ("compare", "only compare"),
    ("copy", "copy tables back"),
    ("cutover", "cut over: the copy takes the name"),
    ("undo copy", "undo the newest copy back"),
    ("undo cutover", "undo the cut-over"),
)
_RULES = ("replace", "keep new", "newer wins by COLUMN")
_CONFLICTS = (("list them and stop", ""), ("take the copy's row", "copy"), ("take the damaged table's row", "source"))


class Wanted(Protocol):
    """The choices as they are: the way, the rule for rows written since, and whose row is taken where both have one."""

    @property
    def way(self) -> str:
        """Return the way."""

    @property
    def rows(self) -> str:
        """Return the rule for rows."""

    @property
    def conflicts(self) -> str:
        """Return whose rows are taken."""


def way_chooser(value: Any, pairing: Pairing, *, wanted: Wanted) -> Any:
    """Show the ways side by side, in JupyterLab with a button that takes one of them.

    `wanted` are the choices as they are. Choosing takes an approval away: it was of another plan. Marked tables stay.
    """
    if not front.reader_is_there():
        return value
    import ipywidgets as w

    cell, wide = front.cell_now(), {"description_width": "16em"}
    offered = [(words_of, name) for name, words_of in _WAYS if name != "undo cutover" or pairing.state != "apart"]
    choice = w.RadioButtons(options=offered, value=wanted.way, layout=w.Layout(width="auto"))
    rule = w.Combobox(options=_RULES, value=wanted.rows, description="rows written since:", style=wide)
    side = w.Dropdown(options=_CONFLICTS, value=wanted.conflicts, description="a row that both have:", style=wide)
    rule.layout, side.layout = w.Layout(width="36em"), w.Layout(width="36em")
    button = w.Button(description="Take this way", button_style="primary")
    button.layout = w.Layout(width="auto", align_self="flex-start")
    said = w.HTML()

    def values() -> dict[str, str]:
        of_copy = {"rows": rule.value.strip() or "replace", "conflicts": side.value} if choice.value == "copy" else {}
        return {"way": choice.value, **of_copy, "approve": ""}

    def show(_change: Any = None) -> None:
        for field in (rule, side):
            field.layout.display = "" if choice.value == "copy" else "none"
        button.disabled = "COLUMN" in rule.value and choice.value == "copy"
        said.value = words(_meaning(choice.value, rule.value, side.value)) + in_sight(front.assignments(values()))

    def on_click(_button: Any) -> None:
        front.choose(values(), cell=cell)
        said.value = words("Written into the parameters. Go on with the next cell (Shift+Enter).") + in_sight(
            front.assignments(values())
        )

    show()
    for field in (choice, rule, side):
        field.observe(show, names="value")
    button.on_click(on_click)
    box = w.VBox([choice, rule, side, button, said, front.outlet()])
    box.add_class("runbook-ways")
    return Shown(value=value, widgets=(box,))


def _meaning(way: str, rule: str, side: str) -> str:
    if way != "copy":
        return "Nothing happens before a plan is approved."
    if "COLUMN" in rule:
        return "Write the column that tells which row is newer in the place of COLUMN."
    whose = {"": "", "copy": "the copy's is taken", "source": "the damaged table's is taken"}[side]
    decided = (
        f"Where both hold a row and they differ, {whose}."
        if whose
        else ("Where both hold a row and they differ, nothing is swapped until you choose whose is taken.")
    )
    if rule.strip().startswith("keep new"):
        return f"Rows that only the damaged tables hold stay. {decided}"
    if rule.strip().startswith("newer wins"):
        return "Where both hold a row, the one with the greater value in that column stays."
    return "The tables become what the copy holds: rows written since stay only in the dated schema."
