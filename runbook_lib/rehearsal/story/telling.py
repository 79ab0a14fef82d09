"""Tell the whole story into a database: the estate, seven good nights, the night that wiped it, the morning after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from runbook_lib.errors import InputRefused
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.story.days import write_day
from runbook_lib.rehearsal.story.estate import INVENTORY, load_estate
from runbook_lib.rehearsal.story.failure import WrittenRow, failing_night, write_after
from runbook_lib.rehearsal.story.nights import JOB, GlueRun, Night, good_night
from runbook_lib.rehearsal.story.pen import Pen
from runbook_lib.rehearsal.story.proof import EstateProof, take_proof
from runbook_lib.rehearsal.story.sheets import Sheets, invent

NIGHTS = 7
LOAD_HOUR_UTC = 17  # 02:00 in Asia/Tokyo
_SHORTEST_AGO = timedelta(minutes=45)  # the failing run and what follows it need this long
_BEFORE_THE_FIRST_NIGHT = timedelta(hours=5)
_DEEDS_A_DAY = 24
_STEPS = 2 * NIGHTS + 10

BEFORE, INSIDE, AFTER_LOAD, AFTER, NOW = (
    "before-the-wipe", "inside-a-load", "just-after-the-load", "after-the-wipe", "now",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An automated snapshot's moment (aware UTC) and the tail of its name: RDS writes `rds:<cluster>-<name>`."""

    moment: datetime
    name: str


@dataclass(frozen=True, kw_only=True)
class ClusterEvent:
    """What DescribeEvents would say of the story. `source` is the `Snapshot.name` it is about."""

    moment: datetime
    source_type: str
    source: str
    message: str
    categories: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Story:
    """What was written. All moments are aware UTC, whole seconds.

    No event of the binary log is dated in a second of `moments` or in the one after it, so it does not matter whether a
    restore to that second takes the second itself in. `restore_point` is one second before the failing run's first
    statement, `wiped_from` that statement, `wiped_until` its last one. `proofs` are by moment: those of `moments`, and
    the last good snapshot's. `sheets` are what the vendor has at the end. In a story without its wipe, `wiped_from`
    and `wiped_until` are the restore point, and nothing was written after it.
    """

    seed: int
    began: datetime
    glue_runs: tuple[GlueRun, ...]
    snapshots: tuple[Snapshot, ...]
    restore_point: datetime
    wiped_from: datetime
    wiped_until: datetime
    written_after: tuple[WrittenRow, ...]
    moments: Mapping[str, datetime]
    proofs: Mapping[datetime, EstateProof]
    sheets: Sheets = field(repr=False)


def failing_start(now: datetime) -> datetime:
    """Return the start of the failing run: the latest 02:00 Asia/Tokyo that is at least 45 minutes before `now`."""
    start = now.replace(hour=LOAD_HOUR_UTC, minute=0, second=0, microsecond=0)
    return start if start <= now - _SHORTEST_AGO else start - timedelta(days=1)


def _nothing(*_: object) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """What is called in the order of the story, between two statements.

    `on_base` when the first load is there (its moment is the beginning), `on_snapshot` with a snapshot's moment and
    name, `on_glue_run` at the end of each run, `progress` with a text, steps done and steps in all.
    """

    on_base: Callable[[datetime], None] = _nothing
    on_snapshot: Callable[[datetime, str], None] = _nothing
    on_glue_run: Callable[[GlueRun], None] = _nothing
    on_cluster_event: Callable[[ClusterEvent], None] = _nothing
    progress: Callable[[str, int, int], None] = _nothing


def tell(
    database: Database, *, now: datetime, seed: int = 7, listeners: Listeners | None = None, wipe: bool = True
) -> Story:
    """Write the story through one administrator's connection, and return what was written and proved.

    The same seed and `now` give the same proofs on the same engine. Another `now` moves the dates: those of the nights,
    and every value drawn relative to them; names, numbers, texts and row counts stay. Without `wipe` it ends on the
    evening before the failing run.

    Raises:
        InputRefused: the server already has a schema of the estate.
    """
    now = now.replace(microsecond=0)
    found = [schema for (schema,) in database.rows("SHOW DATABASES") if schema in INVENTORY]
    if found:
        raise InputRefused(
            f"The server at {database.endpoint} already has {', '.join(sorted(found))}.",
            hint="Tell the story to a fresh server: it starts with the making of these schemas.",
        )
    return _Telling(database, now=now, seed=seed, listeners=listeners or Listeners()).whole(wipe=wipe)


class _Telling:
    """One telling under way: what has been written so far."""

    def __init__(self, database: Database, *, now: datetime, seed: int, listeners: Listeners) -> None:
        self._database, self._now, self._seed, self._on = database, now, seed, listeners
        self._failing = failing_start(now)
        self._began = self._failing - timedelta(days=NIGHTS) - _BEFORE_THE_FIRST_NIGHT
        self._sheets = invent(seed, moment=self._began)
        self._pen = Pen(database, moment=self._began, now=now)
        self._runs: list[GlueRun] = []
        self._snapshots: list[Snapshot] = []
        self._moments: dict[str, datetime] = {}
        self._proofs: dict[datetime, EstateProof] = {}
        self._steps = 0

    def whole(self, *, wipe: bool) -> Story:
        """Tell it from beginning to end."""
        with self._pen.ready():
            load_estate(self._pen, self._sheets, seed=self._seed, said=self._say)
            self._on.on_base(self._began)
            self._say("the base copy is taken")
            since = self._began + timedelta(minutes=10)
            for night in range(1, NIGHTS + 1):
                since = self._day_and_night(night, since=since)
            return self._end(since=since, wipe=wipe)

    def _day_and_night(self, night: int, *, since: datetime) -> datetime:
        load = self._failing - timedelta(days=NIGHTS + 1 - night)
        self._day(f"day {night}", since=since, load=load)
        rng, last = self._dice(f"night {night}"), night == NIGHTS
        started_on = load + timedelta(seconds=rng.randint(1, 9))
        inside = self._inside if last else _nothing
        night_of = Night(number=night, started_on=started_on, inside=inside)
        self._ran(good_night(self._pen, self._sheets, rng, night=night_of))
        if last:
            self._prove(AFTER_LOAD, self._pen.moment + timedelta(seconds=2))
        self._snapshot(load + timedelta(minutes=64, seconds=rng.randint(0, 59)))
        if last:
            self._proofs[self._snapshots[-1].moment] = self._proofs[self._moments[AFTER_LOAD]]  # nothing between
        self._say(f"night {night}: {JOB} succeeded")
        return load + timedelta(hours=7)  # 09:00 in Tokyo: people come to work

    def _end(self, *, since: datetime, wipe: bool) -> Story:
        self._day("the last day", since=since, load=self._failing)
        rng = self._dice("the failing night")
        started_on = self._failing + timedelta(seconds=rng.randint(1, 9))
        wiped_from = started_on + timedelta(seconds=rng.randint(61, 95))
        self._prove(BEFORE, wiped_from - timedelta(seconds=1))
        written: tuple[WrittenRow, ...] = ()
        wiped_until = wiped_from = wiped_from if wipe else self._moments[BEFORE]
        if wipe:
            self._pen.at(wiped_from)
            self._ran(failing_night(self._pen, self._sheets, rng, started_on=started_on))
            wiped_until = self._pen.moment
            self._prove(AFTER, wiped_until + timedelta(seconds=30))
            written = write_after(self._pen, self._sheets, rng)
            self._prove(NOW, self._now)
        return Story(
            seed=self._seed,
            began=self._began,
            glue_runs=tuple(self._runs),
            snapshots=tuple(self._snapshots),
            restore_point=self._moments[BEFORE],
            wiped_from=wiped_from,
            wiped_until=wiped_until,
            written_after=written,
            moments=dict(sorted(self._moments.items(), key=lambda named: named[1])),
            proofs=dict(sorted(self._proofs.items())),
            sheets=self._sheets,
        )

    def _day(self, name: str, *, since: datetime, load: datetime) -> None:
        rng = self._dice(name)
        hours = (since, load - timedelta(hours=2))
        write_day(self._pen, self._sheets, rng, hours=hours, deeds=_DEEDS_A_DAY)
        self._say(f"{name}: the application wrote {_DEEDS_A_DAY} transactions")

    def _inside(self) -> None:
        self._prove(INSIDE, self._pen.moment + timedelta(seconds=1))
        self._pen.after(3)

    def _prove(self, name: str, moment: datetime) -> None:
        self._moments[name] = moment
        self._proofs[moment] = take_proof(self._database)
        self._say(f"proof taken: {name}")

    def _ran(self, run: GlueRun) -> None:
        self._runs.append(run)
        self._on.on_glue_run(run)

    def _snapshot(self, moment: datetime) -> None:
        name = f"{moment:%Y-%m-%d-%H-%M}"
        self._snapshots.append(Snapshot(moment=moment, name=name))
        for seconds, message in (
            (-40, "Creating automated cluster snapshot"),
            (0, "Automated cluster snapshot created"),
        ):
            self._on.on_cluster_event(
                ClusterEvent(
                    moment=moment + timedelta(seconds=seconds),
                    source_type="db-cluster-snapshot",
                    source=name,
                    message=message,
                    categories=("backup",),
                )
            )
        self._on.on_snapshot(moment, name)

    def _dice(self, what: str) -> Random:
        return Random(f"{self._seed}:{what}")  # noqa: S311 - dice

    def _say(self, text: str) -> None:
        self._steps += 1
        self._on.progress(text, self._steps, _STEPS)
