"""Sum a bring-back up: what was done, what holds, what it took, and what comes next, the undo first of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_lib.bringback.bring_back import Done, Proposed, Verified
from runbook_lib.bringback.copy import CopiedBack, CopyUndone
from runbook_lib.bringback.cutover import CutOver, to_tell
from runbook_lib.display.proof import word
from runbook_lib.display.result import Result
from runbook_lib.proof import Proof
from runbook_lib.restore.compare import unread_of
from runbook_lib.times import duration_text

NOTEBOOK = "bring_back_data"
_LISTED = 6


def bring_back_result(
    proposed: Proposed,
    done: Done | None,
    verified: Verified | None,
    *,
    approved_by: str = "",
    recovery: Mapping[str, Any] | None = None,
) -> Result:
    """Sum the run up from what was done and re-read.

    A comparison succeeds whatever it finds, as long as it could read every table; its finding is the headline. A
    bring-back whose verification does not hold has failed its check.
    """
    name, proof = proposed.pairing.name, proposed.proof
    unread = unread_of(proof)
    if proposed.plan is None:
        return Result(
            notebook=NOTEBOOK,
            outcome="check-failed" if unread else "succeeded",
            headline=_compared(name, proof) + (f", and {len(unread)} are not proved" if unread else ""),
            cluster=name,
            facts=_compared_facts(proof),
            next=(f'Choose a way: run again with cluster="{name}" and way="copy", or way="cutover".',),
        )
    if not getattr(proposed.plan, "statements", None) and not getattr(proposed.plan, "calls", None):
        return Result(
            notebook=NOTEBOOK,
            outcome="succeeded",
            headline=f"{_aim(proposed)} is done already: nothing is left to do",
            cluster=name,
            plan_id=proposed.id,
            next=('See how the tables are: run again with way="compare", approve="".',),
        )
    if done is None or not done.done or verified is None:
        given = f'{_parameters(proposed)} and approve="{proposed.id}"'
        return Result(
            notebook=NOTEBOOK,
            outcome="planned",
            headline=f"{_aim(proposed)} is planned",
            cluster=name,
            plan_id=proposed.id,
            facts=_compared_facts(proof),
            next=(proposed.stops or f"Approve it: run again with the same parameters, {given}.",),
        )
    return Result(
        notebook=NOTEBOOK,
        outcome="succeeded" if verified.holds else "check-failed",
        headline=f"{_aim(proposed)} is done" + ("" if verified.holds else f", but {verified.wrong[0]}"),
        cluster=name,
        plan_id=proposed.id,
        approved_by=approved_by,
        changed=_changed(done),
        recovery=recovery,
        facts=_done_facts(proposed, done, verified),
        next=_next(proposed, done, verified),
    )


def copy_is_left(done: Done | None) -> bool:
    """Tell whether something was done after which the copy may be deleted: not a cut-over, where it has the name."""
    return bool(done and done.done) and not (isinstance(done, CutOver) and done.plan.direction == "cut over")


def _compared(name: str, proof: Proof) -> str:
    if proof.verdict == "same":
        return f"{name} holds what the copy holds"
    return f"{len(proof.damaged)} of {len(proof.tables)} tables of {name} are missing, emptied or damaged"


def _aim(proposed: Proposed) -> str:
    pairing = proposed.pairing
    name, copy = pairing.name, pairing.copy_name
    cutover = proposed.wanted.way.endswith("cutover")
    what = f"the cut-over of {name}" if cutover else f"the copy back into {name}"
    return f"The undo of {what}" if proposed.is_undo else f"{what[0].upper()}{what[1:]} from {copy}"


def _compared_facts(proof: Proof) -> dict[str, str]:
    words = [word(table) for table in proof.tables]
    unread = unread_of(proof)
    return {
        "tables": ", ".join(f"{words.count(each)} {each}" for each in dict.fromkeys(sorted(words))),
        "rows that only the damaged side has": f"{sum(table.extra for table in proof.tables):,}",
        **({"not proved": _listed([f"{name} ({why})" for name, why in unread])} if unread else {}),
    }


def _done_facts(proposed: Proposed, done: Done, verified: Verified) -> dict[str, str]:
    """Say what was brought back, what is new by choice, and what is open."""
    wrong = {"NOT as planned": "\n".join(verified.wrong)} if verified.wrong else {}
    since = {"written since, by applications": _listed(verified.since)} if verified.since else {}
    if isinstance(done, CutOver):
        took = {"without the name": duration_text(done.without_name)} if done.without_name is not None else {}
        return {**wrong, **took}
    if isinstance(done, CopyUndone):
        return {
            **wrong,
            "put back": f"{len(done.plan.undoes.tables)} tables, as they were before plan {done.plan.of}",
            "what had been brought back is in": ", ".join(done.plan.kept_in),
        }
    return {**wrong, **_copied_facts(proposed, done), **since}


def _copied_facts(proposed: Proposed, done: CopiedBack) -> dict[str, str]:
    brought = [table for table in done.plan.tables if table.rows_from == "restored"]
    along = len(done.plan.tables) - len(brought)
    kept = sum(merge.kept + merge.updated for merge in done.merged if merge.rule != "all its own rows")
    left = [f"{rest.table}: {'some' if rest.rows is None else f'{rest.rows:,}'} rows" for rest in done.left]
    again = [f"{len(done.plan.made)} views, triggers and routines"] if done.plan.made else []
    again += [f"{len(done.plan.grants)} grants"] if done.plan.grants else []
    found = {
        "brought back": f"{len(brought)} tables, {done.copied_rows:,} rows of the copy",
        "moved along, with their own rows": f"{along} tables that foreign keys tie to them" if along else "",
        "made again": ", ".join(again),
        "kept by choice": f"{kept:,} rows written since" if kept else "",
        "only in the dated schemas": _listed(left),
        "still damaged, because not chosen": _listed(_still_damaged(proposed, done)),
        "not proved": _listed([f"{name} ({why})" for name, why in unread_of(proposed.proof)]),
    }
    return {name: text for name, text in found.items() if text}


def _still_damaged(proposed: Proposed, done: CopiedBack) -> list[str]:
    """Name the damaged tables that were not brought back, because they were not chosen, as `tables` takes them."""
    brought = {table.name for table in done.plan.tables if table.rows_from == "restored"}
    return [
        str(name) if "." not in name.schema + name.name else name.sql
        for name in proposed.proof.damaged
        if name not in brought
    ]


def _listed(lines: Any) -> str:
    lines = [*lines]
    more = f"\n… and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    return "\n".join(lines[:_LISTED]) + more


def _changed(done: Done) -> tuple[str, ...]:
    return tuple(getattr(done, "changed", ())) or tuple(
        f"table {table.name}" for table in getattr(getattr(done.plan, "undoes", None), "tables", ())
    )


def _parameters(proposed: Proposed) -> str:
    return f'cluster="{proposed.pairing.name}", way="{proposed.wanted.way}"'


def _next(proposed: Proposed, done: Done, verified: Verified) -> tuple[str, ...]:
    """Say what comes next. Every step in quotes can be typed as it is written."""
    name, way = proposed.pairing.name, proposed.wanted.way
    copy = proposed.pairing.copy_name
    steps = [] if verified.holds else ["Look at what is not as planned before anybody works on."]
    if proposed.is_undo:
        again = way.removeprefix("undo ")
        steps += [f'To bring it back again: run again with cluster="{name}", way="{again}", approve="".']
    else:
        steps += [
            f'To undo it: run again with cluster="{name}", way="undo {way}", approve=""; it shows a plan of its own.'
        ]
    steps.append("Let somebody who knows the application look at it now.")
    if isinstance(done, CutOver):
        steps += [f"Tell {duty.whom}: {duty.why}." for duty in to_tell(done.plan)]
        if done.plan.direction == "cut over":
            keep = f"Keep {done.plan.damaged} until nobody needs what was written to it; it costs money each hour."
            return (*steps, keep)
    if isinstance(done, CopiedBack):
        if open_still := _still_damaged(proposed, done):
            more = f"the other {len(open_still)} damaged tables" if len(open_still) > 1 else open_still[0]
            given = f'cluster="{name}", way="copy", tables="{", ".join(open_still)}", approve=""'
            steps.append(f"To bring {more} back too: run again with {given}.")
        if done.plan.dated_schemas:
            first = next(iter(done.plan.dated_schemas.values()))
            steps.append(f'To drop what is set aside, and with it the undo: audit_schemas with drop="{first}".')
    steps.append(
        f'To delete the copy, which costs money and which an undo needs: clean_up_restores with only="{copy}".'
    )
    return tuple(steps)
