"""Show what happened: a table of the time asked about, the same as a picture, and the second that is proposed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.display.timeline_figure import timeline_figure
from runbook_lib.restore import Candidate, Proposal
from runbook_lib.restore.ways import damage_at
from runbook_lib.timeline import Birth, Series, SourceRead, TableChange, Timeline, Transaction
from runbook_lib.timeline.episodes import Episode, episodes
from runbook_lib.timeline.second import run_text
from runbook_lib.times import TimeWindow, duration_text, full_text, iso, utc_text

__all__ = ["damage_then", "happened_sheet", "proposal_sheet", "timeline_figure"]

SHOWN_ROWS = 60
_SAME_BURST = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class _Line:
    at: datetime
    source: str
    what: str
    mark: str = ""


def happened_sheet(timeline: Timeline, *, zone: ZoneInfo) -> Stack:
    """Show everything that was read in the order of time, and below it which sources could be read."""
    lines = sorted(_lines(timeline), key=lambda line: line.at)
    shown = lines[-SHOWN_ROWS:]  # the newest: the damage is nearer to the end than to the beginning
    table = Table(
        title=f"From {utc_text(timeline.since)} to {utc_text(timeline.until)}",
        columns=(*_when_columns(zone), "source", "what happened"),
        rows=tuple((*_when(line.at, zone), line.source, line.what) for line in shown),
        marks={index: line.mark for index, line in enumerate(shown) if line.mark},
        left_out=len(lines) - len(shown),
    )
    missing = sum(not source.was_read for source in timeline.sources)
    headline = f"{len(lines)} things happened in {duration_text(timeline.until - timeline.since)}"
    if missing:
        headline += f"; {missing} of {len(timeline.sources)} sources could not be read"
    partly = [source for source in timeline.sources if source.left_out]
    if partly:
        headline += f"; {', '.join(source.name for source in partly)}: not all of it could be read"
    largest = (_transactions(timeline, zone),) if timeline.transactions else ()
    return Stack(headline=headline, tables=(table, *largest, _sources(timeline)))


def _transactions(timeline: Timeline, zone: ZoneInfo) -> Table:
    return Table(
        title="The largest transactions of the binary log",
        columns=(*_when_columns(zone), "connection", "what it changed"),
        rows=tuple(
            (*_when(one.at, zone), _who(one), "\n".join(map(_change_text, one.tables))) for one in timeline.transactions
        ),
        note="A share is of the rows that the table had, where the log tells it.",
    )


def _who(one: Transaction) -> str:
    return one.account or (str(one.thread) if one.thread else "not logged")


def _change_text(change: TableChange) -> str:
    counts = (("inserted", change.inserted), ("updated", change.updated), ("deleted", change.deleted))
    done = [f"{rows:,} rows {verb}" for verb, rows in counts if rows]
    hit = change.updated + change.deleted
    share = f" ({hit / change.of:.0%} of {change.of:,})" if hit and change.of else ""
    columns = f", in {', '.join(change.columns)}" if change.columns else ""
    return f"{change.table}: {', '.join(done)}{share}{columns}"


def _lines(timeline: Timeline) -> list[_Line]:
    lines = [
        _Line(
            at=run.started, source="Glue", what=run_text(run).removeprefix("Glue: "), mark="bad" if run.failed else ""
        )
        for run in timeline.runs
    ]
    lines += [
        _Line(at=episode.began, source="binary log", what=_episode_text(episode), mark="bad" if episode.lost else "")
        for episode in episodes(timeline)
    ]
    lines += [
        _Line(at=event.at, source=event.source_type, what=f"{event.source}: {event.message}")
        for event in timeline.happenings
    ]
    lines += [_Line(at=at, source="snapshot", what=what) for at, what in timeline.snapshots]
    lines += [_Line(at=burst[0].at, source="table creation", what=_burst_text(burst)) for burst in _bursts(timeline)]
    return lines + [line for series in timeline.series for line in _peak(series)]


def _episode_text(episode: Episode) -> str:
    return f"{episode.text}; until {utc_text(episode.ended)}"


def _bursts(timeline: Timeline) -> list[list[Birth]]:
    """Group tables made shortly after each other: a load makes them by the dozen."""
    bursts: list[list[Birth]] = []
    for birth in timeline.births:
        if bursts and birth.at - bursts[-1][-1].at <= _SAME_BURST:
            bursts[-1].append(birth)
        else:
            bursts.append([birth])
    return bursts


def _burst_text(burst: Sequence[Birth]) -> str:
    schemas = sorted({birth.table.schema for birth in burst})
    if len(burst) == 1:
        return f"{burst[0].table} was made"
    return f"{len(burst)} tables of {', '.join(schemas)} were made, until {utc_text(burst[-1].at)}"


def _peak(series: Series) -> Iterable[_Line]:
    if series.metric == "VolumeBytesUsed":
        (at, first), (_, last) = series.points[0], series.points[-1]
        yield _Line(
            at=at, source="CloudWatch", what=f"{series.title}: {first:,.1f} {series.unit}, at the end {last:,.1f}"
        )
        return
    at, value = max(series.points, key=lambda point: point[1])
    yield _Line(at=at, source="CloudWatch", what=f"{series.title}: the highest here, {value:,.1f} {series.unit}")


def _sources(timeline: Timeline) -> Table:
    rows = tuple(
        (
            _state(source),
            source.name,
            source.why_not or "\n".join(filter(None, (source.found, source.left_out))),
            source.needs,
        )
        for source in timeline.sources
    )
    marks = {index: "warn" for index, source in enumerate(timeline.sources) if not source.was_read or source.left_out}
    return Table(
        title="What this is made from",
        columns=("", "source", "found, or why not", "reading it needs"),
        rows=rows,
        marks=marks,
        note="A source that was not read is not an empty one.",
    )


def _state(source: SourceRead) -> str:
    if not source.was_read:
        return "not read"
    return "read in part" if source.left_out else "read"


def proposal_sheet(
    proposal: Proposal, *, window: TimeWindow | None, asked: datetime | None, zone: ZoneInfo, now: datetime
) -> Stack:
    """Show the proposed second with its evidence and its neighbours, or every candidate where none is chosen."""
    if proposal.second:
        headline = f"Proposed second: {full_text(proposal.second, zone=zone, now=now)}"
        closing = _closing(proposal.second, asked)
    elif proposal.candidates:
        headline = f"No second is proposed: {len(proposal.candidates)} candidates, choose between them"
        closing = "Look at the evidence, ask who ran what, and take the second of the one that did the damage."
    else:
        headline, closing = "No second is proposed", ""
    tables = [_reason(proposal)]
    tables += [_evidence(candidate, number, proposal) for number, candidate in enumerate(proposal.candidates, 1)]
    if proposal.neighbours:
        tables.append(_neighbours(proposal, window=window, zone=zone, now=now))
    return Stack(headline=headline, tables=tuple(tables), closing=closing)


def _closing(second: datetime, asked: datetime | None) -> str:
    if asked == second:
        return "It is the moment you asked for."
    return f'To go on with it, set timestamp="{iso(second)}" and run again. What follows is about the moment asked for.'


def _reason(proposal: Proposal) -> Table:
    rows = [("why", proposal.why), *(("known too", line) for line in proposal.known)]
    return Table(title="", columns=("", ""), rows=tuple(rows))


def _evidence(candidate: Candidate, number: int, proposal: Proposal) -> Table:
    rows = [("for", line) for line in candidate.evidence] + [("but", line) for line in candidate.doubts]
    marks = {index: "warn" for index, (kind, _) in enumerate(rows) if kind == "but"}
    chosen = candidate is proposal.chosen
    title = f"{'The evidence' if chosen else f'Candidate {number}'}: {iso(candidate.second)}, before {candidate.what}"
    return Table(title=title, columns=("", ""), rows=tuple(rows), marks=marks)


def _neighbours(proposal: Proposal, *, window: TimeWindow | None, zone: ZoneInfo, now: datetime) -> Table:
    rows, marks = [], {}
    for index, (moment, name) in enumerate(proposal.neighbours):
        reach = "—" if window is None else "yes" if moment in window else "no"
        rows.append(
            (name, f'"{iso(moment)}"', full_text(moment, zone=zone, now=now), damage_then(moment, proposal), reach)
        )
        marks[index] = "good" if name == "proposed" else ""
    columns = ("", "timestamp", "which is", "the damage then", "restorable")
    return Table(title="The second and its neighbours", columns=columns, rows=tuple(rows), marks=marks)


def damage_then(moment: datetime, proposal: Proposal) -> str:
    """Say how far the damage had come at a moment, by the candidates of a proposal."""
    return damage_at(moment, proposal) or "not begun"


def _when_columns(zone: ZoneInfo) -> tuple[str, ...]:
    return ("UTC",) if zone.key == "UTC" else ("UTC", zone.key)


def _when(moment: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    utc = f"{moment:%m-%d %H:%M:%S}"
    return (utc,) if zone.key == "UTC" else (utc, f"{moment.astimezone(zone):%m-%d %H:%M:%S}")
