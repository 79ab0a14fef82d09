"""Read a restored cluster back: each setting of the source and of the copy side by side, as AWS describes them now.

The rows are made from the same tables as the plan (`settings`, `instance_settings`), so that a setting which a plan
sorts is also looked at afterwards. Its limit: what AWS does not describe with the cluster or the instance (proxies,
alarms, event subscriptions, Terraform state) cannot be read back; the plan names that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import Cluster, Instance, describe_cluster, instances_of
from runbook_lib.errors import NotFound
from runbook_lib.restore import instance_settings, settings
from runbook_lib.restore.apply import Applied
from runbook_lib.restore.plan import RestorePlan
from runbook_lib.tags import tags_of

Verdict = Literal["same", "as planned", "differs"]
Reader = Callable[[Mapping[str, Any]], Any]

CARRIED = ("Engine", "EngineVersion", "MasterUsername", "StorageEncrypted", "StorageEncryptionType")
"""Members no call can set, because every restore carries them; read back all the same."""

CARRIED_BY_INSTANCE = ("EngineVersion",)

_MAY_BE_LEFT_OUT = {*settings.COPY_OVERRIDES, "AvailabilityZone"}
"""Parameters a plan for a throw-away copy may leave to AWS although the source has a value."""

# What AWS writes for a default on one cluster and leaves out on another. Source: CreateDBCluster, API reference.
_DEFAULTS: dict[str, Any] = {
    "NetworkType": "IPV4",
    "StorageType": "aurora",
    "EngineMode": "provisioned",
    "DatabaseInsightsMode": "standard",
    "AutoMinorVersionUpgrade": True,
    "EngineLifecycleSupport": "open-source-rds-extended-support",
}
_OFF = ("stopped", "disabled", "unknown")


@dataclass(frozen=True, kw_only=True)
class Described:
    """A cluster and its instances, as AWS describes them now."""

    cluster: Cluster
    instances: Sequence[Instance] = ()


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One setting on both sides. `what` is "cluster" or the copy's instance, `name` AWS's member, `why` the reason."""

    what: str
    name: str
    source: str
    copy: str
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class ReadBack:
    """Every setting of the source and of the copy. `holds` is false as soon as one differs that should not."""

    source: str
    copy: str
    rows: tuple[Compared, ...] = field(repr=False)

    def of(self, verdict: Verdict) -> tuple[Compared, ...]:
        """Return the rows of one verdict."""
        return tuple(row for row in self.rows if row.verdict == verdict)

    @property
    def holds(self) -> bool:
        """Tell whether nothing differs but what was planned."""
        return not self.of("differs")


def read_back(session: AwsSession, applied: Applied, *, source: Cluster | None) -> ReadBack | None:
    """Re-read the source and the copy and compare every setting.

    None when nothing was applied, or when the source is gone: then there is nothing to compare with.

    `source` is the cluster as the plan was made from it.

    Raises:
        NotFound: the copy is gone.
    """
    if not applied.done or source is None:
        return None
    copy = describe_cluster(session, applied.plan.target)
    try:
        now = describe_cluster(session, source.identifier)
    except NotFound:  # it may be lost altogether: then the copy is held against what the plan was made from
        now = source
    return compare(
        applied.plan,
        planned_from=source,
        source=Described(cluster=now, instances=instances_of(session, now)),
        copy=Described(cluster=copy, instances=instances_of(session, copy)),
    )


def compare(plan: RestorePlan, *, planned_from: Cluster, source: Described, copy: Described) -> ReadBack:
    """Compare the copy with the source, setting by setting. Pure."""
    side = _Side(
        what="cluster", plan=plan, planned_from=planned_from.raw, source=source.cluster.raw, copy=copy.cluster.raw
    )
    rows = [*_cluster_rows(side), *_tag_rows(side)]
    by_name = {instance.identifier: instance.raw for instance in copy.instances}
    sources = {instance.identifier: instance.raw for instance in source.instances}
    calls = plan.calls_of("CreateDBInstance")
    for call, like in zip(calls, planned_from.writer_first, strict=False):
        name = call.request["DBInstanceIdentifier"]
        if name not in by_name or like not in sources:
            gone, where = (name, plan.target) if name not in by_name else (like, plan.source)
            rows.append(_whole(name, like, name, "differs", f"{gone} is not in {where} any more"))
            continue
        rows += _instance_rows(
            _Side(what=name, plan=plan, planned_from=sources[like], source=sources[like], copy=by_name[name]),
            call.request,
        )
    for like in planned_from.writer_first[len(calls) :]:
        rows.append(_whole("cluster", like, "", "as planned", "a copy has one instance"))
    made = {call.request["DBInstanceIdentifier"] for call in calls}
    for name in sorted(set(by_name) - made):
        rows.append(_whole(name, "", name, "differs", "no call of the plan made it"))
    return ReadBack(source=source.cluster.identifier, copy=copy.cluster.identifier, rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class _Side:
    """What one row is read from."""

    what: str
    plan: RestorePlan
    planned_from: Mapping[str, Any]
    source: Mapping[str, Any]
    copy: Mapping[str, Any]

    def row(self, member: str, read: Reader, verdict: Verdict, why: str = "") -> Compared:
        return Compared(
            what=self.what,
            name=member,
            source=_text(read(self.source)),
            copy=_text(read(self.copy)),
            verdict=verdict,
            why=why,
        )


def _cluster_rows(side: _Side) -> list[Compared]:
    restore, after = _requests(side.plan)
    rows = [_settled(side, *entry, name, restore) for name, entry in settings.SENT.items()]
    rows += [_settled(side, *entry, name, after) for name, entry in settings.AFTER.items()]
    rows += [_password(side, *entry, name) for name, entry in settings.PASSWORD.items()]
    rows += [_plain(side, member, sent=restore.get(member)) for member in CARRIED]
    rows += [_by_hand(side, member, note) for member, note in settings.BY_HAND.items()]
    return rows


def _instance_rows(side: _Side, request: Mapping[str, Any]) -> list[Compared]:
    rows = [_settled(side, *entry, name, request) for name, entry in instance_settings.CREATED.items()]
    rows += [_plain(side, member) for member in CARRIED_BY_INSTANCE]
    rows += [_by_hand(side, member, note) for member, note in instance_settings.BY_HAND.items()]
    return [*rows, *_tag_rows(side)]


def _requests(plan: RestorePlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the call that makes the cluster sends, and what all changes after it send together."""
    first, *others = (call for call in plan.calls if call.operation != "CreateDBInstance")
    changes = [call.request for call in others if call.operation == "ModifyDBCluster"]
    return dict(first.request), {name: value for request in changes for name, value in request.items()}


def _settled(side: _Side, member: str, read: Reader, parameter: str, request: Mapping[str, Any]) -> Compared:
    """Sort a setting that a call of the plan was to carry."""
    then, now, copied = (_level(member, read(described)) for described in (side.planned_from, side.source, side.copy))
    sent = _level(member, request.get(parameter))
    if now == copied:
        return side.row(member, read, "same")
    if copied == then:
        return side.row(member, read, "as planned", "the source has been changed since the plan")
    throw_away = side.plan.purpose == "copy"
    if throw_away and parameter in _MAY_BE_LEFT_OUT and parameter not in request:
        return side.row(member, read, "as planned", "left to AWS for a throw-away copy")
    if member == "Port" and side.source.get("Endpoint") == side.copy.get("Endpoint"):
        return side.row(member, read, "as planned", "two servers on one host cannot share a port")  # never on AWS
    if copied == sent and sent != then:
        noted = [setting.note for setting in side.plan.settings if setting.name == member and setting.note]
        return side.row(member, read, "as planned", noted[0] if noted else "the plan sends another value")
    if parameter not in request and now is not None:
        return side.row(member, read, "differs", "the plan did not carry it")
    return side.row(member, read, "differs", "the copy does not have what the plan sent")


def _password(side: _Side, member: str, read: Reader, parameter: str) -> Compared:
    """Compare the managed password: both have one or neither, never the same secret."""
    if parameter != "ManageMasterUserPassword":
        same = read(side.source) == read(side.copy)
        why = "" if same else "the secret is encrypted with another key"
        return side.row(f"{member}.KmsKeyId", read, "same" if same else "differs", why)
    secrets = [(described.get(member) or {}).get("SecretArn") for described in (side.source, side.copy)]
    shown = _same("SecretArn", inside=member)
    if not any(secrets):
        return side.row(member, shown, "same")
    if not all(secrets):
        return side.row(member, shown, "differs", "only one of the two has a managed password")
    if secrets[0] == secrets[1]:
        return side.row(member, shown, "differs", "both use one secret: rotating it locks one of them out")
    return side.row(member, shown, "as planned", "the copy has a managed password of its own")


def _plain(side: _Side, member: str, *, sent: Any = None) -> Compared:
    """Compare what no plan chooses; a snapshot may be of an older engine version than its cluster has now."""
    read = _same(member)
    same = _level(member, read(side.source)) == _level(member, read(side.copy))
    if not same and sent is not None and sent == read(side.copy):
        return side.row(member, read, "as planned", "as in the snapshot")
    if not same and member in _ENCRYPTION and not _is_encrypted(side.source) and _is_encrypted(side.copy):
        return side.row(member, read, "as planned", "AWS encrypts what it restores, by a key of its own")
    return side.row(member, read, "same" if same else "differs", "" if same else "a restore should carry it")


_ENCRYPTION = ("StorageEncrypted", "StorageEncryptionType")


def _is_encrypted(described: Mapping[str, Any]) -> bool:
    """Tell whether a cluster is encrypted; today's default, sse-rds, has no key that is named."""
    return bool(described.get("StorageEncrypted")) or described.get("StorageEncryptionType") not in (None, "none")


def _by_hand(side: _Side, member: str, note: str) -> Compared:
    read = _same(member)
    now, copied = (_level(member, read(described)) for described in (side.source, side.copy))
    if now == copied:
        return side.row(member, read, "same")
    if now is None:
        return side.row(member, read, "differs", "the source has none")
    return side.row(member, read, "as planned", f"by hand: {note}")


def _tag_rows(side: _Side) -> list[Compared]:
    """Compare the tags that are carried. The copy's own (recovery:…) come on top; the source's own are not shown."""
    wanted = {tag["Key"]: tag["Value"] for tag in settings.carried_tags(side.planned_from)}
    if side.what != "cluster":  # instances get the tags of the cluster, and may have had their own
        wanted = {}
    found = tags_of(side.copy)
    rows = []
    for name, value in wanted.items():
        same = found.get(name) == value
        rows.append(
            Compared(
                what=side.what,
                name=f"tag {name}",
                source=value,
                copy=found.get(name, "—"),
                verdict="same" if same else "differs",
                why="" if same else "the plan sends this tag",
            )
        )
    return rows


def _whole(what: str, source: str, copy: str, verdict: Verdict, why: str) -> Compared:
    return Compared(what=what, name="the instance", source=source or "—", copy=copy or "—", verdict=verdict, why=why)


def _same(name: str, *, inside: str = "") -> Reader:
    return lambda described: ((described.get(inside) or {}) if inside else described).get(name)


def _level(member: str, value: Any) -> Any:
    """Take for equal what AWS means as equal: off and absent, a default said and not said, lists in any order."""
    if member in _DEFAULTS:
        return None if value in (None, _DEFAULTS[member]) else value
    if value in (None, "", 0, False) or value in ([], {}, *_OFF):
        return None
    if isinstance(value, (list, tuple)):
        return sorted((_level(member, part) for part in value), key=repr)
    return dict(value) if isinstance(value, Mapping) else value


def _text(value: Any) -> str:
    return "—" if value in (None, "", [], {}) else settings.brief(value)
