"""Clusters, instances, snapshots and managed secrets that keep Aurora's rules."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from moto.rds.models import DBCluster, DBClusterSnapshot, DBInstanceClustered, MasterUserSecret
from moto.rds.utils import FilterDef

from runbook_lib.mysql import Endpoint

if TYPE_CHECKING:
    from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend

DEFAULT_VERSION = "8.0.mysql_aurora.3.08.2"
_PASSING = {"creating", "deleting", "backing-up"}


def oldest_kept(now: datetime, *, retention_days: int) -> datetime:
    """Return how far back backups of a retention reach; it moves on every five minutes.

    On AWS it moves with the daily backup. It must not move between a reader's look and the restore.
    """
    oldest = (now - timedelta(days=retention_days)).replace(second=0, microsecond=0)
    return oldest - timedelta(minutes=oldest.minute % 5)


def whole_milliseconds(moment: datetime) -> datetime:
    """Cut a moment to the milliseconds AWS gives."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class ManagedSecret(MasterUserSecret):
    """The secret RDS keeps in Secrets Manager, with the master user's name and a password of its own."""

    def __init__(self, cluster: Cluster, kms_key_id: str | None, *, password: str) -> None:
        self._credentials = {"username": str(cluster.master_username), "password": password}
        super().__init__(cluster, kms_key_id)

    def _generate_secret_string(self) -> str:
        return json.dumps(self._credentials)

    def activate(self) -> None:
        """Say that the password is in force."""
        self._status = "active"

    @property
    def secret_status(self) -> str:
        """The status as it is: it does not change by being looked at."""
        return self._status


class Cluster(DBCluster):
    """A cluster whose status, restorable times and endpoint are what is really there."""

    SUPPORTED_FILTERS = {  # noqa: RUF012  # moto's own attribute, read as a constant
        **DBCluster.SUPPORTED_FILTERS,
        "db-cluster-resource-id": FilterDef(["db_cluster_resource_id"], "DB Cluster Resource Ids"),
        "clone-group-id": FilterDef(["clone_group_id"], "Clone Group Ids"),
    }
    backend: AuroraBackend
    event_source_type = "db-cluster"

    def __init__(self, backend: AuroraBackend, settings: Mapping[str, Any]) -> None:
        self.backups_since: datetime | None = None
        self.real_endpoint: Endpoint | None = None
        self.lagging = timedelta(0)  # how much longer than usual its backups lag behind the clock
        self.changing = ""  # the status that is to come; empty while nothing changes
        self._port = 3306
        # moto makes a secret with a password nobody set, and does not know Aurora's storage types: both are set below
        ours = ("manage_master_user_password", "storage_type", "domain", "domain_iam_role_name")
        kept = {key: value for key, value in settings.items() if key not in ours}
        super().__init__(backend, **{"master_user_password": secrets.token_hex(12), **kept})
        self.url_identifier = backend.url_identifier
        self.clone_group_id = settings.get("clone_group_id") or str(uuid.uuid4())
        self.kms_key_id: str | None = settings.get("kms_key_id")  # type: ignore[assignment]  # absent when not encrypted
        # "The storage type isn't returned when you set it to aurora." (API reference, CreateDBCluster)
        asked_storage = settings.get("storage_type")
        self.storage_type = None if asked_storage in (None, "aurora") else asked_storage
        directory, role = settings.get("domain"), settings.get("domain_iam_role_name")
        joined = {"Domain": directory, "Status": "joined", "FQDN": f"{directory}.example", "IAMRoleName": role}
        self.domain_memberships = [joined] if directory else []  # type: ignore[list-item]  # serialised alike
        self.allocated_storage = 1
        self.created = self.cluster_create_time = whole_milliseconds(backend.now())
        self.monitoring_interval = settings.get("monitoring_interval")
        self.monitoring_role_arn = settings.get("monitoring_role_arn")
        self.performance_insights_enabled = settings.get("enable_performance_insights")
        self.performance_insights_retention_period = settings.get("performance_insights_retention_period")
        self.database_insights_mode = settings.get("database_insights_mode", "standard")
        self.enable_local_write_forwarding = settings.get("enable_local_write_forwarding")
        self.engine_lifecycle_support = settings.get("engine_lifecycle_support", "open-source-rds-extended-support")
        self.pending_modified_values: dict[str, Any] | None = None
        self.percent_progress: str | None = None
        self.ca_certificate = settings.get("ca_certificate_identifier", "rds-ca-rsa2048-g1")

    def manage_password(self, *, password: str, kms_key_id: str | None) -> ManagedSecret:
        """Put the master password into a secret of RDS's own."""
        self.manage_master_user_password = True
        self.master_user_secret = ManagedSecret(self, kms_key_id, password=password)
        return self.master_user_secret

    @property
    def status(self) -> str:
        """The status as it is: it does not change by being looked at."""
        return self._status

    @status.setter
    def status(self, value: str) -> None:
        self._status = value

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """Earliest and latest restorable time, or None while there is none (creating, restoring, just made)."""
        if self.backups_since is None or self.status == "creating":
            return None
        now = self.backend.now()
        earliest = max(self.backups_since, oldest_kept(now, retention_days=self.backup_retention_period))
        latest = whole_milliseconds(now - self.backend.pace.lag - self.lagging)
        earliest = earliest.replace(microsecond=0)  # a restore goes to a whole second, the first one included
        return (earliest, latest) if earliest <= latest else None

    @property  # type: ignore[override]  # absent while restoring
    def earliest_restorable_time(self) -> datetime | None:
        """The start of the window."""
        return self.window[0] if self.window else None

    @earliest_restorable_time.setter
    def earliest_restorable_time(self, value: datetime) -> None:
        """Take no note: moto sets it to the instant of creation."""

    @property
    def latest_restorable_time(self) -> datetime | None:  # type: ignore[override]  # absent while restoring
        """The end of the window, always behind the clock."""
        return self.window[1] if self.window else None

    @property
    def earliest_backtrack_time(self) -> datetime | None:
        """How far back a backtrack goes; absent where it is not enabled."""
        if not self.backtrack_window or self.backups_since is None:
            return None
        return max(self.backups_since, self.backend.now() - timedelta(seconds=self.backtrack_window))

    @property
    def storage_encryption_type(self) -> str:
        """Say by whose key it is encrypted: sse-rds names none, and is the default of today."""
        return "none" if not self.storage_encrypted else "sse-kms" if self.kms_key_id else "sse-rds"

    @property
    def port(self) -> int:
        """The real server's port, else the one asked for."""
        return self.real_endpoint.port if self.real_endpoint else self._port

    @port.setter
    def port(self, value: int) -> None:
        self._port = value

    @property
    def endpoint(self) -> str:
        """The real server's host, else a name as AWS would give."""
        return self.real_endpoint.host if self.real_endpoint else super().endpoint

    @property
    def reader_endpoint(self) -> str:
        """The real server's host: readers answer from the same data."""
        return self.real_endpoint.host if self.real_endpoint else super().reader_endpoint

    @property
    def scaling_configuration_info(self) -> None:  # type: ignore[override]  # Serverless v1 is gone
        """Absent: it belongs to Serverless v1."""

    @property
    def db_cluster_option_group_memberships(self) -> list[dict[str, str]]:
        """The default option group: Aurora clusters can have no other."""
        return [{"DBClusterOptionGroupName": self.option_group_name, "Status": "in-sync"}]

    @property
    def custom_endpoints(self) -> list[str]:
        """Host names of the custom endpoints."""
        own = self.backend.custom_endpoints.values()
        return [
            endpoint["Endpoint"] for endpoint in own if endpoint["DBClusterIdentifier"] == self.db_cluster_identifier
        ]

    @property
    def certificate_details(self) -> dict[str, Any]:
        """The certificate authority behind the cluster's server certificate."""
        return {"CAIdentifier": self.ca_certificate}

    @property
    def live_members(self) -> list[Instance]:
        """Instances that are not being deleted."""
        return [member for member in self._members if isinstance(member, Instance) and member.status != "deleting"]


class Instance(DBInstanceClustered):
    """An instance that is available later than its cluster, and answers where the data is."""

    backend: AuroraBackend

    def __init__(self, backend: AuroraBackend, settings: Mapping[str, Any]) -> None:
        super().__init__(backend=backend, **settings)
        self.status = "creating"
        self.dbi_resource_id = "db-" + secrets.token_hex(13).upper()
        self.performance_insights_enabled = bool(settings.get("enable_performance_insights", False))
        self.performance_insights_retention_period = settings.get("performance_insights_retention_period")
        self.performance_insights_kms_key_id = settings.get("performance_insights_kms_key_id")
        self.database_insights_mode = settings.get("database_insights_mode", "standard")
        self.ca_certificate_identifier = settings.get("ca_certificate_identifier", "rds-ca-rsa2048-g1")
        self.network_type = "IPV4"
        self.pending_modified_values: dict[str, Any] | None = None

    def default_db_parameter_group_details(self) -> tuple[str, str]:
        """Name Aurora's family and default group: moto takes the whole version for the family."""
        family = f"{self.engine}{'.'.join(str(self.engine_version).split('.')[:2])}"
        return family, f"default.{family}"

    @property
    def own_cluster(self) -> Cluster:
        """The cluster it belongs to, which is one of ours."""
        assert isinstance(self.cluster, Cluster)
        return self.cluster

    @property
    def db_instance_status(self) -> str:
        """The status under the name AWS gives it."""
        return self.status

    @property
    def endpoint(self) -> dict[str, Any] | None:  # type: ignore[override]  # absent until it is available
        """Where the instance answers; absent while it is being created, as on AWS."""
        if self.status in _PASSING:
            return None
        real = self.own_cluster.real_endpoint
        return {"Address": real.host, "Port": real.port} if real else {"Address": self.address, "Port": self.port}

    @property
    def latest_restorable_time(self) -> None:  # type: ignore[override]  # Aurora: the cluster has it
        """Absent: backups belong to the cluster."""


class Snapshot(DBClusterSnapshot):
    """A cluster snapshot that takes time, and remembers the cluster as it was.

    `owner` is the account that shares it with this one; empty for this account's own.
    """

    backend: AuroraBackend
    event_source_type = "db-cluster-snapshot"
    owner = ""

    @property
    def arn(self) -> str:
        """The ARN, which is in the owner's account."""
        own = super().arn
        return own.replace(f":{self.account_id}:", f":{self.owner}:") if self.owner else own

    def __init__(
        self,
        backend: AuroraBackend,
        cluster: Cluster,
        snapshot_id: str,
        *,
        snapshot_type: str = "manual",
        kms_key_id: str | None = None,
        at: datetime | None = None,
    ) -> None:
        super().__init__(backend, cluster, snapshot_id, snapshot_type, [], kms_key_id)
        self.created = whole_milliseconds(at or backend.now())
        self.db_cluster_resource_id = cluster.db_cluster_resource_id
        self.availability_zones = cluster.availability_zones
        self.iam_database_authentication_enabled = cluster.iam_database_authentication_enabled
        self.storage_type = cluster.storage_type
        self.vpc_id = backend.vpc_of(cluster.db_subnet_group_name)
        self.engine_mode = cluster.engine_mode
        self.license_model = cluster.license_model
        self.backup_retention_period = cluster.backup_retention_period
        self.source_db_cluster_snapshot_arn: str | None = None
        self.data_id = f"{snapshot_id.replace(':', '-')}-{secrets.token_hex(4)}"
        self.cluster_create_time = cluster.cluster_create_time


def aware(moment: datetime) -> datetime:
    """Read a moment of moto's, which are naive and mean UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
