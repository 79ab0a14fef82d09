"""Errors as RDS answers them. The code is what boto3's users see; the shape behind it may have another name."""

from __future__ import annotations

from moto.rds.exceptions import RDSClientError


def invalid_value(message: str) -> RDSClientError:
    """Return the error for a parameter whose value cannot be used."""
    return RDSClientError("InvalidParameterValue", message)


def invalid_combination(message: str) -> RDSClientError:
    """Return the error for parameters that cannot be sent together, or not to this operation."""
    return RDSClientError("InvalidParameterCombination", message)


def cluster_state(message: str) -> RDSClientError:
    """Return the error for a cluster that is not in a state for what is asked."""
    return RDSClientError("InvalidDBClusterStateFault", message)


def cluster_missing(name: str) -> RDSClientError:
    """Return the error for a cluster that does not exist."""
    return RDSClientError("DBClusterNotFoundFault", f"DBCluster {name} not found.")


def cluster_exists() -> RDSClientError:
    """Return the error for a name that another cluster has."""
    return RDSClientError("DBClusterAlreadyExistsFault", "DB Cluster already exists")


def backup_missing(resource_id: str) -> RDSClientError:
    """Return the error for an automated backup that does not exist."""
    return RDSClientError(
        "DBClusterAutomatedBackupNotFoundFault", f"DB cluster automated backup {resource_id} not found."
    )


def snapshot_missing(name: str) -> RDSClientError:
    """Return the error for a cluster snapshot that does not exist."""
    return RDSClientError("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {name} not found.")
