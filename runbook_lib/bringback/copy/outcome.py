"""What was done of a copy back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runbook_lib.bringback.copy.phases import Phase
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.remaining import Remaining
from runbook_lib.bringback.copy.rows import Merged
from runbook_lib.proof import Proof


@dataclass(frozen=True, kw_only=True)
class CopiedBack:
    """What was done of a plan: nothing at all (`approved_id` empty), or everything.

    `proof` holds the staged tables against the copy, before any row of the source was put beside the copy's; None when
    an earlier run had already swapped. `merged` tells what became of the source's rows, `left` which of them only the
    dated schema holds now; `problems` names objects and
    grants that could not be made again, with the server's words.
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
        """Name what is another one at the source than before."""
        if not self.done:
            return ()
        return (
            *(f"table {table.name}" for table in self.plan.tables),
            *(f"schema {name}" for name in (*self.plan.new_schemas, *self.plan.damaged_schemas.values())),
            *(one.title for one in self.plan.objects),
        )
