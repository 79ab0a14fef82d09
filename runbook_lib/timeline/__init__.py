"""What happened around the incident: runs of the load, events, statements that destroy, figures; and who told it."""

from runbook_lib.timeline.reading import Asked, read_timeline
from runbook_lib.timeline.values import (
    Birth,
    Destruction,
    GlueRun,
    Happening,
    Series,
    SourceRead,
    Timeline,
)

__all__ = [
    "Asked",
    "Birth",
    "Destruction",
    "GlueRun",
    "Happening",
    "Series",
    "SourceRead",
    "Timeline",
    "read_timeline",
]
