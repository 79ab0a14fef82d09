"""The incident's timeline as a picker: a slider under the picture, to the second, with the proposal marked."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from runbook_lib.clusters import Cluster
from runbook_lib.display.figure import Figure
from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words
from runbook_lib.display.timeline import damage_then
from runbook_lib.display.timeline_figure import span_of
from runbook_lib.errors import InputRefused
from runbook_lib.restore import Proposal
from runbook_lib.timeline import Timeline
from runbook_lib.times import full_text, iso, parse_timestamp

_ONWARD = "restore_to_timestamp"
_WIDEST = "1100px"  # of a figure: 10 inches at 110 dots
_STEPS = (("−1 min", -60), ("−1 s", -1), ("+1 s", 1), ("+1 min", 60))


class Run(Protocol):
    """The run of the notebook: its cluster, the reader's zone, and the one clock reading of it."""

    @property
    def target(self) -> Cluster:
        """Return the cluster that the notebook is about."""

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone that times are shown in beside UTC."""

    @property
    def now(self) -> datetime:
        """Return the clock reading, aware UTC."""


def picker(value: Figure, timeline: Timeline, proposal: Proposal, *, run: Run) -> Any:
    """Show the picture of the timeline, in JupyterLab with a picker of the second under it."""
    if not front.reader_is_there():
        return value
    start, end = span_of(timeline, proposal)
    start = start.replace(microsecond=0)
    return _Picker(value, proposal, run, span=(start, int((end - start).total_seconds()))).shown()


class _Picker:
    """The widgets, each of which only moves the slider; the slider's second is the choice."""

    def __init__(self, value: Figure, proposal: Proposal, run: Run, *, span: tuple[datetime, int]) -> None:
        """Begin at the proposed second. `span` is where the axis begins, and how many seconds it is long."""
        import ipywidgets as w

        self._cell = front.cell_now()
        self._value, self._proposal, self._run = value, proposal, run
        self._start, self._last = span
        first = proposal.second or (proposal.candidates[0].second if proposal.candidates else self._start)
        self._slider = w.IntSlider(
            value=self._seconds(first),
            min=0,
            max=self._last,
            step=1,
            readout=False,
            layout=w.Layout(width="auto", margin=_margins(value)),
            tooltip="Click to jump; the arrow keys go by one second",
        )
        self._slider.add_class("runbook-slider")
        self._text = w.Text(value=iso(first), continuous_update=False, layout=w.Layout(width="16em"))
        self._said = w.HTML()
        self._slider.observe(self._moved, names="value")
        self._text.observe(self._typed, names="value")
        self._moved()

    def shown(self) -> Shown:
        """Return the value with its widgets."""
        import ipywidgets as w

        small = w.Layout(width="auto")
        buttons = [self._step(name, seconds) for name, seconds in _STEPS]
        for name, moment in self._marks():
            button = w.Button(description=name, button_style="info", layout=small, tooltip=iso(moment))
            button.on_click(lambda _, to=moment: self._go(to))
            buttons.append(button)
        again = w.Button(description="Look at it from this second", layout=small)
        again.tooltip = "Writes it into the parameters of this notebook and runs it anew: do the ways back reach it?"
        again.on_click(lambda _: self._choose())
        onward = w.Button(description=f"Take it into {_ONWARD}", button_style="primary", layout=small)
        onward.on_click(lambda _: self._hand_on())
        row = w.Layout(flex_flow="row wrap")
        box = w.VBox(
            [
                w.HTML(words("Click on the bar or use the arrow keys (a second each), or type a moment.")),
                self._slider,
                w.HBox([*buttons, self._text], layout=row),
                self._said,
                w.HBox([again, onward], layout=row),
                front.outlet(),
            ]
        )
        box.layout.max_width = _WIDEST
        box.add_class("runbook-picker")
        return Shown(value=self._value, widgets=(box,))

    @property
    def moment(self) -> datetime:
        """The second that is picked now."""
        return self._start + timedelta(seconds=int(self._slider.value))

    def _seconds(self, moment: datetime) -> int:
        return min(self._last, max(0, int((moment - self._start).total_seconds())))

    def _marks(self) -> list[tuple[str, datetime]]:
        return [(name, moment) for moment, name in self._proposal.neighbours if not name.startswith("one minute")]

    def _step(self, name: str, seconds: int) -> Any:
        import ipywidgets as w

        button = w.Button(description=name, layout=w.Layout(width="auto"))
        button.on_click(lambda _: self._go(self.moment + timedelta(seconds=seconds)))
        return button

    def _go(self, moment: datetime) -> None:
        self._slider.value = self._seconds(moment)

    def _typed(self, change: dict[str, Any]) -> None:
        if change["new"] == iso(self.moment):
            return
        try:
            asked = parse_timestamp(change["new"], now=self._run.now).moment
        except InputRefused as refusal:
            self._said.value = words(f"<b>{escape(refusal.message)}</b> {escape(refusal.hint)}")
            return
        if asked is None or not self._start <= asked <= self._start + timedelta(seconds=self._last):
            self._said.value = words("<b>That moment is not on this axis.</b> Set it as `timestamp`, and run again.")
            return
        self._go(asked)

    def _moved(self, _change: Any = None) -> None:
        moment = self.moment
        self._text.value = iso(moment)
        proposed = " · <b>the proposed second</b>" if moment == self._proposal.second else ""
        reach = (
            ""
            if self._run.target.window is None or moment in self._run.target.window
            else " · <b>cannot be restored</b>"
        )
        state = damage_then(moment, self._proposal)
        self._said.value = words(
            f"{escape(full_text(moment, zone=self._run.zone, now=self._run.now))}{proposed}{reach}<br>"
            f"the damage then: <b>{state}</b>"
        ) + in_sight(front.assignments({"timestamp": iso(moment)}))

    def _choose(self) -> None:
        front.choose({"timestamp": iso(self.moment)}, cell=self._cell, again=True)
        self._said.value = words("This notebook runs again from this second, as far as the ways back.")

    def _hand_on(self) -> None:
        given = {"timestamp": iso(self.moment), "cluster": self._run.target.identifier}
        front.hand_on(_ONWARD, given, cell=self._cell)
        self._said.value = words(
            f"The rest of this notebook is read and its record written; then {_ONWARD} opens with this in its "
            "parameters cell."
        ) + in_sight(front.assignments(given))


def _margins(figure: Figure) -> str:
    """Line the slider up with the picture's axis above it."""
    left, right = figure.across
    return f"0 {100 * (1 - right):.1f}% 0 {100 * left:.1f}%"
