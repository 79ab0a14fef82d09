"""What was asked of the stand-in: every request, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

_READING = (
    "Describe", "List", "Get", "Head", "BatchGet", "Search", "Lookup", "Simulate", "Query", "Scan", "Select",
    "Download", "Estimate", "Validate", "Verify", "Check", "Preview",
)  # fmt: skip
# Operations that change nothing although their names do not say so.
_ALSO_READING = {
    ("iam", "GenerateCredentialReport"),
    ("iam", "GenerateServiceLastAccessedDetails"),
    ("kms", "Decrypt"),
    ("kms", "Encrypt"),
    ("kms", "GenerateDataKey"),
    ("sts", "AssumeRole"),
    ("sts", "DecodeAuthorizationMessage"),
}


def is_mutating(service: str, operation: str) -> bool:
    """Tell whether an operation changes anything, by its name."""
    return not operation.startswith(_READING) and (service, operation) not in _ALSO_READING


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it arrived. `service` is boto3's name, `parameters` are spelled as in AWS's reference."""

    service: str
    operation: str
    parameters: dict[str, Any]
    at: datetime
    access_key: str

    @property
    def mutating(self) -> bool:
        """Whether the operation changes anything."""
        return is_mutating(self.service, self.operation)

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"


class RequestLog:
    """Every request since the start or the last `clear`. Reading it gives a copy, whatever arrives meanwhile."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: list[Request] = []

    def add(self, request: Request) -> None:
        """Note a request."""
        with self._lock:
            self._requests.append(request)

    def clear(self) -> None:
        """Forget what was asked so far."""
        with self._lock:
            self._requests.clear()

    def __iter__(self) -> Iterator[Request]:
        with self._lock:
            return iter(tuple(self._requests))

    def __len__(self) -> int:
        with self._lock:
            return len(self._requests)

    @property
    def mutating(self) -> tuple[Request, ...]:
        """The requests that change something."""
        return tuple(request for request in self if request.mutating)

    def of(self, operation: str, *, service: str = "rds") -> tuple[Request, ...]:
        """Return the requests of one operation, "RestoreDBClusterToPointInTime"."""
        return tuple(request for request in self if (request.service, request.operation) == (service, operation))
