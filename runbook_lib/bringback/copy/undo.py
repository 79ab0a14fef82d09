"""Undo a copy back: the damaged tables take their names again, and what was brought back stays in a dated schema.

Foreign keys of damaged tables whose parent had been lost point at a stand-in meanwhile, and are made as they were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from runbook_lib.approval import is_approved
from runbook_lib.bringback.copy.merging import Merged
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.remaining import Remaining, written_since
from runbook_lib.errors import NotFound
from runbook_lib.events import announce
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Side
from runbook_lib.swap.facts import Grant, StoredObject
from runbook_lib.swap.foreign_keys import untie, untie_statements
from runbook_lib.swap.names import undone_schema
from runbook_lib.swap.objects import drop_statement, drop_statements, put_all_in_place, steady
from runbook_lib.swap.reach import give, shut
from runbook_lib.swap.rename import Swap, create_schema, do_swap, is_done, mend
from runbook_lib.swap.state import State, as_json, find_states
from runbook_lib.times import utc_now


def undo_of(plan: CopyBackPlan) -> Swap:
    """Return the swap that undoes a plan's: the new tables into the dated schema of the undo, the damaged ones back."""
    away = tuple(
        (table.name, TableName(schema=undone_schema(table.name.schema, plan.planned_at), name=table.name.name))
        for table in plan.tables
    )
    back = tuple((table.dated, table.name) for table in plan.tables if table.dated)
    free = {name for pair, table in zip(away, plan.tables, strict=True) if table.name in plan.free for name in pair}
    free |= {table.dated for table in plan.tables if table.dated and table.name in plan.free}
    return Swap(renames=away + back, off=plan.triggers_on, on=plan.triggers_off, free=frozenset(free))


def undo_statements(plan: CopyBackPlan) -> tuple[str, ...]:
    """Write every statement that undoes a plan, in order."""
    swap = undo_of(plan)
    schemas = sorted({new.schema for _, new in swap.renames} - {table.name.schema for table in plan.tables})
    made = {undone_schema(table.name.schema, plan.planned_at): table.staging.schema for table in plan.tables}
    return (
        *(create_schema(schema, *plan.schemas[made[schema]]) for schema in schemas),
        *(kept_out.statement for kept_out in plan.shut if kept_out.schema in schemas),
        *(text for item in plan.objects if item.kind != "SEQUENCE" for text in drop_statements(item)),
        *(text for changed in plan.replaced for text in changed.statements(mariadb=plan.mariadb, back=True)),
        *(grant.taken_away for grant in _taken_away(plan)),
        *swap.statements,
        *(drop_statement(item) for item in plan.objects if item.kind == "SEQUENCE"),
        *untie_statements(plan.stand_ins),
        *(f"DROP DATABASE {quoted(schema)}" for schema in plan.new_schemas),
    )


@dataclass(frozen=True, kw_only=True)
class CopyUndoPlan:
    """The undo of one copy back. `undoes` is the plan it takes back; `of` the id that was approved then.

    `place` is the ARN and resource id of the cluster it is for: what is kept at a server is in every copy of it too.
    """

    undoes: CopyBackPlan
    of: str
    place: str = ""

    @property
    def id(self) -> str:
        """Return the undo's id: a hash of its statements and of what they undo."""
        content = ["undo", self.of, self.place, self.undoes.damaged_identity, *self.statements]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

    @property
    def statements(self) -> tuple[str, ...]:
        """Return every statement, in order."""
        return undo_statements(self.undoes)

    @property
    def kept_in(self) -> tuple[str, ...]:
        """Return the schemas in which the tables brought back stay, with what was written to them since."""
        return tuple(sorted({undone_schema(table.name.schema, self.undoes.planned_at) for table in self.undoes.tables}))


@dataclass(frozen=True, kw_only=True)
class CopyUndone:
    """What came of an undo: nothing at all (`approved_id` empty), or everything.

    `left` are the rows that were written to the tables brought back since the swap: they stay with these. `problems`
    names objects that could not be made as they were, with the server's words.
    """

    plan: CopyUndoPlan
    approved_id: str = ""
    began: datetime | None = None
    left: tuple[Remaining, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Tell whether the undo was applied."""
        return bool(self.approved_id)


def propose_undo(damaged: Side, *, of: str = "") -> CopyUndoPlan:
    """Plan the undo of the last copy back that swapped, or of the one whose plan id is `of`.

    Raises:
        NotFound: there is none, or it is undone already.
    """
    with damaged.connect() as database:
        found = [
            (str(state.get("began")), plan)
            for state in find_states(database)
            if (plan := _swapped(database, state)) is not None and of in ("", plan.id)
        ]
    if not found:
        raise NotFound(
            "There is no copy back to undo" + (f" under the id {of}." if of else "."),
            hint="Only one that has swapped its tables and has not been undone yet can be undone.",
        )
    plan = max(found, key=lambda pair: pair[0])[1]
    return CopyUndoPlan(undoes=replace(plan, resumes=False), of=plan.id, place=damaged.place)


def _swapped(database: Database, state: State) -> CopyBackPlan | None:
    if state.get("swap begun") is None or state.get("undone"):
        return None
    plan = state.get_as(CopyBackPlan, "plan")
    return plan if plan and (is_done(database, plan.swap) or state.get("undo begun")) else None


def apply_undo(damaged: Side, plan: CopyUndoPlan, *, approve: str, restored: Side | None = None) -> CopyUndone:
    """Undo if `approve` is the undo's id; without an approval do nothing. A run that was killed is taken up again.

    With `restored`, rows written since the swap are told from those that it brought, and listed.

    Raises:
        ApprovalRefused: the approval is of another plan.
        TryLater: the tables could not be locked in time; nothing was changed.
        StepFailed: a server refused a step, or somebody has moved a table meanwhile.
    """
    if not is_approved(plan, approve, why="There may have been another copy back since"):
        return CopyUndone(plan=plan)
    began = utc_now()
    done = plan.undoes
    swap = undo_of(done)
    refused: dict[str, str] = {}  # a trigger of a column that is gone was there, but cannot be made
    with damaged.connect() as database:
        steady(database)
        state = State(database, done.state)
        for statement in plan.statements:
            if statement.startswith("CREATE DATABASE"):
                database.execute(statement)
        shut(database, set(plan.kept_in), done.shut)
        state.put("undo begun", {"at": began})
        announce("copy-back-undo", plan=plan.id, undoes=plan.of, statements=list(plan.statements))
        if swap.renames and not is_done(database, swap):
            mend(database, swap.off)
            _drop_objects(database, [item for item in done.objects if item.kind != "SEQUENCE"])  # tables need those
            _put_back(database, done)  # a view can be made only while its tables are there
            do_swap(database, swap, state, refused=refused)
        mend(database, swap.on, refused=refused)
        untie(database, done.stand_ins)
        _drop_objects(database, done.objects)
        said = (f"{trigger} cannot be made again: {why}" for trigger, why in refused.items())
        problems = (
            *said,
            *_put_back(database, done),
            *give(database, [grant.taken_away for grant in _taken_away(done)]),
        )
        for schema in done.new_schemas:
            if not database.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (schema,)):
                database.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")
        for schema in done.dated_schemas.values():
            if not database.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (schema,)):
                database.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")
        merged = state.get_as(tuple[Merged, ...], "merged") or ()
        left = written_since(damaged, done, merged=merged, restored=restored)
        announce("copy-back-undone", plan=plan.id, left=as_json(left))
        state.put("undone", database.value("SELECT UTC_TIMESTAMP()"))
    return CopyUndone(plan=plan, approved_id=plan.id, began=began, left=left, problems=problems)


def _taken_away(plan: CopyBackPlan) -> tuple[Grant, ...]:
    """Return the rights that the plan has given, but for those that go with a routine."""
    return tuple(grant for grant in plan.grants if grant.kind in ("schema", "table"))


def _drop_objects(database: Database, objects: Iterable[StoredObject]) -> None:
    for item in objects:
        for statement in drop_statements(item):
            database.execute(statement)


def _put_back(database: Database, plan: CopyBackPlan) -> tuple[str, ...]:
    """Put the objects back that the plan has replaced, with their rights; return what failed, and why."""
    problems = put_all_in_place(database, [changed.now for changed in plan.replaced])
    said = [f"{item.title}: {why}" for item, why in problems]
    return (*said, *give(database, [text for changed in plan.replaced for text in changed.grants]))
