"""Apply an approved cut-over or its undo. A run that is stopped at any moment is finished by running it again.

Nothing is remembered outside AWS: every step finds what it is about by the marks, whatever it is called by then, does
what is left of it, and waits for the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any

from runbook_lib.approval import is_approved
from runbook_lib.aws import AwsCall, AwsSession, declare
from runbook_lib.bringback.cutover.names import WAS, Rename
from runbook_lib.bringback.cutover.pairing import CUTOVER
from runbook_lib.bringback.cutover.plan import CutOverPlan, rename_call
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES, described_by_name
from runbook_lib.errors import InputRefused, NotFound, StepFailed, TryLater
from runbook_lib.events import announce
from runbook_lib.given import Given
from runbook_lib.phases import Phase, Phases
from runbook_lib.restore.apply import CREATE_INSTANCE, MODIFY_CLUSTER
from runbook_lib.restore.copies.apply import ADD_TAGS
from runbook_lib.restore.plan import PlannedCall
from runbook_lib.restore.wait import CLUSTER_DEAD_ENDS, INSTANCE_DEAD_ENDS, Patience
from runbook_lib.tags import tags_of
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)

MODIFY_INSTANCE = declare("rds", "ModifyDBInstance", mutates=True)
REMOVE_TAGS = declare("rds", "RemoveTagsFromResource", mutates=True)
_CALLS = {call.operation: call for call in (ADD_TAGS, REMOVE_TAGS, MODIFY_CLUSTER, MODIFY_INSTANCE, CREATE_INSTANCE)}

LONGEST_WAIT = timedelta(hours=2)  # AWS's guide speaks of about ten minutes a rename; a burdened cluster takes longer
FREED, GIVEN = "take the name off", "give the name"
"""The two phases between whose beginning and end no cluster answers under the name."""

_TAKEN = ("DBClusterAlreadyExistsFault", "DBInstanceAlreadyExists")


@dataclass(frozen=True, kw_only=True)
class CutOver:
    """What was done of a plan: nothing at all (`approved_id` empty), or everything.

    `changed` are the names that everything renamed or made has now.
    """

    plan: CutOverPlan
    approved_id: str = ""
    phases: tuple[Phase, ...] = ()
    changed: tuple[str, ...] = ()
    began: datetime | None = None

    @property
    def done(self) -> bool:
        """Tell whether the plan was applied."""
        return bool(self.approved_id)

    @property
    def without_name(self) -> timedelta | None:
        """Return how long this run saw no cluster under the name; None where another run did that part."""
        parts = {phase.name: phase.seconds for phase in self.phases}
        return timedelta(seconds=parts[FREED] + parts[GIVEN]) if {FREED, GIVEN} <= {*parts} else None


def apply_cut_over(
    session: AwsSession, plan: CutOverPlan, *, approve: str | Given, deadline: timedelta = LONGEST_WAIT
) -> CutOver:
    """Apply a cut-over, or the undo of one, if `approve` is its id; without an approval do nothing and say so.

    Raises:
        ApprovalRefused: the approval is of another plan, or the clusters have changed since.
        StepFailed: AWS ended a step in a state that leads nowhere, or one of the two clusters is gone.
        TimedOut: the deadline has passed; run again with the same approval to go on.
    """
    if not is_approved(plan, approve, why="The parameters or the clusters have changed since it was approved"):
        return CutOver(plan=plan)
    return _Exchange(session, plan, Patience(session, deadline=deadline)).run()


class _Exchange:
    def __init__(self, session: AwsSession, plan: CutOverPlan, patience: Patience) -> None:
        self._session, self._plan, self._patience = session, plan, patience
        self._mark = plan.pairing.approved or plan.id  # an undo finds things by the mark of its cut-over
        self._phases = Phases(target=plan.name)

    def run(self) -> CutOver:
        plan, began = self._plan, utc_now()
        members = [[rename for rename in side if rename.kind == "instance"] for side in (plan.aside, plan.into)]
        clusters = [[rename for rename in side if rename.kind == "cluster"] for side in (plan.aside, plan.into)]
        if plan.marks:
            with self._phases.step("mark what is renamed"):
                self._each(plan.marks)
        if plan.settings:
            with self._phases.step("set the copy as the source is"):
                self._each(plan.settings)
                self._wait_for_cluster(plan.settings[0].request["DBClusterIdentifier"])
        if plan.made:
            with self._phases.step("make the missing instances"):
                self._each(plan.made)
                for call in plan.made:
                    self._wait_for_instance(call.request["DBInstanceIdentifier"])
        for name, renames in zip(("take the instance names off", "give the instance names"), members, strict=True):
            self._rename(name, renames)
        for name, renames in zip((FREED, GIVEN), clusters, strict=True):
            self._rename(name, renames)
        if plan.unmarks:
            with self._phases.step("take the marks off"):
                self._each(plan.unmarks)
        return CutOver(
            plan=plan,
            approved_id=plan.id,
            phases=tuple(self._phases.done),
            changed=tuple(rename.becomes for rename in reversed(plan.renames)),
            began=began,
        )

    def _rename(self, name: str, renames: list[Rename]) -> None:
        left = [rename for rename in renames if not self._is_done(rename)]
        if not left:
            return
        with self._phases.step(name):
            for rename in left:
                self._wait(rename, self._readiness, f"{rename.kind} {rename.was}")
                what = f"rename {rename.kind} {rename.was} to {rename.becomes}"
                self._patience.do(partial(self._ask_for, rename), what=what)
            for rename in left:
                self._wait(rename, self._status, f"{rename.kind} {rename.becomes}")

    def _wait(self, rename: Rename, status: Callable[[Rename], str], what: str) -> None:
        dead_ends = CLUSTER_DEAD_ENDS if rename.kind == "cluster" else INSTANCE_DEAD_ENDS
        self._patience.wait(partial(status, rename), what=what, dead_ends=dead_ends)

    def _readiness(self, rename: Rename) -> str:
        """Say "available" once it can be or is being renamed: a run that was stopped may have left it changing."""
        status = _status_of(rename, self._found(rename))
        return "available" if status == "renaming" else status

    def _ask_for(self, rename: Rename) -> None:
        name, status = _name(rename, found := self._found(rename)), _status_of(rename, found)
        if name == rename.becomes or status == "renaming":
            return
        call = rename_call(rename)
        announce(call.operation, target=rename.was, becomes=rename.becomes, plan=self._plan.id)
        log.info("%s: %s → %s", call.operation, rename.was, rename.becomes)
        try:
            _CALLS[call.operation](self._session, **call.request)
        except NotFound as error:
            if self._found(rename) is None:
                raise
            raise TryLater(f"{rename.was} has just been renamed.", hint="Another run does the same.") from error
        except InputRefused as error:
            if error.facts.get("code") not in _TAKEN or not self._is_ours(rename.kind, rename.becomes):
                raise
            raise TryLater(f"{rename.becomes} is not free yet.", hint="Wait.") from error

    def _is_done(self, rename: Rename) -> bool:
        found = self._patience.do(partial(self._found, rename), what=f"look for {rename.origin}")
        if found is None:
            raise StepFailed(
                f"The {rename.kind} that was called {rename.origin} is not there any more.",
                hint="Somebody deleted it. Look at its events; undo gives the other names back.",
            )
        return _name(rename, found) == rename.becomes and _status_of(rename, found) == "available"

    def _status(self, rename: Rename) -> str:
        found = self._found(rename)
        return _status_of(rename, found) if _name(rename, found) == rename.becomes else "renaming"

    def _found(self, rename: Rename) -> Mapping[str, Any] | None:
        """Read what was called `origin` before the cut-over, by its mark: under its names, else under any name."""
        describe = DESCRIBE_CLUSTERS if rename.kind == "cluster" else DESCRIBE_INSTANCES
        named = described_by_name(self._session, describe, {rename.origin, rename.was, rename.becomes}).values()
        for entry in chain(named, describe.pages(self._session)):
            tags = tags_of(entry)
            if tags.get(CUTOVER) == self._mark and tags.get(WAS) == rename.origin:
                return entry
        return None

    def _is_ours(self, kind: str, name: str) -> bool:
        describe = DESCRIBE_CLUSTERS if kind == "cluster" else DESCRIBE_INSTANCES
        holders = described_by_name(self._session, describe, [name]).values()
        return all(tags_of(entry).get(CUTOVER) == self._mark for entry in holders)

    def _each(self, calls: tuple[PlannedCall, ...]) -> None:
        for call in calls:
            target = next(iter(call.request.values()))
            announce(call.operation, target=target, plan=self._plan.id)
            log.info("%s %s", call.operation, target)
            self._patience.do(partial(self._once, _CALLS[call.operation], call), what=f"{call.operation} {target}")

    def _once(self, operation: AwsCall, call: PlannedCall) -> None:
        try:
            operation(self._session, **call.request)
        except InputRefused as error:
            if error.facts.get("code") not in _TAKEN:  # an earlier run has made this instance
                raise

    def _wait_for_cluster(self, name: str) -> None:
        def status() -> str:
            return str(DESCRIBE_CLUSTERS(self._session, DBClusterIdentifier=name)["DBClusters"][0]["Status"])

        self._patience.wait(status, what=f"cluster {name}", dead_ends=CLUSTER_DEAD_ENDS, after_change=True)

    def _wait_for_instance(self, name: str) -> None:
        def status() -> str:
            found = DESCRIBE_INSTANCES(self._session, DBInstanceIdentifier=name)["DBInstances"][0]
            return str(found["DBInstanceStatus"])

        self._patience.wait(status, what=f"instance {name}", dead_ends=INSTANCE_DEAD_ENDS)


def _name(rename: Rename, found: Mapping[str, Any] | None) -> str:
    member = "DBClusterIdentifier" if rename.kind == "cluster" else "DBInstanceIdentifier"
    return str((found or {}).get(member, ""))


def _status_of(rename: Rename, found: Mapping[str, Any] | None) -> str:
    member = "Status" if rename.kind == "cluster" else "DBInstanceStatus"
    return str((found or {}).get(member, "gone"))
