"""Values with sensible defaults, so that a test names only what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.backups import ClusterSnapshot, snapshot_from
from runbook_lib.clusters import Cluster, Instance, cluster_from
from runbook_lib.inventory import TableName
from runbook_lib.timeline import Destruction, GlueRun, SourceRead, Timeline
from runbook_lib.times import AskedTime

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def described_cluster(**members: Any) -> dict[str, Any]:
    """Return a DBCluster as AWS describes it."""
    return {
        "DBClusterIdentifier": "staging-db",
        "DBClusterArn": "arn:aws:rds:ap-northeast-1:123456789012:cluster:staging-db",
        "DbClusterResourceId": "cluster-SOURCE",
        "Status": "available",
        "Engine": "aurora-mysql",
        "EngineVersion": "8.0.mysql_aurora.3.08.2",
        "ClusterCreateTime": NOW - timedelta(days=400),
        "Endpoint": "staging-db.cluster.example",
        "ReaderEndpoint": "staging-db.cluster-ro.example",
        "Port": 3307,
        "BackupRetentionPeriod": 7,
        "EarliestRestorableTime": NOW - timedelta(days=7),
        "LatestRestorableTime": NOW - timedelta(minutes=3),
        "DBSubnetGroup": "private",
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
        "DBClusterParameterGroup": "staging-params",
        "DeletionProtection": True,
        "DBClusterMembers": [
            {"DBInstanceIdentifier": "staging-db-2", "IsClusterWriter": False, "PromotionTier": 1},
            {"DBInstanceIdentifier": "staging-db-1", "IsClusterWriter": True, "PromotionTier": 1},
        ],
        "TagList": [{"Key": "team", "Value": "data"}, {"Key": "aws:rds:own", "Value": "x"}],
        **members,
    }


def cluster(**members: Any) -> Cluster:
    """Return a cluster; `members` are AWS's names."""
    return cluster_from(described_cluster(**members))


def instance(number: int = 1, **members: Any) -> Instance:
    """Return an instance of the cluster; number 1 is the writer."""
    raw = {
        "DBInstanceIdentifier": f"staging-db-{number}",
        "Engine": "aurora-mysql",
        "PromotionTier": 1,
        "DBInstanceClass": "db.r6g.large",
        **members,
    }
    return Instance(
        identifier=raw["DBInstanceIdentifier"],
        status="available",
        instance_class="db.r6g.large",
        zone="ap-northeast-1a",
        is_writer=number == 1,
        promotion_tier=1,
        raw=raw,
    )


def snapshot(*, created: datetime, kind: str = "automated", status: str = "available") -> ClusterSnapshot:
    """Return a snapshot taken at `created`."""
    return snapshot_from(
        {
            "DBClusterSnapshotIdentifier": f"{kind}-{created:%Y-%m-%d-%H-%M}",
            "DBClusterIdentifier": "staging-db",
            "SnapshotType": kind,
            "Status": status,
            "SnapshotCreateTime": created,
        }
    )


def asked(moment: datetime | None) -> AskedTime:
    """Return a moment as if somebody had asked for it; None is "latest"."""
    return AskedTime(text="", moment=moment)


def glue_run(*, started: datetime, minutes: float = 4, state: str = "SUCCEEDED", job: str = "daily_etl") -> GlueRun:
    """Return a run of a Glue job."""
    return GlueRun(
        job=job,
        run_id=f"jr_{started:%d%H%M}",
        started=started,
        completed=started + timedelta(minutes=minutes),
        state=state,
    )


def dropped(
    at: datetime, *names: str, back: bool = False, kind: str = "DROP TABLE", rows: int | None = None
) -> tuple[Destruction, ...]:
    """Return tables of `staging` dropped in one second; `back`: each was made and filled again."""
    again = at + timedelta(minutes=1) if back else None
    return tuple(
        Destruction(
            at=at,
            until=at,
            kind=kind,
            table=TableName(schema="staging", name=name),
            rows=rows,
            remade=again,
            refilled=again,
        )
        for name in names
    )


def timeline(*, unread: Mapping[str, str] | None = None, log: bool = True, **facts: Any) -> Timeline:
    """Return a timeline of the day before NOW in which every source was read but the `unread` ones."""
    since = NOW - timedelta(days=1)
    names = (
        "Glue runs",
        "cluster events",
        "snapshots",
        "deleted snapshots",
        "CloudWatch",
        "table creation times",
        "binary log",
    )
    missing = dict(unread or {}) | ({} if log else {"binary log": "the server writes no binary log"})
    sources = tuple(SourceRead(name=name, why_not=missing.get(name, "")) for name in names)
    return Timeline(since=since, until=NOW, sources=sources, log_since=since if log else None, **facts)
