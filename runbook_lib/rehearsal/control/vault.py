"""AWS Backup: vaults, recovery points, copy jobs, restore tests and their validation. moto has none of these."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

_PAGE = 100


class Vault:
    """The vaults, recovery points and copy jobs of the stand-in; one open vault until a test enters more."""

    def __init__(self) -> None:
        self._points: dict[str, list[dict[str, Any]]] = {}
        self._locked = {"Default": False}
        self._copies: list[dict[str, Any]] = []
        self.restore_jobs: dict[str, dict[str, Any]] = {}

    def put(
        self,
        resource_arn: str,
        *,
        at: datetime,
        status: str = "COMPLETED",
        continuous: bool = False,
        vault: str = "Default",
    ) -> str:
        """Enter a recovery point of a resource, continuous or of one moment, and return its ARN.

        One moment of a cluster is a cluster snapshot of AWS Backup's (AWS Backup Developer Guide, "Recovery points").
        """
        place = resource_arn.split(":")[3:5]
        kept = f"arn:aws:backup:{':'.join(place)}:recovery-point:continuous:{at:%Y%m%d%H%M%S}"
        arn = kept if continuous else f"arn:aws:rds:{':'.join(place)}:cluster-snapshot:awsbackup:job-{uuid4()}"
        self._points.setdefault(resource_arn, []).append(
            {
                "RecoveryPointArn": arn,
                "ResourceArn": resource_arn,
                "ResourceType": "Aurora",
                "CreationDate": at.timestamp(),
                "Status": status,
                "BackupVaultName": vault,
                "IsParent": False,
            }
        )
        return arn

    def lock(self, vault: str) -> None:
        """Make a vault, or lock one that is there: nobody can delete from it before its time."""
        self._locked[vault] = True

    def copied(self, resource_arn: str, *, at: datetime, account: str) -> None:
        """Enter a job that has copied a recovery point to a vault of another account."""
        vault = f"arn:aws:backup:{resource_arn.split(':')[3]}:{account}:backup-vault:kept"
        self._copies.append(
            {
                "CopyJobId": str(uuid4()),
                "ResourceArn": resource_arn,
                "ResourceType": "Aurora",
                "CreationDate": at.timestamp(),
                "CompletionDate": at.timestamp(),
                "State": "COMPLETED",
                "DestinationBackupVaultArn": vault,
            }
        )

    def restored(self, resource_arn: str, *, created_arn: str, at: datetime, of_test: bool = True) -> str:
        """Enter a restore job that has made a cluster, by a restore test unless said, and return its id."""
        region, account = resource_arn.split(":")[3:5]
        plan = f"arn:aws:backup:{region}:{account}:restore-testing-plan:monthly-1"
        job: dict[str, Any] = {
            "RestoreJobId": str(uuid4()).upper(),
            "Status": "COMPLETED",
            "ResourceType": "Aurora",
            "SourceResourceArn": resource_arn,
            "CreatedResourceArn": created_arn,
            "RecoveryPointCreationDate": at.timestamp(),
            "CreatedBy": {"RestoreTestingPlanArn": plan} if of_test else {},
        }
        self.restore_jobs[job["RestoreJobId"]] = job
        return str(job["RestoreJobId"])

    def restore_job(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer DescribeRestoreJob."""
        job = self.restore_jobs.get(unquote(str(asked.get("Path", ""))).rpartition("/")[2])
        return (200, job) if job else _not_found("There is no such restore job.")

    def validate(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer PutRestoreValidationResult: only a completed restore test is validated, and only once.

        Source: AWS Backup API Reference, "PutRestoreValidationResult".
        """
        job = self.restore_jobs.get(unquote(str(asked.get("Path", ""))).removesuffix("/validations").rpartition("/")[2])
        if job is None:
            return _not_found("There is no such restore job.")
        status = asked.get("ValidationStatus")
        known = status in ("SUCCESSFUL", "FAILED", "TIMED_OUT", "VALIDATING")
        if not known or not job["CreatedBy"] or job.get("ValidationStatus", "VALIDATING") != "VALIDATING":
            return 400, {"__type": "InvalidRequestException", "Message": "This job cannot be validated so."}
        job |= {"ValidationStatus": status, "ValidationStatusMessage": asked.get("ValidationStatusMessage", "")}
        return 200, {}

    def forget(self) -> None:
        """Go back to one open vault that is empty."""
        self._points, self._locked, self._copies, self.restore_jobs = {}, {"Default": False}, [], {}

    def answer(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer ListRecoveryPointsByResource, a page at a time."""
        path = unquote(str(asked.get("Path", "")))
        arn = path.removeprefix("/resources/").removesuffix("/").removesuffix("/recovery-points")
        return _page(self._points.get(arn, []), asked, key="RecoveryPoints")

    def vaults(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer ListBackupVaults."""
        found = [
            {"BackupVaultName": name, "VaultType": "BACKUP_VAULT", "Locked": locked}
            for name, locked in self._locked.items()
        ]
        return _page(found, asked, key="BackupVaultList")

    def in_vault(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer ListRecoveryPointsByBackupVault."""
        name = unquote(str(asked.get("Path", ""))).removeprefix("/backup-vaults/").partition("/")[0]
        points = [point for of in self._points.values() for point in of if point["BackupVaultName"] == name]
        return _page(_asked_for(points, asked), asked, key="RecoveryPoints")

    def copy_jobs(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer ListCopyJobs."""
        found = [job for job in _asked_for(self._copies, asked) if asked.get("state") in (None, job["State"])]
        return _page(found, asked, key="CopyJobs")


def _not_found(said: str) -> tuple[int, dict[str, Any]]:
    return 400, {"__type": "ResourceNotFoundException", "Message": said}


def _asked_for(entries: list[dict[str, Any]], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        entry
        for entry in entries
        if unquote(str(asked.get("resourceArn") or entry["ResourceArn"])) == entry["ResourceArn"]
        and asked.get("resourceType") in (None, entry["ResourceType"])
    ]


def _page(entries: list[dict[str, Any]], asked: Mapping[str, Any], *, key: str) -> tuple[int, dict[str, Any]]:
    start, size = int(asked.get("nextToken", 0)), int(asked.get("maxResults", _PAGE))
    more = {"NextToken": str(start + size)} if start + size < len(entries) else {}
    return 200, {key: entries[start : start + size]} | more
