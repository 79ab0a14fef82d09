"""How long the stand-in lets things take, and how far restorable times lag behind the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Shortest time each change spends in its passing status; the data plane's real work may make it longer.

    `lag` is how far LatestRestorableTime stays behind the clock: AWS says typically less than five minutes
    (Aurora User Guide, "Restoring a DB cluster to a specified time"); a rehearsal cannot wait that long. `unseen` is
    how long a cluster that is asked to change still says that it is available, and refuses other changes: some seconds
    at AWS (Terraform's provider waits for 30 after ModifyDBCluster).
    """

    cluster: timedelta = timedelta(seconds=0.8)
    instance: timedelta = timedelta(seconds=0.8)
    snapshot: timedelta = timedelta(seconds=0.4)
    modify: timedelta = timedelta(seconds=0.4)
    delete: timedelta = timedelta(seconds=0.4)
    lag: timedelta = timedelta(seconds=1)
    unseen: timedelta = timedelta(seconds=0.2)

    @property
    def doubt(self) -> timedelta:
        """Return how long a client must not believe "available" after a change."""
        return self.unseen + self.modify + timedelta(seconds=0.2) if self.unseen else timedelta(0)


def brisk(*, milliseconds: int = 30, lag: timedelta = timedelta(0)) -> Pace:
    """Return the pace for tests: each change takes `milliseconds`, an instance twice that."""
    step = timedelta(milliseconds=milliseconds)
    return Pace(cluster=step, instance=2 * step, snapshot=step, modify=step, delete=step, lag=lag, unseen=timedelta(0))
