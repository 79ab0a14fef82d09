"""Copies that a run makes for itself and deletes itself: which earlier ones go first, and the deleting.

A copy carries its expiry from the call that makes it. So one whose run was killed goes with the next run of its kind,
or by clean_up_restores.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import describe_cluster
from runbook_lib.errors import NotFound, RunbookError
from runbook_lib.restore.copies.apply import clean_up
from runbook_lib.restore.copies.leftovers import Leftover, leftovers, read_region
from runbook_lib.restore.copies.plan import propose_clean_up
from runbook_lib.restore.wait import CLUSTER_DEAD_ENDS, wait_until
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)
_COMING_UP = timedelta(hours=1)


def earlier_copies(session: AwsSession, source: str, *, mark: str, now: datetime, target: str) -> tuple[Leftover, ...]:
    """Return the copies of earlier runs that go before the next: expired ones, and the one of this name.

    `mark` is what the names of this kind of copy hold.
    """
    found = leftovers(read_region(session), now=now, source=source, also_unexpired=True)
    return tuple(
        copy
        for copy in found
        if mark in copy.name and (copy.name == target or (copy.expires is not None and copy.expires <= now))
    )


def throw_away(session: AwsSession, name: str, *, source: str, trouble: Callable[[str], object]) -> bool:
    """Delete a copy, by the clean-up's own way and with its checks; tell whether it is gone, and say why not.

    One that is still being made is waited for first.
    """
    try:
        wait_until(
            lambda: describe_cluster(session, name).status, what=name, dead_ends=CLUSTER_DEAD_ENDS, deadline=_COMING_UP
        )
    except NotFound:
        return True
    except RunbookError as error:
        log.warning("%s: %s", name, error.message)  # a copy that failed is deleted all the same
    try:
        plan = propose_clean_up(session, now=utc_now(), source=source, only=name)
        cleaned = clean_up(session, plan, approve=plan.id)
    except NotFound:
        return True
    except RunbookError as error:
        trouble(f"{name} could not be deleted: {error.message}")
        return False
    kept = [leftover for leftover in (*plan.left, *cleaned.spared) if leftover.name == name]
    for leftover in kept:
        trouble(f"{name} was not deleted: {leftover.stays}")
    return not kept
