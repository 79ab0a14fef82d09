"""AWS Backup as far as looking goes: vaults, recovery points, copy jobs. moto has none of these lists."""

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

    def forget(self) -> None:
        """Go back to one open vault that is empty."""
        self._points, self._locked, self._copies = {}, {"Default": False}, []

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
