"""The plan of a try: which clone is made, which load is run against it, and that the clone is deleted afterwards."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import Cluster, instances_of
from runbook_lib.errors import InputRefused
from runbook_lib.guard.try_load.command import command_of
from runbook_lib.guard.try_load.glue_job import read_glue_job
from runbook_lib.guard.try_load.loads import TriedLoad
from runbook_lib.guard.try_load.sql_file import read_sql_file
from runbook_lib.restore.copies.leftovers import Leftover
from runbook_lib.restore.copies.throw_away import earlier_copies
from runbook_lib.restore.origins import from_clone
from runbook_lib.restore.plan import Choices, RestorePlan, plan_restore

MARK = "-at-try-"
"""In the name of every clone that a load is tried on."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person chose. `load` is a file, `run: COMMAND` or `glue: JOB --argument=value …`.

    `secret` is the source's account, as `databases.credentials_for` takes it, which the load never sees. `schema` is
    what names without one mean in a file, `hand_on` names variables that a command is given, with commas
    between them, `instance_class` is the clone's, empty for the source's.
    """

    load: str = ""
    schema: str = ""
    secret: str = ""
    hand_on: str = ""
    instance_class: str = ""


@dataclass(frozen=True, kw_only=True)
class TryPlan:
    """What would be done: the clone is made, the load is run against it, both are compared, the clone is deleted.

    `earlier` are clones of earlier tries that go first: those that have expired, and one that a run of this plan left.
    """

    load: TriedLoad
    clone: RestorePlan
    source: Cluster = field(repr=False)
    secret: str = field(default="", repr=False)
    earlier: tuple[Leftover, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """Return a hash of the clone's calls and of the load, not of the clock."""
        content = json.dumps([self.clone.id, *self.load.identity])
        return hashlib.sha256(content.encode()).hexdigest()[:12]


def propose_try(session: AwsSession, cluster: Cluster, *, wanted: Wanted, now: datetime) -> TryPlan | None:
    """Read the load and plan its try; None where no load is named. Changes nothing, starts nothing.

    Raises:
        InputRefused, NotFound, AccessDenied: the load cannot be read.
    """
    if not wanted.load.strip():
        return None
    load = read_load(session, wanted)
    short = hashlib.sha256("\0".join(load.identity).encode()).hexdigest()[:8]
    name = f"{cluster.identifier[:40].rstrip('-')}{MARK}{short}"
    origin = from_clone(cluster, instances=instances_of(session, cluster), now=now)
    clone = plan_restore(origin, choices=Choices(target=name, instance_class=wanted.instance_class))
    earlier = earlier_copies(session, cluster.identifier, mark=MARK, now=now, target=name)
    return TryPlan(load=load, clone=clone, source=cluster, secret=wanted.secret, earlier=earlier)


def read_load(session: AwsSession, wanted: Wanted) -> TriedLoad:
    """Return the load that is meant.

    Raises:
        InputRefused: there is none, or it cannot be read.
    """
    kind, _, rest = wanted.load.strip().partition(":")
    if kind not in ("run", "glue"):
        if wanted.hand_on:
            raise InputRefused("`hand_on` is for a command.", hint="Leave it empty for a file or a Glue job.")
        return read_sql_file(session, wanted.load.strip(), schema=wanted.schema)
    if wanted.schema:
        raise InputRefused("`schema` is for a file.", hint="Leave it empty for a command or a Glue job.")
    if kind == "run":
        return command_of(rest.strip(), hand_on=wanted.hand_on)
    return read_glue_job(session, rest.strip())
