"""Try a load on a clone: the same load, the same data, and nobody's live data in reach of it."""

from runbook_lib.guard.try_load.apply import Tried, apply_try
from runbook_lib.guard.try_load.checks import check_try
from runbook_lib.guard.try_load.plan import TryPlan, Wanted, propose_try
from runbook_lib.guard.try_load.verify import verify_try

__all__ = ["Tried", "TryPlan", "Wanted", "apply_try", "check_try", "propose_try", "verify_try"]
