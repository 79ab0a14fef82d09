"""The plan of a cut-over: every call, in order, decided before anything is changed.

The order keeps the time short in which no cluster has the name: marks, settings and instance names come first (renaming
an instance restarts it, and the copy serves nobody yet), the two renames of the clusters last. Between those two no
cluster has the name and nobody can connect; AWS offers no exchange of names in one step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from runbook_lib.aws import AwsSession
from runbook_lib.bringback.cutover.lacking import lacking_settings, missing_instances
from runbook_lib.bringback.cutover.names import BECOMES, WAS, Rename, numbered, set_aside_name, unused
from runbook_lib.bringback.cutover.pairing import CUTOVER, Pairing, find_pairing
from runbook_lib.clusters import Cluster, Instance
from runbook_lib.errors import InputRefused
from runbook_lib.restore.plan import PlannedCall
from runbook_lib.tags import TAG_PREFIX, tags_of
from runbook_lib.times import parse_timestamp

_OF_THE_RESTORE = tuple(f"{TAG_PREFIX}{name}" for name in ("plan", "source", "target", "moment", "purpose", "run"))
Direction = Literal["cut over", "undo"]


@dataclass(frozen=True, kw_only=True)
class CutOverPlan:
    """What would be done to which two clusters. Equal plans have equal ids, whenever they are made.

    `marks`, `settings`, `made` and `unmarks` are calls; `aside` are the renames that free the names (instances, then
    the cluster), `into` those that give them to the other. `begun` is the id under which it has been begun already;
    what is done then is not done again, and `calls` are those that are left.
    """

    direction: Direction
    pairing: Pairing
    aside: tuple[Rename, ...]
    into: tuple[Rename, ...]
    marks: tuple[PlannedCall, ...] = ()
    settings: tuple[PlannedCall, ...] = ()
    made: tuple[PlannedCall, ...] = ()
    unmarks: tuple[PlannedCall, ...] = ()
    begun: str = ""
    content: Mapping[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """Return the plan's id: a hash of what would become of what, not of the clock; once begun, the approved one."""
        if self.begun:
            return self.begun
        return hashlib.sha256(json.dumps(self.content, sort_keys=True, default=str).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The name at stake, the one that applications connect to."""
        return self.pairing.name

    @property
    def damaged(self) -> str:
        """The name under which the damaged cluster is kept, or was until the undo."""
        kept = next(
            rename for rename in (*self.aside, *self.into) if rename.kind == "cluster" and rename.origin == self.name
        )
        return kept.becomes if self.direction == "cut over" else kept.was

    @property
    def renames(self) -> tuple[Rename, ...]:
        """Every change of name in its order: the instances of both, then the clusters, the serving one first."""
        steps = (*self.aside, *self.into)
        members = [call for call in steps if call.kind == "instance"]
        return (*members, *(call for call in steps if call.kind == "cluster"))

    @property
    def calls(self) -> tuple[PlannedCall, ...]:
        """Every changing call that is left, in order."""
        pairing = self.pairing
        members = (*pairing.source_instances, *pairing.copy_instances)
        named = {str(member.raw.get("DbiResourceId", "")): member.identifier for member in members}
        named |= {cluster.resource_id: cluster.identifier for cluster in (pairing.source, pairing.copy)}
        left = [rename for rename in self.renames if named.get(rename.resource_id) != rename.becomes]
        return (*self.marks, *self.settings, *self.made, *map(rename_call, left), *self.unmarks)


def rename_call(rename: Rename) -> PlannedCall:
    """Return the call that changes one name."""
    kind = "Cluster" if rename.kind == "cluster" else "Instance"
    request = {f"DB{kind}Identifier": rename.was, f"NewDB{kind}Identifier": rename.becomes, "ApplyImmediately": True}
    why = "its endpoints follow the name" if kind == "Cluster" else "alarms and instance endpoints go by this name"
    return PlannedCall(operation=f"ModifyDB{kind}", request=request, why=why)


def propose_cut_over(session: AwsSession, *, source: str, copy: str = "", now: datetime) -> CutOverPlan:
    """Find the two clusters as they are now, and plan the cut-over. Calls nothing that changes anything.

    Raises:
        NotFound, InputRefused: see `find_pairing` and `plan_cut_over`.
    """
    return plan_cut_over(find_pairing(session, cluster=source, copy=copy), now=now)


def plan_cut_over(pairing: Pairing, *, now: datetime) -> CutOverPlan:
    """Decide the cut-over: the copy takes the source's name, the source is kept as `<name>-damaged-<moment>`.

    Raises:
        InputRefused: it is being undone, or the copy does not say which second it holds.
    """
    if pairing.state == "undoing":
        raise InputRefused(
            f"The cut-over of {pairing.name} is being undone.",
            hint='Finish the undo first: run again with way="undo cutover" and the same approval.',
        )
    source, copy = pairing.source, pairing.copy
    damaged = pairing.destined(source.tags) or set_aside_name(pairing.name, _stamp(copy, now))
    serves = copy.identifier == pairing.name
    made = () if serves else missing_instances(pairing)
    settings = {} if serves else lacking_settings(source.raw, copy.raw)
    aside = (*_members_aside(pairing, damaged), _of_cluster(pairing, source, damaged))
    names = [rename.was for rename in aside if rename.kind == "instance"]
    into = (*_members_into(pairing, names, made), _of_cluster(pairing, copy, pairing.name))
    plan = CutOverPlan(
        direction="cut over",
        pairing=pairing,
        aside=aside,
        into=into,
        made=made,
        settings=_settings_call(copy, settings),
        begun=pairing.approved,
        content={
            "place": pairing.source.arn.split(":")[3:5],  # region and account
            "cut over": [[rename.kind, rename.resource_id, rename.was, rename.becomes] for rename in (*aside, *into)],
            "settings": settings,
            "made": [dict(call.request) for call in made],
        },
    )
    return _marked(plan)


def _settings_call(copy: Cluster, settings: Mapping[str, Any]) -> tuple[PlannedCall, ...]:
    if not settings:
        return ()
    request = {"DBClusterIdentifier": copy.identifier, "ApplyImmediately": True, **settings}
    return (PlannedCall(operation="ModifyDBCluster", request=request, why="set the copy as the source is"),)


def _of_cluster(pairing: Pairing, cluster: Cluster, becomes: str) -> Rename:
    was = pairing.origin(cluster.identifier, cluster.tags)
    return Rename(kind="cluster", resource_id=cluster.resource_id, was=was, becomes=becomes, origin=was)


def _of_instance(pairing: Pairing, member: Instance, becomes: str) -> Rename:
    was = pairing.origin(member.identifier, tags_of(member.raw))
    found = str(member.raw.get("DbiResourceId", ""))
    return Rename(kind="instance", resource_id=found, was=was, becomes=becomes, origin=was)


def _members_aside(pairing: Pairing, damaged: str) -> tuple[Rename, ...]:
    return tuple(
        _of_instance(pairing, member, pairing.destined(tags_of(member.raw)) or numbered(damaged, number))
        for number, member in enumerate(pairing.source_instances, start=1)
    )


def _members_into(pairing: Pairing, names: Sequence[str], made: Sequence[PlannedCall]) -> tuple[Rename, ...]:
    """Return the copy's instances the source's names in their order; one too many keeps its own."""
    destined = {member.identifier: pairing.destined(tags_of(member.raw)) for member in pairing.copy_instances}
    free = list(unused(names, [*destined.values()]))
    renames = []
    for member in pairing.copy_instances:
        if becomes := destined[member.identifier] or (free.pop(0) if free else ""):
            renames.append(_of_instance(pairing, member, becomes))
    for call in made:
        was = call.request["DBInstanceIdentifier"]
        renames.append(Rename(kind="instance", resource_id="", was=was, becomes=free.pop(0), origin=was))
    return tuple(renames)


def _marked(plan: CutOverPlan) -> CutOverPlan:
    """Add the marks, which carry the plan's id. The source's is the last: with it the cut-over has begun."""
    by_origin = {(rename.kind, rename.origin): rename for rename in plan.renames}
    made = tuple(
        replace(call, request={**call.request, "Tags": _tags_of_made(plan, by_origin[("instance", _name_of(call))])})
        for call in plan.made
    )
    if plan.begun:
        return replace(plan, made=made)
    pairing = plan.pairing
    members = [(str(member.raw["DBInstanceArn"]), "instance", member.identifier) for member in pairing.source_instances]
    members += [(str(member.raw["DBInstanceArn"]), "instance", member.identifier) for member in pairing.copy_instances]
    clusters = [(cluster.arn, "cluster", cluster.identifier) for cluster in (pairing.copy, pairing.source)]
    marks = tuple(
        PlannedCall(
            operation="AddTagsToResource",
            request={"ResourceName": arn, "Tags": _mark(by_origin[(kind, name)], plan.id)},  # type: ignore[index]
            why=f"mark {name}: a run that is stopped can then be finished, and all can be undone",
        )
        for arn, kind, name in (*members, *clusters)
        if (kind, name) in by_origin
    )
    return replace(plan, marks=marks, made=made)


def _name_of(call: PlannedCall) -> str:
    return str(call.request["DBInstanceIdentifier"])


def _tags_of_made(plan: CutOverPlan, rename: Rename) -> list[dict[str, str]]:
    """Mark what is made, and let it belong to the restore that made the copy: a clean-up then takes both or none."""
    own = {name: value for name, value in plan.pairing.copy.tags.items() if name in _OF_THE_RESTORE}
    return [*({"Key": name, "Value": value} for name, value in own.items()), *_mark(rename, plan.id)]


def _mark(rename: Rename, plan_id: str) -> list[dict[str, str]]:
    values = {CUTOVER: plan_id, WAS: rename.was, BECOMES: rename.becomes}
    return [{"Key": key, "Value": value} for key, value in values.items()]


def _stamp(copy: Cluster, now: datetime) -> str:
    text = copy.tags.get(f"{TAG_PREFIX}moment", "")
    if not text:
        raise InputRefused(
            f"{copy.identifier} does not say which second it holds: no run of ours restored it.",
            hint="Only a copy that restore_to_timestamp made can take its source's place.",
        )
    moment = parse_timestamp(text, now=now).moment
    assert moment is not None, "a tag of ours names a moment"
    return f"{moment:%Y%m%d-%H%M%S}"
