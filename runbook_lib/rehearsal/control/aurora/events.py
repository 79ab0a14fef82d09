"""DescribeEvents, with AWS's hour by default and fortnight at most."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.errors import invalid_combination, invalid_value
from runbook_lib.rehearsal.control.aurora.models import aware

_KEPT = timedelta(days=14)
_DEFAULT_MINUTES = 60
_SOURCES = {
    "db-instance", "db-parameter-group", "db-security-group", "db-snapshot", "db-cluster", "db-cluster-snapshot",
    "custom-engine-version", "db-proxy", "blue-green-deployment", "db-shard-group", "zero-etl",
}  # fmt: skip


def describe(backend: AuroraBackend, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List events, oldest first."""
    name, kind = asked.get("source_identifier"), asked.get("source_type")
    if name and not kind:
        raise invalid_combination("Cannot specify source identifier without source type")
    if kind and kind not in _SOURCES:
        raise invalid_value(f"Invalid source type: {kind}")
    now = backend.now()
    end = aware(asked["end_time"]) if asked.get("end_time") else now
    if asked.get("start_time"):
        if asked.get("duration"):
            raise invalid_combination("Cannot specify both StartTime and Duration.")
        start = aware(asked["start_time"])
    else:
        start = end - timedelta(minutes=asked.get("duration") or _DEFAULT_MINUTES)
    if start > end:
        raise invalid_value("The start time is after the end time.")
    if start < now - _KEPT - timedelta(minutes=1):
        raise invalid_value(f"The start time {start.isoformat()} is more than 14 days ago.")
    categories = set(asked.get("event_categories") or [])
    found = [
        event
        for event in backend.event_log
        if start <= event["Date"] <= end
        and kind in (None, event["SourceType"])
        and (not name or event["SourceIdentifier"] == str(name).lower())
        and (not categories or categories & set(event["EventCategories"]))
    ]
    return sorted(found, key=lambda event: event["Date"])
