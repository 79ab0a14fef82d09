"""What is read of AWS for a watch, each list once for however many clusters, or why it could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.backups import DESCRIBE_SNAPSHOTS, ClusterSnapshot, snapshot_from
from runbook_lib.clusters import DESCRIBE_INSTANCES, ENGINE, Cluster, described_instances, list_clusters, utc
from runbook_lib.costs.snapshots.apply import SNAPSHOT_ATTRIBUTES
from runbook_lib.errors import NotFound, StepFailed
from runbook_lib.looking import Seen, look, look_at_once
from runbook_lib.restore.checks.hazards import TRIGGERS
from runbook_lib.restore.checks.room import ACCOUNT_ATTRIBUTES, ENGINE_VERSIONS
from runbook_lib.timeline.aws_facts import job_names, list_runs
from runbook_lib.timeline.values import GlueRun
from runbook_lib.watch.choices import Choices
from runbook_lib.watch.declared import Declared, wanted_checks

CERTIFICATES = declare("rds", "DescribeCertificates", items="Certificates")
MAJOR_VERSIONS = declare("rds", "DescribeDBMajorEngineVersions", items="DBMajorEngineVersions")
VAULTS = declare("backup", "ListBackupVaults", items="BackupVaultList")
POINTS_IN_VAULT = declare("backup", "ListRecoveryPointsByBackupVault", items="RecoveryPoints")
COPY_JOBS = declare("backup", "ListCopyJobs", items="CopyJobs")
ALIASES = declare("kms", "ListAliases", items="Aliases")

MOST_ASKED = 1_000
"""Whom a snapshot is shared with AWS tells of one snapshot at a time: more than these are not asked in one run."""
RUNS_READ = timedelta(days=21)
_AT_ONCE = 6

Described = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Whom one manual snapshot is shared with: account ids, "all" for everybody."""

    snapshot: ClusterSnapshot
    accounts: Seen[str]


@dataclass(frozen=True, kw_only=True)
class Apart:
    """A recovery point that this account cannot delete: of which resource, from when, and where it is."""

    resource_arn: str
    created: datetime
    where: str


@dataclass(frozen=True, kw_only=True)
class Load:
    """A Glue job that loads: its runs of three weeks, oldest first, and the triggers that start it."""

    job: str
    runs: Seen[GlueRun]
    triggers: Seen[Described]
    missing: bool = False


def _nothing() -> Seen[Any]:
    return Seen()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What AWS said. `cluster` is the one that is watched, empty for all of the region."""

    now: datetime
    region: str
    account: str
    cluster: str
    checks: tuple[Declared, ...]
    choices: Choices
    clusters: Seen[Cluster]
    automated: Seen[ClusterSnapshot] = field(default_factory=_nothing)
    shared: Seen[Shared] = field(default_factory=_nothing)
    not_asked: int = 0
    apart: Seen[Apart] = field(default_factory=_nothing)
    apart_unseen: str = ""
    instances: Seen[Described] = field(default_factory=_nothing)
    certificates: Seen[Described] = field(default_factory=_nothing)
    versions: Seen[Described] = field(default_factory=_nothing)
    majors: Seen[Described] = field(default_factory=_nothing)
    aliases: Seen[Described] = field(default_factory=_nothing)
    quotas: Seen[Described] = field(default_factory=_nothing)
    loads: Seen[Load] = field(default_factory=_nothing)

    @property
    def watched(self) -> tuple[Cluster, ...]:
        """Return the clusters that are watched: in a whole region every one that is not a restored copy."""
        if self.cluster:
            return tuple(cluster for cluster in self.clusters if cluster.identifier == self.cluster)
        return tuple(cluster for cluster in self.clusters if cluster.stands_for_itself)

    @property
    def scope(self) -> str:
        """Return what its metrics are about: the cluster, or the region."""
        return self.cluster or self.region


def look_at_aws(
    session: AwsSession, choices: Choices, *, cluster: Cluster | None, account: str, now: datetime
) -> Facts:
    """Read what the checks need that are not left out. What the caller may not see is said so. Changes nothing.

    Raises:
        InputRefused: a choice that cannot be used.
        CredentialsRefused: AWS does not know the caller any more.
    """
    name = cluster.identifier if cluster else ""
    checks = wanted_checks(one_cluster=bool(cluster), leave_out=choices.leave_out)
    wanted = {declared.name for declared in checks}
    only = {"DBClusterIdentifier": name} if name else {}
    reads: dict[str, tuple[set[str], Callable[[], Iterable[Any]]]] = {
        "clusters": (wanted, lambda: list_clusters(session)),
        "automated": ({"snapshot-missing"}, lambda: _newest(session, only)),
        "manual": ({"snapshots-shared"}, lambda: _snapshots(session, SnapshotType="manual", **only)),
        "instances": ({"certificate"}, lambda: _instances(session, name)),
        "certificates": ({"certificate"}, lambda: CERTIFICATES.pages(session)),
        "versions": (
            {"engine-support"}, lambda: ENGINE_VERSIONS.pages(session, Engine=ENGINE, IncludeAll=True),
        ),
        "majors": ({"engine-support"}, lambda: MAJOR_VERSIONS.pages(session, Engine=ENGINE)),
        "aliases": ({"encryption"}, lambda: ALIASES.pages(session)),
        "quotas": ({"quota"}, lambda: ACCOUNT_ATTRIBUTES(session).get("AccountQuotas") or ()),
        "locked": ({"kept-apart"}, lambda: _in_locked_vaults(session, cluster)),
        "elsewhere": ({"kept-apart"}, lambda: _copied_away(session, cluster, account=account, now=now)),
        "loads": ({"load"}, lambda: _loads(session, choices.glue_jobs, now=now)),
    }  # fmt: skip
    asked = {key: read for key, (of, read) in reads.items() if of & wanted}
    for service in ("rds", "backup", "glue", "kms"):
        session.client(service)
    seen = dict(zip(asked, look_at_once(*asked.values()), strict=True))
    manual, locked, elsewhere = (seen.pop(key, Seen()) for key in ("manual", "locked", "elsewhere"))
    clusters = seen.pop("clusters")
    shared, left = _shares(session, manual, clusters)
    unseen = "; ".join(dict.fromkeys(part.why_not for part in (locked, elsewhere) if part.why_not))
    return Facts(
        now=now,
        region=session.region,
        account=account,
        cluster=name,
        checks=checks,
        choices=choices,
        clusters=clusters,
        shared=shared,
        not_asked=left,
        apart=Seen([*locked, *elsewhere]),
        apart_unseen=unseen,
        **seen,
    )


def whose(of: Cluster | ClusterSnapshot) -> str:
    """Return what a cluster and its snapshots have in common: the resource id, which outlives a rename, or the name."""
    return of.resource_id or (of.identifier if isinstance(of, Cluster) else of.cluster)


def _snapshots(session: AwsSession, **asked: Any) -> Iterable[ClusterSnapshot]:
    for entry in DESCRIBE_SNAPSHOTS.pages(session, **asked):
        if entry.get("Engine") == ENGINE and entry.get("SnapshotCreateTime"):
            yield snapshot_from(entry)


def _newest(session: AwsSession, only: Mapping[str, str]) -> Iterable[ClusterSnapshot]:
    """Return the newest usable automated snapshot of each cluster; AWS has no question for these alone."""
    newest: dict[str, ClusterSnapshot] = {}
    for snapshot in _snapshots(session, SnapshotType="automated", **only):
        held = newest.get(whose(snapshot))
        if snapshot.is_usable and (held is None or snapshot.created > held.created):
            newest[whose(snapshot)] = snapshot
    return newest.values()


def _instances(session: AwsSession, cluster: str) -> Iterable[Described]:
    if cluster:
        return described_instances(session, [cluster]).values()
    return DESCRIBE_INSTANCES.pages(session, Filters=[{"Name": "engine", "Values": [ENGINE]}])


def _shares(
    session: AwsSession, manual: Seen[ClusterSnapshot], clusters: Sequence[Cluster]
) -> tuple[Seen[Shared], int]:
    """Ask of the newest manual snapshots whom each is shared with, and return how many were not asked."""
    if manual.why_not:
        return Seen(why_not=manual.why_not), 0
    living = {whose(cluster) for cluster in clusters}
    ordered = sorted(
        (snapshot for snapshot in manual if snapshot.is_usable and whose(snapshot) in living),
        key=lambda snapshot: (snapshot.created, snapshot.arn),
        reverse=True,
    )
    asked = ordered[:MOST_ASKED]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = pool.map(lambda snapshot: look(lambda: _accounts(session, snapshot)), asked)
        shared = [Shared(snapshot=snapshot, accounts=seen) for snapshot, seen in zip(asked, found, strict=True)]
    return Seen(shared), len(ordered) - len(asked)


def _accounts(session: AwsSession, snapshot: ClusterSnapshot) -> Iterable[str]:
    try:
        answer = SNAPSHOT_ATTRIBUTES(session, DBClusterSnapshotIdentifier=snapshot.identifier)
    except NotFound:
        return ()  # deleted since it was listed: nobody can take it any more
    attributes = (answer.get("DBClusterSnapshotAttributesResult") or {}).get("DBClusterSnapshotAttributes")
    if attributes is None:
        raise StepFailed(f"AWS does not tell whom {snapshot.identifier} is shared with.")
    return [
        str(account)
        for attribute in attributes
        if attribute.get("AttributeName") == "restore"
        for account in attribute.get("AttributeValues") or ()
    ]


def _in_locked_vaults(session: AwsSession, cluster: Cluster | None) -> Iterable[Apart]:
    only = {"ByResourceArn": cluster.arn} if cluster else {"ByResourceType": "Aurora"}
    for vault in VAULTS.pages(session):
        if vault.get("Locked") is not True and vault.get("VaultType") != "LOGICALLY_AIR_GAPPED_BACKUP_VAULT":
            continue
        name = str(vault.get("BackupVaultName") or "")
        for point in POINTS_IN_VAULT.pages(session, BackupVaultName=name, **only):
            created = utc(point.get("CreationDate"))
            if created and point.get("Status") in ("COMPLETED", "AVAILABLE"):
                yield Apart(resource_arn=str(point.get("ResourceArn")), created=created, where=f"locked vault {name}")


def _copied_away(session: AwsSession, cluster: Cluster | None, *, account: str, now: datetime) -> Iterable[Apart]:
    """Return what AWS Backup has copied to other accounts; it remembers its jobs for 30 days."""
    only = {"ByResourceArn": cluster.arn} if cluster else {"ByResourceType": "Aurora"}
    asked = {**only, "ByState": "COMPLETED", "ByCompleteAfter": now - timedelta(days=30)}
    for job in COPY_JOBS.pages(session, **asked):
        vault = str(job.get("DestinationBackupVaultArn") or "").split(":")
        created = utc(job.get("CreationDate"))
        if created and job.get("State") == "COMPLETED" and len(vault) > 4 and vault[4] not in ("", account):
            yield Apart(resource_arn=str(job.get("ResourceArn")), created=created, where=f"account {vault[4]}")


def _loads(session: AwsSession, jobs: str, *, now: datetime) -> Iterable[Load]:
    for job in job_names(session, jobs):
        try:
            runs = Seen(list_runs(session, [job], since=now - RUNS_READ, until=now))
            triggers = look(lambda job=job: list(TRIGGERS.pages(session, DependentJobName=job)))  # type: ignore[misc]
        except NotFound:
            yield Load(job=job, runs=Seen(), triggers=Seen(), missing=True)
            continue
        yield Load(job=job, runs=runs, triggers=triggers)
