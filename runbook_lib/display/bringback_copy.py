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
)
from runbook_lib.bringback.copy.plan import TablePlan
from runbook_lib.bringback.copy.remaining import Remaining
from runbook_lib.bringback.copy.transport.ways import WAYS
from runbook_lib.bringback.copy.undo import undo_statements
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.times import duration_text

SHOWN_TABLES, NAMED = 200, 4
FOLDED = 12  # rows; longer lists show their title only, until a click
_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def copy_plan_sheet(plan: CopyBackPlan) -> Stack:
    """Show what the plan would do to the source: what decides first, every statement below it, folded."""
    facts: list[tuple[str, str]] = [
        ("from", plan.restored),
        ("to", plan.damaged),
        *_which(plan),
        ("rows written since", _rules(plan)),
        ("a row that both sides have", CONFLICTS[plan.conflicts]),
        ("what comes along", plan.along or "nothing but the tables"),
        ("views, routines, events that changed", DEFINITIONS[plan.definitions]),
        ("will take", f"about {duration_text(timedelta(seconds=plan.seconds))} of copying, at 6 MB a second"),
        ("the application waits", "for the swap only: seconds, or as long as merging rows takes"),
        ("room needed at the source", f"{_size(plan.bytes)} beside what is there, until the dated schemas are dropped"),
        ("the damaged tables stay in", ", ".join(plan.dated_schemas.values()) or "— (the source has lost them all)"),
        ("undone by", 'a plan of its own (way="undo copy"); its statements are in the record before the swap'),
        ("plan id", plan.id),
    ]
    if plan.resumes:
        facts.insert(-1, ("mind", "an earlier run of this plan was not finished; this one goes on where it stopped"))
    tables = [
        Table(title="What the plan is", columns=("", ""), rows=tuple(facts)),
        _tables(plan),
        *([_notes(plan)] if plan.notes or plan.objects or plan.grants or plan.shut else []),
        _meanings(plan),
        _statements("Every statement that changes the source, in order", plan.statements),
        _statements("What undoes the swap", undo_statements(plan)),
    ]
    return Stack(
        headline=f"Plan {plan.id}: copy {len(plan.tables)} tables back, nothing changed yet", tables=tuple(tables)
    )


def _which(plan: CopyBackPlan) -> list[tuple[str, str]]:
    """Say which tables are brought back by choice, and which because foreign keys tie them to these."""
    brought = [table for table in plan.tables if table.rows_from == "restored"]
    along = [table for table in plan.tables if table.rows_from == "damaged"]
    named = {*plan.choices.tables} if plan.choices else set()
    chosen = [t for t in brought if not named or named & {str(t.name), t.name.sql, t.name.schema}]
    tied = [table for table in brought if table not in chosen]
    found = [("tables brought back", _counted_rows(chosen))]
    if tied:
        found.append(("lost tables that foreign keys tie to them: they come back too", _counted_rows(tied)))
    if along:
        text = f"{len(along):,}, their rows stay: {_names(along)}"
        found.append(("tables that foreign keys tie to them", text))
    return found


def _counted_rows(tables: Sequence[TablePlan]) -> str:
    return f"{len(tables):,}, about {sum(table.rows for table in tables):,} rows: {_names(tables)}"


def _names(tables: Sequence[TablePlan]) -> str:
    listed = ", ".join(str(table.name) for table in tables[:NAMED])
    return listed + (f" and {len(tables) - NAMED} more, listed below" if len(tables) > NAMED else "")


def _rules(plan: CopyBackPlan) -> str:
    """Say the rule for rows, and which tables have another one."""
    rules: dict[str, list[TablePlan]] = {}
    for table in plan.tables:
        if table.rows_from == "restored" and table.dated is not None:
            rules.setdefault(_rule(table), []).append(table)
    if len(rules) < 2:
        return next(iter(rules), "there are none: the source has lost the tables")
    return "\n".join(f"{rule}: {_names(tables)}" for rule, tables in rules.items())


def copied_sheet(copied: CopiedBack) -> Stack:
    """Show what was done of a plan, and what became of the source's own rows."""
    if not copied.done:
        return Stack(headline="Nothing was copied back: no approval was given")
    took = tuple((phase.name, round(phase.seconds, 1)) for phase in copied.phases)
    tables = [Table(title="How long each step took", columns=("step", "seconds"), rows=took)] if took else []
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
    tables += _remaining("Rows that only the dated schemas hold now", [row for row in copied.left if not row.came_back])
    title = "Rows deleted while the tables changed places: they are in the tables again"
    tables += _remaining(title, [row for row in copied.left if row.came_back])
    tables.append(_statements("What undoes the swap", copied.undo))
    did = f"{copied.copied_rows:,} rows copied and {len(copied.plan.tables)} tables swapped in one statement"
    return Stack(
        headline=did if took else f"This plan was applied before: {did} then. Nothing was done a second time",
        tables=tuple(tables),
        closing=f"The damaged tables stay in {', '.join(copied.plan.dated_schemas.values())} until you drop them."
        if copied.plan.dated_schemas
        else "",
    )


def copy_undo_sheet(plan: CopyUndoPlan, *, undone: CopyUndone | None = None) -> Stack:
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
        closing=f"What was brought back, and what was written to it since, stays in {kept}.",
    )


def _remaining(title: str, left: Sequence[Remaining]) -> list[Table]:
    """Show where rows stay, how many, and the statement that shows them."""
    if not left:
        return []
    rows = tuple((rest.table, rest.kept_in, _counted(rest), rest.statement) for rest in left)
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
        title=f"The tables, swapped in one statement: {len(plan.tables)}",
        folded=len(shown) > FOLDED,
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
    rows = (*rules, *decided, ("writes during the swap", _guarantee(plan)), *sorted(ways))
    return Table(title="What the choices mean", columns=("", ""), rows=rows, folded=True)


def _notes(plan: CopyBackPlan) -> Table:
    made = tuple(("made again", found.title) for found in plan.objects)
    given = tuple(("given again", grant.statement) for grant in plan.grants)
    shut = tuple(("kept out as before", closed.statement) for closed in plan.shut)
    minded = tuple(("mind", note) for note in plan.notes)
    rows = (*made, *given, *shut, *minded)
    return Table(title=f"Around the tables: {len(rows)}", columns=("", ""), rows=rows, folded=len(rows) > FOLDED)


def _statements(title: str, statements: Sequence[str]) -> Table:
    rows = tuple(enumerate(statements, 1))
    return Table(title=f"{title}: {len(rows)}", columns=("", "statement"), rows=rows, folded=True)


def _size(size: int) -> str:
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} B"
