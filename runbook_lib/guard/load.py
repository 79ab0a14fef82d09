"""One load from what was asked to what came of it: look, audit, plan, publish or undo. What the notebook calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from runbook_lib.approval import approval_of
from runbook_lib.checks import Check
from runbook_lib.clusters import Cluster
from runbook_lib.databases import open_database
from runbook_lib.errors import CheckFailed, InputRefused, NotFound
from runbook_lib.given import Given
from runbook_lib.guard.generations import next_of, published
from runbook_lib.guard.history import PastLoad
from runbook_lib.guard.load_audit import LoadAudit, Measures, audit_load, look
from runbook_lib.guard.load_checks import Generation
from runbook_lib.guard.publish import (
    PublishDone,
    PublishPlan,
    PublishUndone,
    PublishUndoPlan,
    apply_publish,
    apply_undo_publish,
    propose_publish,
    propose_undo_publish,
    verify_publish,
)
from runbook_lib.guard.standing import Signed, outside_bounds, read_standing
from runbook_lib.mysql import Credentials
from runbook_lib.proof import Side
from runbook_lib.swap.reading import read_server

WAYS = ("publish", "undo")
_CONTRACT, _RESULTS = (".yml", ".yaml"), (".json",)
_KEEP = 3


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person or the schedule chose, as the notebook's parameters say it.

    `against` are paths, with commas between them: a schema contract (.yml) and dbt's run_results.json. `accept` are
    subjects of checks, `standing` the path of a standing approval.
    """

    live: str
    way: str = "publish"
    against: str = ""
    accept: str = ""
    standing: str = ""

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise InputRefused(f'There is no way "{self.way}".', hint=f"Set `way` to one of: {', '.join(WAYS)}.")
        strange = [path for path in self._paths if not path.endswith((*_CONTRACT, *_RESULTS))]
        for kind in (_CONTRACT, _RESULTS):
            strange += [path for path in self._paths if path.endswith(kind)][1:]
        if strange:
            raise InputRefused(
                f'`against` names "{strange[0]}", which is no file a load is held against, or a second of its kind.',
                hint="Name a schema contract (.yml), dbt's run_results.json, or both with a comma between them.",
            )

    @property
    def _paths(self) -> list[str]:
        return [path for part in self.against.split(",") if (path := part.strip())]

    @property
    def contract(self) -> str:
        """Return the path of the contract, empty without one."""
        return next((path for path in self._paths if path.endswith(_CONTRACT)), "")

    @property
    def run_results(self) -> str:
        """Return the path of what dbt says of its run, empty without one."""
        return next((path for path in self._paths if path.endswith(_RESULTS)), "")


@dataclass(frozen=True, kw_only=True)
class Load:
    """The server, what was asked, and the two generations on it.

    `generation` is None where a publish is undone, and where there is no load: then `absent` says so.
    """

    side: Side = field(repr=False)
    wanted: Wanted
    place: str
    now: datetime
    zone: ZoneInfo
    signed: Signed | None = None
    generation: Generation | None = field(default=None, repr=False)
    past: tuple[PastLoad, ...] = ()
    absent: str = ""

    @property
    def stands(self) -> bool:
        """Tell whether a standing approval covers the publishing of this load, within its bounds."""
        return self.signed is not None and not self.signed.covers_nothing


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What would be done of a load, and what keeps it. `outside` says where it leaves a standing approval's bounds.

    `plan` is None where there is no load.
    """

    load: Load
    plan: PublishPlan | PublishUndoPlan | None
    audit: LoadAudit | None = None
    outside: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return the plan's id, by which it is approved; empty without a plan."""
        return self.plan.id if self.plan else ""

    @property
    def checks(self) -> tuple[Check, ...]:
        """Return the audit's checks."""
        return self.audit.checks if self.audit else ()

    @property
    def holding(self) -> tuple[Check, ...]:
        """Return the checks that keep the load from being published."""
        return self.audit.holding if self.audit else ()


def side_of(cluster: Cluster, account: Credentials) -> Side:
    """Return the server of a cluster, to be opened as often as a proof needs."""
    return Side(
        name=cluster.identifier, connect=lambda: open_database(cluster, account), place=cluster.unlike_any_other
    )


def read_load(
    side: Side, *, wanted: Wanted, place: str, now: datetime, zone: ZoneInfo, recorded: Sequence[PastLoad] = ()
) -> Load:
    """Look at both generations, and at the loads that were published before. Changes nothing.

    `recorded` are the loads that records tell of; what the server keeps of a load counts before them.

    Raises:
        InputRefused: a schema is not there, holds no table or has too long a name, or the standing approval cannot be
            used here and today.
    """
    signed = read_standing(wanted.standing) if wanted.standing else None
    if signed and (why := signed.refuses(live=wanted.live, now=now)):
        raise InputRefused(f'The standing approval "{signed.path}" does not count: {why}.', hint="Have it signed anew.")
    load = Load(side=side, wanted=wanted, place=place, now=now, zone=zone, signed=signed)
    name = next_of(wanted.live, signed.approval.into if signed else "")
    if wanted.way == "undo":
        return load
    with side.connect() as database:
        facts = read_server(database, name=side.name)
        try:
            generation = look(side, facts, live=wanted.live, next_schema=name)
        except NotFound as error:
            return replace(load, absent=error.message)
        kept = published(database, wanted.live)
    known = {earlier.at for earlier in kept}
    done = [PastLoad(at=earlier.at, rows=earlier.rows) for earlier in kept if not earlier.undone]
    done += [earlier for earlier in recorded if earlier.at not in known]
    past = tuple(replace(each, at=each.at.astimezone(zone)) for each in sorted(done, key=lambda each: each.at))
    return replace(load, generation=generation, past=past)


def audit_of(load: Load) -> LoadAudit | None:
    """Make every check of the load; None where there is none, or a publish is undone. Raises as `audit_load`."""
    if load.generation is None:
        return None
    measures = Measures(past=load.past, contract=load.wanted.contract, run_results=load.wanted.run_results)
    at = load.now.astimezone(load.zone)
    return audit_load(load.side, load.generation, measure_by=measures, at=at, accept=load.wanted.accept)


def propose_load(load: Load, audit: LoadAudit | None) -> Proposed:
    """Make the plan of publishing, or of undoing the last publish. Changes nothing.

    Raises:
        NotFound: there is nothing to undo.
        InputRefused: the load has objects of its own, or `keep` is less than one.
    """
    if load.absent:
        return Proposed(load=load, plan=None)
    if audit is None:
        return Proposed(load=load, plan=propose_undo_publish(load.side, live=load.wanted.live))
    with load.side.connect() as database:
        earlier = published(database, load.wanted.live)
        standing = load.signed.approval if load.signed else None
        keep = standing.keep if standing else _KEEP
        plan = propose_publish(audit, place=load.place, at=load.now, keep=keep, earlier=earlier)
    outside = outside_bounds(standing.bounds, plan, audit) if standing and load.stands else ()
    return Proposed(load=load, plan=plan, audit=audit, outside=outside)


def apply_load(proposed: Proposed, *, approve: str | Given, person: str) -> PublishDone | PublishUndone | None:
    """Apply what is proposed if it is approved by its id, or by a standing approval whose bounds it keeps.

    None where there is no load.

    Raises:
        CheckFailed: the load is held, or leaves the bounds of the standing approval; nothing was changed.
        ApprovalRefused: the approval is of another plan, or the plan is one of other choices.
    """
    load, plan = proposed.load, proposed.plan
    given = approval_of(proposed, approve)
    if plan is None:
        return None
    if isinstance(plan, PublishUndoPlan):
        return apply_undo_publish(load.side, plan, approve=given)
    assert proposed.audit is not None
    by = person
    if load.signed and load.stands and not given:
        if proposed.outside:
            raise CheckFailed(
                f"The load leaves the bounds of the standing approval: {'; '.join(proposed.outside)}. "
                "Nothing was changed.",
                hint="Read the plan, and approve it by its id if it is right.",
            )
        given, by = plan.id, load.signed.words  # a load that is held is refused below, with its reasons
    return apply_publish(load.side, proposed.audit, plan, approve=given, approved_by=by)


def verify_load(proposed: Proposed, done: PublishDone | PublishUndone | None) -> tuple[str, ...] | None:
    """Look again and name what is not as planned; None when nothing was applied."""
    if isinstance(done, PublishDone):
        return verify_publish(proposed.load.side, done)
    if done is None or not done.done:
        return None
    plan = done.plan.undoes
    with proposed.load.side.connect() as database:
        rows = database.rows(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN (%s, %s)",
            (plan.live, plan.undone),
        )
    found = {(str(schema), str(name)) for schema, name in rows}
    wanted = [(plan.live, name) for name in (*plan.replaced, *plan.staying)]
    wanted += [(plan.undone, name) for name in plan.tables]
    return tuple(f"{schema}.{name} is not there" for schema, name in wanted if (schema, name) not in found)
