"""Backtrack: the cluster itself goes back, where it was enabled when it was made."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from moto.rds.exceptions import RDSClientError

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.errors import cluster_state, invalid_combination, invalid_value
from runbook_lib.rehearsal.control.aurora.models import aware


def backtrack(backend: AuroraBackend, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Begin to take a cluster back to a moment.

    Only the control plane does: a stand-in with data refuses it rather than report a change it did not make.
    """
    cluster = backend.available_cluster(str(asked["db_cluster_identifier"]))
    earliest = cluster.earliest_backtrack_time
    if not cluster.backtrack_window or earliest is None:
        raise cluster_state(f"Backtrack is not enabled for DB cluster {cluster.db_cluster_identifier}.")
    if backend.world.data is not None and cluster.real_endpoint is not None:
        raise invalid_combination("The rehearsal's data plane has no backtrack: restore to a point in time instead.")
    now, moment = backend.now(), aware(asked["backtrack_to"])
    if _logs_changes(backend, cluster.parameter_group) and not asked.get("force"):
        # BacktrackDBCluster, Force: "Otherwise, an error occurs when binary logging is enabled." (API Reference)
        raise invalid_combination("Backtracking with binary logging enabled needs the Force parameter.")
    if moment > now:
        raise invalid_value(f"BacktrackTo {moment.isoformat()} is in the future.")
    if moment < earliest:
        if not asked.get("use_earliest_time_on_point_in_time_unavailable"):
            raise invalid_value(
                f"BacktrackTo {moment.isoformat()} is before the earliest backtrack time, {earliest.isoformat()}."
            )
        moment = earliest
    row: dict[str, Any] = {
        "DBClusterIdentifier": cluster.db_cluster_identifier,
        "BacktrackIdentifier": str(uuid.uuid4()),
        "BacktrackTo": moment,
        "BacktrackedFrom": now,
        "BacktrackRequestCreationTime": now,
        "Status": "applying",
    }
    backend.backtracks.append(row)
    cluster.status = "backtracking"
    world = backend.world

    def done() -> None:
        with world.lock:
            row["Status"], cluster.status = "completed", "available"
            backend.record(cluster, f"Backtracked to {moment.isoformat()}.", "notification")

    world.steps.begin(f"backtrack {cluster.db_cluster_identifier}", takes=world.pace.cluster, done=done)
    return dict(row)


def describe(backend: AuroraBackend, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List a cluster's backtracks, newest first."""
    cluster = backend.cluster(str(asked["db_cluster_identifier"]))
    rows = [row for row in reversed(backend.backtracks) if row["DBClusterIdentifier"] == cluster.db_cluster_identifier]
    identifier = asked.get("backtrack_identifier")
    if identifier:
        rows = [row for row in rows if row["BacktrackIdentifier"] == identifier]
        if not rows:
            raise RDSClientError("DBClusterBacktrackNotFoundFault", f"DB cluster backtrack {identifier} not found.")
    return rows


def _logs_changes(backend: AuroraBackend, group: str | None) -> bool:
    found = backend.db_cluster_parameter_groups.get(str(group))
    parameters = getattr(found, "parameters", None) or {}
    return str((parameters.get("binlog_format") or {}).get("ParameterValue", "OFF")).upper() != "OFF"
