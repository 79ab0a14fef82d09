"""The chooser of the way back: copy, cut over or undo, and what becomes of rows written since."""

from __future__ import annotations

from typing import Any

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


def way_chooser(value: Any, pairing: Pairing, *, way: str, rows: str) -> Any:
    """Show the ways side by side, in JupyterLab with a button that takes one of them.

    `way` and `rows` are the parameters as they stand. Choosing takes an approval away: it was of another plan.
    """
    if not front.reader_is_there():
        return value
    import ipywidgets as w

    offered = [(words_of, name) for name, words_of in _WAYS if name != "undo cutover" or pairing.state != "apart"]
    known = [name for _, name in offered]
    choice = w.RadioButtons(options=offered, value=way if way in known else "compare", layout=w.Layout(width="auto"))
    rule = w.Combobox(
        options=_RULES, value=rows, description="rows written since:", style={"description_width": "initial"}
    )
    rule.layout = w.Layout(width="36em")
    button = w.Button(description="Take this way", button_style="primary")
    button.layout = w.Layout(width="auto", align_self="flex-start")
    said = w.HTML()

    def values() -> dict[str, str]:
        rule_too = {"rows": rule.value.strip() or "replace"} if choice.value == "copy" else {}
        return {"way": choice.value, **rule_too, "approve": ""}

    def show(_change: Any = None) -> None:
        rule.layout.display = "" if choice.value == "copy" else "none"
        button.disabled = "COLUMN" in rule.value and choice.value == "copy"
        said.value = words(_meaning(choice.value, rule.value)) + in_sight(front.assignments(values()))

    def on_click(_button: Any) -> None:
        front.choose(values(), again=False)
        said.value = words("Written into the parameters. Go on with the next cell (Shift+Enter).") + in_sight(
            front.assignments(values())
        )

    show()
    choice.observe(show, names="value")
    rule.observe(show, names="value")
    button.on_click(on_click)
    box = w.VBox([choice, rule, button, said, front.outlet()])
    box.add_class("runbook-ways")
    return Shown(value=value, widgets=(box,))


def _meaning(way: str, rule: str) -> str:
    if way != "copy":
        return "Nothing happens before a plan is approved."
    if "COLUMN" in rule:
        return "Write the column that tells which row is newer in the place of COLUMN."
    if rule.strip().startswith("keep new"):
        return (
            "Rows that only the damaged tables hold stay. Where both hold a row and they differ, nothing is swapped "
            'unless "; conflicts: copy" or "; conflicts: source" says which one to take.'
        )
    if rule.strip().startswith("newer wins"):
        return "Where both hold a row, the one with the greater value in that column stays."
    return "The tables become what the copy holds: rows written since stay only in the dated schema."
