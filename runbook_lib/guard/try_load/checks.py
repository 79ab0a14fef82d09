"""What could go wrong with a try, looked at before: above all, whether the load could reach anything but the clone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from runbook_lib.approval import require_checks
from runbook_lib.aws import AwsSession, Identity
from runbook_lib.checks import Check, bad, ok
from runbook_lib.errors import CheckFailed
from runbook_lib.given import Given
from runbook_lib.guard.try_load.loads import Source
from runbook_lib.guard.try_load.plan import TryPlan
from runbook_lib.restore.checks import check_restore

_HELD = ("target", "reach", "arguments", "script", "the file")


def check_try(session: AwsSession, plan: TryPlan | None, *, identity: Identity, now: datetime) -> tuple[Check, ...]:
    """Make every check of a try; none changes anything. Raises as `check_restore`."""
    if plan is None:
        return ()
    return tuple(_checks(session, plan, identity=identity, now=now))


def _checks(session: AwsSession, plan: TryPlan, *, identity: Identity, now: datetime) -> Iterator[Check]:
    yield from plan.load.checks(Source.of(plan.source))
    for check in check_restore(session, plan.clone, plan.source, identity=identity, now=now):
        if check.subject == "target name":
            yield _name(plan, check)
        elif check.subject != "scheduled jobs":  # the source stays as it is, so its jobs go on
            yield check


def _name(plan: TryPlan, check: Check) -> Check:
    left = [clone for clone in plan.earlier if clone.name == plan.clone.target]
    if not left:
        return check
    if left[0].stays:
        return bad("target name", f"{left[0].name} is there: {left[0].stays}.", "Look at it in clean_up_restores.")
    return ok("target name", f"{left[0].name} is left of an earlier run of this try; it goes first.")


def require_harmless(checks: tuple[Check, ...], plan: TryPlan, *, approve: str | Given) -> None:
    """Stop an approved try that a check speaks against, and one of whose load it is not known what it reaches.

    Raises:
        CheckFailed: the plan is approved, and one of these is so.
    """
    require_checks(checks, plan, approve=approve)
    given = approve if isinstance(approve, str) else approve.approve
    unknown = [check for check in checks if check.subject in _HELD and check.state == "unknown"]
    if unknown and given.strip() == plan.id:
        raise CheckFailed(
            f"{unknown[0].sentence} Nothing was changed.", hint=unknown[0].hint, subjects=[c.subject for c in unknown]
        )
