"""The cluster that the incident happens to, made in the stand-in as its owners would have made it in AWS."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from runbook_lib.aws import AwsSession
from runbook_lib.errors import StepFailed

CLUSTER = "tokyobeta-prod-aurora"
ENGINE_VERSION = "8.0.mysql_aurora.3.08.2"
INSTANCE_CLASS = "db.r6g.large"
_LONGEST_S = 60


@dataclass(frozen=True, kw_only=True)
class Network:
    """The subnet group and security group of the source."""

    subnet_group: str
    security_group: str


def make_source(session: AwsSession, *, identifier: str = CLUSTER) -> None:
    """Make the source with settings that differ from AWS's defaults, its writer and one reader, and wait for them."""
    rds = session.client("rds")
    network = _network(session, identifier)
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=f"{identifier}-params",
        DBParameterGroupFamily="aurora-mysql8.0",
        Description="binary log on, utf8mb4",
    )
    rds.create_db_parameter_group(
        DBParameterGroupName=f"{identifier}-instance",
        DBParameterGroupFamily="aurora-mysql8.0",
        Description="slow query log on",
    )
    rds.create_db_cluster(
        DBClusterIdentifier=identifier,
        Engine="aurora-mysql",
        EngineVersion=ENGINE_VERSION,
        MasterUsername="admin",
        ManageMasterUserPassword=True,
        BackupRetentionPeriod=7,
        DBSubnetGroupName=network.subnet_group,
        VpcSecurityGroupIds=[network.security_group],
        DBClusterParameterGroupName=f"{identifier}-params",
        PreferredBackupWindow="18:00-18:30",
        PreferredMaintenanceWindow="sun:19:00-sun:19:30",
        DeletionProtection=True,
        CopyTagsToSnapshot=True,
        StorageEncrypted=True,
        EnableCloudwatchLogsExports=["error", "slowquery"],
        Tags=[{"Key": "ManagedBy", "Value": "terraform"}, {"Key": "team", "Value": "data"}],
    )
    _wait(partial(_cluster_status, rds, identifier), identifier)
    names = [f"{identifier}-{number}" for number in (1, 2)]
    for tier, name in enumerate(names):
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBClusterIdentifier=identifier,
            DBInstanceClass=INSTANCE_CLASS,
            Engine="aurora-mysql",
            DBParameterGroupName=f"{identifier}-instance",
            PromotionTier=tier,
        )
    for name in names:
        _wait(partial(_instance_status, rds, name), name)


def _network(session: AwsSession, identifier: str) -> Network:
    ec2, rds = session.client("ec2"), session.client("rds")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    group = f"{identifier}-private"
    rds.create_db_subnet_group(
        DBSubnetGroupName=group,
        DBSubnetGroupDescription="private subnets",
        SubnetIds=[subnet["SubnetId"] for subnet in subnets],
    )
    security = ec2.create_security_group(GroupName=f"{identifier}-db", Description="database", VpcId=vpc)["GroupId"]
    return Network(subnet_group=group, security_group=security)


def _cluster_status(rds: Any, name: str) -> str:
    return str(rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["Status"])


def _instance_status(rds: Any, name: str) -> str:
    return str(rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"])


def _wait(read_status: Callable[[], str], what: str) -> None:
    began = time.monotonic()
    while (status := read_status()) != "available":
        if time.monotonic() - began > _LONGEST_S:
            raise StepFailed(f"The stand-in's {what} stays {status}.", hint="Run the rehearsal again.")
        time.sleep(0.05)
