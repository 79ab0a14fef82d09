"""What a copy lacks before it can take its source's place: settings a call can change, readers, and what stays by hand.

Pure functions of what AWS says of both clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.bringback.cutover.names import numbered
from runbook_lib.bringback.cutover.pairing import Pairing
from runbook_lib.clusters import Instance
from runbook_lib.restore.instance_settings import instance_request
from runbook_lib.restore.plan import PlannedCall
from runbook_lib.restore.settings import AFTER, SENT, brief

CHANGED = (
    "BackupRetentionPeriod", "DeletionProtection", "CopyTagsToSnapshot", "VpcSecurityGroupIds",
    "DBClusterParameterGroupName", "EnableIAMDatabaseAuthentication", "PreferredBackupWindow",
    "ServerlessV2ScalingConfiguration", *AFTER,
)  # fmt: skip
"""Parameters that ModifyDBCluster takes under the same name as the restore, and that are safe to set on a copy."""

_ABSENT = {"DeletionProtection": False, "CopyTagsToSnapshot": False, "EnableIAMDatabaseAuthentication": False}
_WEIGHTS = {
    "Port": "applications would have to change their port",
    "DBSubnetGroup": "it may be in another network",
    "KmsKeyId": "another key encrypts it; whoever may use only the old one is locked out of snapshots",
    "BacktrackWindow": "it can be given only by a restore",
    "StorageType": "it changes the price of I/O",
    "NetworkType": "clients may find no address of their kind",
    "EnabledCloudwatchLogsExports": "logs would stop arriving",
    "AssociatedRoles": "LOAD DATA FROM S3, SELECT INTO OUTFILE S3 and Lambda calls need them",
    "DomainMemberships": "Kerberos sign-in needs it",
}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A setting that the copy has otherwise and no call of the plan changes. `member` is AWS's, `why` what it does."""

    member: str
    source: str
    copy: str
    why: str


def lacking_settings(source: Mapping[str, Any], copy: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the ModifyDBCluster call that sets the copy as the source is."""
    tables = SENT | AFTER
    found = {}
    for name in CHANGED:
        _, read = tables[name]
        wanted, held = read(source), read(copy)
        if wanted is None:
            wanted = _ABSENT.get(name)
        if wanted is not None and wanted != (_ABSENT.get(name) if held is None else held):
            found[name] = wanted
    return found


def differences(source: Mapping[str, Any], copy: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what differs and stays different: what somebody has to know or to do."""
    found = []
    for name, (member, read) in SENT.items():
        if name in CHANGED or member not in _WEIGHTS:
            continue
        wanted, held = read(source), read(copy)
        local = member == "Port" and source.get("Endpoint") == copy.get("Endpoint")  # two servers of one machine
        if (wanted or None) != (held or None) and not local:
            found.append(Difference(member=member, source=_said(wanted), copy=_said(held), why=_WEIGHTS[member]))
    if source.get("EngineVersion") != copy.get("EngineVersion"):
        versions = (_said(source.get("EngineVersion")), _said(copy.get("EngineVersion")))
        found.append(Difference(member="EngineVersion", source=versions[0], copy=versions[1], why="another version"))
    return tuple(found)


def _said(value: Any) -> str:
    return brief(value) if value not in (None, [], {}) else "—"


def missing_instances(pairing: Pairing) -> tuple[PlannedCall, ...]:
    """Return the calls that make the instances the copy has too few of, as those of the source are."""
    have = len(pairing.copy_instances)
    name = pairing.copy.identifier
    taken = {member.identifier for member in (*pairing.copy_instances, *pairing.source_instances)}
    free = [candidate for number in range(1, 40) if (candidate := numbered(name, number)) not in taken]
    return tuple(
        PlannedCall(
            operation="CreateDBInstance",
            request={
                "DBInstanceIdentifier": free[index],
                "DBClusterIdentifier": pairing.copy.identifier,
                **instance_request(like.raw, throw_away=False),
            },
            why=f"as {like.identifier}: the source has {len(pairing.source_instances)} instances, the copy {have}",
        )
        for index, like in enumerate(pairing.source_instances[have:])
    )


def other_classes(pairing: Pairing) -> tuple[tuple[Instance, Instance], ...]:
    """Return the source's and the copy's instances whose class differs, in the order they would take their names."""
    pairs = zip(pairing.source_instances, pairing.copy_instances, strict=False)
    return tuple((source, copy) for source, copy in pairs if source.instance_class != copy.instance_class)
