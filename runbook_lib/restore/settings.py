"""What becomes of each setting of a cluster when it is restored.

A restore resets most settings to AWS's defaults unless they are sent along; some can only be applied afterwards, and
some not at all. Source: RestoreDBClusterToPointInTime and ModifyDBCluster in the Amazon RDS API Reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runbook_lib.clusters import TAG_PREFIX

How = Literal["sent", "after", "by hand"]
Described = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of the source. `name` is AWS's member of DBCluster or DBInstance; `note` is for the reader."""

    name: str
    value: str
    how: How
    note: str = ""


def _groups(described: Described) -> list[str]:
    return [group["VpcSecurityGroupId"] for group in described.get("VpcSecurityGroups") or ()]


def _scaling(described: Described) -> dict[str, Any] | None:
    wanted = ("MinCapacity", "MaxCapacity", "SecondsUntilAutoPause")
    found = described.get("ServerlessV2ScalingConfiguration") or {}
    return {name: found[name] for name in wanted if found.get(name) is not None} or None


def _roles(described: Described) -> list[dict[str, str]]:
    return [
        {name: role[name] for name in ("RoleArn", "FeatureName") if role.get(name)}
        for role in described.get("AssociatedRoles") or ()
    ]


def _domain(part: str) -> Callable[[Described], str | None]:
    def read(described: Described) -> str | None:
        memberships = described.get("DomainMemberships") or ()
        return memberships[0].get(part) if memberships else None

    return read


def _same(name: str) -> Callable[[Described], Any]:
    return lambda described: described.get(name)


SENT: dict[str, tuple[str, Callable[[Described], Any]]] = {
    # request parameter: (member of DBCluster, how to read its value)
    "Port": ("Port", _same("Port")),
    "DBSubnetGroupName": ("DBSubnetGroup", _same("DBSubnetGroup")),
    "VpcSecurityGroupIds": ("VpcSecurityGroups", _groups),
    "DBClusterParameterGroupName": ("DBClusterParameterGroup", _same("DBClusterParameterGroup")),
    "KmsKeyId": ("KmsKeyId", _same("KmsKeyId")),
    "EnableIAMDatabaseAuthentication": (
        "IAMDatabaseAuthenticationEnabled",
        _same("IAMDatabaseAuthenticationEnabled"),
    ),
    "EnableCloudwatchLogsExports": ("EnabledCloudwatchLogsExports", _same("EnabledCloudwatchLogsExports")),
    "DeletionProtection": ("DeletionProtection", _same("DeletionProtection")),
    "CopyTagsToSnapshot": ("CopyTagsToSnapshot", _same("CopyTagsToSnapshot")),
    "BacktrackWindow": ("BacktrackWindow", _same("BacktrackWindow")),
    "StorageType": ("StorageType", _same("StorageType")),
    "NetworkType": ("NetworkType", _same("NetworkType")),
    "ServerlessV2ScalingConfiguration": ("ServerlessV2ScalingConfiguration", _scaling),
    "BackupRetentionPeriod": ("BackupRetentionPeriod", _same("BackupRetentionPeriod")),
    "PreferredBackupWindow": ("PreferredBackupWindow", _same("PreferredBackupWindow")),
    "EngineLifecycleSupport": ("EngineLifecycleSupport", _same("EngineLifecycleSupport")),
    "AssociatedRoles": ("AssociatedRoles", _roles),
    "Domain": ("DomainMemberships", _domain("Domain")),
    "DomainIAMRoleName": ("DomainMemberships", _domain("IAMRoleName")),
}
"""Parameters of the restore call that carry a setting over; each would fall to AWS's default if left out."""

AFTER: dict[str, tuple[str, Callable[[Described], Any]]] = {
    # parameter of ModifyDBCluster: (member of DBCluster, how to read its value)
    "PreferredMaintenanceWindow": ("PreferredMaintenanceWindow", _same("PreferredMaintenanceWindow")),
    "DatabaseInsightsMode": ("DatabaseInsightsMode", _same("DatabaseInsightsMode")),
    "PerformanceInsightsKMSKeyId": ("PerformanceInsightsKMSKeyId", _same("PerformanceInsightsKMSKeyId")),
    "PerformanceInsightsRetentionPeriod": (
        "PerformanceInsightsRetentionPeriod",
        _same("PerformanceInsightsRetentionPeriod"),
    ),
    "EnablePerformanceInsights": ("PerformanceInsightsEnabled", _same("PerformanceInsightsEnabled")),
    "MonitoringInterval": ("MonitoringInterval", _same("MonitoringInterval")),
    "MonitoringRoleArn": ("MonitoringRoleArn", _same("MonitoringRoleArn")),
}
"""Settings that the restore call refuses or does not know (boto/boto3#4634), applied once the copy is available."""

COPY_OVERRIDES: dict[str, Any] = {"DeletionProtection": False, "BackupRetentionPeriod": 1, "BacktrackWindow": None}
"""What a throw-away copy gets instead of the source's setting: cheap to keep, easy to delete."""


def sent_with_restore(described: Described, *, throw_away: bool) -> dict[str, Any]:
    """Give the parameters of the restore call that carry the source's settings over."""
    found = {name: read(described) for name, (_, read) in SENT.items()}
    if throw_away:
        found |= COPY_OVERRIDES
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


def applied_after(described: Described) -> dict[str, Any]:
    """Give the parameters of the ModifyDBCluster call that follows."""
    found = {name: read(described) for name, (_, read) in AFTER.items()}
    return {name: value for name, value in found.items() if value not in (None, "", 0, False)}


def carried_tags(described: Described) -> list[dict[str, str]]:
    """Give the source's own tags; AWS's (aws:…) cannot be set, and those of an earlier restore do not fit."""
    return [
        {"Key": tag["Key"], "Value": tag.get("Value", "")}
        for tag in described.get("TagList") or ()
        if not tag["Key"].startswith(("aws:", TAG_PREFIX))
    ]


def by_hand(described: Described) -> tuple[Setting, ...]:
    """Give what no restore carries over, with what somebody has to do about it."""
    found = []
    for name, why in _NOT_CARRIED.items():
        value = described.get(name)
        if value and value not in ("stopped", "disabled"):
            found.append(Setting(name=name, value=_brief(value), how="by hand", note=why))
    return tuple(found)


_NOT_CARRIED = {
    "CustomEndpoints": "create the custom endpoints again on the copy",
    "GlobalClusterIdentifier": "the copy is in no global database; add it there if it takes over",
    "ActivityStreamStatus": "start the activity stream again on the copy",
    "HttpEndpointEnabled": "enable the Data API on the copy",
    "ReadReplicaIdentifiers": "replicas keep following the source",
    "ReplicationSourceIdentifier": "the copy does not replicate from the source's own source",
    "LocalWriteForwardingStatus": "turn local write forwarding on again",
    "MasterUserSecret": "the copy's master password is the one of the restore point; AWS makes no new secret",
}


def settings_table(
    described: Described, *, sent: Mapping[str, Any], after: Mapping[str, Any], throw_away: bool
) -> tuple[Setting, ...]:
    """List what becomes of each setting, in the order a reader needs: sent, applied after, by hand."""
    rows = []
    for name, (member, read) in SENT.items():
        if name in sent:
            changed = throw_away and COPY_OVERRIDES.get(name, sent[name]) != read(described)
            note = f"the source has {_brief(read(described))}; a copy is kept cheap" if changed else ""
            rows.append(Setting(name=member, value=_brief(sent[name]), how="sent", note=note))
        elif throw_away and name in COPY_OVERRIDES and read(described):
            note = f"left out: the source has {_brief(read(described))}; a copy is kept cheap"
            rows.append(Setting(name=member, value="—", how="sent", note=note))
    rows += [Setting(name=AFTER[name][0], value=_brief(value), how="after") for name, value in after.items()]
    return (*rows, *by_hand(described))


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_brief(part) for part in value)
    return "yes" if value is True else "no" if value is False else str(value)
