"""Try a load: make the clone, prove it, run the load, tell the difference, look at production's log, delete the clone.

However it ends, the clone is deleted in the end; where this process is killed, it carries its expiry as a tag, the next
try deletes it first, and clean_up_restores finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from runbook_lib.approval import is_approved
from runbook_lib.aws import AwsSession
from runbook_lib.checks import Check
from runbook_lib.clusters import Cluster, describe_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.errors import RunbookError, StepFailed
from runbook_lib.given import Given
from runbook_lib.guard.try_load.checks import require_harmless
from runbook_lib.guard.try_load.loads import Outcome, Target
from runbook_lib.guard.try_load.plan import TryPlan
from runbook_lib.guard.try_load.source_log import SourceLog, look_after, look_before
from runbook_lib.mysql import Credentials
from runbook_lib.phases import Phase, Phases
from runbook_lib.proof import Proof, ProofOptions, Side
from runbook_lib.restore.apply import apply
from runbook_lib.restore.compare import compare_servers
from runbook_lib.restore.copies.throw_away import throw_away
from runbook_lib.restore.verify import first_answer


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a try: nothing at all (`approved_id` empty), or how the load ended on the clone.

    `proved` holds the clone against the source before the load, `difference` the same after it: what the load would
    have done. Each is None where it could not be made, and `trouble` says why. `left` names a clone that is not gone.
    """

    plan: TryPlan | None
    approved_id: str = ""
    phases: tuple[Phase, ...] = ()
    proved: Proof | None = field(default=None, repr=False)
    outcome: Outcome | None = None
    difference: Proof | None = field(default=None, repr=False)
    source: SourceLog | None = None
    trouble: tuple[str, ...] = ()
    left: str = ""
    removed: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Tell whether the load was tried."""
        return bool(self.approved_id)


def apply_try(
    session: AwsSession,
    plan: TryPlan | None,
    checks: tuple[Check, ...],
    *,
    approve: str | Given,
    run_id: str = "",
    on_step: Callable[[str], object] | None = None,
) -> Tried:
    """Try the load if `approve` is the plan's id; without an approval do nothing and say so in the value.

    Raises:
        ApprovalRefused: the approval is of another plan: the load or the source has changed.
        CheckFailed: a check speaks against it, or nobody knows what the load reaches. Nothing was changed.
        StepFailed, TryLater, TimedOut: the clone could not be made; what was made of it is deleted.
    """
    if plan is None:
        return Tried(plan=None)
    require_harmless(checks, plan, approve=approve)
    if not is_approved(plan, approve, why="The load, the parameters or the source have changed since then"):
        return Tried(plan=plan)
    phases = Phases(on_step=on_step, plan=plan.id, target=plan.clone.target)
    account = credentials_for(session, plan.source, secret=plan.secret)
    return _Trying(session, plan, phases, account).run(run_id)


class _Trying:
    def __init__(self, session: AwsSession, plan: TryPlan, phases: Phases, account: Credentials) -> None:
        self.session, self.plan, self.source, self.phases, self.account = session, plan, plan.source, phases, account
        self.trouble: list[str] = []

    def run(self, run_id: str) -> Tried:
        removed = self._remove_earlier()
        tried = Tried(plan=self.plan, approved_id=self.plan.id, removed=removed)
        try:
            tried = self._try(tried, run_id)
        finally:
            left = self._delete()
        return replace(tried, left=left, trouble=tuple(self.trouble), phases=tuple(self.phases.done))

    def _try(self, tried: Tried, run_id: str) -> Tried:
        with self.phases.step("make the clone"):
            apply(self.session, self.plan.clone, approve=self.plan.clone.id, run_id=run_id)
            clone = describe_cluster(self.session, self.plan.clone.target)
            if not clone.secret_arn or clone.endpoint == self.source.endpoint:
                raise StepFailed("The clone has no password or address of its own.", hint="Nothing was run against it.")
            own = credentials_for(self.session, clone)
            first_answer(clone, own)
        sides = (_side(self.source, self.account), _side(clone, own))
        with self.phases.step("prove the clone"):
            proved = self._compared(*sides)
        before = look_before(self.source, self.account)
        with self.phases.step("run the load"):
            outcome = self.plan.load.run(Target(session=self.session, cluster=clone, account=own))
        with self.phases.step("tell the difference"):
            difference = self._compared(*sides)
        with self.phases.step("look at production's log"):
            touched = {
                (table.pair.expected.schema, table.pair.expected.name)
                for table in (difference.tables if difference else ())
                if table.verdict != "same"
            }
            seen = look_after(self.source, self.account, before, touched=touched)
        return replace(tried, proved=proved, outcome=outcome, difference=difference, source=seen)

    def _compared(self, source: Side, clone: Side) -> Proof | None:
        try:
            return compare_servers(source, clone, options=ProofOptions(personal=("*",), objects=True))
        except RunbookError as error:
            self.trouble.append(f"The clone could not be compared with the source: {error.message}")
            return None

    def _remove_earlier(self) -> tuple[str, ...]:
        """Delete what earlier tries left behind; one of this plan that is still being made is waited for first."""
        if not self.plan.earlier:
            return ()
        with self.phases.step("delete the clones of earlier tries"):
            return tuple(name for clone in self.plan.earlier if self._gone(name := clone.name))

    def _delete(self) -> str:
        """Delete the clone of this try; return its name if it is not gone, and say why."""
        with self.phases.step("delete the clone"):
            return "" if self._gone(self.plan.clone.target) else self.plan.clone.target

    def _gone(self, name: str) -> bool:
        return throw_away(self.session, name, source=self.plan.clone.source, trouble=self.trouble.append)


def _side(cluster: Cluster, account: Credentials) -> Side:
    return Side(name=cluster.identifier, connect=lambda: open_database(cluster, account))
