"""Backups billed day by day: a simulation of AWS's rule that shares no code with the library, and a world made of it.

Each simulated day moves the volume, adds change records, takes and deletes snapshots, and writes down what AWS would
meter and bill on that day. The stand-in is then seeded with those meters and that bill.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np

from runbook_lib.backups import snapshot_from
from runbook_lib.costs.bill import Bill
from runbook_lib.costs.estate import Estate
from runbook_lib.costs.facts import Facts
from runbook_lib.costs.lineage import attributed, lineages
from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.prices import shipped_prices
from runbook_lib.costs.units import Month
from runbook_lib.costs.usage import Grid, Usage
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.rehearsal.control.aurora.clusters import register
from runbook_lib.rehearsal.metering import Charge, Metering
from tests import builders

BYTES = 1024**3
TOKYO_USD = 0.023
LEAD_IN = 40  # days simulated before the first, so that every window is full from the start


@dataclass(frozen=True, kw_only=True)
class Sim:
    """One simulated cluster: a snapshot every `every` days (0: none), deleted after `keep` days (None: never)."""

    name: str
    volume: float = 600.0
    grows: float = 0.5
    changes: float = 30.0
    retention: int = 7
    every: int = 1
    keep: int | None = 30
    deleted_days_ago: int | None = None
    engine: str = "aurora-mysql"
    tags: dict[str, str] = field(default_factory=dict)
    backup_service: bool = False
    one_day_load: tuple[int, float] | None = None  # so many days ago, so much changed at once


@dataclass
class Ledger:
    """What a cluster metered, one entry a day; None where it was gone."""

    sim: Sim
    volume: list[float | None] = field(default_factory=list)
    used: list[float | None] = field(default_factory=list)
    automated: list[float] = field(default_factory=list)
    charged: list[list[tuple[str, float]]] = field(default_factory=list)  # snapshots billed that day
    alive: dict[str, tuple[date, float]] = field(default_factory=dict)  # there at the end


def simulate(sim: Sim, *, today: date, days: int, seed: int = 7) -> Ledger:
    """Live through `days` days up to today, both ends included."""
    dice = random.Random(f"{seed} {sim.name}")
    ledger = Ledger(sim=sim)
    sizes: list[float] = []
    records: list[float] = []
    alive: dict[str, tuple[date, float]] = {}
    gone_on = today - timedelta(days=sim.deleted_days_ago) if sim.deleted_days_ago is not None else None
    begin = today - timedelta(days=days - 1 + LEAD_IN)
    for number in range(days + LEAD_IN):
        day = begin + timedelta(days=number)
        exists = gone_on is None or day < gone_on
        if exists:
            sizes.append(sim.volume + sim.grows * number)
            load = sim.one_day_load
            extra = load[1] if load and day == today - timedelta(days=load[0]) else 0.0
            records.append(sim.changes * dice.uniform(0.8, 1.2) + extra)
            if sim.every and number % sim.every == 0:
                alive[f"{sim.name}-{day:%Y%m%d}"] = (day, sizes[-1])
        if sim.keep is not None:
            alive = {name: held for name, held in alive.items() if (day - held[0]).days < sim.keep}
        if number < LEAD_IN:
            continue
        window_open = sim.retention if exists else 0
        ledger.charged.append(
            [(name, size) for name, (taken, size) in alive.items() if (day - taken).days >= window_open]
        )
        if not exists:
            ledger.volume.append(None)
            ledger.used.append(None)
            ledger.automated.append(0.0)
            continue
        used = sizes[-1 - sim.retention] + sum(records[-sim.retention :])
        used = min(used, sum(sizes[-sim.retention :]))
        ledger.volume.append(sizes[-1])
        ledger.used.append(used)
        ledger.automated.append(0.0 if sim.retention == 1 else max(0.0, used - sizes[-1]))
    ledger.alive = alive
    return ledger


def billed(ledger: Ledger, index: int) -> float:
    """Return everything billed on a day, in GiB."""
    return ledger.automated[index] + sum(size for _, size in ledger.charged[index])


def days_of_month(day: date) -> int:
    """Count a month's days without the library's help."""
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (following - day.replace(day=1)).days


@dataclass
class World:
    """A stand-in seeded with ledgers, and the bill that AWS would write of them."""

    plane: ControlPlane
    metering: Metering
    ledgers: list[Ledger]
    first: date
    today: date

    @property
    def now(self) -> datetime:
        """Noon of the world's today."""
        return datetime(self.today.year, self.today.month, self.today.day, 12, tzinfo=UTC)

    def gib_months(self, year: int, month: int) -> float:
        """Add up a month of the simulation, settled days only."""
        total = 0.0
        for index in range(len(self.ledgers[0].automated)):
            day = self.first + timedelta(days=index)
            if (day.year, day.month) == (year, month) and day <= self.today - timedelta(days=2):
                total += sum(billed(ledger, index) for ledger in self.ledgers) / days_of_month(day)
        return total

    def write_bill(self, *, without: str = "", credit_usd: float = 0.0) -> None:
        """Put the bill of every day into Cost Explorer, leaving one snapshot's bytes out if named."""
        self.metering.charges = []
        for index in range((self.today - self.first).days + 1):
            day = self.first + timedelta(days=index)
            gib = sum(billed(ledger, index) for ledger in self.ledgers)
            gib -= sum(size for ledger in self.ledgers for name, size in ledger.charged[index] if name == without)
            self._charge(day, "APN1-Aurora:BackupUsage", gib / days_of_month(day), TOKYO_USD)
            self._charge(day, "APN1-RDS:ChargedBackupUsage", 3.0 / days_of_month(day), 0.095)
            self._charge(day, "APN1-InstanceUsage:db.r6g.large", 24.0, 0.313)
            if credit_usd:
                self._charge(day, "APN1-Aurora:BackupUsage", 0.0, 0.0, record="Credit", usd=-credit_usd)
                self._charge(day, "APN1-Aurora:BackupUsage", 0.0, 0.0, record="Tax", usd=credit_usd / 2)
        self.metering.estimated_from = self.today.replace(day=1)

    def _charge(
        self, day: date, usage: str, quantity: float, price: float, *, record: str = "Usage", usd: float | None = None
    ) -> None:
        amount = quantity * price if usd is None else usd
        region = self.plane.region
        self.metering.charges.append(
            Charge(day=day, usage_type=usage, region=region, quantity=quantity, usd=amount, record=record)
        )


@contextmanager
def world(sims: Sequence[Sim], *, today: date, days: int = 400) -> Iterator[World]:
    """Start a stand-in whose clusters, snapshots, metrics and bill are those of the simulation."""
    metering = Metering(keeps_more=today != datetime.now(UTC).date())
    with ControlPlane(None, pace=brisk(milliseconds=1)) as plane, metering.installed():
        ledgers = [simulate(sim, today=today, days=days) for sim in sims]
        made = World(
            plane=plane, metering=metering, ledgers=ledgers, first=today - timedelta(days=days - 1), today=today
        )
        for ledger in ledgers:
            _enter(made, ledger)
        made.write_bill()
        yield made


def _enter(made: World, ledger: Ledger) -> None:
    sim, rds = ledger.sim, made.plane.rds
    start = made.first - timedelta(days=LEAD_IN)
    register(
        rds,
        {
            "db_cluster_identifier": sim.name,
            "engine": sim.engine,
            "master_username": "admin",
            "backup_retention_period": sim.retention,
            "tags": [{"Key": key, "Value": value} for key, value in sim.tags.items()],
        },
    )
    made.plane.history.cluster_created(sim.name, at=datetime(start.year, start.month, start.day, tzinfo=UTC))
    rds.cluster(sim.name).status = "available"
    for name, (taken, _) in ledger.alive.items():
        at = datetime(taken.year, taken.month, taken.day, 1, 15, tzinfo=UTC)
        known = f"awsbackup:job-{name}" if sim.backup_service else name
        made.plane.history.manual_snapshot(sim.name, known, at=at)
        rds.cluster_snapshots[known].status = "available"
    if sim.deleted_days_ago is not None:
        del rds.clusters[sim.name]
    put = made.metering.put
    first = made.first
    put("VolumeBytesUsed", sim.name, first=first, sums=_bytes(ledger.volume, 288), counts=[288] * len(ledger.volume))
    put("BackupRetentionPeriodStorageUsed", sim.name, first=first, sums=_bytes(ledger.used))
    charged = [sum(size for _, size in entries) if entries else None for entries in ledger.charged]
    put(
        "SnapshotStorageUsed",
        sim.name,
        first=first,
        sums=_bytes(charged),
        counts=[max(1, len(entries)) for entries in ledger.charged],
    )
    total: list[float | None] = [
        billed(ledger, index) if ledger.used[index] is not None or ledger.charged[index] else None
        for index in range(len(ledger.charged))
    ]
    total[-1] = None  # today has not been metered yet
    put(
        "TotalBackupStorageBilled",
        sim.name,
        first=first,
        sums=_bytes(total),
        counts=[1 + len(entries) for entries in ledger.charged],
    )


def _bytes(gib: Sequence[float | None], points: int = 1) -> list[float | None]:
    return [None if size is None else size * BYTES * points for size in gib]


def facts_of(sims: Sequence[Sim], *, today: date, days: int = 60) -> Facts:
    """Make a review's facts straight from the simulation, with no AWS between: for tests of what comes after."""
    ledgers = [simulate(sim, today=today, days=days) for sim in sims]
    first, now = today - timedelta(days=days - 1), datetime(today.year, today.month, today.day, 12, tzinfo=UTC)

    def grid(entries: Sequence[Sequence[float | None]]) -> Grid:
        return np.array([[np.nan if size is None else size for size in row] for row in entries])

    snapshots = [
        snapshot_from(
            {
                "DBClusterSnapshotIdentifier": name,
                "DBClusterSnapshotArn": f"arn:aws:rds:ap-northeast-1:123456789012:cluster-snapshot:{name}",
                "DBClusterIdentifier": ledger.sim.name,
                "DbClusterResourceId": f"cluster-{ledger.sim.name}",
                "SnapshotType": "manual",
                "Status": "available",
                "Engine": ledger.sim.engine,
                "SnapshotCreateTime": datetime(taken.year, taken.month, taken.day, 1, 15, tzinfo=UTC),
            }
        )
        for ledger in ledgers
        for name, (taken, _) in ledger.alive.items()
    ]
    clusters = tuple(
        builders.cluster(
            DBClusterIdentifier=sim.name,
            DbClusterResourceId=f"cluster-{sim.name}",
            ClusterCreateTime=now - timedelta(days=days + LEAD_IN),
            BackupRetentionPeriod=sim.retention,
            TagList=[{"Key": key, "Value": value} for key, value in sim.tags.items()],
        )
        for sim in sims
        if sim.deleted_days_ago is None
    )
    estate = Estate(clusters=clusters, snapshots=tuple(snapshots), retained=())
    measured = Usage(
        clusters=tuple(sim.name for sim in sims),
        first=first,
        settled=today - timedelta(days=2),
        volume_gib=grid([ledger.volume for ledger in ledgers]),
        used_gib=grid([ledger.used for ledger in ledgers]),
        snapshot_gib=grid([[sum(size for _, size in day) for day in ledger.charged] for ledger in ledgers]),
        billed_gib=grid([[billed(ledger, index) for index in range(days)] for ledger in ledgers]),
        metrics_asked=4 * len(sims),
    )
    usage, who = attributed(measured, lineages(estate))
    return Facts(
        month=Month.holding(today),
        now=now,
        scope=tuple(sim.name for sim in sims),
        who=who,
        estate=estate,
        usage=usage,
        prices=shipped_prices("ap-northeast-1", (AURORA_BACKUP,)),
        bill=Bill(note="No bill: Cost Explorer was not asked."),
    )
