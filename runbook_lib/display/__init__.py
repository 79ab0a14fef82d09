"""Tables, figures and results, made from values; nothing is printed by side effect."""

from runbook_lib.display.figure import Figure
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table

__all__ = ["Figure", "Result", "Stack", "Table"]
