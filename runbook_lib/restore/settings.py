"""What becomes of each setting of a cluster when it is restored.

A restore resets most settings to AWS's defaults unless they are sent along; some can only be applied afterwards, and
some not at all. Source: RestoreDBClusterToPointInTime and ModifyDBCluster in the Amazon RDS API Reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runbook_lib.tags import TAG_PREFIX, tags_of

How = Literal["sent", "after", "by hand"]
Described = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of the source. `name` is AWS's member of DBCluster or DBInstance; `note` is for the reader."""

    name: str
    value: str
    how: How
    note: str = ""


Reader = Callable[[Described], Any]


def _same(name: str) -> Reader:
    return lambda described: described.get(name)


def _unless(name: str, default: Any) -> Reader:
    """Read a member that need not be sent where it has the value AWS gives anyway."""
    return lambda described: None if described.get(name) == default else described.get(name)


def _groups(described: Described) -> list[str]:
    return sorted(group["VpcSecurityGroupId"] for group in described.get("VpcSecurityGroups") or ())


def _log_exports(described: Described) -> list[str]:
    return sorted(described.get("EnabledCloudwatchLogsExports") or ())


def _scaling(described: Described) -> dict[str, Any] | None:
    wanted = ("MinCapacity", "MaxCapacity", "SecondsUntilAutoPause")
    found = described.get("ServerlessV2ScalingConfiguration") or {}
    return {name: found[name] for name in wanted if found.get(name) is not None} or None


def _roles(described: Described) -> list[dict[str, str]]:
    roles = [
        {name: role[name] for name in ("RoleArn", "FeatureName") if role.get(name)}
        for role in described.get("AssociatedRoles") or ()
    ]
    return sorted(roles, key=lambda role: (role.get("RoleArn", ""), role.get("FeatureName", "")))


def _domain(part: str) -> Reader:
    def read(described: Described) -> str | None:
        memberships = described.get("DomainMemberships") or ()
        return memberships[0].get(part) if memberships else None

    return read


def _has_secret(described: Described) -> bool | None:
    return True if (described.get("MasterUserSecret") or {}).get("SecretArn") else None


def _secret_key(described: Described) -> str | None:
    return (described.get("MasterUserSecret") or {}).get("KmsKeyId")


def _forwards_writes(described: Described) -> bool | None:
    return True if described.get("LocalWriteForwardingStatus") in ("enabled", "enabling", "requested") else None


SENT: dict[str, tuple[str, Reader]] = {
    # parameter of the restore call: (member of DBCluster, how to read its value)
    "Port": ("Port", _same("Port")),
    "DBSubnetGroupName": ("DBSubnetGroup", _same("DBSubnetGroup")),
    "VpcSecurityGroupIds": ("VpcSecurityGroups", _groups),
    "DBClusterParameterGroupName": ("DBClusterParameterGroup", _same("DBClusterParameterGroup")),
    "KmsKeyId": ("KmsKeyId", _same("KmsKeyId")),
    "EnableIAMDatabaseAuthentication": ("IAMDatabaseAuthenticationEnabled", _same("IAMDatabaseAuthenticationEnabled")),
    "EnableCloudwatchLogsExports": ("EnabledCloudwatchLogsExports", _log_exports),
    "DeletionProtection": ("DeletionProtection", _same("DeletionProtection")),
    "CopyTagsToSnapshot": ("CopyTagsToSnapshot", _same("CopyTagsToSnapshot")),
    "BacktrackWindow": ("BacktrackWindow", _same("BacktrackWindow")),
    "StorageType": ("StorageType", _same("StorageType")),
    "NetworkType": ("NetworkType", _same("NetworkType")),
    "ServerlessV2ScalingConfiguration": ("ServerlessV2ScalingConfiguration", _scaling),
    "BackupRetentionPeriod": ("BackupRetentionPeriod", _same("BackupRetentionPeriod")),
    "PreferredBackupWindow": ("PreferredBackupWindow", _same("PreferredBackupWindow")),
    "EngineLifecycleSupport": ("EngineLifecycleSupport", _same("EngineLifecycleSupport")),
    "EngineMode": ("EngineMode", _unless("EngineMode", "provisioned")),
    "AssociatedRoles": ("AssociatedRoles", _roles),
    "Domain": ("DomainMemberships", _domain("Domain")),
    "DomainIAMRoleName": ("DomainMemberships", _domain("IAMRoleName")),
}
"""Parameters of the restore call that carry a setting over; each would fall to AWS's default if left out."""

AFTER: dict[str, tuple[str, Reader]] = {
    # parameter of ModifyDBCluster: (member of DBCluster, how to read its value)
    "PreferredMaintenanceWindow": ("PreferredMaintenanceWindow", _same("PreferredMaintenanceWindow")),
    "AutoMinorVersionUpgrade": ("AutoMinorVersionUpgrade", _unless("AutoMinorVersionUpgrade", True)),
    "DatabaseInsightsMode": ("DatabaseInsightsMode", _unless("DatabaseInsightsMode", "standard")),
    "EnablePerformanceInsights": ("PerformanceInsightsEnabled", _unless("PerformanceInsightsEnabled", False)),
    "PerformanceInsightsKMSKeyId": ("PerformanceInsightsKMSKeyId", _same("PerformanceInsightsKMSKeyId")),
    "PerformanceInsightsRetentionPeriod": (
        "PerformanceInsightsRetentionPeriod",
        _unless("PerformanceInsightsRetentionPeriod", 0),
    ),
    "MonitoringInterval": ("MonitoringInterval", _unless("MonitoringInterval", 0)),
    "MonitoringRoleArn": ("MonitoringRoleArn", _same("MonitoringRoleArn")),
    "EnableLocalWriteForwarding": ("LocalWriteForwardingStatus", _forwards_writes),
}
"""Settings that the restore call refuses or does not know (boto/boto3#4634), applied once the copy is available."""

PASSWORD: dict[str, tuple[str, Reader]] = {
    "ManageMasterUserPassword": ("MasterUserSecret", _has_secret),
    "MasterUserSecretKmsKeyId": ("MasterUserSecret", _secret_key),
}
"""The copy's password is the one of the restore point, and AWS makes no secret for it (aws/aws-cdk#21730): where the
source has a managed password, the copy is given one of its own."""

COPY_OVERRIDES: dict[str, Any] = {"DeletionProtection": False, "BackupRetentionPeriod": 1, "BacktrackWindow": None}
"""What a throw-away copy gets instead of the source's setting: cheap to keep, easy to delete."""


def sent_with_restore(described: Described, *, throw_away: bool) -> dict[str, Any]:
    """Return the parameters of the restore call that carry the source's settings over.

    RestoreDBClusterToPointInTime and RestoreDBClusterFromSnapshot take the same ones.
    """
    found = _read(SENT, described) | (COPY_OVERRIDES if throw_away else {})
    return {name: value for name, value in found.items() if value is not None}


def applied_after(described: Described) -> dict[str, Any]:
    """Return the parameters of the ModifyDBCluster call that follows."""
    return _read(AFTER, described)


def as_changed(described: Described, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a cluster already is as a ModifyDBCluster call with these parameters would make it."""
    readers = {name: read for name, (_, read) in (AFTER | PASSWORD).items()}
    return all(readers[name](described) == value for name, value in wanted.items() if name in readers)


def managed_password(described: Described) -> dict[str, Any]:
    """Return the parameters of the ModifyDBCluster call that gives the copy a managed master password of its own."""
    return _read(PASSWORD, described)


def _read(parameters: Mapping[str, tuple[str, Reader]], described: Described) -> dict[str, Any]:
    found = {name: read(described) for name, (_, read) in parameters.items()}
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


def carried_tags(described: Described) -> list[dict[str, str]]:
    """Return the source's own tags; AWS's (aws:…) cannot be set, and those of an earlier restore do not fit."""
    return [
        {"Key": name, "Value": value}
        for name, value in sorted(tags_of(described).items())
        if not name.startswith(("aws:", TAG_PREFIX))
    ]


def by_hand(described: Described, *, throw_away: bool) -> tuple[Setting, ...]:
    """Return what no restore carries over, with what somebody has to do about it.

    What lies outside the cluster's own description (`OUTSIDE`) matters only when the copy takes the source's place.
    """
    found = []
    for name, why in BY_HAND.items():
        value = described.get(name)
        if value and value not in ("stopped", "disabled", "unknown"):
            found.append(Setting(name=name, value=brief(value), how="by hand", note=why))
    if not throw_away:
        found += [Setting(name=name, value="outside", how="by hand", note=note) for name, note in OUTSIDE.items()]
    return tuple(found)


BY_HAND = {
    "CustomEndpoints": "make custom endpoints for the copy; their names must be new while the source has them",
    "GlobalClusterIdentifier": "the copy is in no global database; add it there if it takes over",
    "GlobalWriteForwardingStatus": "turn write forwarding on again in the global database",
    "GlobalWriteForwardingRequested": "turn write forwarding on again in the global database",
    "ActivityStreamStatus": "start the database activity stream again on the copy",
    "ActivityStreamMode": "start the database activity stream again in this mode",
    "ActivityStreamKmsKeyId": "start the database activity stream again with this key",
    "ActivityStreamKinesisStreamName": "the activity stream gets another Kinesis stream; tell its readers",
    "HttpEndpointEnabled": "enable the Data API on the copy",
    "ReadReplicaIdentifiers": "these keep replicating from the source",
    "ReplicationSourceIdentifier": "the copy does not replicate from the source's own source",
    "ScalingConfigurationInfo": "Serverless v1 is no more; choose instances or Serverless v2",
    "AwsBackupRecoveryPointArn": "add the copy to the AWS Backup plan",
    "CrossAccountClone": "share the copy with the other account again",
}
"""Members of DBCluster that hold a setting which neither the restore nor a change afterwards takes."""

OUTSIDE = {
    "Terraform state": "import the copy, or the next apply makes a second cluster or destroys this one",
    "RDS Proxy": "register the copy as target; proxies keep pointing at the source",
    "CloudWatch alarms": "make them for the copy; they are by cluster and instance name",
    "event subscriptions": "add the copy to those that name clusters",
    "auto scaling of readers": "register the copy as a scalable target",
    "DNS names and application settings": "point them at the copy's endpoints, unless it takes the source's name",
}
"""What belongs to a cluster without being part of its description; AWS does not say whether it is there."""

NOT_SETTINGS = frozenset(
    {
        # what it is, where it is, how it is doing
        "AllocatedStorage", "AvailabilityZones", "Capacity", "CharacterSetName", "CloneGroupId", "ClusterCreateTime",
        "ClusterScalabilityType", "DBClusterArn", "DBClusterIdentifier", "DBClusterMembers", "DBClusterInstanceClass",
        "DBClusterOptionGroupMemberships", "DBSystemId", "DatabaseName", "DbClusterResourceId", "Endpoint",
        "HostedZoneId", "MultiAZ", "PercentProgress", "ReaderEndpoint", "Status", "StatusInfos",
        # moments and measures
        "AutomaticRestartTime", "BacktrackConsumedChangeRecords", "EarliestBacktrackTime", "EarliestRestorableTime",
        "IOOptimizedNextAllowedModificationTime", "LatestRestorableTime", "PendingModifiedValues",
        "ServerlessV2PlatformVersion", "UpgradeRolloutOrder",
        # carried by every restore, or fixed by the data (FACTS: engine version, KMS key, master user)
        "Engine", "EngineVersion", "MasterUsername", "StorageEncrypted", "StorageEncryptionType",
        # of other engines and cluster types only: Multi-AZ clusters, Limitless, PostgreSQL, RDS Custom
        "CertificateDetails",
        "InternetAccessGatewayEnabled", "Iops", "LimitlessDatabase", "PubliclyAccessible",
        "RdsCustomClusterConfiguration", "StorageThroughput", "VPCNetworkingEnabled",
        # sent on their own
        "TagList",
    }
)  # fmt: skip
"""Members of DBCluster that hold nothing a restore could carry."""


def settings_table(
    described: Described, *, sent: Mapping[str, Any], after: Mapping[str, Any], throw_away: bool
) -> tuple[Setting, ...]:
    """List what becomes of each setting, in the order a reader needs: sent, applied after, by hand."""
    rows = []
    for name, (member, read) in SENT.items():
        if name in sent:
            changed = throw_away and COPY_OVERRIDES.get(name, sent[name]) != read(described)
            note = f"the source has {brief(read(described))}; a copy is kept cheap" if changed else ""
            rows.append(Setting(name=member, value=brief(sent[name]), how="sent", note=note))
        elif throw_away and name in COPY_OVERRIDES and read(described):
            note = f"left out: the source has {brief(read(described))}; a copy is kept cheap"
            rows.append(Setting(name=member, value="—", how="sent", note=note))
    members = AFTER | PASSWORD
    rows += [Setting(name=members[name][0], value=brief(value), how="after") for name, value in after.items()]
    return (*rows, *by_hand(described, throw_away=throw_away))


def brief(value: Any) -> str:
    """Write an AWS value on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(brief(part) for part in value)
    return "yes" if value is True else "no" if value is False else str(value)
