"""Automated backups: of clusters that live, and retained ones of clusters that were deleted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.rds.exceptions import RDSClientError

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend, RetainedBackup
from runbook_lib.rehearsal.control.aurora.errors import backup_missing
from runbook_lib.rehearsal.control.aurora.models import Cluster, oldest_kept


def window_of(backend: AuroraBackend, backup: RetainedBackup) -> tuple[datetime, datetime] | None:
    """Return what a retained backup can still restore; it shrinks with the retention, and ends."""
    earliest = max(backup.since, oldest_kept(backend.now(), retention_days=backup.cluster.backup_retention_period))
    return (earliest, backup.last) if earliest <= backup.last else None


def describe(backend: AuroraBackend, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List automated backups, those of living clusters (active) and retained ones."""
    rows = [
        _row(backend, cluster, cluster.window, "active")
        for cluster in backend.clusters.values()
        if isinstance(cluster, Cluster)
    ]
    for backup in backend.retained_backups.values():
        if window := window_of(backend, backup):
            rows.append(_row(backend, backup.cluster, window, "retained"))
    wanted = {each["Name"]: each["Values"] for each in asked.get("filters") or []}
    if asked.get("db_cluster_identifier"):
        wanted["db-cluster-id"] = [asked["db_cluster_identifier"]]
    if asked.get("db_cluster_resource_id"):
        wanted["db-cluster-resource-id"] = [asked["db_cluster_resource_id"]]
    keys = {"db-cluster-id": "DBClusterIdentifier", "db-cluster-resource-id": "DbClusterResourceId", "status": "Status"}
    for name, values in wanted.items():
        if name not in keys:
            raise RDSClientError("InvalidParameterValue", f"Unrecognized filter name: {name}")
        rows = [row for row in rows if row[keys[name]] in values]
    if asked.get("db_cluster_resource_id") and not rows:
        raise backup_missing(str(asked["db_cluster_resource_id"]))
    return rows


def delete(backend: AuroraBackend, resource_id: str) -> dict[str, Any]:
    """Delete a retained backup; that of a living cluster cannot be deleted by itself."""
    backup = backend.retained_backups.pop(resource_id, None)
    if backup is None:
        if any(getattr(cluster, "db_cluster_resource_id", "") == resource_id for cluster in backend.clusters.values()):
            raise RDSClientError(
                "InvalidDBClusterAutomatedBackupStateFault",
                "The automated backup of a DB cluster that exists is active.",
            )
        raise backup_missing(resource_id)
    for name, snapshot in list(backend.cluster_snapshots.items()):
        if snapshot.snapshot_type == "automated" and snapshot.db_cluster_resource_id == resource_id:  # type: ignore[attr-defined]
            del backend.cluster_snapshots[name]
    data = backend.world.data
    if data is not None and backup.cluster.real_endpoint is not None:
        backend.world.steps.begin(
            f"delete the backup of {backup.cluster.db_cluster_identifier}",
            takes=backend.pace.delete,
            work=lambda: data.delete(resource_id, keep_backup=False),
            done=lambda: None,
        )
    return _row(backend, backup.cluster, (backup.since, backup.last), "deleting")


def _row(
    backend: AuroraBackend, cluster: Cluster, window: tuple[datetime, datetime] | None, status: str
) -> dict[str, Any]:
    arn = f"arn:aws:rds:{backend.region_name}:{backend.account_id}:cluster-auto-backup:ab"
    return {
        "Engine": cluster.engine,
        "EngineVersion": cluster.engine_version,
        "EngineMode": cluster.engine_mode,
        "VpcId": backend.vpc_of(cluster.db_subnet_group_name),
        "DBClusterAutomatedBackupsArn": f"{arn}-{cluster.db_cluster_resource_id.removeprefix('cluster-').lower()}",
        "DBClusterIdentifier": cluster.db_cluster_identifier,
        "DBClusterArn": cluster.arn,
        "DbClusterResourceId": cluster.db_cluster_resource_id,
        "RestoreWindow": {"EarliestTime": window[0], "LatestTime": window[1]} if window else None,
        "MasterUsername": cluster.master_username,
        "Region": backend.region_name,
        "LicenseModel": cluster.license_model,
        "Status": status,
        "IAMDatabaseAuthenticationEnabled": cluster.iam_database_authentication_enabled,
        "ClusterCreateTime": cluster.cluster_create_time,
        "StorageEncrypted": cluster.storage_encrypted,
        "KmsKeyId": cluster.kms_key_id,
        "AllocatedStorage": cluster.allocated_storage,
        "BackupRetentionPeriod": cluster.backup_retention_period,
        "PreferredBackupWindow": cluster.preferred_backup_window,
        "AvailabilityZones": cluster.availability_zones,
        "Port": cluster.port,
        "StorageType": cluster.storage_type,
    }
