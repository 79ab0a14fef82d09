"""IAM, enforced for the access keys that are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Lock

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import CreateAccessKeyFailure, IAMPolicy, IAMUserAccessKey
from moto.iam.models import iam_backends

from runbook_lib.policy.evaluation import is_allowed
from runbook_lib.policy.reading import Statement, read_document
from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.faults import Refusal, denied
from runbook_lib.rehearsal.control.needs import needs_of
from runbook_lib.rehearsal.control.request_log import Request
from runbook_lib.rehearsal.control.simulation import Decision, simulate

_EVERYTHING = (Statement(effect="Allow", actions=("*",), resources=("*",)),)

_IN_EVERY_REQUEST = {"aws:SecureTransport": ["true"]}


class Permissions:
    """Nothing is checked until `enforce` names an access key of an IAM user that the stand-in knows.

    Users and their policies are moto's; what the policies mean is read by `policies`, because moto's own simulation
    knows neither resources nor tag conditions.
    """

    def __init__(self, rds: Callable[[], AuroraBackend]) -> None:
        self._rds = rds
        self._enforced: set[str] = set()
        self._lock = Lock()

    def enforce(self, access_key: str) -> None:
        """Check the policies of this key's user from now on."""
        with self._lock:
            self._enforced.add(access_key)

    def simulated(self, request: Request) -> Iterable[Decision]:
        """Answer SimulatePrincipalPolicy from what `enforce` would go by.

        The stand-in's own caller, which no policy limits, may do everything.

        Raises:
            KeyError: there is no such user.
        """
        principal = str(request.parameters.get("PolicySourceArn", ""))
        statements = [*_EVERYTHING] if principal.endswith(":user/moto") else list(_statements(_user_named(principal)))
        return simulate(statements, request.parameters)

    def refusal_of(self, request: Request) -> Refusal | None:
        """Say why a request is not allowed, if its key is checked and it is not."""
        if request.access_key not in self._enforced or str(request) == "sts:GetCallerIdentity":
            return None
        try:
            user = _user_of(request.access_key)
        except CreateAccessKeyFailure:
            message = "The security token included in the request is invalid."
            return Refusal(code="InvalidClientTokenId", message=message, status=403)
        statements = list(_statements(user))
        for wanted in needs_of(request, self._rds()):
            context = {**_IN_EVERY_REQUEST, "aws:RequestedRegion": [self._rds().region_name], **wanted.context}
            if not is_allowed(statements, replace(wanted, context=context, is_whole=True)):
                return denied(wanted.action, who=user.arn, resource=wanted.resource)
        return None


def _user_named(arn: str) -> IAMUserAccessKey:
    name = arn.rpartition("/")[2]
    for user in iam_backends[DEFAULT_ACCOUNT_ID]["aws"].list_users("/", None, None):
        if user.name == name and user.access_keys:
            return _user_of(user.access_keys[0].access_key_id)
    raise KeyError(arn)


def _user_of(access_key: str) -> IAMUserAccessKey:
    return IAMUserAccessKey(account_id=DEFAULT_ACCOUNT_ID, partition="aws", access_key_id=access_key, headers={})


def _statements(user: IAMUserAccessKey) -> Iterator[Statement]:
    for policy in user.collect_policies():
        yield from read_document(IAMPolicy(policy)._policy_json)
