"""The plan of a clean-up: which of what our runs left behind would be deleted, and by which calls.

The only things ever named in a changing call are clusters that `leftovers` found to be ours with nothing against it,
and their instances. Each is judged once more right before it is deleted. The deleted clusters' own automated backups
go with them; snapshots that somebody took by hand stay, and so do all backups of other clusters.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from runbook_lib.aws import AwsSession
from runbook_lib.backups import list_retained_backups, snapshots_of_type
from runbook_lib.clusters import ENGINE
from runbook_lib.errors import NotFound
from runbook_lib.restore.copies.leftovers import MARK, Leftover, Region, leftovers, read_region
from runbook_lib.restore.plan import PlannedCall


@dataclass(frozen=True, kw_only=True)
class Backups:
    """What must outlive a clean-up: manual snapshots and retained backups, by ARN or resource id."""

    snapshots: frozenset[str] = frozenset()
    retained: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class CleanUpPlan:
    """What would be deleted and what stays. Equal plans have equal ids, whenever they are made."""

    region: str
    found: tuple[Leftover, ...]
    only: tuple[str, ...] = ()
    also_unexpired: bool = False
    source: str = ""
    world: Region = field(repr=False)
    backups: Backups = field(repr=False)
    now: datetime = field(repr=False)

    @property
    def delete(self) -> tuple[Leftover, ...]:
        """The clusters that would go."""
        return tuple(leftover for leftover in self.found if not leftover.stays)

    @property
    def left(self) -> tuple[Leftover, ...]:
        """The clusters with our tags that stay, each with its reason."""
        return tuple(leftover for leftover in self.found if leftover.stays)

    @property
    def calls(self) -> tuple[PlannedCall, ...]:
        """Every changing call, in order."""
        steps = (marking, emptying, ending)
        return tuple(call for step in steps for leftover in self.delete for call in step(leftover, self.id))

    @property
    def id(self) -> str:
        """Return the plan's id: a hash of the clusters it would delete, each by its resource id, not of the clock."""
        doomed = sorted([leftover.cluster.arn, leftover.cluster.resource_id] for leftover in self.delete)
        return hashlib.sha256(json.dumps(["clean up", self.region, doomed]).encode()).hexdigest()[:12]


def propose_clean_up(
    session: AwsSession, *, now: datetime, source: str = "", only: str = "", also_unexpired: bool = False
) -> CleanUpPlan:
    """Read the region and decide what would be deleted. `only` names clusters, with commas between them.

    Raises:
        NotFound: no cluster with our tags has a name given in `only`.
        AccessDenied: something could not be looked at, so nothing is taken for unused.
    """
    world, names = read_region(session), tuple(part.strip().lower() for part in only.split(",") if part.strip())
    known = [cluster.identifier for cluster in world.tagged]
    if unknown := [name for name in names if name not in known]:
        raise NotFound(
            f"No cluster with the runbooks' tags is called {', '.join(unknown)}.",
            hint=f"Set `only` to some of: {', '.join(known)}." if known else "There is none: leave `only` empty.",
        )
    found = leftovers(world, now=now, source=source, also_unexpired=also_unexpired, only=names)
    goes = any(not leftover.stays for leftover in found)
    return CleanUpPlan(
        region=session.region,
        found=found,
        only=names,
        also_unexpired=also_unexpired,
        source=source,
        world=world,
        backups=read_backups(session) if goes else Backups(),
        now=now,
    )


def read_backups(session: AwsSession) -> Backups:
    """Read what must outlive a clean-up. AWS's own daily snapshots come and go, so they are not counted."""
    with ThreadPoolExecutor() as pool:
        kinds = pool.map(partial(snapshots_of_type, session), ("manual", "awsbackup"))
        kept = [str(found.get("DBClusterSnapshotArn")) for of in kinds for found in of if found.get("Engine") == ENGINE]
    retained = [backup.resource_id for backup in list_retained_backups(session)]
    return Backups(snapshots=frozenset(kept), retained=frozenset(retained))


def marking(leftover: Leftover, plan_id: str) -> tuple[PlannedCall, ...]:
    """Return the call that marks a cluster as approved to go, so that a second run can go on."""
    tags = [{"Key": MARK, "Value": plan_id}]
    request = {"ResourceName": leftover.cluster.arn, "Tags": tags}
    return (PlannedCall(operation="AddTagsToResource", request=request, why=f"say that {leftover.name} is to go"),)


def emptying(leftover: Leftover, _: str = "") -> tuple[PlannedCall, ...]:
    """Return the calls that delete a cluster's instances; those being deleted already are left out."""
    return tuple(
        PlannedCall(
            operation="DeleteDBInstance",
            request={"DBInstanceIdentifier": member.identifier, "SkipFinalSnapshot": True},
            why=f"an instance of {leftover.name}: a cluster goes only without any",
        )
        for member in leftover.members
        if member.status != "deleting"
    )


def ending(leftover: Leftover, _: str = "") -> tuple[PlannedCall, ...]:
    """Return the call that deletes a cluster and its automated backups, without a last snapshot."""
    if leftover.cluster.status == "deleting":
        return ()
    request = {"DBClusterIdentifier": leftover.name, "SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}
    return (PlannedCall(operation="DeleteDBCluster", request=request, why="with its own automated backups"),)
