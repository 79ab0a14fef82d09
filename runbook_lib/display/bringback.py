"""Show a bring-back: the two clusters, the two ways side by side, and what came of the chosen one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runbook_lib.bringback.bring_back import Done, Proposed, Verified
from runbook_lib.bringback.copy import CopiedBack, CopyUndoPlan
from runbook_lib.bringback.cutover import CutOver, Pairing
from runbook_lib.bringback.cutover.plan import CutOverPlan
from runbook_lib.display.approval import approval_sheet
from runbook_lib.display.bringback_copy import FOLDED, copied_sheet, copy_plan_sheet, copy_undo_sheet
from runbook_lib.display.bringback_cutover import HOW_LONG, cut_over_sheet, cutover_plan_sheet, cutover_verified_sheet
from runbook_lib.display.checks import checks_table
from runbook_lib.display.figure import Figure
from runbook_lib.display.proof import proof_sheet
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.proof import Proof
from runbook_lib.times import duration_text, full_text, parse_timestamp

_STATES = {
    "apart": "nothing of it has been cut over",
    "cutting over": "a cut-over has BEGUN and is not finished: run it again with its approval, or undo it",
    "cut over": "the copy has the name, the damaged cluster is set aside",
    "undoing": "an undo has BEGUN and is not finished: run it again with its approval",
}


def pairing_table(pairing: Pairing, *, zone: ZoneInfo, now: datetime) -> Table:
    """Show the damaged cluster and the copy: which is which, what it holds, where it answers."""
    copy = pairing.copy
    text = copy.tags.get("recovery:moment", "")
    moment = parse_timestamp(text, now=now).moment if text else None
    held = full_text(moment, zone=zone, now=now) if moment else "no run of ours restored it"
    rows = (
        ("the name that applications connect to", pairing.name, pairing.name),
        ("is called now", pairing.source.identifier, copy.identifier),
        ("holds", "the damage, and what was written since", held),
        ("status", pairing.source.status, copy.status),
        ("instances", *(_members(members) for members in (pairing.source_instances, pairing.copy_instances))),
        ("answers at", str(pairing.source.endpoint), str(copy.endpoint)),
        ("resource id", pairing.source.resource_id, copy.resource_id),
    )
    mark = {} if pairing.state in ("apart", "cut over") else {1: "bad"}
    note = f"State: {_STATES[pairing.state]}."
    return Table(title="The two clusters", columns=("", "damaged", "copy"), rows=rows[1:], marks=mark, note=note)


def _members(members: Any) -> str:
    return "\n".join(f"{member.identifier} ({member.instance_class})" for member in members)


def ways_table(pairing: Pairing, proof: Proof, *, chosen: str) -> Table:
    """Show both ways side by side: what they take, what is lost, how they are undone."""
    damaged = [table for table in proof.tables if table.pair.expected in proof.damaged]
    rows = sum(table.expected_rows or 0 for table in damaged)
    newer = sum(table.extra for table in proof.tables)
    new_tables = sum(1 for table in proof.tables if table.extra)
    since = f"{newer:,} rows in {new_tables} tables are only in the damaged cluster"
    restarts = len(pairing.source_instances) + len(pairing.copy_instances)
    found = (
        ("moves", f"{len(damaged)} damaged tables, {rows:,} rows, and what foreign keys tie to them", "every name"),
        (
            "time",
            "copying and proving beside the damaged tables; the plan estimates it",
            f"{restarts} instances restart under new names, then two renames. {HOW_LONG}",
        ),
        (
            "downtime",
            "one RENAME TABLE: statements on those tables wait for a moment",
            "nobody can connect between the two renames; connections must be made anew",
        ),
        (
            "rows written since",
            f"{since}: per table replaced, kept, or the newer wins, as you choose",
            f"{since}: out of service, kept in the damaged cluster",
        ),
        (
            "stays as it is",
            "endpoint, passwords, instances, backups, everything outside these tables",
            "nothing: all schemas go back to that second, passwords too; proxies, roles and Terraform must be told",
        ),
        (
            "undo",
            "one RENAME TABLE back: the damaged tables are kept in a dated schema",
            "every name back, as one approved plan: the damaged cluster is kept",
        ),
        ("choose it when", "few tables are damaged, or much was written since", "most is damaged, or the server is"),
    )
    note = f'Chosen: way="{chosen}".' if chosen != "compare" else 'Nothing is chosen: set way to "copy" or "cutover".'
    columns = ("", 'way="copy": copy tables back', 'way="cutover": the copy takes the name')
    return Table(title="Which way?", columns=columns, rows=found, note=note)


def plan_sheet(proposed: Proposed) -> Stack:
    """Show the plan of the chosen way, whichever it is."""
    plan = proposed.plan
    if plan is None:
        return Stack(headline='Nothing is planned: way="compare" only looks.')
    if isinstance(plan, CutOverPlan):
        return cutover_plan_sheet(plan)
    if isinstance(plan, CopyUndoPlan):
        return copy_undo_sheet(plan)
    return copy_plan_sheet(plan)


def checks_sheet(proposed: Proposed, *, approve: str) -> Stack:
    """Show every check of the plan, and below them how to approve exactly that plan."""
    if proposed.plan is None:
        return Stack(headline="No checks: nothing is planned that needs one.")
    if isinstance(proposed.plan, CutOverPlan) and not proposed.plan.calls:
        return Stack(headline="No checks: nothing is left to do.")
    shown = (
        checks_table(proposed.checks, before="the change")
        if proposed.checks
        else Stack(headline="No checks are needed: the undo moves tables that are kept, and changes no row.")
    )
    given = f'cluster="{proposed.pairing.name}" and approve="{proposed.id}"'
    return approval_sheet(shown, proposed.id, approve=approve, given=given, closed=proposed.stops)


def applied_sheet(done: Done | None) -> Stack | Table:
    """Show what was done; or that nothing was."""
    if done is None or not done.done:
        return Stack(headline="Nothing was changed: no plan is approved.")
    if isinstance(done, CutOver):
        return cut_over_sheet(done)
    if isinstance(done, CopiedBack):
        return copied_sheet(done)
    return copy_undo_sheet(done.plan, undone=done)


def verified_sheet(found: Verified | None) -> Stack:
    """Show what holds afterwards, who has which name, and the second proof."""
    if found is None:
        return Stack(headline="Nothing to verify: nothing was applied.")
    parts: list[Table | Figure | Stack] = [*cutover_verified_sheet(found.names).tables] if found.names else []
    if found.wrong:
        parts.insert(0, _lines("NOT as planned", found.wrong, mark="bad"))
    if found.moved:
        title = f"Tables of the copy that are not as they were proved before: {len(found.moved)}"
        note = "Written since it has the name, as a rule: compare with what applications do now."
        parts.append(_lines(title, [str(name) for name in found.moved], note=note))
    if found.since:
        note = "Not wrong: the server says that these tables were written to after the swap."
        parts.append(_lines("Written by applications since the swap", found.since, mark="warn", note=note))
    proof = found.proof
    compared = f"{len(proof.tables):,} tables compared row by row in {duration_text(timedelta(seconds=proof.seconds))}"
    said = "Everything is as planned" if found.holds else f"{len(found.wrong)} things are NOT as planned"
    if found.names:
        return Stack(headline=said, tables=(*parts, *proof_sheet(proof).tables))
    return Stack(headline=f"{said}: {compared}", tables=(*parts, *_by_choice(found)))


def _by_choice(found: Verified) -> list[Table]:
    """Show where tables are not as in the copy although all is as planned: by the rule for rows, or written since."""
    differing = [table for table in found.proof.tables if table.extra or table.changed or table.missing]
    if not differing or not found.is_copied:
        return []
    return [
        Table(
            title=f"Not as in the copy, by the rule for rows or because somebody has written since: {len(differing)}",
            columns=("table", "rows added", "rows changed", "rows missing", "in columns"),
            rows=tuple(
                (str(table.pair.expected), table.extra, table.changed, table.missing, ", ".join(table.columns))
                for table in differing
            ),
            folded=len(differing) > FOLDED,
        )
    ]


def _lines(title: str, lines: Sequence[str], *, mark: str = "", note: str = "") -> Table:
    return Table(
        title=title,
        columns=("",),
        rows=tuple((line,) for line in lines),
        marks=dict.fromkeys(range(len(lines)), mark) if mark else {},
        note=note,
        folded=len(lines) > FOLDED and mark != "bad",
    )


def recovery_table(said: Mapping[str, Any] | None) -> Table | Stack:
    """Show the recovery point and time achieved, with what is not known and why."""
    if said is None:
        return Stack(headline="Nothing to measure: nothing was brought back by this run.")
    unknown = said.get("unknown") or {}
    point = said.get("lost_seconds")
    total = said.get("total_seconds")
    rows: list[tuple[str, str, str]] = [
        (
            "recovery point achieved",
            _took(point),
            f"before the damage ({said.get('damage_source') or 'not on record'})",
        ),
        ("recovery time achieved", _took(total), f"from the damage until {said.get('until') or '—'}"),
    ]
    rows += [(f"  {name}", _took(took), unknown.get(name, "")) for name, took in (said.get("steps") or {}).items()]
    return Table(title="What the recovery achieved", columns=("", "", "note"), rows=tuple(rows))


def _took(seconds: float | None) -> str:
    return "not known" if seconds is None else duration_text(timedelta(seconds=seconds))
