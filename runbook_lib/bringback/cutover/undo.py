"""The plan of undoing a cut-over: every name back as it was, from wherever the cut-over has come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runbook_lib.aws import AwsSession
from runbook_lib.bringback.cutover.names import BECOMES, WAS, Rename
from runbook_lib.bringback.cutover.pairing import CUTOVER, UNDO, Pairing, find_pairing
from runbook_lib.bringback.cutover.plan import CutOverPlan
from runbook_lib.clusters import Cluster, Instance
from runbook_lib.errors import InputRefused
from runbook_lib.restore.plan import PlannedCall
from runbook_lib.tags import tags_of


def propose_undo_cut_over(session: AwsSession, *, source: str, copy: str = "") -> CutOverPlan:
    """Find the two clusters of a cut-over, and plan to give every name back. Raises as `plan_undo_cut_over`."""
    return plan_undo_cut_over(find_pairing(session, cluster=source, copy=copy))


def plan_undo_cut_over(pairing: Pairing) -> CutOverPlan:
    """Decide the undo: the copy gives the names up, the source takes them again, the marks are taken off.

    Settings that the cut-over changed on the copy, and instances it made for it, stay. What was written to the copy
    while it had the name stays in the copy, and only there.

    Raises:
        InputRefused: there is no cut-over to undo.
    """
    if not pairing.approved:
        raise InputRefused(
            f"{pairing.name} has not been cut over, so there is nothing to undo.",
            hint="Choose another `way`, or name the cluster whose name was given to a copy.",
        )
    aside = _back(pairing, pairing.copy, pairing.copy_instances)
    into = _back(pairing, pairing.source, pairing.source_instances)
    plan = CutOverPlan(
        direction="undo",
        pairing=pairing,
        aside=aside,
        into=into,
        begun=pairing.undo,
        content={
            "undo": pairing.approved,
            "place": pairing.source.arn.split(":")[3:5],  # region and account
            "back": [[rename.kind, rename.resource_id, rename.origin] for rename in (*aside, *into)],
        },
    )
    mark = PlannedCall(
        operation="AddTagsToResource",
        # the cut-over's own mark once more: a policy may ask for it in whatever a cut-over tags
        request={
            "ResourceName": pairing.source.arn,
            "Tags": [{"Key": CUTOVER, "Value": pairing.approved}, {"Key": UNDO, "Value": plan.id}],
        },
        why="an undo that is stopped can then be finished",
    )
    return replace(plan, marks=() if plan.begun else (mark,), unmarks=_unmarks(pairing))


def _back(pairing: Pairing, cluster: Cluster, members: Sequence[Instance]) -> tuple[Rename, ...]:
    tagged = [("instance", str(member.raw.get("DbiResourceId", "")), tags_of(member.raw)) for member in members]
    tagged.append(("cluster", cluster.resource_id, dict(cluster.tags)))
    return tuple(
        Rename(
            kind="cluster" if kind == "cluster" else "instance",
            resource_id=resource_id,
            was=tags[BECOMES],
            becomes=tags[WAS],
            origin=tags[WAS],
        )
        for kind, resource_id, tags in tagged
        if tags.get(CUTOVER) == pairing.approved
    )


def _unmarks(pairing: Pairing) -> tuple[PlannedCall, ...]:
    """Take the marks off, the source's last: until then a second run can find what is left to do."""
    members = [
        (str(member.raw["DBInstanceArn"]), tags_of(member.raw))
        for member in (*pairing.copy_instances, *pairing.source_instances)
    ]
    clusters = [(cluster.arn, dict(cluster.tags)) for cluster in (pairing.copy, pairing.source)]
    return tuple(
        PlannedCall(
            operation="RemoveTagsFromResource",
            request={"ResourceName": f"{arn.rpartition(':')[0]}:{tags[WAS]}", "TagKeys": [CUTOVER, UNDO, WAS, BECOMES]},
            why=f"{tags[WAS]} has its own name again",
        )
        for arn, tags in (*members, *clusters)
        if tags.get(CUTOVER) == pairing.approved
    )
