"""Is everything there that the calls name: parameter groups, subnet group, security groups, key?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runbook_lib.aws import AwsCall, AwsSession, declare
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.clusters import Cluster
from runbook_lib.errors import NotFound
from runbook_lib.looking import Seen, look
from runbook_lib.restore.plan import RestorePlan

CLUSTER_GROUPS = declare("rds", "DescribeDBClusterParameterGroups", items="DBClusterParameterGroups")
INSTANCE_GROUPS = declare("rds", "DescribeDBParameterGroups", items="DBParameterGroups")
SUBNET_GROUPS = declare("rds", "DescribeDBSubnetGroups", items="DBSubnetGroups")
SECURITY_GROUPS = declare("ec2", "DescribeSecurityGroups", items="SecurityGroups")
DESCRIBE_KEY = declare("kms", "DescribeKey")

_GROUPS: dict[str, tuple[AwsCall, str]] = {
    # parameter of a planned call: how to look it up, what it is
    "DBClusterParameterGroupName": (CLUSTER_GROUPS, "cluster parameter group"),
    "DBParameterGroupName": (INSTANCE_GROUPS, "instance parameter group"),
    "DBSubnetGroupName": (SUBNET_GROUPS, "subnet group"),
}


def check_groups(session: AwsSession, plan: RestorePlan) -> Check:
    """Tell whether the parameter groups and the subnet group of the plan exist."""
    named = {
        (parameter, str(call.request[parameter]))
        for call in plan.calls
        for parameter in _GROUPS
        if call.request.get(parameter)
    }
    missing = look(
        lambda: [(_GROUPS[kind][1], name) for kind, name in sorted(named) if not _exists(session, kind, name)]
    )
    return judge_groups(missing, count=len(named))


def _exists(session: AwsSession, parameter: str, name: str) -> bool:
    call, _ = _GROUPS[parameter]
    try:
        return bool(call(session, **{parameter: name})[call.items])
    except NotFound:
        return False


def judge_groups(missing: Seen[tuple[str, str]], *, count: int) -> Check:
    """Decide from the groups that are missing, each with what it is."""
    subject = "parameter and subnet groups"
    if missing.why_not:
        return unknown(subject, f"Whether they exist {missing.why_not}")
    if missing:
        listed = ", ".join(f"{kind} {name}" for kind, name in missing)
        return bad(subject, f"Not there any more: {listed}.", "Make it again as it was, or change it on the source.")
    return ok(subject, f"All {count} that the plan names exist.")


def check_security_groups(session: AwsSession, plan: RestorePlan) -> Check:
    """Tell whether the security groups exist, and whether they are more than the VPC's default."""
    wanted = [group for call in plan.calls for group in call.request.get("VpcSecurityGroupIds") or ()]
    if not wanted:
        return judge_security_groups(wanted, Seen())
    filters = [{"Name": "group-id", "Values": wanted}]
    return judge_security_groups(wanted, look(lambda: SECURITY_GROUPS.pages(session, Filters=filters)))


def judge_security_groups(wanted: list[str], found: Seen[dict[str, Any]]) -> Check:
    """Decide from the groups that the plan sends and EC2's description of those that exist."""
    subject = "security groups"
    if found.why_not:
        return unknown(subject, f"Whether they exist {found.why_not}")
    if missing := [name for name in wanted if name not in {group["GroupId"] for group in found}]:
        return bad(subject, f"Not there any more: {', '.join(missing)}.", "Correct the groups of the source.")
    if all(group.get("GroupName") == "default" for group in found):
        return warn(
            subject,
            "The copy gets only the VPC's default security group: applications may not reach it, others may.",
            "Give the copy the right group afterwards (ModifyDBCluster, VpcSecurityGroupIds).",
        )
    return ok(subject, ", ".join(f"{group.get('GroupName')} ({group['GroupId']})" for group in found) + ".")


def key_of(session: AwsSession, source: Cluster) -> Seen[Mapping[str, Any]]:
    """Read the KMS key of the data; nothing when it is not encrypted."""
    name = str(source.raw.get("KmsKeyId") or "")

    def read() -> Iterator[Mapping[str, Any]]:
        if name:
            try:
                yield DESCRIBE_KEY(session, KeyId=name)["KeyMetadata"]
            except NotFound:
                yield {"Arn": name, "KeyState": "missing"}

    described: Callable[[], Iterator[Mapping[str, Any]]] = read
    return look(described)


def customers_own(key: Seen[Mapping[str, Any]], source: Cluster) -> str:
    """Return the ARN of the key if it is one of the customer's own: only then the caller needs its grant.

    A key that could not be looked at is taken for the customer's: asking for a permission too many stops nothing.
    """
    named = str(source.raw.get("KmsKeyId") or "")
    if key.why_not and named.startswith("arn:"):
        return named
    return next((str(held.get("Arn", "")) or named for held in key if held.get("KeyManager") != "AWS"), "")


def check_key(source: Cluster, key: Seen[Mapping[str, Any]]) -> Check:
    """Decide from the key's state. A restore stays under the source's key."""
    subject = "KMS key"
    if key.why_not:
        return unknown(subject, f"Whether it can be used {key.why_not}")
    if not key:
        return _without_key(source)
    state, arn = str(key[0].get("KeyState") or ""), key[0].get("Arn") or source.raw.get("KmsKeyId", "")
    if not state:
        return unknown(subject, f"AWS does not say in which state the key {arn} is")
    if state != "Enabled":
        return bad(
            subject,
            f"The key {arn} is {state}.",
            "Enable it, or cancel its deletion, before anything else: without it the data and its backups are lost.",
        )
    return ok(subject, f"{arn} is enabled.")


def _without_key(source: Cluster) -> Check:
    """Say how the copy is encrypted: since 2026-02-18 AWS does it for every restore, by a key of its own."""
    subject, kind = "KMS key", source.raw.get("StorageEncryptionType")
    if source.raw.get("StorageEncrypted") or kind == "sse-rds":
        return ok(subject, f"{source.identifier} is encrypted by a key of AWS's own; no key of yours is needed.")
    if source.raw.get("StorageEncrypted") is None and kind is None:
        return unknown(subject, f"AWS does not say whether {source.identifier} is encrypted")
    return ok(subject, f"{source.identifier} is not encrypted; AWS encrypts the copy by a key of its own.")
