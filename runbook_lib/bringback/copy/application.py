"""Apply an approved copy back: tables made, filled, proved, merged and swapped, and taken up where a run stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook_lib.bringback.copy.approval import approved_plan, require_as_planned
from runbook_lib.bringback.copy.checking import require, source_checks
from runbook_lib.bringback.copy.codec import revived
from runbook_lib.bringback.copy.finishing import finish, make_schemas
from runbook_lib.bringback.copy.loading import Progress, add_keys, fill, make_tables, note_pieces, staged
from runbook_lib.bringback.copy.merging import aliases_of
from runbook_lib.bringback.copy.objects import refused_definers
from runbook_lib.bringback.copy.phases import Phase, Phases
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.bringback.copy.rows import Merged, merge_rows, take_over_late_rows
from runbook_lib.bringback.copy.state import State
from runbook_lib.bringback.copy.swapping import Swap, do_swap, is_done, mend
from runbook_lib.bringback.copy.undoing import undo_statements
from runbook_lib.errors import CheckFailed, RunbookError
from runbook_lib.events import announce
from runbook_lib.mysql import Database
from runbook_lib.proof import Pair, Proof, Side, prove
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CopiedBack:
    """What was done of a plan: nothing at all (`approved_id` empty), or everything.

    `proof` holds the staged tables against the copy, before any row of the source was put beside the copy's; None when
    an earlier run had already swapped. `merged` tells what became of the source's rows; `problems` names objects and
    grants that could not be made again, with the server's words.
    """

    plan: CopyBackPlan
    approved_id: str = ""
    phases: tuple[Phase, ...] = ()
    copied_rows: int = 0
    proof: Proof | None = None
    merged: tuple[Merged, ...] = ()
    undo: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    began: datetime | None = None

    @property
    def done(self) -> bool:
        """Tell whether the plan was applied."""
        return bool(self.approved_id)

    @property
    def changed(self) -> tuple[str, ...]:
        """Name what is another one at the source than before."""
        if not self.done:
            return ()
        return (
            *(f"table {table.name}" for table in self.plan.tables),
            *(f"schema {name}" for name in (*self.plan.new_schemas, *self.plan.damaged_schemas.values())),
            *(one.title for one in self.plan.objects),
        )


def apply_copy_back(
    copy: Side,
    source: Side,
    plan: CopyBackPlan,
    *,
    approve: str,
    run_id: str = "",
    progress: Progress | None = None,
    step: Callable[[str], object] | None = None,
) -> CopiedBack:
    """Apply the plan if `approve` is its id; without an approval do nothing and say so in the value.

    A run that was killed is finished by running it again: what is copied stays copied, and how far it came is kept at
    the source. `step` is told each phase's name as it begins.

    Raises:
        ApprovalRefused: the approval is of another plan, or the source's tables have changed since.
        CheckFailed: a check speaks against it, a copied table differs from the copy, rows conflict that no choice
            decides, or a row would lose its parent. Nothing has been swapped.
        TryLater: the tables could not be locked in time. Nothing has been swapped.
        StepFailed: a server refused a step.
    """
    wanted = approve.strip()
    if not wanted:
        return CopiedBack(plan=plan)
    with copy.connect() as reading, source.connect() as writing:
        plan = approved_plan(writing, plan, wanted)
        state = State(writing, plan.state)
        if finished := state.get("done"):
            return _told(plan, finished)
        run = _Run(copy, source, plan, state, phases=Phases(plan, step), progress=progress)
        if (kept := state.get("plan")) is None or revived(CopyBackPlan, kept).id != plan.id:
            require_as_planned(writing, plan)
            require(source_checks(reading, writing, plan), plan)
            state.make()
            if refused := refused_definers(writing, (*plan.triggers_on, *plan.objects), table=state.pieces):
                raise CheckFailed(
                    f"The account may not make triggers, views or routines for {', '.join(refused)}.",
                    hint="Grant it SET_USER_ID (8.2 and later SET_ANY_DEFINER and, for a definer that has it, "
                    "SYSTEM_USER; MariaDB SET USER), or make them anew under another definer. No table was made.",
                )
            state.put("began", utc_now().isoformat())
            state.put("run", run_id)
            state.put("plan", plan.as_json())  # last: with it the run counts as begun
        run.all(reading, writing)
        summary = {
            "rows": run.copied_rows,
            "merged": [merged.as_json() for merged in run.merged],
            "undo": list(undo_statements(plan)),
            "problems": list(run.problems),
            "began": state.get("began"),
        }
        state.put("done", summary)
    return CopiedBack(
        plan=plan,
        approved_id=plan.id,
        phases=tuple(run.phases.done),
        copied_rows=run.copied_rows,
        proof=run.proof,
        merged=run.merged,
        undo=undo_statements(plan),
        problems=run.problems,
        began=datetime.fromisoformat(summary["began"]),
    )


def _told(plan: CopyBackPlan, finished: dict[str, Any]) -> CopiedBack:
    return CopiedBack(
        plan=plan,
        approved_id=plan.id,
        copied_rows=finished["rows"],
        merged=tuple(revived(Merged, one) for one in finished["merged"]),
        undo=tuple(finished["undo"]),
        problems=tuple(finished["problems"]),
        began=datetime.fromisoformat(finished["began"]),
    )


@dataclass
class _Run:
    copy: Side
    source: Side
    plan: CopyBackPlan
    state: State
    phases: Phases
    progress: Progress | None
    proof: Proof | None = None
    merged: tuple[Merged, ...] = ()
    copied_rows: int = 0
    problems: tuple[str, ...] = ()
    swap: Swap = field(init=False)

    def __post_init__(self) -> None:
        self.swap = Swap(
            renames=self.plan.renames,
            off=self.plan.triggers_off,
            on=self.plan.triggers_on,
            aliases=aliases_of(self.plan),
        )

    def all(self, reading: Database, writing: Database) -> None:
        """Go through the phases; those that an earlier run finished find nothing to do."""
        begun = self.state.get("swap begun")
        if begun and self.plan.tables and is_done(writing, self.swap):
            mend(writing, self.swap.on)
            self.merged = tuple(revived(Merged, one) for one in self.state.get("merged") or ())
        elif self.plan.tables:
            if begun:
                mend(writing, self.swap.off)
                self._empty_merged(writing)
            self._copy(reading, writing)
            self._swap(writing)
        else:
            make_schemas(writing, self.plan)
        self.copied_rows = sum(self.state.copied().values())
        with self.phases.one("make what else was lost"):
            self.problems = finish(writing, self.plan)

    def _empty_merged(self, writing: Database) -> None:
        """Have those tables copied anew into which a run that was killed had already put rows of the source."""
        if self.state.get("merged") is None:
            return
        there = staged(writing, self.plan)
        for table in self.plan.tables:
            if table.merged and table.rows_from == "copy" and table.staging in there:
                writing.execute("SET SESSION foreign_key_checks = 0")
                writing.execute(f"DROP TABLE {table.staging.sql}")
        self.state.forget("merged")

    def _copy(self, reading: Database, writing: Database) -> None:
        with self.phases.one("make the tables"):
            make_tables(writing, self.plan, self.state)
            note_pieces(reading, writing, self.plan, self.state)
        with self.phases.one("copy the rows"):
            fill(reading, writing, self.plan, self.state, progress=self.progress)
        with self.phases.one("add indexes and foreign keys"):
            add_keys(writing, self.plan, self.state, progress=self.progress)
        with self.phases.one("prove what was copied"):
            self._prove()

    def _prove(self) -> None:
        pairs = [Pair(expected=t.name, found=t.staging) for t in self.plan.tables if t.rows_from == "copy"]
        self.proof = prove(self.copy, self.source, pairs=pairs, progress=self.progress)
        wrong = [str(one.pair.expected) for one in self.proof.tables if one.missing or one.extra or one.changed]
        if wrong:
            raise CheckFailed(
                f"What was copied of {', '.join(wrong)} is not what the copy holds. Nothing was swapped.",
                hint="Somebody writes to the restored copy or to the staging schema: stop that, drop "
                f"the staging schemas and `{self.plan.state}`, and plan again.",
            )

    def _swap(self, writing: Database) -> None:
        with self.phases.one("swap"):
            make_schemas(writing, self.plan)
            undo = undo_statements(self.plan)
            self.state.put("swap begun", {"undo": list(undo)})
            announce(
                "copy-back-swap", plan=self.plan.id, state=self.plan.state, swap=list(self.plan.swap), undo=list(undo)
            )
            try:
                do_swap(writing, self.swap, self.state, inside=self._inside, afterwards=self._afterwards)
            except RunbookError:
                if not is_done(writing, self.swap):
                    self.state.forget("swap begun")  # all is as before, so another plan may follow
                raise

    def _inside(self, database: Database) -> None:
        self.merged = merge_rows(database, self.plan)
        self.state.put("merged", [merged.as_json() for merged in self.merged])

    def _afterwards(self, database: Database) -> None:
        take_over_late_rows(database, self.plan)


__all__ = ["CopiedBack", "Phase", "TablePlan", "apply_copy_back"]
