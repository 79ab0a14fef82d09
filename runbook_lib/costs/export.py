"""Take the review along: each table as CSV and, where a Parquet writer is installed, as Parquet."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from runbook_lib.costs import focus
from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.review import Review
from runbook_lib.errors import InputRefused

log = logging.getLogger(__name__)
_WRITER: Literal["pyarrow"] = "pyarrow"  # the extra "parquet": too heavy to ask of everybody


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
    import pandas as pd  # takes half a second: only when something is written

    folder = Path(output).expanduser()
    with_parquet = find_spec(_WRITER) is not None
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (columns, rows) in _tables(review, outlook, account).items():
            frame = pd.DataFrame(list(rows), columns=list(columns))
            stem = folder / f"{review.month.month}-{name}"
            frame.to_csv(stem.with_name(stem.name + ".csv"), index=False)
            files.append(f"{stem}.csv")
            if with_parquet:
                # columns of nothing but nulls have no type of their own: as text they are what FOCUS says they are
                empty = {column: "object" for column in frame.columns if frame[column].isna().all()}
                frame.astype(empty).to_parquet(stem.with_name(stem.name + ".parquet"), index=False, engine=_WRITER)
                files.append(f"{stem}.parquet")
    except OSError as error:
        raise InputRefused(
            f'The tables cannot be written to "{output}": {error.strerror}.',
            hint="Set `output` to a folder that can be written to.",
        ) from error
    note = "" if with_parquet else 'CSV only: install the extra "parquet" for Parquet as well.'
    log.info("%d files written to %s", len(files), folder)
    return Taken(files=tuple(files), note=note)


def _tables(
    review: Review, outlook: Outlook, account: str
) -> dict[str, tuple[tuple[str, ...], Iterable[Mapping[str, Any]]]]:
    price, today = review.usd_gib_month, review.facts.now.date()
    months: list[Mapping[str, Any]] = [
        {
            "month": str(entry.month),
            "automated_usd": entry.automated_usd,
            "snapshots_usd": entry.snapshots_usd,
            "copies_usd": entry.copies_usd,
            "outside_aurora_usd": entry.other_usd,
            "days_settled": entry.days_settled,
            "cluster_days_missing": entry.days_missing,
        }
        for entry in review.months
    ]
    clusters: list[Mapping[str, Any]] = [
        {
            "cluster": entry.cluster,
            "owner": entry.owner,
            "exists": entry.exists,
            "retention_days": entry.retention_days,
            "volume_gib": entry.volume_gib,
            "automated_usd": entry.automated_usd,
            "snapshots_usd": entry.snapshots_usd,
            "forecast_usd": entry.forecast_usd,
            "month_before_usd": entry.before_usd,
        }
        for entry in review.clusters
    ]
    snapshots: list[Mapping[str, Any]] = [
        {
            "snapshot": holding.name,
            "cluster": holding.snapshot.cluster,
            "made": holding.origin,
            "taken_utc": holding.snapshot.created.isoformat(),
            "size_gib": holding.size_gib,
            "costs_from": str(holding.costs_from),
            "usd_month_now": (holding.usd_month(price) or 0.0) if holding.costs_on(today) else 0.0,
            "cluster_exists": holding.of_living_cluster,
        }
        for holding in review.held
    ]
    advice: list[Mapping[str, Any]] = [
        {"cluster": entry.cluster, "what": entry.what, "saves_usd_month": entry.saves_usd_month, "why": entry.why}
        for entry in outlook.advice
    ]
    tables = {"months": months, "clusters": clusters, "snapshots": snapshots, "advice": advice}
    kept: dict[str, tuple[tuple[str, ...], Iterable[Mapping[str, Any]]]] = {
        name: (tuple(rows[0]) if rows else (), rows) for name, rows in tables.items()
    }
    return {"focus-costs": (focus.COLUMNS, focus.rows(review, account=account)), **kept}
