"""Which second to go back to: the last one before the damage, or both where the evidence disagrees. Pure functions.

What counts, the surest first: a statement in the binary log that took data away which did not come back; a Glue run
that failed; a volume that became smaller. Events, snapshots and creation times are shown but decide nothing: they fit
a good night as well as a bad one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runbook_lib.timeline.destructions import gap_text
from runbook_lib.timeline.episodes import Episode, episodes, loss_text
from runbook_lib.timeline.values import GlueRun, Series, Timeline
from runbook_lib.times import duration_text, utc_text

NEIGHBOUR = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_LONG = timedelta(minutes=10)
_FALL = 0.1  # of the volume, within an hour: a night's reload frees less for long
_BEFOREHAND = timedelta(minutes=10)  # two points of CloudWatch
_SHOWN_ERROR, _SHOWN_LOSSES = 160, 6
_BESIDE = ", beside changes that other nights made too"
_UNSURE = "the log does not tell how many rows it was about, so that nobody knows whether all of them are back"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One second that may be the right one: the last before `began`, which is when the damage began, as far as known.

    `exact` tells that the damage's own first second is known. `strong` tells that something was seen to be lost.
    """

    began: datetime
    ended: datetime | None
    what: str
    evidence: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    exact: bool = False
    strong: bool = False
    run: GlueRun | None = None

    @property
    def second(self) -> datetime:
        """The last second before it began."""
        return self.began.replace(microsecond=0) - _SECOND


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The second to go back to and why, or None and why not. `known` is what is certain either way."""

    chosen: Candidate | None
    candidates: tuple[Candidate, ...]
    why: str
    known: tuple[str, ...]

    @property
    def second(self) -> datetime | None:
        """The proposed second, aware UTC."""
        return self.chosen.second if self.chosen else None

    @property
    def neighbours(self) -> tuple[tuple[datetime, str], ...]:
        """Each candidate's second with the one a minute before and a minute after it, and what each of them is."""
        found = []
        for number, candidate in enumerate(self.candidates, 1):
            name = "proposed" if candidate is self.chosen else f"candidate {number}"
            found += [
                (candidate.second - NEIGHBOUR, "one minute before"),
                (candidate.second, name),
                (candidate.second + NEIGHBOUR, "one minute after"),
            ]
        return tuple(sorted(found))


def propose_second(timeline: Timeline) -> Proposal:
    """Propose the last second before the run that did the damage, or say why it cannot be told.

    Nothing is guessed: with two candidates of the same weight neither is chosen, and both are given.
    """
    found = episodes(timeline)
    suspects = _suspects(timeline, found)
    known = _known(timeline, found)
    strong = [candidate for candidate in suspects if candidate.strong]
    weighty = strong or suspects
    rivals = [*weighty, *_contradicting(timeline, found, weighty)]
    if len(rivals) == 1:
        chosen = _with_doubts(rivals[0], timeline)
        return Proposal(chosen=chosen, candidates=(chosen,), why=_why(chosen), known=known)
    if rivals:
        rivals = [
            _with_doubts(candidate, timeline) for candidate in sorted(rivals, key=lambda candidate: candidate.began)
        ]
        why = (
            f"The evidence disagrees: {len(rivals)} doings could be the damage, and nothing tells which. The earliest "
            "second lies before all of them, but everything written since would be missing from it."
        )
        return Proposal(chosen=None, candidates=tuple(rivals), why=why, known=known)
    return _nothing_points_at_one(timeline, known)


def _suspects(timeline: Timeline, found: tuple[Episode, ...]) -> list[Candidate]:
    by_log = [
        _of_episode(episode)
        for episode in found
        if episode.lost or (episode.unsure and not episode.run) or (episode.run and episode.run.failed)
    ]
    seen = {episode.run.run_id for episode in by_log if episode.run}
    logged = timeline.log_since
    unseen = [
        run
        for run in timeline.runs
        if run.failed and run.run_id not in seen and (logged is None or run.started < logged)
    ]
    return by_log + [_of_run(run) for run in unseen]


def _of_episode(episode: Episode) -> Candidate:
    run = episode.run
    first = episode.first
    evidence = [
        f"binary log: the first is {first.kind} of {first.table if first.table.name else first.table.schema} "
        f"at {utc_text(first.at)}",
        f"binary log: {episode.text}, until {utc_text(episode.ended)}",
    ]
    hurt = [*episode.lost, *episode.unsure]
    evidence += [f"binary log: {utc_text(loss.at)} {loss_text(loss)}" for loss in hurt[:_SHOWN_LOSSES]]
    if len(hurt) > _SHOWN_LOSSES:
        evidence.append(f"binary log: and {len(hurt) - _SHOWN_LOSSES} more")
    lasted = episode.ended - episode.began
    if lasted >= _LONG:
        evidence.append(
            f"it lasted {duration_text(lasted)}: in every second between, part of it is done; what others wrote "
            "meanwhile is not in a restore to before it"
        )
    return Candidate(
        began=episode.began,
        ended=max(episode.ended, run.completed) if run and run.completed else episode.ended,
        what=run_name(run) if run else "statements of no known Glue run",
        evidence=tuple([run_text(run)] if run else []) + tuple(evidence),
        doubts=(_UNSURE,) if episode.unsure and not episode.lost else (),
        exact=True,
        strong=bool(episode.lost),
        run=run,
    )


def _of_run(run: GlueRun) -> Candidate:
    return Candidate(
        began=run.started,
        ended=run.completed,
        what=run_name(run),
        evidence=(run_text(run),),
        run=run,
    )


def run_name(run: GlueRun) -> str:
    """Name a run; the beginning of Glue's long id is enough to find it."""
    return f"Glue job {run.job}, run {run.run_id[:12]}{'…' if len(run.run_id) > 12 else ''}"


def run_text(run: GlueRun) -> str:
    """Say a run in a line: when, how it ended, and what Glue says of that."""
    until = f"until {utc_text(run.completed)}" if run.completed else "and has not ended"
    error = run.error if len(run.error) <= _SHOWN_ERROR else run.error[:_SHOWN_ERROR] + "…"
    return f"Glue: {run.job} ran from {utc_text(run.started)} {until}, {run.state}{f': {error}' if error else ''}"


def _contradicting(timeline: Timeline, found: tuple[Episode, ...], weighty: list[Candidate]) -> list[Candidate]:
    """Return what speaks against a single candidate: a failed run that is another one, or a volume that fell before."""
    if len(weighty) != 1:
        return []
    candidate = weighty[0]
    others: list[Candidate] = []
    if candidate.run is None:
        touched = {episode.run.run_id for episode in found if episode.run}
        others += [
            replace(_of_run(run), doubts=("the binary log has no statement of it that destroys",))
            for run in timeline.runs
            if run.failed and run.run_id not in touched
        ]
    falls = [fall for fall in _falls(timeline) if fall.began < candidate.began - _BEFOREHAND]
    return others + ([] if candidate.exact else falls[:1])


def _falls(timeline: Timeline) -> list[Candidate]:
    """Return the times at which the volume became clearly smaller. Aurora frees space some time after a DROP."""
    volume = next((series for series in timeline.series if series.metric == "VolumeBytesUsed"), None)
    return [_of_fall(volume, before, after) for before, after in _drops(volume)] if volume else []


def _drops(volume: Series) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    for (before, high), (after, low) in zip(volume.points, volume.points[1:], strict=False):
        fell = high > 0 and low <= high * (1 - _FALL) and after - before <= timedelta(hours=1)
        if fell and (not found or before - found[-1][1] > timedelta(hours=1)):
            found.append((before, after))
    return found


def _of_fall(volume: Series, before: datetime, after: datetime) -> Candidate:
    sizes = dict(volume.points)
    return Candidate(
        began=before,
        ended=after,
        what="a volume that became smaller",
        evidence=(
            f"CloudWatch: the volume fell from {sizes[before]:.1f} to {sizes[after]:.1f} GiB between "
            f"{utc_text(before)} and {utc_text(after)}",
        ),
        doubts=("space is freed some time after it is given up, so the damage may be earlier",),
    )


def _with_doubts(candidate: Candidate, timeline: Timeline) -> Candidate:
    doubts = list(candidate.doubts)
    log = timeline.source("binary log")
    if candidate.run and not candidate.exact:
        begins = f"it begins only at {utc_text(timeline.log_since)}" if timeline.log_since else log.why_not
        doubts.append(f"it is the second before the run began, not before its first statement (binary log: {begins})")
    if candidate.run and candidate.run.completed is None:
        doubts.append("the run has not ended: stop it before anything is brought back")
    if candidate.exact and not candidate.run and not timeline.source("Glue runs").was_read:
        doubts.append(f"whether a Glue run did it is not known (Glue runs: {timeline.source('Glue runs').why_not})")
    doubts += [
        f"the binary log was {gap_text(gap)}; the damage may have begun there"
        for gap in timeline.gaps
        if gap.since <= candidate.began
    ]
    if (
        timeline.log_since
        and candidate.began - timeline.log_since < _BEFOREHAND
        and timeline.log_since > timeline.since
    ):
        doubts.append(f"the binary log begins only at {utc_text(timeline.log_since)}: it may have begun before")
    return replace(candidate, doubts=tuple(doubts))


def _why(candidate: Candidate) -> str:
    if candidate.exact:
        return f"The last second before the first statement that destroyed: {candidate.what}."
    return f"The last second before it began: {candidate.what}."


def _known(timeline: Timeline, found: tuple[Episode, ...]) -> tuple[str, ...]:
    """Say what is certain, whatever is proposed: harmless nights, and sources that could not be read."""
    known = []
    other = [episode for episode in found if not episode.lost and not (episode.run and episode.run.failed)]
    unsure = [episode for episode in other if episode.unsure]
    usual = [episode for episode in other if not episode.unsure and episode.is_usual]
    harmless = [episode for episode in other if not episode.unsure and not episode.is_usual]
    if harmless:
        reloads = "1 other reload" if len(harmless) == 1 else f"{len(harmless)} other reloads"
        uncounted = any(not loss.counted for episode in harmless for loss in episode.destructions)
        back = "filled them again, by statements whose rows the log does not count" if uncounted else ""
        back = back or ("brought back what can be read of them" if timeline.gaps else "brought them all back")
        beside = any(loss.usual for episode in harmless for loss in episode.destructions)
        known.append(f"{reloads} dropped tables too and {back}{_BESIDE if beside else ''}")
    if usual:
        known.append(f"{len(usual)} times the log shows what other nights did too, such as {_shown(usual[-1])}")
    known += [
        f"whether what {_shown(episode)} took is back is not known: the log does not tell how many rows it held"
        for episode in unsure
        if episode.run
    ]
    known += [f"binary log: {sentence}" for sentence in timeline.untold]
    known += [f"the binary log was {gap_text(gap)}" for gap in timeline.gaps]
    if timeline.log_since:
        touched = {episode.run.run_id for episode in found if episode.run}
        idle = [run for run in timeline.runs if run.failed and run.run_id not in touched]
        known += [f"{run_text(run)}; it destroyed nothing that the log shows" for run in idle]
    known += [f"{source.name}: {source.why_not}" for source in timeline.sources if not source.was_read]
    return tuple(known)


def _nothing_points_at_one(timeline: Timeline, known: tuple[str, ...]) -> Proposal:
    """Say what is known when nothing is suspect: falls of the volume, runs that ended well, or nothing at all."""
    falls = [_with_doubts(candidate, timeline) for candidate in _falls(timeline)]
    if falls:
        why = "Only the volume's size speaks of a damage, and it does not tell the second. Look before it."
        return Proposal(chosen=None, candidates=tuple(falls), why=why, known=known)
    if timeline.runs and not timeline.log_since:
        last = [_with_doubts(_of_run(run), timeline) for run in timeline.runs[-2:]]
        why = (
            "No run failed, and without the binary log nothing tells which run did damage, or whether any did. "
            "These are the last seconds before the latest runs."
        )
        return Proposal(chosen=None, candidates=tuple(last), why=why, known=known)
    looked = _looked(timeline)
    runs = "no Glue run failed" if timeline.runs else "there is no Glue run in this time"
    if not timeline.source("Glue runs").was_read:
        runs = "the Glue runs could not be read"
    hint = "Set `timestamp` nearer to the damage or look further back."
    return Proposal(
        chosen=None, candidates=(), why=f"Nothing points at a second: {runs}, and {looked}. {hint}", known=known
    )


def _shown(episode: Episode) -> str:
    return f"{loss_text(episode.first)} at {utc_text(episode.began)}"


def _looked(timeline: Timeline) -> str:
    """Say what the log came to. That nothing was lost is said only where all of it was read and could tell it."""
    if not timeline.log_since:
        return "the binary log could not be read"
    late = "" if timeline.log_since <= timeline.since else f" from {utc_text(timeline.log_since)} on"
    if timeline.gaps:
        return f"the binary log, of which a part was not read, shows in the rest{late} no loss"
    if timeline.untold:
        return f"the binary log{late} shows no loss that it can tell"
    return f"the binary log shows{late} nothing that was lost"
