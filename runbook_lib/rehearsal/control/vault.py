"""AWS Backup as far as looking goes: the recovery points of a resource. moto's has none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

_PAGE = 100


class Vault:
    """The recovery points of the stand-in; none until a test enters some."""

    def __init__(self) -> None:
        self._points: dict[str, list[dict[str, Any]]] = {}

    def put(self, resource_arn: str, *, at: datetime, status: str = "COMPLETED", continuous: bool = False) -> None:
        """Enter a recovery point of a resource, continuous or of one moment."""
        name = f"{'continuous:' if continuous else ''}{at:%Y%m%d%H%M%S}"
        self._points.setdefault(resource_arn, []).append(
            {
                "RecoveryPointArn": f"arn:aws:backup:ap-northeast-1:123456789012:recovery-point:{name}",
                "CreationDate": at.timestamp(),
                "Status": status,
                "BackupVaultName": "Default",
                "IsParent": False,
            }
        )

    def answer(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer ListRecoveryPointsByResource, a page at a time."""
        path = unquote(str(asked.get("Path", "")))
        arn = path.removeprefix("/resources/").removesuffix("/").removesuffix("/recovery-points")
        points = self._points.get(arn, [])
        start, size = int(asked.get("nextToken", 0)), int(asked.get("maxResults", _PAGE))
        more = {"NextToken": str(start + size)} if start + size < len(points) else {}
        return 200, {"RecoveryPoints": points[start : start + size]} | more
