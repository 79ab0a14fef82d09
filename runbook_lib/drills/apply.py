"""Hold a drill: delete what earlier ones left, restore the second into a copy, prove it, delete the copy.

However it ends, the copy is deleted in the end; where this process is killed, the copy carries its expiry as a tag from
the call that makes it, the next drill deletes it first, and clean_up_restores finds it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from runbook_lib.approval import approval_of, is_approved, require_checks
from runbook_lib.aws import AwsSession
from runbook_lib.checks import Check
from runbook_lib.clusters import Cluster, describe_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.drills.plan import DrillPlan
from runbook_lib.drills.proving import prove_drill
from runbook_lib.drills.source_log import SourceLog
from runbook_lib.drills.touched import ABOUT
from runbook_lib.drills.values import DrillProof, SealedProof
from runbook_lib.errors import CheckFailed, RunbookError, StepFailed
from runbook_lib.events import announce
from runbook_lib.given import Given
from runbook_lib.looking import could_not
from runbook_lib.mysql import Credentials, Database
from runbook_lib.phases import Phase, Phases
from runbook_lib.proof import Guard, ProofOptions, Side, record_proof
from runbook_lib.restore.apply import apply
from runbook_lib.restore.copies.throw_away import throw_away
from runbook_lib.restore.verify import first_answer
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)

_LISTED = 5  # events that are named; the others are counted
_ENABLED = (
    "SELECT event_schema, event_name FROM information_schema.events WHERE status = 'ENABLED'"
    " ORDER BY event_schema, event_name"
)


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """What came of a drill: nothing at all (`approved_id` empty), or how long each phase took and what was proved.

    `proof` is None where it could not be made, and `trouble` says why. `left` names a copy that is not gone.
    """

    plan: DrillPlan
    approved_id: str = ""
    approved_by: str = ""
    phases: tuple[Phase, ...] = ()
    proof: DrillProof | None = field(default=None, repr=False)
    trouble: tuple[str, ...] = ()
    left: str = ""
    removed: tuple[str, ...] = ()
    began: datetime | None = None
    proved: datetime | None = None

    @property
    def done(self) -> bool:
        """Tell whether a drill was held."""
        return bool(self.approved_id)

    @property
    def recovery_time(self) -> timedelta | None:
        """Return how long it took from the restore's request until the copy was proved; None if it was not."""
        return self.proved - self.began if self.proved and self.began else None


def apply_drill(
    session: AwsSession,
    plan: DrillPlan,
    checks: tuple[Check, ...],
    *,
    approve: str | Given,
    person: str,
    run_id: str = "",
) -> Drilled:
    """Hold the drill if `approve` is the plan's id, or if a standing approval covers it; else do nothing and say so.

    Raises:
        ApprovalRefused: the approval is of another plan.
        CheckFailed: a check speaks against it, or it leaves the bounds of the standing approval. Nothing was changed.
        StepFailed, TryLater, TimedOut: the copy could not be made; what was made of it is deleted.
    """
    given, by = approval_of(plan, approve), person
    if not given and plan.signed is not None:
        if plan.outside:
            raise CheckFailed(
                f"The standing approval does not cover this drill: {plan.outside}. Nothing was changed.",
                hint=f'Ask {plan.signed.approval.signed_by}, or read the plan and approve it with approve="{plan.id}".',
            )
        given, by = plan.id, f"{person}, by the {plan.signed.words}"
    require_checks(checks, plan, approve=given)
    if not is_approved(plan, given, why="The second, the parameters or the source have changed since then"):
        return Drilled(plan=plan)
    return _Drill(session, plan, approved_by=by).run(run_id)


class _Drill:
    def __init__(self, session: AwsSession, plan: DrillPlan, *, approved_by: str) -> None:
        self.session, self.plan, self.approved_by = session, plan, approved_by
        self.phases = Phases(plan=plan.id, target=plan.restore.target)
        self.account = credentials_for(session, plan.source, secret=plan.wanted.secret)
        self.trouble: list[str] = []

    def run(self, run_id: str) -> Drilled:
        removed = self._remove_earlier()
        drilled = Drilled(
            plan=self.plan, approved_id=self.plan.id, approved_by=self.approved_by, removed=removed, began=utc_now()
        )
        try:
            side, made = self._restore(run_id)
            proof = self._prove(side)
            drilled = replace(drilled, proof=proof, proved=utc_now() if proof else None)
        finally:
            with self.phases.step("delete the copy"):
                left = "" if self._gone(self.plan.restore.target) else self.plan.restore.target
        return replace(drilled, left=left, trouble=tuple(self.trouble), phases=(*made, *self.phases.done))

    def _restore(self, run_id: str) -> tuple[Side, tuple[Phase, ...]]:
        applied = apply(self.session, self.plan.restore, approve=self.plan.restore.id, run_id=run_id)
        copy = describe_cluster(self.session, self.plan.restore.target)
        if copy.endpoint == self.plan.source.endpoint:
            raise StepFailed("The copy has no address of its own.", hint="Nothing was read there.")
        account = copy_account(self.session, copy, source=self.plan.source, secret=self.plan.wanted.secret)
        with self.phases.step("wait for the first answer"):
            first_answer(copy, account)
        return side_of(copy, account), applied.phases

    def _prove(self, copy: Side) -> DrillProof | None:
        with self.phases.step("prove the copy"):
            try:
                return proved_copy(
                    copy, self.plan.source, self.account, second=self.plan.restore.moment, earlier=self.plan.proof
                )
            except RunbookError as error:
                self.trouble.append(f"The copy could not be proved: {error.message}")
                return None

    def _remove_earlier(self) -> tuple[str, ...]:
        """Delete what earlier drills left behind; one of this plan that is still being made is waited for first."""
        if not self.plan.earlier:
            return ()
        with self.phases.step("delete the copies of earlier drills"):
            return tuple(name for copy in self.plan.earlier if self._gone(name := copy.name))

    def _gone(self, name: str) -> bool:
        return throw_away(self.session, name, source=self.plan.source.identifier, trouble=self.trouble.append)


def copy_account(session: AwsSession, copy: Cluster, *, source: Cluster, secret: str) -> Credentials:
    """Return the account of a copy: its own managed secret, else the source's account, whose password it has kept."""
    return credentials_for(session, copy, secret="" if copy.secret_arn else secret or source.secret_arn)


def side_of(cluster: Cluster, account: Credentials) -> Side:
    """Return the server of a cluster, to be opened as often as a proof needs."""
    return Side(name=cluster.identifier, connect=lambda: open_database(cluster, account))


def proved_copy(
    copy: Side,
    source: Cluster,
    account: Credentials,
    *,
    second: datetime,
    earlier: SealedProof | None,
    about: timedelta = ABOUT,
) -> DrillProof:
    """Prove a copy of a cluster's second, and keep the proof in the record. Raises as `prove_drill`."""
    remark = quiet_events(copy)
    proof = prove_drill(
        copy,
        side_of(source, account),
        second=second,
        source_log=SourceLog(endpoint=source.endpoint, account=account, about=about),
        earlier=earlier,
        options=ProofOptions(personal=("*",), guard=Guard()),
    )
    if remark:
        proof = replace(proof, remarks=(remark, *proof.remarks))
    announce("drill-proof", **proof.as_json())
    if proof.kept is not None:
        record_proof(proof.kept)
    return proof


def quiet_events(copy: Side) -> str:
    """Switch the event scheduler of a copy off: it would do what the source's does. Return what must be known of it.

    Empty where it was off, or no event is there to run. Aurora's master user may not switch it (the cluster parameter
    group does): then, and for what ran before, rows that events wrote stay unexplained, and the reader is told why.
    """
    try:
        with copy.connect() as database:
            if str(database.value("SELECT @@GLOBAL.event_scheduler")).upper() != "ON":
                return ""
            names = [f"{schema}.{name}" for schema, name in database.rows(_ENABLED)]
            state = "is off now" if _switched_off(database) else "goes on: this account may not switch it off"
    except RunbookError as error:
        return f"Whether events run on the copy {could_not(error)}"
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    said = ", ".join(names[:_LISTED])
    return f"The event scheduler of the copy was on and {state}: rows that {said}{more} wrote there are unexplained"


def _switched_off(database: Database) -> bool:
    try:
        database.execute("SET GLOBAL event_scheduler = OFF")
    except RunbookError as error:
        log.debug("the event scheduler stays on: %s", error.message)
        return False
    return True
