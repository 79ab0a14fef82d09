"""Who acts, in which account, and whether each call ahead is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook_lib.aws import AwsSession, Identity, declare
from runbook_lib.aws.calls import declared
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.clusters import Cluster
from runbook_lib.errors import AccessDenied, CredentialsRefused, RunbookError
from runbook_lib.looking import could_not
from runbook_lib.policy.needs import Need, needs_of_call, place_of, reading_a_secret, together
from runbook_lib.restore.plan import RestorePlan
from runbook_lib.tags import TAG_PREFIX

SIMULATE = declare("iam", "SimulatePrincipalPolicy", items="EvaluationResults")
GET_ROLE = declare("iam", "GetRole")

_SUBJECT = "permissions"
_RESOURCE_POLICIES = ("kms", "secretsmanager")  # their own policies may allow what no policy of the caller does
# Needed only where a secret is under a key of the customer's, which nobody can tell without reading the secret.
_PERHAPS = ("kms:Decrypt",)


def check_account(identity: Identity, source: Cluster, *, account: str) -> Check:
    """Compare the caller's account with the expected one, and with the source's."""
    subject, owner = "account", source.arn.split(":")[4]
    wanted = account.strip().replace("-", "")
    if wanted and wanted != identity.account:
        return bad(
            subject,
            f"The caller is in account {identity.account}, and {wanted} is expected.",
            "Choose the other profile, or correct `account`.",
        )
    if owner != identity.account and ":cluster-snapshot:" in source.arn:
        return warn(
            subject,
            f"The snapshot is shared by account {owner}; the copy is made in the caller's account {identity.account}.",
            "Make sure that this is where it is wanted.",
        )
    if owner != identity.account:
        return bad(
            subject,
            f"The source belongs to account {owner}, the caller to {identity.account}.",
            "A restore is made in the source's own account: choose its profile.",
        )
    if not wanted:
        return ok(subject, f"{identity.arn} in account {identity.account}; no `account` was given to compare with.")
    return ok(subject, f"{identity.arn} in account {identity.account}, as expected.")


def needs_of_plan(
    plan: RestorePlan, source: Cluster, *, key: str = "", secret: str = "", account: str = ""
) -> tuple[Need, ...]:
    """Return every permission that the calls ahead need, in order; `key` is the customer's KMS key, if it is one.

    `account` is the caller's, in which the copy is made: a shared snapshot is of another.
    """
    own = {f"{TAG_PREFIX}plan": plan.id, f"{TAG_PREFIX}run": "run"}
    sent = {tag["Key"]: tag["Value"] for call in plan.calls for tag in call.request.get("Tags") or ()}
    place = place_of(source.arn, account=account, tags=own, held={source.arn: source.tags}, key=key)
    # what does not exist yet has no tags when AWS decides on making it
    later = replace(place, held={**place.held, place.arn("rds", f"cluster:{plan.target}"): sent | own})
    found: list[Need] = []
    for number, call in enumerate(plan.calls):
        found += needs_of_call(call.operation, call.request, place=later if number else place)
    read = secret or source.secret_arn
    if read.startswith("arn:"):
        found += reading_a_secret(read, place=place)
    if any(call.request.get("ManageMasterUserPassword") for call in plan.calls):
        found += reading_a_secret(place.arn("secretsmanager", "secret:rds!cluster-new"), place=place)
    return tuple(found)


def reads_of_the_checks() -> tuple[Need, ...]:
    """Return the permissions of every look-up of the checks themselves; none of them changes anything."""
    services = ("rds", "ec2", "kms", "iam", "glue")
    actions = {
        permission
        for call in declared()
        if call.service in services and not call.mutates and call.operation in _LOOK_UPS
        for permission in call.permissions
    }
    return tuple(Need(action=action) for action in sorted(actions))


_LOOK_UPS = {
    "DescribeDBClusters", "DescribeDBInstances", "DescribeAccountAttributes", "DescribeDBClusterParameterGroups",
    "DescribeDBParameterGroups", "DescribeDBSubnetGroups", "DescribeDBClusterParameters", "DescribeDBEngineVersions",
    "DescribeOrderableDBInstanceOptions", "DescribeSecurityGroups", "DescribeKey", "SimulatePrincipalPolicy",
    "GetRole", "GetTriggers", "ListJobs", "DescribeDBClusterSnapshots", "DescribeDBClusterAutomatedBackups",
}  # fmt: skip


def check_permissions(session: AwsSession, identity: Identity, needs: tuple[Need, ...], *, source: Cluster) -> Check:
    """Ask IAM whether the caller may do all this. IAM's simulation knows no policy on the resource's side.

    Raises:
        CredentialsRefused: the caller is not known any more.
    """
    if identity.arn.endswith(":root"):
        hint = "Use a role made for recoveries; `runbook policy` prints its policy."
        return warn(_SUBJECT, "The caller is the account's root user, whom no policy limits.", hint)
    try:
        principal = principal_of(session, identity)
        if not principal:
            return unknown(_SUBJECT, f"IAM cannot simulate the policies of {identity.arn}")
        denied = tuple(dict.fromkeys(_denied(session, principal, needs)))
        looking = tuple(dict.fromkeys(_denied(session, principal, reads_of_the_checks())))
    except CredentialsRefused:
        raise
    except RunbookError as error:
        if isinstance(error, AccessDenied):
            return unknown(_SUBJECT, f"What is allowed {could_not(error)} would let the checks see it")
        return unknown(_SUBJECT, f"What is allowed {could_not(error)}")
    return judge_permissions(denied, looking, asked=len(needs), source=source.arn)


@dataclass(frozen=True, kw_only=True)
class Denial:
    """What IAM's simulation does not allow. `why_perhaps` says why AWS may allow it all the same, else empty."""

    action: str
    resource: str = "*"
    why_perhaps: str = ""


def judge_permissions(denied: Sequence[Denial], looking: Sequence[Denial], *, asked: int, source: str) -> Check:
    """Decide from what IAM denies of the calls ahead, and of the checks' own look-ups."""
    roles = [denial.resource for denial in denied if denial.action == "iam:PassRole"]
    more = "".join(f" --role {role}" for role in roles)
    hint = f"`runbook policy restore_to_timestamp --source {source}{more}` prints the whole policy."
    by_name = [denial for denial in denied if denial.action not in _PERHAPS]
    if hard := [denial for denial in by_name if not denial.why_perhaps]:
        return bad(_SUBJECT, f"This caller may not {_listed(hard)}.", hint)
    if by_name:
        reasons = " and ".join(dict.fromkeys(denial.why_perhaps for denial in by_name))
        return Check(
            subject=_SUBJECT,
            state="unknown",
            sentence=f"IAM does not say whether this caller may {_listed(by_name)}: {reasons}.",
            hint=f"Look at that before you approve. {hint}",
        )
    if soft := [*denied, *looking]:
        return warn(_SUBJECT, f"Allowed are all calls ahead; not allowed is {_listed(soft)}.", hint)
    return ok(_SUBJECT, f"IAM allows all {asked} permissions that the calls ahead need.")


def _listed(denied: Sequence[Denial]) -> str:
    by_action: dict[str, list[str]] = {}
    for denial in denied:
        named = denial.resource.split(":", 5)[-1] if denial.resource != "*" else ""
        by_action.setdefault(denial.action, []).append(named)
    return ", ".join(f"{action} on {' and '.join(on)}" if any(on) else action for action, on in by_action.items())


def principal_of(session: AwsSession, identity: Identity) -> str:
    """Return the ARN that IAM knows the caller by, empty for one whose policies it cannot simulate.

    STS names an assumed role without its path, so a role with a path (IAM Identity Center's) must be looked up.
    """
    head, _, rest = identity.arn.partition(":assumed-role/")
    if not rest:
        return "" if ":federated-user/" in identity.arn else identity.arn
    role = rest.split("/")[0]
    if role.startswith("AWSReservedSSO_"):
        return str(GET_ROLE(session, RoleName=role)["Role"]["Arn"])
    return f"{head.rpartition('::')[0].replace(':sts', ':iam')}::{identity.account}:role/{role}"


def _denied(session: AwsSession, principal: str, needs: tuple[Need, ...]) -> Iterator[Denial]:
    for question in together(needs):
        entries = [
            {"ContextKeyName": name, "ContextKeyValues": list(values), "ContextKeyType": _type_of(name)}
            for name, values in {**_in_every_request(question.actions, session.region), **question.context}.items()
        ]
        for result in SIMULATE.pages(
            session,
            PolicySourceArn=principal,
            ActionNames=list(question.actions),
            ResourceArns=list(question.resources),
            ContextEntries=entries,
        ):
            yield from _denials(result)


def _type_of(key: str) -> str:
    kinds = {"aws:TagKeys": "stringList", "kms:GrantIsForAWSResource": "boolean", "aws:SecureTransport": "boolean"}
    return kinds.get(key, "string")


def _in_every_request(actions: Sequence[str], region: str) -> dict[str, tuple[str, ...]]:
    """Return what AWS puts into every request and its simulation does not; IAM has one region."""
    everywhere = all(action.startswith("iam:") for action in actions)
    return {"aws:RequestedRegion": ("us-east-1" if everywhere else region,), "aws:SecureTransport": ("true",)}


def _denials(result: Mapping[str, Any]) -> Iterator[Denial]:
    """Read one answer. What is not said to be allowed is denied, and AWS may allow it after all."""
    action, missing = str(result.get("EvalActionName", "")), result.get("MissingContextValues") or ()
    specific = result.get("ResourceSpecificResults") or ()
    for decision in specific:
        said = str(decision.get("EvalResourceDecision", ""))
        if said != "allowed":
            lacking = decision.get("MissingContextValues") or missing
            resource = str(decision.get("EvalResourceName") or "*")
            yield Denial(action=action, resource=resource, why_perhaps=_why_perhaps(action, said, lacking))
    if not specific and (said := str(result.get("EvalDecision", ""))) != "allowed":
        resource = str(result.get("EvalResourceName") or "*")
        yield Denial(action=action, resource=resource, why_perhaps=_why_perhaps(action, said, missing))


def _why_perhaps(action: str, said: str, missing: Sequence[str]) -> str:
    """Say why AWS may decide otherwise than its simulation, which knows neither resources' policies nor every key."""
    if said not in ("implicitDeny", "explicitDeny"):
        return "its simulation gave no decision"
    if missing:
        return f"it depends on {', '.join(sorted(missing))} of the real request"
    if said == "implicitDeny" and action.partition(":")[0] in _RESOURCE_POLICIES:
        return "a policy of the key or secret itself may allow it, and the simulation does not know those"
    return ""
