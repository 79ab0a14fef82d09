"""What the review came to, as the notebook's last value."""

from __future__ import annotations

from runbook_lib.costs.export import Taken
from runbook_lib.costs.outlook import Outlook
from runbook_lib.costs.review import Review
from runbook_lib.costs.snapshots.apply import CleanupDone
from runbook_lib.costs.snapshots.plan import saves_text
from runbook_lib.costs.units import usd_text
from runbook_lib.display.costs.bill import comparisons, verdict
from runbook_lib.display.costs.headline import headline, in_a_minute
from runbook_lib.display.result import Outcome, Result

_NAMED = 5


def cost_result(review: Review, outlook: Outlook, done: CleanupDone, taken: Taken, *, approved_by: str = "") -> Result:
    """Sum the run up. A bill or a rule that does not agree with the metrics is a failed check."""
    compared = comparisons(review)
    off = [entry for entry in compared if entry.is_off]
    unmeasured = review.month.backup.usd is None and review.month.days_settled > 0
    outcome: Outcome = (
        "check-failed" if off or unmeasured else "succeeded" if done.done or not outlook.plan.delete else "planned"
    )
    facts = {
        "month": str(review.month.month),
        **in_a_minute(review, outlook),
        "clusters": str(len(review.clusters)),
        "agreement": verdict(review, compared),
        "clean-up": saves_text(outlook.plan) if not done.done else f"{len(done.deleted)} snapshots deleted",
        "not measured": _gaps(review),
        "taken along": "\n".join(taken.files) or "nothing: `output` is empty",
    }
    return Result(
        notebook="cost_analysis",
        outcome=outcome,
        headline=headline(review) + (f" {_not_measured(review)}" if review.month.backup.at_least else ""),
        cluster=", ".join(review.facts.scope) if len(review.facts.scope) <= 3 else "",
        plan_id=outlook.plan.id if outlook.plan.delete else "",
        approved_by=approved_by if done.done else "",
        changed=tuple(f"snapshot {name} deleted" for name in done.deleted),
        facts=facts,
        next=_next(outlook, done, bool(off)),
    )


def _not_measured(review: Review) -> str:
    said = [f"{review.month.days_missing} cluster-days were not measured"] if review.month.days_missing else []
    said += ["not everything could be seen"] if review.facts.estate.unseen else []
    return f"{' and '.join(said).capitalize()}: what the month really cost may be more."


def _gaps(review: Review) -> str:
    lacking = [f"{cluster.cluster} {cluster.days_missing}" for cluster in review.clusters if cluster.days_missing]
    of = ", ".join(lacking[:_NAMED]) + (f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else "")
    said = [f"{review.month.days_missing} cluster-days of the month ({of})"] if review.month.days_missing else []
    said += [f"{entry.days_missing} of {entry.month}" for entry in review.months[:-1] if entry.days_missing]
    said += list(review.facts.estate.unseen)
    return "\n".join(said) or "nothing: every cluster-day has its point"


def _next(outlook: Outlook, done: CleanupDone, off: bool) -> tuple[str, ...]:
    steps = ["Find out what the bill has and the metrics have not: look at the months marked red."] if off else []
    if outlook.plan.delete and not done.done:
        steps.append(f'Read the clean-up plan; to delete what it names, run again with approve="{outlook.plan.id}".')
    steps += [
        f"{entry.cluster}: {entry.what} (saves {usd_text(entry.saves_usd_month)} a month)"
        for entry in outlook.advice[:3]
        if entry.kind in ("retention", "copy", "twice") and entry.saves_usd_month >= 0.01
    ]
    return tuple(steps)
