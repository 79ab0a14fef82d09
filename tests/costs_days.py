"""Lives of clusters, day by day, by AWS's rule: a simulation that shares no code with the library.

A life has names that change, a retention that changes, loads, snapshots that are kept or deleted, snapshots that were
copied here from elsewhere, and points that CloudWatch lost. Each day writes down what AWS meters and bills; what is
right to show is added up from that here, by loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from runbook_lib.backups import snapshot_from
from runbook_lib.costs.bill import Bill
from runbook_lib.costs.estate import Estate
from runbook_lib.costs.facts import Facts
from runbook_lib.costs.lineage import attributed, lineages
from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.prices import shipped_prices
from runbook_lib.costs.units import Month
from runbook_lib.costs.usage import Usage
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.rehearsal.control.aurora.clusters import register
from runbook_lib.rehearsal.metering import Charge, Metering
from tests import builders

USD, BYTES = 0.023, 1024**3
ARN = "arn:aws:rds:ap-northeast-1:123456789012:cluster-snapshot:"
METRICS = ("volume", "used", "snapshot", "billed")


@dataclass(kw_only=True)
class Life:
    """One cluster. Days are counted from the first of the world; `born` None is long before it.

    `names` gives the day from which it has a name; `retention` the day from which it has a retention. `every` and
    `keep` are the habit of its snapshots, 0 and None for none and for ever. `lost` are points that never came. `copies`
    are snapshots copied here from another region, whose cluster had this one's name: day and size.
    """

    key: str
    names: list[tuple[int, str]]
    volume: float = 500.0
    grows: float = 0.0
    changes: float = 20.0
    born: int | None = None
    died: int | None = None
    retention: list[tuple[int, int]] = field(default_factory=lambda: [(-999, 7)])
    loads: dict[int, float] = field(default_factory=dict)
    every: int = 0
    keep: int | None = None
    first_taken: int = 0
    lost: set[tuple[str, int]] = field(default_factory=set)
    copies: list[tuple[int, float]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    says_nothing_outside: bool = False  # whether AWS gives a point of 0 where no snapshot is outside the window

    def name(self, day: int) -> str:
        day = day if self.died is None else min(day, self.died - 1)  # what is gone is not renamed
        return [name for since, name in self.names if since <= day][-1]

    def days_kept(self, day: int) -> int:
        return [days for since, days in self.retention if since <= day][-1]


@dataclass(kw_only=True)
class Day:
    """What one day of a life came to. `window` is how many days of change records there are."""

    lives: bool
    volume: float
    used: float
    automated: float
    outside: dict[str, float]
    foreign: float
    window: int

    @property
    def billed(self) -> float:
        return self.automated + sum(self.outside.values())


@dataclass(kw_only=True)
class Story:
    """A life as it was lived: its days, and the snapshots that are there at the end (day taken, size, name then)."""

    life: Life
    days: list[Day]
    left: dict[str, tuple[int, float, str]]

    def lost(self, metric: str, day: int) -> bool:
        return (metric, day) in self.life.lost

    def exists_on(self, day: int) -> bool:
        return self.life.born is None or day >= self.life.born


def live(life: Life, *, days: int) -> Story:
    """Live through a world of so many days. A life from long before begins with its window full."""
    lead = 80
    start = life.born if life.born is not None else -lead
    sizes: dict[int, float] = {}
    records: dict[int, float] = {}
    begin = start if life.born is not None else start - 60
    story: list[Day] = [Day(lives=False, volume=0, used=0, automated=0, outside={}, foreign=0, window=0)
                        for _ in range(min(days, max(0, start)))]  # fmt: skip
    held: dict[str, tuple[int, float, str]] = {}
    for day in range(start, days):
        lives = life.died is None or day < life.died
        if lives:
            sizes[day] = life.volume + life.grows * (day - start)
            records[day] = life.changes + life.loads.get(day, 0.0)
            if life.every and (day - life.first_taken) % life.every == 0:
                held[f"{life.key}-{day}"] = (day, sizes[day], life.name(day))
        if life.keep is not None:
            held = {name: entry for name, entry in held.items() if day - entry[0] < life.keep}
        foreign = sum(size for taken, size in life.copies if day >= taken)
        keeps = life.days_kept(day)
        if not lives:
            outside = {name: size for name, (_, size, _) in held.items()}
            if day >= 0:
                story.append(
                    Day(lives=False, volume=0, used=0, automated=0, outside=outside, foreign=foreign, window=0)
                )
            continue
        begin = max(begin, day - keeps)
        before = sizes.get(begin, life.volume)
        used = before + sum(records.get(at, life.changes) for at in range(begin + 1, day + 1))
        automated = 0.0 if keeps == 1 else max(0.0, used - sizes[day])
        outside = {name: size for name, (taken, size, _) in held.items() if day - taken >= keeps}
        if day >= 0:
            story.append(Day(lives=True, volume=sizes[day], used=used, automated=automated, outside=outside,
                             foreign=foreign, window=day - begin))  # fmt: skip
    return Story(life=life, days=story, left=held)


@dataclass(kw_only=True)
class Lived:
    """Stories that end today, and what is right to show of them."""

    stories: list[Story]
    today: date
    days: int

    @cached_property
    def first(self) -> date:
        return self.today - timedelta(days=self.days - 1)

    @cached_property
    def by_month(self) -> dict[tuple[int, int], list[int]]:
        """The days of each month, and a while beyond today."""
        found: dict[tuple[int, int], list[int]] = {}
        for number in range(self.days + 40):
            day = self.day(number)
            found.setdefault((day.year, day.month), []).append(number)
        return found

    @property
    def settled(self) -> int:
        """The last settled day."""
        return self.days - 3

    @cached_property
    def points(self) -> dict[tuple[str, str], list[float | None]]:
        return _points(self)

    def day(self, number: int) -> date:
        return self.first + timedelta(days=number)

    def month_days(self, year: int, month: int, *, settled: bool = True) -> list[int]:
        days = self.by_month.get((year, month), [])
        return [number for number in days if number <= self.settled] if settled else days

    def cost(self, story: Story, year: int, month: int, known: Iterable[str] | None = None) -> tuple[float | None, int]:
        """Return what is right to show of a life in a month, and how many days nobody measured.

        `known` are the names that a reader can know of; a point under another one is no point.
        """
        total, missing, measured = 0.0, 0, False
        length = days_in(year, month)
        for number in self.month_days(year, month):
            if not story.exists_on(number):
                continue
            seen = known is None or story.life.name(number) in known
            if story.lost("billed", number) or not seen:
                missing += 1
            else:
                measured = True
                total += story.days[number].billed / length * USD
        return (total if measured or not missing else None), missing

    def known_names(self, story: Story) -> set[str]:
        """Return the names by which a reader can know a life: its snapshots', and its own and a mark's if it lives."""
        names = {name for _, _, name in story.left.values()}
        if story.life.died is None:
            names |= {story.life.names[-1][1], story.life.tags.get("recovery:was", story.life.names[-1][1])}
        return names

    def visible(self, story: Story) -> bool:
        """Tell whether AWS lists anything of a life: the cluster, or a snapshot of it."""
        return story.life.died is None or bool(story.left)


def days_in(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - date(year, month, 1)).days


def lived(lives: Sequence[Life], *, today: date, days: int = 430) -> Lived:
    return Lived(stories=[live(life, days=days) for life in lives], today=today, days=days)


# What AWS says of it, for a review without AWS between ---------------------------------------------------------------


def _points(made: Lived) -> dict[tuple[str, str], list[float | None]]:
    """Return every metric's daily GiB by (metric, name): what AWS gave, less what was lost."""
    found: dict[tuple[str, str], list[float | None]] = {}

    def add(metric: str, name: str, day: int, gib: float) -> None:
        series = found.setdefault((metric, name), [None] * made.days)
        series[day] = (series[day] or 0.0) + gib

    for story in made.stories:
        life = story.life
        for number, entry in enumerate(story.days[: made.days]):
            if not story.exists_on(number):
                continue
            name = life.name(number)
            for taken, size in life.copies:  # metered under the name that its snapshot has
                if number >= taken and life.name(taken) != name and not story.lost("billed", number):
                    add("billed", life.name(taken), number, size)
                    add("snapshot", life.name(taken), number, size)
            foreign = sum(size for taken, size in life.copies if number >= taken and life.name(taken) == name)
            charged = sum(entry.outside.values()) + foreign
            values = {"billed": entry.automated + charged}
            if entry.outside or foreign or life.says_nothing_outside:
                values["snapshot"] = charged
            if entry.lives:
                values |= {"volume": entry.volume, "used": entry.used}
            elif not charged:
                continue
            for metric, gib in values.items():
                if not story.lost(metric, number) and not (metric == "billed" and number == made.days - 1):
                    add(metric, name, number, gib)
    return found


def _described(made: Lived) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return clusters and snapshots as AWS describes them today."""
    now = noon(made.today)
    clusters, snapshots = [], []
    for story in made.stories:
        life = story.life
        born = noon(made.day(life.born)) if life.born is not None else noon(made.first) - timedelta(days=200)
        born -= timedelta(hours=12)
        if life.died is None:
            last = made.days - 1
            window = timedelta(days=story.days[last].window)
            clusters.append(
                {
                    "DBClusterIdentifier": life.names[-1][1],
                    "DBClusterArn": f"arn:aws:rds:ap-northeast-1:123456789012:cluster:{life.names[-1][1]}",
                    "DbClusterResourceId": life.key,
                    "BackupRetentionPeriod": life.days_kept(last),
                    "ClusterCreateTime": born,
                    "EarliestRestorableTime": now - window,
                    "LatestRestorableTime": now,
                    "TagList": [{"Key": key, "Value": value} for key, value in life.tags.items()],
                }
            )
        for name, (taken, _, called) in story.left.items():
            snapshots.append(_snapshot(name, called, life.key, noon(made.day(taken)), ClusterCreateTime=born))
        for taken, _ in life.copies:
            name = f"copied-{life.key}-{taken}"
            source = ARN.replace("ap-northeast-1", "us-east-1") + name
            snapshots.append(
                _snapshot(name, life.name(taken), f"elsewhere-{life.key}", noon(made.day(taken)),
                          SourceDBClusterSnapshotArn=source)
            )  # fmt: skip
    return clusters, snapshots


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def _snapshot(name: str, cluster: str, resource: str, at: datetime, **members: Any) -> dict[str, Any]:
    return {
        "DBClusterSnapshotIdentifier": name,
        "DBClusterSnapshotArn": ARN + name,
        "DBClusterIdentifier": cluster,
        "DbClusterResourceId": resource,
        "SnapshotType": "manual",
        "Status": "available",
        "Engine": "aurora-mysql",
        "SnapshotCreateTime": at,
        **members,
    }


def facts_of(made: Lived, *, month: Month | None = None, bill: Bill | None = None) -> Facts:
    """Make a review's facts straight from the stories."""
    described, snapshots = _described(made)
    estate = Estate(
        clusters=tuple(builders.cluster(**entry) for entry in described),
        snapshots=tuple(sorted(map(snapshot_from, snapshots), key=lambda entry: (entry.created, entry.identifier))),
        retained=(),
    )
    month = month or Month.holding(made.today)
    first, last = month.back_to(13)[0].first, min(month.last, made.today)
    who = lineages(estate)
    names = tuple(dict.fromkeys(name for lineage in who for name in lineage.names))
    points, width = made.points, (last - first).days + 1
    grids = {metric: np.full((len(names), width), np.nan) for metric in METRICS}
    for row, name in enumerate(names):
        for metric in METRICS:
            for number, gib in enumerate(points.get((metric, name), ())):
                column = (made.day(number) - first).days
                if gib is not None and 0 <= column < width:
                    grids[metric][row, column] = gib
    usage, who = attributed(
        Usage(
            clusters=names,
            first=first,
            settled=made.today - timedelta(days=2),
            volume_gib=grids["volume"],
            used_gib=grids["used"],
            snapshot_gib=grids["snapshot"],
            billed_gib=grids["billed"],
            metrics_asked=4 * len(names),
        ),
        who,
    )
    return Facts(
        month=month,
        now=noon(made.today),
        scope=tuple(lineage.label for lineage in who),
        who=who,
        estate=estate,
        usage=usage,
        prices=shipped_prices("ap-northeast-1", (AURORA_BACKUP,)),
        bill=bill or Bill(note="No bill: Cost Explorer was not asked."),
    )


# The same behind the stand-in, for the notebook -------------------------------------------------------------


@contextmanager
def behind_aws(made: Lived) -> Iterator[ControlPlane]:
    """Start a stand-in in which these lives were lived."""
    metering = Metering(keeps_more=made.today != datetime.now(UTC).date())
    with ControlPlane(None, pace=brisk(milliseconds=1)) as plane, metering.installed():
        clusters, snapshots = _described(made)
        living = {entry["DbClusterResourceId"]: entry for entry in clusters}
        for story in made.stories:
            _enter(plane, story, living.get(story.life.key))
        for entry in snapshots:
            _enter_snapshot(plane, entry)
        for name in [name for name in plane.rds.clusters if name.startswith("gone-for-")]:
            del plane.rds.clusters[name]
        kinds = {"volume": "VolumeBytesUsed", "used": "BackupRetentionPeriodStorageUsed",
                 "snapshot": "SnapshotStorageUsed", "billed": "TotalBackupStorageBilled"}  # fmt: skip
        for (metric, name), series in made.points.items():
            sums = [None if gib is None else gib * BYTES for gib in series]
            metering.put(kinds[metric], name, first=made.first, sums=sums)
        for number in range(made.days):
            gib = sum(entry.days[number].billed + entry.days[number].foreign for entry in made.stories
                      if entry.exists_on(number))  # fmt: skip
            day = made.day(number)
            quantity = gib / days_in(day.year, day.month)
            metering.charges.append(
                Charge(day=day, usage_type="APN1-Aurora:BackupUsage", region=plane.region, quantity=quantity,
                       usd=quantity * USD)
            )  # fmt: skip
        plane.metering = metering  # type: ignore[attr-defined]  # a test looks at its requests
        yield plane


def _enter(plane: ControlPlane, story: Story, living: dict[str, Any] | None) -> None:
    name = living["DBClusterIdentifier"] if living else f"gone-for-{story.life.key.lower()}"
    settings = {
        "db_cluster_identifier": name,
        "engine": "aurora-mysql",
        "master_username": "admin",
        "backup_retention_period": living["BackupRetentionPeriod"] if living else 7,
        "tags": [{"Key": key, "Value": value} for key, value in story.life.tags.items()],
    }
    register(plane.rds, settings)
    cluster = plane.rds.cluster(name)
    cluster.db_cluster_resource_id = story.life.key
    if living:
        plane.history.cluster_created(
            name, at=living["ClusterCreateTime"], backups_since=living["EarliestRestorableTime"]
        )
    cluster.status = "available"


def _enter_snapshot(plane: ControlPlane, entry: dict[str, Any]) -> None:
    name, at = entry["DBClusterSnapshotIdentifier"], entry["SnapshotCreateTime"]
    some = next(iter(plane.rds.clusters))
    plane.history.manual_snapshot(some, name, at=at)
    snapshot = plane.rds.cluster_snapshots[name]
    snapshot.status = "available"
    for mine, aws in {"db_cluster_identifier": "DBClusterIdentifier", "db_cluster_resource_id": "DbClusterResourceId",
                      "source_db_cluster_snapshot_arn": "SourceDBClusterSnapshotArn",
                      "cluster_create_time": "ClusterCreateTime"}.items():  # fmt: skip
        if aws in entry:
            setattr(snapshot, mine, entry[aws])
        elif mine == "cluster_create_time":
            snapshot.cluster_create_time = None
