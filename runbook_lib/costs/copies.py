"""What restored copies cost: one that is not made yet, those alive, and any cluster since it was made.

Instance hours and the full volume, each where it is known; requests are not counted. What is not known gives no sum.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import Cluster, Instance
from runbook_lib.costs.amounts import carried_forward
from runbook_lib.costs.estate import Estate, expires
from runbook_lib.costs.pricelist import PriceNotFound, Product, aurora_instance, aurora_storage
from runbook_lib.costs.prices import SHIPPED, PriceBook, prices, shipped_prices
from runbook_lib.costs.units import Month, midnight, usd_text
from runbook_lib.costs.usage import DAYS_UNSETTLED, Usage, read_usage
from runbook_lib.errors import AccessDenied, RunbookError, StepFailed
from runbook_lib.tags import TAG_PREFIX

log = logging.getLogger(__name__)

HOURS_A_MONTH = 730  # AWS's own convention for turning a price per month into one per hour
_SERVERLESS = "db.serverless"  # billed by what it used, not by the hour of a class


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One restored copy. `usd_a_day` is None where a price or the size is not known, and then there is no sum."""

    cluster: str
    source: str
    made: datetime
    expires: datetime | None
    instance_classes: tuple[str, ...]
    volume_gib: float | None
    usd_a_day: float | None
    incident: str

    def is_expired(self, now: datetime) -> bool:
        """Tell whether it should have been deleted by now."""
        return self.expires is not None and self.expires <= now

    def usd_between(self, start: datetime, end: datetime) -> float:
        """Return what it cost between two moments, nothing from before it was made."""
        alive = max(timedelta(0), end - max(start, self.made))
        return (self.usd_a_day or 0.0) * (alive / timedelta(days=1))

    def usd_so_far(self, now: datetime) -> float:
        """Return what it has cost since it was made. The size is taken as it is now, and requests are not counted."""
        return self.usd_between(self.made, now)

    def usd_of_month(self, month: Month, now: datetime) -> float:
        """Return what it cost in a month, up to now."""
        return self.usd_between(midnight(month.first), min(now, midnight(month.plus(1).first)))


def products_of(estate: Estate) -> tuple[Product, ...]:
    """Return the products whose prices the copies need."""
    needed: dict[Product, None] = {}
    for copy in estate.copies:
        optimized = io_optimized(copy)
        needed[aurora_storage(io_optimized=optimized)] = None
        for name in estate.instance_classes.get(copy.identifier, ()):
            if name != _SERVERLESS:
                needed[aurora_instance(name, io_optimized=optimized)] = None
    return tuple(needed)


def copies(estate: Estate, usage: Usage, book: PriceBook) -> tuple[Copy, ...]:
    """Work out what each restored copy costs, the dearest first."""
    sizes = carried_forward(usage.volume_gib)[:, -1]
    rows = {name: row for row, name in enumerate(usage.clusters)}
    found = [_copy(cluster, estate, float(sizes[rows[cluster.identifier]]), usage, book) for cluster in estate.copies]
    return tuple(sorted(found, key=lambda copy: (-(copy.usd_a_day or 0.0), copy.cluster)))


def _copy(cluster: Cluster, estate: Estate, size_gib: float, usage: Usage, book: PriceBook) -> Copy:
    source = cluster.tags.get(f"{TAG_PREFIX}source", "")
    if np.isnan(size_gib) and source in usage.clusters:
        # a copy too young for metrics is as large as what it was made of
        size_gib = float(carried_forward(usage.volume_gib)[usage.row(source), -1])
    known = None if np.isnan(size_gib) else size_gib
    classes = estate.instance_classes.get(cluster.identifier, ())
    return Copy(
        cluster=cluster.identifier,
        source=source,
        made=cluster.created,
        expires=expires(cluster, now=cluster.created),
        instance_classes=classes,
        volume_gib=known,
        usd_a_day=_usd_a_day(classes, known, optimized=io_optimized(cluster), book=book),
        incident=cluster.tags.get(f"{TAG_PREFIX}incident", ""),
    )


def _usd_a_day(classes: Sequence[str], size_gib: float | None, *, optimized: bool, book: PriceBook) -> float | None:
    hours = [book.usd(aurora_instance(name, io_optimized=optimized)) for name in classes]
    storage = book.usd(aurora_storage(io_optimized=optimized))
    if size_gib is None or storage is None or any(hour is None for hour in hours):
        return None
    return copy_usd_a_day(
        instance_usd_hour=sum(hour or 0.0 for hour in hours),
        instances=1,
        volume_gib=size_gib,
        storage_usd_gib_month=storage,
    )


def io_optimized(cluster: Cluster) -> bool:
    """Tell whether a cluster's storage is Aurora I/O-Optimized."""
    return bool(cluster.raw.get("StorageType") == "aurora-iopt1")


def copy_usd_a_day(
    *, instance_usd_hour: float, instances: int, volume_gib: float, storage_usd_gib_month: float
) -> float:
    """Return what a restored copy costs a day: its instances' hours and its full volume. Requests are not counted."""
    return 24 * (instance_usd_hour * instances + volume_gib * storage_usd_gib_month / HOURS_A_MONTH)


@dataclass(frozen=True, kw_only=True)
class Alive:
    """A cluster with its instances: each one's class and when it was made (None: with the cluster)."""

    cluster: Cluster
    instances: tuple[tuple[str, datetime | None], ...]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What one cluster has cost so far, without requests (I/O). None is not known, and then there is no sum either.

    The volume's size is taken as it is now. `unknown` says what is missing.
    """

    instances_usd: float | None
    storage_usd: float | None
    usd_a_day: float | None
    unknown: str = ""

    @property
    def usd(self) -> float | None:
        """The sum so far."""
        if self.instances_usd is None or self.storage_usd is None:
            return None
        return self.instances_usd + self.storage_usd


def read_spent(session: AwsSession, alive: Sequence[Alive], *, now: datetime) -> dict[str, Spent]:
    """Read prices and sizes, and return what each cluster has cost so far, by its identifier.

    What may not be read is not known; that never stops whoever asks.
    """
    if not alive:
        return {}
    sizes, unread = _sizes(session, [living.cluster for living in alive], now=now)
    book, unpriced = _prices(session, alive)
    why = "; ".join(filter(None, [unread, unpriced]))
    return {
        living.cluster.identifier: spent(living, sizes.get(living.cluster.identifier), book, now=now, why=why)
        for living in alive
    }


def spent(living: Alive, size_gib: float | None, book: PriceBook | None, *, now: datetime, why: str = "") -> Spent:
    """Work out what a cluster has cost until `now`. Pure."""
    optimized, unknown = io_optimized(living.cluster), [why] if why else []
    hours = [_price(book, aurora_instance(name, io_optimized=optimized)) for name, _ in living.instances]
    storage = _price(book, aurora_storage(io_optimized=optimized))
    gib_hour = None if storage is None or size_gib is None else size_gib * storage / HOURS_A_MONTH
    if nameless := sorted({name for (name, _), usd in zip(living.instances, hours, strict=True) if usd is None}):
        unknown.append(f"no price of {', '.join(nameless)}")
    if size_gib is None:
        unknown.append("no size in CloudWatch")
    elif storage is None:
        unknown.append("no price of its storage")
    known = [usd for usd in hours if usd is not None]
    complete = len(known) == len(hours)
    lived = [now - (made or living.cluster.created) for _, made in living.instances]
    by_instance = sum(usd * _hours(age) for usd, age in zip(known, lived, strict=True)) if complete else None
    return Spent(
        instances_usd=by_instance,
        storage_usd=None if gib_hour is None else gib_hour * _hours(now - living.cluster.created),
        usd_a_day=24 * (sum(known) + gib_hour) if complete and gib_hour is not None else None,
        unknown="; ".join(unknown),
    )


def _hours(age: timedelta) -> float:
    return max(age, timedelta(0)) / timedelta(hours=1)


def _price(book: PriceBook | None, product: Product) -> float | None:
    return book.usd(product) if book else None


def _prices(session: AwsSession, alive: Sequence[Alive]) -> tuple[PriceBook | None, str]:
    needed: dict[Product, None] = {}
    for living in alive:
        optimized = io_optimized(living.cluster)
        needed[aurora_storage(io_optimized=optimized)] = None
        for name, _ in living.instances:
            if name != _SERVERLESS:
                needed[aurora_instance(name, io_optimized=optimized)] = None
    try:
        return prices(session, (), optional=tuple(needed)), ""
    except PriceNotFound as error:
        return None, error.message


def _sizes(session: AwsSession, clusters: Sequence[Cluster], *, now: datetime) -> tuple[Mapping[str, float], str]:
    sources = {cluster.identifier: cluster.tags.get(f"{TAG_PREFIX}source", "") for cluster in clusters}
    names = [name for pair in sources.items() for name in pair if name]
    first = (now - timedelta(days=DAYS_UNSETTLED + 1)).date()
    try:
        usage = read_usage(session, names, first=first, last=now.date(), now=now)
    except (AccessDenied, StepFailed) as error:
        log.warning("the clusters' sizes are not known: %s", error.message)
        return {}, error.message
    found = {name: _size(usage, name) for name in usage.clusters}
    # a copy too young for metrics is as large as what it was made of
    known = {name: found[name] if found[name] is not None else found.get(source) for name, source in sources.items()}
    return {name: size for name, size in known.items() if size is not None}, ""


def _size(usage: Usage, name: str) -> float | None:
    size = float(carried_forward(usage.volume_gib)[usage.row(name), -1])
    return None if np.isnan(size) else size


@dataclass(frozen=True, kw_only=True)
class CopyCost:
    """What a copy costs a day. None where a price or the size is not known; `note` says what it is made of, or why."""

    usd_a_day: float | None
    instance_usd_a_day: float | None
    note: str

    @property
    def text(self) -> str:
        """Say it in a line."""
        if self.usd_a_day is not None:
            return f"{usd_text(self.usd_a_day)} a day: {self.note}"
        known = self.instance_usd_a_day
        return f"not known: {self.note}" if known is None else f"{usd_text(known)} a day and its storage: {self.note}"


class Planned(Protocol):
    """A copy that is planned: of which cluster at which second, and which instances it gets."""

    @property
    def source(self) -> str:
        """The cluster."""

    @property
    def moment(self) -> datetime | None:
        """The second; None is the latest."""

    @property
    def instance_classes(self) -> tuple[str, ...]:
        """The classes of its instances."""

    @property
    def is_io_optimized(self) -> bool:
        """Whether its storage is Aurora I/O-Optimized."""


def cost_of_plan(session: AwsSession, plan: Planned, *, now: datetime) -> CopyCost:
    """Work out what a planned copy costs a day: list prices that ship with this, and the volume before its second."""
    volume, why = volume_before(session, plan.source, plan.moment or now, now=now)
    return _cost(session.region, plan.instance_classes, volume, optimized=plan.is_io_optimized, why=why)


def cost_of_one_copy(
    session: AwsSession, cluster: Cluster, instances: Sequence[Instance], *, at: datetime | None, now: datetime
) -> CopyCost:
    """Work out what a copy of a cluster as it was `at` a second costs a day, with one instance like the writer.

    None is the latest second, where nobody knows which that is.
    """
    volume, why = volume_before(session, cluster.identifier, at or now, now=now)
    classes = [instance.instance_class for instance in instances[:1]]
    return _cost(session.region, classes, volume, optimized=io_optimized(cluster), why=why)


def clone_text(plan: Planned, *, region: str) -> str:
    """Say what a clone costs a day while it lives: its instances, and of the volume only what changes in it."""
    cost = _cost(region, plan.instance_classes, None, optimized=plan.is_io_optimized)
    if cost.instance_usd_a_day is None:
        return f"not known: {cost.note}"
    running = ", ".join(plan.instance_classes)
    return f"{usd_text(cost.instance_usd_a_day)} a day ({running}) and the storage of what changes in it, by list price"


def volume_before(session: AwsSession, cluster: str, moment: datetime, *, now: datetime) -> tuple[float | None, str]:
    """Return a cluster's volume in GiB on the day before a moment, and why it is not known where it is None.

    The last day that was measured is taken. The moment's own day may hold the damage.
    """
    last = moment.date() - timedelta(days=1)
    try:
        usage = read_usage(session, [cluster], first=last - timedelta(days=DAYS_UNSETTLED + 1), last=last, now=now)
    except RunbookError as error:
        log.warning("the size of %s is not known: %s", cluster, error.message)
        return None, error.message
    return (size, "") if (size := _size(usage, cluster)) is not None else (None, "CloudWatch has no size of it")


def _cost(region: str, classes: Sequence[str], volume_gib: float | None, *, optimized: bool, why: str = "") -> CopyCost:
    if not classes:
        return CopyCost(usd_a_day=None, instance_usd_a_day=None, note="no instance to take the class of")
    hours = [aurora_instance(name, io_optimized=optimized) for name in classes]
    storage = aurora_storage(io_optimized=optimized)
    book = shipped_prices(region, (), optional=(*hours, storage))
    by_hour, usd_month = [book.usd(hour) for hour in hours], book.usd(storage)
    known = [usd for usd in by_hour if usd is not None]
    instances = 24 * sum(known) if len(known) == len(by_hour) else None
    if instances is None or usd_month is None:
        return CopyCost(usd_a_day=None, instance_usd_a_day=instances, note=" ".join(book.missing))
    as_of = min(price.as_of for price in book.prices)
    priced = f"prices of {as_of} from {SHIPPED}"
    several = f"{len(classes)} instances ({', '.join(sorted(set(classes)))})"
    running = f"one {classes[0]}" if len(classes) == 1 else several
    if volume_gib is None:
        note = f"{running}; the volume's size is not known{f' ({why})' if why else ''}, so no sum; {priced}"
        return CopyCost(usd_a_day=None, instance_usd_a_day=instances, note=note)
    whole = copy_usd_a_day(
        instance_usd_hour=sum(known), instances=1, volume_gib=volume_gib, storage_usd_gib_month=usd_month
    )
    note = f"{running} and {volume_gib:,.0f} GiB, without requests; {priced}"
    return CopyCost(usd_a_day=whole, instance_usd_a_day=instances, note=note)
