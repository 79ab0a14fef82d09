"""Aurora MySQL clusters as AWS describes them, as frozen values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from runbook_lib.aws import AwsCall, AwsSession, declare
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.mysql import Endpoint
from runbook_lib.tags import TAG_PREFIX, tags_of
from runbook_lib.times import TimeWindow

DESCRIBE_CLUSTERS = declare("rds", "DescribeDBClusters", items="DBClusters")
DESCRIBE_INSTANCES = declare("rds", "DescribeDBInstances", items="DBInstances")

ENGINE = "aurora-mysql"
_VALUES_A_FILTER = 100  # what one page of answers holds
_NAMES_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One DB instance of a cluster. `raw` is AWS's own description."""

    identifier: str
    status: str
    instance_class: str
    zone: str
    is_writer: bool
    promotion_tier: int
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One DB cluster. `window` is None while AWS gives no restorable times. `raw` is AWS's own description."""

    identifier: str
    arn: str
    resource_id: str
    status: str
    engine: str
    engine_version: str
    created: datetime
    endpoint: Endpoint
    reader_host: str
    retention_days: int
    window: TimeWindow | None
    backtrack_hours: float
    secret_arn: str
    tags: Mapping[str, str]
    writer_first: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def unlike_any_other(self) -> str:
        """Return what no other cluster has, for a plan's id: its ARN (account, region, name) and resource id."""
        return f"{self.arn} {self.resource_id}".strip()

    @property
    def is_ours(self) -> bool:
        """Tell whether a runbook made this cluster."""
        return any(name.startswith(TAG_PREFIX) for name in self.tags)

    @property
    def stands_for_itself(self) -> bool:
        """Tell whether applications may mean this cluster: not a copy, unless it has taken its source's name by a
        cut-over; nor a source that a cut-over has set aside."""
        of, was = self.tags.get(f"{TAG_PREFIX}source", ""), self.tags.get(f"{TAG_PREFIX}was", "")
        return not self.is_ours or of == self.identifier or (not of and was == self.identifier)


def utc(moment: datetime | None) -> datetime | None:
    """Return an AWS time as aware UTC (boto3 gives its own kind of UTC zone)."""
    return moment.astimezone(UTC) if moment else None


def cluster_from(described: Mapping[str, Any]) -> Cluster:
    """Read one entry of DescribeDBClusters."""
    earliest, latest = utc(described.get("EarliestRestorableTime")), utc(described.get("LatestRestorableTime"))
    members = sorted(
        described.get("DBClusterMembers") or (),
        key=lambda member: (
            not member.get("IsClusterWriter"),
            member.get("PromotionTier", 15),
            member.get("DBInstanceIdentifier", ""),
        ),
    )
    return Cluster(
        identifier=described["DBClusterIdentifier"],
        arn=described["DBClusterArn"],
        resource_id=described.get("DbClusterResourceId", ""),
        status=described.get("Status", ""),
        engine=described.get("Engine", ""),
        engine_version=described.get("EngineVersion", ""),
        created=utc(described.get("ClusterCreateTime")) or datetime.fromtimestamp(0, UTC),
        endpoint=Endpoint(host=described.get("Endpoint") or "", port=int(described.get("Port") or 3306)),
        reader_host=described.get("ReaderEndpoint") or "",
        retention_days=int(described.get("BackupRetentionPeriod") or 0),
        window=TimeWindow(earliest=earliest, latest=latest) if earliest and latest else None,
        backtrack_hours=(described.get("BacktrackWindow") or 0) / 3600,
        secret_arn=(described.get("MasterUserSecret") or {}).get("SecretArn", ""),
        tags=tags_of(described),
        writer_first=tuple(member["DBInstanceIdentifier"] for member in members),
        raw=described,
    )


def list_clusters(session: AwsSession) -> tuple[Cluster, ...]:
    """Return every Aurora MySQL cluster of the account and region, in AWS's order."""
    of_engine = [{"Name": "engine", "Values": [ENGINE]}]
    found = DESCRIBE_CLUSTERS.pages(session, Filters=of_engine)
    return tuple(cluster_from(entry) for entry in found if entry.get("Engine") == ENGINE)


def described_by_name(session: AwsSession, call: AwsCall, names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return what AWS says of clusters (DESCRIBE_CLUSTERS) or instances (DESCRIBE_INSTANCES) by their names.

    What is not there is not in it. These names alone are asked for, however many others there are.
    """
    kind, member = (
        ("db-cluster-id", "DBClusterIdentifier")
        if call is DESCRIBE_CLUSTERS
        else ("db-instance-id", "DBInstanceIdentifier")
    )
    return {entry[member]: entry for entry in _filtered(session, call, kind, member, names)}


def _filtered(
    session: AwsSession, call: AwsCall, kind: str, member: str, values: Collection[str]
) -> list[dict[str, Any]]:
    wanted = sorted({value for value in values if value})
    found: list[dict[str, Any]] = []
    for start in range(0, len(wanted), _VALUES_A_FILTER):
        only = wanted[start : start + _VALUES_A_FILTER]
        try:
            found += call.pages(session, Filters=[{"Name": kind, "Values": only}])
        except NotFound:  # AWS may refuse a value that is not there, and then says nothing of the others
            found += [entry for entry in call.pages(session) if entry.get(member) in only]
    return found


def describe_cluster(session: AwsSession, identifier: str) -> Cluster:
    """Re-read one cluster.

    Raises:
        NotFound: there is no such cluster in this account and region.
    """
    found = DESCRIBE_CLUSTERS(session, DBClusterIdentifier=identifier).get("DBClusters") or ()
    if not found:
        raise NotFound(
            f'There is no cluster "{identifier}" in {session.region}.', hint="Check the name and the region."
        )
    return cluster_from(found[0])


def find_cluster(session: AwsSession, identifier: str = "") -> Cluster:
    """Return the named cluster; without a name the only Aurora MySQL cluster there is.

    Copies that runbooks made do not count as "the only one": they come and go.

    Raises:
        NotFound: no cluster of that name, or none at all; names those there are.
        InputRefused: several clusters and no name; or the cluster is of another engine.
    """
    if identifier:  # one call, however many clusters there are
        with suppress(NotFound):
            found = describe_cluster(session, identifier.lower())
            if found.engine == ENGINE:
                return found
    return choose_cluster(list_clusters(session), identifier, region=session.region)


def choose_cluster(clusters: Sequence[Cluster], identifier: str = "", *, region: str) -> Cluster:
    """Return the one of a region's clusters that is meant, as `find_cluster` does and with its refusals. Pure."""
    if identifier:
        if found := next((cluster for cluster in clusters if cluster.identifier == identifier.lower()), None):
            return found
        raise NotFound(f'There is no Aurora MySQL cluster "{identifier}" in {region}.', hint=_choices(clusters))
    candidates = [cluster for cluster in clusters if cluster.stands_for_itself]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise InputRefused(
            f"There are {len(candidates)} Aurora MySQL clusters in {region}, and none was named.",
            hint=_choices(clusters),
        )
    raise NotFound(f"There is no Aurora MySQL cluster in {region}.", hint=_choices(clusters))


def _choices(clusters: Sequence[Cluster]) -> str:
    if not clusters:
        return "Check the region and the account (AWS_PROFILE)."
    names = ", ".join(f'"{cluster.identifier}"' for cluster in clusters[:_NAMES_SHOWN])
    more = f", and {len(clusters) - _NAMES_SHOWN} more" if len(clusters) > _NAMES_SHOWN else ""
    return f"Set `cluster` to one of: {names}{more}."


def instances_of(session: AwsSession, cluster: Cluster) -> tuple[Instance, ...]:
    """Return the instances of a cluster, the writer first, then by promotion tier."""
    return instances_from(cluster, described_instances(session, [cluster.identifier]))


def described_instances(session: AwsSession, clusters: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return what AWS says of the instances of several clusters, by the instances' names."""
    found = _filtered(session, DESCRIBE_INSTANCES, "db-cluster-id", "DBClusterIdentifier", clusters)
    return {entry["DBInstanceIdentifier"]: entry for entry in found}


def instances_from(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> tuple[Instance, ...]:
    """Read a cluster's instances out of what AWS says of them, the writer first, then by promotion tier."""
    return tuple(
        Instance(
            identifier=name,
            status=found[name].get("DBInstanceStatus", ""),
            instance_class=found[name].get("DBInstanceClass", ""),
            zone=found[name].get("AvailabilityZone") or "",
            is_writer=position == 0,
            promotion_tier=int(found[name].get("PromotionTier") or 1),
            raw=found[name],
        )
        for position, name in enumerate(cluster.writer_first)
        if name in found
    )
