"""Measure the recovery that a bring-back ends, while its notebook still runs."""

from __future__ import annotations

from typing import Any

from runbook_lib.bringback.bring_back import Done, Proposed, Verified
from runbook_lib.clusters import TAG_PREFIX
from runbook_lib.records.recovery import BRING_BACK, Part, moment_in, recovery_of_incident
from runbook_lib.runbook import Run
from runbook_lib.times import iso


def measured_recovery(
    run: Run, proposed: Proposed, done: Done | None, verified: Verified | None
) -> dict[str, Any] | None:
    """Measure the recovery that a bring-back has just ended, for its result; None where nothing was brought back.

    An undo ends no recovery: it is not measured.
    """
    if done is None or not done.done or verified is None or proposed.is_undo or done.began is None:
        return None
    phases: dict[str, float] = {}
    for phase in getattr(done, "phases", ()):
        phases[phase.name] = round(phases.get(phase.name, 0.0) + phase.seconds, 1)
    restored = moment_in(proposed.pairing.copy.tags.get(f"{TAG_PREFIX}moment"))
    this = Part(
        notebook=BRING_BACK,
        started=run.now,
        began=done.began,
        finished=verified.finished,
        phases=phases,
        restored=restored,
    )
    measured = recovery_of_incident(run.incident, cluster=proposed.pairing.name, this=this)
    own = {"way": proposed.wanted.way, "began": iso(done.began), "finished": iso(verified.finished), "phases": phases}
    return {**measured.as_json(), **own}
