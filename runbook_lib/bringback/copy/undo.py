"""Undo a copy back: the damaged tables take their names again, and what was brought back stays in a dated schema.

Foreign keys of damaged tables whose parent had been lost stand on a stand-in meanwhile, and are made as they were.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime

from runbook_lib.bringback.copy.codec import revived
from runbook_lib.bringback.copy.facts import Grant, StoredObject
from runbook_lib.bringback.copy.finishing import give, put_back
from runbook_lib.bringback.copy.names import undone_schema
from runbook_lib.bringback.copy.objects import drop_statement
from runbook_lib.bringback.copy.plan import CopyBackPlan, create_schema, swap_statements
from runbook_lib.bringback.copy.reach import shut
from runbook_lib.bringback.copy.remaining import Remaining, written_since
from runbook_lib.bringback.copy.rows import Merged
from runbook_lib.bringback.copy.stand_ins import untie, untie_statements
from runbook_lib.bringback.copy.state import State, find_states
from runbook_lib.bringback.copy.swapping import Swap, do_swap, is_done, mend
from runbook_lib.errors import ApprovalRefused, NotFound
from runbook_lib.events import announce
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Side
from runbook_lib.times import utc_now


def undo_of(plan: CopyBackPlan) -> Swap:
    """Return the swap that undoes a plan's: the new tables into the dated schema of the undo, the damaged ones back."""
    away = tuple(
        (table.name, TableName(schema=undone_schema(table.name.schema, plan.planned_at), name=table.name.name))
        for table in plan.tables
    )
    back = tuple((table.damaged, table.name) for table in plan.tables if table.damaged)
    return Swap(renames=away + back, off=plan.triggers_on, on=plan.triggers_off)


def undo_statements(plan: CopyBackPlan) -> tuple[str, ...]:
    """Write every statement that undoes a plan, in order."""
    swap = undo_of(plan)
    schemas = sorted({new.schema for _, new in swap.renames} - {table.name.schema for table in plan.tables})
    made = {undone_schema(table.name.schema, plan.planned_at): table.staging.schema for table in plan.tables}
    return (
        *(create_schema(schema, *plan.schemas[made[schema]]) for schema in schemas),
        *(one.statement for one in plan.shut if one.schema in schemas),
        *(drop_statement(one) for one in plan.objects),
        *(statement for one in plan.replaced for statement in one.statements(mariadb=plan.mariadb, back=True)),
        *(grant.taken_away for grant in _taken_away(plan)),
        *swap_statements(swap.off, swap.renames, swap.on),
        *untie_statements(plan.stand_ins),
        *(f"DROP DATABASE {quoted(schema)}" for schema in plan.new_schemas),
    )


@dataclass(frozen=True, kw_only=True)
class CopyUndoPlan:
    """The undo of one copy back. `undoes` is the plan it takes back; `of` the id that was approved then."""

    undoes: CopyBackPlan
    of: str

    @property
    def id(self) -> str:
        """Return the undo's id: a hash of its statements and of what they undo."""
        content = ["undo", self.of, self.undoes.source_identity, *self.statements]
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


def propose_undo(source: Side, *, of: str = "") -> CopyUndoPlan:
    """Plan the undo of the last copy back that swapped, or of the one whose plan id is `of`.

    Raises:
        NotFound: there is none, or it is undone already.
    """
    with source.connect() as database:
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
    return CopyUndoPlan(undoes=replace(plan, resumes=False), of=plan.id)


def _swapped(database: Database, state: State) -> CopyBackPlan | None:
    if state.get("swap begun") is None or state.get("undone"):
        return None
    plan: CopyBackPlan = revived(CopyBackPlan, state.get("plan"))
    swap = Swap(renames=plan.renames, off=plan.triggers_off, on=plan.triggers_on)
    return plan if is_done(database, swap) or state.get("undo begun") else None


def apply_undo(source: Side, plan: CopyUndoPlan, *, approve: str, copy: Side | None = None) -> CopyUndone:
    """Undo if `approve` is the undo's id; without an approval do nothing. A run that was killed is taken up again.

    With `copy`, rows written since the swap are told from those that it brought, and listed.

    Raises:
        ApprovalRefused: the approval is of another plan.
        TryLater: the tables could not be locked in time; nothing was changed.
        StepFailed: a server refused a step, or somebody has moved a table meanwhile.
    """
    if not approve.strip():
        return CopyUndone(plan=plan)
    if approve.strip() != plan.id:
        raise ApprovalRefused(
            f'The approval "{approve}" is not the id of this undo, which is {plan.id}.',
            hint=f'Read the undo above and approve it with approve="{plan.id}".',
            plan_id=plan.id,
        )
    began = utc_now()
    done = plan.undoes
    swap = undo_of(done)
    with source.connect() as database:
        state = State(database, done.state)
        for statement in plan.statements:
            if statement.startswith("CREATE DATABASE"):
                database.execute(statement)
        shut(database, set(plan.kept_in), done.shut)
        state.put("undo begun", {"at": began.isoformat()})
        announce("copy-back-undo", plan=plan.id, undoes=plan.of, statements=list(plan.statements))
        if swap.renames and not is_done(database, swap):
            mend(database, swap.off)
            _drop_objects(database, done.objects)
            put_back(database, done)  # a view can be made only while its tables are there
            do_swap(database, swap, state, inside=_nothing, afterwards=_nothing)
        mend(database, swap.on)
        untie(database, done.stand_ins)
        _drop_objects(database, done.objects)
        problems = (*put_back(database, done), *give(database, [grant.taken_away for grant in _taken_away(done)]))
        for schema in done.new_schemas:
            if not database.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (schema,)):
                database.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")
        for schema in done.damaged_schemas.values():
            if not database.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (schema,)):
                database.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")
        merged = tuple(revived(Merged, one) for one in state.get("merged") or ())
        left = written_since(source, done, merged=merged, copy=copy)
        announce("copy-back-undone", plan=plan.id, left=[one.as_json() for one in left])
        state.put("undone", utc_now().isoformat())
    return CopyUndone(plan=plan, approved_id=plan.id, began=began, left=left, problems=problems)


def _taken_away(plan: CopyBackPlan) -> tuple[Grant, ...]:
    """Return the rights that the plan has given, but for those that go with a routine."""
    return tuple(grant for grant in plan.grants if grant.kind in ("schema", "table"))


def _drop_objects(database: Database, objects: tuple[StoredObject, ...]) -> None:
    for one in objects:
        database.execute(drop_statement(one))


def _nothing(_database: Database) -> None:
    """Leave the rows as they are: an undo moves tables only."""
