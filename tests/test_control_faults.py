"""What can be made to go wrong in the rehearsal's AWS, what it logs, and that it leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import HTTPClientError
from botocore.parsers import ResponseParserError

from runbook_lib.errors import StepFailed
from runbook_lib.rehearsal.control import ControlPlane, Request, brisk
from tests.control_support import (
    PASSWORD,
    Stand,
    add_instance,
    cluster,
    plain_cluster,
    refused,
    settle,
    settle_instance,
    stand_in,
)


@pytest.fixture(scope="module")
def running() -> Iterator[Stand]:
    with stand_in() as stand:
        plain_cluster(stand.rds, "prod")
        yield stand


@pytest.fixture
def stand(running: Stand) -> Iterator[Stand]:
    """The stand-in with no fault switched on, before and after."""
    running.plane.faults.clear()
    running.plane.requests.clear()
    yield running
    running.plane.faults.clear()


def names(stand: Stand) -> set[str]:
    return {one["DBClusterIdentifier"] for one in stand.rds.describe_db_clusters()["DBClusters"]}


def make(stand: Stand, name: str, rds: Any = None) -> Any:
    return (rds or stand.rds).create_db_cluster(
        DBClusterIdentifier=name, Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword=PASSWORD
    )


def test_throttled_calls_are_refused_until_they_are_used_up(stand: Stand) -> None:
    """FACTS 1.16: RDS throttles with the code `Throttling`."""
    stand.plane.faults.throttle("DescribeDBClusters", times=2)
    for _ in range(2):
        with refused("Throttling", "Rate exceeded"):
            names(stand)
    assert names(stand)
    stand.plane.faults.throttle("DescribeDBClusters", times=2)
    assert stand.client("rds", retries=3).describe_db_clusters()["DBClusters"]


def test_a_share_of_calls_is_throttled_the_same_way_for_the_same_seed(stand: Stand) -> None:
    def outcomes() -> list[bool]:
        stand.plane.faults.clear()
        stand.plane.faults.throttle_share(0.5, seed=7)
        answers = []
        for _ in range(12):
            try:
                names(stand)
                answers.append(True)
            except stand.rds.exceptions.ClientError:
                answers.append(False)
        return answers

    first = outcomes()
    assert set(first) == {True, False}
    assert outcomes() == first


def test_failures_inside_aws_and_cut_connections_reach_the_client(stand: Stand) -> None:
    stand.plane.faults.fail("DescribeDBClusters", status=503)
    with refused("ServiceUnavailable"):
        names(stand)
    stand.plane.faults.cut("CreateDBCluster")
    with pytest.raises((BotoConnectionError, HTTPClientError)):
        make(stand, "cut-off")
    # The call was made, only its answer was lost: what AWS's clients must reckon with.
    settle(stand.rds, "cut-off")
    stand.plane.faults.cut("CreateDBCluster", sent=0.5)
    with pytest.raises(ResponseParserError):
        make(stand, "half-told")
    settle(stand.rds, "half-told")


def test_a_denied_operation_is_denied_in_each_services_own_way(stand: Stand) -> None:
    stand.plane.faults.deny("rds:CreateDBCluster", "glue:GetJobs", "s3:ListBuckets", "cloudwatch:ListMetrics", "ec2:*")
    with refused("AccessDenied", "rds:CreateDBCluster"):
        make(stand, "denied")
    with refused("AccessDeniedException", "glue:GetJobs"):
        stand.client("glue").get_jobs()
    with refused("AccessDenied"):
        stand.client("s3").list_buckets()
    with refused("AccessDenied"):
        stand.client("ec2").describe_vpcs()
    with pytest.raises(stand.client("cloudwatch").exceptions.ClientError, match="AccessDenied"):
        stand.client("cloudwatch").list_metrics()
    assert "denied" not in names(stand)


def test_credentials_expire_after_so_many_calls_or_are_invalid(stand: Stand) -> None:
    stand.plane.faults.expire_after(2)
    assert names(stand)
    assert names(stand)
    with refused("ExpiredToken"):
        names(stand)
    with refused("ExpiredTokenException"):
        stand.client("glue").get_jobs()
    stand.plane.faults.clear()
    stand.plane.faults.invalid_keys.add("AKIANOBODYKNOWSTHIS0")
    with refused("InvalidClientTokenId"):
        stand.client("sts", key="AKIANOBODYKNOWSTHIS0").get_caller_identity()
    stand.plane.faults.expired_keys.add("AKIAOLDOLDOLDOLDOLD0")
    with refused("ExpiredToken"):
        stand.client("rds", key="AKIAOLDOLDOLDOLDOLD0").describe_db_clusters()
    assert names(stand)


def test_the_next_cluster_or_instance_ends_dead(stand: Stand) -> None:
    """FACTS 1.9."""
    stand.plane.faults.next_cluster_ends("incompatible-restore")
    stand.rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="stillborn", SourceDBClusterIdentifier="prod", UseLatestRestorableTime=True
    )
    assert "EarliestRestorableTime" not in settle(stand.rds, "stillborn", "incompatible-restore")
    stand.plane.faults.next_instance_ends("incompatible-network")
    stand.rds.create_db_instance(
        DBInstanceIdentifier="lonely", DBClusterIdentifier="prod", DBInstanceClass="db.r6g.large", Engine="aurora-mysql"
    )
    settle_instance(stand.rds, "lonely", "incompatible-network")


def test_a_zone_without_capacity_refuses_and_another_takes_the_instance(stand: Stand) -> None:
    stand.plane.faults.refuse_capacity("ap-northeast-1a")
    with refused("InsufficientDBInstanceCapacity", "ap-northeast-1a"):
        add_instance(stand.rds, "crowded", of="prod", AvailabilityZone="ap-northeast-1a")
    made = add_instance(stand.rds, "roomy", of="prod", AvailabilityZone="ap-northeast-1c")
    assert made["AvailabilityZone"] == "ap-northeast-1c"
    assert add_instance(stand.rds, "anywhere", of="prod")["AvailabilityZone"] != "ap-northeast-1a"


def test_hooks_are_called_around_each_mutating_call_only(stand: Stand) -> None:
    seen: list[tuple[str, bool]] = []

    def before(request: Request) -> None:
        seen.append((request.operation, request.parameters["DBClusterIdentifier"] in stand.plane.rds.clusters))

    stand.plane.faults.before = stand.plane.faults.after = before
    make(stand, "hooked")
    names(stand)
    assert seen == [("CreateDBCluster", False), ("CreateDBCluster", True)]


def test_the_log_has_every_request_and_tells_the_mutating_ones(stand: Stand) -> None:
    rds = stand.rds
    rds.describe_db_clusters()
    rds.add_tags_to_resource(
        ResourceName=cluster(rds, "prod")["DBClusterArn"], Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    )
    stand.client("secretsmanager").create_secret(Name="mine", SecretString="nobody may read this")
    stand.client("secretsmanager").get_secret_value(SecretId="mine")
    key = stand.client("kms").create_key()["KeyMetadata"]["KeyId"]
    stand.client("kms").describe_key(KeyId=key)
    stand.client("s3").create_bucket(
        Bucket="records", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"}
    )
    stand.client("s3").put_object(Bucket="records", Key="k/l", Body=b"nobody may read this")
    stand.client("s3").get_object(Bucket="records", Key="k/l")
    stand.client("sts").get_caller_identity()
    stand.client("service-quotas").list_aws_default_service_quotas(ServiceCode="vpc")
    log = list(stand.plane.requests)
    assert [str(request) for request in log if request.mutating] == [
        "rds:AddTagsToResource",
        "secretsmanager:CreateSecret",
        "kms:CreateKey",
        "s3:CreateBucket",
        "s3:PutObject",
    ]
    assert {"s3:GetObject", "sts:GetCallerIdentity", "service-quotas:ListAWSDefaultServiceQuotas"} <= {
        str(one) for one in log
    }
    (tagged,) = stand.plane.requests.of("AddTagsToResource")
    assert tagged.parameters["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert tagged.access_key == stand.plane.environment()["AWS_ACCESS_KEY_ID"]
    assert "nobody may read this" not in str(log)
    assert stand.plane.requests.mutating == tuple(request for request in log if request.mutating)


def test_an_operation_that_is_not_there_is_refused_not_retried(stand: Stand) -> None:
    with refused("InvalidAction", "rds:DescribeReservedDBInstances"):
        stand.client("rds", retries=3).describe_reserved_db_instances()
    assert len(stand.plane.requests.of("DescribeReservedDBInstances")) == 1


def test_a_second_stand_in_at_the_same_time_is_refused_in_one_sentence(stand: Stand) -> None:
    with pytest.raises(StepFailed, match="Another rehearsal's AWS is running in this process"):
        ControlPlane(None, pace=brisk()).start()


# In a process of its own, because this one has a stand-in running: started and closed several times, a child process
# sees only the stand-in, and moto and the environment are left as they were.
_LIFE = """
import os, subprocess, sys
from datetime import timedelta
import boto3
from moto.rds.models import RDSBackend, rds_backends
from runbook_lib.rehearsal.control import ControlPlane, brisk

os.environ["AWS_PROFILE"] = "somebody-elses"
for turn in range(2):
    plane = ControlPlane(None, pace=brisk(lag=timedelta(seconds=5)))
    plane.start()
    with plane.in_environment():
        rds = boto3.Session().client("rds")
        assert rds.describe_db_clusters()["DBClusters"] == []
        rds.create_db_cluster(
            DBClusterIdentifier="one", Engine="aurora-mysql", MasterUsername="a", MasterUserPassword="12345678"
        )
    plane.close()
    plane.close()
    assert rds_backends.backend is RDSBackend
assert os.environ["AWS_PROFILE"] == "somebody-elses"
assert "AWS_ENDPOINT_URL" not in os.environ
with ControlPlane(None, pace=brisk()) as plane:
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    told = subprocess.run([sys.executable, "-c", code], env=plane.whole_environment(), capture_output=True, text=True)
    assert told.stdout.strip() == plane.account, told.stderr
import threading
assert [one.name for one in threading.enumerate() if one.name.startswith(("rehearsal", "make"))] == []
print("left as it was")
"""


@pytest.mark.thorough
def test_stand_ins_follow_each_other_in_a_process_and_leave_it_as_it_was() -> None:
    told = subprocess.run([sys.executable, "-c", _LIFE], capture_output=True, text=True, env=dict(os.environ))
    assert told.stdout.strip() == "left as it was", told.stderr
