"""Show what backups cost: each function takes a review and gives one thing to look at."""

from runbook_lib.display.costs.advice import advice_sheet, deleted_sheet
from runbook_lib.display.costs.bill import bill_sheet
from runbook_lib.display.costs.clusters import clusters_sheet
from runbook_lib.display.costs.headline import first_screen, headline
from runbook_lib.display.costs.held import held_sheet
from runbook_lib.display.costs.months import months_sheet
from runbook_lib.display.costs.protection import protection_sheet
from runbook_lib.display.costs.result import cost_result
from runbook_lib.display.costs.retention import retention_sheet

__all__ = [
    "advice_sheet",
    "bill_sheet",
    "clusters_sheet",
    "cost_result",
    "deleted_sheet",
    "first_screen",
    "headline",
    "held_sheet",
    "months_sheet",
    "protection_sheet",
    "retention_sheet",
]
