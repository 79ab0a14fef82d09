"""What becomes of each setting of an instance when its cluster is restored: new instances are made.

Source: CreateDBInstance in the Amazon RDS API Reference, "Valid for" Aurora.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Described = Mapping[str, Any]
Reader = Callable[[Described], Any]


def _same(name: str) -> Reader:
    return lambda described: described.get(name)


def _parameter_group(described: Described) -> str | None:
    groups = described.get("DBParameterGroups") or ()
    return groups[0].get("DBParameterGroupName") if groups else None


def _when(switch: str, name: str) -> Reader:
    """Read a member that AWS takes only together with another that is on."""
    return lambda described: described.get(name) if described.get(switch) else None


CREATED: dict[str, tuple[str, Reader]] = {
    # parameter of CreateDBInstance: (member of DBInstance, how to read its value)
    "DBInstanceClass": ("DBInstanceClass", _same("DBInstanceClass")),
    "Engine": ("Engine", _same("Engine")),
    "DBParameterGroupName": ("DBParameterGroups", _parameter_group),
    "AvailabilityZone": ("AvailabilityZone", _same("AvailabilityZone")),
    "PromotionTier": ("PromotionTier", _same("PromotionTier")),
    "PubliclyAccessible": ("PubliclyAccessible", _same("PubliclyAccessible")),
    "AutoMinorVersionUpgrade": ("AutoMinorVersionUpgrade", _same("AutoMinorVersionUpgrade")),
    "PreferredMaintenanceWindow": ("PreferredMaintenanceWindow", _same("PreferredMaintenanceWindow")),
    "CACertificateIdentifier": ("CACertificateIdentifier", _same("CACertificateIdentifier")),
    "MonitoringInterval": ("MonitoringInterval", _when("MonitoringRoleArn", "MonitoringInterval")),
    "MonitoringRoleArn": ("MonitoringRoleArn", _when("MonitoringInterval", "MonitoringRoleArn")),
    "EnablePerformanceInsights": (
        "PerformanceInsightsEnabled",
        _when("PerformanceInsightsEnabled", "PerformanceInsightsEnabled"),
    ),
    "PerformanceInsightsKMSKeyId": (
        "PerformanceInsightsKMSKeyId",
        _when("PerformanceInsightsEnabled", "PerformanceInsightsKMSKeyId"),
    ),
    "PerformanceInsightsRetentionPeriod": (
        "PerformanceInsightsRetentionPeriod",
        _when("PerformanceInsightsEnabled", "PerformanceInsightsRetentionPeriod"),
    ),
}
"""Parameters that make a new instance as the source's is."""

BY_HAND = {
    "AssociatedRoles": "add the roles to the new instance",
    "AwsBackupRecoveryPointArn": "add the new instance to the AWS Backup plan",
    "ActivityStreamStatus": "start the database activity stream again",
    "CustomerOwnedIpEnabled": "choose the customer-owned addresses again (Outposts)",
}
"""Members that hold a setting CreateDBInstance does not take for Aurora."""

NOT_SETTINGS = frozenset(
    {
        # what it is, where it is, how it is doing
        "DBClusterIdentifier", "DBInstanceArn", "DBInstanceIdentifier", "DBInstanceStatus", "DBName", "DbInstancePort",
        "DbiResourceId", "Endpoint", "EnhancedMonitoringResourceArn", "InstanceCreateTime", "LatestRestorableTime",
        "MasterUsername", "PendingModifiedValues", "PercentProgress", "StatusInfos", "AutomaticRestartTime",
        "IsStorageConfigUpgradeAvailable", "PrimaryEndpoint", "UpgradeRolloutOrder", "DBCapacityReservationIdentifier",
        # belongs to the cluster in Aurora
        "AllocatedStorage", "BackupRetentionPeriod", "CertificateDetails", "CopyTagsToSnapshot", "DBSubnetGroup",
        "DatabaseInsightsMode", "DeletionProtection", "DomainMemberships", "EnabledCloudwatchLogsExports",
        "EngineLifecycleSupport", "EngineVersion", "IAMDatabaseAuthenticationEnabled", "KmsKeyId", "MasterUserSecret",
        "NetworkType", "OptionGroupMemberships", "PreferredBackupWindow", "StorageEncrypted", "StorageEncryptionType",
        "StorageType", "VpcSecurityGroups", "ActivityStreamMode", "ActivityStreamKmsKeyId", "VPCNetworkingEnabled",
        "ActivityStreamKinesisStreamName", "ActivityStreamEngineNativeAuditFieldsIncluded",
        "ActivityStreamPolicyStatus",
        # of other engines only
        "AdditionalStorageVolumes", "AutomationMode", "BackupTarget", "CharacterSetName", "CustomIamInstanceProfile",
        "DBInstanceAutomatedBackupsReplications", "DBSecurityGroups", "DBSystemId", "DedicatedLogVolume", "Iops",
        "LicenseModel", "ListenerEndpoint", "MaxAllocatedStorage", "MultiAZ", "MultiTenant", "NcharCharacterSetName",
        "ProcessorFeatures", "ReadReplicaDBClusterIdentifiers", "ReadReplicaDBInstanceIdentifiers",
        "ReadReplicaSourceDBClusterIdentifier", "ReadReplicaSourceDBInstanceIdentifier", "ReplicaMode",
        "ResumeFullAutomationModeTime", "SecondaryAvailabilityZone", "StorageOperationPercentProgress",
        "StorageOperationStatus", "StorageThroughput", "StorageVolumeStatus", "TdeCredentialArn", "Timezone",
        # sent on their own
        "TagList",
    }
)  # fmt: skip
"""Members of DBInstance that hold nothing a new instance could be given."""


def instance_request(described: Described, *, throw_away: bool) -> dict[str, Any]:
    """Return the parameters of CreateDBInstance that make the new instance like the described one.

    The zone is kept only for a cluster that takes the source's place: a copy may live wherever there is room.
    """
    found = {name: read(described) for name, (_, read) in CREATED.items()}
    if throw_away:
        found["AvailabilityZone"] = None
    return {name: value for name, value in found.items() if value not in (None, "")}
