"""Re-read the world after a cut-over or its undo: who has which name, and does the endpoint lead where it should?"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.aws import AwsSession
from runbook_lib.bringback.cutover.apply import CutOver
from runbook_lib.bringback.cutover.names import Rename
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES, Cluster, describe_cluster, described_by_name
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.inventory import Inventory, take_inventory
from runbook_lib.restore.verify import first_answer
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Named:
    """Who has a name now. `expected` and `found` are AWS's resource ids, which no rename changes."""

    kind: str
    name: str
    expected: str
    found: str
    status: str

    @property
    def holds(self) -> bool:
        """Tell whether the right one has the name, and is ready."""
        return self.found != "" and self.expected in ("", self.found) and self.status == "available"


@dataclass(frozen=True, kw_only=True)
class CutOverVerification:
    """What was re-read. `serving` is the cluster that has the name; `inventory` what it holds."""

    names: tuple[Named, ...]
    serving: Cluster
    server_version: str
    inventory: Inventory
    finished: datetime

    @property
    def holds(self) -> bool:
        """Tell whether every name is with the one that was to have it."""
        return all(seen.holds for seen in self.names)


def verify_cut_over(session: AwsSession, done: CutOver, *, secret: str = "") -> CutOverVerification | None:
    """Read who has which name, connect through the name, and count what is there. None when nothing was applied.

    The copy opens with its own managed secret where it has one, else with `secret` as the source did.

    Raises:
        NotFound: no cluster has the name.
        AccessDenied, Unreachable: the endpoint does not let us in.
    """
    if not done.done:
        return None
    plan = done.plan
    serving = describe_cluster(session, plan.name)
    account = credentials_for(session, serving, secret="" if serving.secret_arn else secret)
    version = first_answer(serving, account)
    return CutOverVerification(
        names=_names(session, plan.renames),
        serving=serving,
        server_version=version,
        inventory=take_inventory(lambda: open_database(serving, account)),
        finished=utc_now(),
    )


def _names(session: AwsSession, renames: tuple[Rename, ...]) -> tuple[Named, ...]:
    clusters, instances = (
        described_by_name(session, call, [rename.becomes for rename in renames if rename.kind == kind])
        for kind, call in (("cluster", DESCRIBE_CLUSTERS), ("instance", DESCRIBE_INSTANCES))
    )
    found = []
    for rename in reversed(renames):
        entry = (clusters if rename.kind == "cluster" else instances).get(rename.becomes, {})
        found.append(
            Named(
                kind=rename.kind,
                name=rename.becomes,
                expected=rename.resource_id,
                found=str(entry.get("DbClusterResourceId" if rename.kind == "cluster" else "DbiResourceId", "")),
                status=str(entry.get("Status" if rename.kind == "cluster" else "DBInstanceStatus", "not there")),
            )
        )
    return tuple(found)
