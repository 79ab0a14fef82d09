"""One way back to a moment, and what is handed in to judge it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Literal

from runbook_lib.times import AskedTime, duration_text

Kind = Literal["new cluster", "in place", "evidence"]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way back. `reaches` is the second it gives (aware UTC), None when it is out, and then `why_not` says why.

    `lost` is how much of the time before the asked moment it does not bring back. `kind` "evidence" is none to go
    back by, but keeps the present to look at. `looked` False means that nobody could look whether it is there.
    `usd_a_day` is None where it is not known.
    """

    name: str
    source: str
    reaches: datetime | None
    lost: timedelta = timedelta()
    why_not: str = ""
    note: str = ""
    kind: Kind = "new cluster"
    looked: bool = True
    takes: str = ""
    usd_a_day: float | None = None

    @property
    def is_usable(self) -> bool:
        """Tell whether it leads back to a moment."""
        return self.reaches is not None and self.kind != "evidence"


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a way back would take and cost, as far as somebody knows.

    `past` holds, by the name of a way, how long our own earlier runs of it took. `copy_usd_a_day` is what one more
    cluster costs: an instance like the writer's and the full volume; `instance_usd_a_day` the instance alone.
    `cost_note` says what the prices are, or why there are none.
    """

    past: Mapping[str, Sequence[timedelta]] = field(default_factory=dict)
    copy_usd_a_day: float | None = None
    instance_usd_a_day: float | None = None
    cost_note: str = "no prices were looked up"

    def takes(self, name: str, *, otherwise: str) -> str:
        """Say how long a way takes: from our own past runs, else what is said of it in general."""
        durations = list(self.past.get(name, ()))
        if not durations:
            return f"{otherwise}; no past run of ours to go by"
        middle = timedelta(seconds=median(one.total_seconds() for one in durations))
        runs = (
            "one past run"
            if len(durations) == 1
            else f"{len(durations)} past runs, at most {duration_text(max(durations))}"
        )
        return f"{duration_text(middle)} ({runs})"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every way is judged for: the moment asked for, the clock reading, and what ways take and cost."""

    asked: AskedTime
    now: datetime
    outlook: Outlook

    @property
    def moment(self) -> datetime:
        """The moment asked for; "latest" asks for the present."""
        return self.asked.moment or self.now
