"""What happened around the incident: runs of the load, events, statements that destroy, figures; and who told it."""

from runbook_lib.timeline.reading import Asked, read_timeline
from runbook_lib.timeline.values import (
    Birth,
    Destruction,
    GlueRun,
    Happening,
    LogGap,
    Series,
    SourceRead,
    TableChange,
    Timeline,
    Transaction,
)

__all__ = [
    "Asked",
    "Birth",
    "Destruction",
    "GlueRun",
    "Happening",
    "LogGap",
    "Series",
    "SourceRead",
    "TableChange",
    "Timeline",
    "Transaction",
    "read_timeline",
]
