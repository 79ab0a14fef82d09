"""Clusters: made, changed and deleted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from moto.rds.exceptions import RDSClientError

from runbook_lib.mysql import Credentials
from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend, RetainedBackup
from runbook_lib.rehearsal.control.aurora.errors import (
    cluster_exists,
    cluster_state,
    invalid_combination,
    invalid_value,
)
from runbook_lib.rehearsal.control.aurora.models import DEFAULT_VERSION, Cluster
from runbook_lib.rehearsal.control.aurora.snapshots import take_snapshot
from runbook_lib.rehearsal.control.data import Data

Settings = dict[str, Any]
DataWork = Callable[[Data], None]
_RETENTION_DAYS = range(1, 36)
_RETAINED_QUOTA = 40  # a region: Aurora User Guide, "Retaining automated backups"


def create(backend: AuroraBackend, asked: Mapping[str, Any]) -> Cluster:
    """Make an empty cluster with its master user; it has no instances yet."""
    settings = dict(asked)
    managed = bool(settings.pop("manage_master_user_password", False))
    secret_key = settings.pop("master_user_secret_kms_key_id", None)
    if managed and settings.get("master_user_password"):
        raise invalid_combination("You can't specify MasterUserPassword when ManageMasterUserPassword is turned on.")
    if not managed and not settings.get("master_user_password"):
        raise invalid_value("The parameter MasterUserPassword must be provided and must not be blank.")
    password = secrets.token_urlsafe(24) if managed else str(settings["master_user_password"])
    settings["master_user_password"] = password
    cluster = register(backend, settings)
    if managed:
        cluster.manage_password(password=password, kms_key_id=secret_key)
    master = Credentials(user=str(cluster.master_username), password=password)
    bring_up(backend, cluster, lambda data: data.create(cluster.db_cluster_resource_id, master=master))
    return cluster


def register(backend: AuroraBackend, settings: Settings) -> Cluster:
    """Check what a new cluster is to be, and enter it with AWS's defaults for what is not said."""
    name = str(settings["db_cluster_identifier"]).lower()
    check_identifier(backend, name)
    if name in backend.clusters:
        raise cluster_exists()
    check_retention(settings)
    if settings.get("backtrack_window") and settings.get("engine", "aurora-mysql") != "aurora-mysql":
        raise invalid_combination("Backtrack is only for Aurora MySQL DB clusters.")
    backend.check_groups(settings)
    settings.setdefault("engine_version", DEFAULT_VERSION)
    settings.setdefault("availability_zones", backend.zones)
    if not settings.get("db_cluster_parameter_group_name"):
        settings["db_cluster_parameter_group_name"] = default_parameter_group(settings)
    if not settings.get("vpc_security_group_ids"):
        settings["vpc_security_group_ids"] = [backend.default_security_group(settings.get("db_subnet_group_name"))]
    by_rds = settings.pop("is_encrypted_by_rds", False)
    if settings.get("kms_key_id"):
        settings["kms_key_id"] = backend.usable_key(settings["kms_key_id"])
        settings["storage_encrypted"] = True
    elif settings.get("storage_encrypted") and not by_rds:
        settings["kms_key_id"] = backend.usable_key("alias/aws/rds")
    cluster = Cluster(backend, {key: value for key, value in settings.items() if value is not None})
    backend.clusters[name] = cluster
    return cluster


def check_identifier(backend: AuroraBackend, name: str) -> None:
    """Refuse a name AWS does not take: 1 to 63 letters, digits and hyphens, a letter first, no double hyphen."""
    try:
        backend._validate_db_identifier(name)
    except RDSClientError as error:
        raise invalid_value(f"The parameter DBClusterIdentifier is not a valid identifier: {name}") from error


def check_retention(settings: Mapping[str, Any]) -> None:
    """Refuse a backup retention outside 1 to 35 days."""
    days = settings.get("backup_retention_period")
    if days is not None and days not in _RETENTION_DAYS:
        raise invalid_value(f"Invalid backup retention period: {days}. Must be between 1 and 35.")


def default_parameter_group(settings: Mapping[str, Any]) -> str:
    """Name the engine's default cluster parameter group: `default.aurora-mysql8.0`."""
    engine, version = settings.get("engine", "aurora-mysql"), str(settings["engine_version"])
    return f"default.{engine}{'.'.join(version.split('.')[:2])}"


def bring_up(backend: AuroraBackend, cluster: Cluster, work: DataWork, *, message: str = "DB cluster created.") -> None:
    """Let a new cluster become available, or end dead when its data could not be made."""
    world, resource_id = backend.world, cluster.db_cluster_resource_id
    dead_end = world.faults.end_of_cluster()

    def on_data() -> None:
        if world.data is not None and dead_end is None and cluster.engine == "aurora-mysql":
            work(world.data)

    def done() -> None:
        with world.lock:
            if dead_end is not None:
                _end_dead(dead_end, "a fault that was switched on")
                return
            if world.data is not None and cluster.engine == "aurora-mysql":
                cluster.real_endpoint = world.data.endpoint(resource_id)
            cluster.status = "available"
            cluster.backups_since = cluster.backups_since or backend.now()
            if cluster.manage_master_user_password:
                cluster.master_user_secret.activate()  # type: ignore[attr-defined]  # ours
            backend.record(cluster, message, "creation")

    def _end_dead(status: str, reason: str) -> None:
        cluster.status = status
        backend.record(cluster, f"The DB cluster ended in status {status}: {reason}", "failure")

    def failed(error: Exception) -> None:
        with world.lock:
            _end_dead("incompatible-restore", str(error))

    world.steps.begin(
        f"make cluster {cluster.db_cluster_identifier}",
        takes=world.pace.cluster,
        work=on_data,
        done=done,
        failed=failed,
    )


def delete(backend: AuroraBackend, asked: Mapping[str, Any]) -> Cluster:
    """Delete a cluster without instances; its automated backups go with it unless they are to be kept."""
    cluster = backend.cluster(str(asked["db_cluster_identifier"]))
    skip, final = asked.get("skip_final_snapshot", False), asked.get("final_db_snapshot_identifier")
    if cluster.deletion_protection:
        raise invalid_combination("Cannot delete protected Cluster, please disable deletion protection and try again.")
    if skip and final:
        raise invalid_combination("FinalDBSnapshotIdentifier can't be specified when SkipFinalSnapshot is true.")
    if not skip and not final:
        raise invalid_combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
    if cluster.live_members:
        raise cluster_state("Cluster cannot be deleted, it still contains DB instances in non-deleting state.")
    if cluster.status == "deleting":
        raise cluster_state(f"DbCluster {cluster.db_cluster_identifier} is already being deleted.")
    if cluster.changing or final:
        backend.available_cluster(cluster.db_cluster_identifier)
    keep = asked.get("delete_automated_backups") is False
    if keep and len(backend.retained_backups) >= _RETAINED_QUOTA:
        raise RDSClientError(
            "DBClusterAutomatedBackupQuotaExceededFault", "The quota for retained automated backups was exceeded."
        )
    snapshot = take_snapshot(backend, cluster, str(final), begin=False) if final else None
    window = cluster.window
    cluster.status = "deleting"
    world, resource_id = backend.world, cluster.db_cluster_resource_id

    def on_data() -> None:
        if world.data is not None and cluster.real_endpoint is not None:
            if snapshot is not None:
                world.data.take_snapshot(resource_id, snapshot_id=snapshot.data_id)
            world.data.delete(resource_id, keep_backup=keep)

    def done() -> None:
        with world.lock:
            backend.clusters.pop(cluster.db_cluster_identifier, None)
            if cluster.manage_master_user_password:
                cluster.master_user_secret.delete_secret()
            if keep and window is not None:
                backend.retained_backups[resource_id] = RetainedBackup(cluster=cluster, since=window[0], last=window[1])
            else:
                _drop_automated_snapshots(backend, resource_id)
            if snapshot is not None:
                snapshot.status, snapshot.percent_progress = "available", 100
            for name in [
                name
                for name, one in backend.custom_endpoints.items()
                if one["DBClusterIdentifier"] == cluster.db_cluster_identifier
            ]:
                del backend.custom_endpoints[name]
            backend.record(cluster, "DB cluster deleted.", "deletion")

    world.steps.begin(
        f"delete cluster {cluster.db_cluster_identifier}", takes=world.pace.delete, work=on_data, done=done
    )
    return cluster


def _drop_automated_snapshots(backend: AuroraBackend, resource_id: str) -> None:
    for name, snapshot in list(backend.cluster_snapshots.items()):
        if snapshot.snapshot_type == "automated" and snapshot.db_cluster_resource_id == resource_id:  # type: ignore[attr-defined]
            del backend.cluster_snapshots[name]
