"""Copy back: restored tables made beside the damaged ones, proved, and swapped in one statement.

Names are looked up when they are first used: the processes that carry rows belong to this package too, and must stay
small and start fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.bringback.copy.apply import CopiedBack, apply_copy_back
    from runbook_lib.bringback.copy.checks import copy_checks
    from runbook_lib.bringback.copy.choices import CONFLICTS, DEFINITIONS, ROW_RULES, CopyChoices
    from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
    from runbook_lib.bringback.copy.planning import propose_copy_back, propose_with_checks
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

_MODULES = {
    "apply": ("CopiedBack", "apply_copy_back"),
    "checks": ("copy_checks",),
    "choices": ("CONFLICTS", "DEFINITIONS", "ROW_RULES", "CopyChoices"),
    "plan": ("CopyBackPlan", "TablePlan"),
    "planning": ("propose_copy_back", "propose_with_checks"),
    "undo": ("CopyUndoPlan", "CopyUndone", "apply_undo", "propose_undo"),
    "verify": ("CopyVerification", "verify_copied", "verify_undone"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
