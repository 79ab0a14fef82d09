"""Cluster snapshots: taken, copied, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.rds.exceptions import RDSClientError

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.errors import invalid_value, snapshot_missing
from runbook_lib.rehearsal.control.aurora.models import Cluster, Snapshot
from runbook_lib.rehearsal.control.data import Data


def snapshot_named(backend: AuroraBackend, name: str) -> Snapshot:
    """Return a snapshot by its identifier or ARN; automated ones have a colon in their names."""
    key = name.partition(":cluster-snapshot:")[2] or name
    if name.startswith("arn:") and name.split(":")[4] != backend.account_id:
        key = name  # another account's, which is known by its ARN if it is shared here
    found = backend.cluster_snapshots.get(key)
    if not isinstance(found, Snapshot):
        raise snapshot_missing(name)
    return found


def create_snapshot(backend: AuroraBackend, asked: Mapping[str, Any]) -> Snapshot:
    """Take a manual snapshot of an available cluster."""
    cluster = backend.available_cluster(str(asked["db_cluster_identifier"]))
    return take_snapshot(backend, cluster, str(asked["db_cluster_snapshot_identifier"]), tags=asked.get("tags"))


def take_snapshot(
    backend: AuroraBackend,
    cluster: Cluster,
    name: str,
    *,
    tags: list[dict[str, str]] | None = None,
    begin: bool = True,
) -> Snapshot:
    """Enter a manual snapshot, and begin to copy the data unless the caller does."""
    _check_name(backend, name)
    snapshot = Snapshot(backend, cluster, name)
    snapshot.tags = tags or snapshot.tags
    return _enter(
        backend,
        snapshot,
        (lambda data: data.take_snapshot(cluster.db_cluster_resource_id, snapshot_id=snapshot.data_id))
        if begin
        else None,
    )


def copy_snapshot(backend: AuroraBackend, asked: Mapping[str, Any]) -> Snapshot:
    """Copy a snapshot; the copy of an automated one is manual and is kept."""
    source = snapshot_named(backend, str(asked["source_db_cluster_snapshot_identifier"]))
    name = str(asked["target_db_cluster_snapshot_identifier"])
    _check_name(backend, name)
    tags = asked.get("tags") or (source.tags if asked.get("copy_tags") else [])
    key = backend._validate_kms_key(asked["kms_key_id"]) if asked.get("kms_key_id") else None
    assert isinstance(source.cluster, Cluster)
    copy = Snapshot(backend, source.cluster, name, kms_key_id=key)
    copy.tags = tags or copy.tags
    copy.source_db_cluster_snapshot_arn = source.arn
    return _enter(backend, copy, lambda data: data.copy_snapshot(source.data_id, snapshot_id=copy.data_id))


def delete_snapshot(backend: AuroraBackend, name: str) -> Snapshot:
    """Delete a manual snapshot; automated ones leave with the retention, not by hand."""
    snapshot = snapshot_named(backend, name)
    if snapshot.snapshot_type == "automated":
        raise RDSClientError(
            "InvalidDBClusterSnapshotStateFault",
            f"Only manual snapshots may be deleted. {snapshot.db_cluster_snapshot_identifier} is automated.",
        )
    if snapshot.status != "available":
        raise RDSClientError(
            "InvalidDBClusterSnapshotStateFault",
            f"The snapshot {snapshot.db_cluster_snapshot_identifier} is in {snapshot.status} state.",
        )
    del backend.cluster_snapshots[snapshot.db_cluster_snapshot_identifier]
    data = backend.world.data
    if data is not None:
        backend.world.steps.begin(
            f"delete snapshot {name}",
            takes=backend.pace.delete,
            work=lambda: data.delete_snapshot(snapshot.data_id),
            done=lambda: None,
        )
    snapshot.status = "deleted"
    backend.record(snapshot, "Deleted manual snapshot", "deletion")
    return snapshot


def _check_name(backend: AuroraBackend, name: str) -> None:
    if ":" in name:
        raise invalid_value(f"The parameter DBClusterSnapshotIdentifier is not a valid identifier: {name}")
    backend.validate_db_snapshot_identifier(name, parameter_name="DBClusterSnapshotIdentifier")
    if name in backend.cluster_snapshots:
        raise RDSClientError(
            "DBClusterSnapshotAlreadyExistsFault",
            f"Cannot create the snapshot because one with the identifier {name} already exists.",
        )


def _enter(backend: AuroraBackend, snapshot: Snapshot, work: Callable[[Data], None] | None) -> Snapshot:
    world, name = backend.world, snapshot.db_cluster_snapshot_identifier
    snapshot.status, snapshot.percent_progress = "creating", 0
    backend.cluster_snapshots[name] = snapshot
    backend.record(snapshot, "Creating manual cluster snapshot.", "backup")
    if work is None:
        return snapshot

    def on_data() -> None:
        if world.data is not None:
            work(world.data)

    def done() -> None:
        with world.lock:
            snapshot.status, snapshot.percent_progress = "available", 100
            backend.record(snapshot, "Manual cluster snapshot created.", "backup")

    def failed(error: Exception) -> None:
        with world.lock:
            snapshot.status = "failed"
            backend.record(snapshot, f"The cluster snapshot failed: {error}", "failure")

    world.steps.begin(f"take snapshot {name}", takes=world.pace.snapshot, work=on_data, done=done, failed=failed)
    return snapshot
