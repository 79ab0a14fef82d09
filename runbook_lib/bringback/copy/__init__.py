"""Copy back: tables of the restored copy made beside the damaged ones, proved, and swapped in one statement.

Names are looked up when they are first used: the processes that carry rows belong to this package too, and must stay
small and start fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.bringback.copy.apply import apply_copy_back
    from runbook_lib.bringback.copy.checks import copy_checks
    from runbook_lib.bringback.copy.choices import CONFLICTS, DEFINITIONS, ROW_RULES, CopyChoices
    from runbook_lib.bringback.copy.outcome import CopiedBack
    from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
    from runbook_lib.bringback.copy.proposing import propose_copy_back, propose_with_checks
    from runbook_lib.bringback.copy.undo import CopyUndone, CopyUndoPlan, apply_undo, propose_undo
    from runbook_lib.bringback.copy.verify import CopyVerification, verify_copied, verify_undone

__all__ = [
    "CONFLICTS",
    "DEFINITIONS",
    "ROW_RULES",
    "CopiedBack",
    "CopyBackPlan",
    "CopyChoices",
    "CopyUndoPlan",
    "CopyUndone",
    "CopyVerification",
    "TablePlan",
    "apply_copy_back",
    "apply_undo",
    "copy_checks",
    "propose_copy_back",
    "propose_undo",
    "propose_with_checks",
    "verify_copied",
    "verify_undone",
]

_WHERE = {
    "apply": ("apply_copy_back",),
    "checks": ("copy_checks",),
    "choices": ("CONFLICTS", "DEFINITIONS", "ROW_RULES", "CopyChoices"),
    "outcome": ("CopiedBack",),
    "plan": ("CopyBackPlan", "TablePlan"),
    "proposing": ("propose_copy_back", "propose_with_checks"),
    "undo": ("CopyUndoPlan", "CopyUndone", "apply_undo", "propose_undo"),
    "verify": ("CopyVerification", "verify_copied", "verify_undone"),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
