"""Which statements that destroy belong together, and what of it did not come back. Pure functions of a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.timeline.values import CHANGED, Destruction, GlueRun, Timeline

_PAUSE = timedelta(minutes=30)  # a damage that goes on for an hour is one damage
_CLOCKS = timedelta(minutes=1)  # Glue's and the database's may differ so much
_MANY, _HALF, _SHOWN = 1000, 0.5, 160
_LOST, _BACK, _UNSURE = "lost", "back", "unsure"
_INSIDE = frozenset({"DROP PARTITION", "DROP COLUMN", "DROP SYSTEM VERSIONING"})
_GRACE = timedelta(hours=1)  # a load may fill at its end what it dropped at its beginning


@dataclass(frozen=True, kw_only=True)
class Episode:
    """Statements that destroy, close together or within one Glue run.

    `lost` are those that did not come back, `unsure` those of which the log does not tell whether they did.
    """

    run: GlueRun | None
    destructions: tuple[Destruction, ...]
    lost: tuple[Destruction, ...]
    unsure: tuple[Destruction, ...] = ()

    @property
    def first(self) -> Destruction:
        """The first statement of the damage: of a run that did it the first that is not usual, else the first loss."""
        doubtful = sorted((*self.lost, *self.unsure), key=lambda loss: loss.at)
        unusual = [loss for loss in self.destructions if not loss.usual]
        if self.run or not doubtful:
            return (unusual or self.destructions)[0]
        return doubtful[0]

    @property
    def began(self) -> datetime:
        """The second of the first statement."""
        return self.first.at

    @property
    def ended(self) -> datetime:
        """The second of the last one."""
        return max(loss.until for loss in self.destructions)

    @property
    def is_usual(self) -> bool:
        """Tell whether other nights did all of it too."""
        return all(loss.usual for loss in self.destructions)

    @property
    def text(self) -> str:
        """Say in words what was destroyed, by kind, and how much of it did not come back."""
        kinds = dict.fromkeys(loss.kind for loss in self.destructions)
        counted = [f"{sum(loss.kind == kind for loss in self.destructions)} × {kind}" for kind in kinds]
        rows = sum(loss.rows or 0 for loss in self.destructions)
        of_rows = f" of {rows:,} rows" if rows else ""
        return f"{', '.join(counted)}{of_rows}; {_lost_text(self)}"


def loss_text(loss: Destruction) -> str:
    """Say one loss in a line: what was done to which table, how much of it, by which connection."""
    what = f"{loss.kind} {loss.table if loss.table.name else loss.table.schema}"
    if loss.kind == "UPDATE" and loss.columns:
        what += f" ({', '.join(loss.columns)})"
    parts = [what if not loss.detail else f"{what}: {loss.detail}"]
    if loss.rows is not None:
        share = f" of {loss.of:,} ({loss.share:.0%})" if loss.share is not None and loss.of else ""
        parts.append(f"{loss.rows:,} rows{share}")
    elif loss.of:
        parts.append(f"it had {loss.of:,} rows")
    if loss.like:
        parts.append(f"logged as text, rows not known: {loss.like[:_SHOWN]}")
    if loss.nulls:
        parts.append(f"{', '.join(loss.nulls)} became NULL")
    if loss.flat:
        parts.append(f"one value everywhere in {', '.join(loss.flat)}")
    if loss.written and not loss.refilled:
        parts.append(f"{loss.written:,} rows written since")
    who = [f"connection {loss.thread}"] if loss.thread else []
    return ", ".join(parts + who + ([f"account {loss.account}"] if loss.account else []))


def _lost_text(episode: Episode) -> str:
    if not episode.lost and not episode.unsure:
        return "other nights did the same" if episode.is_usual else "everything was made again and filled"
    dropped = [loss for loss in episode.lost if loss.kind.startswith("DROP") and loss.kind not in _INSIDE]
    gone = sum(loss.remade is None for loss in dropped)
    changed = sum(loss.kind in CHANGED for loss in episode.lost)
    empty = len(episode.lost) - gone - changed
    parts = [f"{gone} not made again"] if gone else []
    parts += [f"{changed} changed for good"] if changed else []
    parts += [f"{empty} left without their rows"] if empty else []
    parts += [f"of {len(episode.unsure)} the log does not tell whether their rows are back"] if episode.unsure else []
    return ", ".join(parts)


def episodes(timeline: Timeline) -> tuple[Episode, ...]:
    """Group the statements of a timeline that destroy, the oldest first."""
    groups: list[tuple[GlueRun | None, list[Destruction]]] = []
    for loss in sorted(timeline.destructions, key=lambda found: (found.at, str(found.table))):
        run = run_of(timeline.runs, loss.at)
        if groups and groups[-1][0] == run and (run or loss.at - groups[-1][1][-1].until <= _PAUSE):
            groups[-1][1].append(loss)
        else:
            groups.append((run, [loss]))
    return tuple(_episode(run, members, timeline.destructions) for run, members in groups)


def run_of(runs: Sequence[GlueRun], moment: datetime) -> GlueRun | None:
    """Return the run that was under way in a moment, the last one begun if there are several."""
    covering = [run for run in runs if run.covers(moment, slack=_CLOCKS)]
    return max(covering, key=lambda run: run.started, default=None)


def _episode(run: GlueRun | None, members: Sequence[Destruction], ever: Sequence[Destruction]) -> Episode:
    ended = max([loss.until for loss in members] + ([run.completed] if run and run.completed else []))
    began = min([loss.at for loss in members] + ([run.started] if run else []))
    fates = {
        index: _fate(loss, run, by=ended + _GRACE)
        for index, loss in enumerate(members)
        if not loss.usual and not _is_scratch(loss, since=began - _CLOCKS) and not _was_so_before(loss, run, ever)
    }
    return Episode(
        run=run,
        destructions=tuple(members),
        lost=tuple(members[index] for index, fate in fates.items() if fate == _LOST),
        unsure=tuple(members[index] for index, fate in fates.items() if fate == _UNSURE),
    )


def _fate(loss: Destruction, run: GlueRun | None, *, by: datetime) -> str:
    """Tell whether what was taken is back, lost, or of a size that the log does not tell."""
    if loss.like and loss.rows is None:
        return _LOST if loss.whole else _UNSURE
    if loss.kind in CHANGED:
        return _LOST
    if loss.parent:
        return _LOST if (loss.rows or 0) >= _MANY or (loss.share or 0) >= _HALF else _UNSURE
    if _came_back(loss, by=by) or (loss.kind == "TRUNCATE" and loss.of == 0):
        return _BACK
    again = loss.kind == "TRUNCATE" or loss.remade is not None
    if again and loss.of is None and loss.rows is None and loss.written and not (run and run.failed):
        return _UNSURE
    return _LOST


def _came_back(loss: Destruction, *, by: datetime) -> bool:
    filled = loss.refilled is not None and loss.refilled <= by
    made = loss.remade is not None and loss.remade <= by
    if loss.kind in ("TRUNCATE", "DELETE", "DROP PARTITION", "CASCADE"):
        return filled
    return made and (filled or loss.kind not in ("DROP TABLE", "DROP DATABASE"))


def _is_scratch(loss: Destruction, *, since: datetime) -> bool:
    """Tell a table that the same doing had made itself, to work with."""
    return loss.made is not None and loss.made >= since


def _was_so_before(loss: Destruction, run: GlueRun | None, ever: Sequence[Destruction]) -> bool:
    """Tell a table that was as gone or as empty after an earlier night: a load may drop what is not there.

    One of unknown size that is made anew and stays empty in a run that went well is taken for a table that never holds
    rows, unless it was seen to be filled before.
    """
    if not loss.kind.startswith("DROP ") or loss.kind in _INSIDE:
        return False
    earlier = _before(loss, ever)
    if earlier:
        return earlier.refilled is None and (earlier.remade is None) == (loss.remade is None)
    return bool(run and not run.failed) and loss.remade is not None and not loss.of and not loss.written


def _before(loss: Destruction, ever: Sequence[Destruction]) -> Destruction | None:
    earlier = [one for one in ever if (one.kind, one.table) == (loss.kind, loss.table) and one.at < loss.at]
    return max(earlier, key=lambda found: found.at, default=None)
