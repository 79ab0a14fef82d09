"""The one approval: a plan is applied only if what was approved is its id, and no check speaks against it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

from runbook_lib.checks import Check
from runbook_lib.errors import ApprovalRefused, CheckFailed
from runbook_lib.events import announce, why_no_record
from runbook_lib.given import Given

log = logging.getLogger(__name__)


class Plan(Protocol):
    """A plan of any kind, by its id."""

    @property
    def id(self) -> str:
        """A hash of what would be done to what; not of the clock."""


def approval_of(plan: object, approve: str | Given) -> str:
    """Return the id that is approved, empty for none. `approve` is an id, or the choices of a notebook as they are now.

    Raises:
        ApprovalRefused: the plan was made from other choices than those of the notebook.
    """
    if isinstance(approve, str):
        return approve.strip()
    if plan is not None:
        approve.same(plan)
    return approve.approve


def is_approved(plan: Plan, approve: str | Given, *, given: str = "", why: str = "") -> bool:
    """Tell whether `approve` is the id of the plan. Without an approval the answer is False, and nothing may be done.

    A notebook hands in its choices as they are now: a plan that was made from others is refused, approved or not.
    `given` is what approves this plan where that is more than `approve` alone, as it is written in the parameters;
    `why` says what may have changed since the approval.

    Raises:
        ApprovalRefused: there is an approval, and it is not of this plan; or the plan is one of other choices.
    """
    wanted = approval_of(plan, approve)
    if not wanted:
        return False
    if wanted != plan.id:
        raise refusal(plan, wanted, given=given, why=why)
    if unrecorded := why_no_record():
        raise ApprovalRefused(
            f"What would be done could not be recorded: {unrecorded.rstrip('.')}. Nothing was changed.",
            hint="Name a folder that can be written with RUNBOOK_RECORDS, restart the kernel and run it again.",
            plan_id=plan.id,
        )
    return True


def refusal(plan: Plan, approve: str, *, given: str = "", why: str = "") -> ApprovalRefused:
    """Return the error that says an approval is not of this plan, and how to approve this one."""
    return ApprovalRefused(
        f'The approval "{approve}" is not the id of this plan, which is {plan.id}.',
        hint=f"{why or 'The parameters or what they are about have changed since it was approved'}; read the plan "
        f"above and approve it with {given or _given(plan)}.",
        plan_id=plan.id,
    )


def require_checks(checks: Iterable[Check], plan: Plan, *, approve: str | Given) -> None:
    """Stop an approved plan that a check speaks against. A plan that is only looked at is never stopped.

    What could not be looked at stops nothing: an approved plan goes on, and what was unknown is named and recorded.

    Raises:
        CheckFailed: the plan is approved, and a check is bad.
    """
    if approval_of(plan, approve) != plan.id:
        return
    found = tuple(checks)
    _stop(check for check in found if check.state == "bad")
    if unknown := [check.subject for check in found if check.state == "unknown"]:
        announce("approved-unknown", plan=plan.id, subjects=unknown)
        log.warning("approved although this is not known: %s", ", ".join(unknown))


def _stop(checks: Iterable[Check]) -> None:
    if found := [*checks]:
        raise CheckFailed(
            "; ".join(f"{check.subject}: {check.sentence.rstrip('.')}" for check in found) + ". Nothing was changed.",
            hint=" ".join(check.hint for check in found),
            subjects=[check.subject for check in found],
        )


def _given(plan: Plan) -> str:
    return f'approve="{plan.id}"'
