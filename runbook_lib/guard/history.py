"""Whether a load has as many rows as its past lets expect. Pure: the load under test is never part of its own measure.

Only too few rows hold a load: growth is what tables do. A day is measured by its like: a month's end by months' ends, a
weekday by the same weekday, where there are at least three of them; else by all that is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

LIKE = 3  # so many of the same kind are a measure
LATEST = 12  # older loads say little of tomorrow's
LEAST_DROP = 0.2  # less than a fifth fewer rows is a usual night
_WIDE = 4.0  # of the usual deviation: nights that swing more are given more room


@dataclass(frozen=True, kw_only=True)
class PastLoad:
    """The rows of each table at one published load; `at` is an aware moment in the loads' own zone."""

    at: datetime
    rows: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a table's past lets expect: the usual number of rows, the least that is no alarm, and of which loads."""

    usual: float
    least: float
    loads: int
    kind: str


def expected_rows(table: str, at: datetime, past: Sequence[PastLoad]) -> Expected | None:
    """Return what the past lets expect of a table; None where fewer than three loads are known."""
    known = [load for load in past if table in load.rows and load.at < at]
    for kind, like in (
        ("month's ends", [load for load in known if _ends_month(load.at)] if _ends_month(at) else []),
        (f"{at:%A}s", [load for load in known if load.at.weekday() == at.weekday() and not _ends_month(load.at)]),
        ("loads", known),
    ):
        if len(like) >= LIKE:
            counts = [load.rows[table] for load in like[-LATEST:]]
            usual = median(counts)
            swing = median(abs(count - usual) for count in counts)
            least = min(usual - max(usual * LEAST_DROP, _WIDE * swing), min(counts) * (1 - LEAST_DROP / 2))
            return Expected(usual=usual, least=max(least, usual * 0.1), loads=len(counts), kind=kind)
    return None


def too_few(rows: Mapping[str, int], at: datetime, past: Sequence[PastLoad]) -> dict[str, Expected]:
    """Return the tables that have fewer rows than their past lets expect."""
    found = {table: expected_rows(table, at, past) for table in rows}
    return {table: expected for table, expected in found.items() if expected and rows[table] < expected.least}


def _ends_month(at: datetime) -> bool:
    return (at + timedelta(days=1)).month != at.month
