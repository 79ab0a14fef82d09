"""What earlier records tell a watch: how clusters stood, which drills there were, whether the records are whole.

What was better once stays the measure until somebody accepts the worse: an alarm that ends by itself an hour
later, because the last record already holds the damage, would be silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook_lib.clusters import Cluster
from runbook_lib.times import utc_text
from runbook_lib.watch.facts import Facts
from runbook_lib.watch.inside import Inside, Tables

KEY = "watch"
"""Under this name the result of a watch keeps what later ones compare with, in its JSON form."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A cluster as earlier records know it: the longest retention, whether it was ever protected, and its tables."""

    name: str
    resource_id: str
    retention_days: int
    protected: bool
    since: str
    tables: Tables | None = None


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One drill on record. `proved`: it succeeded, and its copy was proved equal."""

    cluster: str
    at: datetime
    outcome: str
    proved: bool


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the store of records tells; `why_not` where it could not be read, and then nothing of it counts.

    `known` are clusters by their resource ids. `unpublished` and `broken` name records.
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    drills: tuple[Drill, ...] = ()
    unpublished: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    records: int = 0
    why_not: str = ""

    def settings_of(self, cluster: Cluster) -> Known | None:
        """Return how earlier records know a cluster; None for one that they do not."""
        return self.known.get(cluster.resource_id)

    def tables_of(self, cluster: Cluster) -> Tables | None:
        """Return its tables as earlier records know them."""
        known = self.known.get(cluster.resource_id)
        return known.tables if known else None


def known_from(stored: Mapping[str, Any], *, accepted: frozenset[str]) -> dict[str, Known]:
    """Read back what `remembered` gave; a cluster that is accepted as it is now has no past."""
    found = {}
    for entry in stored["known"]:
        tables = entry.get("tables")
        known = Known(**{**entry, "tables": {tuple(key): tuple(of) for key, of in tables} if tables else None})
        if known.name not in accepted:
            found[known.resource_id] = known
    return found


def remembered(facts: Facts, inside: Inside | None, past: Past) -> list[dict[str, Any]]:
    """Return what the next watch compares with, as JSON: the best of the past and of now."""
    found = {known.resource_id: known for known in past.known.values()}
    for cluster in facts.watched:
        held = past.settings_of(cluster)
        protected = cluster.raw.get("DeletionProtection") is True
        better = held is None or (cluster.retention_days >= held.retention_days and (protected or not held.protected))
        before = held.tables if held else None
        found[cluster.resource_id] = Known(
            name=cluster.identifier,
            resource_id=cluster.resource_id,
            retention_days=max(cluster.retention_days, held.retention_days if held else 0),
            protected=protected or bool(held and held.protected),
            since=utc_text(facts.now) if held is None or better else held.since,
            tables=inside.tables_to_keep(before) if inside else before,
        )
    return [
        {**vars(known), "tables": [[list(key), list(of)] for key, of in known.tables.items()] if known.tables else None}
        for known in found.values()
    ]
