"""Is the moment still there, and are the names free?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.aws import AwsSession
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES, Cluster
from runbook_lib.errors import NotFound
from runbook_lib.looking import Seen, look
from runbook_lib.restore.plan import RestorePlan
from runbook_lib.tags import TAG_PREFIX, tags_of
from runbook_lib.times import duration_text, iso

_SOON = timedelta(hours=2)  # a plan is read, discussed and approved; the window moves on meanwhile


def check_window(plan: RestorePlan, source: Cluster, *, now: datetime) -> Check:
    """Tell whether the moment can be restored, and how long it still can be."""
    subject, at = "window", iso(plan.moment)
    if not plan.calls_of("RestoreDBClusterToPointInTime"):
        return ok(subject, "This plan restores no point in time.")
    if source.window is None:
        return unknown(subject, f"AWS gives no restorable times while the source is {source.status}")
    earliest, latest = source.window.earliest, source.window.latest
    if not earliest.replace(microsecond=0) <= plan.moment <= latest:  # a restore is to a whole second
        return bad(
            subject,
            f"{at} cannot be restored: the window is {iso(earliest)} to {iso(latest)}.",
            "Choose a moment inside it, or another way back in inspect_backups.",
        )
    left = max(timedelta(0), plan.moment - earliest)
    if left < _SOON:
        return warn(
            subject,
            f"{at} leaves the window in about {duration_text(left)}.",
            "Approve soon; a longer retention of the source keeps what is still inside.",
        )
    return ok(subject, f"{at} is inside the window, which goes back {duration_text(now - earliest)}.")


def check_names(session: AwsSession, plan: RestorePlan) -> Check:
    """Tell whether the names are free, or taken by what an earlier run of this plan made."""
    return judge_names(plan, look(lambda: _taken(session, plan)))


def _taken(session: AwsSession, plan: RestorePlan) -> Iterator[tuple[str, Mapping[str, str]]]:
    asked: list[tuple[str, Any, str]] = [(plan.target, DESCRIBE_CLUSTERS, "DBCluster")]
    for call in plan.calls_of("CreateDBInstance"):
        asked.append((call.request["DBInstanceIdentifier"], DESCRIBE_INSTANCES, "DBInstance"))
    for name, describe, kind in asked:
        try:
            found = describe(session, **{f"{kind}Identifier": name}).get(f"{kind}s") or ()
        except NotFound:
            continue
        for entry in found:
            yield name, tags_of(entry)


def judge_names(plan: RestorePlan, taken: Seen[tuple[str, Mapping[str, str]]]) -> Check:
    """Decide from the names that are taken, with the tags of what has them."""
    subject = "target name"
    if taken.why_not:
        return unknown(subject, f"Whether the names are free {taken.why_not}")
    foreign = [name for name, tags in taken if tags.get(f"{TAG_PREFIX}plan") != plan.id]
    if foreign:
        return bad(
            subject,
            f"{' and '.join(foreign)} exists already and was not made by this plan.",
            "Set `target` to another name, or delete that one first if nobody needs it.",
        )
    if taken:
        names = ", ".join(name for name, _ in taken)
        return ok(subject, f"{names}: made by an earlier run of this plan, and taken up instead of made twice.")
    return ok(subject, f"{plan.target} is free.")
