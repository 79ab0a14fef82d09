"""Make what a plan asks for, exactly once: look whether it is there, make it, and take a loser's place in a race."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from runbook_lib.aws import AwsCall, AwsSession, declare
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES, TAG_PREFIX, tags_of
from runbook_lib.errors import InputRefused, NotFound, StepFailed, TryLater
from runbook_lib.events import announce
from runbook_lib.restore.patience import Patience
from runbook_lib.restore.plan import PlannedCall, RestorePlan
from runbook_lib.restore.settings import as_changed
from runbook_lib.restore.wait import CLUSTER_DEAD_ENDS, INSTANCE_DEAD_ENDS

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
_NOT_NOW = ("InvalidDBClusterStateFault", "InvalidDBInstanceState")

Describe = Callable[[str], Mapping[str, Any] | None]


class Maker:
    """Makes the cluster and instances of one plan; what an earlier or parallel run of the plan made is adopted."""

    def __init__(
        self, session: AwsSession, plan: RestorePlan, *, tags: list[dict[str, str]], patience: Patience
    ) -> None:
        self._session, self._plan, self._tags, self._patience = session, plan, tags, patience
        self._made: list[str] = []
        self._adopted: list[str] = []
        self._all: list[str] = []

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
            try:
                MODIFY_CLUSTER(self._session, **call.request)
            except StepFailed as error:
                if error.facts.get("code") not in _NOT_NOW:
                    raise
                # Another run of this plan is changing it at this moment: wait, and look again.
                raise TryLater(error.message, hint=error.hint, **error.facts) from error

        self._patience.do(step, what=f"change {self._plan.target}")

    def wait_for_cluster(self) -> None:
        """Wait until the cluster is available, its managed secret too."""
        what = f"cluster {self._plan.target}"
        self._patience.wait(self._cluster_status, what=what, dead_ends=CLUSTER_DEAD_ENDS)

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
        found = self._described_cluster(self._plan.target) or {"Status": "not there yet"}
        status = str(found.get("Status", ""))
        of_secret = (found.get("MasterUserSecret") or {}).get("SecretStatus", "active")
        return "making its secret" if (status, of_secret) == ("available", "creating") else status

    def _instance_status(self, name: str) -> str:
        return str((self._described_instance(name) or {}).get("DBInstanceStatus", "not there yet"))
