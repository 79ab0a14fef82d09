"""The claim this review began with, worked through: "daily snapshots cost $57 a month, so removing them saves $57".

The background document takes 600 GB, seven days of retention and one manual snapshot a day in Tokyo. Each of its
mistakes is set beside the sum that the billing rule gives, computed here from the prices of the day.
"""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.costs.money import usd_text
from runbook_lib.costs.scenarios import Database, automated_usd, snapshot_usd_of_month, snapshots_kept_usd

CASE = Database(volume_gib=600, retention_days=7)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One sentence on one mistake: what was claimed, what it comes to, why."""

    subject: str
    claimed: str
    truth: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Sum:
    """One way to keep the case's daily snapshots, or its automated backup, and what it costs a month."""

    way: str
    usd_month: float


def sums(*, usd_gib_month: float, case: Database = CASE) -> tuple[Sum, ...]:
    """Work out what the case really costs, by how its snapshots are cleaned up and how much the data changes."""
    price = usd_gib_month

    def month(number: int) -> float:
        return snapshot_usd_of_month(case, kept_days=None, month=number, usd_gib_month=price)

    def changing(part: float, retention_days: int = case.retention_days) -> float:
        database = Database(volume_gib=case.volume_gib, retention_days=retention_days, change_a_day=part)
        return automated_usd(database, usd_gib_month=price)

    kept_30 = snapshots_kept_usd(case, kept_days=30, usd_gib_month=price)
    return (
        Sum(
            way="Snapshots, each deleted after 7 days",
            usd_month=snapshots_kept_usd(case, kept_days=7, usd_gib_month=price),
        ),
        Sum(way="One snapshot older than the window", usd_month=case.volume_gib * price),
        Sum(way="Snapshots, each kept 30 days", usd_month=kept_30),
        Sum(way="Snapshots never deleted: first month", usd_month=month(1)),
        Sum(way="Snapshots never deleted: twelfth month", usd_month=month(12)),
        Sum(
            way="Snapshots never deleted: first year in all (not a month)",
            usd_month=sum(month(number) for number in range(1, 13)),
        ),
        Sum(way="Automated backup, 1 % of the data changed a day", usd_month=changing(0.01)),
        Sum(way="Automated backup, 5 % changed a day", usd_month=changing(0.05)),
        Sum(way="Automated backup, 10 % changed a day", usd_month=changing(0.10)),
        Sum(way="Automated backup at the most (the cap)", usd_month=changing(100.0)),
        Sum(way="5 % a day, retention of 35 days, no snapshots", usd_month=changing(0.05, 35)),
        Sum(way="5 % a day, retention of 7 days, snapshots kept 30 days", usd_month=kept_30 + changing(0.05)),
    )


def findings(*, usd_gib_month: float, rds_usd_gib_month: float, case: Database = CASE) -> tuple[Finding, ...]:
    """Explain each mistake of the claim in a sentence, with the sums that the rule gives."""
    by_way = {entry.way: usd_text(entry.usd_month) for entry in sums(usd_gib_month=usd_gib_month, case=case)}
    claimed = usd_text(case.volume_gib * rds_usd_gib_month)
    one = by_way["One snapshot older than the window"]
    return (
        Finding(
            subject="price",
            claimed=f"${rds_usd_gib_month} a GB-month",
            truth=f"${usd_gib_month} a GB-month",
            why="The price taken is that of RDS backups outside Aurora (RDS:ChargedBackupUsage).",
        ),
        Finding(
            subject="rule",
            claimed=f"each snapshot costs {claimed}",
            truth=f"{usd_text(0)} inside the window, {one} a month each outside it",
            why="A snapshot younger than the retention costs nothing; an older one costs its full size, every month.",
        ),
        Finding(
            subject="model",
            claimed=f"one snapshot a day comes to {claimed} a month",
            truth=f"from {usd_text(0)} to {by_way['Snapshots never deleted: twelfth month']} after a year",
            why="One snapshot is not one a day: what counts is how many are older than the window, so the clean-up.",
        ),
        Finding(
            subject="automated backup",
            claimed="$0 (included)",
            truth=f"{by_way['Automated backup, 1 % of the data changed a day']} to "
            f"{by_way['Automated backup at the most (the cap)']} a month",
            why="Only the volume's present size is free: what the window's changes need on top of it is billed.",
        ),
    )
