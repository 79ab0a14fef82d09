"""Show the plan to drop a schema, what was done of it, and whether only that happened."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from runbook_lib.display.approval import how_to_go_on
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.schemas.audit import Audit
from runbook_lib.schemas.drop.apply import Dropped, DropVerification
from runbook_lib.schemas.drop.plan import DropPlan, candidates


@dataclass(frozen=True, kw_only=True)
class PlanSheet:
    """A plan with its proofs, and every definition it would take away: the record keeps them whole."""

    stack: Stack
    plan: DropPlan

    def __str__(self) -> str:
        return f"{self.stack}\n\nDefinitions:\n\n" + ";\n\n".join(self.plan.ddl) + ";"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        ddl = escape(";\n\n".join(self.plan.ddl) + ";")
        style = "font-size:12px;white-space:pre-wrap"
        title = f"The full definitions of {escape(self.plan.schema)}: {len(self.plan.ddl)} statements"
        details = f'<details><summary>{title}</summary><pre style="{style}">{ddl}</pre></details>'
        return {"text/plain": str(self), "text/html": self.stack.html() + details}


def plan_sheet(audit: Audit, plan: DropPlan | None, *, approve: str) -> Stack | PlanSheet:
    """Show what would be dropped, every proof, and how to approve exactly that."""
    if plan is None:
        names = ", ".join(candidates(audit))
        return Stack(
            headline="No schema is chosen, so there is nothing to plan.",
            closing=f"To see the plan for one, set `drop`. These may go once proved: {names}." if names else "",
        )
    proofs = Table(
        title="Proofs",
        columns=("what must be so", "", "evidence"),
        rows=tuple((proof.name, "proved" if proof.holds else "NOT proved", proof.text) for proof in plan.proofs),
        marks={index: "good" if proof.holds else "bad" for index, proof in enumerate(plan.proofs)},
    )
    goes = Table(
        title="What would go",
        columns=("", ""),
        rows=(
            ("of the cluster", plan.server.replace(" ", "\n")),
            ("schema", plan.schema),
            ("tables", f"{len(plan.tables)}, {len(plan.filled)} of them with rows"),
            ("views, routines, triggers, events", ", ".join((*plan.views, *plan.code)) or "none"),
            ("how it comes back", plan.way_back),
            ("plan id", plan.id),
        ),
    )
    statements = Table(
        title="The statements, in order",
        columns=("", "statement"),
        rows=tuple((number, _short(text)) for number, text in enumerate(plan.statements, 1)),
    )
    stack = Stack(
        headline=f"Plan {plan.id}: drop `{plan.schema}`" + (", refused" if plan.refused else ""),
        tables=(goes, proofs, statements),
        closing=_how_to_go_on(plan, approve),
    )
    return PlanSheet(stack=stack, plan=plan)


def _short(statement: str) -> str:
    return statement if len(statement) < 300 else f"{statement[:280]} … ({statement.count(',') + 1} tables)"


def _how_to_go_on(plan: DropPlan, approve: str) -> str:
    if plan.refused:
        return f"Refused: {plan.refused} An approval would change nothing."
    return how_to_go_on(plan.id, approve, given=f'drop="{plan.schema}" and approve="{plan.id}"')


def dropped_sheet(dropped: Dropped) -> Stack:
    """Show what was dropped, or that nothing was."""
    if not dropped.done or dropped.plan is None:
        return Stack(headline="Nothing was changed: no plan is approved.")
    plan = dropped.plan
    return Stack(
        headline=f"Dropped `{plan.schema}` with {len(plan.tables)} tables, by plan {dropped.approved_id}",
        closing=plan.way_back,
    )


def verified_sheet(verified: DropVerification | None) -> Stack:
    """Show whether the schema is gone and everything else is still there."""
    if verified is None:
        return Stack(headline="Nothing to verify: nothing was changed.")
    if verified.holds:
        return Stack(headline="Looked again: the schema is gone, and every other table is still there.")
    lost = ", ".join(verified.others_changed[:20])
    said = "The schema is gone" if verified.gone else "The schema is STILL there"
    return Stack(headline=said + (f"; no longer there, though not planned: {lost}" if lost else ""))
