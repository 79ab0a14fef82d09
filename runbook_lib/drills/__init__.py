"""Drills: restore a second into a copy for throwing away, prove it, measure it, and delete it."""

from runbook_lib.drills.apply import Drilled, apply_drill
from runbook_lib.drills.checks import check_drill
from runbook_lib.drills.plan import DrillPlan, Wanted, propose_drill
from runbook_lib.drills.values import DrillProof, SealedProof
from runbook_lib.drills.verify import verify_drill

__all__ = [
    "DrillPlan",
    "DrillProof",
    "Drilled",
    "SealedProof",
    "Wanted",
    "apply_drill",
    "check_drill",
    "propose_drill",
    "verify_drill",
]
