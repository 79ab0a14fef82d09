"""The least-privilege policy, made from the declared calls, so that it cannot drift from the code.

Its shape: reads on everything without a condition; a restore on the source, the target's name pattern and the groups,
only with our tag in the request; instances on the pattern; changes and deletions only of what carries our tag; the
source's deletion denied whatever else is allowed. `rds:cluster-tag` is nowhere in it: it exists on clusters only, and a
restore is decided on parameter, option and subnet groups too (Service Authorization Reference, Amazon RDS).

Limits: a parameter or subnet group is not held to the source's own; whoever may tag could take a cluster of the pattern
over. A cluster of another name is out of reach.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.aws import AwsCall
from runbook_lib.errors import InputRefused
from runbook_lib.policy.needs import BESIDE, MANAGED_PASSWORD, PASSED_TO, SECRET_KEY
from runbook_lib.tags import TAG_PREFIX

Statement = dict[str, Any]

OUR_TAG = f"{TAG_PREFIX}plan"
_REQUEST_TAG = {"Null": {f"aws:RequestTag/{OUR_TAG}": "false"}}
_RESOURCE_TAG = {"Null": {f"aws:ResourceTag/{OUR_TAG}": "false"}}
# A cut-over marks what it renames before it renames anything: whoever may rename may do it only to what is marked.
_MARK = f"{TAG_PREFIX}cutover"
_MARKING = {"Null": {f"aws:RequestTag/{_MARK}": "false"}}
_MARKED = {"Null": {f"aws:ResourceTag/{_MARK}": "false"}}

_RESTORE = ("rds:RestoreDBClusterToPointInTime", "rds:RestoreDBClusterFromSnapshot")
_CREATE = ("rds:CreateDBInstance", "rds:CreateDBClusterEndpoint")
_OURS = (
    "rds:ModifyDBCluster", "rds:ModifyDBInstance", "rds:DeleteDBCluster", "rds:DeleteDBInstance",
    "rds:AddRoleToDBCluster", "rds:EnableHttpEndpoint", "rds:RemoveTagsFromResource", "rds:StopDBCluster",
)  # fmt: skip
_TAG = ("rds:AddTagsToResource",)
_RENAME = ("rds:ModifyDBCluster", "rds:ModifyDBInstance", "rds:RemoveTagsFromResource")
_SNAPSHOT = ("rds:DeleteDBClusterSnapshot",)
_JOB = ("glue:StartJobRun",)
_BACKUP = ("rds:DeleteDBClusterAutomatedBackup",)
_SECRET, _DECRYPT, _GRANT, _PASS = "secretsmanager:GetSecretValue", "kms:Decrypt", "kms:CreateGrant", "iam:PassRole"
_MAKE_SECRET = MANAGED_PASSWORD[:2]
LONGEST = 6144  # characters of a managed policy, white space not counted (IAM User Guide, "IAM and AWS STS quotas")
SORTED = {
    *_RESTORE,
    *_CREATE,
    *_OURS,
    *_TAG,
    *_SNAPSHOT,
    *_BACKUP,
    *_JOB,
    *_MAKE_SECRET,
    *SECRET_KEY,
    _SECRET,
    _DECRYPT,
    _GRANT,
    _PASS,
}
"""Actions with a statement of their own; any other is a read, on everything."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a policy is for. `sources` are cluster ARNs; without one any cluster may be restored, none deleted.

    `prefix` begins the names of what is made; empty means the names the runbooks choose. `secrets` are names of
    database accounts beside those that RDS manages, `monitoring_role` the ARN that enhanced monitoring passes on,
    `roles` those ARNs of the source that a restore passes on to the copy (its own and the directory's), and
    `database_users` the database users that sign in by IAM.
    """

    sources: tuple[str, ...] = ()
    prefix: str = ""
    secrets: tuple[str, ...] = ()
    monitoring_role: str = ""
    roles: tuple[str, ...] = ()
    database_users: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for source in self.sources:
            parts = source.split(":")
            if len(parts) != 7 or parts[2] != "rds" or parts[5] != "cluster":
                raise InputRefused(
                    f'"{source}" is not the ARN of a DB cluster.',
                    hint="Write it as arn:aws:rds:REGION:ACCOUNT:cluster:NAME.",
                )

    @property
    def patterns(self) -> tuple[str, ...]:
        """Return the name patterns of what restores make."""
        if self.prefix:
            return (f"{self.prefix}*",)
        names = [source.rpartition(":")[2][:40].rstrip("-") for source in self.sources]  # as the plan shortens them
        return tuple(f"{name}-at-*" for name in names) or ("*-at-*",)

    def renamed(self) -> list[str]:
        """Write the ARNs of what a cut-over renames: the sources, what they become, and any instance."""
        names = [source.rpartition(":")[2][:40].rstrip("-") for source in self.sources]
        clusters = [*self.sources, *self.arns("rds", *(f"cluster:{name}*-damaged-*" for name in names))]
        return [*(clusters or self.arns("rds", "cluster:*")), *self.arns("rds", "db:*")]

    def arns(self, service: str, *rests: str) -> list[str]:
        """Write ARNs in the sources' regions and accounts."""
        places = [("aws", "*", "*")]
        if self.sources:
            split = [source.split(":") for source in self.sources]
            places = [*dict.fromkeys((parts[1], parts[3], parts[4]) for parts in split)]
        return [f"arn:{part}:{service}:{region}:{account}:{rest}" for part, region, account in places for rest in rests]

    def made(self, *kinds: str) -> list[str]:
        """Write the ARNs of what restores make."""
        return self.arns("rds", *(f"{kind}:{pattern}" for kind in kinds for pattern in self.patterns))


def policy_for(calls: Iterable[AwsCall], scope: Scope) -> dict[str, Any]:
    """Return the policy document that allows these calls and nothing beside them.

    Raises:
        InputRefused: a call changes something, and no statement has been thought out for it.
    """
    found = tuple(calls)
    actions = {permission for call in found for permission in call.permissions}
    actions |= {beside for call in found if call.service == "rds" for beside in BESIDE.get(call.operation, ())}
    changing = {permission for call in found if call.mutates for permission in call.permissions}
    if unsorted := sorted(changing - SORTED):
        raise InputRefused(
            f"No statement is known for {', '.join(unsorted)}.", hint="Sort it in runbook_lib/policy/document.py."
        )
    return {"Version": "2012-10-17", "Statement": [*_statements(actions, scope)]}


def _statements(actions: set[str], scope: Scope) -> Iterable[Statement]:
    def allow(sid: str, wanted: Sequence[str], on: list[str] | str, when: Mapping[str, Any] | None = None) -> None:
        if granted := sorted(actions & set(wanted)):
            made.append(_statement("Allow", sid, granted, on, when))

    made: list[Statement] = []
    groups = scope.arns("rds", "cluster-pg:*", "og:*", "subgrp:*")
    sources = [*scope.sources] or scope.arns("rds", "cluster:*")
    backups = scope.arns("rds", "cluster-auto-backup:*")
    secrets = scope.arns("secretsmanager", "secret:rds!cluster-*", *(f"secret:{name}-*" for name in scope.secrets))
    keys = scope.arns("kms", "key/*")
    allow("ReadWithoutCondition", sorted(actions - SORTED), "*")
    allow(
        "RestoreIntoNewClusters",
        _RESTORE[:1],
        [*sources, *scope.made("cluster"), *backups, *groups],
        _REQUEST_TAG,
    )
    snapshots = scope.arns("rds", "cluster-snapshot:*")
    allow("RestoreSnapshots", _RESTORE[1:], [*scope.made("cluster"), *snapshots, *groups], _REQUEST_TAG)
    on_making = [*scope.made("cluster", "db"), *scope.arns("rds", "pg:*", "og:*", "subgrp:*")]
    allow("CreateInstancesInThem", _CREATE, on_making, _REQUEST_TAG)
    allow("TagWhatIsMade", _TAG, scope.made("cluster", "db"), _REQUEST_TAG)
    allow("ChangeOnlyWhatIsOurs", (*_OURS, *_TAG), scope.made("cluster", "db"), _RESOURCE_TAG)
    if "rds:ModifyDBInstance" in actions:  # only a cut-over renames instances
        allow("MarkWhatIsCutOver", _TAG, scope.renamed(), _MARKING)
        allow("RenameWhatIsMarked", _RENAME, [*scope.renamed(), *scope.made("cluster")], _MARKED)
    allow("DeleteBackupsOfDeletedCopies", _BACKUP, backups)
    allow("DeleteSnapshotsOfAnApprovedPlan", _SNAPSHOT, snapshots)
    allow("TryJobsOnClones", _JOB, scope.arns("glue", "job/*"))
    allow("ReadDatabaseAccounts", [_SECRET], secrets)
    allow("DecryptDatabaseAccounts", [_DECRYPT], keys, {"StringLike": {"kms:ViaService": "secretsmanager.*"}})
    allow("GiveCopiesTheirOwnPassword", _MAKE_SECRET, scope.arns("secretsmanager", "secret:rds!cluster-*"))
    through_it = {"StringLike": {"kms:ViaService": "secretsmanager.*"}}
    allow("EncryptTheCopysSecret", SECRET_KEY, keys, through_it)
    via_rds = {"Bool": {"kms:GrantIsForAWSResource": "true"}, "StringLike": {"kms:ViaService": "rds.*"}}
    allow("LetRdsUseTheKey", [_GRANT], keys, via_rds)
    if scope.monitoring_role:
        passed = {"StringEquals": {"iam:PassedToService": "monitoring.rds.amazonaws.com"}}
        allow("PassTheMonitoringRole", [_PASS], [scope.monitoring_role], passed)
    if scope.roles:
        allow("PassTheRolesOfTheSource", [_PASS], [*scope.roles], {"StringEquals": {"iam:PassedToService": PASSED_TO}})
    if scope.database_users:
        users = scope.arns("rds-db", *(f"dbuser:*/{name}" for name in scope.database_users))
        made.append(_statement("Allow", "SignInToTheDatabase", ["rds-db:connect"], users, None))
    if scope.sources:
        made.append(_statement("Deny", "NeverDeleteTheSource", ["rds:DeleteDBCluster"], [*scope.sources], None))
    return made


def _statement(
    effect: str, sid: str, actions: list[str], on: list[str] | str, when: Mapping[str, Any] | None
) -> Statement:
    found: Statement = {"Sid": sid, "Effect": effect, "Action": actions, "Resource": on}
    return found | ({"Condition": dict(when)} if when else {})


def split(document: Mapping[str, Any], *, longest: int = LONGEST) -> list[dict[str, Any]]:
    """Split a policy document into as few as fit into managed policies; together they mean the same."""
    parts: list[dict[str, Any]] = []
    for statement in (piece for whole in document["Statement"] for piece in _pieces(whole, longest=longest)):
        if parts and _length({**parts[-1], "Statement": [*parts[-1]["Statement"], statement]}) <= longest:
            parts[-1]["Statement"].append(statement)
        else:
            parts.append({"Version": document["Version"], "Statement": [statement]})
    return parts


def _pieces(statement: Statement, *, longest: int) -> Iterator[Statement]:
    """Cut a statement that alone is too long by its resources, then by its actions: each piece means its share."""
    if _length({"Version": "2012-10-17", "Statement": [statement]}) <= longest:
        yield statement
        return
    for element in ("Resource", "Action"):
        held = statement[element]
        if isinstance(held, list) and len(held) > 1:
            middle = len(held) // 2
            for number, share in enumerate((held[:middle], held[middle:]), start=1):
                piece = {**statement, "Sid": f"{statement['Sid']}{number}", element: share}
                yield from _pieces(piece, longest=longest)
            return
    yield statement  # one action on one resource; no ARN is that long


def _length(document: Mapping[str, Any]) -> int:
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))
