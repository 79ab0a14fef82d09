"""A small world that is well, one defect at a time, and what the watch finds of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from runbook_lib.aws import AwsSession, connect
from runbook_lib.clusters import find_cluster
from runbook_lib.mysql import Database
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.past_watch import past_of_watch
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.control.aurora.models import Cluster, Instance
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine
from runbook_lib.times import utc_now
from runbook_lib.watch import Choices, Watched, look_at_aws, look_inside, watched
from runbook_lib.watch.inside import BinaryLog, Inside
from tests.control_support import Stand, production, stand_in
from tests.records_support import make_record
from tests.scale import fill
from tests.small_world import MASTER, TwoData

CONTRACT = """\
version: 1
schemas:
  shop:
    purpose: what is sold
    others_allowed: true
    tables:
      - {name: items, min_rows: 1, columns: [id, name]}
      - {name: loads, fresh: {column: at, within_hours: 36}}
"""
TABLES = (
    "CREATE DATABASE shop",
    "CREATE DATABASE shop__next",
    "CREATE TABLE shop.items (id INT PRIMARY KEY, name VARCHAR(30))",
    "INSERT INTO shop.items VALUES (1, 'one')",
    "CREATE TABLE shop.loads (id INT PRIMARY KEY, at DATETIME)",
    "INSERT INTO shop.loads VALUES (1, UTC_TIMESTAMP())",
    "CREATE TABLE shop.notes (id INT PRIMARY KEY)",
    "INSERT INTO shop.notes VALUES (1)",
    "CREATE TABLE shop.visits (id INT PRIMARY KEY AUTO_INCREMENT, who VARCHAR(30))",
    "INSERT INTO shop.visits (who) VALUES ('a'), ('b'), ('c'), ('d')",
    *("INSERT INTO shop.visits (who) SELECT who FROM shop.visits" for _ in range(8)),
    "ANALYZE TABLE shop.visits",
    "CREATE USER loader IDENTIFIED BY 'loads-7'",
    "GRANT SELECT ON shop.* TO loader",
    "GRANT ALL ON shop__next.* TO loader",
)
CHOICES = {"glue_jobs": "daily_etl", "loader": "loader@%", "promises": "window 7 days, drill 31 days"}


@dataclass
class World:
    """The stand-in with one cluster `prod`, its server, and a store of records; all is well in it."""

    stand: Stand
    plane: DataPlane
    folder: Path
    store: Store
    change_inside: Callable[[Inside], Inside] = lambda inside: inside
    more: dict[str, str] = field(default_factory=dict)

    @cached_property
    def session(self) -> AwsSession:
        return connect()

    @property
    def prod(self) -> Cluster:
        return self.stand.plane.rds.cluster("prod")

    @property
    def contract(self) -> Path:
        return self.folder / "contract.yml"

    def admin(self) -> Database:
        return self.plane.admin("found")

    def run(self, *statements: str) -> None:
        with self.admin() as database:
            for statement in statements:
                database.execute(statement)

    def choices(self, **other: str) -> Choices:
        return Choices(**{**CHOICES, "contract": str(self.contract), **self.more, **other})

    def look(self, *, cluster: str = "prod", **other: str) -> Watched:
        """Watch in this process, as the notebook does."""
        session, choices, now = self.session, self.choices(**other), utc_now()
        found = find_cluster(session, cluster) if cluster else None
        facts = look_at_aws(session, choices, cluster=found, account=session.identity().account, now=now)
        inside = look_inside(session, found, choices, now=now)
        past = past_of_watch(facts, store=self.store)
        return watched(facts, self.change_inside(inside) if inside else None, past)

    def keep(self, seen: Watched, store: Store) -> None:
        """Leave a record of a watch, as a run does."""
        scope = seen.facts.scope
        make_record(store, notebook="watch_backups", incident="", result={"cluster": scope}, shown=seen.as_json())

    def drill(
        self, store: Store, *, days: int = 1, outcome: Outcome = Outcome.SUCCEEDED, proof: str = "proved"
    ) -> None:
        """Leave a record of a drill."""
        make_record(
            store,
            notebook="drill_restore",
            incident="",
            outcome=outcome,
            result={"cluster": "prod", "recovery": {"proof": proof}},
            started=utc_now() - timedelta(days=days),
        )

    @contextmanager
    def other_store(self, name: str, *, of: str = "well") -> Iterator[Store]:
        """Have the records of another store: a copy of one of the world's."""
        before, path = self.store, self.folder / f"store-{name}"
        shutil.copytree(self.folder / f"store-{of}", path)
        self.store = Store(path)
        try:
            yield self.store
        finally:
            self.store = before
            shutil.rmtree(path)


@contextmanager
def watch_world(folder: Path) -> Iterator[World]:
    """Start it, make everything well, and leave the record of a first watch and of a proved drill."""
    data = TwoData()
    with DataPlane(choose_engine(""), folder / "servers") as plane, stand_in(data=data) as stand:
        data.plane = plane
        plane.create("found", master=MASTER)
        plane.open("found")
        with stand.plane.in_environment():
            production(stand)
            world = World(stand, plane, folder, Store(folder / "store-first"))
            world.contract.write_text(CONTRACT)
            world.run(*TABLES)
            history, now = stand.plane.history, utc_now()
            world.prod.backup_retention_period = 14
            history.cluster_created("prod", at=now - timedelta(days=40))
            for day in range(14):
                history.automated_snapshot("prod", at=now - timedelta(days=day, hours=2))
            history.manual_snapshot("prod", "before-the-upgrade", at=now - timedelta(days=3))
            loads(world, now)
            apart(world, now)
            world.keep(world.look(), world.store)
            shutil.copytree(folder / "store-first", folder / "store-well")
            world.store = Store(folder / "store-well")
            world.drill(world.store)
            yield world


def loads(world: World, now: datetime) -> None:
    """Let the load have run each night, by its trigger."""
    history, at = world.stand.plane.history, now - timedelta(hours=3)
    for night in range(10):
        started = at - timedelta(days=night)
        history.glue_run("daily_etl", started=started, completed=started + timedelta(minutes=5))
    world.stand.client("glue").create_trigger(
        Name="nightly",
        Type="SCHEDULED",
        Schedule=f"cron({at.minute} {at.hour} * * ? *)",
        Actions=[{"JobName": "daily_etl"}],
        StartOnCreation=True,
    )


def apart(world: World, now: datetime) -> None:
    """Let a locked vault hold a recovery point."""
    world.stand.plane.vault.lock("locked")
    world.stand.plane.vault.put(world.prod.arn, at=now - timedelta(days=2), vault="locked")


# ---- one defect each -------------------------------------------------------------------------------------------------


@contextmanager
def setting(thing: Any, **values: Any) -> Iterator[None]:
    before = {name: getattr(thing, name) for name in values}
    for name, value in values.items():
        setattr(thing, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(thing, name, value)


@contextmanager
def chosen(world: World, **choices: str) -> Iterator[None]:
    world.more.update(choices)
    try:
        yield
    finally:
        world.more.clear()


@contextmanager
def statements(world: World, *done: str, undo: tuple[str, ...]) -> Iterator[None]:
    world.run(*done)
    try:
        yield
    finally:
        world.run(*undo)


@contextmanager
def without_snapshots(world: World) -> Iterator[None]:
    held = world.stand.plane.rds.cluster_snapshots
    before = dict(held)
    recent = utc_now() - timedelta(hours=27)
    for name, snapshot in before.items():
        if snapshot.snapshot_type == "automated" and snapshot.created > recent:
            del held[name]
    try:
        yield
    finally:
        held.update(before)


@contextmanager
def shared(world: World, *accounts: str) -> Iterator[None]:
    asked = {"DBClusterSnapshotIdentifier": "before-the-upgrade", "AttributeName": "restore"}
    world.stand.rds.modify_db_cluster_snapshot_attribute(**asked, ValuesToAdd=[*accounts])
    try:
        yield
    finally:
        world.stand.rds.modify_db_cluster_snapshot_attribute(**asked, ValuesToRemove=[*accounts])


@contextmanager
def nothing_apart(world: World) -> Iterator[None]:
    world.stand.plane.vault.forget()
    world.stand.plane.vault.put(world.prod.arn, at=utc_now())  # in an open vault
    try:
        yield
    finally:
        world.stand.plane.vault.forget()
        apart(world, utc_now())


@contextmanager
def runs(world: World, change: Callable[[list[Any]], list[Any]]) -> Iterator[None]:
    """Change the runs of the load, newest first."""
    from moto.glue.models import glue_backends

    job = glue_backends[world.stand.plane.account][world.stand.plane.region].jobs["daily_etl"]
    before = job.job_runs
    job.job_runs = change([*before])
    try:
        yield
    finally:
        job.job_runs = before


@contextmanager
def failed_load(world: World) -> Iterator[None]:
    from moto.glue.models import glue_backends

    job = glue_backends[world.stand.plane.account][world.stand.plane.region].jobs["daily_etl"]
    before, now = [*job.job_runs], utc_now()
    started, completed = now - timedelta(hours=2), now - timedelta(hours=1)
    world.stand.plane.history.glue_run(
        "daily_etl", started=started, completed=completed, state="FAILED", error="table is gone"
    )
    try:
        yield
    finally:
        job.job_runs = before


@contextmanager
def without_trigger(world: World) -> Iterator[None]:
    """Let nothing start the load any more: only its own past tells that it is late."""
    from moto.glue.models import glue_backends

    glue = glue_backends[world.stand.plane.account][world.stand.plane.region]
    before = dict(glue.triggers)
    glue.triggers.clear()
    try:
        with runs(world, lambda found: found[2:]):
            yield
    finally:
        glue.triggers.update(before)


@contextmanager
def expired_copy(world: World) -> Iterator[None]:
    rds, now = world.stand.plane.rds, utc_now()
    fill(world.stand.plane, now=now, clusters=1, snapshots=0, events=0)
    copy = rds.clusters.pop("team-0000")
    del rds.databases["team-0000-1"]
    copy.db_cluster_identifier = "prod-at-night"
    tags = {"source": "prod", "plan": "p", "target": "prod-at-night", "moment": "2026-01-01T00:00:00Z"}
    tags["expires"] = f"{now - timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"
    copy.tags = [{"Key": f"recovery:{name}", "Value": value} for name, value in tags.items()]
    rds.clusters["prod-at-night"] = copy
    try:
        yield
    finally:
        del rds.clusters["prod-at-night"]


@contextmanager
def many_clusters(world: World) -> Iterator[None]:
    rds = world.stand.plane.rds
    fill(world.stand.plane, now=utc_now(), clusters=38, snapshots=0, events=0)
    try:
        yield
    finally:
        for name in [name for name in rds.clusters if name.startswith("team-")]:
            del rds.clusters[name]
            del rds.databases[f"{name}-1"]


@contextmanager
def unpublished(world: World) -> Iterator[None]:
    with world.other_store("unpublished") as store:
        make_record(store, publish_to="s3://records")
        yield


@contextmanager
def broken_chain(world: World) -> Iterator[None]:
    with world.other_store("broken") as store:
        path = next(store.folders()) / "record.ipynb"
        path.write_bytes(path.read_bytes() + b" ")
        yield


@contextmanager
def drilled(world: World, **drill: Any) -> Iterator[None]:
    with world.other_store("drilled", of="first") as store:
        if drill:
            world.drill(store, **drill)
        yield


@contextmanager
def inside_as(world: World, **parts: Any) -> Iterator[None]:
    with setting(world, change_inside=lambda inside: replace(inside, **parts)):
        yield


def _instance(world: World) -> Instance:
    return world.stand.plane.rds.instance("prod-2")


Plant = Callable[[World], AbstractContextManager[None]]
NOT_SET = (
    "CREATE PROCEDURE mysql.rds_show_configuration() SELECT 'binlog retention hours' AS name, {} AS value, '' AS about"
)
NO_PROCEDURE = ("DROP PROCEDURE mysql.rds_show_configuration",)

DEFECTS: dict[str, tuple[str, Plant]] = {
    "the restorable time lags": ("restorable-lag", lambda w: setting(w.prod, lagging=timedelta(minutes=40))),
    "the retention is below the promise": ("window-short", lambda w: chosen(w, promises="window 20 days")),
    "the window is shorter than the retention": (
        "window-short", lambda w: setting(w.prod, backups_since=utc_now() - timedelta(days=3)),
    ),
    "the retention was lowered": ("settings-weakened", lambda w: setting(w.prod, backup_retention_period=8)),
    "the deletion protection is off": ("settings-weakened", lambda w: setting(w.prod, deletion_protection=False)),
    "no snapshot for 26 hours": ("snapshot-missing", without_snapshots),
    "not encrypted": ("encryption", lambda w: setting(w.prod, storage_encrypted=False, kms_key_id=None)),
    "a public snapshot": ("snapshots-shared", lambda w: shared(w, "all")),
    "a shared snapshot": ("snapshots-shared", lambda w: shared(w, "999988887777")),
    "nothing lies apart": ("kept-apart", nothing_apart),
    "an old certificate authority": (
        "certificate", lambda w: setting(_instance(w), ca_certificate_identifier="rds-ca-2019"),
    ),
    "the engine's support ends": (
        "engine-support", lambda w: setting(w.stand.plane.rds, support_left=timedelta(days=20)),
    ),
    "never drilled": ("drill", lambda w: drilled(w)),
    "the drill is overdue": ("drill", lambda w: drilled(w, days=40)),
    "the last drill failed": ("drill", lambda w: drilled(w, outcome=Outcome.FAILED)),
    "the last drill proved nothing": ("drill", lambda w: drilled(w, proof="not proved")),
    "the binary log is off": ("binary-log", lambda w: inside_as(w, log=BinaryLog(is_on=False, kept=None))),
    "the log's retention is not set": (
        "binary-log", lambda w: statements(w, NOT_SET.format("NULL"), undo=NO_PROCEDURE),
    ),
    "the log is kept too short": ("binary-log", lambda w: statements(w, NOT_SET.format("24"), undo=NO_PROCEDURE)),
    "the contract is broken": (
        "contract",
        lambda w: statements(
            w, "UPDATE shop.loads SET at = '2020-01-01'", undo=("UPDATE shop.loads SET at = UTC_TIMESTAMP()",)
        ),
    ),
    "a table is gone": (
        "tables-lost",
        lambda w: statements(
            w, "DROP TABLE shop.notes",
            undo=("CREATE TABLE shop.notes (id INT PRIMARY KEY)", "INSERT INTO shop.notes VALUES (1)"),
        ),
    ),
    "a table is empty": (
        "tables-lost", lambda w: statements(w, "DELETE FROM shop.notes", undo=("INSERT INTO shop.notes VALUES (1)",)),
    ),
    "a table has shrunk": (
        "tables-lost",
        lambda w: statements(
            w, "CREATE TABLE shop__next.kept AS SELECT * FROM shop.visits", "DELETE FROM shop.visits WHERE id > 20",
            "ANALYZE TABLE shop.visits",
            undo=(
                "INSERT IGNORE INTO shop.visits SELECT * FROM shop__next.kept", "DROP TABLE shop__next.kept",
                "ANALYZE TABLE shop.visits",
            ),
        ),
    ),
    "the loader can drop": (
        "loader-account",
        lambda w: statements(w, "GRANT DROP ON shop.* TO loader", undo=("REVOKE DROP ON shop.* FROM loader",)),
    ),
    "the load failed": ("load", failed_load),
    "the load is late": ("load", lambda w: runs(w, lambda found: found[1:])),
    "the load never ran": ("load", lambda w: runs(w, lambda _: [])),
    "the load is late and has no schedule": ("load", without_trigger),
    "the load's job is not there": ("load", lambda w: chosen(w, glue_jobs="daily_elt")),
    "a copy is past its expiry": ("copies-expired", expired_copy),
    "the quota is used up": ("quota", many_clusters),
    "a record is not published": ("records-unpublished", unpublished),
    "the chain is broken": ("records-chain", broken_chain),
}  # fmt: skip


def stored(seen: Watched) -> Any:
    """Return what a record would keep, through JSON."""
    return json.loads(json.dumps(seen.as_json()))
