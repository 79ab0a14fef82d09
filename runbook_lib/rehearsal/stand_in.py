"""The stand-in as a whole: a local AWS, real servers behind its clusters, and the story written into the source."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from runbook_lib.aws import AwsSession, connect
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.control import ControlPlane, Pace
from runbook_lib.rehearsal.control.history import SCRIPT_PLACE
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.source import CLUSTER, make_source
from runbook_lib.rehearsal.story import ClusterEvent, GlueRun, Listeners, Story, job, tell
from runbook_lib.rehearsal.story.nights import JOB
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)

_VOLUME = 600e9  # bytes

Progress = Callable[[str, int, int], None]


def _silent(_text: str, _done: int, _total: int) -> None:
    return None


class StandIn:
    """A local AWS account with one Aurora MySQL cluster that an incident has just happened to.

    Use it as a context manager: nothing is left of it afterwards, however it ends. One at a time in a process.
    """

    def __init__(
        self, engine: Engine, *, folder: Path | None = None, pace: Pace | None = None, cluster: str = CLUSTER
    ) -> None:
        self.engine = engine
        self.cluster = cluster
        self._folder = folder
        self._pace = pace or Pace()
        self._open = ExitStack()
        self.data: DataPlane
        self.control: ControlPlane

    def __enter__(self) -> StandIn:
        with ExitStack() as opening:
            self.data = DataPlane(self.engine, self._folder)
            opening.callback(self.data.close)
            self.control = ControlPlane(self.data, pace=self._pace)
            opening.enter_context(self.control)
            with self.control.in_environment():
                make_source(self.session(), identifier=self.cluster)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every server and remove every folder; closing twice is harmless."""
        self._open.close()

    def session(self) -> AwsSession:
        """Open a session with the stand-in. Only inside `control.in_environment()`: boto3 reads the environment."""
        return connect(region=self.control.region)

    def environment(self) -> dict[str, str]:
        """Return the variables that point AWS clients, and so the notebooks, at the stand-in."""
        return self.control.environment()

    @property
    def doubt(self) -> timedelta:
        """Return how long a status after a change may still be that of before."""
        return self._pace.doubt

    @property
    def source_id(self) -> str:
        """Return the source's resource id, by which the data plane knows it."""
        return self.control.history.resource_id(self.cluster)

    def admin(self) -> Database:
        """Connect to the source's server as its superuser."""
        return self.data.admin(self.source_id)

    def tell_story(
        self, *, seed: int = 7, now: datetime | None = None, progress: Progress = _silent, wipe: bool = True
    ) -> Story:
        """Let the week and the incident happen to the source, dated up to `now` (the present unless given).

        Without `wipe` it ends on the evening before, with the job's changed logic ready to be started.
        """
        history, source = self.control.history, self.source_id

        def on_base(moment: datetime) -> None:
            self.data.take_snapshot(source, snapshot_id="base", moment=moment)
            history.cluster_created(self.cluster, at=moment)

        def on_snapshot(moment: datetime, name: str) -> None:
            self.data.take_snapshot(source, snapshot_id=name, moment=moment)
            history.automated_snapshot(self.cluster, at=moment, data_id=name)

        def on_glue_run(run: GlueRun) -> None:
            history.glue_run(
                run.job, started=run.started_on, completed=run.completed_on, state=run.state, error=run.error
            )

        def on_cluster_event(event: ClusterEvent) -> None:
            log.debug("%s %s", event.moment, event.message)  # automated_snapshot enters the snapshots' own events

        until = now or utc_now()
        listeners = Listeners(
            on_base=on_base,
            on_snapshot=on_snapshot,
            on_glue_run=on_glue_run,
            on_cluster_event=on_cluster_event,
            progress=progress,
        )
        with self.admin() as database:
            story = tell(database, now=until, seed=seed, listeners=listeners, wipe=wipe)
        self._ready_job(story)
        history.datapoints("VolumeBytesUsed", cluster=self.cluster, points=_volume(story, until=until))
        used = _backup_storage(story, until=until)
        billed = [(moment, size - _VOLUME) for moment, size in used]
        history.datapoints("BackupRetentionPeriodStorageUsed", cluster=self.cluster, points=used)
        history.datapoints("TotalBackupStorageBilled", cluster=self.cluster, points=billed)
        return story

    def _ready_job(self, story: Story) -> None:
        """Let Glue run the story's job when it is asked to: its script lies in S3, its logic is run for real."""
        s3 = self.session().client("s3")
        bucket, _, key = SCRIPT_PLACE.removeprefix("s3://").partition("/")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.control.region})
        s3.put_object(Bucket=bucket, Key=key, Body=job.SCRIPT.encode())
        self.control.jobs.put(JOB, job.program(self.session, story.sheets))


def _volume(story: Story, *, until: datetime) -> list[tuple[datetime, float]]:
    """Return the volume's size by the hour, in bytes, as CloudWatch would: the background's 600 GB.

    It does not shrink with the wipe at once: Aurora gives the space of dropped tables back in the background.
    """
    hours = int((until - story.began) / timedelta(hours=1))
    return [(story.began + timedelta(hours=hour), _VOLUME) for hour in range(hours + 1)]


def _backup_storage(story: Story, *, until: datetime) -> list[tuple[datetime, float]]:
    """Return what the automated backups hold at the end of each whole day, in bytes: a volume and its change records.

    5 % of the volume changes a day, one of the cases of the background's cost comparison. Of the last day there is no
    point yet: AWS meters it a day later.
    """
    days = (until - story.began).days
    return [(story.began + timedelta(days=day), _VOLUME * (1 + 0.05 * min(day, 7))) for day in range(days)]
