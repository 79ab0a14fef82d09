"""Restored copies still alive: what each costs a day, and what it has cost so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from runbook_lib.clusters import TAG_PREFIX, Cluster
from runbook_lib.costs.amounts import carried_forward
from runbook_lib.costs.estate import Estate, expires
from runbook_lib.costs.months import Month, midnight
from runbook_lib.costs.pricelist import Product, aurora_instance, aurora_storage
from runbook_lib.costs.prices import PriceBook
from runbook_lib.costs.scenarios import copy_usd_a_day
from runbook_lib.costs.usage import Usage

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


def copies(estate: Estate, usage: Usage, prices: PriceBook) -> tuple[Copy, ...]:
    """Work out what each restored copy costs, the dearest first."""
    sizes = carried_forward(usage.volume_gib)[:, -1]
    rows = {name: row for row, name in enumerate(usage.clusters)}
    found = [_copy(cluster, estate, float(sizes[rows[cluster.identifier]]), usage, prices) for cluster in estate.copies]
    return tuple(sorted(found, key=lambda copy: (-(copy.usd_a_day or 0.0), copy.cluster)))


def _copy(cluster: Cluster, estate: Estate, size_gib: float, usage: Usage, prices: PriceBook) -> Copy:
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
        usd_a_day=_usd_a_day(classes, known, optimized=io_optimized(cluster), prices=prices),
        incident=cluster.tags.get(f"{TAG_PREFIX}incident", ""),
    )


def _usd_a_day(classes: Sequence[str], size_gib: float | None, *, optimized: bool, prices: PriceBook) -> float | None:
    hours = [prices.usd(aurora_instance(name, io_optimized=optimized)) for name in classes]
    storage = prices.usd(aurora_storage(io_optimized=optimized))
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
