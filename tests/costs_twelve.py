"""A month of twelve clusters, of which the cost review's picture is made: a load, two days lost, a rename, one gone."""

from __future__ import annotations

from datetime import date

from tests.costs_days import METRICS, Life, Lived, lived

DAYS = 430
NOW = DAYS - 1
# name, GiB, GiB changed a day, a snapshot every so many days, kept so many
_USUAL = (
    ("orders", 600, 30, 1, 30), ("billing", 350, 12, 7, None), ("search", 900, 45, 1, 14), ("users", 120, 2, 7, 60),
    ("reports", 250, 8, 30, None), ("events", 1400, 90, 0, None), ("sessions", 60, 20, 0, None),
    ("ledger", 480, 6, 1, 60), ("catalog", 210, 5, 7, 90), ("mail", 75, 1, 30, None),
)  # fmt: skip


def twelve(today: date) -> Lived:
    """Return the world as it was lived until today."""
    lives = [
        Life(key=f"cluster-{number:02d}", names=[(-999, name)], volume=volume, changes=changes, every=every, keep=keep,
             first_taken=number, tags={"team": ("data", "web", "ops")[number % 3]})
        for number, (name, volume, changes, every, keep) in enumerate(_USUAL)
    ]  # fmt: skip
    lives[5].loads = {NOW - 9: 4000.0}
    lives[2].lost = {(metric, NOW - day) for metric in METRICS for day in (6, 7)}
    lives[3].names = [(-999, "users-old"), (NOW - 20, "users")]
    young = Life(key="cluster-young", names=[(-999, "young")], volume=560, changes=28, born=NOW - 8,
                 retention=[(-999, 14)], tags={"team": "web"})  # fmt: skip
    gone = Life(key="cluster-gone", names=[(-999, "legacy")], volume=300, every=60, keep=None, died=NOW - 40)
    return lived([*lives, young, gone], today=today, days=DAYS)
