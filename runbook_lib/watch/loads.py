"""Whether a load ran, in time and well: against its own schedule where Glue knows one, and against its own past."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.looking import Seen
from runbook_lib.timeline.values import GlueRun
from runbook_lib.times import ago, duration_text

if TYPE_CHECKING:
    from runbook_lib.watch.facts import Load

GRACE = timedelta(hours=1)  # a queue, a slow start
EARLY = timedelta(minutes=10)  # two clocks
_LATE = 1.1  # times the usual distance between two runs
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def judge_loads(subject: str, loads: Seen[Load], *, now: datetime) -> Check:
    """Decide on all jobs that load: the worst of them is told."""
    hint = "The log of the job tells why. If it wiped something, inspect_backups finds the second."
    if loads.why_not:
        return unknown(
            subject, f"Runs of the load {loads.why_not}".rstrip("."), "Allow glue:GetJobRuns and glue:ListJobs."
        )
    if not loads:
        said = "There is no Glue job."
        return warn(subject, said, "If the load runs elsewhere, leave this check out with `leave_out`.")
    found = [_of_job(load, now=now) for load in loads]
    worst = {state: [said for kind, said in found if kind == state] for state in ("bad", "unknown", "warn", "ok")}
    if worst["bad"]:
        return bad(subject, " ".join(worst["bad"]), hint)
    if worst["unknown"]:
        return unknown(subject, " ".join(worst["unknown"]).rstrip("."), "Allow glue:GetTriggers.")
    return warn(subject, " ".join(worst["warn"]), hint) if worst["warn"] else ok(subject, " ".join(worst["ok"]))


def _of_job(load: Load, *, now: datetime) -> tuple[str, str]:
    if load.missing:
        return "bad", f"There is no Glue job {load.job}."
    runs = sorted(load.runs, key=lambda run: run.started)
    last = runs[-1] if runs else None
    if last and last.failed:
        why = f": {last.error[:200]}" if last.error else ""
        return "bad", f"{load.job} ended {last.state}, {ago(last.completed or last.started, now=now)}{why}."
    if last and last.completed is None and (slow := _too_long(last, runs, now=now)):
        return "bad", f"{load.job} has run for {duration_text(now - last.started)}; {slow}."
    due, by = _due(load, runs, now=now)
    if due and now - due > GRACE and (last is None or last.started < due - EARLY):
        when = f"its last run began {ago(last.started, now=now)}" if last else "it has not run at all"
        return "bad", f"{load.job} was due {ago(due, now=now)} ({by}); {when}."
    if due is None and load.triggers.why_not:
        return "unknown", f"When {load.job} is due {load.triggers.why_not}."
    if due is None:
        return "warn", f"When {load.job} is due nobody can tell: no schedule, and {len(runs)} runs in three weeks."
    if last is None:
        return "ok", f"{load.job} is not due yet."
    state = last.state.lower() if last.completed else f"is {last.state.lower()}"
    return "ok", f"{load.job} began {ago(last.started, now=now)} and {state}."


def _too_long(last: GlueRun, runs: Sequence[GlueRun], *, now: datetime) -> str:
    took = [run.completed - run.started for run in runs if run.completed and not run.failed]
    if took and now - last.started > 2 * max(took) + GRACE:
        return f"the longest of {len(took)} took {duration_text(max(took))}"
    return ""


def _due(load: Load, runs: Sequence[GlueRun], *, now: datetime) -> tuple[datetime | None, str]:
    """Return when it should last have begun, and who says so: an active schedule, else its own past."""
    schedules = [
        str(trigger.get("Schedule") or "")
        for trigger in load.triggers
        if trigger.get("Type") == "SCHEDULED" and trigger.get("State") in ("ACTIVATED", "ACTIVATING")
    ]
    moments = [moment for text in schedules if (moment := last_due(text, now=now - GRACE))]
    if moments:
        return max(moments), "by its schedule"
    gaps = [after.started - before.started for before, after in pairwise(runs)]
    if len(gaps) < 2:
        return None, ""
    usual = sorted(gaps)[-2]  # weekends are waited for, one night that failed is not
    due = runs[-1].started + usual * _LATE
    return (due if now > due else runs[-1].started), f"it is never longer than {duration_text(usual)} away"


def last_due(schedule: str, *, now: datetime) -> datetime | None:
    """Return the last moment before `now` at which an AWS schedule fires; None for one that is not understood.

    Of `cron(minutes hours day-of-month month day-of-week year)` lists, ranges and steps are known, not L, W and #.
    Source: AWS Glue Developer Guide, "Time-based schedules for jobs and crawlers"; times are UTC.
    """
    found = re.fullmatch(r"cron\((.+)\)", schedule.strip())
    parts = found[1].split() if found else []
    if len(parts) != 6:
        return None
    try:
        minutes, hours, days, months, weekdays, years = (
            _field(part, limits, names)
            for part, limits, names in zip(parts, _FIELDS, ((), (), (), _MONTHS, _DAYS, ()), strict=True)
        )
    except ValueError:
        return None
    now = now.astimezone(UTC)
    for back in range(400):
        day = (now - timedelta(days=back)).date()
        if day.month not in months or day.year not in years:
            continue
        if day.day not in days or day.isoweekday() % 7 + 1 not in weekdays:
            continue
        moments = (datetime(day.year, day.month, day.day, h, m, tzinfo=UTC) for h in hours for m in minutes)
        if before := [moment for moment in moments if moment <= now]:
            return max(before)
    return None


def _field(text: str, limits: tuple[int, int], names: Sequence[str]) -> set[int]:
    """Return the values of one part of a schedule. Raises ValueError for what is not understood."""
    found: set[int] = set()
    for part in text.upper().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            start, end = limits
        else:
            start = _number(first, names)
            end = _number(last, names) if last else limits[1] if step else start
        if not limits[0] <= start <= end <= limits[1]:
            raise ValueError(part)
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def _number(text: str, names: Iterable[Any]) -> int:
    known = [*names]
    return known.index(text) + 1 if text in known else int(text)
