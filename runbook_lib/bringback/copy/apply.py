"""Apply an approved copy back: tables made, filled, proved, merged and swapped, and taken up where a run stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.approval import refusal, require_checks
from runbook_lib.bringback.copy.checks import checks_now
from runbook_lib.bringback.copy.merging import (
    Merged,
    aliases_of,
    make_room,
    merge_rows,
    set_counters,
)
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.planning import fingerprint
from runbook_lib.bringback.copy.remaining import Remaining, left_behind, prove_tables
from runbook_lib.bringback.copy.transport.loading import (
    Progress,
    add_keys,
    fill,
    make_tables,
    note_pieces,
    staged,
)
from runbook_lib.bringback.copy.transport.pieces import Pieces
from runbook_lib.bringback.copy.undo import undo_statements
from runbook_lib.errors import ApprovalRefused, CheckFailed, RunbookError, StepFailed
from runbook_lib.events import announce
from runbook_lib.mysql import Database, quoted
from runbook_lib.phases import Phase, Phases
from runbook_lib.proof import Pair, Proof, ProofOptions, Side
from runbook_lib.swap.foreign_keys import make_stand_ins
from runbook_lib.swap.objects import existing, make_all, make_sequences, put_all_in_place, refused_definers, steady
from runbook_lib.swap.reach import give, shut
from runbook_lib.swap.reading import read_server
from runbook_lib.swap.rename import Swap, create_schema, do_swap, is_done, mend
from runbook_lib.swap.state import State, find_states
from runbook_lib.times import utc_now


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is called while a copy back goes on: `step` with each phase's name, `progress` within it."""

    step: Callable[[str], object] | None = None
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True)
class CopiedBack:
    """What was done of a plan: nothing at all (`approved_id` empty), or everything.

    `proof` holds the staged tables against the restored ones, before any other row was put beside these; None when an
    earlier run had already swapped. `merged` says what became of the damaged server's rows, `left` which of them only
    the dated schema holds now; `problems` names objects and grants that could not be made again, with the server's
    words.
    """

    plan: CopyBackPlan
    approved_id: str = ""
    phases: tuple[Phase, ...] = ()
    copied_rows: int = 0
    proof: Proof | None = None
    merged: tuple[Merged, ...] = ()
    left: tuple[Remaining, ...] = ()
    undo: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    began: datetime | None = None

    @property
    def done(self) -> bool:
        """Tell whether the plan was applied."""
        return bool(self.approved_id)

    @property
    def changed(self) -> tuple[str, ...]:
        """Name what was changed on the damaged server."""
        if not self.done:
            return ()
        return (
            *(f"table {table.name}" for table in self.plan.tables),
            *(f"schema {name}" for name in (*self.plan.new_schemas, *self.plan.dated_schemas.values())),
            *(made.title for made in self.plan.objects),
        )


@dataclass(frozen=True, kw_only=True)
class _Summary:
    """What a finished run keeps in its state, for whoever runs the same plan again."""

    rows: int
    merged: tuple[Merged, ...]
    left: tuple[Remaining, ...]
    problems: tuple[str, ...]
    began: datetime

    def of(self, plan: CopyBackPlan) -> CopiedBack:
        """Return it as the outcome of the plan."""
        return CopiedBack(
            plan=plan,
            approved_id=plan.id,
            copied_rows=self.rows,
            merged=self.merged,
            left=self.left,
            undo=undo_statements(plan),
            problems=self.problems,
            began=self.began,
        )


def apply_copy_back(
    restored: Side,
    damaged: Side,
    plan: CopyBackPlan,
    *,
    approve: str,
    run_id: str = "",
    watch: Watch | None = None,
) -> CopiedBack:
    """Apply the plan if `approve` is its id; without an approval do nothing and say so in the value.

    A run that was killed is finished by running it again: what is copied stays copied, and how far it came is kept on
    the damaged server. `watch` is called as it goes on.

    Raises:
        ApprovalRefused: the approval is of another plan, or the damaged tables have changed since.
        CheckFailed: a check speaks against it, a copied table differs from the restored one, rows conflict that no
            choice decides, or a row would lose its parent. Nothing has been swapped.
        TryLater: the tables could not be locked in time. Nothing has been swapped.
        StepFailed: a server refused a step.
    """
    wanted = approve.strip()
    if not wanted:
        return CopiedBack(plan=plan)
    with restored.connect() as reading, damaged.connect() as writing:
        steady(reading)
        steady(writing)
        plan = _approved_plan(writing, plan, wanted)
        state = State(writing, plan.state)
        if finished := state.get_as(_Summary, "done"):
            return finished.of(plan)
        begun = state.get_as(CopyBackPlan, "plan")
        if begun is None or begun.id != plan.id:
            _begin(reading, writing, plan, run_id)
        watch = watch or Watch()
        phases = Phases(on_step=watch.step, target=plan.damaged, plan=plan.id)
        run = _Run(restored, damaged, plan, state, phases=phases, progress=watch.progress)
        run.all(reading, writing)
        began = state.get_as(datetime, "began")
        assert began is not None  # _begin has put it there
        summary = _Summary(rows=run.copied_rows, merged=run.merged, left=run.left, problems=run.problems, began=began)
        state.put("done", summary)
    return CopiedBack(
        plan=plan,
        approved_id=plan.id,
        phases=tuple(run.phases.done),
        copied_rows=run.copied_rows,
        proof=run.proof,
        merged=run.merged,
        left=run.left,
        undo=undo_statements(plan),
        problems=run.problems,
        began=began,
    )


def _approved_plan(damaged: Database, plan: CopyBackPlan, wanted: str) -> CopyBackPlan:
    """Return the plan that is approved: this one, or the one that an earlier run began under the same id."""
    for state in find_states(damaged):
        kept = state.get_as(CopyBackPlan, "plan")
        if kept is not None and kept.id == wanted:
            return kept
    if wanted != plan.id:
        raise refusal(plan, wanted, why="The choices or the damaged server have changed since it was approved")
    return plan


def _begin(restored: Database, damaged: Database, plan: CopyBackPlan, run_id: str) -> None:
    """Look at both servers once more, and note that the plan has begun."""
    _require_as_planned(damaged, plan)
    require_checks(checks_now(restored, damaged, plan), plan, approve=plan.id)
    state = State(damaged, plan.state)
    state.make()
    if refused := refused_definers(damaged, plan.made, table=state.facts):
        raise CheckFailed(
            f"The account may not make triggers, views or routines for {', '.join(refused)}.",
            hint="Grant it SET_USER_ID (8.2 and later SET_ANY_DEFINER and, for a definer that has it, "
            "SYSTEM_USER; MariaDB SET USER), or give them another definer. No table was made.",
        )
    state.put("began", utc_now())
    state.put("run", run_id)
    state.put("plan", plan)  # last: with it the run counts as begun


def _require_as_planned(damaged: Database, plan: CopyBackPlan) -> None:
    names = [table.name for table in plan.tables]
    others = [changed.now for changed in plan.replaced]
    schemas = {name.schema for name in names} | {item.schema for item in others}
    if fingerprint(names, read_server(damaged, name=plan.damaged, schemas=schemas), others) != plan.fingerprint:
        raise ApprovalRefused(
            "The tables, triggers or other objects of the damaged server have been changed since the plan was made.",
            hint="Prove and plan again, and read the new plan.",
            plan_id=plan.id,
        )


@contextmanager
def _said_unswapped() -> Iterator[None]:
    """Say of whatever the server refuses before the swap that nothing was swapped."""
    try:
        yield
    except StepFailed as error:
        if "Nothing was swapped" in error.message:
            raise
        said = f"{error.message.rstrip('.')}. Nothing was swapped."
        raise type(error)(said, hint=error.hint or _OTHERWISE, **error.facts) from error


def _nothing(_database: Database) -> None:
    """Do nothing between the locks and the rename."""


_OTHERWISE = "Look at what the server says of this table; another rule or another way for its rows may be open."


@dataclass
class _Run:
    """The run of a plan, phase after phase, and what came of it so far."""

    restored: Side
    damaged: Side
    plan: CopyBackPlan
    state: State
    phases: Phases
    progress: Progress | None
    proof: Proof | None = None
    merged: tuple[Merged, ...] = ()
    left: tuple[Remaining, ...] = ()
    copied_rows: int = 0
    problems: tuple[str, ...] = ()
    swap: Swap = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        self.swap = Swap(
            renames=plan.renames, off=plan.triggers_off, on=plan.triggers_on, aliases=aliases_of(plan), free=plan.free
        )

    def all(self, reading: Database, writing: Database) -> None:
        """Go through the phases; those that an earlier run finished find nothing to do."""
        begun = self.state.get("swap begun")
        if begun and self.plan.tables and is_done(writing, self.swap):
            mend(writing, self.swap.on)
            self.merged = self.state.get_as(tuple[Merged, ...], "merged") or ()
        elif self.plan.tables:
            if begun:
                mend(writing, self.swap.off)
            self._empty_merged(writing)
            with _said_unswapped():
                self._copy(reading, writing)
            self._swap(writing)
        else:
            self._make_schemas(writing)
            self._keep_the_undo()
        if self.state.get("swapped") is None:
            self.state.put("swapped", writing.value("SELECT UTC_TIMESTAMP()"))
        if self.plan.tables:
            self.copied_rows = sum(Pieces(writing, self.plan.state).copied().values())
        with self.phases.step("make what else was lost"):
            self.problems = self._finish(writing)
        with self.phases.step("count what stays in the dated schemas"):
            self.left = left_behind(writing, self.plan)

    def _empty_merged(self, writing: Database) -> None:
        """Have those tables copied again into which an earlier run had already put rows of the damaged server."""
        if self.state.get("merged") is None:
            return
        made = staged(writing, self.plan)
        for table in self.plan.tables:
            if table.merged and table.rows_from == "restored" and table.staging in made:
                writing.execute("SET SESSION foreign_key_checks = 0")
                writing.execute(f"DROP TABLE {table.staging.sql}")
        self.state.forget("merged")

    def _copy(self, reading: Database, writing: Database) -> None:
        with self.phases.step("make the tables"):
            for schema in sorted({item.schema for item in self.plan.objects if item.kind == "SEQUENCE"}):
                if how := self.plan.new_schemas.get(schema):
                    writing.execute(create_schema(schema, *how))
            make_sequences(writing, self.plan.objects)
            make_tables(writing, self.plan, self.state)
            note_pieces(reading, writing, self.plan, self.state)
        with self.phases.step("copy the rows"):
            fill(reading, writing, self.plan, self.state, progress=self.progress)
        with self.phases.step("add indexes and foreign keys"):
            add_keys(writing, self.plan, self.state, progress=self.progress)
        with self.phases.step("prove what was copied"):
            self._prove()

    def _prove(self) -> None:
        pairs = {Pair(expected=t.name, found=t.staging): t for t in self.plan.tables if t.rows_from == "restored"}
        options = ProofOptions(progress=self.progress)
        self.proof = prove_tables(self.restored, self.damaged, pairs, options=options)
        wrong = [str(t.pair.expected) for t in self.proof.tables if t.missing or t.extra or t.changed]
        if wrong:
            raise CheckFailed(
                f"What was copied of {', '.join(wrong)} is not what the copy holds. Nothing was swapped.",
                hint="Somebody writes to the restored copy or to the staging schema: stop that, drop "
                f"the staging schemas and `{self.plan.state}`, and plan again.",
            )

    def _swap(self, writing: Database) -> None:
        with self.phases.step("swap"):
            self._make_schemas(writing)
            make_stand_ins(writing, self.plan.stand_ins)
            make_room(writing, self.plan)
            self._keep_the_undo()
            try:
                between = self._merge_others if self.swap.free else _nothing
                do_swap(writing, self.swap, self.state, inside=self._merge, between=between)
            except RunbookError:
                if not is_done(writing, self.swap):
                    self.state.forget("swap begun")  # all is as before, so another plan may follow
                raise

    def _keep_the_undo(self) -> None:
        """Keep the statements of the undo, in the state and in the record, before anything is done that they undo."""
        undo = list(undo_statements(self.plan))
        self.state.put("swap begun", {"undo": undo})
        swap = list(self.plan.swap.statements)
        announce("copy-back-swap", plan=self.plan.id, state=self.plan.state, swap=swap, undo=undo)

    @_said_unswapped()
    def _merge(self, database: Database) -> None:
        set_counters(database, self.plan)
        database.execute("SET SESSION autocommit = 0")
        self.merged = merge_rows(database, self.plan, lockable=True)
        self.state.put("merged", self.merged)  # before tables that know no transactions: a killed run fills all again
        database.execute("COMMIT")
        database.execute("SET SESSION autocommit = 1")
        if not self.swap.free:
            self._merge_others(database)
        steady(database)

    @_said_unswapped()
    def _merge_others(self, database: Database) -> None:
        """Merge the tables whose engine knows no transactions, once all others are merged for good."""
        if merged := merge_rows(database, self.plan, lockable=False):
            self.merged += merged
            self.state.put("merged", self.merged)

    def _make_schemas(self, writing: Database) -> None:
        """Make the dated schemas and those that the damaged server has lost."""
        dated = set(self.plan.dated_schemas.values())
        for schema, how in self.plan.schemas.items():
            if schema in self.plan.new_schemas or schema in dated:
                writing.execute(create_schema(schema, *how))
        shut(writing, dated, self.plan.shut)

    def _finish(self, writing: Database) -> tuple[str, ...]:
        """Make the objects that are missing or changed, give the grants, drop staging schemas; return what failed."""
        plan = self.plan
        found = existing(writing, plan.objects)
        problems = make_all(writing, [lost for lost in plan.objects if lost.id not in found])
        problems += put_all_in_place(writing, [changed.becomes for changed in plan.replaced])
        said = [f"{item.title}: {why}" for item, why in problems]
        said += give(writing, [text for changed in plan.replaced for text in changed.grants])
        said += give(writing, [grant.statement for grant in plan.grants])
        for schema in sorted({table.staging.schema for table in plan.tables}):
            if not writing.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (schema,)):
                writing.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")
                said += give(writing, [kept_out.opened for kept_out in plan.shut if kept_out.schema == schema])
        return tuple(said)
