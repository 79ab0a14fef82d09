"""Cut over: the restored copy takes the source's name, so that endpoints follow; the source is kept under another."""

from runbook_lib.bringback.cutover.aftermath import ToTell, to_tell
from runbook_lib.bringback.cutover.apply import CutOver, apply_cut_over
from runbook_lib.bringback.cutover.checks import check_cut_over
from runbook_lib.bringback.cutover.names import Rename
from runbook_lib.bringback.cutover.pairing import Pairing, find_pairing
from runbook_lib.bringback.cutover.plan import CutOverPlan, plan_cut_over, propose_cut_over
from runbook_lib.bringback.cutover.undo import plan_undo_cut_over, propose_undo_cut_over
from runbook_lib.bringback.cutover.verify import CutOverVerification, verify_cut_over

__all__ = [
    "CutOver",
    "CutOverPlan",
    "CutOverVerification",
    "Pairing",
    "Rename",
    "ToTell",
    "apply_cut_over",
    "check_cut_over",
    "find_pairing",
    "plan_cut_over",
    "plan_undo_cut_over",
    "propose_cut_over",
    "propose_undo_cut_over",
    "to_tell",
    "verify_cut_over",
]
