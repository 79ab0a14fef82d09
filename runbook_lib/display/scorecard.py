"""Show the scorecard of all clusters' drills: a table, three pictures, and the page that an auditor takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from runbook_lib.costs.units import usd_text
from runbook_lib.display.figure import BLUE, GREEN, GREY, ORANGE, RED, Figure, draw
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.drills.scorecard import STATES, ClusterScore, DrillRecord, Scorecard
from runbook_lib.errors import StepFailed
from runbook_lib.times import duration_text, utc_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN, _BARS = 60, 25
_NARROW = (  # on a narrow screen and on paper lines are broken rather than cut
    "@media (max-width:1150px){td,th{white-space:pre-line!important;overflow-wrap:anywhere;min-width:0!important;"
    "padding:.2em .35em!important;font-size:11px}th,td:first-child{overflow-wrap:break-word}"
    "td[style*='text-align:right']{white-space:nowrap!important}}"  # a number is never broken
)
_MARKS = {"never drilled": "bad", "failed": "bad", "overdue": "warn", "proved": "good"}
_ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
_COLOURS = {"never drilled": RED, "failed": RED, "overdue": ORANGE, "proved": GREEN}
_HATCHES = {"never drilled": "///", "failed": "xxx", "overdue": "...", "proved": ""}
_PARTS = (  # of a recovery: what its phases are called together
    ("restore", BLUE, ("request the restore", "wait for the cluster", "apply the other settings")),
    ("instances", ORANGE, ("create the writer", "wait for the writer", "give it a password of its own")),
    ("proof", GREEN, ("wait for the first answer", "prove the copy")),
)


def headline(card: Scorecard) -> str:
    """Say how it stands in a line."""
    if card.register.why_not:
        return f"NOT known: {card.register.why_not}"
    counts = ", ".join(f"{len(found)} {state}" for state in STATES if (found := card.of(state)))
    missing = f"; {len(card.register.missing)} drills are MISSING from the records" if card.register.missing else ""
    return f"Score {card.score} of 100: {counts or 'no cluster is known'}{missing}"


def clusters_sheet(card: Scorecard) -> Stack:
    """Show every cluster, never drilled, failed and overdue ones first, and what is missing from the records."""
    rows = tuple(_row(each) for each in card.clusters[:_SHOWN])
    table = Table(
        title=f"Clusters, by what needs somebody first; a proved restore may be {duration_text(card.within)} old",
        columns=(
            "", "cluster", "days since the last proved restore", "rows proved", "recovery time", "objective, min",
            "trend", "recovery point", "drills", "proved, %", "cost, $", "objectives missed",
        ),
        rows=rows,
        marks={
            place: "warn" if each.state == "proved" and each.misses else _MARKS[each.state]
            for place, each in enumerate(card.clusters[:_SHOWN])
        },
        left_out=max(0, len(card.clusters) - _SHOWN),
        note=f"Since {utc_text(card.since)}. Trend: the last recovery time against the median of those before.",
    )  # fmt: skip
    success = card.success
    known = "no drill is on record" if success is None else f"{success:.0%} of the drills proved a restore"
    cost = f"{usd_text(card.usd)} for drills" + (f", {card.usd_not_known} not known" if card.usd_not_known else "")
    closing = f"AWS could not be asked which clusters there are: {card.why_not}." if card.why_not else ""
    return Stack(headline=f"{headline(card)}. {known}; {cost}", tables=(table, *_spoilt(card)), closing=closing)


def _row(each: ClusterScore) -> tuple[object, ...]:
    last, success = each.last_proved, each.success
    usd = [drill.usd for drill in each.drills if drill.usd is not None]
    return (
        each.state,
        each.cluster,
        "never" if each.days is None else f"{each.days:.1f}",
        last.rows_proved if last else "",
        _took(last.recovery_seconds if last else None),
        (last.recovery_time_minutes if last else None) or "",
        "" if each.trend is None else f"{each.trend:+.0%}",
        _lag(last) if last else "",
        len(each.drills),
        "" if success is None else round(100 * success),
        f"{sum(usd):.2f}" if usd else "",
        ", ".join(each.misses),
    )


def _took(seconds: float | None) -> str:
    return "" if seconds is None else duration_text(timedelta(seconds=seconds))


def _spoilt(card: Scorecard) -> tuple[Table, ...]:
    """Name drills that are missing, and records that are not as they were left."""
    missing = tuple((what,) for what in card.register.missing)
    findings = tuple((what,) for what in card.register.findings[:_SHOWN])
    more = max(0, len(card.register.findings) - _SHOWN)
    return (
        *((Table(title="Drills that the chain names and nobody can read: each counts as failed", columns=("",),
                 rows=missing, marks=dict.fromkeys(range(len(missing)), "bad")),) if missing else ()),
        *((Table(title="Records that are not as they were left", columns=("",), rows=findings, left_out=more),)
          if findings else ()),
    )  # fmt: skip


def age_figure(card: Scorecard) -> Figure:
    """Picture how old each cluster's last proved restore is, the worst first, with the promise as a line."""
    shown = card.clusters[:_BARS]
    promise = card.within / timedelta(days=1)
    longest = max([promise * 1.5, *(each.days or 0 for each in shown)])

    def paint(axes: Axes) -> None:
        for row, each in enumerate(shown):
            length = longest if each.days is None else max(each.days, longest / 200)
            colour, hatch = _COLOURS[each.state], _HATCHES[each.state]
            axes.barh(row, length, color=colour, hatch=hatch, edgecolor="white", alpha=0.85)
            said = each.state if each.days is None else f"{each.days:.0f} days, {each.state}"
            axes.text(length, row, f" {said}", va="center", fontsize=8, zorder=3, bbox=_ON_WHITE)
        axes.axvline(promise, color="black", linestyle="--", linewidth=1)
        axes.text(promise, -0.9, f"promised: {promise:.0f} days", ha="center", fontsize=8, zorder=3, bbox=_ON_WHITE)
        axes.set_yticks(range(len(shown)), [each.cluster for each in shown])
        axes.set_ylim(len(shown) - 0.4, -1.4)
        axes.set_xlim(0, longest * 1.3)
        axes.set_xlabel("days since the last proved restore")

    left = len(card.clusters) - len(shown)
    words = f"{headline(card)}." + (f" {left} more clusters are not in the picture; they are better." if left else "")
    return draw(
        paint, title="How long ago was a restore of each cluster proved?", words=words,
        height_in=1.4 + 0.24 * max(1, len(shown)),
    )  # fmt: skip


def time_figure(card: Scorecard) -> Figure:
    """Picture the recovery time of each cluster's last proved drill by its parts, with its objective."""
    proved = [each for each in card.clusters if each.last_proved and each.last_proved.recovery_seconds]
    shown = sorted(proved, key=lambda each: -(each.last_proved.recovery_seconds or 0) if each.last_proved else 0)[
        :_BARS
    ]

    drills = [drill for each in shown if (drill := each.last_proved)]

    def paint(axes: Axes) -> None:
        for row, each in enumerate(shown):
            drill = each.last_proved
            assert drill is not None
            start = 0.0
            for name, colour, seconds in _parts(drill):
                axes.barh(row, seconds / 60, left=start / 60, color=colour, label=name if row == 0 else None)
                start += seconds
            axes.text(start / 60, row, f" {_took(start)}", va="center", fontsize=8, zorder=3, bbox=_ON_WHITE)
            if drill.recovery_time_minutes:
                axes.plot([drill.recovery_time_minutes] * 2, [row - 0.45, row + 0.45], color="black", linewidth=2)
        axes.set_yticks(range(len(shown)), [each.cluster for each in shown])
        axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
        longest = [max(d.recovery_seconds or 0, (d.recovery_time_minutes or 0) * 60) for d in drills]
        axes.set_xlim(0, 1.15 * max(longest, default=60) / 60)
        axes.set_xlabel("minutes; the black line is the objective")
        if shown:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)

    missed = sum("recovery time" in each.misses for each in card.clusters)
    return draw(
        paint, title="How long does a restore take, and where?",
        words=f"{missed} of {len(proved)} clusters with a proved restore missed their recovery time.",
        height_in=1.2 + 0.24 * max(1, len(shown)),
    )  # fmt: skip


def _parts(drill: DrillRecord) -> list[tuple[str, str, float]]:
    known = {name: sum(drill.phases.get(phase, 0) for phase in phases) for name, _, phases in _PARTS}
    rest = max(0.0, (drill.recovery_seconds or 0) - sum(known.values()))
    return [*((name, colour, known[name]) for name, colour, _ in _PARTS), ("other", GREY, rest)]


def trend_figure(card: Scorecard) -> Figure:
    """Picture all drills of the period: when, how long, and whether they proved a restore."""
    drills = [drill for each in card.clusters for drill in each.drills]
    good = [drill for drill in drills if drill.proved and drill.recovery_seconds is not None]
    bad = [drill for drill in drills if not drill.proved]

    def paint(axes: Axes) -> None:
        times = [(drill.recovery_seconds or 0) / 60 for drill in good]
        held = [_days(drill.started) for drill in good]
        axes.plot(held, times, "o", color=BLUE, markersize=3, alpha=0.6, label="proved")
        failed = [_days(drill.started) for drill in bad]
        axes.plot(failed, [0] * len(bad), "x", color=RED, markersize=6, label="not proved", clip_on=False)
        months: dict[datetime, list[float]] = defaultdict(list)
        for drill, minutes in zip(good, times, strict=True):
            months[drill.started.replace(day=15, hour=0, minute=0, second=0, microsecond=0)].append(minutes)
        middles = [_days(month) for month in sorted(months)]
        medians = [median(months[month]) for month in sorted(months)]
        axes.plot(middles, medians, "-", color=ORANGE, linewidth=2, label="median of a month")
        axes.xaxis_date()
        axes.set_ylim(bottom=0, top=1.2 * max(times, default=1.0))
        axes.set_ylabel("recovery time, minutes")
        axes.set_xlabel("when the drill was held, UTC")
        if drills:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)

    words = f"{len(good)} drills proved a restore, {len(bad)} did not."
    return draw(paint, title="Do restores get slower, and do drills fail?", words=words)


def _days(moment: datetime) -> float:
    """Return a moment as what an axis of dates counts in: days since 1970."""
    return moment.timestamp() / 86_400


def audit_table(card: Scorecard) -> Table:
    """List every drill of the period for an auditor: what, when, by whom, against which objective, and the hashes."""
    drills = sorted((drill for each in card.clusters for drill in each.drills), key=lambda drill: drill.started)
    return Table(
        title=f"Every drill since {utc_text(card.since)}: {len(drills)}",
        columns=(
            "held, and second restored, UTC", "cluster", "by", "rows proved", "verdict, outcome",
            "recovery time, objective", "recovery point, objective", "record, SHA-256 of its manifest",
        ),
        rows=tuple(_audit_row(drill) for drill in drills),
        marks={place: "good" if drill.proved else "bad" for place, drill in enumerate(drills)},
        note="`runbook records verify` holds each record against its hash and its chain; a published copy under object "
        "lock shows also what was removed at the end of the chain.",
        folded=len(drills) > 30,
    )  # fmt: skip


def _audit_row(drill: DrillRecord) -> tuple[object, ...]:
    second = f"\nto {drill.second:%Y-%m-%d %H:%M:%S}" if drill.second else ""
    return (
        f"{drill.started:%Y-%m-%d %H:%M}{second}", drill.cluster, drill.person, drill.rows_proved,
        f"{drill.problem or drill.verdict}\n{drill.outcome}",
        f"{_took(drill.recovery_seconds) or 'not known'}\n{_objective(drill.recovery_time_minutes)}",
        f"{_lag(drill) or 'not known'}\n{_objective(drill.recovery_point_minutes)}",
        f"{drill.place}\n{drill.sha256}",
    )  # fmt: skip


def _objective(minutes: float | None) -> str:
    return f"of at most {duration_text(timedelta(minutes=minutes))}" if minutes else "no objective"


def _lag(drill: DrillRecord) -> str:
    """Say how far back the latest restorable second lay; two clocks may differ, and then it is none."""
    return "" if drill.lag_seconds is None else duration_text(timedelta(seconds=max(0.0, round(drill.lag_seconds))))


def page(card: Scorecard) -> str:
    """Write the auditor's page: one file of HTML with everything in it."""
    parts = (clusters_sheet(card), age_figure(card), time_figure(card), trend_figure(card))
    table = audit_table(card)
    body = (
        "".join(part.html() for part in parts)
        + Table(title=table.title, columns=table.columns, rows=table.rows, note=table.note, marks=table.marks).html()
    )
    title = f"Restore drills, as of {utc_text(card.at)}"
    style = "font-family:sans-serif;max-width:1400px;margin:1.5em auto;padding:0 1em"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_NARROW}</style>'
        f'<body style="{style}"><h1 style="font-size:22px">{escape(title)}</h1>{body}</body></html>'
    )


def write_page(card: Scorecard, output: str) -> str:
    """Write the page to a file and say where it is; empty where none is asked for.

    Raises:
        StepFailed: it cannot be written.
    """
    if not output:
        return ""
    try:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(page(card), encoding="utf-8")
    except OSError as error:
        raise StepFailed(f'The page "{output}" cannot be written: {error.strerror}.', hint="Set `output`.") from error
    return f"The page is in {output}."


def scorecard_result(card: Scorecard) -> Result:
    """Sum the scorecard up: what is not proved in time, or missing from the records, is a failed check."""
    wrong = [each for each in card.clusters if each.state != "proved"]
    found = bool(wrong or card.register.missing or card.register.findings or card.why_not or not card.clusters)
    steps: Sequence[str] = [f'Hold a drill: open drill_restore with cluster="{each.cluster}".' for each in wrong[:5]]
    if card.register.missing or card.register.findings:
        steps = ["Find out what became of the records that are missing or changed.", *steps]
    return Result(
        notebook="recovery_scorecard",
        outcome="check-failed" if found else "succeeded",
        headline=headline(card),
        facts={
            "score": f"{card.score} of 100",
            "missing": "\n".join(card.register.missing) or "none",
            "drills": str(sum(len(each.drills) for each in card.clusters)),
        },
        next=tuple(steps),
    )
