"""Show a copy back: its plan with every statement, what was done, and how it is undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from runbook_lib.bringback.copy import (
    CONFLICTS,
    DEFINITIONS,
    ROW_RULES,
    CopiedBack,
    CopyBackPlan,
    CopyUndone,
    CopyUndoPlan,
    CopyVerification,
)
from runbook_lib.bringback.copy.plan import TablePlan
from runbook_lib.bringback.copy.remaining import Remaining
from runbook_lib.bringback.copy.transport.ways import WAYS
from runbook_lib.bringback.copy.undo import undo_statements
from runbook_lib.checks import Check
from runbook_lib.display.approval import how_to_go_on
from runbook_lib.display.checks import checks_table
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.times import duration_text

SHOWN_TABLES = 60
_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def copy_plan_sheet(plan: CopyBackPlan, *, approve: str, checks: Sequence[Check] = ()) -> Stack:
    """Show everything the plan would do to the source, and how to approve exactly that."""
    travelling = sum(table.rows for table in plan.tables)
    facts: list[tuple[str, str]] = [
        ("from", plan.restored),
        ("to", plan.damaged),
        ("tables swapped together", f"{len(plan.tables):,}, with about {travelling:,} rows"),
        ("will take", f"about {duration_text(timedelta(seconds=plan.seconds))} of copying, at 6 MB a second"),
        ("the application waits", "for the swap only: seconds, or as long as merging rows takes"),
        ("room needed at the source", f"{_size(plan.bytes)} beside what is there, until the dated schemas are dropped"),
        ("the damaged tables stay in", ", ".join(plan.dated_schemas.values()) or "— (the source has lost them all)"),
        ("conflicting rows", CONFLICTS[plan.conflicts]),
        ("what comes along", plan.along or "nothing but the tables"),
        ("views, routines, events that changed", DEFINITIONS[plan.definitions]),
        ("writes during the swap", _guarantee(plan)),
        ("undone by", "a plan of its own, whose statements are in the record before the swap"),
        ("plan id", plan.id),
    ]
    if plan.resumes:
        facts.insert(-1, ("mind", "an earlier run of this plan was not finished; this one goes on where it stopped"))
    tables = [
        Table(title="What the plan is", columns=("", ""), rows=tuple(facts)),
        _tables(plan),
        _meanings(plan),
        *([checks_table(checks)] if checks else []),
        *([_notes(plan)] if plan.notes or plan.objects or plan.grants or plan.shut else []),
        _statements("Every statement that changes the source, in order", plan.statements),
        _statements("What undoes the swap", undo_statements(plan)),
    ]
    return Stack(
        headline=f"Plan {plan.id}: copy {len(plan.tables)} tables back, nothing changed yet",
        tables=tuple(tables),
        closing=_approval(plan.id, approve),
    )


def copied_sheet(copied: CopiedBack) -> Stack:
    """Show what was done of a plan, and what became of the source's own rows."""
    if not copied.done:
        return Stack(headline="Nothing was copied back: no approval was given")
    tables = [
        Table(
            title="How long each step took",
            columns=("step", "seconds"),
            rows=tuple((phase.name, round(phase.seconds, 1)) for phase in copied.phases),
        )
    ]
    if copied.merged:
        rows = tuple(
            (
                merge.table,
                merge.rule,
                merge.kept,
                merge.updated,
                merge.dropped,
                merge.conflicts,
                merge.side,
                "\n".join(merge.listed),
            )
            for merge in copied.merged
        )
        tables.append(
            Table(
                title="What became of the source's rows",
                columns=("table", "rule", "kept", "updated", "gave way", "conflicts", "decided for", "their keys"),
                rows=rows,
                marks={index: "warn" for index, merge in enumerate(copied.merged) if merge.conflicts},
            )
        )
    if copied.problems:
        lines = tuple((line,) for line in copied.problems)
        tables.append(
            Table(title="What could not be made again", columns=("",), rows=lines, marks=dict.fromkeys(range(9), "bad"))
        )
    tables += _remaining("Rows that only the dated schemas hold now", copied.left)
    tables.append(_statements("What undoes the swap", copied.undo))
    return Stack(
        headline=f"{copied.copied_rows:,} rows copied and {len(copied.plan.tables)} tables swapped in one statement",
        tables=tuple(tables),
        closing=f"The damaged tables stay in {', '.join(copied.plan.dated_schemas.values())} until you drop them."
        if copied.plan.dated_schemas
        else "",
    )


def copy_verified_sheet(verified: CopyVerification | None) -> Stack:
    """Show whether the source holds what was planned."""
    if verified is None:
        return Stack(headline="Nothing was applied, so there is nothing to verify")
    wrong = tuple((line,) for line in (*verified.wrong, *(f"{title} is not there" for title in verified.lacking)))
    same = len(verified.proof.tables) - len(verified.wrong)
    return Stack(
        headline=f"{same} of {len(verified.proof.tables)} tables are as planned, proved row by row",
        tables=(Table(title="What is not as planned", columns=("",), rows=wrong),) if wrong else (),
        closing="" if verified.holds else "Look at these before anybody works on; the undo above is still possible.",
    )


def copy_undo_sheet(plan: CopyUndoPlan, *, approve: str, undone: CopyUndone | None = None) -> Stack:
    """Show the undo of a copy back, and whether it was done."""
    kept = ", ".join(plan.kept_in)
    table = _statements("Every statement of the undo, in order", plan.statements)
    if undone and undone.done:
        problems = tuple((line,) for line in undone.problems)
        return Stack(
            headline=f"Undone: the source's tables are those of before plan {plan.of}",
            tables=(
                *_remaining("Rows written since the swap: they stay with the tables brought back", undone.left),
                *([Table(title="What could not be made as it was", columns=("",), rows=problems)] if problems else []),
                table,
            ),
        )
    return Stack(
        headline=f"Undo {plan.id} of plan {plan.of}: {len(plan.undoes.tables)} tables, nothing changed yet",
        tables=(table,),
        closing=f"What was brought back, and what was written to it since, stays in {kept}. "
        + _approval(plan.id, approve),
    )


def _remaining(title: str, left: Sequence[Remaining]) -> list[Table]:
    """Show where rows stay, how many, and the statement that shows them."""
    if not left:
        return []
    rows = tuple((rename.table, rename.kept_in, _counted(rename), rename.statement) for rename in left)
    return [Table(title=title, columns=("table", "they are in", "rows", "shown by"), rows=rows)]


def _counted(rest: Remaining) -> str:
    if rest.rows is None:
        return "not counted: too many" if rest.exact else "not known: the copy was not there to tell"
    return f"{rest.rows:,}" if rest.exact else f"about {rest.rows:,}; more are shown"


def _guarantee(plan: CopyBackPlan) -> str:
    if plan.locked_rename:
        return "wait under LOCK TABLES from the last look at the rows until the triggers stand; none is lost"
    return (
        "wait for the locks; MariaDB lets these go right before the RENAME, so statements that have waited may come in "
        "between, on the old tables and without their triggers: what they wrote stays in the dated schema and is listed"
    )


def _tables(plan: CopyBackPlan) -> Table:
    shown = plan.tables[:SHOWN_TABLES]
    return Table(
        title="The tables, swapped in one statement",
        columns=("table", "is", "rows from", "rule for the source's rows", "rows, about", "size", "way", "mind"),
        rows=tuple(
            (
                str(table.name),
                table.verdict,
                table.rows_from,
                _rule(table),
                table.rows,
                _size(table.bytes),
                table.way,
                "\n".join(table.notes),
            )
            for table in shown
        ),
        left_out=len(plan.tables) - len(shown),
    )


def _rule(table: TablePlan) -> str:
    if table.rows_from == "damaged":
        return "all stay"
    if table.dated is None:
        return "— (the table is lost)"
    return f"{table.rule} by {table.newer_by}" if table.newer_by else table.rule


def _meanings(plan: CopyBackPlan) -> Table:
    ways = {(f"way {table.way}", f"{WAYS[table.way]} ({table.why})") for table in plan.tables}
    rules = tuple((f"rule {rule}", meaning) for rule, meaning in ROW_RULES.items())
    decided = tuple((f"conflicts: {side or 'not decided'}", meaning) for side, meaning in CONFLICTS.items())
    return Table(title="What the choices mean", columns=("", ""), rows=(*rules, *decided, *sorted(ways)))


def _notes(plan: CopyBackPlan) -> Table:
    made = tuple(("made again", found.title) for found in plan.objects)
    given = tuple(("given again", grant.statement) for grant in plan.grants)
    shut = tuple(("kept out as before", closed.statement) for closed in plan.shut)
    minded = tuple(("mind", note) for note in plan.notes)
    return Table(title="Around the tables", columns=("", ""), rows=(*made, *given, *shut, *minded))


def _statements(title: str, statements: Sequence[str]) -> Table:
    return Table(title=title, columns=("", "statement"), rows=tuple(enumerate(statements, 1)))


def _approval(plan_id: str, approve: str) -> str:
    return how_to_go_on(plan_id, approve, given=f'approve="{plan_id}"', cell="the apply cell")


def _size(size: int) -> str:
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} B"
