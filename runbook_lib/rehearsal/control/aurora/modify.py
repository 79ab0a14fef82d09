"""ModifyDBCluster: what changes at once, what waits, what cannot be changed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.clusters import check_identifier, check_retention
from runbook_lib.rehearsal.control.aurora.errors import cluster_exists, invalid_combination
from runbook_lib.rehearsal.control.aurora.models import Cluster, Snapshot, oldest_kept
from runbook_lib.rehearsal.control.data import Data

# What a parameter is called on the cluster. Source: API reference, ModifyDBCluster and DBCluster.
_PLAIN = {
    "backup_retention_period": "backup_retention_period",
    "db_cluster_parameter_group_name": "parameter_group",
    "vpc_security_group_ids": "vpc_security_group_ids",
    "port": "port",
    "preferred_backup_window": "preferred_backup_window",
    "preferred_maintenance_window": "preferred_maintenance_window",
    "enable_iam_database_authentication": "iam_auth",
    "deletion_protection": "deletion_protection",
    "copy_tags_to_snapshot": "copy_tags_to_snapshot",
    "storage_type": "storage_type",
    "auto_minor_version_upgrade": "auto_minor_version_upgrade",
    "network_type": "network_type",
    "serverless_v2_scaling_configuration": "serverless_v2_scaling_configuration",
    "monitoring_interval": "monitoring_interval",
    "monitoring_role_arn": "monitoring_role_arn",
    "database_insights_mode": "database_insights_mode",
    "enable_performance_insights": "performance_insights_enabled",
    "performance_insights_kms_key_id": "performance_insights_kms_key_id",
    "performance_insights_retention_period": "performance_insights_retention_period",
    "enable_local_write_forwarding": "enable_local_write_forwarding",
    "ca_certificate_identifier": "ca_certificate",
    "engine_lifecycle_support": "engine_lifecycle_support",
}


def modify(backend: AuroraBackend, asked: Mapping[str, Any]) -> Cluster:
    """Change a cluster's settings, name or master password."""
    cluster = backend.available_cluster(str(asked["db_cluster_identifier"]))
    now = bool(asked.get("apply_immediately", False))
    new_name = str(asked.get("new_db_cluster_identifier") or "").lower()
    check_retention(asked)
    backend.check_groups(dict(asked))
    _check_backtrack(cluster, asked)
    _check_password(cluster, asked, now=now)
    if new_name and new_name != cluster.db_cluster_identifier:
        check_identifier(backend, new_name)
        if new_name in backend.clusters:
            raise cluster_exists()

    for parameter, attribute in _PLAIN.items():
        if asked.get(parameter) is not None:
            setattr(cluster, attribute, asked[parameter])
    if asked.get("backup_retention_period") is not None:
        _drop_older_backups(backend, cluster)
    if asked.get("storage_type") == "aurora":
        cluster.storage_type = None
    if asked.get("backtrack_window") is not None:
        cluster.backtrack_window = asked["backtrack_window"]
    if (asked.get("enable_http_endpoint")) is not None:
        cluster._enable_http_endpoint = bool(asked["enable_http_endpoint"])
    _change_log_exports(cluster, asked.get("cloudwatch_logs_export_configuration") or {})

    status, works, ends = "modifying", [], []
    if password_change := _password_change(backend, cluster, asked):
        status, work, end = "resetting-master-credentials", *password_change
        works.append(work)
        ends.append(end)
    # Without ApplyImmediately a new name or version waits for the maintenance window. (API reference)
    deferred = {"DBClusterIdentifier": new_name, "EngineVersion": asked.get("engine_version")}
    if not now:
        waiting = (cluster.pending_modified_values or {}) | {key: value for key, value in deferred.items() if value}
        cluster.pending_modified_values = waiting or None
    else:
        if new_name and new_name != cluster.db_cluster_identifier:
            status = "renaming"
            ends.append(lambda: rename(backend, cluster, new_name))
        if asked.get("engine_version"):
            ends.append(lambda: setattr(cluster, "engine_version", asked["engine_version"]))
    _pass_through(backend, cluster, status, works, ends)
    return cluster


def _drop_older_backups(backend: AuroraBackend, cluster: Cluster) -> None:
    """Delete the automated snapshots that the retention, as it is now, no longer keeps; a raised one keeps them all.

    Source: Aurora User Guide, "Backup retention period": automated backups are kept for that many days.
    """
    oldest = oldest_kept(backend.now(), retention_days=cluster.backup_retention_period)
    for name, snapshot in list(backend.cluster_snapshots.items()):
        if not isinstance(snapshot, Snapshot) or snapshot.db_cluster_resource_id != cluster.db_cluster_resource_id:
            continue
        if snapshot.snapshot_type == "automated" and snapshot.created < oldest:
            del backend.cluster_snapshots[name]


def _pass_through(
    backend: AuroraBackend,
    cluster: Cluster,
    status: str,
    works: list[Callable[[Data], None]],
    ends: list[Callable[[], None]],
) -> None:
    world = backend.world
    unseen, cluster.changing = world.pace.unseen, status

    def seen() -> None:
        with world.lock:
            if cluster.changing:
                cluster.status = cluster.changing

    if unseen:  # the status is still the one of before, and another change is refused already
        world.steps.begin(f"show that {cluster.db_cluster_identifier} changes", takes=unseen, done=seen)
    else:
        cluster.status = status

    def on_data() -> None:
        if world.data is not None:
            for work in works:
                work(world.data)

    def done() -> None:
        with world.lock:
            for end in ends:
                end()
            cluster.status, cluster.changing = "available", ""

    def failed(error: Exception) -> None:
        with world.lock:
            cluster.status, cluster.changing = "available", ""
            backend.record(cluster, f"The DB cluster could not be modified: {error}", "failure")

    world.steps.begin(
        f"modify cluster {cluster.db_cluster_identifier}",
        takes=unseen + world.pace.modify,
        work=on_data,
        done=done,
        failed=failed,
    )


def rename(backend: AuroraBackend, cluster: Cluster, name: str) -> None:
    """Return a cluster another name: instances and custom endpoints stay with it, the endpoint's name follows."""
    old = cluster.db_cluster_identifier
    members = cluster._members
    del backend.clusters[old]
    cluster.db_cluster_identifier = name
    backend.clusters[name] = cluster
    for member in members:
        member.db_cluster_identifier = name
    for endpoint in backend.custom_endpoints.values():
        if endpoint["DBClusterIdentifier"] == old:
            endpoint["DBClusterIdentifier"] = name
    backend.record(cluster, f"Renamed DB cluster from {old} to {name}.", "notification")


def _check_backtrack(cluster: Cluster, asked: Mapping[str, Any]) -> None:
    window = asked.get("backtrack_window")
    if window and not cluster.backtrack_window:
        # "You can't enable backtracking for a cluster that was created without it." (Aurora User Guide, Backtracking)
        raise invalid_combination(
            f"Backtrack can't be enabled for DB cluster {cluster.db_cluster_identifier}: it was created without it."
        )
    if window is not None and not 0 <= window <= 259_200:
        raise invalid_combination(f"The backtrack window {window} is not within 0 to 259200 seconds.")


def _check_password(cluster: Cluster, asked: Mapping[str, Any], *, now: bool) -> None:
    if asked.get("manage_master_user_password") and asked.get("master_user_password"):
        raise invalid_combination("You can't specify MasterUserPassword when ManageMasterUserPassword is turned on.")
    if (
        asked.get("master_user_password")
        and cluster.manage_master_user_password
        and (asked.get("manage_master_user_password") is not False)
    ):
        raise invalid_combination("You can't specify MasterUserPassword for a cluster whose password RDS manages.")
    if (
        asked.get("manage_master_user_password") is False
        and cluster.manage_master_user_password
        and not asked.get("master_user_password")
    ):
        raise invalid_combination("MasterUserPassword is required to turn ManageMasterUserPassword off.")
    if asked.get("rotate_master_user_password") and not now:
        raise invalid_combination("You must specify apply immediately when rotating the master user password.")


def _password_change(
    backend: AuroraBackend, cluster: Cluster, asked: Mapping[str, Any]
) -> tuple[Callable[[Data], None], Callable[[], None]] | None:
    """Return the work on the data and what follows it, where the master password is to change."""
    manage = asked.get("manage_master_user_password")
    begins = bool(manage) and not cluster.manage_master_user_password
    rotates = bool(asked.get("rotate_master_user_password")) and cluster.manage_master_user_password
    sent = asked.get("master_user_password")
    if not (begins or rotates or sent):
        return None
    password = str(sent) if sent else secrets.token_urlsafe(24)
    if begins or rotates:
        if rotates:
            cluster.master_user_secret.delete_secret()
        cluster.manage_password(password=password, kms_key_id=asked.get("master_user_secret_kms_key_id"))
    elif cluster.manage_master_user_password:
        cluster.master_user_secret.delete_secret()
        del cluster.master_user_secret
        cluster.manage_master_user_password = False

    def in_force() -> None:
        if cluster.manage_master_user_password:
            cluster.master_user_secret.activate()  # type: ignore[attr-defined]  # ours
        backend.record(cluster, "Reset master credentials.", "configuration change")

    return lambda data: data.set_master_password(cluster.db_cluster_resource_id, password), in_force


def _change_log_exports(cluster: Cluster, change: Mapping[str, Any]) -> None:
    wanted = set(cluster.enabled_cloudwatch_logs_exports)
    wanted |= set(change.get("EnableLogTypes") or [])
    wanted -= set(change.get("DisableLogTypes") or [])
    cluster.enabled_cloudwatch_logs_exports = sorted(wanted)
