"""Publish a load: every table of the next generation takes its live place in one RENAME; the one before is kept."""

from runbook_lib.guard.publish.apply import PublishDone, apply_publish, verify_publish
from runbook_lib.guard.publish.plan import PublishPlan, propose_publish
from runbook_lib.guard.publish.undo import PublishUndone, PublishUndoPlan, apply_undo_publish, propose_undo_publish

__all__ = [
    "PublishDone",
    "PublishPlan",
    "PublishUndoPlan",
    "PublishUndone",
    "apply_publish",
    "apply_undo_publish",
    "propose_publish",
    "propose_undo_publish",
    "verify_publish",
]
