"""Show what there is to go back to: cluster facts, snapshots, ways back, and the restorable window as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runbook_lib.backups import ClusterSnapshot, RetainedBackup
from runbook_lib.clusters import Cluster, Instance
from runbook_lib.costs.copies import CopyCost
from runbook_lib.costs.units import cents
from runbook_lib.display.figure import BLUE, GREEN, GREY, RED, Figure, draw, time_axis
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.restore import Outlook, Proposal, Way, reason, recommended
from runbook_lib.restore.ways import OF_AN_ORIGIN, POINT_IN_TIME
from runbook_lib.times import TimeWindow, ago, duration_text, full_text, iso, utc_text

SHOWN_SNAPSHOTS = 40
_ON_WHITE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}  # text over lines stays readable


def cluster_facts(cluster: Cluster, instances: Sequence[Instance], *, zone: ZoneInfo, now: datetime) -> Table:
    """Show what the cluster is and how far back it can be restored."""
    window = cluster.window
    rows = [
        ("status", cluster.status),
        ("engine", f"{cluster.engine} {cluster.engine_version}"),
        ("created", full_text(cluster.created, zone=zone, now=now)),
        ("writer endpoint", str(cluster.endpoint)),
        ("instances", "\n".join(_instance(instance) for instance in instances) or "none: nobody can connect"),
        ("backup retention", f"{cluster.retention_days} day{'' if cluster.retention_days == 1 else 's'}"),
        ("earliest restorable", full_text(window.earliest, zone=zone, now=now) if window else "not given by AWS now"),
        ("latest restorable", full_text(window.latest, zone=zone, now=now) if window else "not given by AWS now"),
        ("backtrack", f"{cluster.backtrack_hours:g} hours" if cluster.backtrack_hours else "not enabled"),
        ("deletion protection", "on" if cluster.raw.get("DeletionProtection") else "off"),
        ("database account", cluster.secret_arn or "no managed secret: set `secret`"),
    ]
    marks = {0: "good" if cluster.status == "available" else "warn"}
    return Table(title=f"Cluster {cluster.identifier}", columns=("", ""), rows=tuple(rows), marks=marks)


def _instance(instance: Instance) -> str:
    role = "writer" if instance.is_writer else f"reader, tier {instance.promotion_tier}"
    return f"{instance.identifier} ({role}, {instance.instance_class}, {instance.status})"


def snapshots_table(snapshots: Sequence[ClusterSnapshot], *, zone: ZoneInfo, now: datetime) -> Table:
    """Show the snapshots of a cluster, the newest first."""
    newest = tuple(reversed(snapshots))
    rows = [(s.identifier, s.kind, full_text(s.created, zone=zone, now=now), s.status) for s in newest]
    return Table(
        title="Snapshots" + ("" if rows else _none(snapshots)),
        columns=("snapshot", "kind", "as of", "status"),
        rows=tuple(rows[:SHOWN_SNAPSHOTS]),
        left_out=max(0, len(rows) - SHOWN_SNAPSHOTS),
        note="Automated snapshots end with their cluster's retention; manual ones stay until somebody deletes them.",
    )


def retained_table(backups: Sequence[RetainedBackup], *, now: datetime) -> Table:
    """Show the automated backups kept of deleted clusters."""
    rows = tuple(
        (
            backup.cluster,
            backup.resource_id,
            backup.status,
            utc_text(backup.window.earliest) if backup.window else "—",
            f"{utc_text(backup.window.latest)} · {ago(backup.window.latest, now=now)}" if backup.window else "—",
        )
        for backup in backups
    )
    title = "Retained backups of deleted clusters" + ("" if rows else _none(backups))
    return Table(title=title, columns=("cluster", "resource id", "status", "earliest", "latest"), rows=rows)


def _none(seen: Sequence[object]) -> str:
    return f": {getattr(seen, 'why_not', '') or 'there are none'}"


def outlook(
    cost: CopyCost, *, past: Mapping[str, Sequence[timedelta]] | None = None, damage: Proposal | None = None
) -> Outlook:
    """Hand what a copy costs, how long our own past runs took by the name of the way, and when the damage was done."""
    return Outlook(
        past=past or {},
        copy_usd_a_day=cost.usd_a_day,
        instance_usd_a_day=cost.instance_usd_a_day,
        cost_note=cost.note,
        damage=damage,
    )


def ways_table(ways: Sequence[Way], *, cost_note: str = "", zone: ZoneInfo, now: datetime) -> Stack:
    """Show every way back with how far it reaches, what it loses, takes, costs and does besides; one is recommended."""
    best = recommended(ways)
    marks = {index: "good" if way is best else _mark(way) for index, way in enumerate(ways)}
    table = Table(
        title="What can still be done",
        columns=("", "way back, from", "reaches", "lost before the asked moment", "takes", "USD a day", "note"),
        rows=tuple(_way_row(way, best, zone=zone, now=now) for way in ways),
        marks=marks,
        longest_line=30,
        note=f"USD a day: {cost_note}." if cost_note else "",
    )
    none = "No way back to that moment was found"
    if any(way.damage for way in ways):
        none = "No way is recommended: choose a second before the damage"
    headline = f"Recommended: {best.name}" if best else none
    return Stack(headline=headline, tables=(table,), closing=reason(ways))


def _mark(way: Way) -> str:
    if way.damage or (way.reaches is None and way.looked):
        return "bad"
    return "" if way.looked else "warn"


def _way_row(way: Way, best: Way | None, *, zone: ZoneInfo, now: datetime) -> tuple[str, ...]:
    name = f"{way.name}\n{way.source}"
    if way.reaches is None:
        return ("out" if way.looked else "not looked at", name, "—", "—", "—", "—", way.why_not)
    state = "recommended" if way is best else "possible" if way.is_usable else "evidence"
    if way.damage:
        state = f"damage {way.damage}"
    reached = full_text(way.reaches, zone=zone, now=now).replace(" · ", "\n")
    lost = "—" if not way.is_usable else duration_text(way.lost) if way.lost else "nothing"
    cost = "not known" if way.usd_a_day is None else f"{cents(way.usd_a_day):,}"
    return (state, name, reached, lost, way.takes, cost, way.note)


def window_figure(
    cluster: Cluster,
    snapshots: Sequence[ClusterSnapshot],
    *,
    asked: datetime | None,
    zone: ZoneInfo,
    now: datetime,
) -> Figure:
    """Picture the restorable window with the snapshots and the asked moment on one axis of time."""
    title = f"Can {cluster.identifier} be restored to the asked moment?"
    window = cluster.window
    words = _window_words(window, snapshots, asked, zone=zone, now=now)

    def paint(axes: Any) -> None:  # matplotlib takes dates as positions, its stubs do not say so
        if window:
            axes.barh(1, window.latest - window.earliest, left=window.earliest, height=0.5, color=BLUE, alpha=0.35)
            for end, text, side in ((window.earliest, "earliest", "left"), (window.latest, "latest", "right")):
                axes.plot([end, end], [0.75, 1.25], color=BLUE, linewidth=2)
                axes.annotate(
                    f"{text}\n{_short(end, zone)}", (end, 1.3), ha=side, va="bottom", fontsize=9, bbox=_ON_WHITE
                )
        for kind, marker, colour, row in (("automated", "o", GREEN, 0.35), ("manual", "D", GREY, 0.05)):
            taken = [s.created for s in snapshots if (s.kind == "automated") == (kind == "automated")]
            if taken:
                axes.plot(taken, [row] * len(taken), marker, color=colour, markersize=7, linestyle="none")
        if asked:
            inside = bool(window and asked in window)
            axes.axvline(asked, color=RED, linewidth=2, linestyle="-" if inside else "--")
            label = f"  asked: {_short(asked, zone)}{'' if inside else ' (out of reach)'}  "
            axes.annotate(label, (asked, 1.95), color=RED, fontsize=10, fontweight="bold", **_beside(asked, window))
        axes.axvline(now, color="black", linewidth=1, linestyle=":")
        axes.set_ylim(-0.3, 2.3)
        axes.set_yticks([1, 0.35, 0.05], ["restorable window", "automated snapshots", "other snapshots"])
        axes.set_xlabel(f"time ({zone.key}); the dotted line is now")
        time_axis(axes, zone)

    return draw(paint, title=title, words=words, height_in=3.2)


def _beside(asked: datetime, window: TimeWindow | None) -> dict[str, str]:
    late = bool(window and asked > window.earliest + (window.latest - window.earliest) / 2)
    return {"ha": "right" if late else "left", "va": "top"}


def _short(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%d %b %H:%M:%S")


def _window_words(
    window: TimeWindow | None,
    snapshots: Sequence[ClusterSnapshot],
    asked: datetime | None,
    *,
    zone: ZoneInfo,
    now: datetime,
) -> str:
    span = (
        f"Restorable from {utc_text(window.earliest)} to {utc_text(window.latest)}, {_span(window)}."
        if window
        else "AWS gives no restorable times now."
    )
    counted = f" {len(snapshots)} snapshot{'' if len(snapshots) == 1 else 's'}."
    if asked is None:
        return span + counted
    inside = bool(window and asked in window)
    where = "inside the window" if inside else "outside the window"
    return f"{span}{counted} Asked: {full_text(asked, zone=zone, now=now)}, {where}."


def _span(window: TimeWindow) -> str:
    return f"a window of {duration_text(window.latest - window.earliest)}"


def inspect_result(
    cluster: Cluster, ways: Sequence[Way], *, asked: datetime | None, now: datetime, proposal: Proposal | None = None
) -> Result:
    """Sum up whether the asked moment can be reached and from what; a check fails when nothing reaches it."""
    best = recommended(ways)
    moment = utc_text(asked) if asked else "the latest restorable time"
    proposed = _proposed(proposal, asked=asked)
    if best is None or best.reaches is None:
        damage = next((way.damage for way in ways if way.damage), "")
        return Result(
            notebook="inspect_backups",
            outcome="succeeded" if damage else "check-failed",
            headline=f"At {moment} the damage was {damage}: choose an earlier second"
            if damage
            else f"Nothing brings {cluster.identifier} back to {moment}",
            cluster=cluster.identifier,
            facts={"proposed second": _second_text(proposal), **_damage_facts(proposal)},
            next=(*proposed, *(f"{way.name}: {way.why_not}" for way in ways if way.why_not)),
        )
    exactly = not best.lost
    headline = (
        f"{cluster.identifier} can be brought back to {moment} by {best.name}"
        if exactly
        else f"{moment} cannot be reached exactly; {best.name} gives {utc_text(best.reaches)}, "
        f"{duration_text(best.lost)} earlier"
    )
    origin = f', restore_from="{best.source}"' if best.name in OF_AN_ORIGIN else ""
    step = f'Open restore_to_timestamp with timestamp="{iso(best.reaches)}"{origin}.'
    return Result(
        notebook="inspect_backups",
        outcome="succeeded",
        headline=headline,
        cluster=cluster.identifier,
        facts={
            "proposed second": _second_text(proposal),
            "reaches": f"{utc_text(best.reaches)} ({ago(best.reaches, now=now)})",
            "from": best.source,
            **_damage_facts(proposal),
        },
        next=(*proposed, step if origin or best.name == POINT_IN_TIME else f"Restore from {best.source} instead."),
    )


def _damage_facts(proposal: Proposal | None) -> dict[str, str]:
    """Say when the damage began, only where its first second is known: the recovery is measured from it."""
    chosen = proposal.chosen if proposal else None
    return {"damage began": iso(chosen.began)} if chosen and chosen.exact else {}


def _second_text(proposal: Proposal | None) -> str:
    if proposal is None:
        return ""
    if proposal.second:
        return iso(proposal.second)
    if proposal.candidates:
        return f"none chosen between {', '.join(iso(candidate.second) for candidate in proposal.candidates)}"
    return "none: nothing points at one"


def _proposed(proposal: Proposal | None, *, asked: datetime | None) -> tuple[str, ...]:
    """Say first what to do where the moment asked for is not the second that is proposed."""
    if proposal is None or proposal.second is None or proposal.second == asked:
        return ()
    return (
        f'If the evidence convinces you, open restore_to_timestamp with timestamp="{iso(proposal.second)}", the second '
        "proposed. What is said above is about another moment.",
    )
