"""Custom endpoints of a cluster, beside its own two."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from moto.rds.exceptions import RDSClientError

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.models import Cluster

_QUOTA = 5  # a cluster: Aurora User Guide, "Custom endpoints for Amazon Aurora"


def create(backend: AuroraBackend, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Make a custom endpoint for some of a cluster's instances."""
    cluster = backend.available_cluster(str(asked["db_cluster_identifier"]))
    name = str(asked["db_cluster_endpoint_identifier"]).lower()
    if name in backend.custom_endpoints:
        raise RDSClientError("DBClusterEndpointAlreadyExistsFault", f"DB cluster endpoint {name} already exists.")
    if len(cluster.custom_endpoints) >= _QUOTA:
        raise RDSClientError("DBClusterEndpointQuotaExceededFault", "The quota for custom endpoints was exceeded.")
    for member in [*(asked.get("static_members") or []), *(asked.get("excluded_members") or [])]:
        backend.instance(member)
    row = {
        "DBClusterEndpointIdentifier": name,
        "DBClusterIdentifier": cluster.db_cluster_identifier,
        "DBClusterEndpointResourceIdentifier": f"cluster-endpoint-{secrets.token_hex(13).upper()}",
        "Endpoint": f"{name}.cluster-custom-{cluster.url_identifier}.{backend.region_name}.rds.amazonaws.com",
        "Status": "available",
        "EndpointType": "CUSTOM",
        "CustomEndpointType": asked.get("endpoint_type", "ANY"),
        "StaticMembers": list(asked.get("static_members") or []),
        "ExcludedMembers": list(asked.get("excluded_members") or []),
        "DBClusterEndpointArn": f"arn:aws:rds:{backend.region_name}:{backend.account_id}:cluster-endpoint:{name}",
    }
    backend.custom_endpoints[name] = row
    return row


def delete(backend: AuroraBackend, name: str) -> dict[str, Any]:
    """Remove a custom endpoint."""
    row = backend.custom_endpoints.pop(name.lower(), None)
    if row is None:
        raise RDSClientError("DBClusterEndpointNotFoundFault", f"DB cluster endpoint {name} not found.")
    return row | {"Status": "deleting"}


def describe(backend: AuroraBackend, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List writer, reader and custom endpoints."""
    name = asked.get("db_cluster_identifier")
    clusters = (
        [backend.cluster(str(name))]
        if name
        else [cluster for cluster in backend.clusters.values() if isinstance(cluster, Cluster)]
    )
    rows: list[dict[str, Any]] = []
    for cluster in clusters:
        own = {"DBClusterIdentifier": cluster.db_cluster_identifier, "Status": "available"}
        rows.append({**own, "Endpoint": cluster.endpoint, "EndpointType": "WRITER"})
        rows.append({**own, "Endpoint": cluster.reader_endpoint, "EndpointType": "READER"})
        rows += [
            one
            for one in backend.custom_endpoints.values()
            if one["DBClusterIdentifier"] == cluster.db_cluster_identifier
        ]
    columns = {
        "db-cluster-endpoint-type": "EndpointType",
        "db-cluster-endpoint-custom-type": "CustomEndpointType",
        "db-cluster-endpoint-id": "DBClusterEndpointIdentifier",
        "db-cluster-endpoint-status": "Status",
    }
    wanted = {each["Name"]: each["Values"] for each in asked.get("filters") or []}
    if asked.get("db_cluster_endpoint_identifier"):
        wanted["db-cluster-endpoint-id"] = [asked["db_cluster_endpoint_identifier"]]
    for filter_name, values in wanted.items():
        accepted = {str(value).lower() for value in values}
        rows = [row for row in rows if str(row.get(columns.get(filter_name, ""), "")).lower() in accepted]
    return rows
