"""Delete the snapshots of an approved plan: each read again before the first deletion, and after its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.approval import is_approved
from runbook_lib.aws import AwsSession, declare
from runbook_lib.backups import DESCRIBE_SNAPSHOTS, ClusterSnapshot, snapshot_from
from runbook_lib.costs.estate import AUTOMATED, AWS_BACKUP, origin
from runbook_lib.costs.holdings import Holding
from runbook_lib.costs.snapshots.plan import KEEP_TAGS, Candidate, CleanupPlan, Keeping, kept_by_tag, plan_cleanup
from runbook_lib.errors import ApprovalRefused, CheckFailed, NotFound, RunbookError, StepFailed
from runbook_lib.events import announce
from runbook_lib.given import Given
from runbook_lib.looking import Seen, look

SNAPSHOT_ATTRIBUTES = declare("rds", "DescribeDBClusterSnapshotAttributes")
DELETE_SNAPSHOT = declare("rds", "DeleteDBClusterSnapshot", mutates=True)
_AT_ONCE = 4  # reads only; deletions are made one after the other


@dataclass(frozen=True, kw_only=True)
class CleanupDone:
    """What was deleted of a plan: nothing (`approved_id` empty), or everything in `deleted`, read again as gone."""

    plan: CleanupPlan
    approved_id: str = ""
    deleted: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Tell whether the plan was applied."""
        return bool(self.approved_id)


def propose_cleanup(
    session: AwsSession,
    held: Sequence[Holding],
    *,
    keep_days: int,
    now: datetime,
    usd_gib_month: float,
    keep_tags: Sequence[str] = KEEP_TAGS,
) -> CleanupPlan:
    """Read whom the candidates are shared with, and make the plan. Calls nothing that changes anything.

    Where that may not be read, every candidate stays and says so: it costs the clean-up, not the review.
    """

    keeping = Keeping(
        region=session.region,
        today=now.date(),
        usd_gib_month=usd_gib_month,
        keep_days=keep_days,
        keep_tags=tuple(keep_tags),
    )

    known: dict[str, Seen[str]] = {}
    while True:  # what a shared snapshot leaves free goes to the next ones, which are asked about too
        plan = plan_cleanup(held, keeping, shared=known)
        unknown = [candidate for candidate in plan.delete if candidate.arn not in known]
        if not unknown:
            return plan
        session.client("rds")  # made before the threads need it
        first = look(lambda name=unknown[0].name: shared_with(session, name))  # type: ignore[misc]
        if "permission" in first.why_not:  # the others would be refused as well
            known |= {candidate.arn: first for candidate in (*plan.delete, *plan.later)}
            continue
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            shared = pool.map(lambda candidate: look(lambda: shared_with(session, candidate.name)), unknown[1:])
            known |= {candidate.arn: accounts for candidate, accounts in zip(unknown, [first, *shared], strict=True)}


def shared_with(session: AwsSession, snapshot: str) -> tuple[str, ...]:
    """Return the accounts a snapshot may be restored by, "all" if it is public."""
    answer = SNAPSHOT_ATTRIBUTES(session, DBClusterSnapshotIdentifier=snapshot)
    attributes = answer["DBClusterSnapshotAttributesResult"].get("DBClusterSnapshotAttributes", ())
    return tuple(
        account
        for attribute in attributes
        if attribute.get("AttributeName") == "restore"
        for account in attribute.get("AttributeValues", ())
    )


def apply_cleanup(session: AwsSession, plan: CleanupPlan, *, approve: str | Given) -> CleanupDone:
    """Delete what the plan names if `approve` is its id; without an approval do nothing and say so in the value.

    Every snapshot is read again before the first one is deleted, and each after its deletion.

    Raises:
        ApprovalRefused: the approval is of another plan, or a snapshot has changed since the plan was made.
        StepFailed: AWS refused a deletion; says which ones were done before it.
        CheckFailed: a snapshot is still there after it was deleted.
    """
    if not is_approved(plan, approve, why="Snapshots or parameters have changed since it was approved"):
        return CleanupDone(plan=plan)
    for candidate in plan.delete:
        _still_the_same(session, plan, candidate)
    deleted = _delete_all(session, plan)
    remaining = [name for name in deleted if _read(session, name) is not None]
    if remaining:
        raise CheckFailed(
            f"{len(remaining)} of {len(deleted)} snapshots still exist after deletion: {', '.join(remaining[:5])}.",
            hint="Look at their status in inspect_backups, and run again.",
        )
    return CleanupDone(plan=plan, approved_id=plan.id, deleted=tuple(deleted))


def _delete_all(session: AwsSession, plan: CleanupPlan) -> list[str]:
    deleted: list[str] = []
    for candidate in plan.delete:
        announce("delete-snapshot", snapshot=candidate.name, cluster=candidate.cluster, plan=plan.id)
        try:
            DELETE_SNAPSHOT(session, DBClusterSnapshotIdentifier=candidate.name)
        except RunbookError as error:
            raise StepFailed(
                f"{len(deleted)} of {len(plan.delete)} snapshots were deleted, then AWS refused {candidate.name}: "
                f"{error.message}",
                hint=f"{error.hint} Then run again: the new plan holds what is left.".strip(),
                deleted=tuple(deleted),
            ) from error
        deleted.append(candidate.name)
    return deleted


def _still_the_same(session: AwsSession, plan: CleanupPlan, candidate: Candidate) -> None:
    snapshot = _read(session, candidate.name)
    changed = ""
    if snapshot is None:
        changed = "is gone"
    elif (snapshot.arn, snapshot.created) != (candidate.arn, candidate.created):
        changed = "is another one of the same name"
    elif origin(snapshot) in (AUTOMATED, AWS_BACKUP):
        changed = "is not one made by hand"
    elif tag := kept_by_tag(snapshot, plan.keep_tags):
        changed = f"is now tagged to keep ({tag})"
    elif accounts := shared_with(session, candidate.name):
        changed = f"is now shared with {', '.join(accounts)}"
    if changed:
        raise ApprovalRefused(
            f"The snapshot {candidate.name} {changed} since the plan {plan.id} was made; nothing was deleted.",
            hint="Run the notebook again, read the new plan and approve that.",
            plan_id=plan.id,
        )


def _read(session: AwsSession, name: str) -> ClusterSnapshot | None:
    try:
        found = DESCRIBE_SNAPSHOTS(session, DBClusterSnapshotIdentifier=name)["DBClusterSnapshots"]
    except NotFound:
        return None
    alive = [entry for entry in found if entry.get("Status") != "deleted"]
    return snapshot_from(alive[0]) if alive else None
