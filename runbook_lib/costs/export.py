"""Take the review along: each table as CSV and, where a Parquet writer is installed, as Parquet.

Every table has its columns and their types, with rows or without. What is not known is empty, never 0.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.costs import focus
from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.reconcile import compare
from runbook_lib.costs.review import Cost, Review
from runbook_lib.costs.summary import drivers, owners
from runbook_lib.errors import InputRefused

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
_WRITER: Literal["pyarrow"] = "pyarrow"  # the extra "parquet": too heavy to ask of everybody
Columns = Mapping[str, str]  # name: text, number, whole, flag, day or moment
_TYPES = {"text": "string", "number": "float64", "whole": "Int64", "flag": "boolean"}


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The files that were written, by their paths. `note` says what was left out, and why."""

    files: tuple[str, ...] = ()
    note: str = ""


def take_along(review: Review, outlook: Outlook, *, output: str, account: str) -> Taken:
    """Write the tables into the folder `output`; without one write nothing.

    Raises:
        InputRefused: the folder cannot be made or written to.
    """
    if not output:
        return Taken(note="Set `output` to a folder to take the tables along.")
    folder = Path(output).expanduser()
    with_parquet = find_spec(_WRITER) is not None
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (columns, rows) in tables(review, outlook, account).items():
            frame = _frame(columns, rows)
            stem = folder / f"{review.month.month}-{name}"
            frame.to_csv(stem.with_name(stem.name + ".csv"), index=False, date_format=_date_format(columns))
            files.append(f"{stem}.csv")
            if with_parquet:
                frame.to_parquet(stem.with_name(stem.name + ".parquet"), index=False, engine=_WRITER)
                files.append(f"{stem}.parquet")
    except OSError as error:
        raise InputRefused(
            f'The tables cannot be written to "{output}": {error.strerror}.',
            hint="Set `output` to a folder that can be written to.",
        ) from error
    note = "" if with_parquet else 'CSV only: install the extra "parquet" for Parquet as well.'
    log.info("%d files written to %s", len(files), folder)
    return Taken(files=tuple(files), note=note)


def _frame(columns: Columns, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd  # takes half a second: only when something is written

    frame = pd.DataFrame(list(rows), columns=list(columns))
    for name, kind in columns.items():
        if kind == "moment":
            frame[name] = pd.to_datetime(frame[name], utc=True)
        elif kind == "day":
            frame[name] = pd.to_datetime(frame[name])
        else:
            frame[name] = frame[name].astype(pd.api.types.pandas_dtype(_TYPES[kind]))
    return frame


def _date_format(columns: Columns) -> str:
    return "%Y-%m-%dT%H:%M:%SZ" if "moment" in columns.values() else "%Y-%m-%d"


def tables(review: Review, outlook: Outlook, account: str) -> dict[str, tuple[Columns, Iterable[Mapping[str, Any]]]]:
    """Return every table of the review by its name: its columns with their types, and its rows."""
    return {
        f"focus-{focus.VERSION}-costs": (focus.COLUMNS, focus.rows(review, account=account)),
        "months": (_MONTHS, _months(review)),
        "clusters": (_CLUSTERS, _clusters(review)),
        "owners": (_OWNERS, _owners(review, outlook)),
        "snapshots": (_SNAPSHOTS, _snapshots(review)),
        "savings": (_SAVINGS, _savings(outlook)),
        "anomalies": (_ANOMALIES, _anomalies(outlook)),
        "what-if": (_WHAT_IF, _what_if(outlook)),
        "protection": (_PROTECTION, _protection(outlook)),
        "drivers": (_DRIVERS, _drivers(review)),
        "agreement": (_AGREEMENT, _agreement(review)),
        "clean-up": (_CLEAN_UP, _clean_up(outlook)),
    }


def _known(cost: Cost) -> float | None:
    return cost.usd


def _least(**sums: Cost | str) -> str | None:
    """Name the columns that are least amounts: sums of which days were not measured, or something not seen."""
    names = [name for name, cost in sums.items() if (cost.at_least if isinstance(cost, Cost) else cost)]
    return " ".join(names) or None


_MONTHS = {
    "month": "text", "automated_usd": "number", "snapshots_usd": "number", "backup_usd": "number",
    "copies_usd": "number", "outside_aurora_usd": "number", "usd_per_protected_gib": "number",
    "is_least_amount": "flag", "least_amounts": "text", "days_settled": "whole", "cluster_days_missing": "whole",
}  # fmt: skip


def _months(review: Review) -> Iterable[Mapping[str, Any]]:
    for entry in review.months:
        yield {
            "month": str(entry.month),
            "automated_usd": _known(entry.automated),
            "snapshots_usd": _known(entry.snapshots),
            "backup_usd": _known(entry.backup),
            "copies_usd": _known(entry.copies),
            "outside_aurora_usd": entry.other_usd,
            "usd_per_protected_gib": entry.usd_per_gib,
            "is_least_amount": entry.backup.at_least,
            "least_amounts": _least(
                automated_usd=entry.automated,
                snapshots_usd=entry.snapshots,
                backup_usd=entry.backup,
                copies_usd=entry.copies,
            ),
            "days_settled": entry.days_settled,
            "cluster_days_missing": entry.days_missing,
        }


_CLUSTERS = {
    "cluster": "text", "owner": "text", "exists": "flag", "retention_days": "whole", "volume_gib": "number",
    "automated_usd": "number", "snapshots_usd": "number", "backup_usd": "number", "forecast_usd": "number",
    "month_before_usd": "number", "is_least_amount": "flag", "least_amounts": "text", "days_missing": "whole",
    "change_gib_a_day": "number", "change_low_gib_a_day": "number", "change_high_gib_a_day": "number",
    "change_days": "whole",
}  # fmt: skip


def _clusters(review: Review) -> Iterable[Mapping[str, Any]]:
    rates = {rate.cluster: rate for rate in review.rates}
    for entry in review.clusters:
        rate = rates.get(entry.cluster)
        yield {
            "cluster": entry.cluster,
            "owner": entry.owner or None,
            "exists": entry.exists,
            "retention_days": entry.retention_days if entry.exists else None,
            "volume_gib": entry.volume_gib,
            "automated_usd": _known(entry.automated),
            "snapshots_usd": _known(entry.snapshots),
            "backup_usd": _known(entry.backup),
            "forecast_usd": entry.forecast_usd,
            "month_before_usd": _known(entry.before),
            "is_least_amount": entry.backup.at_least,
            "least_amounts": _least(
                automated_usd=entry.automated,
                snapshots_usd=entry.snapshots,
                backup_usd=entry.backup,
                month_before_usd=entry.before,
            ),
            "days_missing": entry.days_missing,
            "change_gib_a_day": rate.gib_a_day if rate else None,
            "change_low_gib_a_day": rate.low if rate else None,
            "change_high_gib_a_day": rate.high if rate else None,
            "change_days": rate.days if rate and rate.gib_a_day is not None else None,
        }


_OWNERS = {
    "owner": "text", "clusters": "whole", "backup_usd": "number", "forecast_usd": "number",
    "month_before_usd": "number", "change_usd": "number", "saves_usd_month": "number", "is_least_amount": "flag",
    "least_amounts": "text",
}  # fmt: skip


def _owners(review: Review, outlook: Outlook) -> Iterable[Mapping[str, Any]]:
    for entry in owners(review, outlook.advice):
        yield {
            "owner": entry.owner or None,
            "clusters": entry.clusters,
            "backup_usd": _known(entry.backup),
            "forecast_usd": _known(entry.forecast),
            "month_before_usd": _known(entry.before),
            "change_usd": entry.change_usd,
            "saves_usd_month": entry.saves_usd,
            "is_least_amount": entry.backup.at_least,
            "least_amounts": _least(
                backup_usd=entry.backup,
                forecast_usd=entry.forecast,
                month_before_usd=entry.before,
                saves_usd_month=outlook.left_out,
            ),
        }


_SNAPSHOTS = {
    "snapshot": "text", "cluster": "text", "made": "text", "taken_utc": "moment", "size_gib": "number",
    "sized_by": "text", "costs_from": "moment", "usd_month_now": "number", "cluster_exists": "flag",
}  # fmt: skip


def _snapshots(review: Review) -> Iterable[Mapping[str, Any]]:
    price, today = review.usd_gib_month, review.facts.now.date()
    for holding in review.held:
        yield {
            "snapshot": holding.name,
            "cluster": holding.label,
            "made": holding.origin,
            "taken_utc": holding.snapshot.created,
            "size_gib": holding.size_gib,
            "sized_by": holding.sized_by or None,
            "costs_from": holding.costs_from,
            "usd_month_now": holding.usd_month(price) if holding.costs_on(today) else 0.0,
            "cluster_exists": holding.of_living_cluster,
        }


_SAVINGS = {"kind": "text", "cluster": "text", "what": "text", "saves_usd_month": "number", "saves_usd_year": "number",
            "why": "text", "how": "text"}  # fmt: skip


def _savings(outlook: Outlook) -> Iterable[Mapping[str, Any]]:
    for entry in outlook.advice:
        yield {
            "kind": entry.kind,
            "cluster": entry.cluster,
            "what": entry.what,
            "saves_usd_month": entry.saves_usd_month,
            "saves_usd_year": 12 * entry.saves_usd_month,
            "why": entry.why,
            "how": entry.how,
        }


_ANOMALIES = {"day": "day", "cluster": "text", "part": "text", "usual_usd_month": "number", "usd_month": "number",
              "rise_usd": "number", "routine": "text"}  # fmt: skip


def _anomalies(outlook: Outlook) -> Iterable[Mapping[str, Any]]:
    for hit in outlook.anomalies:
        yield {
            "day": hit.day,
            "cluster": hit.cluster,
            "part": hit.part,
            "usual_usd_month": hit.usual_usd_month,
            "usd_month": hit.usd_month,
            "rise_usd": hit.rise_usd,
            "routine": hit.routine or None,
        }


_WHAT_IF = {"cluster": "text", "retention_days": "whole", "is_today": "flag", "automated_usd_month": "number",
            "snapshots_usd_month": "number", "usd_month": "number"}  # fmt: skip


def _what_if(outlook: Outlook) -> Iterable[Mapping[str, Any]]:
    for rate in outlook.rates:
        costs = outlook.costs.get(rate.cluster)
        if costs is None:
            yield {"cluster": rate.cluster, "retention_days": rate.retention_days, "is_today": True}
            continue
        for cost in costs:
            yield {
                "cluster": rate.cluster,
                "retention_days": cost.retention_days,
                "is_today": cost.retention_days == rate.retention_days,
                "automated_usd_month": cost.automated_usd,
                "snapshots_usd_month": cost.snapshots_usd,
                "usd_month": cost.usd,
            }


_PROTECTION = {"what": "text", "retention_days": "number", "snapshots_kept_days": "number", "usd_month": "number",
               "volume_gib": "number", "change_gib_a_day": "number", "is_least_amount": "flag"}  # fmt: skip


def _protection(outlook: Outlook) -> Iterable[Mapping[str, Any]]:
    grid = outlook.grid
    if grid.left_out == len(outlook.rates):
        return  # of no cluster is the change rate known
    of = {"volume_gib": grid.volume_gib, "change_gib_a_day": grid.gib_a_day, "is_least_amount": grid.left_out > 0}
    retention, kept = grid.today
    now = {"retention_days": retention, "snapshots_kept_days": kept, "usd_month": grid.today_usd}
    yield {"what": "today, as if daily snapshots were kept", **now, **of}
    for row, days in enumerate(grid.retentions):
        for column, keep in enumerate(grid.kept):
            usd = float(grid.usd[row, column])
            yield {
                "what": "daily snapshots",
                "retention_days": days,
                "snapshots_kept_days": keep,
                "usd_month": usd,
                **of,
            }


_DRIVERS = {"what": "text", "usd_month": "number", "why": "text"}


def _drivers(review: Review) -> Iterable[Mapping[str, Any]]:
    for driver in drivers(review):
        yield {"what": driver.what, "usd_month": driver.usd, "why": driver.why}


_AGREEMENT = {
    "month": "text", "until": "day", "rule_gib_months": "number", "metrics_gib_months": "number",
    "bill_gib_months": "number", "metrics_usd": "number", "bill_usd": "number", "unexplained_usd": "number",
    "agrees": "flag", "verdict": "text",
}  # fmt: skip


def _agreement(review: Review) -> Iterable[Mapping[str, Any]]:
    months, today = tuple(entry.month for entry in review.months), review.facts.now.date()
    for entry in compare(review.every, review.facts.bill, months, usd_gib_month=review.usd_gib_month, today=today):
        yield {
            "month": str(entry.month),
            "until": entry.until,
            "rule_gib_months": entry.model_gib_months,
            "metrics_gib_months": entry.metrics_gib_months,
            "bill_gib_months": entry.billed_gib_months,
            "metrics_usd": entry.metrics_usd,
            "bill_usd": entry.billed_usd,
            "unexplained_usd": entry.unexplained_usd,
            "agrees": False if entry.is_off else None if entry.not_comparable else True,
            "verdict": entry.verdict,
        }


_CLEAN_UP = {"snapshot": "text", "cluster": "text", "would_be": "text", "size_gib": "number", "usd_month": "number",
             "because": "text"}  # fmt: skip


def _clean_up(outlook: Outlook) -> Iterable[Mapping[str, Any]]:
    plan = outlook.plan
    past = "costs, past the days to keep"
    rows = [(entry.name, entry.cluster, entry.size_gib, "deleted", past) for entry in plan.delete]
    rows += [(entry.name, entry.cluster, entry.size_gib, "for the next plan", past) for entry in plan.later]
    rows += [(kept.name, kept.cluster, kept.size_gib, "kept", kept.reason) for kept in plan.kept]
    for name, cluster, size, fate, why in rows:
        yield {
            "snapshot": name,
            "cluster": cluster,
            "would_be": fate,
            "size_gib": size,
            "usd_month": None if size is None else size * plan.usd_gib_month,
            "because": why,
        }
