"""Instances of a cluster: made once it is available, deleted one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.rds.exceptions import RDSClientError

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.errors import invalid_value
from runbook_lib.rehearsal.control.aurora.models import Instance

_CLUSTER_ONLY = (
    "master_username",
    "master_user_password",
    "backup_retention_period",
    "storage_encrypted",
    "kms_key_id",
    "vpc_security_group_ids",
    "port",
    "deletion_protection",
    "allocated_storage",
    "preferred_backup_window",
)


def create_instance(backend: AuroraBackend, asked: Mapping[str, Any]) -> Instance:
    """Add an instance to an available cluster; the first one is its writer."""
    cluster = backend.available_cluster(str(asked["db_cluster_identifier"]))
    name = str(asked["db_instance_identifier"])
    if name in backend.databases:
        raise RDSClientError("DBInstanceAlreadyExists", "DB instance already exists")
    backend._validate_db_identifier(name)
    if asked.get("engine") != cluster.engine:
        raise invalid_value(f"The engine {asked.get('engine')} doesn't match the cluster's, {cluster.engine}.")
    if not str(asked.get("db_instance_class", "")).startswith("db."):
        raise invalid_value(f"Invalid DB Instance class: {asked.get('db_instance_class')}")
    for parameter in _CLUSTER_ONLY:
        if asked.get(parameter) is not None:
            raise RDSClientError(
                "InvalidParameterCombination",
                f"The requested DB Instance will be a member of a DB Cluster. {parameter} is set by the DB Cluster.",
            )
    zone = _zone(backend, asked)
    settings = {**asked, "availability_zone": zone, "db_cluster_identifier": cluster.db_cluster_identifier}
    # the cluster's subnet group; AWS's own "default" is one that moto does not have
    if "db_subnet_group_name" not in settings and cluster.db_subnet_group_name in backend.subnet_groups:
        settings["db_subnet_group_name"] = cluster.db_subnet_group_name
    instance = Instance(backend, settings)  # type: ignore[abstract]  # CloudFormation, which nobody asks here
    backend.databases[instance.db_instance_identifier] = instance
    _bring_up(backend, instance)
    return instance


def _zone(backend: AuroraBackend, asked: Mapping[str, Any]) -> str:
    full = backend.world.faults.full_zones
    zones = [str(asked["availability_zone"])] if asked.get("availability_zone") else backend.zones
    room = [zone for zone in zones if not full & {zone, ""}]
    if not room:
        raise RDSClientError(
            "InsufficientDBInstanceCapacity",
            f"The specified DB instance class isn't available in {', '.join(zones)} for lack of capacity.",
        )
    return str(room[0])


def _bring_up(backend: AuroraBackend, instance: Instance) -> None:
    world, cluster = backend.world, instance.own_cluster
    dead_end = world.faults.end_of_instance()
    resource_id = cluster.db_cluster_resource_id

    def on_data() -> None:
        if world.data is not None and cluster.real_endpoint is not None and dead_end is None:
            world.data.open(resource_id)

    def done() -> None:
        with world.lock:
            instance.status = dead_end or "available"
            if dead_end:
                backend.record(instance, f"The DB instance ended in status {dead_end}.", "failure")
            else:
                backend.record(instance, "DB instance created.", "creation")

    def failed(error: Exception) -> None:
        with world.lock:
            instance.status = "failed"
            backend.record(instance, f"The DB instance could not be created: {error}", "failure")

    world.steps.begin(
        f"make instance {instance.db_instance_identifier}",
        takes=world.pace.instance,
        work=on_data,
        done=done,
        failed=failed,
    )


def delete_instance(backend: AuroraBackend, name: str) -> Instance:
    """Delete an instance; when the last one goes the cluster's endpoint ceases to answer."""
    instance = backend.instance(name)
    if instance.status == "deleting":
        raise RDSClientError("InvalidDBInstanceState", f"Instance {name} is already being deleted.")
    world, cluster = backend.world, instance.own_cluster
    instance.status = "deleting"
    if instance.is_cluster_writer and cluster.live_members:
        instance.is_cluster_writer = False
        cluster.writer = min(cluster.live_members, key=lambda member: member.promotion_tier)
    is_last = not cluster.live_members

    def on_data() -> None:
        if world.data is not None and cluster.real_endpoint is not None and is_last:
            world.data.shut(cluster.db_cluster_resource_id)

    def done() -> None:
        with world.lock:
            backend.databases.pop(instance.db_instance_identifier, None)
            backend.record(instance, "DB instance deleted.", "deletion")

    world.steps.begin(
        f"delete instance {instance.db_instance_identifier}", takes=world.pace.delete, work=on_data, done=done
    )
    return instance


def modify_instance(backend: AuroraBackend, asked: Mapping[str, Any]) -> Instance:
    """Change an instance's own settings, or its name, which restarts it and moves its endpoint."""
    instance = backend.instance(str(asked["db_instance_identifier"]))
    if instance.status != "available":
        raise RDSClientError(
            "InvalidDBInstanceState", f"Instance {instance.db_instance_identifier} is in {instance.status} state."
        )
    world = backend.world
    new_name = str(asked.get("new_db_instance_identifier") or "").lower()
    if new_name:
        backend._validate_db_identifier(new_name)
        if new_name in backend.databases:
            raise RDSClientError("DBInstanceAlreadyExists", "DB instance already exists")
    renamed = {"enable_performance_insights": "performance_insights_enabled"}
    for parameter, value in asked.items():
        if parameter not in ("db_instance_identifier", "apply_immediately", "new_db_instance_identifier"):
            setattr(instance, renamed.get(parameter, parameter), value)
    # Without ApplyImmediately a new name waits for the maintenance window. (API reference)
    now = bool(asked.get("apply_immediately", False))
    if new_name and not now:
        instance.pending_modified_values = {
            **(instance.pending_modified_values or {}),
            "DBInstanceIdentifier": new_name,
        }
    instance.status = "renaming" if new_name and now else "modifying"

    def done() -> None:
        with world.lock:
            if new_name and now:
                old = instance.db_instance_identifier
                del backend.databases[old]
                instance.db_instance_identifier = new_name
                backend.databases[new_name] = instance
                for endpoint in backend.custom_endpoints.values():
                    for members in (endpoint["StaticMembers"], endpoint["ExcludedMembers"]):
                        members[:] = [new_name if member == old else member for member in members]
            instance.status = "available"

    world.steps.begin(f"modify instance {instance.db_instance_identifier}", takes=world.pace.modify, done=done)
    return instance
