"""Which permissions a planned call needs: on which resources, in which context, and what it needs beside its own.

The checks before a restore ask IAM about these. `rehearsal.control.needs` says the same of a request that has come in,
and is written apart on purpose, from the same pages of AWS: what one of the two forgets, the other one shows.

Sources: Service Authorization Reference, "Actions, resources, and condition keys for Amazon RDS"; Aurora User Guide,
"Password management with Aurora and AWS Secrets Manager" and "Encrypting Amazon Aurora resources".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.aws import declared

Context = Mapping[str, tuple[str, ...]]

KINDS = {
    # parameter of a request: type of the RDS resource it names
    "DBClusterIdentifier": "cluster",
    "SourceDBClusterIdentifier": "cluster",
    "SourceDbClusterResourceId": "cluster-auto-backup",
    "DBInstanceIdentifier": "db",
    "DBClusterParameterGroupName": "cluster-pg",
    "DBParameterGroupName": "pg",
    "DBSubnetGroupName": "subgrp",
    "OptionGroupName": "og",
    "SnapshotIdentifier": "cluster-snapshot",
    "DBClusterSnapshotIdentifier": "cluster-snapshot",
    "DBClusterEndpointIdentifier": "cluster-endpoint",
}
RESTORES = ("RestoreDBClusterToPointInTime", "RestoreDBClusterFromSnapshot")
_FALLS_TO = {"cluster-pg": "default.aurora-mysql8.0", "og": "default:aurora-mysql-8-0", "subgrp": "default"}
_MADE = {"CreateDBInstance": "db", "CreateDBClusterEndpoint": "cluster-endpoint"}
_ADD_TAGS = "rds:AddTagsToResource"

MANAGED_PASSWORD = ("secretsmanager:CreateSecret", "secretsmanager:TagResource", "kms:DescribeKey")
SECRET_KEY = ("kms:GenerateDataKey",)
"""What a managed password under a key of the customer's needs beside."""
PASSED_TO = "rds.amazonaws.com"
BESIDE = {
    "RestoreDBClusterToPointInTime": ("kms:CreateGrant", "iam:PassRole"),
    "RestoreDBClusterFromSnapshot": ("kms:CreateGrant", "iam:PassRole"),
    "ModifyDBCluster": (*MANAGED_PASSWORD, *SECRET_KEY),
    "CreateDBInstance": ("iam:PassRole",),
}
"""What AWS asks of the caller beside the operation's own permission, when its parameters call for it."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """One permission on one resource. `context` are the condition keys that AWS will find when it decides."""

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Several actions, each on several resources, in one context."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    context: Context


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the resources are, and what will be known of those that are not made yet.

    `tags` are those that whatever the plan makes will carry; `held` are those of resources that exist, by ARN.
    `key` is the customer's own KMS key the data is under, empty for AWS's.
    """

    partition: str
    region: str
    account: str
    tags: Mapping[str, str]
    held: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    key: str = ""

    def arn(self, service: str, rest: str) -> str:
        """Write the ARN of something in this region and account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


def place_of(arn: str, *, account: str = "", **known: Any) -> Place:
    """Return the place of an RDS resource by its ARN, in another account where one is given."""
    _, partition, _, region, owner, *_ = arn.split(":")
    return Place(partition=partition, region=region, account=account or owner, **known)


def needs_of_call(operation: str, request: Mapping[str, Any], *, place: Place) -> Iterator[Need]:
    """Return every permission that one RDS request needs, those of the declared call and those of its parameters."""
    call = next(call for call in declared() if (call.service, call.operation) == ("rds", operation))
    sent = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
    asked = _request_tags(sent | dict(place.tags)) if sent else {}
    arns = [*_arns(operation, request, place)]
    own = [permission for permission in call.permissions if permission != _ADD_TAGS]
    for action in own:
        yield from (Need(action=action, resource=arn, context={**asked, **_tags_of(arn, place)}) for arn in arns)
    if sent:
        kind = _MADE.get(operation, "cluster")
        made = place.arn("rds", f"{kind}:{request[_parameter_of(kind)]}")
        yield Need(action=_ADD_TAGS, resource=made, context=asked)
    if request.get("ManageMasterUserPassword"):
        secret, key = place.arn("secretsmanager", "secret:rds!cluster-new"), place.arn("kms", "key/managed")
        yield from (Need(action=action, resource=secret) for action in MANAGED_PASSWORD[:2])
        yield Need(action=MANAGED_PASSWORD[2], resource=key)
        if own_key := str(request.get("MasterUserSecretKmsKeyId") or ""):
            via = {"kms:ViaService": (f"secretsmanager.{place.region}.amazonaws.com",)}
            named = own_key if own_key.startswith("arn:") else place.arn("kms", f"key/{own_key}")
            yield from (Need(action=action, resource=named, context=via) for action in SECRET_KEY)
    yield from _passed_roles(operation, request, place)
    if role := request.get("MonitoringRoleArn"):
        context = {"iam:PassedToService": ("monitoring.rds.amazonaws.com",)}
        yield Need(action="iam:PassRole", resource=str(role), context=context)
    if place.key and operation in RESTORES:
        context = {
            "kms:GrantIsForAWSResource": ("true",),
            "kms:ViaService": (f"rds.{place.region}.amazonaws.com",),
        }
        yield Need(action="kms:CreateGrant", resource=place.key, context=context)


def _passed_roles(operation: str, request: Mapping[str, Any], place: Place) -> Iterator[Need]:
    """Return the roles that a restore passes on: those of the cluster, and the one that joins it to a directory.

    Source: Service Authorization Reference, Amazon RDS, dependent actions of the two restores.
    """
    if operation not in RESTORES:
        return
    roles = [str(role["RoleArn"]) for role in request.get("AssociatedRoles") or () if role.get("RoleArn")]
    if name := str(request.get("DomainIAMRoleName") or ""):
        roles.append(f"arn:{place.partition}:iam::{place.account}:role/{name}")
    for role in roles:
        yield Need(action="iam:PassRole", resource=role, context={"iam:PassedToService": (PASSED_TO,)})


def reading_a_secret(arn: str, *, place: Place) -> Iterator[Need]:
    """Return what reading a database account needs; the key only when the secret is under one of the customer's."""
    yield Need(action="secretsmanager:GetSecretValue", resource=arn)
    via = {"kms:ViaService": (f"secretsmanager.{place.region}.amazonaws.com",)}
    yield Need(action="kms:Decrypt", resource=place.arn("kms", "key/of-the-secret"), context=via)


def _parameter_of(kind: str) -> str:
    return next(parameter for parameter, named in KINDS.items() if named == kind)


def _arns(operation: str, request: Mapping[str, Any], place: Place) -> Iterator[str]:
    named: dict[str, list[str]] = {}
    for parameter, kind in KINDS.items():
        if value := request.get(parameter):
            named.setdefault(kind, []).append(str(value))
    if operation in RESTORES:
        named = {kind: [name] for kind, name in _FALLS_TO.items()} | named
    for kind, names in named.items():
        yield from (name if name.startswith("arn:") else place.arn("rds", f"{kind}:{name}") for name in names)


def _request_tags(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    both = {f"{prefix}/{key}": (value,) for prefix in ("aws:RequestTag", "rds:req-tag") for key, value in tags.items()}
    return both | {"aws:TagKeys": tuple(tags)}


def _tags_of(arn: str, place: Place) -> dict[str, tuple[str, ...]]:
    """Return the tags of the resource; `rds:cluster-tag` is there on clusters only, `rds:db-tag` on instances."""
    held: Mapping[str, str] = place.held.get(arn, {})
    own = "rds:cluster-tag" if ":cluster:" in arn else "rds:db-tag" if ":db:" in arn else ""
    return {f"{prefix}/{key}": (value,) for prefix in ("aws:ResourceTag", own) if prefix for key, value in held.items()}


def together(needs: Sequence[Need]) -> list[Question]:
    """Group needs into questions that ask for nothing beside them: every action on every resource of a question."""
    by_action: dict[tuple[str, tuple[Any, ...]], list[str]] = {}
    for need in needs:
        resources = by_action.setdefault((need.action, tuple(sorted(need.context.items()))), [])
        if need.resource not in resources:
            resources.append(need.resource)
    questions: dict[tuple[tuple[str, ...], tuple[Any, ...]], list[str]] = {}
    for (action, context), resources in by_action.items():
        questions.setdefault((tuple(resources), context), []).append(action)
    return [
        Question(actions=tuple(actions), resources=resources, context=dict(context))
        for (resources, context), actions in questions.items()
    ]
