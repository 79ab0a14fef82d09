"""What a cluster that is still alive has cost since it was made: instance hours and storage, each where it is known."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import TAG_PREFIX, Cluster
from runbook_lib.costs.amounts import carried_forward
from runbook_lib.costs.copies import io_optimized
from runbook_lib.costs.pricelist import PriceNotFound, Product, aurora_instance, aurora_storage
from runbook_lib.costs.prices import PriceBook, prices
from runbook_lib.costs.scenarios import HOURS_A_MONTH
from runbook_lib.costs.usage import DAYS_UNSETTLED, Usage, read_usage
from runbook_lib.errors import AccessDenied, StepFailed

log = logging.getLogger(__name__)

_SERVERLESS = "db.serverless"  # billed by what it used, not by the hour of a class


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
    """Read prices and sizes, and give what each cluster has cost so far, by its identifier.

    What may not be read is not known; that never stops whoever asks.
    """
    if not alive:
        return {}
    sizes, unread = _sizes(session, [one.cluster for one in alive], now=now)
    book, unpriced = _prices(session, alive)
    why = "; ".join(filter(None, [unread, unpriced]))
    return {
        one.cluster.identifier: spent(one, sizes.get(one.cluster.identifier), book, now=now, why=why) for one in alive
    }


def spent(one: Alive, size_gib: float | None, book: PriceBook | None, *, now: datetime, why: str = "") -> Spent:
    """Work out what a cluster has cost until `now`. Pure."""
    optimized, unknown = io_optimized(one.cluster), [why] if why else []
    hours = [_price(book, aurora_instance(name, io_optimized=optimized)) for name, _ in one.instances]
    storage = _price(book, aurora_storage(io_optimized=optimized))
    gib_hour = None if storage is None or size_gib is None else size_gib * storage / HOURS_A_MONTH
    if nameless := sorted({name for (name, _), usd in zip(one.instances, hours, strict=True) if usd is None}):
        unknown.append(f"no price of {', '.join(nameless)}")
    if size_gib is None:
        unknown.append("no size in CloudWatch")
    elif storage is None:
        unknown.append("no price of its storage")
    known = [usd for usd in hours if usd is not None]
    complete = len(known) == len(hours)
    lived = [now - (made or one.cluster.created) for _, made in one.instances]
    by_instance = sum(usd * _hours(age) for usd, age in zip(known, lived, strict=True)) if complete else None
    return Spent(
        instances_usd=by_instance,
        storage_usd=None if gib_hour is None else gib_hour * _hours(now - one.cluster.created),
        usd_a_day=24 * (sum(known) + gib_hour) if complete and gib_hour is not None else None,
        unknown="; ".join(unknown),
    )


def _hours(age: timedelta) -> float:
    return max(age, timedelta(0)) / timedelta(hours=1)


def _price(book: PriceBook | None, product: Product) -> float | None:
    return book.usd(product) if book else None


def _prices(session: AwsSession, alive: Sequence[Alive]) -> tuple[PriceBook | None, str]:
    needed: dict[Product, None] = {}
    for one in alive:
        optimized = io_optimized(one.cluster)
        needed[aurora_storage(io_optimized=optimized)] = None
        for name, _ in one.instances:
            if name != _SERVERLESS:
                needed[aurora_instance(name, io_optimized=optimized)] = None
    try:
        return prices(session, (), optional=tuple(needed)), ""
    except PriceNotFound as error:
        return None, error.message


def _sizes(session: AwsSession, clusters: Sequence[Cluster], *, now: datetime) -> tuple[Mapping[str, float], str]:
    sources = {one.identifier: one.tags.get(f"{TAG_PREFIX}source", "") for one in clusters}
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
