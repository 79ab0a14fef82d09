"""The drop of one schema: planned from proofs, applied under locks, verified by looking again."""

from runbook_lib.schemas.drop.apply import Dropped, DropVerification, apply_drop, verify_drop
from runbook_lib.schemas.drop.plan import DropPlan, propose_drop

__all__ = ["DropPlan", "DropVerification", "Dropped", "apply_drop", "propose_drop", "verify_drop"]
