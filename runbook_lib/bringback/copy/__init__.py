"""Copy back: tables of the restored copy made beside the damaged ones, proved, and swapped in one statement."""

from runbook_lib.bringback.copy.application import CopiedBack, apply_copy_back
from runbook_lib.bringback.copy.checking import copy_checks
from runbook_lib.bringback.copy.choices import CONFLICTS, ROW_RULES, CopyChoices
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.bringback.copy.proposing import propose_copy_back, propose_with_checks
from runbook_lib.bringback.copy.undoing import CopyUndone, CopyUndoPlan, apply_undo, propose_undo

__all__ = [
    "CONFLICTS",
    "ROW_RULES",
    "CopiedBack",
    "CopyBackPlan",
    "CopyChoices",
    "CopyUndoPlan",
    "CopyUndone",
    "TablePlan",
    "apply_copy_back",
    "apply_undo",
    "copy_checks",
    "propose_copy_back",
    "propose_undo",
    "propose_with_checks",
]
