"""Show a restore: its plan, what was done, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runbook_lib.checks import Check
from runbook_lib.costs.copies import CopyCost
from runbook_lib.display.approval import approval_sheet, phases_table
from runbook_lib.display.checks import checks_table
from runbook_lib.display.proof import headline, word
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.restore import Applied, RestorePlan, Verification
from runbook_lib.restore.compare import unread_of
from runbook_lib.restore.read_back import Compared, ReadBack
from runbook_lib.restore.verify import SOURCE_GONE
from runbook_lib.times import duration_text, full_text, iso

_LISTED = 8
_HOW = {
    "sent": "sent",
    "after": "after",
    "by hand": "BY HAND",
}


def plan_sheet(
    plan: RestorePlan,
    *,
    zone: ZoneInfo,
    now: datetime,
    cost: CopyCost,
    past: Sequence[timedelta] = (),
) -> Stack:
    """Show everything the plan would do: what decides first, the calls and settings below it, folded.

    `past` are the durations of earlier restores of this cluster; `cost` is what the copy costs a day.
    """
    facts = [
        ("restores", f"{plan.source} as it was at {full_text(plan.moment, zone=zone, now=now)}"),
        ("from", plan.origin),
        ("into a new cluster", plan.target),
        ("for", _purpose(plan)),
        ("the source", "stays as it is: no call below names it as its target"),
        ("will take", _estimate(past)),
        ("costs", cost.text),
        ("plan id", plan.id),
    ]
    if plan.note:
        facts.insert(-1, ("mind", plan.note))
    return Stack(
        headline=f"Plan {plan.id}: {len(plan.calls)} AWS calls, none of them made yet",
        tables=(
            Table(title="What the plan is", columns=("", ""), rows=tuple(facts)),
            *_by_hand(plan),
            calls_table(plan),
            _settings_table(plan),
        ),
    )


def checks_sheet(plan: RestorePlan, checks: Sequence[Check], *, approve: str) -> Stack:
    """Show every check of a plan, and below them how to approve exactly that plan."""
    given = f'timestamp="{iso(plan.moment)}" and approve="{plan.id}"'
    return approval_sheet(checks_table(checks), plan.id, approve=approve, given=given, closed=stops(checks))


def stops(checks: Sequence[Check]) -> str:
    """Say which checks speak against a plan, so that it cannot be approved; empty while none does."""
    found = ", ".join(check.subject for check in checks if check.state == "bad")
    return f"STOP: {found}. Do what is said beside it, and make the plan again." if found else ""


def _by_hand(plan: RestorePlan) -> tuple[Table, ...]:
    """Show what is not carried over; nothing where everything is."""
    rows = tuple((setting.name, setting.value, setting.note) for setting in plan.settings if setting.how == "by hand")
    title = f"Not carried over, to be done by hand: {len(rows)}"
    return (Table(title=title, columns=("setting", "value", "note"), rows=rows),) if rows else ()


def _purpose(plan: RestorePlan) -> str:
    if plan.expires_after:
        days = duration_text(plan.expires_after)
        return f"looking and taking data from (copy): kept cheap, tagged to be deleted after {days}"
    return "taking the source's place (cutover): every instance and setting as at the source"


def _estimate(past: Sequence[timedelta]) -> str:
    if not past:
        return "not known: there is no record of an earlier restore of this cluster (AWS says minutes to hours)"
    if len(past) == 1:
        return f"{duration_text(past[0])}, as the one earlier restore on record"
    return f"{duration_text(min(past))} to {duration_text(max(past))}, as {len(past)} earlier restores on record"


def calls_table(plan: RestorePlan) -> Table:
    """Show the AWS calls of a plan, folded."""
    rows = tuple(
        (number, call.operation, call.why, request_text(call.request)) for number, call in enumerate(plan.calls, 1)
    )
    note = "Tags of the run, the incident and the plan are added to everything that is made."
    title, columns = f"The AWS calls, in order: {len(rows)}", ("", "call", "why", "with")
    return Table(title=title, columns=columns, rows=rows, note=note, folded=True)


def request_text(request: Mapping[str, Any]) -> str:
    """Write a request line by line, in AWS's own names, without its tags."""
    return "\n".join(f"{name}: {_value_text(value)}" for name, value in request.items() if name != "Tags")


def _value_text(value: Any) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list, tuple)) else str(value)


def _settings_table(plan: RestorePlan) -> Table:
    rows, marks = [], {}
    for index, setting in enumerate(plan.settings):
        rows.append((_HOW[setting.how], setting.name, setting.value, setting.note))
        if setting.how == "by hand":
            marks[index] = "warn"
    title = "What becomes of the source's settings"
    note = "sent: with the restore call. after: applied once the copy is there. BY HAND: not carried over."
    columns = ("", "setting", "value", "note")
    return Table(title=title, columns=columns, rows=tuple(rows), marks=marks, note=note, folded=True)


def applied_sheet(applied: Applied) -> Stack | Table:
    """Show what was done, phase by phase; or that nothing was."""
    if not applied.done:
        return Stack(headline="Nothing was changed: the plan above is not approved.")
    adopted = f"Found again from an earlier run: {', '.join(applied.adopted)}." if applied.adopted else ""
    return phases_table(applied.approved_id, applied.phases, note=adopted)


def restore_result(
    applied: Applied,
    verified: Verification | None,
    *,
    asked: datetime | None,
    approved_by: str = "",
    compared: ReadBack | None = None,
) -> Result:
    """Sum the run up from what was done and re-read. Without an application it is a plan, and says how to go on.

    With a setting in `compared` that differs although it should not, the check has failed.
    """
    plan = applied.plan
    if not applied.done or verified is None:
        return Result(
            notebook="restore_to_timestamp",
            outcome="planned",
            headline=f"{plan.source} can be restored to {iso(plan.moment)}",
            cluster=plan.source,
            plan_id=plan.id,
            next=(f'Approve it: run again with timestamp="{iso(plan.moment)}" and approve="{plan.id}".',),
        )
    assert applied.began is not None
    took = verified.finished - applied.began
    red = compared.of("differs") if compared else ()
    held = f"{plan.target} was restored from {plan.source} to {iso(plan.moment)}"
    lacking = _not_proved(verified)
    wrong = [lacking] if lacking else []
    wrong += [f"{len(red)} of its settings differ"] if red else []
    return Result(
        notebook="restore_to_timestamp",
        outcome="check-failed" if wrong else "succeeded",
        headline=f"{held}, but {' and '.join(wrong)}" if wrong else held,
        cluster=plan.source,
        plan_id=plan.id,
        approved_by=approved_by,
        changed=applied.changed,
        recovery={
            "asked": iso(asked or plan.moment),
            "recovery_point": iso(plan.moment),
            "recovery_seconds": round(took.total_seconds(), 1),
            "began": iso(applied.began),
            "finished": iso(verified.finished),
            "phases": {phase.name: round(phase.seconds, 1) for phase in applied.phases},
        },
        facts={
            "endpoint": str(verified.cluster.endpoint),
            "restored": f"{len(verified.copy.rows)} tables, {sum(verified.copy.rows.values()):,} rows",
            "took": duration_text(took),
            "proof": _proof_text(verified),
            **_proved_facts(verified),
            **({"settings": _settings_text(compared)} if compared else {}),
        },
        next=(*(f"Set right by hand: {_red_text(row)}." for row in red), *_after_restore(plan, verified)),
    )


def _proof_text(verified: Verification) -> str:
    if verified.proof is None:
        return f"not made: {verified.source_trouble}"
    return f"{verified.proof.verdict}: {headline(verified.proof)}"


def _not_proved(verified: Verification) -> str:
    """Say what was not proved, or nothing."""
    if verified.proof is None:
        gone = verified.source_trouble == SOURCE_GONE  # then there is nothing to prove it against
        return "" if gone else "the source could not be read, so nothing is proved"
    count = len(unread_of(verified.proof))
    return f"{count} table{' is' if count == 1 else 's are'} not proved" if count else ""


def _proved_facts(verified: Verification) -> dict[str, str]:
    if verified.proof is None:
        return {}
    damaged = [*map(str, verified.proof.damaged)]
    more = f" and {len(damaged) - _LISTED} more" if len(damaged) > _LISTED else ""
    words = [word(table) for table in verified.proof.tables]
    unread = unread_of(verified.proof)
    return {
        "tables of the source": ", ".join(f"{words.count(each)} {each}" for each in sorted(set(words))),
        "damaged": f"{', '.join(damaged[:_LISTED])}{more}" if damaged else "none",
        **({"not proved": "\n".join(f"{name} ({why})" for name, why in unread[:_LISTED])} if unread else {}),
    }


def _settings_text(compared: ReadBack) -> str:
    same, planned, red = (len(compared.of(verdict)) for verdict in ("same", "as planned", "differs"))
    return f"{same} as at the source, {planned} differ as planned, {red} differ"


def _red_text(row: Compared) -> str:
    return f"{row.name} of {row.what}, {row.copy} instead of {row.source} ({row.why})"


def _after_restore(plan: RestorePlan, verified: Verification) -> tuple[str, ...]:
    back = f'Bring the data back: bring_back_data with cluster="{plan.source}" and copy="{plan.target}".'
    if "SourceDbClusterResourceId" in plan.calls[0].request:  # deleted: there is nothing to bring the data back into
        own = plan.target == plan.source
        back = "Have applications connect again" + ("." if own else f", to {verified.cluster.endpoint}: it is new.")
    steps = [
        back,
        "Stop the job that did the damage before its next run.",
        f"To look at the data itself: {verified.cluster.endpoint}, with the account of {plan.source}.",
    ]
    by_hand = [setting for setting in plan.settings if setting.how == "by hand"]
    if by_hand and plan.purpose == "cutover":
        steps.append(f"Before it takes over, do by hand: {'; '.join(setting.note for setting in by_hand)}.")
    if plan.expires_after:
        days = duration_text(plan.expires_after)
        steps.append(
            f'When you have what you need: clean_up_restores with only="{plan.target}". It costs money, and is tagged '
            f"to be deleted after {days}."
        )
    return tuple(steps)
