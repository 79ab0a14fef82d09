"""AWS Backup as far as looking goes: the recovery points of a resource. moto's has none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

_PAGE = 100


class Vault:
    """The recovery points of the stand-in; none until a test enters some."""

    def __init__(self) -> None:
        self._points: dict[str, list[dict[str, Any]]] = {}

    def put(self, resource_arn: str, *, at: datetime, status: str = "COMPLETED", continuous: bool = False) -> str:
        """Enter a recovery point of a resource, continuous or of one moment, and return its ARN.

        One moment of a cluster is a cluster snapshot of AWS Backup's (AWS Backup Developer Guide, "Recovery points").
        """
        place = resource_arn.split(":")[3:5]
        kept = f"arn:aws:backup:{':'.join(place)}:recovery-point:continuous:{at:%Y%m%d%H%M%S}"
        arn = kept if continuous else f"arn:aws:rds:{':'.join(place)}:cluster-snapshot:awsbackup:job-{uuid4()}"
        self._points.setdefault(resource_arn, []).append(
            {
                "RecoveryPointArn": arn,
                "CreationDate": at.timestamp(),
                "Status": status,
                "BackupVaultName": "Default",
                "IsParent": False,
            }
        )
        return arn

    def answer(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer ListRecoveryPointsByResource, a page at a time."""
        path = unquote(str(asked.get("Path", "")))
        arn = path.removeprefix("/resources/").removesuffix("/").removesuffix("/recovery-points")
        points = self._points.get(arn, [])
        start, size = int(asked.get("nextToken", 0)), int(asked.get("maxResults", _PAGE))
        more = {"NextToken": str(start + size)} if start + size < len(points) else {}
        return 200, {"RecoveryPoints": points[start : start + size]} | more
