"""The plan of a restore: every call it would make, decided before anything is changed. Pure functions of facts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import ENGINE, Cluster, cluster_from
from runbook_lib.errors import InputRefused
from runbook_lib.restore.instance_settings import instance_request
from runbook_lib.restore.origins import COPY_ON_WRITE, Origin, origin_text, read_origin
from runbook_lib.restore.settings import (
    Setting,
    applied_after,
    carried_tags,
    managed_password,
    sent_with_restore,
    settings_table,
)
from runbook_lib.tags import TAG_PREFIX
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
class Choices:
    """What the person may choose about a restore; everything has a default.

    `purpose` "copy" is for looking and taking data from: one instance, one day of backups, no deletion protection, to
    be deleted after seven days. "cutover" is to take the source's place: every instance and setting as at the source.
    `restore_from` names another origin than the cluster's own past, see `read_origin`. `secret` names an account that
    is good at that second: without one the copy of a cluster that is gone gets a managed password, for nobody has any.
    """

    purpose: str = "copy"
    target: str = ""
    restore_from: str = ""
    instance_class: str = ""
    secret: str = ""


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
    described: Mapping[str, Any] = field(repr=False)
    origin: str = ""
    note: str = ""

    @property
    def id(self) -> str:
        """Return the plan's id: a hash of the calls and of the source they were made for, not of the clock."""
        content = {
            "calls": {f"{number:02} {call.operation}": dict(call.request) for number, call in enumerate(self.calls)},
            "source": [self.source_arn, self.source_resource_id, self.fingerprint],
        }
        return _hash(content)[:12]

    @property
    def is_clone(self) -> bool:
        """Tell whether it clones a cluster as it is: then `moment` is when the plan was made, and no part of the id."""
        return self.calls[0].request.get("RestoreType") == COPY_ON_WRITE

    @property
    def instance_classes(self) -> tuple[str, ...]:
        """Return the class of every instance that is made."""
        return tuple(str(call.request["DBInstanceClass"]) for call in self.calls_of("CreateDBInstance"))

    @property
    def is_io_optimized(self) -> bool:
        """Tell whether the new cluster's storage is Aurora I/O-Optimized."""
        return self.calls[0].request.get("StorageType") == "aurora-iopt1"

    @property
    def is_of_a_living_cluster(self) -> bool:
        """Tell whether it restores a second of a cluster that is there, not a snapshot, a deleted one or a clone."""
        return "SourceDBClusterIdentifier" in self.calls[0].request and not self.is_clone

    def described_source(self) -> Cluster:
        """Return the source as far as it is known, for a plan whose source is gone."""
        known = {
            "DBClusterIdentifier": self.source,
            "DBClusterArn": self.source_arn,
            "DbClusterResourceId": self.source_resource_id,
            "Engine": ENGINE,
            "EngineVersion": self.calls[0].request.get("EngineVersion", ""),
        }
        return cluster_from({**known, **self.described})

    def calls_of(self, operation: str) -> tuple[PlannedCall, ...]:
        """Return the calls of one AWS operation, in order."""
        return tuple(call for call in self.calls if call.operation == operation)


def propose(
    session: AwsSession,
    cluster: Cluster | None,
    *,
    asked: AskedTime,
    now: datetime,
    choices: Choices | None = None,
) -> RestorePlan:
    """Read what the plan needs beside the cluster, and make it. Calls nothing that changes anything.

    Raises:
        NotFound, InputRefused: see `read_origin` and `plan_restore`.
    """
    chosen = choices or Choices()
    origin = read_origin(
        session,
        cluster,
        asked=asked,
        now=now,
        restore_from=chosen.restore_from,
    )
    return plan_restore(origin, choices=chosen)


def plan_restore(origin: Origin, *, choices: Choices | None = None) -> RestorePlan:
    """Decide the restore into a new cluster.

    Raises:
        InputRefused: an unusable name or purpose, or no instance class is known.
    """
    chosen = choices or Choices()
    if chosen.purpose not in ("copy", "cutover"):
        raise InputRefused(f'There is no purpose "{chosen.purpose}".', hint='Set `purpose` to "copy" or "cutover".')
    throw_away = chosen.purpose == "copy"
    described = origin.described
    name = target_name(origin.source, origin.moment, wanted=chosen.target, own_is_free=origin.is_of_a_gone_cluster)
    sent = sent_with_restore(described, throw_away=throw_away)
    clone = origin.request.get("RestoreType") == COPY_ON_WRITE
    after, password = applied_after(described), managed_password(described)
    nobody_knows = origin.is_of_a_gone_cluster and not chosen.secret  # its managed secret went with it
    if clone or nobody_knows:  # production's password must not open a clone, whoever keeps that
        password = password or {"ManageMasterUserPassword": True}
    tags = [
        *carried_tags(described),
        {"Key": f"{TAG_PREFIX}source", "Value": origin.source},
        {"Key": f"{TAG_PREFIX}target", "Value": name},
        *([] if clone else [{"Key": f"{TAG_PREFIX}moment", "Value": iso(origin.moment)}]),
        {"Key": f"{TAG_PREFIX}purpose", "Value": chosen.purpose},
    ]
    restore = PlannedCall(
        operation=origin.operation,
        request={"DBClusterIdentifier": name, **origin.request, "Tags": tags, **sent},
        why="clone the cluster as it is" if clone else f"make the new cluster with the data of {iso(origin.moment)}",
    )
    instances = _instances(origin, chosen)
    made = [
        _instance_call(instance, number, name, tags, throw_away=throw_away)
        for number, instance in enumerate(instances[:1] if throw_away else instances, start=1)
    ]
    return RestorePlan(
        source=origin.source,
        source_arn=origin.source_arn,
        source_resource_id=origin.resource_id,
        origin=origin_text(origin),
        note=origin.note,
        target=name,
        moment=origin.moment,
        purpose="copy" if throw_away else "cutover",
        calls=(
            restore,
            *_modify_call(name, after, "apply what a restore does not take"),
            *made,
            *_modify_call(name, password, "give it a managed master password of its own: who knows that second's?"),
        ),
        settings=settings_table(described, sent=sent, after=after | password, throw_away=throw_away),
        expires_after=timedelta(days=1 if clone else 7) if throw_away else None,
        fingerprint=fingerprint(described),
        described=described,
    )


def _instances(origin: Origin, choices: Choices) -> tuple[Mapping[str, Any], ...]:
    found = origin.instances or (({"Engine": ENGINE},) if choices.instance_class else ())
    if not found:
        raise InputRefused(
            f"Nothing says which class the instances of {origin.source} had.",
            hint='Set `instance_class`, for example "db.r6g.large".',
        )
    chosen = {"DBInstanceClass": choices.instance_class} if choices.instance_class else {}
    return tuple({**described, **chosen} for described in found)


def _modify_call(name: str, settings: Mapping[str, Any], why: str) -> tuple[PlannedCall, ...]:
    if not settings:
        return ()
    request = {"DBClusterIdentifier": name, "ApplyImmediately": True, **settings}
    return (PlannedCall(operation="ModifyDBCluster", request=request, why=why),)


def target_name(source: str, moment: datetime, *, wanted: str = "", own_is_free: bool = False) -> str:
    """Return the new cluster's name: the wanted one, checked, else one made of the source and the moment.

    A cluster that is gone has left its name: with `own_is_free` the new one may have it.

    Raises:
        InputRefused: a name AWS would refuse, or the source's own.
    """
    name = wanted.lower() or f"{source[:40].rstrip('-')}-at-{moment:%Y%m%d-%H%M%S}"
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise InputRefused(
            f'"{wanted}" cannot be the name of a cluster.',
            hint=f"Use at most {LONGEST_NAME} letters, digits and single hyphens, beginning with a letter.",
        )
    if name == source and not own_is_free:
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


_PASSING = {"Status", "SecretStatus", "DBClusterParameterGroupStatus"}
"""What the parts of a description say of how they are doing at the moment."""
_UNDER_WAY = {
    "enabling": "enabled", "requested": "enabled", "disabling": "disabled",
    "starting": "started", "stopping": "stopped",
}  # fmt: skip


def fingerprint(described: Mapping[str, Any]) -> str:
    """Return a hash of what the source is set to, leaving out what changes by itself (statuses, times, sizes)."""
    return _hash({name: _steady(value) for name, value in described.items() if name not in _VOLATILE})


def _steady(value: Any) -> Any:
    """Leave passing states out of a description, and take what is under way for done."""
    if isinstance(value, Mapping):
        return {name: _steady(part) for name, part in value.items() if name not in _PASSING}
    if isinstance(value, (list, tuple)):
        return [_steady(part) for part in value]
    return _UNDER_WAY.get(value, value) if isinstance(value, str) else value


def _hash(content: Mapping[str, Any]) -> str:
    """Hash a value whose lists have no order: AWS promises none for zones, tags, groups, members and roles."""
    return hashlib.sha256(json.dumps(_in_order(content), sort_keys=True, default=_plain).encode()).hexdigest()


def _in_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _in_order(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return sorted(
            (_in_order(part) for part in value), key=lambda part: json.dumps(part, sort_keys=True, default=_plain)
        )
    return value


def _instance_call(
    instance: Mapping[str, Any], number: int, cluster: str, tags: list[dict[str, str]], *, throw_away: bool
) -> PlannedCall:
    return PlannedCall(
        operation="CreateDBInstance",
        request={
            "DBInstanceIdentifier": f"{cluster[: LONGEST_NAME - 3].rstrip('-')}-{number}",
            "DBClusterIdentifier": cluster,
            "Tags": tags,
            **instance_request(instance, throw_away=throw_away),
        },
        why="the writer: without an instance nobody can connect" if number == 1 else "a reader, as at the source",
    )


def _plain(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)
