"""What tests can make go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from runbook_lib.rehearsal.control.request_log import Request

Hook = Callable[[Request], None]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer instead of the service's own. `cut` closes the connection once a share of that was `sent`."""

    code: str
    message: str
    status: int = 400
    cut: bool = False
    sent: float = 0.0


@dataclass(kw_only=True)
class _Planned:
    refusal: Refusal
    operation: str  # "" for any
    left: int


@dataclass(kw_only=True)
class _Share:
    refusal: Refusal
    share: float
    random: random.Random


@dataclass
class Faults:
    """Switches, all off until a test turns one on; `clear` turns all off again.

    `before` and `after` are called around each mutating call, in the thread that serves it: a test may note it,
    or end the run exactly there.
    """

    before: Hook | None = None
    after: Hook | None = None
    denied: set[str] = field(default_factory=set)
    expired_keys: set[str] = field(default_factory=set)
    invalid_keys: set[str] = field(default_factory=set)
    full_zones: set[str] = field(default_factory=set)
    _cluster_ends: list[str] = field(default_factory=list)
    _instance_ends: list[str] = field(default_factory=list)
    _planned: list[_Planned] = field(default_factory=list)
    _shares: list[_Share] = field(default_factory=list)
    _expire_after: int | None = None
    _lock: Lock = field(default_factory=Lock)

    def throttle(self, operation: str = "", *, times: int = 1) -> None:
        """Answer the next calls with Throttling, as RDS does ("" for any operation)."""
        self._plan(_THROTTLED, operation, times)

    def throttle_share(self, share: float, *, seed: int = 1) -> None:
        """Answer this share of all calls with Throttling, drawn by the seed."""
        with self._lock:
            self._shares.append(_Share(refusal=_THROTTLED, share=share, random=random.Random(seed)))  # noqa: S311  # not a secret

    def fail(self, operation: str = "", *, times: int = 1, status: int = 500) -> None:
        """Answer the next calls with an internal failure."""
        code = "ServiceUnavailable" if status == 503 else "InternalFailure"
        self._plan(Refusal(code=code, message="The request failed inside AWS.", status=status), operation, times)

    def cut(self, operation: str = "", *, times: int = 1, sent: float = 0.0) -> None:
        """Do what the next calls ask, and cut the connection before the answer, or when a share of it was `sent`.

        botocore takes the first for a broken connection and tries again; the second it cannot read.
        """
        self._plan(Refusal(code="", message="", cut=True, sent=sent), operation, times)

    def refuse(self, operation: str, *, code: str, message: str, times: int = 1, status: int = 400) -> None:
        """Answer the next calls of an operation with an error of your own."""
        self._plan(Refusal(code=code, message=message, status=status), operation, times)

    def deny(self, *actions: str) -> None:
        """Deny operations from now on: "rds:CreateDBInstance", or "rds:*"."""
        self.denied.update(actions)

    def expire_after(self, calls: int) -> None:
        """Let the token expire once so many calls have been answered."""
        with self._lock:
            self._expire_after = calls

    def next_cluster_ends(self, status: str) -> None:
        """Let the next restored or created cluster end in a status such as `incompatible-restore`."""
        with self._lock:
            self._cluster_ends.append(status)

    def next_instance_ends(self, status: str) -> None:
        """Let the next instance end in a status such as `incompatible-network`."""
        with self._lock:
            self._instance_ends.append(status)

    def refuse_capacity(self, zone: str) -> None:
        """Let an availability zone have no room for instances; "" for every zone."""
        self.full_zones.add(zone)

    def clear(self) -> None:
        """Turn everything off."""
        fresh = Faults()
        with self._lock:
            for name, value in vars(fresh).items():
                if name != "_lock":
                    setattr(self, name, value)

    def _plan(self, refusal: Refusal, operation: str, times: int) -> None:
        with self._lock:
            self._planned.append(_Planned(refusal=refusal, operation=operation, left=times))

    def end_of_cluster(self) -> str | None:
        """Take the dead end planned for the next cluster."""
        with self._lock:
            return self._cluster_ends.pop(0) if self._cluster_ends else None

    def end_of_instance(self) -> str | None:
        """Take the dead end planned for the next instance."""
        with self._lock:
            return self._instance_ends.pop(0) if self._instance_ends else None

    def refusal_of(self, request: Request) -> Refusal | None:
        """Say what goes wrong with this request, if anything; each planned fault is used up by it."""
        if request.access_key in self.expired_keys or self._token_has_expired():
            return _EXPIRED
        if request.access_key in self.invalid_keys:
            return Refusal(
                code="InvalidClientTokenId",
                message="The security token included in the request is invalid.",
                status=403,
            )
        if self.denied & {str(request), f"{request.service}:*", "*"}:
            return denied(str(request))
        with self._lock:
            for share in self._shares:
                if share.random.random() < share.share:
                    return share.refusal
            for planned in self._planned:
                if planned.left > 0 and planned.operation in ("", request.operation):
                    planned.left -= 1
                    return planned.refusal
        return None

    def _token_has_expired(self) -> bool:
        with self._lock:
            if self._expire_after is None:
                return False
            self._expire_after -= 1
            return self._expire_after < 0


_THROTTLED = Refusal(code="Throttling", message="Rate exceeded")
_EXPIRED = Refusal(code="ExpiredToken", message="The security token included in the request is expired", status=403)


def denied(action: str, *, who: str = "arn:aws:iam::123456789012:user/rehearsal", resource: str = "*") -> Refusal:
    """Return AWS's answer to a caller without the permission."""
    on = f" on resource: {resource}" if resource != "*" else ""
    return Refusal(code="AccessDenied", message=f"User: {who} is not authorized to perform: {action}{on}", status=403)
