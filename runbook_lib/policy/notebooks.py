"""Which notebook makes which AWS calls. A test runs every notebook and holds this to the requests it makes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook_lib.aws import AwsCall, declared
from runbook_lib.errors import InputRefused


@dataclass(frozen=True, kw_only=True)
class Uses:
    """The calls of one notebook as `service:Operation`: in every full run, and in some (a parameter, a refusal)."""

    always: tuple[str, ...]
    sometimes: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Return both."""
        return (*self.always, *self.sometimes)


_FIND = ("rds:DescribeDBClusters",)
_SECRET = ("secretsmanager:GetSecretValue",)

NOTEBOOKS = {
    "inspect_backups": Uses(
        always=(
            *_FIND, "rds:DescribeDBInstances", "rds:DescribeDBClusterSnapshots",
            "rds:DescribeDBClusterAutomatedBackups", "backup:ListRecoveryPointsByResource", "rds:DescribeEvents",
            "cloudwatch:GetMetricData", "glue:GetJobRuns", *_SECRET,
        ),
        sometimes=("glue:ListJobs",),
    ),
    "restore_to_timestamp": Uses(
        always=(
            *_FIND, "rds:DescribeDBInstances", *_SECRET,
            # the checks
            "iam:SimulatePrincipalPolicy", "rds:DescribeAccountAttributes", "rds:DescribeDBClusterParameterGroups",
            "rds:DescribeDBParameterGroups", "rds:DescribeDBSubnetGroups", "rds:DescribeDBClusterParameters",
            "rds:DescribeDBEngineVersions", "rds:DescribeOrderableDBInstanceOptions", "ec2:DescribeSecurityGroups",
            "kms:DescribeKey", "glue:GetTriggers", "cloudwatch:GetMetricData",  # the last: what the copy costs
            # the restore
            "rds:RestoreDBClusterToPointInTime", "rds:ModifyDBCluster", "rds:CreateDBInstance",
        ),
        # another origin than the cluster's own past; a role with a path
        sometimes=(
            "iam:GetRole", "rds:RestoreDBClusterFromSnapshot", "rds:DescribeDBClusterSnapshots",
            "rds:DescribeDBClusterAutomatedBackups", "glue:ListJobs",
        ),
    ),
    "bring_back_data": Uses(
        always=(*_FIND, "rds:DescribeDBInstances", *_SECRET),
        # the cut-over: its checks, its calls, its undo
        sometimes=(
            "iam:SimulatePrincipalPolicy", "rds:DescribeGlobalClusters", "rds:DescribeDBProxies",
            "rds:DescribeDBProxyTargets", "rds:DescribeEventSubscriptions", "rds:DescribeDBClusterEndpoints",
            "cloudwatch:DescribeAlarms", "glue:GetTriggers", "iam:GetRole", "rds:AddTagsToResource",
            "rds:RemoveTagsFromResource", "rds:ModifyDBCluster", "rds:ModifyDBInstance", "rds:CreateDBInstance",
        ),
    ),
    "clean_up_restores": Uses(
        always=(*_FIND, "rds:DescribeDBInstances", "rds:DescribeGlobalClusters"),
        # where there is a copy, and where one would go: what must still be there afterwards
        sometimes=(
            "cloudwatch:GetMetricData", "pricing:GetProducts", "rds:DescribeDBClusterSnapshots",
            "rds:DescribeDBClusterAutomatedBackups", "rds:AddTagsToResource", "rds:DeleteDBInstance",
            "rds:DeleteDBCluster",
        ),
    ),
    "audit_schemas": Uses(always=(*_FIND, *_SECRET)),
    "publish_load": Uses(always=(*_FIND, *_SECRET)),
    "try_load": Uses(
        always=_FIND,
        sometimes=(
            "rds:DescribeDBInstances", "rds:DescribeGlobalClusters", *_SECRET, "glue:GetJob", "s3:GetObject",
            # the checks of the clone
            "iam:SimulatePrincipalPolicy", "rds:DescribeAccountAttributes", "rds:DescribeDBClusterParameterGroups",
            "rds:DescribeDBParameterGroups", "rds:DescribeDBSubnetGroups", "rds:DescribeDBClusterParameters",
            "rds:DescribeDBEngineVersions", "rds:DescribeOrderableDBInstanceOptions", "ec2:DescribeSecurityGroups",
            "kms:DescribeKey", "glue:GetTriggers", "glue:ListJobs", "iam:GetRole",
            # the clone, the job, and the end of the clone
            "rds:RestoreDBClusterToPointInTime", "rds:ModifyDBCluster", "rds:CreateDBInstance", "glue:StartJobRun",
            "glue:GetJobRun", "rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusterAutomatedBackups",
            "rds:AddTagsToResource", "rds:DeleteDBInstance", "rds:DeleteDBCluster",
        ),
    ),
    "watch_backups": Uses(
        always=(
            *_FIND, "rds:DescribeDBClusterSnapshots", "rds:DescribeDBInstances", "rds:DescribeCertificates",
            "rds:DescribeDBEngineVersions", "rds:DescribeDBMajorEngineVersions", "rds:DescribeAccountAttributes",
            "backup:ListBackupVaults", "backup:ListCopyJobs", "kms:ListAliases", "glue:GetJobRuns",
            "glue:GetTriggers", *_SECRET,
        ),
        # where there is a manual snapshot, a locked vault; where no job is named
        sometimes=(
            "rds:DescribeDBClusterSnapshotAttributes", "backup:ListRecoveryPointsByBackupVault", "glue:ListJobs",
        ),
    ),
    "drill_restore": Uses(
        always=(
            *_FIND, "rds:DescribeDBInstances", "rds:DescribeGlobalClusters", *_SECRET,
            # the checks of the restore, and what the copy costs
            "iam:SimulatePrincipalPolicy", "rds:DescribeAccountAttributes", "rds:DescribeDBClusterParameterGroups",
            "rds:DescribeDBParameterGroups", "rds:DescribeDBSubnetGroups", "rds:DescribeDBClusterParameters",
            "rds:DescribeDBEngineVersions", "rds:DescribeOrderableDBInstanceOptions", "ec2:DescribeSecurityGroups",
            "kms:DescribeKey", "cloudwatch:GetMetricData",
            # the copy, and its end
            "rds:RestoreDBClusterToPointInTime", "rds:ModifyDBCluster", "rds:CreateDBInstance",
            "rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusterAutomatedBackups", "rds:AddTagsToResource",
            "rds:DeleteDBInstance", "rds:DeleteDBCluster",
        ),
        sometimes=("iam:GetRole", "glue:GetTriggers", "glue:ListJobs"),
    ),
    "recovery_scorecard": Uses(always=_FIND),
    "cost_analysis": Uses(
        always=(
            *_FIND, "rds:DescribeDBInstances", "rds:DescribeDBClusterSnapshots", "cloudwatch:GetMetricData",
            "pricing:GetProducts",
        ),
        sometimes=(
            "ce:GetCostAndUsage", "rds:DescribeDBClusterSnapshotAttributes", "rds:DeleteDBClusterSnapshot",
            "rds:DescribeDBClusterAutomatedBackups",
        ),
    ),
}  # fmt: skip


def calls_of(notebooks: Iterable[str] = ()) -> tuple[AwsCall, ...]:
    """Return the declarations of the notebooks' calls, of every notebook when none is named.

    The modules that declare them must have been imported.

    Raises:
        InputRefused: there is no such notebook.
    """
    names = tuple(notebooks) or tuple(NOTEBOOKS)
    for name in names:
        if name not in NOTEBOOKS:
            raise InputRefused(f'No calls are known of "{name}".', hint=f"Name one of: {', '.join(NOTEBOOKS)}.")
    wanted = {use for name in names for use in NOTEBOOKS[name].all}
    known = {f"{call.service}:{call.operation}": call for call in declared()}
    return tuple(known[use] for use in sorted(wanted))
