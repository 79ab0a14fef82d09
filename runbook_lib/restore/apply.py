"""Apply an approved plan: each step announced before it begins, everything found again on a second run.

Each thing is made exactly once: look whether it is there, make it, and adopt what a parallel run of the plan made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from runbook_lib.approval import is_approved
from runbook_lib.aws import AwsCall, AwsSession, declare
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.events import announce
from runbook_lib.given import Given
from runbook_lib.phases import Phase, Phases
from runbook_lib.restore.plan import PlannedCall, RestorePlan
from runbook_lib.restore.settings import as_changed
from runbook_lib.restore.wait import CLUSTER_DEAD_ENDS, INSTANCE_DEAD_ENDS, Patience
from runbook_lib.tags import TAG_PREFIX, tags_of
from runbook_lib.times import iso, utc_now

log = logging.getLogger(__name__)

_CLOCKS_APART = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)  # AWS's guide: a restore of a large or busy cluster can take hours


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was done of a plan: nothing at all (`approved_id` empty), or everything.

    `changed` are the ids of all that the plan made, whichever run made it; `adopted` those an earlier run had made.
    """

    plan: RestorePlan
    approved_id: str = ""
    phases: tuple[Phase, ...] = ()
    changed: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    began: datetime | None = None

    @property
    def done(self) -> bool:
        """Tell whether the plan was applied."""
        return bool(self.approved_id)


def apply(
    session: AwsSession,
    plan: RestorePlan,
    *,
    approve: str | Given,
    run_id: str = "",
    incident: str = "",
    deadline: timedelta = LONGEST_WAIT,
) -> Applied:
    """Apply the plan if `approve` is its id; without an approval do nothing and say so in the value.

    A cluster or instance that an earlier run of the same plan made is adopted instead of made twice, whoever ran it;
    so a run that was killed is finished by running it again, and two runs at once make one copy.

    Raises:
        ApprovalRefused: the approval is of another plan: another moment or target, or the source has changed since.
        InputRefused: something else has the target's name.
        StepFailed: AWS ended a step in a state that leads nowhere.
        TryLater: AWS has no capacity for this class in this zone.
        TimedOut: the deadline has passed; AWS goes on, and the next run takes it up.
    """
    given = f'approve="{plan.id}" and timestamp="{iso(plan.moment)}"'
    if not is_approved(plan, approve, given=given, why="The parameters or the source have changed since then"):
        return Applied(plan=plan)
    began = utc_now()
    tags = _own_tags(plan, run_id=run_id, incident=incident, began=began)
    maker = _Maker(session, plan, tags=tags, patience=Patience(session, deadline=deadline))
    phases = Phases(target=plan.target)
    _run(plan, maker, phases)
    return Applied(
        plan=plan,
        approved_id=plan.id,
        phases=tuple(phases.done),
        changed=maker.changed,
        adopted=maker.adopted,
        began=began,
    )


def _run(plan: RestorePlan, maker: _Maker, phases: Phases) -> None:
    """Go through the plan's calls in their order; the writer comes first, the readers side by side."""
    writer, *readers = plan.calls_of("CreateDBInstance")
    for call in plan.calls:
        if call.operation.startswith("Restore"):
            with phases.step("request the restore"):
                maker.cluster(call)
            with phases.step("wait for the cluster"):
                maker.wait_for_cluster()
        elif call.operation == "ModifyDBCluster":
            managed = "ManageMasterUserPassword" in call.request
            with phases.step("give it a password of its own" if managed else "apply the other settings"):
                maker.modify(call)
                maker.wait_for_cluster()
        elif call is writer:
            _make_instances(maker, phases, [writer], "the writer")
            if readers:
                _make_instances(maker, phases, readers, "the readers")


def _make_instances(maker: _Maker, phases: Phases, calls: list[PlannedCall], who: str) -> None:
    with phases.step(f"create {who}"):
        for call in calls:
            maker.instance(call)
    with phases.step(f"wait for {who}"):
        for call in calls:
            maker.wait_for_instance(call.request["DBInstanceIdentifier"])


def _own_tags(plan: RestorePlan, *, run_id: str, incident: str, began: datetime) -> list[dict[str, str]]:
    own = {"plan": plan.id, "run": run_id or "by-hand", "incident": incident}
    if plan.expires_after:
        own["expires"] = iso(began + plan.expires_after)
    if plan.is_clone:  # its data is of the call, which the plan cannot know; AWS's clock may be behind ours
        own["moment"] = iso(began - _CLOCKS_APART)
    return [{"Key": f"{TAG_PREFIX}{name}", "Value": value} for name, value in own.items() if value]


log = logging.getLogger(__name__)

RESTORE_TO_TIME = declare(
    "rds",
    "RestoreDBClusterToPointInTime",
    mutates=True,
    permissions=("rds:RestoreDBClusterToPointInTime", "rds:AddTagsToResource"),
)
RESTORE_FROM_SNAPSHOT = declare(
    "rds",
    "RestoreDBClusterFromSnapshot",
    mutates=True,
    permissions=("rds:RestoreDBClusterFromSnapshot", "rds:AddTagsToResource"),
)
MODIFY_CLUSTER = declare("rds", "ModifyDBCluster", mutates=True)
CREATE_INSTANCE = declare(
    "rds", "CreateDBInstance", mutates=True, permissions=("rds:CreateDBInstance", "rds:AddTagsToResource")
)
_CALLS = {call.operation: call for call in (RESTORE_TO_TIME, RESTORE_FROM_SNAPSHOT)}

_THERE_ALREADY = ("DBClusterAlreadyExistsFault", "DBInstanceAlreadyExists")

Describe = Callable[[str], Mapping[str, Any] | None]


class _Maker:
    """Makes the cluster and instances of one plan; what an earlier or parallel run of the plan made is adopted."""

    def __init__(
        self, session: AwsSession, plan: RestorePlan, *, tags: list[dict[str, str]], patience: Patience
    ) -> None:
        self._session, self._plan, self._tags, self._patience = session, plan, tags, patience
        self._made: list[str] = []
        self._adopted: list[str] = []
        self._all: list[str] = []
        self._has_changed = False

    @property
    def changed(self) -> tuple[str, ...]:
        """Return the ids of everything the plan made, in its order."""
        return tuple(self._all)

    @property
    def adopted(self) -> tuple[str, ...]:
        """Return those that were there before this run."""
        return tuple(self._adopted)

    def cluster(self, call: PlannedCall) -> None:
        """Begin the restore, or adopt the cluster that this plan has begun already."""
        self._make(_CALLS[call.operation], call, call.request["DBClusterIdentifier"], self._described_cluster)

    def instance(self, call: PlannedCall) -> None:
        """Create an instance, or adopt it."""
        self._make(CREATE_INSTANCE, call, call.request["DBInstanceIdentifier"], self._described_instance)

    def modify(self, call: PlannedCall) -> None:
        """Change the cluster's settings, unless they already are as wanted."""

        def step() -> None:
            if as_changed(self._described_cluster(self._plan.target) or {}, call.request):
                log.info("%s already has these settings", self._plan.target)
                return
            announce("ModifyDBCluster", target=self._plan.target, settings=sorted(call.request), plan=self._plan.id)
            MODIFY_CLUSTER(self._session, **call.request)
            self._has_changed = True

        self._patience.do(step, what=f"change {self._plan.target}")

    def wait_for_cluster(self) -> None:
        """Wait until the cluster is available, its managed secret too."""
        what, just_changed = f"cluster {self._plan.target}", self._has_changed
        self._has_changed = False
        self._patience.wait(self._cluster_status, what=what, dead_ends=CLUSTER_DEAD_ENDS, after_change=just_changed)

    def wait_for_instance(self, name: str) -> None:
        """Wait until the instance is available."""
        status = partial(self._instance_status, name)
        self._patience.wait(status, what=f"instance {name}", dead_ends=INSTANCE_DEAD_ENDS)

    def _make(self, operation: AwsCall, call: PlannedCall, name: str, describe: Describe) -> None:
        self._patience.do(partial(self._make_once, operation, call, name, describe), what=f"make {name}")
        self._all.append(name)
        if name not in self._made:
            self._adopted.append(name)

    def _make_once(self, operation: AwsCall, call: PlannedCall, name: str, describe: Describe) -> None:
        if (found := describe(name)) is None:
            announce(operation.operation, target=name, plan=self._plan.id)
            request = {**call.request, "Tags": [*call.request["Tags"], *self._tags]}
            try:
                operation(self._session, **request)
            except InputRefused as error:
                # Somebody was faster, or AWS had taken a call whose answer was lost on the way.
                if error.facts.get("code") not in _THERE_ALREADY or (found := describe(name)) is None:
                    raise
            else:
                self._made.append(name)
                return
        if tags_of(found).get(f"{TAG_PREFIX}plan") != self._plan.id:
            raise InputRefused(
                f'"{name}" exists already and was not made by this plan.',
                hint="Set `target` to another name, or delete that one first if nobody needs it.",
            )
        log.info("%s is there already, made by this plan: adopted", name)

    def _described_cluster(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = DESCRIBE_CLUSTERS(self._session, DBClusterIdentifier=name)["DBClusters"][0]
        except NotFound:
            return None
        return found

    def _described_instance(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = DESCRIBE_INSTANCES(self._session, DBInstanceIdentifier=name)["DBInstances"][0]
        except NotFound:
            return None
        return found

    def _cluster_status(self) -> str:
        found = self._described_cluster(self._plan.target) or {"Status": "not made yet"}
        status = str(found.get("Status", ""))
        of_secret = (found.get("MasterUserSecret") or {}).get("SecretStatus", "active")
        return "making its secret" if (status, of_secret) == ("available", "creating") else status

    def _instance_status(self, name: str) -> str:
        return str((self._described_instance(name) or {}).get("DBInstanceStatus", "not made yet"))
