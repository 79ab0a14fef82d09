"""The incident as a story written into a real database: an invented estate, a week of history, the proof of it."""

from runbook_lib.rehearsal.story.estate import INVENTORY
from runbook_lib.rehearsal.story.failure import WrittenRow
from runbook_lib.rehearsal.story.nights import GlueRun
from runbook_lib.rehearsal.story.proof import EstateProof, SchemaProof, TableProof, differences, take_proof
from runbook_lib.rehearsal.story.telling import ClusterEvent, Listeners, Snapshot, Story, failing_start, tell

__all__ = [
    "INVENTORY",
    "ClusterEvent",
    "EstateProof",
    "GlueRun",
    "Listeners",
    "SchemaProof",
    "Snapshot",
    "Story",
    "TableProof",
    "WrittenRow",
    "differences",
    "failing_start",
    "take_proof",
    "tell",
]
