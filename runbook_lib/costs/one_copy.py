"""What one more cluster costs a day, from the dated price list: said before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.clusters import Cluster, Instance
from runbook_lib.costs.copies import io_optimized
from runbook_lib.costs.pricelist import aurora_instance, aurora_storage
from runbook_lib.costs.prices import SHIPPED, shipped_prices
from runbook_lib.costs.scenarios import copy_usd_a_day


@dataclass(frozen=True, kw_only=True)
class CopyCost:
    """What a copy costs a day with one instance like the writer. None where a price or the size is not known."""

    usd_a_day: float | None
    instance_usd_a_day: float | None
    note: str


def cost_of_one_copy(
    cluster: Cluster, instances: Sequence[Instance], *, region: str, volume_gib: float | None
) -> CopyCost:
    """Work out what a copy of a cluster costs a day. Asks nobody: the price list is the one that ships with this."""
    if not instances:
        return CopyCost(usd_a_day=None, instance_usd_a_day=None, note="no instance to take the class of")
    optimized = io_optimized(cluster)
    hour, storage = (
        aurora_instance(instances[0].instance_class, io_optimized=optimized),
        aurora_storage(io_optimized=optimized),
    )
    book = shipped_prices(region, (), optional=(hour, storage))
    usd_hour, usd_month = book.usd(hour), book.usd(storage)
    if usd_hour is None or usd_month is None:
        return CopyCost(usd_a_day=None, instance_usd_a_day=usd_hour and 24 * usd_hour, note=" ".join(book.missing))
    as_of = min(price.as_of for price in book.prices)
    prices = f"prices of {as_of} from {SHIPPED}"
    if volume_gib is None:
        note = f"one {instances[0].instance_class}; the volume's size is not known, so no sum; {prices}"
        return CopyCost(usd_a_day=None, instance_usd_a_day=24 * usd_hour, note=note)
    whole = copy_usd_a_day(
        instance_usd_hour=usd_hour, instances=1, volume_gib=volume_gib, storage_usd_gib_month=usd_month
    )
    note = f"one {instances[0].instance_class} and {volume_gib:,.0f} GiB, without requests; {prices}"
    return CopyCost(usd_a_day=whole, instance_usd_a_day=24 * usd_hour, note=note)
