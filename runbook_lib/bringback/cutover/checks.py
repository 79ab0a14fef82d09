"""Checks before a cut-over: everything that makes it impossible, dangerous or incomplete, before it begins."""

from __future__ import annotations

from collections.abc import Iterator

from runbook_lib.aws import AwsSession, Identity
from runbook_lib.bringback.cutover.lacking import differences, other_classes
from runbook_lib.bringback.cutover.names import LONGEST
from runbook_lib.bringback.cutover.pairing import CUTOVER
from runbook_lib.bringback.cutover.plan import CutOverPlan
from runbook_lib.bringback.cutover.surroundings import judge_surroundings, look_around
from runbook_lib.checks import bad, ok, unknown, warn
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES, Instance, described_by_name
from runbook_lib.looking import Seen, look
from runbook_lib.policy.needs import Need, needs_of_call, place_of
from runbook_lib.proof import Proof
from runbook_lib.restore.checks import Check
from runbook_lib.restore.checks.caller import check_account, check_permissions
from runbook_lib.restore.copies.leftovers import not_ours
from runbook_lib.tags import TAG_PREFIX, tags_of

_NO_SETTINGS = ("DBClusterIdentifier", "ApplyImmediately")


def check_cut_over(
    session: AwsSession,
    plan: CutOverPlan,
    *,
    identity: Identity,
    named: str,
    proof: Proof | None = None,
) -> tuple[Check, ...]:
    """Make every check of a cut-over; none changes anything. Those of an undo are fewer.

    `named` is what the person wrote as the cluster: a source is changed only by whoever names it. `proof` compares the
    copy (what is right) with the source.

    Raises:
        CredentialsRefused: the caller is not known any more; nothing else can be looked at then.
    """
    pairing = plan.pairing
    always = (
        check_account(identity, pairing.source, account=""),
        check_permissions(session, identity, needs_of_cut_over(plan), source=pairing.source),
        check_named(plan, named),
        check_states(plan),
    )
    if plan.direction == "undo":
        return always
    around = look_around(session, pairing)
    return (
        *always,
        check_lineage(plan),
        judge_names(plan, look(lambda: _names_in_use(session, plan))),
        *check_settings(plan),
        check_secret(plan),
        check_proof(proof),
        *judge_surroundings(around, pairing, region=session.region),
    )


def needs_of_cut_over(plan: CutOverPlan) -> tuple[Need, ...]:
    """Return every permission that the calls ahead need, each on what it is asked for under its name at that time."""
    pairing, mark = plan.pairing, {CUTOVER: plan.pairing.approved or plan.id}
    held = {cluster.arn: {**cluster.tags, **mark} for cluster in (pairing.source, pairing.copy)}
    members = (*pairing.source_instances, *pairing.copy_instances)
    held |= {str(member.raw["DBInstanceArn"]): {**tags_of(member.raw), **mark} for member in members}
    for call in plan.made:
        arn = place_of(pairing.source.arn, tags={}).arn("rds", f"db:{call.request['DBInstanceIdentifier']}")
        held[arn] = {tag["Key"]: tag["Value"] for tag in call.request["Tags"]}
    place = place_of(pairing.source.arn, tags={}, held=held)
    found: list[Need] = []
    for call in plan.calls:
        if "ResourceName" not in call.request:
            found += needs_of_call(call.operation, call.request, place=place)
            continue
        arn, tags = (
            str(call.request["ResourceName"]),
            {tag["Key"]: tag["Value"] for tag in call.request.get("Tags", ())},
        )
        keys = tuple(tags) or tuple(call.request.get("TagKeys", ()))
        context = {f"aws:RequestTag/{key}": (value,) for key, value in tags.items()} | {"aws:TagKeys": keys}
        context |= {f"aws:ResourceTag/{key}": (value,) for key, value in {**held.get(arn, {}), **mark}.items()}
        found.append(Need(action=f"rds:{call.operation}", resource=arn, context=context))
    return tuple(found)


def check_named(plan: CutOverPlan, named: str) -> Check:
    """Tell whether somebody wrote the cluster's name: what is found by itself is not changed."""
    subject = "cluster named"
    if named.strip().lower() == plan.name:
        return ok(subject, f"{plan.name} was named: this plan renames it.")
    return bad(subject, "No cluster was named.", f'Set cluster="{plan.name}" if that is the one to be renamed.')


def check_states(plan: CutOverPlan) -> Check:
    """Tell whether both clusters and all their instances can be changed now."""
    subject, pairing = "states", plan.pairing
    members: tuple[Instance, ...] = (*pairing.source_instances, *pairing.copy_instances)
    if plan.begun:
        return ok(subject, "It has begun: whatever is being changed is waited for.")
    busy = [
        f"{cluster.identifier} is {cluster.status}"
        for cluster in (pairing.source, pairing.copy)
        if cluster.status != "available"
    ]
    busy += [f"{member.identifier} is {member.status}" for member in members if member.status != "available"]
    if not pairing.copy_instances:
        busy.append(f"{pairing.copy.identifier} has no instance")
    if busy:
        return bad(subject, f"Not ready: {', '.join(busy)}.", "Wait until all are available, or mend what is not.")
    raws = {cluster.identifier: cluster.raw for cluster in (pairing.source, pairing.copy)} | {
        m.identifier: m.raw for m in members
    }
    waiting = [name for name, raw in raws.items() if raw.get("PendingModifiedValues")]
    if waiting:
        return warn(
            subject,
            f"Changes wait for the maintenance window of {', '.join(waiting)}.",
            "A rename with ApplyImmediately applies them too: look at them first (PendingModifiedValues).",
        )
    return ok(subject, f"Both clusters and all {len(members)} instances are available, nothing is pending.")


def check_lineage(plan: CutOverPlan) -> Check:
    """Tell whether the copy was restored from this very cluster by a run of ours."""
    subject, copy, source = "the copy", plan.pairing.copy, plan.pairing.source
    if plan.begun:
        return ok(subject, f"{copy.identifier} was checked before the cut-over began.")
    if copy.tags.get(f"{TAG_PREFIX}source") != source.identifier:
        of = copy.tags.get(f"{TAG_PREFIX}source") or "nothing that its tags name"
        return bad(subject, f"{copy.identifier} is a copy of {of}.", "Set `copy` to a restore of this cluster.")
    if reason := not_ours(copy):
        return bad(subject, f"{copy.identifier}: {reason}.", "Set `copy` to a restore that restore_to_timestamp made.")
    return ok(subject, f"{copy.identifier} holds {source.identifier} of {copy.tags[f'{TAG_PREFIX}moment']}.")


def _names_in_use(session: AwsSession, plan: CutOverPlan) -> Iterator[tuple[str, str]]:
    for kind, call in (("cluster", DESCRIBE_CLUSTERS), ("instance", DESCRIBE_INSTANCES)):
        wanted = [rename.becomes for rename in plan.renames if rename.kind == kind]
        yield from ((kind, name) for name in described_by_name(session, call, wanted))


def judge_names(plan: CutOverPlan, taken: Seen[tuple[str, str]]) -> Check:
    """Tell whether every new name is one AWS takes, and free by the time it is asked for."""
    subject = "new names"
    if taken.why_not:
        return unknown(subject, f"Whether the names are free {taken.why_not}")
    own = {
        (rename.kind, name)
        for rename in plan.renames
        for name in (rename.was, rename.becomes if plan.begun else rename.was)
    }
    foreign = [rename.becomes for rename in plan.renames if (rename.kind, rename.becomes) in {*taken} - own]
    if foreign:
        return bad(subject, f"{', '.join(foreign)} exists already.", "Rename or delete that one, if nobody needs it.")
    if long := [
        rename.becomes for rename in plan.renames if len(rename.becomes) > LONGEST or rename.becomes.endswith("-")
    ]:
        return bad(subject, f"AWS takes no name such as {long[0]}.", "Shorten the cluster's name first.")
    return ok(subject, f"{plan.damaged} and its instances' names are free.")


def check_settings(plan: CutOverPlan) -> tuple[Check, ...]:
    """Tell how the copy would serve: what the plan sets, what stays otherwise, and its instances."""
    pairing = plan.pairing
    source, copy = pairing.source, pairing.copy
    left = differences(source.raw, copy.raw)
    sent = [
        name
        for call in plan.settings
        for name in call.request
        if name not in ("DBClusterIdentifier", "ApplyImmediately")
    ]
    will = f"The plan sets {', '.join(sent)}. " if sent else ""
    port = [difference for difference in left if difference.member in ("Port", "DBSubnetGroup")]
    if port:
        said = "; ".join(
            f"{difference.member} is {difference.copy} instead of {difference.source}: {difference.why}"
            for difference in port
        )
        settings = bad("settings", f"{said}.", "Restore anew with purpose cutover, which sends the source's.")
    elif left:
        said = "; ".join(
            f"{difference.member} is {difference.copy} instead of {difference.source} ({difference.why})"
            for difference in left
        )
        settings = warn(
            "settings", f"{will}What stays otherwise: {said}.", "Set it on the copy before, where it can be."
        )
    else:
        settings = ok("settings", f"{will}The copy is set as the source is.")
    return settings, _check_instances(plan)


def _check_instances(plan: CutOverPlan) -> Check:
    subject, pairing = "instances", plan.pairing
    others = [
        f"{copied.identifier} is {copied.instance_class}, {member.identifier} is {member.instance_class}"
        for member, copied in other_classes(pairing)
    ]
    have, want = len(pairing.copy_instances), len(pairing.source_instances)
    will = f"The plan makes {len(plan.made)} more. " if plan.made else ""
    extra = f" {have - want} keep their own names." if have > want else ""
    if others:
        return warn(
            subject,
            f"{will}Other classes: {'; '.join(others)}.{extra}",
            "aws rds modify-db-instance --db-instance-class … --apply-immediately on the copy, before you approve.",
        )
    return ok(subject, f"{will}{max(have, want)} as at the source, of the same classes.{extra}")


def check_secret(plan: CutOverPlan) -> Check:
    """Tell who must read another secret: the copy's master password is not the source's (aws/aws-cdk#21730)."""
    subject, source, copy = "master password", plan.pairing.source, plan.pairing.copy
    if copy.secret_arn and copy.secret_arn != source.secret_arn:
        return warn(
            subject,
            f"Whatever signs in as {copy.raw.get('MasterUsername')} must read {copy.secret_arn} from now on.",
            "Change the ARN where the source's secret is configured; other accounts have the password of that second.",
        )
    return warn(
        subject,
        "The copy has the passwords of the second it was restored to.",
        "A password changed since then is the old one again: set it anew on the copy before you approve.",
    )


def check_proof(proof: Proof | None) -> Check:
    """Tell what the damaged cluster has that the copy has not: it would be out of service after the cut-over."""
    subject = "what would be lost"
    if proof is None:
        return unknown(subject, "The copy was not compared with the source")
    newer = sorted(
        ((verdict.extra, str(verdict.pair.found)) for verdict in proof.tables if verdict.extra), reverse=True
    )
    changed = sum(verdict.changed for verdict in proof.tables)
    if not newer and not changed:
        return ok(subject, "The source has no row that the copy has not.")
    listed = ", ".join(f"{name} ({rows:,})" for rows, name in newer[:5]) + (" …" if len(newer) > 5 else "")
    others = f" {changed:,} rows have other values there." if changed else ""
    return warn(
        subject,
        f"{sum(rows for rows, _ in newer):,} rows of {len(newer)} tables are only in the source: {listed}.{others}",
        "They stay in the damaged cluster, out of service. To keep them in service, copy back instead.",
    )
