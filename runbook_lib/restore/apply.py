"""Apply an approved plan: each step announced before it begins, everything found again on a second run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import TAG_PREFIX
from runbook_lib.errors import ApprovalRefused
from runbook_lib.events import announce
from runbook_lib.restore.making import Maker
from runbook_lib.restore.patience import Patience
from runbook_lib.restore.plan import PlannedCall, RestorePlan
from runbook_lib.times import iso, utc_now

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(hours=6)  # AWS's guide: a restore of a large or busy cluster can take hours


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One step that was done, with its start (aware UTC) and how long it took."""

    name: str
    began: datetime
    seconds: float


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
    approve: str,
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
    if not approve:
        return Applied(plan=plan)
    if approve.strip() != plan.id:
        raise ApprovalRefused(
            f'The approval "{approve}" is not the id of this plan, which is {plan.id}.',
            hint="The parameters or the source have changed since it was approved; read the plan above and "
            f'approve it with approve="{plan.id}" and timestamp="{iso(plan.moment)}".',
            plan_id=plan.id,
        )
    began = utc_now()
    tags = _own_tags(plan, run_id=run_id, incident=incident, began=began)
    maker = Maker(session, plan, tags=tags, patience=Patience(session, deadline=deadline))
    phases = _Phases(plan.target)
    _run(plan, maker, phases)
    return Applied(
        plan=plan,
        approved_id=plan.id,
        phases=tuple(phases.done),
        changed=maker.changed,
        adopted=maker.adopted,
        began=began,
    )


def _run(plan: RestorePlan, maker: Maker, phases: _Phases) -> None:
    """Go through the plan's calls in their order; the writer comes first, the readers side by side."""
    writer, *readers = plan.calls_of("CreateDBInstance")
    for call in plan.calls:
        if call.operation.startswith("Restore"):
            with phases.one("request the restore"):
                maker.cluster(call)
            with phases.one("wait for the cluster"):
                maker.wait_for_cluster()
        elif call.operation == "ModifyDBCluster":
            managed = "ManageMasterUserPassword" in call.request
            with phases.one("give it a password of its own" if managed else "apply the other settings"):
                maker.modify(call)
                maker.wait_for_cluster()
        elif call is writer:
            _make_instances(maker, phases, [writer], "the writer")
            if readers:
                _make_instances(maker, phases, readers, "the readers")


def _make_instances(maker: Maker, phases: _Phases, calls: list[PlannedCall], who: str) -> None:
    with phases.one(f"create {who}"):
        for call in calls:
            maker.instance(call)
    with phases.one(f"wait for {who}"):
        for call in calls:
            maker.wait_for_instance(call.request["DBInstanceIdentifier"])


def _own_tags(plan: RestorePlan, *, run_id: str, incident: str, began: datetime) -> list[dict[str, str]]:
    own = {"plan": plan.id, "run": run_id or "by-hand", "incident": incident}
    if plan.expires_after:
        own["expires"] = iso(began + plan.expires_after)
    return [{"Key": f"{TAG_PREFIX}{name}", "Value": value} for name, value in own.items() if value]


class _Phases:
    def __init__(self, target: str) -> None:
        self._target = target
        self.done: list[Phase] = []

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        announce("phase", name=name, target=self._target)
        log.info("%s …", name)
        began, clock = utc_now(), time.monotonic()
        yield
        self.done.append(Phase(name=name, began=began, seconds=time.monotonic() - clock))
