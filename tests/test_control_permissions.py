"""IAM of the rehearsal's AWS: a policy means there what it means on AWS, as far as a recovery needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runbook_lib.policy.evaluation import Wanted, is_allowed
from runbook_lib.policy.reading import read_document
from tests.control_support import Stand, add_instance, cluster, plain_cluster, refused, settle, stand_in

PREFIX = "arn:aws:rds:ap-northeast-1:123456789012"
LATEST = {"SourceDBClusterIdentifier": "prod", "UseLatestRestorableTime": True}
TAGS = [{"Key": "incident", "Value": "42"}]


def allow(*actions: str, on: Any = "*", when: Any = None, effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": list(actions), "Resource": on, **({"Condition": when} if when else {})}


# The right shape of FACTS 1.17.
LEAST = [
    allow("rds:Describe*"),
    allow(
        "rds:RestoreDBClusterToPointInTime",
        on=[
            f"{PREFIX}:cluster:prod",
            f"{PREFIX}:cluster:prod-restored-*",
            f"{PREFIX}:cluster-pg:*",
            f"{PREFIX}:og:*",
            f"{PREFIX}:subgrp:*",
        ],
        when={"StringLike": {"aws:RequestTag/incident": "*"}},
    ),
    allow("rds:AddTagsToResource", on=f"{PREFIX}:cluster:prod-restored-*"),
    allow(
        "rds:ModifyDBCluster",
        "rds:DeleteDBCluster",
        on=f"{PREFIX}:cluster:*",
        when={"Null": {"aws:ResourceTag/incident": "false"}},
    ),
    allow("rds:DeleteDBCluster", on=f"{PREFIX}:cluster:prod", effect="Deny"),
]
# The background document's statement: Resource "*" with a condition that exists on clusters only.
BACKGROUND = [
    allow("rds:DescribeDBClusters", "rds:ListTagsForResource", when={"StringLike": {"rds:cluster-tag/ManagedBy": "x"}})
]


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with stand_in() as running:
        plain_cluster(running.rds, "prod", Tags=[{"Key": "ManagedBy", "Value": "x"}])
        yield running


def user(stand: Stand, name: str, statements: list[dict[str, Any]]) -> Any:
    """Return an RDS client of a new IAM user with these permissions, checked from now on."""
    iam = stand.client("iam")
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    stand.plane.permissions.enforce(key)
    return stand.client("rds", key=key)


def test_the_background_documents_policy_denies_what_it_means_to_allow(stand: Stand) -> None:
    """FACTS 1.17 (derived)."""
    rds = user(stand, "background", BACKGROUND)
    with refused("AccessDenied", "rds:DescribeDBClusters"):
        rds.describe_db_clusters()


def test_a_least_privilege_policy_lets_the_restore_through_and_nothing_beside_it(stand: Stand) -> None:
    """FACTS 1.17."""
    rds = user(stand, "runbook", LEAST)
    with refused("AccessDenied", "cluster:elsewhere"):
        rds.restore_db_cluster_to_point_in_time(DBClusterIdentifier="elsewhere", Tags=TAGS, **LATEST)
    with refused("AccessDenied", "rds:RestoreDBClusterToPointInTime"):
        rds.restore_db_cluster_to_point_in_time(DBClusterIdentifier="prod-restored-untagged", **LATEST)
    rds.restore_db_cluster_to_point_in_time(DBClusterIdentifier="prod-restored-1", Tags=TAGS, **LATEST)
    settle(rds, "prod-restored-1")
    rds.modify_db_cluster(DBClusterIdentifier="prod-restored-1", BackupRetentionPeriod=1)
    settle(rds, "prod-restored-1")
    for act in (rds.modify_db_cluster, rds.delete_db_cluster):
        with refused("AccessDenied", "cluster:prod"):
            act(DBClusterIdentifier="prod")
    with refused("AccessDenied", "rds:CreateDBInstance"):
        add_instance(rds, "prod-restored-1-1", of="prod-restored-1")
    with refused("AccessDenied", "secretsmanager:CreateSecret"):
        rds.modify_db_cluster(DBClusterIdentifier="prod-restored-1", ManageMasterUserPassword=True)
    rds.delete_db_cluster(DBClusterIdentifier="prod-restored-1", SkipFinalSnapshot=True)
    assert cluster(rds, "prod")["Status"] == "available"


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (allow("rds:delete*", on="arn:aws:rds:eu-west-1:123456789012:cluster:*"), True),
        (allow("rds:Create*"), False),
        (allow("rds:DeleteDBCluster", on="arn:aws:rds:eu-west-1:123456789012:cluster:c"), False),
        ({"Effect": "Allow", "NotAction": "rds:Delete*", "Resource": "*"}, False),
        (allow("*", when={"StringEquals": {"aws:ResourceTag/team": "data"}}), True),
        (allow("*", when={"StringEquals": {"aws:ResourceTag/team": "Data"}}), False),
        (allow("*", when={"StringNotEquals": {"aws:ResourceTag/team": "data"}}), False),
        (allow("*", when={"StringNotEquals": {"aws:ResourceTag/other": "data"}}), True),
        (allow("*", when={"StringLike": {"aws:ResourceTag/other": "*"}}), False),
        (allow("*", when={"StringLikeIfExists": {"aws:ResourceTag/other": "x"}}), True),
        (allow("*", when={"Null": {"aws:ResourceTag/other": "true"}}), True),
        (allow("*", when={"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}), True),
        (allow("*", when={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}), False),
        (allow("*", when={"ForAnyValue:StringEquals": {"aws:TagKeys": ["b", "c"]}}), True),
    ],
)
def test_a_statement_means_what_iam_says(statement: dict[str, Any], allowed: bool) -> None:
    """IAM User Guide, "IAM JSON policy elements: Condition operators"."""
    context = {"aws:ResourceTag/team": ["data"], "aws:TagKeys": ["a", "b"]}
    resource = "arn:aws:rds:eu-west-1:123456789012:cluster:b"
    wanted = Wanted(action="rds:DeleteDBCluster", resource=resource, context=context, is_whole=True)
    assert is_allowed(read_document({"Statement": statement}), wanted) is allowed
    assert not is_allowed(read_document({"Statement": [statement, allow("*", effect="Deny")]}), wanted)
