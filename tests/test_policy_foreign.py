"""Policies of others, in the shapes of AWS's guides: each verdict worked out by hand from IAM's evaluation logic.

Sources, all of the IAM User Guide: "Policy evaluation logic", "IAM JSON policy elements" (Resource, NotAction,
NotResource, Condition), "Multivalued context keys", "Global condition context keys", "Example policies".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from runbook_lib.cli import cli

PROD = "arn:aws:rds:ap-northeast-1:123456789012:cluster:prod"
OURS = "arn:aws:rds:ap-northeast-1:123456789012"
READS = [
    "rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribeDBClusterSnapshots", "rds:DescribeEvents",
    "rds:DescribeDBClusterAutomatedBackups", "backup:ListRecoveryPointsByResource", "cloudwatch:GetMetricData",
    "glue:GetJobRuns", "glue:ListJobs", "secretsmanager:GetSecretValue", "kms:Decrypt",
]  # fmt: skip


def allow(**more: Any) -> dict[str, Any]:
    """Return a statement that allows what the inspection needs, changed as said."""
    return {"Effect": "Allow", "Action": READS, "Resource": "*", **more}


def deny(**more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": "*", "Resource": "*", **more}


def when(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


FINE: frozenset[str] = frozenset()
MISSING, DOUBT, WIDE = frozenset({"missing"}), frozenset({"could not judge"}), frozenset({"too wide"})
POLICIES: dict[str, tuple[list[dict[str, Any]], frozenset[str]]] = {
    "every read that is needed": ([allow()], FINE),
    "actions in another case: they are not case-sensitive": (
        [allow(Action=[action.upper().replace("RDS:", "rds:") for action in READS])],
        FINE,
    ),
    "an ARN that is cut short stands for all that follows": (
        [allow(), deny(Resource="arn:aws:rds"), deny(Action="rds:*", Resource="arn:aws:s3")],
        DOUBT,  # a Describe call has no resource of its own: AWS decides it on all of a kind
    ),
    "reads on the clusters of the account alone": (
        [allow(Action=[one for one in READS if "Clusters" not in one]),
         allow(Action="rds:DescribeDBClusters", Resource=f"{OURS}:cluster:*")],
        DOUBT,
    ),
    "one secret of all that may be needed": (
        [allow(Action=[one for one in READS if "Secret" not in one]),
         allow(Action="secretsmanager:GetSecretValue",
               Resource="arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!cluster-1-AbCdEf")],
        DOUBT,
    ),
    "secrets are denied by a part of their names": (
        [allow(), deny(Action="secretsmanager:*", Resource="arn:aws:secretsmanager:*:*:secret:rds!cluster-9*")],
        DOUBT,
    ),
    "other secrets are denied": (
        [allow(), deny(Action="secretsmanager:*", Resource="arn:aws:secretsmanager:*:*:secret:payroll/*")],
        FINE,
    ),
    "secrets of another partition are denied": (
        [allow(), deny(Action="secretsmanager:*", Resource="arn:aws-cn:secretsmanager:*:*:secret:*")],
        FINE,
    ),
    "all secrets are denied, with a mark for one letter in the region": (
        [allow(), deny(Action="secretsmanager:GetSecretValue", Resource="arn:aws:secretsmanager:*:*:*")],
        MISSING,
    ),
    "everything but the reads is denied": ([allow(), deny(Action=None, NotAction=READS)], FINE),
    "everything but other services is denied": ([allow(), deny(Action=None, NotAction=["s3:*", "iam:*"])], MISSING),
    "everything on what is no secret is denied": (
        [allow(), deny(Resource=None, NotResource="arn:aws:secretsmanager:*:*:secret:*")],
        DOUBT | MISSING,  # a key is no secret
    ),
    "allowed on all that is no bucket": (
        [allow(Resource=None, NotResource="arn:aws:s3:::*")],
        DOUBT | WIDE,  # a Describe call names no resource, so nobody can tell whether a bucket is meant
    ),
    "without TLS it is denied": ([allow(), deny(**when("Bool", "aws:SecureTransport", "false"))], FINE),
    "the same with IfExists": ([allow(), deny(**when("BoolIfExists", "aws:SecureTransport", "false"))], FINE),
    "with TLS it is denied": ([allow(), deny(**when("Bool", "aws:SecureTransport", True))], MISSING),
    "without a second factor it is denied": (
        [allow(), deny(**when("BoolIfExists", "aws:MultiFactorAuthPresent", "false"))],
        DOUBT,
    ),
    "outside the network of the office it is denied": (
        [allow(), deny(**when("NotIpAddress", "aws:SourceIp", ["192.0.2.0/24", "203.0.113.0/24"]))],
        DOUBT,
    ),
    "only through an endpoint of the VPC": ([allow(**when("StringEquals", "aws:SourceVpce", "vpce-1a2b3c4d"))], DOUBT),
    "only within the organisation": ([allow(**when("StringEquals", "aws:PrincipalOrgID", "o-exampleorgid"))], DOUBT),
    "only in this region": ([allow(**when("StringEquals", "aws:RequestedRegion", ["ap-northeast-1"]))], FINE),
    "only in the regions of a pattern": ([allow(**when("StringLike", "aws:RequestedRegion", "ap-*"))], FINE),
    "only in another region": ([allow(**when("StringEquals", "aws:RequestedRegion", "eu-west-1"))], MISSING),
    "denied outside Europe but for global services": (
        [allow(), deny(Action=None, NotAction=["iam:*", "sts:*"],
                       **when("StringNotEquals", "aws:RequestedRegion", ["eu-central-1"]))],
        MISSING,
    ),
    "until the end of a project": ([allow(**when("DateLessThan", "aws:CurrentTime", "2030-01-01T00:00:00Z"))], DOUBT),
    "for whoever has a tag": ([allow(**when("StringEquals", "aws:PrincipalTag/team", "database"))], DOUBT),
    "for a tag that is the resource's too": (
        [allow(**when("StringEquals", "aws:ResourceTag/team", "${aws:PrincipalTag/team}"))],
        MISSING | DOUBT,  # a Describe call has no tag to compare; a secret and a key have
    ),
    "for clusters of a tag, which a Describe call has not": (
        [allow(**when("StringEquals", "rds:cluster-tag/team", "database"))],
        MISSING | {"never true"},
    ),
    "unless a cluster has a tag, which a Describe call has not": (
        [allow(**when("StringNotEquals", "rds:cluster-tag/team", "payroll"))],
        FINE,
    ),
    "denied without a tag in the request": ([allow(), deny(**when("Null", "aws:RequestTag/owner", "true"))], MISSING),
    "denied for changes without a tag": (
        [allow(), deny(Action="rds:Create*", **when("Null", "aws:RequestTag/owner", True))],
        FINE,
    ),
    "tags of a list only, which no read sends": (
        [allow(**when("ForAllValues:StringEquals", "aws:TagKeys", ["owner", "team"]))],
        FINE,
    ),
    "any tag of a list, which no read sends": (
        [allow(**when("ForAnyValue:StringEquals", "aws:TagKeys", ["owner", "team"]))],
        MISSING,
    ),
    "denied for any tag beside a list": (
        [allow(), deny(**when("ForAnyValue:StringNotEquals", "aws:TagKeys", ["owner", "team"]))],
        FINE,
    ),
    "several conditions that all have to hold": (
        [allow(Condition={"Bool": {"aws:SecureTransport": "true"},
                          "StringLike": {"aws:RequestedRegion": ["ap-*", "eu-*"], "aws:TagKeys": "x"}})],
        MISSING,
    ),
    "several conditions, of which one is not known": (
        [allow(Condition={"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"aws:PrincipalType": "User"}})],
        DOUBT,
    ),
    "two statements of which either would do": (
        [allow(**when("StringEquals", "aws:PrincipalTag/team", "database")), allow()],
        FINE,
    ),
    "an operator that nobody knows": ([allow(), deny(**when("StringMatches", "aws:SecureTransport", "true"))], DOUBT),
    "a denial of a service that is not asked": ([allow(), deny(Action="s3:*")], FINE),
    "the reads by a pattern": (
        [allow(Action=["rds:Describe*", *READS[5:]])],
        FINE,
    ),
    "everything, as an administrator": ([allow(Action="*")], WIDE),
    "everything by a pattern with a colon": ([allow(Action="*:*")], WIDE),
    "secrets without the key they are under": ([allow(Action=READS[:-1])], MISSING),
    "the key for another service": (
        [allow(Action=READS[:-1]),
         allow(Action="kms:Decrypt", **when("StringEquals", "kms:ViaService", "s3.ap-northeast-1.amazonaws.com"))],
        MISSING,
    ),
    "the key through the service of the secrets": (
        [allow(Action=READS[:-1]),
         allow(Action="kms:Decrypt",
               **when("StringLike", "kms:ViaService", "secretsmanager.*.amazonaws.com"))],
        FINE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_of_somebody_else_is_judged_as_iam_would_or_it_is_said_that_it_could_not_be(
    name: str, tmp_path: Path
) -> None:
    statements, expected = POLICIES[name]
    kept = [{key: value for key, value in one.items() if value is not None} for one in statements]
    given = tmp_path / "policy.json"
    given.write_text(json.dumps({"Version": "2012-10-17", "Statement": kept}))
    arguments = ["policy", "inspect_backups", "--source", PROD, "--check", str(given)]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
    lines = done.output.splitlines()
    found = {line.partition(":")[0] for line in lines} - {"Nothing is missing, and nothing is too wide."}
    assert found == expected, lines
    assert done.return_value == (3 if expected else 0)


def test_a_wildcard_that_would_go_beyond_its_part_of_an_arn_is_not_guessed(tmp_path: Path) -> None:
    given = tmp_path / "policy.json"
    crossing = {"Effect": "Deny", "Action": "rds:*", "Resource": "arn:aws:rds:*:cluster:prod*"}
    wide = {"Effect": "Allow", "Action": "rds:*", "Resource": "*"}
    given.write_text(json.dumps({"Version": "2012-10-17", "Statement": [wide, crossing]}))
    arguments = ["policy", "restore_to_timestamp", "--source", PROD, "--check", str(given)]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
    doubts = [line for line in done.output.splitlines() if line.startswith("could not judge")]
    assert any("rds:RestoreDBClusterToPointInTime" in line and crossing["Resource"] in line for line in doubts)
