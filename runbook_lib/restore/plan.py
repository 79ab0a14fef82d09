"""The plan of a restore: every call it would make, decided before anything is changed. Pure functions of facts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import TAG_PREFIX, Cluster, Instance, instances_of
from runbook_lib.errors import InputRefused
from runbook_lib.restore.instance_settings import instance_request
from runbook_lib.restore.settings import (
    Setting,
    applied_after,
    carried_tags,
    managed_password,
    sent_with_restore,
    settings_table,
)
from runbook_lib.times import AskedTime, iso

Purpose = Literal["copy", "cutover"]
LONGEST_NAME = 63  # DBClusterIdentifier, RestoreDBClusterToPointInTime in the RDS API Reference
_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")


@dataclass(frozen=True, kw_only=True)
class PlannedCall:
    """One AWS call the plan would make, in AWS's own names."""

    operation: str
    request: Mapping[str, Any]
    why: str


@dataclass(frozen=True, kw_only=True)
class RestorePlan:
    """What would be done to what. Equal plans have equal ids, whenever they are made."""

    source: str
    source_arn: str
    source_resource_id: str
    target: str
    moment: datetime
    purpose: Purpose
    calls: tuple[PlannedCall, ...]
    settings: tuple[Setting, ...]
    expires_after: timedelta | None
    fingerprint: str = field(repr=False)

    @property
    def id(self) -> str:
        """Give the plan's id: a hash of the calls and of the source they were made for, not of the clock."""
        content = {
            "calls": [[call.operation, dict(call.request)] for call in self.calls],
            "source": [self.source_arn, self.source_resource_id, self.fingerprint],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()[:12]

    def calls_of(self, operation: str) -> tuple[PlannedCall, ...]:
        """Give the calls of one AWS operation, in order."""
        return tuple(call for call in self.calls if call.operation == operation)


def propose(
    session: AwsSession, cluster: Cluster, *, asked: AskedTime, now: datetime, purpose: str = "copy", target: str = ""
) -> RestorePlan:
    """Read what the plan needs beside the cluster, and make it. Calls nothing that changes anything."""
    return plan_restore(
        cluster,
        instances=instances_of(session, cluster),
        asked=asked,
        now=now,
        purpose=purpose,
        target=target,
    )


def plan_restore(
    cluster: Cluster,
    *,
    instances: Sequence[Instance],
    asked: AskedTime,
    now: datetime,
    purpose: str = "copy",
    target: str = "",
) -> RestorePlan:
    """Decide the restore of a cluster to the asked moment, into a new cluster.

    `purpose` "copy" is for looking and taking data from: one instance, one day of backups, no deletion protection, to
    be deleted after seven days. "cutover" is to take the source's place: every instance and setting as at the source.

    Raises:
        InputRefused: a moment outside the window, an unusable name or purpose, a source that cannot be restored now.
    """
    if purpose not in ("copy", "cutover"):
        raise InputRefused(f'There is no purpose "{purpose}".', hint='Set `purpose` to "copy" or "cutover".')
    if cluster.window is None:
        raise InputRefused(
            f'AWS gives no restorable times for "{cluster.identifier}" while it is {cluster.status}.',
            hint="Wait until the cluster is available, or choose another way back in inspect_backups.",
        )
    if not instances:
        raise InputRefused(
            f'The cluster "{cluster.identifier}" has no instance to take the class of the new ones from.',
            hint="Add an instance to the source, or name another cluster.",
        )
    moment = cluster.window.resolve(asked, now=now)
    name = target_name(cluster.identifier, moment, wanted=target)
    throw_away = purpose == "copy"
    sent = sent_with_restore(cluster.raw, throw_away=throw_away)
    after, password = applied_after(cluster.raw), managed_password(cluster.raw)
    tags = [
        *carried_tags(cluster.raw),
        {"Key": f"{TAG_PREFIX}source", "Value": cluster.identifier},
        {"Key": f"{TAG_PREFIX}moment", "Value": iso(moment)},
        {"Key": f"{TAG_PREFIX}purpose", "Value": purpose},
    ]
    restore = PlannedCall(
        operation="RestoreDBClusterToPointInTime",
        request={
            "DBClusterIdentifier": name,
            "SourceDBClusterIdentifier": cluster.identifier,
            "RestoreType": "full-copy",
            "RestoreToTime": moment,
            "Tags": tags,
            **sent,
        },
        why=f"make the new cluster with the data of {iso(moment)}",
    )
    followed = [
        PlannedCall(
            operation="ModifyDBCluster",
            request={"DBClusterIdentifier": name, "ApplyImmediately": True, **settings},
            why=why,
        )
        for settings, why in (
            (after, "apply what a restore does not take"),
            (password, "give the copy a managed master password of its own: nobody may know the one of that second"),
        )
        if settings
    ]
    kept = instances[:1] if throw_away else instances
    made = [
        _instance_call(instance, number, name, tags, throw_away=throw_away)
        for number, instance in enumerate(kept, start=1)
    ]
    return RestorePlan(
        source=cluster.identifier,
        source_arn=cluster.arn,
        source_resource_id=cluster.resource_id,
        target=name,
        moment=moment,
        purpose="copy" if throw_away else "cutover",
        calls=(restore, *followed, *made),
        settings=settings_table(cluster.raw, sent=sent, after=after | password, throw_away=throw_away),
        expires_after=timedelta(days=7) if throw_away else None,
        fingerprint=fingerprint(cluster),
    )


def target_name(source: str, moment: datetime, *, wanted: str = "") -> str:
    """Give the new cluster's name: the wanted one, checked, else one made of the source and the moment.

    Raises:
        InputRefused: a name AWS would refuse, or the source's own.
    """
    name = wanted.lower() or f"{source[:40].rstrip('-')}-at-{moment:%Y%m%d-%H%M%S}"
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise InputRefused(
            f'"{wanted}" cannot be the name of a cluster.',
            hint=f"Use at most {LONGEST_NAME} letters, digits and single hyphens, beginning with a letter.",
        )
    if name == source:
        raise InputRefused(
            f'The target "{name}" is the source itself; a restore always makes a new cluster.',
            hint="Leave `target` empty, or choose another name.",
        )
    return name


_VOLATILE = {
    "Status", "PercentProgress", "EarliestRestorableTime", "LatestRestorableTime", "StatusInfos", "Capacity",
    "EarliestBacktrackTime", "BacktrackConsumedChangeRecords", "PendingModifiedValues", "AutomaticRestartTime",
    "AllocatedStorage", "IOOptimizedNextAllowedModificationTime", "ServerlessV2PlatformVersion",
}  # fmt: skip


def fingerprint(cluster: Cluster) -> str:
    """Give a hash of what the source is set to, leaving out what changes by itself (statuses, times, sizes)."""
    steady = {name: value for name, value in cluster.raw.items() if name not in _VOLATILE}
    return hashlib.sha256(json.dumps(steady, sort_keys=True, default=_plain).encode()).hexdigest()


def _instance_call(
    instance: Instance, number: int, cluster: str, tags: list[dict[str, str]], *, throw_away: bool
) -> PlannedCall:
    return PlannedCall(
        operation="CreateDBInstance",
        request={
            "DBInstanceIdentifier": f"{cluster[: LONGEST_NAME - 3].rstrip('-')}-{number}",
            "DBClusterIdentifier": cluster,
            "Tags": tags,
            **instance_request(instance.raw, throw_away=throw_away),
        },
        why="the writer: without an instance nobody can connect" if number == 1 else "a reader, as at the source",
    )


def _plain(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)
