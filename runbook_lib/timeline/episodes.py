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
        return max(loss.until for loss in self.destructions)

    @property
    def text(self) -> str:
        """Say in words what was destroyed, by kind, and how much of it did not come back."""
        kinds = dict.fromkeys(loss.kind for loss in self.destructions)
        counted = [f"{sum(loss.kind == kind for loss in self.destructions)} × {kind}" for kind in kinds]
        rows = sum(loss.rows or 0 for loss in self.destructions)
        deleted = f" of {rows:,} rows" if rows else ""
        return f"{', '.join(counted)}{deleted}; {_lost_text(self)}"


def _lost_text(episode: Episode) -> str:
    if not episode.lost:
        return "everything was made again and filled"
    gone = sum(loss.remade is None and loss.kind.startswith("DROP") for loss in episode.lost)
    empty = len(episode.lost) - gone
    parts = [f"{gone} not made again"] if gone else []
    return ", ".join(parts + ([f"{empty} left without their rows"] if empty else []))


def episodes(timeline: Timeline) -> tuple[Episode, ...]:
    """Group the statements of a timeline that destroy, the oldest first."""
    groups: list[tuple[GlueRun | None, list[Destruction]]] = []
    for loss in sorted(timeline.destructions, key=lambda found: (found.at, str(found.table))):
        run = run_of(timeline.runs, loss.at)
        if groups and groups[-1][0] == run and (run or loss.at - groups[-1][1][-1].until <= _PAUSE):
            groups[-1][1].append(loss)
        else:
            groups.append((run, [loss]))
    return tuple(
        Episode(run=run, destructions=tuple(members), lost=_lost(run, members, timeline.destructions))
        for run, members in groups
    )


def run_of(runs: Sequence[GlueRun], moment: datetime) -> GlueRun | None:
    """Return the run that was under way in a moment, the last one begun if there are several."""
    covering = [run for run in runs if run.covers(moment, slack=_CLOCKS)]
    return max(covering, key=lambda run: run.started, default=None)


def _lost(run: GlueRun | None, members: Sequence[Destruction], ever: Sequence[Destruction]) -> tuple[Destruction, ...]:
    ended = max([loss.until for loss in members] + ([run.completed] if run and run.completed else []))
    began = min([loss.at for loss in members] + ([run.started] if run else []))
    return tuple(
        loss
        for loss in members
        if not _came_back(loss, by=ended + _GRACE)
        and not _is_scratch(loss, since=began - _CLOCKS)
        and not _was_so_before(loss, ever, failed=bool(run and run.failed))
    )


def _came_back(loss: Destruction, *, by: datetime) -> bool:
    filled = loss.refilled is not None and loss.refilled <= by
    made = loss.remade is not None and loss.remade <= by
    if loss.kind in ("TRUNCATE", "DELETE", "DROP PARTITION"):
        return filled or made
    return made and (filled or not loss.table.name)


def _is_scratch(loss: Destruction, *, since: datetime) -> bool:
    """Tell a table that the same doing had made itself, to work with."""
    return loss.made is not None and loss.made >= since


def _was_so_before(loss: Destruction, ever: Sequence[Destruction], *, failed: bool) -> bool:
    """Tell a table that was as gone or as empty after an earlier night: a load may drop what is not there.

    One that is made anew and stays empty in a run that went well is taken for a table that never holds rows, unless
    it was seen to be filled before.
    """
    earlier = _before(loss.table, loss.at, ever)
    if earlier:
        return earlier.refilled is None and (earlier.remade is None) == (loss.remade is None)
    return loss.remade is not None and not failed


def _before(table: TableName, moment: datetime, ever: Sequence[Destruction]) -> Destruction | None:
    earlier = [loss for loss in ever if loss.table == table and loss.at < moment]
    return max(earlier, key=lambda loss: loss.at, default=None)
