"""One run of a copy back, phase after phase; what an earlier run finished finds nothing to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from runbook_lib.bringback.copy.codec import revived
from runbook_lib.bringback.copy.finishing import finish, make_schemas
from runbook_lib.bringback.copy.loading import Progress, add_keys, fill, make_tables, note_pieces, staged
from runbook_lib.bringback.copy.merging import aliases_of
from runbook_lib.bringback.copy.phases import Phases
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.remaining import Remaining, left_behind
from runbook_lib.bringback.copy.rows import Merged, merge_rows, take_over_late_rows
from runbook_lib.bringback.copy.stand_ins import make_stand_ins
from runbook_lib.bringback.copy.state import State
from runbook_lib.bringback.copy.swapping import Swap, do_swap, is_done, mend
from runbook_lib.bringback.copy.undo import undo_statements
from runbook_lib.errors import CheckFailed, RunbookError
from runbook_lib.events import announce
from runbook_lib.mysql import Database
from runbook_lib.proof import Pair, Proof, ProofOptions, Side, prove


@dataclass
class Run:
    """The run of one plan, and what came of it so far."""

    copy: Side
    source: Side
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
            if writing.is_mariadb and not self.state.get("late rows"):
                self._afterwards(writing)
            self.merged = tuple(revived(Merged, one) for one in self.state.get("merged") or ())
        elif self.plan.tables:
            if begun:
                mend(writing, self.swap.off)
                self._empty_merged(writing)
            self._copy(reading, writing)
            self._swap(writing)
        else:
            make_schemas(writing, self.plan)
            self._tell_the_undo()
        self.copied_rows = sum(self.state.copied().values())
        with self.phases.one("make what else was lost"):
            self.problems = finish(writing, self.plan)
        with self.phases.one("count what stays in the dated schemas"):
            self.left = left_behind(writing, self.plan)

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
        self.proof = prove(self.copy, self.source, pairs=pairs, options=ProofOptions(progress=self.progress))
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
            make_stand_ins(writing, self.plan.stand_ins)
            self._tell_the_undo()
            try:
                do_swap(writing, self.swap, self.state, inside=self._inside, afterwards=self._afterwards)
            except RunbookError:
                if not is_done(writing, self.swap):
                    self.state.forget("swap begun")  # all is as before, so another plan may follow
                raise

    def _tell_the_undo(self) -> None:
        """Keep the statements of the undo, here and in the record, before anything is done that they undo."""
        undo = list(undo_statements(self.plan))
        self.state.put("swap begun", {"undo": undo})
        announce("copy-back-swap", plan=self.plan.id, state=self.plan.state, swap=list(self.plan.swap), undo=undo)

    def _inside(self, database: Database) -> None:
        self.merged = merge_rows(database, self.plan)
        self.state.put("merged", [merged.as_json() for merged in self.merged])

    def _afterwards(self, database: Database) -> None:
        take_over_late_rows(database, self.plan)
        self.state.put("late rows", True)
