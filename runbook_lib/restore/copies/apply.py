"""Apply an approved clean-up: marked, deleted, waited for, looked at again; a run that was stopped goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from runbook_lib.approval import approval_of, refusal
from runbook_lib.aws import AwsSession, declare
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES
from runbook_lib.errors import NotFound
from runbook_lib.events import announce
from runbook_lib.given import Given
from runbook_lib.phases import Phase, Phases
from runbook_lib.restore.copies.leftovers import Leftover, leftovers, read_region
from runbook_lib.restore.copies.plan import CleanUpPlan, emptying, ending, marking, read_backups
from runbook_lib.restore.plan import PlannedCall
from runbook_lib.restore.wait import Patience, wait_until

log = logging.getLogger(__name__)

ADD_TAGS = declare("rds", "AddTagsToResource", mutates=True)
DELETE_INSTANCE = declare("rds", "DeleteDBInstance", mutates=True)
DELETE_CLUSTER = declare("rds", "DeleteDBCluster", mutates=True)

LONGEST_WAIT = timedelta(hours=2)  # deleting takes minutes; a cluster under load or with a full log can take longer
_GONE = "gone"


@dataclass(frozen=True, kw_only=True)
class CleanedUp:
    """What was done of a plan: nothing at all (`approved_id` empty), or the clusters in `deleted`.

    `spared` are those that were approved and left after all, with what had come up.
    """

    plan: CleanUpPlan
    approved_id: str = ""
    deleted: tuple[Leftover, ...] = ()
    spared: tuple[Leftover, ...] = ()
    phases: tuple[Phase, ...] = ()

    @property
    def done(self) -> bool:
        """Tell whether a plan was applied."""
        return bool(self.approved_id)

    @property
    def changed(self) -> tuple[str, ...]:
        """Everything that was deleted, by its identifier."""
        return tuple(
            name
            for leftover in self.deleted
            for name in (leftover.name, *(part.identifier for part in leftover.members))
        )


@dataclass(frozen=True, kw_only=True)
class CleanUpCheck:
    """What was seen afterwards. `missing` is what should still be there and is not."""

    still_there: tuple[str, ...]
    missing: tuple[str, ...]
    kept: int

    @property
    def holds(self) -> bool:
        """Tell whether what was deleted is gone, and nothing else is."""
        return not self.still_there and not self.missing


def clean_up(
    session: AwsSession, plan: CleanUpPlan, *, approve: str | Given, deadline: timedelta = LONGEST_WAIT
) -> CleanedUp:
    """Delete what the plan names if `approve` is its id; without an approval do nothing and say so in the value.

    A run that was stopped half way has left its plan's id as a mark on what it had not deleted yet: with the same
    approval the marked clusters, and only they, are deleted.

    Raises:
        ApprovalRefused: the approval is neither this plan's nor that of one which was begun.
        StepFailed, AccessDenied, TimedOut: what was deleted is deleted; run again with the same approval to go on.
    """
    given = approval_of(plan, approve)
    if not given or not plan.delete:
        return CleanedUp(plan=plan)
    doomed = plan.delete if given == plan.id else tuple(leftover for leftover in plan.delete if leftover.mark == given)
    if not doomed:
        raise refusal(plan, given, why="What there is to delete has changed since it was approved")
    return _CleanUp(session, plan, doomed, given, deadline).run()


class _CleanUp:
    def __init__(
        self, session: AwsSession, plan: CleanUpPlan, doomed: Sequence[Leftover], approved: str, deadline: timedelta
    ) -> None:
        self.session, self.plan, self.approved, self.deadline = session, plan, approved, deadline
        self.patience = Patience(session, deadline=deadline)
        self.doomed = list(doomed)
        self.spared: list[Leftover] = []
        self.phases = Phases(plan=approved)

    def run(self) -> CleanedUp:
        with self.phases.step("mark what is approved"):
            self._judge_again()
            for leftover in self.doomed:
                if leftover.mark != self.approved and leftover.cluster.status != "deleting":
                    self._call(*marking(leftover, self.approved))
        with self.phases.step("delete the instances"):
            for leftover in self._judge_again():
                self._call(*emptying(leftover, self.approved))
        with self.phases.step("wait until the instances are gone"):
            for leftover in self.doomed:
                for member in leftover.members:
                    self._wait(f"instance {member.identifier}", self._instance_status, member.identifier)
        with self.phases.step("delete the clusters"):
            for leftover in self._judge_again():
                self._call(*ending(leftover, self.approved))
        with self.phases.step("wait until the clusters are gone"):
            for leftover in self.doomed:
                self._wait(f"cluster {leftover.name}", self._cluster_status, leftover.name)
        return CleanedUp(
            plan=self.plan,
            approved_id=self.approved,
            deleted=tuple(self.doomed),
            spared=tuple(self.spared),
            phases=tuple(self.phases.done),
        )

    def _judge_again(self) -> tuple[Leftover, ...]:
        """Look once more, right before deleting: what has been protected, used or renamed meanwhile is left.

        Gives what is there now; `doomed` keeps the instances as they were, for the waiting and the report.
        """
        world = read_region(self.session)
        plan = self.plan
        again = leftovers(world, now=plan.now, source=plan.source, also_unexpired=plan.also_unexpired, only=plan.only)
        now = {leftover.cluster.resource_id: leftover for leftover in again}
        present = {cluster.resource_id for cluster in world.clusters}
        for leftover in list(self.doomed):
            found = now.get(leftover.cluster.resource_id)
            if found is None and leftover.cluster.resource_id not in present:
                continue  # gone already: an earlier run or somebody else was quicker
            stays = found.stays if found else "it has lost its tags"
            if stays:
                log.warning("%s is left: %s", leftover.name, stays)
                self.doomed.remove(leftover)
                self.spared.append(replace(leftover, stays=stays))
        return tuple(found for leftover in self.doomed if (found := now.get(leftover.cluster.resource_id)))

    def _call(self, *calls: PlannedCall) -> None:
        operations = {call.operation: call for call in (ADD_TAGS, DELETE_INSTANCE, DELETE_CLUSTER)}
        for call in calls:
            target = next(iter(call.request.values()))
            announce(call.operation, target=target, plan=self.approved)
            log.info("%s %s", call.operation, target)
            once = partial(operations[call.operation], self.session, **call.request)
            try:
                self.patience.do(once, what=f"{call.operation} {target}")
            except NotFound:
                log.info("%s is gone already", target)

    def _wait(self, what: str, status: Callable[[str], str], name: str) -> None:
        wait_until(partial(status, name), what=what, dead_ends={}, deadline=self.deadline, ready=_GONE)

    def _instance_status(self, name: str) -> str:
        try:
            found = DESCRIBE_INSTANCES(self.session, DBInstanceIdentifier=name)["DBInstances"]
        except NotFound:
            return _GONE
        return str(found[0].get("DBInstanceStatus"))

    def _cluster_status(self, name: str) -> str:
        try:
            found = DESCRIBE_CLUSTERS(self.session, DBClusterIdentifier=name)["DBClusters"]
        except NotFound:
            return _GONE
        return str(found[0].get("Status"))


def verify_clean_up(session: AwsSession, cleaned: CleanedUp) -> CleanUpCheck | None:
    """Look again: what was deleted is gone, and every other cluster, instance and backup is still there.

    None when nothing was applied. What somebody else deleted meanwhile shows as missing: this cannot tell whose hand
    it was, but its list of requests can (the record's events).
    """
    if not cleaned.done:
        return None
    world, backups, before = read_region(session), read_backups(session), cleaned.plan
    gone = {leftover.cluster.resource_id for leftover in cleaned.deleted}
    present = {cluster.resource_id for cluster in world.clusters}
    names = {name for cluster in world.clusters for name in cluster.writer_first}
    kept = [
        cluster for cluster in before.world.clusters if cluster.resource_id not in gone and cluster.status != "deleting"
    ]
    missing = [f"cluster {cluster.identifier}" for cluster in kept if cluster.resource_id not in present]
    for cluster in kept:
        going = {
            part.identifier for part in before.world.members.get(cluster.identifier, ()) if part.status == "deleting"
        }
        missing += [f"instance {name}" for name in cluster.writer_first if name not in {*names, *going}]
    missing += [f"snapshot {arn}" for arn in sorted(before.backups.snapshots - backups.snapshots)]
    missing += [f"retained backup {resource}" for resource in sorted(before.backups.retained - backups.retained)]
    return CleanUpCheck(
        still_there=tuple(leftover.name for leftover in cleaned.deleted if leftover.cluster.resource_id in present),
        missing=tuple(missing),
        kept=len(kept),
    )
