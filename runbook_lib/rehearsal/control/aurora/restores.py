"""The two restores: each makes a new cluster with AWS's defaults for what is not sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.rds.exceptions import RDSClientError
from moto.rds.models import AssociatedRole

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.clusters import Settings, bring_up, register
from runbook_lib.rehearsal.control.aurora.errors import (
    backup_missing,
    cluster_exists,
    cluster_state,
    invalid_combination,
    invalid_value,
)
from runbook_lib.rehearsal.control.aurora.models import Cluster, aware
from runbook_lib.rehearsal.control.aurora.retained import window_of
from runbook_lib.rehearsal.control.aurora.snapshots import snapshot_named
from runbook_lib.rehearsal.control.data import Data

# boto/boto3#4634: AWS's model takes them, AWS's service answers InvalidParameterCombination whatever their values.
MONITORING = (
    "monitoring_interval", "monitoring_role_arn", "enable_performance_insights", "performance_insights_kms_key_id",
    "performance_insights_retention_period",
)  # fmt: skip
# What a restore takes from the source; everything else is AWS's default unless it is sent.
# Source: API reference, RestoreDBClusterToPointInTime ("Default:" of each parameter).
_CARRIED = (
    "engine", "engine_version", "engine_mode", "master_username", "backup_retention_period", "database_name",
    "character_set_name", "storage_encrypted", "kms_key_id", "availability_zones", "license_model",
)  # fmt: skip
_SENT = (
    "port", "db_subnet_group_name", "vpc_security_group_ids", "tags", "kms_key_id",
    "enable_iam_database_authentication", "backtrack_window", "enable_cloudwatch_logs_exports",
    "db_cluster_parameter_group_name", "deletion_protection", "copy_tags_to_snapshot", "storage_type", "network_type",
    "serverless_v2_scaling_configuration", "backup_retention_period", "preferred_backup_window",
    "engine_lifecycle_support", "publicly_accessible", "iops", "domain", "domain_iam_role_name",
)  # fmt: skip


def restore_to_point_in_time(backend: AuroraBackend, asked: Mapping[str, Any]) -> Cluster:
    """Make a cluster with the data of another at a moment of its window, or a clone of it as it is."""
    source, window = _source(backend, asked)
    _refuse_monitoring(asked)
    _refuse_taken_name(backend, asked)
    moment, latest = asked.get("restore_to_time"), bool(asked.get("use_latest_restorable_time"))
    kind = asked.get("restore_type", "full-copy")
    if kind not in ("full-copy", "copy-on-write"):
        raise invalid_value(f"RestoreType must be full-copy or copy-on-write, not {kind}.")
    if moment is not None and latest:
        raise invalid_combination("RestoreToTime can't be specified if UseLatestRestorableTime is enabled.")
    if kind == "copy-on-write":
        return _clone(backend, source, asked, moment=moment)
    if moment is None and not latest:
        raise invalid_combination("Specify either RestoreToTime or UseLatestRestorableTime.")
    if window is None:
        raise cluster_state(f"DbCluster {source.db_cluster_identifier} has no restorable time yet.")
    exact = window[1] if moment is None else _within(aware(moment), window, source)
    source_id = source.db_cluster_resource_id

    def work(data: Data) -> None:
        data.restore_to_time(cluster.db_cluster_resource_id, source_id=source_id, moment=exact)

    cluster = _registered(backend, _settings(source, asked), asked)
    bring_up(
        backend,
        cluster,
        work,
        message=f"Restored from DB cluster {source.db_cluster_identifier} to {exact:%Y-%m-%dT%H:%M:%SZ}.",
    )
    return cluster


def _clone(backend: AuroraBackend, source: Cluster, asked: Mapping[str, Any], *, moment: Any) -> Cluster:
    if moment is not None:
        raise invalid_combination("RestoreToTime can't be specified if RestoreType is copy-on-write.")
    if source.db_cluster_identifier not in backend.clusters:
        raise invalid_combination("A deleted DB cluster can't be cloned: restore it from its automated backup.")
    backend.available_cluster(source.db_cluster_identifier)
    source_id = source.db_cluster_resource_id

    def work(data: Data) -> None:
        data.clone(cluster.db_cluster_resource_id, source_id=source_id)

    cluster = register(backend, _settings(source, asked) | {"clone_group_id": source.clone_group_id})
    bring_up(backend, cluster, work, message=f"Cloned from DB cluster {source.db_cluster_identifier}.")
    return cluster


def _source(backend: AuroraBackend, asked: Mapping[str, Any]) -> tuple[Cluster, tuple[datetime, datetime] | None]:
    name, resource_id = asked.get("source_db_cluster_identifier"), asked.get("source_db_cluster_resource_id")
    if bool(name) == bool(resource_id):
        raise invalid_combination("Specify either SourceDBClusterIdentifier or SourceDbClusterResourceId.")
    if name:
        cluster = backend.cluster(str(name))
        return cluster, cluster.window
    for living in backend.clusters.values():
        if isinstance(living, Cluster) and living.db_cluster_resource_id == resource_id:
            return living, living.window
    retained = backend.retained_backups.get(str(resource_id))
    window = window_of(backend, retained) if retained else None
    if retained is None or window is None:
        raise backup_missing(str(resource_id))
    return retained.cluster, window


def _within(moment: datetime, window: tuple[datetime, datetime], source: Cluster) -> datetime:
    earliest, latest = window
    if earliest <= moment <= latest:
        return moment
    side, limit = ("before the earliest", earliest) if moment < earliest else ("after the latest", latest)
    raise invalid_value(
        f"The DB cluster {source.db_cluster_identifier} can't be restored to {moment.isoformat()}: "
        f"that is {side} restorable time, {limit.isoformat()}."
    )


def restore_from_snapshot(backend: AuroraBackend, asked: Mapping[str, Any]) -> Cluster:
    """Make a cluster with the data of a cluster snapshot, automated or manual."""
    snapshot = snapshot_named(backend, str(asked["snapshot_identifier"]))
    _refuse_monitoring(asked)
    _refuse_taken_name(backend, asked)
    if snapshot.status != "available":
        raise RDSClientError(
            "InvalidDBClusterSnapshotStateFault",
            f"The snapshot {snapshot.db_cluster_snapshot_identifier} is in {snapshot.status} state.",
        )
    assert isinstance(snapshot.cluster, Cluster)
    if asked.get("engine") != snapshot.cluster.engine:
        raise invalid_combination(
            f"The snapshot is of engine {snapshot.cluster.engine}; it can't be restored as {asked.get('engine')}."
        )
    settings = _settings(snapshot.cluster, asked)
    settings["kms_key_id"] = asked.get("kms_key_id") or snapshot.kms_key_id
    # "Default: the region's default version" is FACTS 1.18: a version that is not sent may differ from the source's
    settings["engine_version"] = asked.get("engine_version")
    if settings["engine_version"] is None:
        del settings["engine_version"]
    if asked.get("availability_zones"):
        settings["availability_zones"] = asked["availability_zones"]

    def work(data: Data) -> None:
        data.restore_snapshot(cluster.db_cluster_resource_id, snapshot_id=snapshot.data_id)

    cluster = _registered(backend, settings, asked)
    bring_up(backend, cluster, work, message=f"Restored from snapshot {snapshot.db_cluster_snapshot_identifier}.")
    return cluster


def _registered(backend: AuroraBackend, settings: Settings, asked: Mapping[str, Any]) -> Cluster:
    """Enter a new cluster with the roles that were sent. A directory is joined with a role, and with none refused."""
    if settings.get("domain") and not settings.get("domain_iam_role_name"):
        raise invalid_combination("You must specify DomainIAMRoleName with Domain.")
    cluster = register(backend, settings)
    for sent in asked.get("associated_roles") or ():
        role = {name.lower().replace("_", ""): value for name, value in sent.items()}
        held = AssociatedRole(role_arn=role["rolearn"], feature_name=role.get("featurename", ""))
        cluster._associated_roles.append(held)
    return cluster


def _settings(source: Cluster, asked: Mapping[str, Any]) -> Settings:
    carried = {name: getattr(source, name) for name in _CARRIED}
    sent = {name: asked[name] for name in _SENT if asked.get(name) is not None}
    found = {**carried, **sent, "db_cluster_identifier": asked["db_cluster_identifier"]}
    if not found.get("kms_key_id"):
        # Since 2026-02-18 what is not encrypted is restored encrypted, by a key that nobody sees (StorageEncryptionType
        # sse-rds). Source: Aurora User Guide, "Encrypting Amazon Aurora resources".
        found |= {"storage_encrypted": True, "is_encrypted_by_rds": True}
    return found


def _refuse_monitoring(asked: Mapping[str, Any]) -> None:
    if any(asked.get(parameter) is not None for parameter in MONITORING):
        raise invalid_combination(
            "You can enable Performance Insights or set the Enhanced Monitoring interval only when restoring from a "
            "source Aurora Limitless DB cluster"
        )


def _refuse_taken_name(backend: AuroraBackend, asked: Mapping[str, Any]) -> None:
    if str(asked["db_cluster_identifier"]).lower() in backend.clusters:
        raise cluster_exists()
