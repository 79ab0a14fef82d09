"""What a way of protecting a database costs, before anybody has tried it: snapshots kept, retention, restored copies.

Pure functions of a size, a change rate and a price. A month here has 30 days unless told, as in AWS's examples.
"""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.costs.rule import CapReading, automated_backup, automated_used_gib, gib_months

DAYS = 30
HOURS_A_MONTH = 730  # AWS's own convention for turning a price per month into one per hour


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database as far as its backups' cost goes. `change_a_day` is a part of the volume: 0.05 is 5 %."""

    volume_gib: float
    retention_days: int
    change_a_day: float = 0.0


def snapshots_billed(day: int, *, retention_days: int, kept_days: int | None) -> int:
    """Count the snapshots billed on a day (1 is the day of the first) when one is taken daily.

    One taken today has the age 0 and is deleted at the age of `kept_days` (None: never).
    """
    there = day if kept_days is None else min(day, kept_days)
    return max(0, there - retention_days)


def snapshot_usd_of_month(
    database: Database, *, kept_days: int | None, month: int, usd_gib_month: float, days: int = DAYS
) -> float:
    """Return what daily snapshots cost in the n-th month since they began, each kept `kept_days` (None: forever)."""
    days_of_month = range((month - 1) * days + 1, month * days + 1)
    billed = (
        snapshots_billed(day, retention_days=database.retention_days, kept_days=kept_days) * database.volume_gib
        for day in days_of_month
    )
    return gib_months(billed, days_in_month=days) * usd_gib_month


def snapshots_kept_usd(database: Database, *, kept_days: int, usd_gib_month: float) -> float:
    """Return what daily snapshots kept `kept_days` cost a month once they have all been taken."""
    return max(0, kept_days - database.retention_days) * database.volume_gib * usd_gib_month


def automated_usd(database: Database, *, usd_gib_month: float, reading: CapReading = CapReading.USED) -> float:
    """Return what the automated backup costs a month while size and change rate stay as they are."""
    records = [database.volume_gib * database.change_a_day] * database.retention_days
    used = automated_used_gib(before_window_gib=database.volume_gib, records_gib=records)
    charge = automated_backup(used_gib=used, volume_gib=database.volume_gib, retention_days=database.retention_days)
    return charge.billed_gib(reading) * usd_gib_month


def copy_usd_a_day(
    *, instance_usd_hour: float, instances: int, volume_gib: float, storage_usd_gib_month: float
) -> float:
    """Return what a restored copy costs a day: its instances' hours and its full volume. Requests are not counted."""
    return 24 * (instance_usd_hour * instances + volume_gib * storage_usd_gib_month / HOURS_A_MONTH)
