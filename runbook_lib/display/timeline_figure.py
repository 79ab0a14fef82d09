"""The timeline as a picture: lanes on one axis of time, the proposed second across all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runbook_lib.display.figure import BLUE, GREEN, GREY, RED, Figure, draw, time_axis
from runbook_lib.restore import Proposal
from runbook_lib.timeline import Series, Timeline
from runbook_lib.times import iso, utc_text

_AROUND = timedelta(hours=1)
_SHORTEST = 0.004  # of the axis: a run of four minutes in a picture of a day is still to be seen
_LANE_IN = 0.55


def timeline_figure(timeline: Timeline, proposal: Proposal, *, zone: ZoneInfo) -> Figure:
    """Picture what happened around the proposed second, or in the whole time where there is no candidate."""
    start, end = span_of(timeline, proposal)
    lanes = _Lanes(start=start, end=end)

    def paint(axes: Any) -> None:  # matplotlib takes dates as positions, its stubs do not say so
        lanes.paint(axes, timeline, proposal)
        axes.set_xlim(start, end)
        axes.set_ylim(-0.25, lanes.count + 0.3 + 0.4 * max(1, len(proposal.candidates)))
        axes.set_yticks(*lanes.ticks())
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"time ({zone.key})")
        time_axis(axes, zone)

    title = "When did the damage happen, and which second lies just before it?"
    words = _words(timeline, proposal, start, end)
    return draw(paint, title=title, words=words, height_in=1.3 + _LANE_IN * (5 + len(timeline.series)))


def span_of(timeline: Timeline, proposal: Proposal) -> tuple[datetime, datetime]:
    """Return the time around all candidates, or the whole time where there is none."""
    if not proposal.candidates:
        return timeline.since, timeline.until
    first = min(candidate.began for candidate in proposal.candidates) - _AROUND
    last = max(candidate.ended or candidate.began for candidate in proposal.candidates) + _AROUND
    return max(timeline.since, first), min(timeline.until, last)


class _Lanes:
    """One lane a kind of fact, from the top down; each is drawn by shape as well as by colour."""

    def __init__(self, *, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self.count = 0
        self._names: list[str] = []

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return where the lanes' names stand."""
        return [self.count - index - 0.5 for index in range(self.count)], self._names

    def paint(self, axes: Any, timeline: Timeline, proposal: Proposal) -> None:
        read = {source.name: source.was_read for source in timeline.sources}
        lanes = [
            ("Glue runs", "Glue runs"),
            ("DROP, TRUNCATE,\nmass DELETE, UPDATE", "binary log"),
            ("tables made", "table creation times"),
            ("RDS events", "cluster events"),
            ("snapshots", "snapshots"),
        ]
        self._names = [name if read.get(source, True) else f"{name}\n(not read)" for name, source in lanes]
        self._names += [f"{series.title},\n{series.unit}" for series in timeline.series]
        self.count = len(self._names)
        self._runs(axes, timeline, self._middle(0))
        self._marks(
            axes, [destruction.at for destruction in timeline.destructions], self._middle(1), marker="x", colour=RED
        )
        self._marks(axes, [birth.at for birth in timeline.births], self._middle(2), marker="|", colour=GREY)
        self._marks(axes, [happening.at for happening in timeline.happenings], self._middle(3), marker="v", colour=BLUE)
        self._marks(axes, [at for at, _ in timeline.snapshots], self._middle(4), marker="D", colour=GREEN)
        for index, series in enumerate(timeline.series):
            self._series(axes, series, self._middle(5 + index))
        for index in range(1, self.count):
            axes.axhline(index, color="lightgrey", linewidth=0.6, zorder=0)
        self._seconds(axes, proposal)

    def _middle(self, lane: int) -> float:
        return self.count - lane - 0.5

    def _runs(self, axes: Any, timeline: Timeline, at: float) -> None:
        least = (self.end - self.start) * _SHORTEST
        for run in timeline.runs:
            until = run.completed or timeline.until
            if until < self.start or run.started > self.end:
                continue
            style = {"color": RED, "hatch": "////"} if run.failed else {"color": BLUE}
            axes.barh(at, max(until - run.started, least), left=run.started, height=0.5, alpha=0.55, **style)
            left = run.started < self.start + (self.end - self.start) * 0.8
            label = f"  {run.job} {run.state}  "
            axes.text(max(until, run.started + least) if left else run.started, at, label,
                      va="center", ha="left" if left else "right", fontsize=8)  # fmt: skip

    def _marks(self, axes: Any, moments: Sequence[datetime], at: float, *, marker: str, colour: str) -> None:
        inside = [moment for moment in moments if self.start <= moment <= self.end]
        if inside:
            axes.plot(inside, [at] * len(inside), marker, color=colour, markersize=7, linestyle="none")

    def _series(self, axes: Any, series: Series, at: float) -> None:
        inside = [(moment, value) for moment, value in series.points if self.start <= moment <= self.end]
        if not inside:
            return
        low = min(value for _, value in inside)
        high = max(value for _, value in inside)
        base = 0.0 if low < high / 2 else low - (high - low)  # a small change of a large volume is to be seen
        scale = 0.8 / (high - base) if high > base else 0.0
        heights = [at - 0.4 + (value - base) * scale for _, value in inside]
        axes.plot([moment for moment, _ in inside], heights, color="black", linewidth=1.2)
        axes.annotate(f"{low:,.0f}–{high:,.0f}", (1.0, at), xycoords=("axes fraction", "data"),
                      xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)  # fmt: skip

    def _seconds(self, axes: Any, proposal: Proposal) -> None:
        for number, candidate in enumerate(proposal.candidates, 1):
            chosen = candidate is proposal.chosen
            name = "proposed" if chosen else f"candidate {number}"
            colour, style = ("black", "-") if chosen else (RED, "--")
            axes.axvline(candidate.second, color=colour, linewidth=1.5, linestyle=style, zorder=0.5)
            right = candidate.second > self.start + (self.end - self.start) / 2
            axes.text(
                candidate.second,
                self.count + 0.25 + 0.4 * (len(proposal.candidates) - number),
                f"  {name}: {iso(candidate.second)}  ",
                va="bottom",
                ha="right" if right else "left",
                fontsize=10,
                fontweight="bold",
            )


def _words(timeline: Timeline, proposal: Proposal, start: datetime, end: datetime) -> str:
    parts = [f"From {utc_text(start)} to {utc_text(end)}."]
    parts += [
        f"{run.job} {run.state} at {utc_text(run.started)}." for run in timeline.runs if start <= run.started <= end
    ]
    if proposal.second:
        parts.append(f"Proposed: {utc_text(proposal.second)}.")
    elif proposal.candidates:
        parts.append(f"Candidates: {', '.join(utc_text(candidate.second) for candidate in proposal.candidates)}.")
    else:
        parts.append("No second is proposed.")
    return " ".join(parts)
