"""The two clusters of a cut-over, found by what AWS says of them now, under whatever names they have by now.

A cut-over marks both clusters and all their instances with tags before it renames anything (the source's mark is the
last). Tags stay with a resource whatever it is called (Aurora User Guide, renaming), so a run that finds the marks
knows what the others were called and goes on, even in the minutes when nothing has the source's name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from runbook_lib.aws import AwsSession
from runbook_lib.bringback.cutover.names import BECOMES, WAS
from runbook_lib.clusters import (
    DESCRIBE_CLUSTERS,
    ENGINE,
    Cluster,
    Instance,
    choose_cluster,
    cluster_from,
    described_by_name,
    described_instances,
    instances_from,
    list_clusters,
)
from runbook_lib.errors import InputRefused, NotFound, TryLater
from runbook_lib.tags import TAG_PREFIX, tags_of

CUTOVER, UNDO = f"{TAG_PREFIX}cutover", f"{TAG_PREFIX}cutover-undo"
_TRIES, _PAUSE_S = 20, 0.5
_NO_UNDO = (
    "If it was deleted: what was brought back from it could be undone here until then. The statements of that undo are "
    "in the record of the copy back."
)
State = Literal["apart", "cutting over", "cut over", "undoing"]


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The damaged cluster (`source`) and the copy restored from it; `name` is the one that applications connect to.

    They are called source and copy by where they came from, also after a cut-over, when the copy has `name`.
    """

    name: str
    source: Cluster
    source_instances: tuple[Instance, ...]
    copy: Cluster
    copy_instances: tuple[Instance, ...]

    @property
    def approved(self) -> str:
        """The id of the cut-over that has begun, until it is undone to the end; empty while there is none."""
        mark = self.source.tags.get(CUTOVER, "")
        return mark if self.undo or mark == self.copy.tags.get(CUTOVER, "") else ""

    @property
    def undo(self) -> str:
        """The id of the undo that has begun; empty while none has."""
        return self.source.tags.get(UNDO, "")

    @property
    def state(self) -> State:
        """How far it is, from the names as they are."""
        if self.undo:
            return "undoing"
        if not self.approved:
            return "apart"
        marked = [(name, tags) for name, tags in self._all() if tags.get(CUTOVER) == self.approved]
        return "cut over" if all(name == tags.get(BECOMES) for name, tags in marked) else "cutting over"

    @property
    def serving(self) -> Cluster | None:
        """The one that has the name now; None in the minutes when neither has it."""
        return next((cluster for cluster in (self.copy, self.source) if cluster.identifier == self.name), None)

    @property
    def copy_name(self) -> str:
        """Return what the copy is called when it does not have the cluster's name."""
        return self.origin(self.copy.identifier, self.copy.tags)

    def origin(self, identifier: str, tags: Mapping[str, str]) -> str:
        """Return what something was called before the cut-over that has begun."""
        return tags.get(WAS, identifier) if self._is_marked(tags) else identifier

    def destined(self, tags: Mapping[str, str]) -> str:
        """Return the name that something is to have by the cut-over that has begun; empty where it keeps its own."""
        return tags.get(BECOMES, "") if self._is_marked(tags) else ""

    def _is_marked(self, tags: Mapping[str, str]) -> bool:
        return bool(self.approved) and tags.get(CUTOVER) == self.approved

    def _all(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        yield from ((cluster.identifier, cluster.tags) for cluster in (self.source, self.copy))
        yield from (
            (member.identifier, tags_of(member.raw)) for member in (*self.source_instances, *self.copy_instances)
        )


def find_pairing(session: AwsSession, *, cluster: str = "", copy: str = "") -> Pairing:
    """Find the cluster that applications know as `cluster`, and the copy of it.

    Without a name: the only cluster there is, or the one whose cut-over has begun. Without a copy: the one that is
    taking over or has; else the newest that a run of ours restored from it.

    Raises:
        NotFound: there is no such cluster or no copy of it.
        InputRefused: several clusters and no name; the copy is of another cluster; another copy is taking over.
    """
    name, of = cluster.lower(), copy.lower()
    for _ in range(_TRIES):
        clusters = _pair_named(session, name, of) or list_clusters(session)
        source, restored = _begun(clusters, name, of) or _apart(clusters, name, of, session.region)
        # their instances as of the same moment: a name may change between two questions
        described = described_instances(session, [source.identifier, restored.identifier])
        members = [instances_from(found, described) for found in (source, restored)]
        seen = [[part.identifier for part in parts] for parts in members]
        if seen == [[*found.writer_first] for found in (source, restored)]:
            pairing = Pairing(
                name=source.identifier,
                source=source,
                source_instances=members[0],
                copy=restored,
                copy_instances=members[1],
            )
            return replace(pairing, name=pairing.origin(source.identifier, source.tags))
        time.sleep(_PAUSE_S)
    raise TryLater("Names are being changed at this moment.", hint="Run again with the same parameters.")


def _pair_named(session: AwsSession, name: str, copy: str) -> tuple[Cluster, ...]:
    """Read the two that are named, and nothing else, where no cut-over has ever marked either of them.

    Without both names, or with marks, all clusters have to be looked at: only their tags tell what belongs together,
    and AWS does not look for tags.
    """
    if not name or not copy:
        return ()
    found = [cluster_from(entry) for entry in described_by_name(session, DESCRIBE_CLUSTERS, {name, copy}).values()]
    is_plain = all(cluster.engine == ENGINE and not {CUTOVER, UNDO, WAS} & {*cluster.tags} for cluster in found)
    return tuple(found) if len(found) == len({name, copy}) and is_plain else ()


def _apart(clusters: Sequence[Cluster], name: str, copy: str, region: str) -> tuple[Cluster, Cluster]:
    source = choose_cluster(clusters, name, region=region)
    return source, _copy_of(source, clusters, copy, region)


def _begun(clusters: Sequence[Cluster], name: str, copy: str) -> tuple[Cluster, Cluster] | None:
    """Find the two of a cut-over that has begun or is done, by their marks."""
    pairs = [
        (source, other)
        for source in clusters
        for other in clusters
        if source is not other
        and source.tags.get(CUTOVER)
        and source.tags.get(CUTOVER) == other.tags.get(CUTOVER)
        and source.tags.get(WAS) == other.tags.get(BECOMES)
        and (not name or source.tags.get(WAS) == name)
    ]
    if len(pairs) > 1:
        names = ", ".join(f'"{source.tags[WAS]}"' for source, _ in pairs)
        raise InputRefused("Several clusters have been cut over.", hint=f"Set `cluster` to one of: {names}.")
    if not pairs:
        return None
    source, other = pairs[0]
    if copy and copy not in (other.identifier, other.tags.get(WAS)):
        if other.identifier == source.tags.get(WAS):  # that one is done: the cluster may be damaged once more
            return None
        raise InputRefused(
            f"A cut-over to {other.tags.get(WAS)} has begun, and `copy` names {copy}.",
            hint=f'Set `copy` to "{other.tags.get(WAS)}": finish that cut-over, or undo it, before another one.',
        )
    return source, other


def _copy_of(source: Cluster, clusters: Sequence[Cluster], name: str, region: str) -> Cluster:
    copies = [
        cluster
        for cluster in clusters
        if cluster.tags.get(f"{TAG_PREFIX}source") == source.identifier != cluster.identifier
        and cluster.tags.get(WAS, cluster.identifier)
        == cluster.identifier  # what an earlier cut-over set aside is none
    ]
    listed = ", ".join(f'"{cluster.identifier}"' for cluster in copies)
    if name:
        named = next((cluster for cluster in clusters if cluster.identifier == name), None)
        if named is None:
            hint = f"Set `copy` to one of: {listed}." if copies else "Make one with restore_to_timestamp."
            raise NotFound(f'There is no Aurora MySQL cluster "{name}" in {region}.', hint=f"{hint} {_NO_UNDO}")
        if named.identifier == source.identifier:
            raise InputRefused(f'"{name}" is the source itself.', hint="Name the restored cluster in `copy`.")
        return named
    if not copies:
        raise NotFound(
            f"No restored copy of {source.identifier} is in {region}.",
            hint=f"Make one first: restore_to_timestamp, to the last good second. {_NO_UNDO}",
        )
    return max(copies, key=lambda cluster: cluster.created)
