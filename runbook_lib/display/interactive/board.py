"""The option board: the ways back, one of them to be chosen and taken into the next notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words
from runbook_lib.restore import Proposal, Way, recommended
from runbook_lib.restore.ways import OF_AN_ORIGIN, POINT_IN_TIME, damage_at
from runbook_lib.times import duration_text, iso

_ONWARD = "restore_to_timestamp"


def parameters_of(way: Way, *, cluster: str) -> dict[str, Any] | None:
    """Return what `restore_to_timestamp` takes to go this way; None for a way that no notebook goes."""
    if not way.is_usable or way.reaches is None:
        return None
    moment = {"timestamp": iso(way.reaches), "cluster": cluster}
    if way.name == POINT_IN_TIME:
        return {**moment, "restore_from": ""}
    if way.name in OF_AN_ORIGIN:
        return {**moment, "restore_from": way.source}
    return None


def board(value: Any, ways: Sequence[Way], *, cluster: str, proposal: Proposal) -> Any:
    """Show the ways back, in JupyterLab with a button that takes one of them into `restore_to_timestamp`.

    By the `proposal` it warns of a way that leads to a moment after the damage.
    """
    offered = [(way, given) for way in ways if (given := parameters_of(way, cluster=cluster))]
    if not offered or not front.reader_is_there():
        return value
    import ipywidgets as w

    best, cell = recommended(ways), front.cell_now()
    options = [(_name(way, best), index) for index, (way, _) in enumerate(offered)]
    first = next((index for index, (way, _) in enumerate(offered) if way is best), 0)
    choice = w.RadioButtons(options=options, value=first, layout=w.Layout(width="auto"))
    button = w.Button(layout=w.Layout(width="auto", align_self="flex-start"))
    said = w.HTML()

    def show(_change: Any = None) -> None:
        way, given = offered[choice.value]
        warning = _warning(way, proposal, not_best=best is None)
        said.value = words(f"{warning}{_ONWARD} would take:") + in_sight(front.assignments(given))
        button.description = "Choose this way all the same" if warning else "Choose this way"
        button.button_style = "danger" if warning else "primary"

    def on_click(_button: Any) -> None:
        front.hand_on(_ONWARD, offered[choice.value][1], cell=cell)
        said.value = words(
            f"The rest of this notebook is read and its record written; then {_ONWARD} opens with this in its "
            "parameters cell. Run it from its top."
        ) + in_sight(front.assignments(offered[choice.value][1]))

    show()
    choice.observe(show, names="value")
    button.on_click(on_click)
    box = w.VBox([choice, button, said, front.outlet()])
    box.add_class("runbook-board")
    return Shown(value=value, widgets=(box,))


def _warning(way: Way, proposal: Proposal, *, not_best: bool) -> str:
    assert way.reaches is not None
    state = damage_at(way.reaches, proposal)
    second = proposal.second
    if state:
        said = f"Then the damage is {state}: this leads to damaged data."
    elif not_best and second and way.reaches < second:
        said = f"This loses {duration_text(second - way.reaches)} of good data, which can still be restored."
    else:
        return ""
    better = f" The proposed second is {iso(second)}: take it in the picker above." if second else ""
    return f"<b>{said}</b>{better}<br>"


def _name(way: Way, best: Way | None) -> str:
    assert way.reaches is not None
    lost = f"loses {duration_text(way.lost)}" if way.lost else "loses nothing before it"
    return f"{way.name} from {way.source}, to {iso(way.reaches)}, {lost}{' (recommended)' if way is best else ''}"
