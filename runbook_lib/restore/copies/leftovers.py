"""What our runs have left behind: every cluster that carries our tags, and what stands against deleting it.

A cluster counts as made by a run only if its tags fit what AWS itself says of it:

- its name is the one in its `recovery:target` tag, or (of a run before that tag) `<source>-at-<moment>` as
  `target_name` makes it from its `recovery:source` and `recovery:moment` tags; so tags copied to another cluster do
  not fit, and neither do those of a copy that was renamed to take its source's place;
- it is not its own source, and it is younger than the moment it was restored to, which no tag can change.

The limit: whoever may tag clusters can write a `recovery:target` tag with intent, to the right name and with a moment
long ago. Against that only IAM helps (the printed policy lets nobody but the runbooks' role set these tags), and the
plan that somebody reads. Connections are not looked at: a copy that is still read from goes once it has expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.clusters import DESCRIBE_CLUSTERS, Cluster, cluster_from, described_instances, utc
from runbook_lib.errors import InputRefused
from runbook_lib.restore.plan import target_name
from runbook_lib.restore.wait import CLUSTER_DEAD_ENDS
from runbook_lib.tags import TAG_PREFIX, tags_of
from runbook_lib.times import iso, parse_timestamp

DESCRIBE_GLOBAL_CLUSTERS = declare("rds", "DescribeGlobalClusters", items="GlobalClusters")

MARK = f"{TAG_PREFIX}cleanup"
"""The tag an approved clean-up puts on what it is about to delete: the plan's id, so that a second run can go on."""

PROTECTED = "deletion protection is on"

# A cluster in these statuses can be deleted; in any other something is under way. Source: Aurora User Guide, status.
_DELETABLE = {"available", *CLUSTER_DEAD_ENDS} - {"stopped", "deleting", "inaccessible-encryption-credentials"}


@dataclass(frozen=True, kw_only=True)
class Member:
    """An instance of a cluster. `raw` is AWS's own description."""

    identifier: str
    instance_class: str
    status: str
    created: datetime | None
    protected: bool
    tags: Mapping[str, str]
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Region:
    """Every cluster of a region, of any engine, with its part in global databases.

    `members` are the instances of the clusters that carry our tags; of all others the names are in `writer_first`.
    """

    clusters: tuple[Cluster, ...]
    members: Mapping[str, tuple[Member, ...]] = field(repr=False)
    global_arns: Mapping[str, str] = field(repr=False)

    @property
    def tagged(self) -> tuple[Cluster, ...]:
        """The clusters that carry any tag of ours; nothing else is ever considered."""
        return tuple(cluster for cluster in self.clusters if cluster.is_ours)


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One cluster with our tags. `stays` says why it is not to be deleted; empty when nothing stands against it.

    `held` says what stands against it even when it is named and has expired.
    """

    cluster: Cluster
    members: tuple[Member, ...]
    source: str
    purpose: str
    incident: str
    expires: datetime | None
    stays: str
    mark: str
    held: str = ""

    @property
    def name(self) -> str:
        """The cluster's identifier."""
        return self.cluster.identifier

    def age(self, now: datetime) -> timedelta:
        """Return how long it has been there."""
        return now - self.cluster.created


def read_region(session: AwsSession) -> Region:
    """Read every cluster and global database of the region, and the instances of those with our tags.

    Raises:
        AccessDenied: one of the Describe calls is not allowed: nothing is then taken for unused.
    """
    clusters = tuple(cluster_from(entry) for entry in DESCRIBE_CLUSTERS.pages(session))
    members: dict[str, tuple[Member, ...]] = {}
    tagged = [cluster.identifier for cluster in clusters if cluster.is_ours]
    for entry in described_instances(session, tagged).values():
        if name := entry.get("DBClusterIdentifier"):
            members[name] = (*members.get(name, ()), _member(entry))
    global_arns = {
        arn: entry.get("GlobalClusterIdentifier", "")
        for entry in DESCRIBE_GLOBAL_CLUSTERS.pages(session)
        for member in entry.get("GlobalClusterMembers") or ()
        for arn in (member.get("DBClusterArn"), *(member.get("Readers") or ()))
        if arn
    }
    return Region(clusters=clusters, members=members, global_arns=global_arns)


def _member(described: Mapping[str, Any]) -> Member:
    return Member(
        identifier=described["DBInstanceIdentifier"],
        instance_class=described.get("DBInstanceClass", ""),
        status=described.get("DBInstanceStatus", ""),
        created=utc(described.get("InstanceCreateTime")),
        protected=bool(described.get("DeletionProtection")),
        tags=tags_of(described),
        raw=described,
    )


def leftovers(
    region: Region, *, now: datetime, source: str = "", also_unexpired: bool = False, only: Iterable[str] = ()
) -> tuple[Leftover, ...]:
    """Judge every cluster with our tags, the oldest first. Pure.

    `source` keeps to the copies of one cluster. `only` names the clusters to delete, expired or not; without it every
    expired one is, and with `also_unexpired` those that expire later too. A cluster made to take its source's place
    (purpose "cutover") goes only when it is named.
    """
    named = frozenset(only)
    found = [
        _leftover(cluster, region, now=now, also_unexpired=also_unexpired, named=named)
        for cluster in region.tagged
        if not source or cluster.tags.get(f"{TAG_PREFIX}source") == source
    ]
    return tuple(sorted(found, key=lambda leftover: (leftover.cluster.created, leftover.name)))


def _leftover(
    cluster: Cluster, region: Region, *, now: datetime, also_unexpired: bool, named: frozenset[str]
) -> Leftover:
    members, expires = region.members.get(cluster.identifier, ()), _moment_in(cluster, "expires")
    purpose = cluster.tags.get(f"{TAG_PREFIX}purpose", "")
    held = (
        not_ours(cluster)
        or _foreign_member(cluster, members)
        or _protected(cluster, members)
        or _source_of(cluster, region)
        or _in_use(cluster, region)
    )
    stays = held or (
        _not_named(cluster, named) if named else _not_yet(purpose, expires, now=now, also_unexpired=also_unexpired)
    )
    return Leftover(
        cluster=cluster,
        members=members,
        source=cluster.tags.get(f"{TAG_PREFIX}source", ""),
        purpose=purpose,
        incident=cluster.tags.get(f"{TAG_PREFIX}incident", ""),
        expires=expires,
        stays=stays,
        mark=cluster.tags.get(MARK, ""),
        held=held,
    )


def not_ours(cluster: Cluster) -> str:
    """Say why a cluster's tags do not fit it, or nothing when a run of ours made it. See the limits above."""
    source, moment = cluster.tags.get(f"{TAG_PREFIX}source", ""), _moment_in(cluster, "moment")
    if not source or moment is None or not cluster.tags.get(f"{TAG_PREFIX}plan"):
        return "its recovery: tags are not complete, so nobody can tell which run made it"
    if source == cluster.identifier:
        return "its tags name itself as the source"
    if cluster.identifier != _name_by_tags(cluster, source, moment):
        return "its name is not the one in its tags: they were copied to it, or it was renamed"
    if cluster.created < moment:
        return f"it is older than the moment its tags say it was restored to ({iso(moment)})"
    return ""


def _name_by_tags(cluster: Cluster, source: str, moment: datetime) -> str:
    if wanted := cluster.tags.get(f"{TAG_PREFIX}target"):
        return wanted
    try:
        return target_name(source, moment)
    except InputRefused:
        return ""  # no cluster has ever had such a source


def _foreign_member(cluster: Cluster, members: Sequence[Member]) -> str:
    plan = cluster.tags[f"{TAG_PREFIX}plan"]
    others = [member.identifier for member in members if member.tags.get(f"{TAG_PREFIX}plan") != plan]
    return f"somebody added {', '.join(others)} to it, so it is in use" if others else ""


def _protected(cluster: Cluster, members: Sequence[Member]) -> str:
    if cluster.raw.get("DeletionProtection") or any(member.protected for member in members):
        return PROTECTED
    return ""


def _source_of(cluster: Cluster, region: Region) -> str:
    """Say what has this cluster as its source.

    A point-in-time restore inherits the clone group too (API reference, DBCluster), so a member of the group that is
    younger may be a clone of this cluster, unless its own tags prove that it is a copy of something else.
    """
    replicas = [str(replica) for replica in cluster.raw.get("ReadReplicaIdentifiers") or ()]
    replicas += [
        other.identifier for other in region.clusters if _replicates_from(other) in (cluster.arn, cluster.identifier)
    ]
    if replicas:
        return f"it is the source of the replica {', '.join(dict.fromkeys(replicas))}"
    others = [other for other in region.clusters if other.identifier != cluster.identifier]
    copies = [other.identifier for other in others if other.tags.get(f"{TAG_PREFIX}source") == cluster.identifier]
    if copies:
        return f"{', '.join(copies)} was restored from it"
    group = cluster.raw.get("CloneGroupId")
    clones = [
        other.identifier
        for other in others
        if group and other.raw.get("CloneGroupId") == group and other.created >= cluster.created and not_ours(other)
    ]
    return f"{', '.join(clones)} is of its clone group and younger: it may be a clone of it" if clones else ""


def _replicates_from(cluster: Cluster) -> str:
    return str(cluster.raw.get("ReplicationSourceIdentifier") or "")


def _in_use(cluster: Cluster, region: Region) -> str:
    if found := region.global_arns.get(cluster.arn) or cluster.raw.get("GlobalClusterIdentifier"):
        return f"it is in the global database {found}"
    if cluster.raw.get("ActivityStreamStatus") in ("started", "starting"):
        return "its activity stream is on: somebody watches it"
    if cluster.status == "deleting":
        return "" if cluster.tags.get(MARK) else "somebody is deleting it already"
    if cluster.status not in _DELETABLE:
        return f"it is {cluster.status}: look again when it is available"
    return ""


def _not_yet(purpose: str, expires: datetime | None, *, now: datetime, also_unexpired: bool) -> str:
    if purpose == "cutover":
        return "it was made to take its source's place: it goes only when named in `only`"
    if expires is None:
        return "it has no expiry: it goes only when named in `only`"
    return "" if also_unexpired or expires <= now else f"it expires at {iso(expires)}"


def _not_named(cluster: Cluster, named: frozenset[str]) -> str:
    return "" if cluster.identifier in named else "it is not named in `only`"


def _moment_in(cluster: Cluster, tag: str) -> datetime | None:
    text = cluster.tags.get(f"{TAG_PREFIX}{tag}", "")
    try:
        # read as if much later: an expiry lies in the future, where a timestamp may not
        return parse_timestamp(text, now=_FAR).moment if text else None
    except InputRefused:
        return None


_FAR = datetime.fromisoformat("9000-01-01T00:00:00Z")
