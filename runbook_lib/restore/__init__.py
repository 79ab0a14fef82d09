"""Restore to a second: the ways back, the plan, its approval and application, and the check of what came of it."""

from runbook_lib.approval import require_checks
from runbook_lib.restore.apply import Applied, apply
from runbook_lib.restore.checks import Check, Given, check_restore
from runbook_lib.restore.copies.apply import CleanedUp, CleanUpCheck, clean_up, verify_clean_up
from runbook_lib.restore.copies.leftovers import Leftover
from runbook_lib.restore.copies.plan import CleanUpPlan, propose_clean_up
from runbook_lib.restore.copies.undos import needed_by_undos
from runbook_lib.restore.plan import Choices, PlannedCall, RestorePlan, plan_restore, propose
from runbook_lib.restore.read_back import Compared, ReadBack, read_back
from runbook_lib.restore.settings import Setting
from runbook_lib.restore.verify import Verification, verify
from runbook_lib.restore.ways import Outlook, Way, reason, recommended, ways_back
from runbook_lib.timeline.second import Candidate, Proposal, propose_second

__all__ = [
    "Applied",
    "Candidate",
    "Check",
    "Choices",
    "CleanUpCheck",
    "CleanUpPlan",
    "CleanedUp",
    "Compared",
    "Given",
    "Leftover",
    "Outlook",
    "PlannedCall",
    "Proposal",
    "ReadBack",
    "RestorePlan",
    "Setting",
    "Verification",
    "Way",
    "apply",
    "check_restore",
    "clean_up",
    "needed_by_undos",
    "plan_restore",
    "propose",
    "propose_clean_up",
    "propose_second",
    "read_back",
    "reason",
    "recommended",
    "require_checks",
    "verify",
    "verify_clean_up",
    "ways_back",
]
