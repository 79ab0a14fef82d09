"""Undo a publish: the generation before takes its places again in one RENAME; the load is kept, later writes too."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.approval import is_approved
from runbook_lib.errors import NotFound
from runbook_lib.events import announce
from runbook_lib.guard.generations import states_of
from runbook_lib.guard.publish.plan import PublishPlan
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Side
from runbook_lib.swap.foreign_keys import make_ties
from runbook_lib.swap.rename import Swap, create_schema, do_swap, is_done, mend, present
from runbook_lib.swap.state import State
from runbook_lib.times import utc_now


@dataclass(frozen=True, kw_only=True)
class PublishUndoPlan:
    """The undo of one publish. `changed` are tables with other rows than were published: name, rows then, rows now.

    `place` is the ARN and resource id of the cluster it is for: a copy of it holds the same publish.
    """

    undoes: PublishPlan
    place: str = ""
    changed: tuple[tuple[str, int, int], ...] = ()

    @property
    def id(self) -> str:
        """Return the undo's id: a hash of its statements and of what they undo."""
        content = ["undo", self.undoes.id, self.undoes.place, self.place, *self.statements]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

    @property
    def swap(self) -> Swap:
        """Return the exchange back: the load into a schema of its own, the generation before into the live one."""
        plan = self.undoes
        away = [(TableName(schema=plan.live, name=t), TableName(schema=plan.undone, name=t)) for t in plan.tables]
        back = [(TableName(schema=plan.was, name=t), TableName(schema=plan.live, name=t)) for t in plan.replaced]
        return Swap(renames=(*away, *back), off=plan.triggers, on=plan.triggers)

    @property
    def statements(self) -> tuple[str, ...]:
        """Return every statement, in order."""
        plan = self.undoes
        return (
            create_schema(plan.undone, *plan.schema),
            *self.swap.statements,
            *(statement for tie in plan.ties for statement in (tie.drop, tie.add)),
            f"DROP DATABASE {quoted(plan.was)}",
        )


@dataclass(frozen=True, kw_only=True)
class PublishUndone:
    """What came of an undo: nothing at all (`approved_id` empty), or everything. `kept_in` holds the load."""

    plan: PublishUndoPlan
    approved_id: str = ""
    kept_in: str = ""
    began: datetime | None = None

    @property
    def done(self) -> bool:
        """Tell whether the undo was applied."""
        return bool(self.approved_id)


def propose_undo_publish(side: Side, *, live: str) -> PublishUndoPlan:
    """Plan the undo of the last publish into `live`, and look what was written to its tables since.

    Raises:
        NotFound: there is none, it is undone already, or the generation before is not kept any more.
    """
    with side.connect() as database:
        for state in reversed(states_of(database, live)):
            plan = state.get_as(PublishPlan, "plan")
            if plan is None or state.get("undone") is not None:
                continue
            kept = {TableName(schema=plan.was, name=name) for name in plan.replaced}
            if kept - present(database, kept) and state.get("undo begun") is None:
                since = f" since {state.get('dropped')}" if state.get("dropped") else ""
                raise NotFound(
                    f"The load of {plan.at:%Y-%m-%d %H:%M} UTC cannot be undone: `{plan.was}` is not kept{since}.",
                    hint="Restore to a second before it, and bring the data back.",
                )
            return PublishUndoPlan(undoes=plan, place=side.place, changed=_changed(database, plan))
    raise NotFound(f"No load was published into `{live}` that could be undone.", hint="Check `live`.")


def _changed(database: Database, plan: PublishPlan) -> tuple[tuple[str, int, int], ...]:
    held = present(database, (TableName(schema=plan.live, name=table) for table in plan.rows))
    found = []
    for table, then in sorted(plan.rows.items()):
        if TableName(schema=plan.live, name=table) in held:
            now = int(database.value(f"SELECT COUNT(*) FROM {quoted(plan.live, table)}"))  # noqa: S608 - quoted
            if now != then:
                found.append((table, then, now))
    return tuple(found)


def apply_undo_publish(side: Side, plan: PublishUndoPlan, *, approve: str) -> PublishUndone:
    """Undo if `approve` is the undo's id; without an approval do nothing. A run that was killed is taken up again.

    Raises:
        ApprovalRefused: the approval is of another plan.
        TryLater: the tables could not be locked in time; nothing was changed.
        StepFailed: a server refused a step.
    """
    if not is_approved(plan, approve, why="There may have been another publish since"):
        return PublishUndone(plan=plan)
    began, undoes = utc_now(), plan.undoes
    with side.connect() as database:
        state = State(database, undoes.state)
        announce("publish-undo", plan=plan.id, live=undoes.live, statements=list(plan.statements))
        state.put("undo begun", began.isoformat())
        database.execute(create_schema(undoes.undone, *undoes.schema))
        if not is_done(database, plan.swap):
            mend(database, plan.swap.off)
            do_swap(database, plan.swap, state)
        mend(database, plan.swap.on)
        make_ties(database, undoes.ties)
        left = database.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (undoes.was,))
        if not left:
            database.execute(f"DROP DATABASE IF EXISTS {quoted(undoes.was)}")
        state.put("undone", utc_now().isoformat())
        announce("publish-undone", plan=plan.id, live=undoes.live, at=undoes.at.isoformat())
    return PublishUndone(plan=plan, approved_id=plan.id, kept_in=undoes.undone, began=began)
