"""Apply an approved plan: each step announced before it begins, everything found again on a second run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from runbook_lib.aws import AwsCall, AwsSession, declare
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES, TAG_PREFIX, tags_of
from runbook_lib.errors import ApprovalRefused, InputRefused, NotFound
from runbook_lib.events import announce
from runbook_lib.restore.plan import PlannedCall, RestorePlan
from runbook_lib.restore.wait import CLUSTER_DEAD_ENDS, INSTANCE_DEAD_ENDS, wait_until
from runbook_lib.times import iso, utc_now

log = logging.getLogger(__name__)

RESTORE_TO_TIME = declare(
    "rds",
    "RestoreDBClusterToPointInTime",
    mutates=True,
    permissions=("rds:RestoreDBClusterToPointInTime", "rds:AddTagsToResource"),
)
MODIFY_CLUSTER = declare("rds", "ModifyDBCluster", mutates=True)
CREATE_INSTANCE = declare(
    "rds", "CreateDBInstance", mutates=True, permissions=("rds:CreateDBInstance", "rds:AddTagsToResource")
)

LONGEST_WAIT = timedelta(hours=6)  # AWS's guide: a restore of a large or busy cluster can take hours


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One step that was done, with its start and end (aware UTC)."""

    name: str
    began: datetime
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was done of a plan: nothing at all (`approved_id` empty), or everything in `changed`."""

    plan: RestorePlan
    approved_id: str = ""
    phases: tuple[Phase, ...] = ()
    changed: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    began: datetime | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def done(self) -> bool:
        """Tell whether the plan was applied."""
        return bool(self.approved_id)


def apply(
    session: AwsSession,
    plan: RestorePlan,
    *,
    approve: str,
    run_id: str = "",
    incident: str = "",
    deadline: timedelta = LONGEST_WAIT,
) -> Applied:
    """Apply the plan if `approve` is its id; without an approval do nothing and say so in the value.

    A cluster or instance that an earlier run of the same plan made is adopted instead of made twice.

    Raises:
        ApprovalRefused: the approval is of another plan: another moment or target, or the source has changed since.
        InputRefused: something else has the target's name.
        StepFailed, TimedOut: see `wait_until`.
    """
    if not approve:
        return Applied(plan=plan)
    if approve.strip() != plan.id:
        raise ApprovalRefused(
            f'The approval "{approve}" is not the id of this plan, which is {plan.id}.',
            hint="The parameters or the source have changed since it was approved; read the plan above and "
            f'approve it with approve="{plan.id}" and timestamp="{iso(plan.moment)}".',
            plan_id=plan.id,
        )
    return _Application(session, plan, run_id=run_id, incident=incident, deadline=deadline).run()


class _Application:
    def __init__(
        self, session: AwsSession, plan: RestorePlan, *, run_id: str, incident: str, deadline: timedelta
    ) -> None:
        self.session, self.plan, self.deadline = session, plan, deadline
        self.began = utc_now()
        self.tags = self._own_tags(run_id, incident)
        self.phases: list[Phase] = []
        self.made: list[str] = []
        self.adopted: list[str] = []

    def run(self) -> Applied:
        plan = self.plan
        with self._phase("request the restore"):
            for call in plan.calls_of("RestoreDBClusterToPointInTime"):
                self._make_or_adopt(RESTORE_TO_TIME, call, plan.target, self._described_cluster)
        with self._phase("wait for the cluster"):
            self._wait_for(f"cluster {plan.target}", self._cluster_status, CLUSTER_DEAD_ENDS)
        for call in plan.calls_of("ModifyDBCluster"):
            with self._phase("apply the other settings"):
                announce("modify-cluster", target=plan.target, settings=sorted(call.request))
                MODIFY_CLUSTER(self.session, **call.request)
                self._wait_for(f"cluster {plan.target}", self._cluster_status, CLUSTER_DEAD_ENDS)
        with self._phase("create the instances"):
            creations = plan.calls_of("CreateDBInstance")
            for call in creations:
                self._make_or_adopt(
                    CREATE_INSTANCE, call, call.request["DBInstanceIdentifier"], self._described_instance
                )
        with self._phase("wait for the instances"):
            for call in creations:
                name = call.request["DBInstanceIdentifier"]
                self._wait_for(f"instance {name}", partial(self._instance_status, name), INSTANCE_DEAD_ENDS)
        return Applied(
            plan=plan,
            approved_id=plan.id,
            phases=tuple(self.phases),
            changed=(*self.made, *self.adopted),
            adopted=tuple(self.adopted),
            began=self.began,
        )

    def _own_tags(self, run_id: str, incident: str) -> list[dict[str, str]]:
        own = {"plan": self.plan.id, "run": run_id or "by-hand", "incident": incident}
        if self.plan.expires_after:
            own["expires"] = iso(self.began + self.plan.expires_after)
        return [{"Key": f"{TAG_PREFIX}{name}", "Value": value} for name, value in own.items() if value]

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        announce("phase", name=name, target=self.plan.target)
        log.info("%s …", name)
        began, clock = utc_now(), time.monotonic()
        yield
        self.phases.append(Phase(name=name, began=began, seconds=time.monotonic() - clock))

    def _make_or_adopt(
        self,
        operation: AwsCall,
        call: PlannedCall,
        name: str,
        describe: Callable[[str], Mapping[str, Any] | None],
    ) -> None:
        found = describe(name)
        if found is None:
            announce(operation.operation, target=name, plan=self.plan.id)
            request = {**call.request, "Tags": [*call.request["Tags"], *self.tags]}
            operation(self.session, **request)
            self.made.append(name)
            return
        if tags_of(found).get(f"{TAG_PREFIX}plan") != self.plan.id:
            raise InputRefused(
                f'"{name}" exists already and was not made by this plan.',
                hint="Set `target` to another name, or delete that one first if nobody needs it.",
            )
        log.info("%s is there already, made by this plan: adopted", name)
        self.adopted.append(name)

    def _wait_for(self, what: str, read_status: Callable[[], str], dead_ends: dict[str, str]) -> None:
        wait_until(read_status, what=what, dead_ends=dead_ends, deadline=self.deadline)

    def _described_cluster(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = DESCRIBE_CLUSTERS(self.session, DBClusterIdentifier=name)["DBClusters"][0]
        except NotFound:
            return None
        return found

    def _described_instance(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = DESCRIBE_INSTANCES(self.session, DBInstanceIdentifier=name)["DBInstances"][0]
        except NotFound:
            return None
        return found

    def _cluster_status(self) -> str:
        return str((self._described_cluster(self.plan.target) or {}).get("Status", "not there yet"))

    def _instance_status(self, name: str) -> str:
        return str((self._described_instance(name) or {}).get("DBInstanceStatus", "not there yet"))
