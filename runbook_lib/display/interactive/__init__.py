"""Choosing with the mouse what a headless run is told as parameters: the same calls, the same values, in sight.

Every function here takes what a headless run would show. Where nobody sits before the notebook it gives exactly that
back; in JupyterLab opened by `runbook lab` it shows it with something to click beside it. Whatever is clicked ends as
the value of a parameter: set in the kernel, written into the parameters cell, and announced to the record.
"""

from runbook_lib.display.interactive.approval import approval
from runbook_lib.display.interactive.board import board
from runbook_lib.display.interactive.front import reader_is_there
from runbook_lib.display.interactive.onward import leads_on
from runbook_lib.display.interactive.picker import picker
from runbook_lib.display.interactive.tables import table_chooser
from runbook_lib.display.interactive.ways import way_chooser

__all__ = ["approval", "board", "leads_on", "picker", "reader_is_there", "table_chooser", "way_chooser"]
