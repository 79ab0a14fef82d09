"""What is done to a cluster by calls of its own: roles, the HTTP endpoint, stopping and starting."""

from __future__ import annotations

from moto.rds.exceptions import RDSClientError
from moto.rds.models import AssociatedRole

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.errors import cluster_state
from runbook_lib.rehearsal.control.aurora.models import Cluster


def add_role(backend: AuroraBackend, name: str, role: str, feature: str) -> None:
    """Associate a role; several without a feature are allowed, which moto refuses."""
    cluster = backend.available_cluster(name)
    if any(held.role_arn == role and (held.feature_name or "") == feature for held in cluster._associated_roles):
        raise RDSClientError("DBClusterRoleAlreadyExists", f"Role {role} is already associated with {name}.")
    cluster._associated_roles.append(AssociatedRole(role_arn=role, feature_name=feature))


def remove_role(backend: AuroraBackend, name: str, role: str) -> None:
    """Take a role away."""
    cluster = backend.available_cluster(name)
    left = [held for held in cluster._associated_roles if held.role_arn != role]
    if len(left) == len(cluster._associated_roles):
        raise RDSClientError("DBClusterRoleNotFound", f"Role {role} is not associated with {name}.")
    cluster._associated_roles = left


def switch_http_endpoint(backend: AuroraBackend, arn: str, *, on: bool) -> dict[str, object]:
    """Switch the RDS Data API of a cluster on or off."""
    cluster = backend.available_cluster(arn)
    cluster._enable_http_endpoint = on
    return {"ResourceArn": cluster.arn, "HttpEndpointEnabled": on}


def stop(backend: AuroraBackend, name: str) -> Cluster:
    """Stop a cluster with its instances; nothing answers until it is started."""
    cluster = backend.available_cluster(name)
    world = backend.world
    _pass(cluster, "stopping")

    def on_data() -> None:
        if world.data is not None and cluster.real_endpoint is not None and cluster.live_members:
            world.data.shut(cluster.db_cluster_resource_id)

    def done() -> None:
        with world.lock:
            _pass(cluster, "stopped")
            backend.record(cluster, "DB cluster stopped.", "notification")

    world.steps.begin(f"stop cluster {name}", takes=world.pace.modify, work=on_data, done=done)
    return cluster


def start(backend: AuroraBackend, name: str) -> Cluster:
    """Start a stopped cluster with its instances."""
    cluster = backend.cluster(name)
    if cluster.status != "stopped":
        raise cluster_state(f"DbCluster {name} is in {cluster.status} state but expected it to be one of stopped.")
    world = backend.world
    _pass(cluster, "starting")

    def on_data() -> None:
        if world.data is not None and cluster.real_endpoint is not None and cluster.live_members:
            world.data.open(cluster.db_cluster_resource_id)

    def done() -> None:
        with world.lock:
            _pass(cluster, "available")
            backend.record(cluster, "DB cluster started.", "notification")

    world.steps.begin(f"start cluster {name}", takes=world.pace.cluster, work=on_data, done=done)
    return cluster


def _pass(cluster: Cluster, status: str) -> None:
    cluster.status = status
    for member in cluster.live_members:
        member.status = status
