"""What the tests of the stand-in's control plane share: a data plane in memory, a source cluster, a wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from runbook_lib.mysql import Credentials, Endpoint
from runbook_lib.rehearsal.control import ControlPlane, Pace, brisk

PASSWORD = "first-password"


@dataclass
class MemoryData:
    """A data plane that notes what it is told; each server is the list of what it was made from."""

    servers: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, str] = field(default_factory=dict)
    backups: set[str] = field(default_factory=set)
    answering: set[str] = field(default_factory=set)
    moments: dict[str, datetime] = field(default_factory=dict)
    broken: str = ""

    def create(self, resource_id: str, *, master: Credentials) -> None:
        self._make(resource_id, "empty")
        self.passwords[resource_id] = master.password

    def endpoint(self, resource_id: str) -> Endpoint:
        return Endpoint(host="127.0.0.1", port=40_000 + int.from_bytes(resource_id[-2:].encode()) % 20_000)

    def open(self, resource_id: str) -> None:
        self.answering.add(resource_id)

    def shut(self, resource_id: str) -> None:
        self.answering.discard(resource_id)

    def set_master_password(self, resource_id: str, password: str) -> None:
        self.passwords[resource_id] = password

    def restore_to_time(self, new_id: str, *, source_id: str, moment: datetime) -> None:
        assert source_id in self.servers or source_id in self.backups
        self._make(new_id, f"{source_id} at a time")
        self.moments[new_id] = moment

    def clone(self, new_id: str, *, source_id: str) -> None:
        self._make(new_id, f"clone of {source_id}")

    def take_snapshot(self, source_id: str, *, snapshot_id: str) -> None:
        self.snapshots[snapshot_id] = source_id

    def restore_snapshot(self, new_id: str, *, snapshot_id: str) -> None:
        self._make(new_id, f"snapshot of {self.snapshots[snapshot_id]}")

    def copy_snapshot(self, source_snapshot_id: str, *, snapshot_id: str) -> None:
        self.snapshots[snapshot_id] = self.snapshots[source_snapshot_id]

    def delete_snapshot(self, snapshot_id: str) -> None:
        del self.snapshots[snapshot_id]

    def delete(self, resource_id: str, *, keep_backup: bool) -> None:
        self.servers.pop(resource_id, None)
        (self.backups.add if keep_backup else self.backups.discard)(resource_id)

    def _make(self, resource_id: str, what: str) -> None:
        if self.broken:
            raise RuntimeError(self.broken)
        self.servers[resource_id] = what


@dataclass(frozen=True)
class Stand:
    """A running stand-in with clients of it."""

    plane: ControlPlane
    data: MemoryData | None
    _clients: dict[tuple[str, str, int], Any] = field(default_factory=dict)

    def client(self, service: str, *, key: str = "", retries: int = 1) -> Any:
        """Return a client, made once: that takes longer than most of what is asked of it."""
        asked = (service, key, retries)
        if asked not in self._clients:
            own = self.plane.environment()
            self._clients[asked] = boto3.client(
                service,  # type: ignore[call-overload]  # any of them
                endpoint_url=self.plane.url,
                region_name=self.plane.region,
                aws_access_key_id=key or own["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
                config=Config(retries={"total_max_attempts": retries, "mode": "standard"}),
            )
        return self._clients[asked]

    @property
    def rds(self) -> Any:
        return self.client("rds")


@contextmanager
def stand_in(*, data: MemoryData | None = None, pace: Pace | None = None) -> Iterator[Stand]:
    """A running stand-in, closed at the end whatever happens."""
    plane = ControlPlane(data, pace=pace or brisk())
    with plane:
        yield Stand(plane, data)


@contextmanager
def refused(code: str, text: str = "") -> Iterator[None]:
    """The call inside must be refused with this error code, and say `text`."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert text in error["Message"]


def until(ask: Callable[[], bool], *, seconds: float = 10) -> None:
    """Wait until the answer is yes; what never comes ends as a failure after so long."""
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def cluster(rds: Any, name: str) -> dict[str, Any]:
    return dict(rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0])


def instance(rds: Any, name: str) -> dict[str, Any]:
    return dict(rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])


def settle(rds: Any, name: str, status: str = "available") -> dict[str, Any]:
    """Wait for a cluster's status, and give the cluster."""
    until(lambda: cluster(rds, name)["Status"] == status)
    return cluster(rds, name)


def settle_instance(rds: Any, name: str, status: str = "available") -> dict[str, Any]:
    until(lambda: instance(rds, name)["DBInstanceStatus"] == status)
    return instance(rds, name)


def settle_snapshot(rds: Any, name: str) -> None:
    def ready() -> bool:
        found = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)["DBClusterSnapshots"][0]
        return bool(found["Status"] == "available")

    until(ready)


def gone(rds: Any, name: str) -> None:
    until(lambda: name not in {one["DBClusterIdentifier"] for one in rds.describe_db_clusters()["DBClusters"]})


def plain_cluster(rds: Any, name: str, **settings: Any) -> dict[str, Any]:
    """Make a cluster with little said about it, and wait for it."""
    asked = {
        "DBClusterIdentifier": name,
        "Engine": "aurora-mysql",
        "MasterUsername": "admin",
        "MasterUserPassword": PASSWORD,
        "BackupRetentionPeriod": 7,
        **settings,
    }
    rds.create_db_cluster(**{name: value for name, value in asked.items() if value is not None})
    return settle(rds, name)


def add_instance(rds: Any, name: str, *, of: str, **settings: Any) -> dict[str, Any]:
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBClusterIdentifier=of,
        DBInstanceClass="db.r6g.large",
        Engine="aurora-mysql",
        **settings,
    )
    return settle_instance(rds, name)


def production(stand: Stand, name: str = "prod") -> dict[str, Any]:
    """A source as a user would have it: everything set that a restore does not carry over."""
    rds, ec2 = stand.rds, stand.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{index}.0/24", AvailabilityZone=f"ap-northeast-1{letter}")
        for index, letter in enumerate("ac")
    ]
    group = ec2.create_security_group(GroupName=f"{name}-db", Description="database", VpcId=vpc)["GroupId"]
    rds.create_db_subnet_group(
        DBSubnetGroupName=f"{name}-subnets",
        DBSubnetGroupDescription="private",
        SubnetIds=[one["Subnet"]["SubnetId"] for one in subnets],
    )
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=f"{name}-cluster", DBParameterGroupFamily="aurora-mysql8.0", Description="ours"
    )
    rds.create_db_parameter_group(
        DBParameterGroupName=f"{name}-instance", DBParameterGroupFamily="aurora-mysql8.0", Description="ours"
    )
    key = stand.client("kms").create_key()["KeyMetadata"]["Arn"]
    rds.create_db_cluster(
        DBClusterIdentifier=name,
        Engine="aurora-mysql",
        EngineVersion="8.0.mysql_aurora.3.04.3",
        MasterUsername="admin",
        ManageMasterUserPassword=True,
        BackupRetentionPeriod=7,
        PreferredBackupWindow="17:00-17:30",
        DBSubnetGroupName=f"{name}-subnets",
        DBClusterParameterGroupName=f"{name}-cluster",
        VpcSecurityGroupIds=[group],
        StorageEncrypted=True,
        KmsKeyId=key,
        DeletionProtection=True,
        CopyTagsToSnapshot=True,
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=["error", "slowquery"],
        BacktrackWindow=86_400,
        StorageType="aurora-iopt1",
        Port=3307,
        ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 8},
        Tags=[{"Key": "ManagedBy", "Value": "terraform"}],
    )
    settle(rds, name)
    for index, tier in ((1, 0), (2, 1)):
        rds.create_db_instance(
            DBInstanceIdentifier=f"{name}-{index}",
            DBClusterIdentifier=name,
            DBInstanceClass="db.r6g.large",
            Engine="aurora-mysql",
            PromotionTier=tier,
            DBParameterGroupName=f"{name}-instance",
            EnablePerformanceInsights=True,
        )
    for index in (1, 2):
        settle_instance(rds, f"{name}-{index}")
    return cluster(rds, name)
