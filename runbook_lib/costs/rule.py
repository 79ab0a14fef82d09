"""How AWS bills Aurora's backup storage: pure functions, no price, no clock.

Source: Aurora User Guide, "Understanding Amazon Aurora backup storage usage" (the rule, its worked examples and its
questions), with the corrections gathered for this project. AWS writes GB and counts 2^30 bytes, so here it is GiB.

What the rule says:

- The automated backup needs the volume as it was just before the retention window plus every change record in the
  window. The volume's present size is free. With a retention of one day it costs nothing at all.
- A snapshot somebody made (by hand, by AWS Backup, or as a copy) costs nothing while it is younger than the
  retention; older, it costs its full size. Snapshots are never incremental. AWS's own daily ones never cost.
- Once the cluster is deleted there is no window any more: all its snapshots cost.
- A month's GB-months are the daily billed amounts added up and divided by the days of that month.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

GIB = 2**30
LONGEST_RETENTION_DAYS = 35


class CapReading(StrEnum):
    """Which amount AWS's cap limits: "the cumulative volume size over the retention period".

    The guide says today that the *billed* use never exceeds it (7 days of 100 GB: 700 GB). Its earlier text, and the
    metric's, limit the *used* amount, from which the free amount is still taken (600 GB). Only a database rewritten
    several times over inside its window meets the cap, and only then do the readings differ.
    """

    USED = "used"
    BILLED = "billed"


@dataclass(frozen=True, kw_only=True)
class AutomatedBackup:
    """One day's charge for one cluster's automated backup, in GiB, under both readings of the cap."""

    used_gib: float  # what the window needs, before the free amount and any cap
    free_gib: float
    cap_gib: float  # the volume's size on each day of the window, added up
    free_of_charge: bool  # a retention of one day

    def billed_gib(self, reading: CapReading = CapReading.USED) -> float:
        """Return what is billed. The default reading is the lower one, which AWS's metric text supports."""
        if self.free_of_charge:
            return 0.0
        if reading is CapReading.USED:
            return max(0.0, min(self.used_gib, self.cap_gib) - self.free_gib)
        return min(max(0.0, self.used_gib - self.free_gib), self.cap_gib)

    @property
    def readings_differ_by_gib(self) -> float:
        """How much more the other reading of the cap would bill; nothing while the cap is out of reach."""
        return self.billed_gib(CapReading.BILLED) - self.billed_gib(CapReading.USED)


def automated_used_gib(*, before_window_gib: float, records_gib: Iterable[float]) -> float:
    """Add up what the automated backup must keep: the volume just before the window and each day's change records."""
    return before_window_gib + sum(records_gib)


def automated_backup(
    *, used_gib: float, volume_gib: float, retention_days: int, window_volumes_gib: Sequence[float] = ()
) -> AutomatedBackup:
    """Work out a day's charge for an automated backup.

    `used_gib` is the metric BackupRetentionPeriodStorageUsed (the free amount not yet taken off), `volume_gib`
    VolumeBytesUsed now. `window_volumes_gib` is the volume's size on each day of the window; without it the size
    is taken as unchanged.
    """
    return AutomatedBackup(
        used_gib=used_gib,
        free_gib=volume_gib,
        cap_gib=sum(window_volumes_gib) or volume_gib * retention_days,
        free_of_charge=retention_days <= 1,
    )


def begins_to_cost(taken: date, *, retention_days: int | None) -> date:
    """Return the first day a snapshot is billed. `retention_days` None: the cluster is gone, so from the first day."""
    return taken + timedelta(days=retention_days or 0)


def snapshot_billed_gib(size_gib: float, *, taken: date, day: date, retention_days: int | None) -> float:
    """Return what a snapshot is billed on a day (UTC): nothing inside the window, its full size outside."""
    return size_gib if day >= begins_to_cost(taken, retention_days=retention_days) else 0.0


def gib_months(daily_gib: Iterable[float], *, days_in_month: int) -> float:
    """Turn daily billed amounts into a month's GB-months; days not given count as nothing."""
    return sum(daily_gib) / days_in_month
