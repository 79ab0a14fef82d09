"""The whole story, told once on each engine for all tests that need it. Nobody writes to its source."""

from __future__ import annotations

from dataclasses import dataclass, field

from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.story import Story


@dataclass
class ToldStory:
    """A story, the data plane it was told on (cluster `source`), and the copies restored from it so far."""

    plane: DataPlane
    story: Story
    source: str
    _restored: dict[str, str] = field(default_factory=dict)

    def restored(self, moment: str) -> str:
        """Return the cluster restored to one of the story's moments, made when first asked for. Do not write to it."""
        if moment not in self._restored:
            made = f"told-{moment}"
            self.plane.restore_to_time(made, source_id=self.source, moment=self.story.moments[moment])
            self._restored[moment] = made
        return self._restored[moment]
