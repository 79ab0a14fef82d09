"""What backups really cost: AWS's billing rule, the facts it works on, prices, the bill, and what could be saved."""

from runbook_lib.costs.copies import Alive, Spent, read_spent
from runbook_lib.costs.export import Taken, take_along
from runbook_lib.costs.facts import Facts, read
from runbook_lib.costs.outlook import Outlook, look_ahead
from runbook_lib.costs.review import Review, review
from runbook_lib.costs.snapshots.apply import CleanupDone, apply_cleanup
from runbook_lib.costs.snapshots.plan import CleanupPlan

__all__ = [
    "Alive",
    "CleanupDone",
    "CleanupPlan",
    "Facts",
    "Outlook",
    "Review",
    "Spent",
    "Taken",
    "apply_cleanup",
    "look_ahead",
    "read",
    "read_spent",
    "review",
    "take_along",
]
