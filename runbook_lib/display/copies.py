"""Show a clean-up of restored copies: what there is, what would go, what was done, and whether only that went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from runbook_lib.costs import Alive, Spent
from runbook_lib.costs.units import usd_text
from runbook_lib.display.approval import how_to_go_on, phases_table
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.restore import CleanedUp, CleanUpCheck, CleanUpPlan, Leftover
from runbook_lib.restore.copies.leftovers import PROTECTED
from runbook_lib.times import duration_text, utc_text

_NOTEBOOK = "clean_up_restores"
_FOLDED = 12
_COLUMNS = ("cluster", "", "made, UTC", "expires, UTC", "instances", "cost, USD")


def alive(plan: CleanUpPlan) -> tuple[Alive, ...]:
    """Return the plan's clusters as what has a cost."""
    return tuple(
        Alive(
            cluster=leftover.cluster, instances=tuple((part.instance_class, part.created) for part in leftover.members)
        )
        for leftover in plan.found
    )


def found_table(plan: CleanUpPlan, spent: Mapping[str, Spent]) -> Table:
    """Show every cluster with the runbooks' tags: its age, cost so far, expiry, and whether it would go."""
    rows = tuple(_found_row(leftover, spent.get(leftover.name), now=plan.now) for leftover in plan.found)
    others = len(plan.world.clusters) - len(plan.world.tagged)
    elsewhere = len(plan.world.tagged) - len(plan.found)
    note = f"{others} other clusters of {plan.region} carry no recovery: tag and are never considered."
    note += f" {elsewhere} copies of other sources are not shown." if elsewhere else ""
    return Table(
        title=f"Clusters with the runbooks' tags: {len(rows)}",
        columns=_COLUMNS,
        rows=rows,
        marks={index: "warn" for index, leftover in enumerate(plan.found) if not leftover.stays},
        note=f"{note}{_unknown(spent)} Cost is without requests, at the volume's size of today.",
    )


def _found_row(leftover: Leftover, cost: Spent | None, *, now: datetime) -> tuple[object, ...]:
    instances = "\n".join(f"{part.identifier} ({part.instance_class}, {part.status})" for part in leftover.members)
    return (
        f"{leftover.name}\ncopy of {leftover.source or 'nothing it names'}",
        f"stays: {leftover.stays}" if leftover.stays else "WOULD GO",
        f"{utc_text(leftover.cluster.created)}\n{_age(leftover.age(now))} ago",
        utc_text(leftover.expires) if leftover.expires else "never",
        instances or "none",
        _cost_text(cost) if cost else "not known",
    )


def _age(age: timedelta) -> str:
    return duration_text(timedelta(seconds=max(0, round(age.total_seconds()))))


def _unknown(spent: Mapping[str, Spent]) -> str:
    reasons = dict.fromkeys(cost.unknown for cost in spent.values() if cost.unknown)
    return f" Not known, so no sum: {'; '.join(reasons)}." if reasons else ""


def plan_sheet(plan: CleanUpPlan, spent: Mapping[str, Spent], needed: Mapping[str, str], *, approve: str) -> Stack:
    """Show what would go and what is lost with it, every call, what stays and why, and how to approve exactly that.

    `needed` says by name which copies an undo still needs.
    """
    lost = Table(
        title="What cannot be done any more without them",
        columns=("copy", ""),
        rows=tuple(needed.items()),
        marks=dict.fromkeys(range(len(needed)), "warn"),
    )
    calls = Table(
        title=f"The AWS calls, in order: {len(plan.calls)}",
        folded=len(plan.calls) > _FOLDED,
        columns=("", "call", "why", "with"),
        rows=tuple(
            (number, call.operation, call.why, "\n".join(f"{name}: {value}" for name, value in call.request.items()))
            for number, call in enumerate(plan.calls, 1)
        ),
        note="Each cluster is looked at once more right before it is deleted, and left if anything has come up.",
    )
    left = Table(
        title=f"What stays: {len(plan.left)}",
        columns=("cluster", "why"),
        rows=tuple((leftover.name, leftover.stays) for leftover in plan.left),
    )
    count = len(plan.delete)
    days = [cost.usd_a_day for leftover in plan.delete if (cost := spent.get(leftover.name))]
    saved = sum(day for day in days if day is not None)
    at_least = "at least " if None in days or len(days) < count else ""
    saves = f", which saves {at_least}{usd_text(saved)} a day" if saved else ""
    return Stack(
        headline=f"Plan {plan.id}: delete {count} of {len(plan.found)} copies{saves}"
        if count
        else "Nothing to clean up",
        tables=((lost,) if needed else ()) + ((calls,) if count else ()) + ((left,) if plan.left else ()),
        closing=_how_to_go_on(plan, approve.strip()),
    )


def _how_to_go_on(plan: CleanUpPlan, approve: str) -> str:
    if not plan.delete and plan.left:
        return " ".join(("There is nothing to approve.", *_ways_out(plan)))
    if not plan.delete:
        return "There is nothing to approve: no run of ours has left a copy."
    begun = [leftover.name for leftover in plan.delete if approve and leftover.mark == approve]
    if begun and approve != plan.id:
        return f"The clean-up {approve} was begun and stopped. The next cell goes on with what it had marked: " + (
            f"{', '.join(begun)}."
        )
    return how_to_go_on(
        plan.id,
        approve,
        given=f'approve="{plan.id}"',
        does="applies it. What is deleted does not come back",
        asks="Is anybody still working with one of these?",
    )


def _ways_out(plan: CleanUpPlan) -> tuple[str, ...]:
    """Say of each copy that stays what would let it go, where a person may decide that."""
    said = []
    for leftover in plan.left:
        if not leftover.held:
            said.append(f'To delete {leftover.name}: run again with only="{leftover.name}".')
        elif leftover.held == PROTECTED and leftover.cluster.raw.get("DeletionProtection"):
            command = f"aws rds modify-db-cluster --region {plan.region} --db-cluster-identifier {leftover.name}"
            said.append(
                f"{leftover.name} is protected (a cut-over does that): `{command} --no-deletion-protection "
                f'--apply-immediately` takes that off; then run again with only="{leftover.name}".'
            )
    return tuple(said)


def cleaned_sheet(cleaned: CleanedUp) -> Stack:
    """Show what was deleted, phase by phase; or that nothing was."""
    if not cleaned.done:
        nothing = "there is nothing to delete" if not cleaned.plan.delete else "the plan above is not approved"
        return Stack(headline=f"Nothing was changed: {nothing}.")
    phases = phases_table(cleaned.approved_id, cleaned.phases)
    spared = Table(
        title="Left after all",
        columns=("cluster", "what has come up"),
        rows=tuple((leftover.name, leftover.stays) for leftover in cleaned.spared),
    )
    return Stack(
        headline=f"Deleted: {_names(cleaned.deleted) or 'nothing'}",
        tables=(phases, spared) if cleaned.spared else (phases,),
    )


def verified_sheet(check: CleanUpCheck | None) -> Stack:
    """Show whether what was deleted is gone, and everything else still there."""
    if check is None:
        return Stack(headline="Nothing to verify: nothing was changed.")
    rows = [("what was deleted is gone", not check.still_there, "\n".join(check.still_there))]
    rows.append(
        (
            f"the {check.kept} other clusters and all other backups are there",
            not check.missing,
            "\n".join(check.missing),
        )
    )
    table = Table(
        title="Looked at again",
        columns=("what must be so", "", ""),
        rows=tuple((name, "yes" if holds else "NO", text) for name, holds, text in rows),
        marks={index: "good" if holds else "bad" for index, (_, holds, _) in enumerate(rows)},
    )
    return Stack(headline="Only what was planned is gone." if check.holds else "The check FAILED.", tables=(table,))


def clean_up_result(
    cleaned: CleanedUp,
    check: CleanUpCheck | None,
    spent: Mapping[str, Spent],
    needed: Mapping[str, str],
    *,
    approved_by: str = "",
) -> Result:
    """Sum the run up from what was done and seen afterwards. `needed` is as in `plan_sheet`."""
    plan = cleaned.plan
    left = tuple(f"{leftover.name} stays: {leftover.stays}." for leftover in (*cleaned.spared, *plan.left))
    if not cleaned.done or check is None:
        count = len(plan.delete)
        approve = f'Approve it: run again with the same parameters and approve="{plan.id}".'
        return Result(
            notebook=_NOTEBOOK,
            outcome="planned",
            headline=f"{count} of {len(plan.found)} copies can go" if count else "Nothing to clean up",
            plan_id=plan.id if count else "",
            facts={"would go": _names(plan.delete), "stays": _names(plan.left)},
            next=((approve,) if count else ()) + left + (() if count else _ways_out(plan)),
        )
    deleted = len(cleaned.deleted)
    lost = [f"Find out who deleted {thing}: the clean-up did not." for thing in check.missing]
    return Result(
        notebook=_NOTEBOOK,
        outcome="succeeded" if check.holds else "check-failed",
        headline=f"{deleted} of {len(plan.found)} copies are gone, {check.kept} other clusters are still there"
        if check.holds
        else "After the clean-up not everything is as it should be",
        plan_id=cleaned.approved_id,
        approved_by=approved_by,
        changed=cleaned.changed,
        facts={
            "deleted": _names(cleaned.deleted),
            "lost with them": "; ".join(f"{name}: {said}" for name, said in needed.items()),
            "had cost": "; ".join(
                f"{leftover.name}: {_cost_text(spent.get(leftover.name))}" for leftover in cleaned.deleted
            ),
            "stays": _names((*cleaned.spared, *plan.left)),
        },
        next=(*lost, *(f"{name} is still there: look at its events." for name in check.still_there), *left),
    )


def _cost_text(cost: Spent | None) -> str:
    """Say what a cluster has cost so far and costs a day, or which part of that is known."""
    if cost is None or cost.instances_usd is None:
        return "not known"
    if cost.usd is None or cost.usd_a_day is None:
        return f"{usd_text(cost.instances_usd)} so far, and its storage (not known)"
    return f"{usd_text(cost.usd)} so far, {usd_text(cost.usd_a_day)} a day"


def _names(found: Sequence[Leftover]) -> str:
    return ", ".join(leftover.name for leftover in found)
