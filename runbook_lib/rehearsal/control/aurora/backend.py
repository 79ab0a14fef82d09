"""The state of the stand-in's RDS in one region, and what every rule needs of it."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

from moto.ec2.models import ec2_backends
from moto.rds import urls
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBClusterParameterGroup, RDSBackend

from runbook_lib.rehearsal.control.aurora.errors import cluster_missing, cluster_state, invalid_value
from runbook_lib.rehearsal.control.aurora.models import Cluster, Instance, whole_milliseconds
from runbook_lib.rehearsal.control.data import Data
from runbook_lib.rehearsal.control.faults import Faults
from runbook_lib.rehearsal.control.pace import Pace
from runbook_lib.rehearsal.control.steps import Steps

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class World:
    """What the stand-in's parts share. `lock` guards every change of RDS's state."""

    data: Data | None
    pace: Pace
    faults: Faults
    steps: Steps = field(default_factory=Steps)
    lock: RLock = field(default_factory=RLock)


class AuroraBackend(RDSBackend):
    """moto's RDS with room for what moto does not know."""

    def __init__(self, region_name: str, account_id: str, *, world: World) -> None:
        self.world = world
        super().__init__(region_name, account_id)
        # the part of every endpoint that AWS gives an account in a region: what makes an endpoint follow a name
        self.url_identifier = secrets.token_hex(6)
        self.custom_endpoints: dict[str, dict[str, Any]] = {}
        self.retained_backups: dict[str, RetainedBackup] = {}
        self.backtracks: list[dict[str, Any]] = []
        self.event_log: list[dict[str, Any]] = []
        self.support_left = timedelta(days=1095)  # of the major version, until a test says otherwise
        family = "aurora-mysql8.0"
        self.db_cluster_parameter_groups[f"default.{family}"] = DBClusterParameterGroup(  # type: ignore[abstract]
            backend=self,
            db_cluster_parameter_group_name=f"default.{family}",
            description=f"Default cluster parameter group for {family}",
            db_parameter_group_family=family,
        )

    def reset(self) -> None:
        """Forget everything, in the same world."""
        region, account, world = self.region_name, self.account_id, self.world
        self.__dict__ = {}
        self.__init__(region, account, world=world)  # type: ignore[misc]

    @property
    def url_bases(self) -> list[str]:
        """moto finds its addresses by the name of the class's module, which ours is not."""
        return list(urls.url_bases)

    @property
    def pace(self) -> Pace:
        """How long things take."""
        return self.world.pace

    @property
    def zones(self) -> list[str]:
        """The availability zones there are; Tokyo's letters, as the stand-in is in Tokyo by default."""
        return [f"{self.region_name}{letter}" for letter in "acd"]

    def now(self) -> datetime:
        """Return the moment, aware UTC."""
        return datetime.now(UTC)

    def cluster(self, name: str) -> Cluster:
        """Return a cluster by its identifier or ARN."""
        found = self.clusters.get(name.rsplit(":", 1)[-1])
        if not isinstance(found, Cluster):
            raise cluster_missing(name)
        return found

    def available_cluster(self, name: str) -> Cluster:
        """Return a cluster that must be available."""
        cluster = self.cluster(name)
        if (status := cluster.changing or cluster.status) != "available":
            raise cluster_state(
                f"DbCluster {cluster.db_cluster_identifier} is in {status} state "
                "but expected it to be one of available."
            )
        return cluster

    def instance(self, name: str) -> Instance:
        """Return an Aurora instance by its identifier."""
        found = self.databases.get(name.rsplit(":", 1)[-1])
        if not isinstance(found, Instance):
            raise RDSClientError("DBInstanceNotFound", f"DBInstance {name} not found.")
        return found

    def vpc_of(self, subnet_group: str | None) -> str:
        """Return the VPC of a subnet group, else the default VPC."""
        group = self.subnet_groups.get(subnet_group or "")
        if group is not None and getattr(group, "vpc_id", None):
            return str(group.vpc_id)
        ec2 = ec2_backends[self.account_id][self.region_name]
        return str(ec2.default_vpc.id)

    def default_security_group(self, subnet_group: str | None) -> str:
        """Return the default security group of the VPC, where a cluster lands that names none."""
        ec2 = ec2_backends[self.account_id][self.region_name]
        group = ec2.get_default_security_group(self.vpc_of(subnet_group))
        assert group is not None, "every VPC has a default group"
        return str(group.id)

    def usable_key(self, key: str) -> str:
        """Return a KMS key's ARN; one that is missing, disabled or about to be deleted is refused."""
        arn = self._validate_kms_key(key)
        found = self.kms.describe_key(arn.rsplit("/", 1)[-1])
        if not found.enabled or found.key_state != "Enabled":
            raise RDSClientError(
                "KMSKeyNotAccessibleFault",
                f"The specified KMS key [{arn}] does not exist, is not enabled or you do not have permissions to "
                "access it.",
            )
        return arn

    def check_groups(self, settings: dict[str, Any]) -> None:
        """Refuse a subnet group, parameter group or security group that does not exist."""
        subnet_group = settings.get("db_subnet_group_name")
        if subnet_group not in (None, "default") and subnet_group not in self.subnet_groups:
            raise RDSClientError("DBSubnetGroupNotFoundFault", f"DBSubnetGroup {subnet_group} not found.")
        parameters = settings.get("db_cluster_parameter_group_name")
        if parameters and not parameters.startswith("default.") and parameters not in self.db_cluster_parameter_groups:
            raise RDSClientError("DBClusterParameterGroupNotFound", f"DBClusterParameterGroup not found: {parameters}")
        ec2 = ec2_backends[self.account_id][self.region_name]
        for group in settings.get("vpc_security_group_ids") or []:
            if ec2.get_security_group_from_id(group) is None:
                raise invalid_value(f"Invalid security group , groupId= {group}, groupName=.")

    def record(
        self, source: Any, message: str, *categories: str, at: datetime | None = None, under: str | None = None
    ) -> None:
        """Write an event about a cluster, instance or snapshot; `under` where the name has changed since."""
        self.event_log.append(
            {
                "SourceIdentifier": under or source.resource_id,
                "SourceType": source.event_source_type,
                "Message": message,
                "EventCategories": list(categories),
                "Date": whole_milliseconds(at or self.now()),
                "SourceArn": source.arn,
            }
        )


@dataclass(kw_only=True)
class RetainedBackup:
    """The automated backup that outlives its cluster. `last` is the end of its window."""

    cluster: Cluster
    since: datetime
    last: datetime
