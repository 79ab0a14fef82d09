"""What happened before now: clusters, snapshots, events, Glue runs and figures with dates of the past."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend, RetainedBackup
from runbook_lib.rehearsal.control.aurora.clusters import register
from runbook_lib.rehearsal.control.aurora.models import Snapshot, whole_milliseconds

SCRIPT_PLACE = "s3://example-etl/daily_etl.py"


class History:
    """Enters the past into the stand-in. Every moment is aware UTC; clusters are named by their identifiers."""

    def __init__(self, rds: AuroraBackend) -> None:
        self._rds = rds

    def resource_id(self, cluster: str) -> str:
        """Return the resource id of a cluster, by which the data plane knows it."""
        with self._rds.world.lock:
            return self._rds.cluster(cluster).db_cluster_resource_id

    def cluster_created(self, cluster: str, *, at: datetime, backups_since: datetime | None = None) -> None:
        """Say when a cluster was made, and since when it can be restored (its creation, unless said)."""
        with self._rds.world.lock:
            found = self._rds.cluster(cluster)
            found.created = found.cluster_create_time = whole_milliseconds(at)
            found.backups_since = backups_since or at

    def automated_snapshot(self, cluster: str, *, at: datetime, data_id: str = "") -> str:
        """Enter the automated snapshot of a moment, and give its name (`rds:<cluster>-YYYY-MM-DD-HH-MM`).

        `data_id` is the data plane's name of the copy; without it the snapshot can be seen but not restored with data.
        """
        name = f"rds:{cluster}-{at:%Y-%m-%d-%H-%M}"
        snapshot = self._snapshot(cluster, name, kind="automated", at=at, data_id=data_id)
        self._rds.record(snapshot, "Creating automated cluster snapshot.", "backup", at=at)
        self._rds.record(snapshot, "Automated cluster snapshot created.", "backup", at=at)
        return name

    def manual_snapshot(
        self,
        cluster: str,
        name: str,
        *,
        at: datetime,
        data_id: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Enter a manual snapshot of a moment."""
        snapshot = self._snapshot(cluster, name, kind="manual", at=at, data_id=data_id)
        snapshot.tags = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
        self._rds.record(snapshot, "Manual cluster snapshot created.", "backup", at=at)
        return name

    def kept_snapshot(self, cluster: str, name: str, *, at: datetime, data_id: str = "") -> None:
        """Enter a snapshot that AWS Backup keeps."""
        self._snapshot(cluster, name, kind="awsbackup", at=at, data_id=data_id)

    def shared_snapshot(self, cluster: str, name: str, *, at: datetime, owner: str) -> str:
        """Enter a snapshot that another account shares with this one, like one of `cluster`, and return its ARN."""
        snapshot = self._snapshot(cluster, name, kind="shared", at=at, data_id="")
        with self._rds.world.lock:
            snapshot.owner = owner
            self._rds.cluster_snapshots[snapshot.arn] = self._rds.cluster_snapshots.pop(name)
        return snapshot.arn

    def _snapshot(self, cluster: str, name: str, *, kind: str, at: datetime, data_id: str) -> Snapshot:
        with self._rds.world.lock:
            snapshot = Snapshot(self._rds, self._rds.cluster(cluster), name, snapshot_type=kind, at=at)
            snapshot.data_id = data_id or snapshot.data_id
            self._rds.cluster_snapshots[name] = snapshot
            return snapshot

    def event(
        self, source: str, message: str, *, at: datetime, kind: str = "db-cluster", categories: Iterable[str] = ()
    ) -> None:
        """Enter an event about a cluster, an instance (`db-instance`) or a snapshot (`db-cluster-snapshot`)."""
        with self._rds.world.lock:
            if kind == "db-cluster":
                found: Any = self._rds.cluster(source)
            elif kind == "db-instance":
                found = self._rds.instance(source)
            else:
                found = self._rds.cluster_snapshots[source]
            self._rds.record(found, message, *categories, at=at)

    def retained_backup(
        self, cluster: str, *, since: datetime, last: datetime, settings: Mapping[str, Any] | None = None
    ) -> str:
        """Enter the retained automated backup of a cluster that was deleted, and give its resource id.

        `settings` are snake-case settings of the cluster it was (`backup_retention_period`, …).
        """
        with self._rds.world.lock:
            past = register(
                self._rds,
                {
                    "engine": "aurora-mysql",
                    "master_username": "admin",
                    "backup_retention_period": 7,
                    **(settings or {}),
                    "db_cluster_identifier": cluster,
                },
            )
            del self._rds.clusters[cluster]
            past.created = past.cluster_create_time = since
            backup = RetainedBackup(cluster=past, since=since, last=last)
            self._rds.retained_backups[past.db_cluster_resource_id] = backup
            return past.db_cluster_resource_id

    def glue_job(self, name: str, *, at: datetime, script: str = SCRIPT_PLACE) -> None:
        """Enter a Glue job, unless it is there."""
        from moto.glue.models import glue_backends  # moto reads a service's whole model when it is imported

        glue = glue_backends[self._rds.account_id][self._rds.region_name]
        if name in glue.jobs:
            return
        words: dict[str, Any] = dict.fromkeys(
            ("description", "log_uri", "security_configuration", "connections", "non_overridable_arguments",
             "notification_property", "code_gen_configuration_nodes", "source_control_details"), None
        )  # fmt: skip
        glue.create_job(
            name=name,
            role=f"arn:aws:iam::{self._rds.account_id}:role/glue-etl",
            command={"Name": "glueetl", "ScriptLocation": script, "PythonVersion": "3"},  # type: ignore[arg-type]  # moto's hint says str
            execution_property={},
            default_arguments={},
            max_retries=0,
            allocated_capacity=2,
            timeout=2880,
            max_capacity=2.0,
            tags={},
            glue_version="4.0",
            number_of_workers=2,
            worker_type="G.1X",
            execution_class="STANDARD",
            **words,
        )
        job = glue.jobs[name]
        job.created_on = job.last_modified_on = at.replace(tzinfo=None)

    def glue_run(
        self,
        job: str,
        *,
        started: datetime,
        completed: datetime | None = None,
        state: str = "SUCCEEDED",
        error: str = "",
    ) -> str:
        """Enter a run of a Glue job, newest first as Glue lists them, and give its id."""
        from moto.glue.models import FakeJob, glue_backends

        from runbook_lib.rehearsal.control.glue import DatedRun

        self.glue_job(job, at=started)
        found: FakeJob = glue_backends[self._rds.account_id][self._rds.region_name].jobs[job]
        run = DatedRun(job, started=started, completed=completed, state=state, error=error)
        found.job_runs.append(run)
        found.job_runs.sort(key=lambda run: run.started_on, reverse=True)
        return run.job_run_id

    def datapoints(
        self, metric: str, *, cluster: str, points: Sequence[tuple[datetime, float]], unit: str = "Bytes"
    ) -> None:
        """Enter datapoints of an `AWS/RDS` metric of a cluster."""
        from moto.cloudwatch.models import cloudwatch_backends

        cloudwatch_backends[self._rds.account_id][self._rds.region_name].put_metric_data(
            "AWS/RDS",
            [
                {
                    "MetricName": metric,
                    "Dimensions": [{"Name": "DBClusterIdentifier", "Value": cluster}],
                    "Timestamp": moment.replace(tzinfo=None),
                    "Value": value,
                    "Unit": unit,
                }
                for moment, value in points
            ],
        )

    def costs(self, *answers: Mapping[str, Any]) -> None:
        """Enter answers of Cost Explorer; each new question takes the next one, the same question the same again."""
        from moto.ce.models import ce_backends

        ce_backends[self._rds.account_id]["aws"].cost_usage_results_queue.extend(dict(answer) for answer in answers)
