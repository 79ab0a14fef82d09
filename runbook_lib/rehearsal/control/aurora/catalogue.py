"""What Aurora MySQL offers: versions, instance classes, quotas. Enough to choose from, not AWS's whole list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.models import DEFAULT_VERSION

_VERSIONS = ("8.0.mysql_aurora.3.04.3", DEFAULT_VERSION, "8.0.mysql_aurora.3.10.0")
_CLASSES = ("db.t4g.medium", "db.r6g.large", "db.r6g.xlarge", "db.r6g.2xlarge", "db.r7g.large", "db.serverless")


def engine_versions(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List versions of Aurora MySQL."""
    if asked.get("engine") not in (None, "aurora-mysql"):
        return []
    versions = [DEFAULT_VERSION] if asked.get("default_only") else list(_VERSIONS)
    return [
        {
            "Engine": "aurora-mysql",
            "EngineVersion": version,
            "DBParameterGroupFamily": "aurora-mysql8.0",
            "DBEngineDescription": "Aurora MySQL",
            "DBEngineVersionDescription": f"Aurora MySQL {version.rpartition('aurora.')[2]} (MySQL 8.0)",
            "ExportableLogTypes": ["audit", "error", "general", "instance", "slowquery"],
            "SupportedEngineModes": ["provisioned"],
            "Status": "available",
            "SupportsParallelQuery": True,
            "SupportsGlobalDatabases": True,
            "MajorEngineVersion": "8.0",
        }
        for version in versions
        if asked.get("engine_version") in (None, version)
    ]


def major_versions(backend: AuroraBackend) -> list[dict[str, Any]]:
    """List the major versions with their support. The end lies as far ahead as a test says, usually three years."""
    end = backend.now() + backend.support_left
    cycles = [
        ("open-source-rds-standard-support", end),
        ("open-source-rds-extended-support", end + timedelta(days=1095)),
    ]
    return [
        {
            "Engine": "aurora-mysql",
            "MajorEngineVersion": "8.0",
            "SupportedEngineLifecycles": [
                {
                    "LifecycleSupportName": name,
                    "LifecycleSupportStartDate": datetime(2021, 11, 18, tzinfo=UTC),
                    "LifecycleSupportEndDate": until,
                }
                for name, until in cycles
            ],
        }
    ]


def orderable_options(backend: AuroraBackend, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List instance classes of each version, with their zones; a zone without room is not left out, as on AWS."""
    if asked.get("engine") != "aurora-mysql":
        return []
    zones = [{"Name": zone} for zone in backend.zones]
    return [
        {
            "Engine": "aurora-mysql",
            "EngineVersion": version,
            "DBInstanceClass": instance_class,
            "LicenseModel": "general-public-license",
            "AvailabilityZones": zones,
            "MultiAZCapable": False,
            "Vpc": True,
            "SupportsStorageEncryption": True,
            "StorageType": "aurora",
            "SupportsEnhancedMonitoring": True,
            "SupportsIAMDatabaseAuthentication": True,
            "SupportsPerformanceInsights": True,
            "SupportedEngineModes": ["provisioned"],
            "SupportsClusters": True,
        }
        for version in _VERSIONS
        for instance_class in _CLASSES
        if asked.get("engine_version") in (None, version) and asked.get("db_instance_class") in (None, instance_class)
    ]


def account_quotas(backend: AuroraBackend) -> list[dict[str, Any]]:
    """List quotas with AWS's defaults and what is used. Source: Aurora User Guide, "Quotas and constraints"."""
    manual = sum(snapshot.snapshot_type == "manual" for snapshot in backend.cluster_snapshots.values())
    used = {
        "DBInstances": (len(backend.databases), 40),
        "DBClusters": (len(backend.clusters), 40),
        "DBClusterParameterGroups": (len(backend.db_cluster_parameter_groups), 50),
        "DBParameterGroups": (len(backend.db_parameter_groups), 50),
        "DBSubnetGroups": (len(backend.subnet_groups), 50),
        "ManualClusterSnapshots": (manual, 100),
        "CustomEndpointsPerDBCluster": (0, 5),
    }
    return [{"AccountQuotaName": name, "Used": now, "Max": most} for name, (now, most) in used.items()]


def certificates(backend: AuroraBackend) -> list[dict[str, Any]]:
    """List the certificate authorities a region offers."""
    return [
        {
            "CertificateIdentifier": name,
            "CertificateType": "CA",
            "ValidFrom": datetime(2021, 5, 21, tzinfo=UTC),
            "ValidTill": till,
            "CertificateArn": f"arn:aws:rds:{backend.region_name}::cert:{name}",
            "CustomerOverride": False,
        }
        for name, till in (
            ("rds-ca-rsa2048-g1", datetime(2061, 5, 21, tzinfo=UTC)),
            ("rds-ca-2019", datetime(2024, 8, 22, tzinfo=UTC)),
            ("rds-ca-rsa4096-g1", datetime(2121, 5, 21, tzinfo=UTC)),
            ("rds-ca-ecc384-g1", datetime(2121, 5, 21, tzinfo=UTC)),
        )
    ]
