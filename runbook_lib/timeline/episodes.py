"""Which statements that destroy belong together, and what of it did not come back. Pure functions of a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.inventory import TableName
from runbook_lib.timeline import Destruction, GlueRun, Timeline

_PAUSE = timedelta(minutes=30)  # a damage that goes on for an hour is one damage
_CLOCKS = timedelta(minutes=1)  # Glue's and the database's may differ so much
_GRACE = timedelta(hours=1)  # a load may fill at its end what it dropped at its beginning


@dataclass(frozen=True, kw_only=True)
class Episode:
    """Statements that destroy, close together or within one Glue run. `lost` are those that did not come back."""

    run: GlueRun | None
    destructions: tuple[Destruction, ...]
    lost: tuple[Destruction, ...]

    @property
    def began(self) -> datetime:
        """The second of the first statement."""
        return self.destructions[0].at

    @property
    def ended(self) -> datetime:
        """The second of the last one."""
        return max(one.until for one in self.destructions)

    @property
    def text(self) -> str:
        """Say in words what was destroyed, by kind, and how much of it did not come back."""
        kinds = dict.fromkeys(one.kind for one in self.destructions)
        counted = [f"{sum(one.kind == kind for one in self.destructions)} × {kind}" for kind in kinds]
        rows = sum(one.rows or 0 for one in self.destructions)
        deleted = f" of {rows:,} rows" if rows else ""
        return f"{', '.join(counted)}{deleted}; {_lost_text(self)}"


def _lost_text(episode: Episode) -> str:
    if not episode.lost:
        return "everything was made again and filled"
    gone = sum(one.remade is None and one.kind.startswith("DROP") for one in episode.lost)
    empty = len(episode.lost) - gone
    parts = [f"{gone} not made again"] if gone else []
    return ", ".join(parts + ([f"{empty} left without their rows"] if empty else []))


def episodes(timeline: Timeline) -> tuple[Episode, ...]:
    """Group the statements of a timeline that destroy, the oldest first."""
    groups: list[tuple[GlueRun | None, list[Destruction]]] = []
    for one in sorted(timeline.destructions, key=lambda found: (found.at, str(found.table))):
        run = run_of(timeline.runs, one.at)
        if groups and groups[-1][0] == run and (run or one.at - groups[-1][1][-1].until <= _PAUSE):
            groups[-1][1].append(one)
        else:
            groups.append((run, [one]))
    return tuple(
        Episode(run=run, destructions=tuple(members), lost=_lost(run, members, timeline.destructions))
        for run, members in groups
    )


def run_of(runs: Sequence[GlueRun], moment: datetime) -> GlueRun | None:
    """Return the run that was under way in a moment, the last one begun if there are several."""
    covering = [run for run in runs if run.covers(moment, slack=_CLOCKS)]
    return max(covering, key=lambda run: run.started, default=None)


def _lost(run: GlueRun | None, members: Sequence[Destruction], ever: Sequence[Destruction]) -> tuple[Destruction, ...]:
    ended = max([one.until for one in members] + ([run.completed] if run and run.completed else []))
    began = min([one.at for one in members] + ([run.started] if run else []))
    return tuple(
        one
        for one in members
        if not _came_back(one, by=ended + _GRACE)
        and not _is_scratch(one, since=began - _CLOCKS)
        and not _was_so_before(one, ever, failed=bool(run and run.failed))
    )


def _came_back(one: Destruction, *, by: datetime) -> bool:
    filled = one.refilled is not None and one.refilled <= by
    made = one.remade is not None and one.remade <= by
    if one.kind in ("TRUNCATE", "DELETE", "DROP PARTITION"):
        return filled or made
    return made and (filled or not one.table.name)


def _is_scratch(one: Destruction, *, since: datetime) -> bool:
    """Tell a table that the same doing had made itself, to work with."""
    return one.made is not None and one.made >= since


def _was_so_before(one: Destruction, ever: Sequence[Destruction], *, failed: bool) -> bool:
    """Tell a table that was as gone or as empty after an earlier night: a load may drop what is not there.

    One that is made anew and stays empty in a run that went well is taken for a table that never holds rows, unless
    it was seen to be filled before.
    """
    earlier = _before(one.table, one.at, ever)
    if earlier:
        return earlier.refilled is None and (earlier.remade is None) == (one.remade is None)
    return one.remade is not None and not failed


def _before(table: TableName, moment: datetime, ever: Sequence[Destruction]) -> Destruction | None:
    earlier = [one for one in ever if one.table == table and one.at < moment]
    return max(earlier, key=lambda one: one.at, default=None)
