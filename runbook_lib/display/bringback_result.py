"""Sum a bring-back up: what was done, what holds, what it took, and what comes next, the undo first of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_lib.bringback.bring_back import Done, Proposed, Verified
from runbook_lib.bringback.cutover import CutOver, to_tell
from runbook_lib.display.result import Result
from runbook_lib.proof import VERDICTS, Proof
from runbook_lib.times import duration_text

NOTEBOOK = "bring_back_data"


def bring_back_result(
    proposed: Proposed,
    done: Done | None,
    verified: Verified | None,
    *,
    approved_by: str = "",
    recovery: Mapping[str, Any] | None = None,
) -> Result:
    """Sum the run up from what was done and re-read.

    A comparison succeeds whatever it finds; its finding is the headline. A bring-back whose verification does not hold
    has failed its check.
    """
    name, proof = proposed.pairing.name, proposed.proof
    if proposed.plan is None:
        return Result(
            notebook=NOTEBOOK,
            outcome="succeeded",
            headline=_compared(name, proof),
            cluster=name,
            facts=_facts(proof),
            next=('Choose a way: run again with way="copy" or way="cutover".',),
        )
    if done is None or not done.done or verified is None:
        return Result(
            notebook=NOTEBOOK,
            outcome="planned",
            headline=f"{_aim(proposed)} is planned",
            cluster=name,
            plan_id=proposed.id,
            facts=_facts(proof),
            next=(f'Approve it: run again with {_parameters(proposed)} and approve="{proposed.id}".',),
        )
    return Result(
        notebook=NOTEBOOK,
        outcome="succeeded" if verified.holds else "check-failed",
        headline=f"{_aim(proposed)} is done" + ("" if verified.holds else f", but {verified.lost[0]}"),
        cluster=name,
        plan_id=proposed.id,
        approved_by=approved_by,
        changed=_changed(done),
        recovery=recovery,
        facts={**_facts(verified.proof), **_measured(done)},
        next=_next(proposed, done),
    )


def _compared(name: str, proof: Proof) -> str:
    if proof.verdict == "same":
        return f"{name} holds what the copy holds"
    return f"{len(proof.damaged)} of {len(proof.tables)} tables of {name} are missing, emptied or damaged"


def _aim(proposed: Proposed) -> str:
    pairing = proposed.pairing
    name, copy = pairing.name, pairing.origin(pairing.copy.identifier, pairing.copy.tags)
    cutover = proposed.wanted.way.endswith("cutover")
    what = f"the cut-over of {name}" if cutover else f"the copy back into {name}"
    return f"The undo of {what}" if proposed.is_undo else f"{what[0].upper()}{what[1:]} from {copy}"


def _facts(proof: Proof) -> dict[str, str]:
    counts = {word: len(proof.of(word)) for word in VERDICTS}
    newer = sum(verdict.extra for verdict in proof.tables)
    return {
        "tables": ", ".join(f"{count} {word}" for word, count in counts.items() if count),
        "rows that only the damaged side has": f"{newer:,}",
    }


def _measured(done: Done) -> dict[str, str]:
    if isinstance(done, CutOver) and done.without_name is not None:
        return {"without the name": duration_text(done.without_name)}
    return {}


def _changed(done: Done) -> tuple[str, ...]:
    return tuple(getattr(done, "changed", ())) or tuple(
        f"table {table.name}" for table in getattr(getattr(done.plan, "undoes", None), "tables", ())
    )


def _parameters(proposed: Proposed) -> str:
    return f'cluster="{proposed.pairing.name}", way="{proposed.wanted.way}"'


def _next(proposed: Proposed, done: Done) -> tuple[str, ...]:
    name, way = proposed.pairing.name, proposed.wanted.way
    steps = ["Let somebody who knows the application look at it now."]
    if isinstance(done, CutOver):
        steps += [f"Tell {duty.whom}: {duty.why}." for duty in to_tell(done.plan)]
        if done.plan.direction == "cut over":
            steps.append(
                f"Keep {done.plan.damaged} until nobody needs what was written to it; it costs money each hour."
            )
    if proposed.is_undo:
        return (*steps, f'To bring it back again: cluster="{name}", way="{way}".')
    undo = (
        f'To undo it: run again with cluster="{name}", way="{way}", undo=True; it shows a plan with an id of its own.'
    )
    return (undo, *steps)
