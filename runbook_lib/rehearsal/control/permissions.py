"""IAM, enforced for the access keys that are named."""

from __future__ import annotations

import logging
from threading import Lock
from wsgiref.types import WSGIEnvironment

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import CreateAccessKeyFailure, IAMPolicy, IAMUserAccessKey, PermissionResult

from runbook_lib.rehearsal.control.faults import Refusal, denied
from runbook_lib.rehearsal.control.request_log import Request

log = logging.getLogger(__name__)


class Permissions:
    """Nothing is checked until `enforce` names an access key of an IAM user that the stand-in knows."""

    def __init__(self) -> None:
        self._enforced: set[str] = set()
        self._lock = Lock()

    def enforce(self, access_key: str) -> None:
        """Check the policies of this key's user from now on."""
        with self._lock:
            self._enforced.add(access_key)

    def refusal_of(self, request: Request, _environ: WSGIEnvironment, _body: bytes) -> Refusal | None:
        """Say why a request is not allowed, if its key is checked and it is not."""
        if request.access_key not in self._enforced or str(request) == "sts:GetCallerIdentity":
            return None
        try:
            user = IAMUserAccessKey(
                account_id=DEFAULT_ACCOUNT_ID, partition="aws", access_key_id=request.access_key, headers={}
            )
        except CreateAccessKeyFailure:
            return Refusal(
                code="InvalidClientTokenId",
                message="The security token included in the request is invalid.",
                status=403,
            )
        verdicts = [IAMPolicy(policy).is_action_permitted(str(request)) for policy in user.collect_policies()]
        if PermissionResult.DENIED in verdicts or PermissionResult.PERMITTED not in verdicts:
            return denied(request, who=user.arn)
        return None
