"""Have an incident happen to a stand-in, and know exactly what the data must be once it is put right.

The truth is written beside it: a twin of the database from before the damage is given everything that the application
writes afterwards. What the player's cluster holds in the end is compared with the twin, byte for byte.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from runbook_lib.errors import InputRefused, StepFailed
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.game.incidents import COUNT, Facts, Incident, Step, as_of_now, drawn
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.rehearsal.story import EstateProof, Story, take_proof
from runbook_lib.rehearsal.story.days import write_day
from runbook_lib.rehearsal.story.failure import write_after
from runbook_lib.rehearsal.story.nights import JOB, Night, good_night
from runbook_lib.rehearsal.story.pen import Pen
from runbook_lib.times import utc_now

_TWIN = "game-truth"
_DEEDS = 12  # transactions of the application between the last load and the damage
_BEFORE_DAMAGE = timedelta(minutes=20)  # how much older than the damage the snapshot is that a lowered retention leaves
_LONGEST_S = 60
_LATE, _EARLY = "before-we-touch-anything", "before-release-2-14"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An incident that has happened. Moments are aware UTC; `truth` is what the data is once it is put right."""

    number: int
    seed: int
    incident: Incident
    facts: Facts
    began: datetime
    paged_at: datetime
    truth: EstateProof

    @property
    def best(self) -> tuple[Step, ...]:
        """Return the best way back, decision by decision."""
        return self.incident.best(self.facts)

    @property
    def name(self) -> str:
        """Return the incident that the records of this game belong to."""
        return f"game-{self.number}-{self.paged_at:%Y%m%dT%H%M%SZ}"


class _KeptPen(Pen):
    """A pen that remembers what it wrote."""

    def __init__(self, database: Database, *, moment: datetime, now: datetime) -> None:
        super().__init__(database, moment=moment, now=now)
        self.kept: list[tuple[datetime, str]] = []

    def write(self, *statements: str) -> None:
        super().write(*statements)
        self.kept.extend((self.moment, statement) for statement in statements)


def happen(stand_in: StandIn, *, number: int, seed: int, progress: Progress = lambda *_: None) -> Scene:
    """Tell the story up to the evening before to a fresh stand-in, and have the incident of that number happen.

    Raises:
        InputRefused: there is no incident of that number.
    """
    if not 1 <= number <= COUNT:
        raise InputRefused(f"There is no game {number}.", hint=f"Choose a number from 1 to {COUNT}.")
    incident = drawn(number, seed=seed)
    now = utc_now().replace(microsecond=0)
    began = now - incident.age
    # the story ends at least 45 minutes before the `now` that it is told for: a load and a day's work have room there
    told_for = began + (timedelta() if incident.aws == "lower retention" else timedelta(minutes=30))
    story = stand_in.tell_story(seed=seed, now=told_for, wipe=False, progress=progress)
    facts = Facts(
        second=began - timedelta(seconds=1),
        cluster=stand_in.cluster,
        resource_id=stand_in.source_id,
        snapshot={"late snapshot": _LATE, "lower retention": _EARLY}.get(incident.aws, ""),
    )
    with stand_in.admin() as database:
        truth = _write(stand_in, story, database, incident=incident, began=began)
    if not incident.lasts:
        began = utc_now().replace(microsecond=0)
        facts = replace(facts, second=began)
    _in_the_account(stand_in, incident)
    return Scene(
        number=number,
        seed=seed,
        incident=incident,
        facts=facts,
        began=began,
        paged_at=utc_now().replace(microsecond=0),
        truth=truth,
    )


def _write(stand_in: StandIn, story: Story, database: Database, *, incident: Incident, began: datetime) -> EstateProof:
    rng = Random(f"game {story.seed}")  # noqa: S311 - dice
    pen = _KeptPen(database, moment=story.restore_point, now=utc_now())
    with pen.ready():
        run = good_night(pen, story.sheets, rng, night=Night(number=8, started_on=pen.moment, inside=lambda: None))
        _note_run(stand_in, run.started_on, run.completed_on)
        stale = as_of_now(story.sheets)
        early = incident.aws == "lower retention"
        until = began - (_BEFORE_DAMAGE if early else timedelta(minutes=1))
        since = pen.moment + timedelta(seconds=20)
        write_day(pen, story.sheets, rng, hours=(since, until), deeds=_DEEDS, deletes=False)
        if early:
            _snapshot(stand_in, _EARLY, at=pen.moment + timedelta(seconds=30))
        stand_in.data.clone(_TWIN, source_id=stand_in.source_id)
        pen.at(began)
        incident.damage(pen, stale)
        if incident.key == "a load at the wrong hour":
            _note_run(stand_in, began - timedelta(seconds=75), pen.moment + timedelta(seconds=9))
        if incident.aws == "late snapshot":
            _snapshot(stand_in, _LATE, at=pen.moment + timedelta(minutes=4))
        pen.kept.clear()
        write_after(pen, story.sheets, rng)
    return _truth(stand_in, pen.kept)


def _truth(stand_in: StandIn, written: list[tuple[datetime, str]]) -> EstateProof:
    """Write the same to the twin, and take its proof; it is gone afterwards."""
    with stand_in.data.admin(_TWIN) as twin:
        pen = Pen(twin, moment=written[0][0], now=utc_now())
        with pen.ready():
            for moment, statement in written:
                pen.at(moment)
                pen.write(statement)
        proof = take_proof(twin)
    stand_in.data.delete(_TWIN, keep_backup=False)
    return proof


def _note_run(stand_in: StandIn, started: datetime, completed: datetime) -> None:
    stand_in.control.history.glue_run(JOB, started=started, completed=completed)


def _snapshot(stand_in: StandIn, name: str, *, at: datetime) -> None:
    stand_in.data.take_snapshot(stand_in.source_id, snapshot_id=name, moment=at)
    stand_in.control.history.manual_snapshot(stand_in.cluster, name, at=at, data_id=name)


def _in_the_account(stand_in: StandIn, incident: Incident) -> None:
    rds = stand_in.session().client("rds")
    if incident.aws == "lower retention":
        rds.modify_db_cluster(DBClusterIdentifier=stand_in.cluster, BackupRetentionPeriod=1, ApplyImmediately=True)
        _wait(lambda: _status(rds, stand_in.cluster) == "available", stand_in)
    elif incident.aws == "delete":
        _delete(rds, stand_in)


def _delete(rds: Any, stand_in: StandIn) -> None:
    name = stand_in.cluster
    rds.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    _wait(lambda: _status(rds, name) == "available", stand_in)
    for member in rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["DBClusterMembers"]:
        rds.delete_db_instance(DBInstanceIdentifier=member["DBInstanceIdentifier"], SkipFinalSnapshot=True)
    _wait(lambda: not rds.describe_db_instances()["DBInstances"], stand_in)
    rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=False)
    _wait(lambda: not rds.describe_db_clusters()["DBClusters"], stand_in)


def _status(rds: Any, name: str) -> str:
    return str(rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["Status"])


def _wait(done: Callable[[], bool], stand_in: StandIn) -> None:
    until = time.monotonic() + _LONGEST_S
    time.sleep(stand_in.doubt.total_seconds())  # a status right after a change may be that of before
    while not done():
        if time.monotonic() > until:
            raise StepFailed("The stand-in does not come to rest.", hint="Begin the game again.")
        time.sleep(0.05)
