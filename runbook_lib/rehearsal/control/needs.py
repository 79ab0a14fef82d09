"""Which permissions a request needs, on which resources: the stand-in's own reading of AWS's reference.

It shares nothing with `policy.needs` on purpose, although both read the same pages: the stand-in is what shows that the
library's list is complete, so a mistake in one of the two makes a test fail instead of hiding in both.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon RDS"; for the secret of a
managed password, Aurora User Guide, "Permissions required for Secrets Manager integration".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runbook_lib.policy.evaluation import Wanted
from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.request_log import Request

# Parameter -> type of the RDS resource it names. `og` is among them: every cluster has the default option group.
_NAMED = {
    "DBClusterIdentifier": "cluster",
    "SourceDBClusterIdentifier": "cluster",
    "DBInstanceIdentifier": "db",
    "DBClusterParameterGroupName": "cluster-pg",
    "DBParameterGroupName": "pg",
    "DBSubnetGroupName": "subgrp",
    "OptionGroupName": "og",
    "SnapshotIdentifier": "cluster-snapshot",
    "DBClusterSnapshotIdentifier": "cluster-snapshot",
    "SourceDBClusterSnapshotIdentifier": "cluster-snapshot",
    "TargetDBClusterSnapshotIdentifier": "cluster-snapshot",
    "FinalDBSnapshotIdentifier": "cluster-snapshot",
    "DBClusterEndpointIdentifier": "cluster-endpoint",
}
# What a restore is authorised on although the request does not name it: the default groups it falls to.
_DEFAULTS = {"cluster-pg": "default.aurora-mysql8.0", "og": "default:aurora-mysql-8-0", "subgrp": "default"}
_RESTORES = ("RestoreDBClusterToPointInTime", "RestoreDBClusterFromSnapshot")
# What a request makes, and so puts its tags on; a cluster unless said.
_MADE = {
    "CreateDBInstance": "db",
    "CreateDBClusterSnapshot": "cluster-snapshot",
    "CopyDBClusterSnapshot": "cluster-snapshot",
    "CreateDBClusterEndpoint": "cluster-endpoint",
}


def needs_of(request: Request, rds: AuroraBackend) -> Iterator[Wanted]:
    """Return every permission that a request needs; other services than RDS are asked for the action alone."""
    if request.service != "rds":
        yield Wanted(action=str(request), resource=_other_resource(request))
        return
    sent = {tag["Key"]: tag["Value"] for tag in request.parameters.get("Tags") or () if "Key" in tag}
    asked: dict[str, list[str]] = {f"aws:RequestTag/{key}": [value] for key, value in sent.items()}
    asked |= {f"rds:req-tag/{key}": [value] for key, value in sent.items()}
    if keys := [*sent, *(request.parameters.get("TagKeys") or ())]:
        asked["aws:TagKeys"] = keys
    if not request.mutating:
        yield Wanted(action=str(request), context=asked)  # a Describe names no resource that a condition could use
        return
    arns = list(_arns(request, rds))
    for arn in arns or ["*"]:
        yield Wanted(action=str(request), resource=arn, context=asked | _own_tags(arn, rds))
    if sent and request.operation != "AddTagsToResource":
        made = next((arn for arn in arns if f":{_MADE.get(request.operation, 'cluster')}:" in arn), "*")
        yield Wanted(action="rds:AddTagsToResource", resource=made, context=asked)
    if str(request.parameters.get("ManageMasterUserPassword", "")).lower() == "true":
        secrets = f"arn:aws:secretsmanager:{rds.region_name}:{rds.account_id}:secret:rds!cluster-new"
        for action in ("secretsmanager:CreateSecret", "secretsmanager:TagResource"):
            yield Wanted(action=action, resource=secrets)
        yield Wanted(action="kms:DescribeKey", resource=f"arn:aws:kms:{rds.region_name}:{rds.account_id}:key/managed")
        if key := str(request.parameters.get("MasterUserSecretKmsKeyId") or ""):
            arn = key if key.startswith("arn:") else f"arn:aws:kms:{rds.region_name}:{rds.account_id}:key/{key}"
            via = {"kms:ViaService": [f"secretsmanager.{rds.region_name}.amazonaws.com"]}
            yield Wanted(action="kms:GenerateDataKey", resource=arn, context=via)
    if request.operation in _RESTORES:
        yield from _roles(request.parameters, rds)


def _roles(parameters: Mapping[str, Any], rds: AuroraBackend) -> Iterator[Wanted]:
    """Return the roles that a restore passes on. Source: "dependent actions" of both restores in the reference."""
    context = {"iam:PassedToService": ["rds.amazonaws.com"]}
    for role in parameters.get("AssociatedRoles") or ():
        yield Wanted(action="iam:PassRole", resource=str(role.get("RoleArn", "")), context=context)
    if name := parameters.get("DomainIAMRoleName"):
        arn = f"arn:aws:iam::{rds.account_id}:role/{name}"
        yield Wanted(action="iam:PassRole", resource=arn, context=context)


def _arns(request: Request, rds: AuroraBackend) -> Iterator[str]:
    parameters: Mapping[str, Any] = request.parameters
    if name := parameters.get("ResourceName"):
        yield str(name)
    prefix = f"arn:aws:rds:{rds.region_name}:{rds.account_id}"
    seen = set()
    for parameter, kind in _NAMED.items():
        if value := parameters.get(parameter):
            seen.add(kind)
            yield str(value) if str(value).startswith("arn:") else f"{prefix}:{kind}:{str(value).lower()}"
    if request.operation in _RESTORES:
        yield from (f"{prefix}:{kind}:{name}" for kind, name in _DEFAULTS.items() if kind not in seen)


def _own_tags(arn: str, rds: AuroraBackend) -> dict[str, list[str]]:
    """Return the tags a resource has; `rds:cluster-tag` is there on clusters only, `rds:db-tag` on instances."""
    kind, _, name = arn.partition(":rds:")[2].partition(":")[2].partition(":")[2].partition(":")
    held = {"cluster": rds.clusters, "db": rds.databases, "cluster-snapshot": rds.cluster_snapshots}.get(kind)
    found = held.get(name) if held is not None else None  # type: ignore[attr-defined]  # mappings of different models
    tags = {tag["Key"]: [tag["Value"]] for tag in found.tags} if found is not None else {}
    own = {"cluster": "rds:cluster-tag", "db": "rds:db-tag", "cluster-snapshot": "rds:cluster-snapshot-tag"}.get(kind)
    return {f"{prefix}/{key}": values for prefix in ("aws:ResourceTag", own) if prefix for key, values in tags.items()}


def _other_resource(request: Request) -> str:
    """Name what another service is asked about by its ARN, where the request says it so."""
    for parameter in ("SecretId", "KeyId", "ResourceArn", "RoleArn"):
        if str(request.parameters.get(parameter, "")).startswith("arn:"):
            return str(request.parameters[parameter])
    return "*"
