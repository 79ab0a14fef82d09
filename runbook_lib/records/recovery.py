"""What a recovery achieved: how much was lost, and how long each part took, from the records of one incident.

Every figure is a difference of two moments that records hold. What no record says stays unknown, with the reason: an
incident whose beginning nobody measured has no total.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputRefused
from runbook_lib.records.manifest import Manifest
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import entries
from runbook_lib.records.store import Store, default_store
from runbook_lib.times import duration_text, iso, parse_timestamp

if TYPE_CHECKING:
    from runbook_lib.bringback.bring_back import Done, Proposed, Verified
    from runbook_lib.runbook import Run

log = logging.getLogger(__name__)

_FAR = datetime(9000, 1, 1, tzinfo=UTC)
INSPECT, RESTORE, BRING_BACK = "inspect_backups", "restore_to_timestamp", "bring_back_data"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part of a recovery. `seconds` is None where it is not known, and then `why_not` says why."""

    name: str
    seconds: float | None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """The recovery point and time achieved. Moments are aware UTC.

    `lost_seconds` lie between the restored second and the damage: what was written in them is not in the copy.
    `total_seconds` go from the damage to the end of the last finished bring-back, or of the restore if there is none.
    """

    damage_began: datetime | None
    damage_source: str
    restored: datetime | None
    steps: tuple[Step, ...]
    ended: datetime | None
    until: str

    @property
    def lost_seconds(self) -> float | None:
        """The recovery point achieved; None where one of the two moments is not known."""
        if self.damage_began is None or self.restored is None:
            return None
        return (self.damage_began - self.restored).total_seconds()

    @property
    def total_seconds(self) -> float | None:
        """The recovery time achieved; None where the damage's beginning or the end is not known."""
        if self.damage_began is None or self.ended is None:
            return None
        return (self.ended - self.damage_began).total_seconds()

    def as_json(self) -> dict[str, Any]:
        """Return it for a manifest: figures in seconds, what is unknown as None with its reason beside it."""
        return {
            "recovery_point": iso(self.restored) if self.restored else None,
            "damage_began": iso(self.damage_began) if self.damage_began else None,
            "damage_source": self.damage_source,
            "lost_seconds": self.lost_seconds,
            "total_seconds": self.total_seconds,
            "until": self.until,
            "steps": {step.name: step.seconds for step in self.steps},
            "unknown": {step.name: step.why_not for step in self.steps if step.why_not},
        }


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run's own share, as its result tells it: when its change began and was verified, and its phases in seconds."""

    notebook: str
    started: datetime
    began: datetime | None
    finished: datetime | None
    phases: Mapping[str, float]
    restored: datetime | None = None
    damage_began: datetime | None = None


def recovery_of_incident(
    incident: str, *, cluster: str, this: Part | None = None, store: Store | None = None
) -> Recovery:
    """Measure the recovery of a cluster in an incident, over its finished records; `this` is the run that goes on."""
    parts = [*_parts(incident, cluster, store or default_store()), *([this] if this else [])]
    why = "" if incident else "the run was filed under no incident (--incident), so its other records are not known"
    return measure(parts, why_alone=why)


def measure(parts: Sequence[Part], *, why_alone: str = "") -> Recovery:
    """Measure a recovery from its runs, oldest first. Pure."""
    restore = next((part for part in reversed(parts) if part.notebook == RESTORE and part.finished), None)
    back = next((part for part in reversed(parts) if part.notebook == BRING_BACK and part.finished), None)
    damage = next((part.damage_began for part in parts if part.damage_began), None)
    first = min((part.started for part in parts), default=None)
    no_restore = why_alone or "no finished restore is on record"
    last = back or restore
    steps = (
        _between("detect", damage, first, why_alone or "no record says when it began"),
        _between("plan", first if restore else None, restore.began if restore else None, no_restore),
        _sum("restore", restore, lambda name: not _is_instance(name), no_restore),
        _sum("instances", restore, _is_instance, no_restore),
        _rest("proof", restore, no_restore),
        _between("decide", restore.finished if restore else None, back.began if back else None, _no_back(restore)),
        _sum("bring back", back, lambda _: True, "nothing was brought back"),
        _rest("proof afterwards", back, "nothing was brought back"),
    )
    return Recovery(
        damage_began=damage,
        damage_source=f"{INSPECT}: the first statement of the damage" if damage else "",
        restored=(restore.restored if restore else None) or (back.restored if back else None),
        steps=steps,
        ended=last.finished if last else None,
        until="the data was back and proved" if back else "the copy was there" if restore else "",
    )


def _no_back(restore: Part | None) -> str:
    return "nothing was brought back" if restore else "no finished restore is on record"


def _is_instance(name: str) -> bool:
    return name.endswith(("the writer", "the readers"))


def _between(name: str, since: datetime | None, until: datetime | None, why_not: str) -> Step:
    if since is None or until is None:
        return Step(name=name, seconds=None, why_not=why_not or "a record says no moment of it")
    return Step(name=name, seconds=(until - since).total_seconds())


def _sum(name: str, part: Part | None, wanted: Any, why_not: str) -> Step:
    if part is None:
        return Step(name=name, seconds=None, why_not=why_not)
    return Step(name=name, seconds=round(sum(took for phase, took in part.phases.items() if wanted(phase)), 1))


def _rest(name: str, part: Part | None, why_not: str) -> Step:
    """Return what is left of a run's time after its change: reading back and proving."""
    if part is None or part.began is None or part.finished is None:
        return Step(name=name, seconds=None, why_not=why_not or "the record says no moment of it")
    took = (part.finished - part.began).total_seconds() - sum(part.phases.values())
    return Step(name=name, seconds=round(max(0.0, took), 1))


def _parts(incident: str, cluster: str, store: Store) -> list[Part]:
    found = []
    for entry in entries(store) if incident else ():
        if (entry.incident, entry.cluster) != (incident, cluster):
            continue
        if entry.outcome not in (Outcome.SUCCEEDED, Outcome.PLANNED) or entry.manifest is None:
            continue
        try:
            found.append(part_of(entry.manifest))
        except (ValueError, TypeError, AttributeError) as error:
            log.warning("the record %s is left out of the recovery: %s", entry.folder.name, error)
    return sorted(found, key=lambda part: part.started)


def part_of(manifest: Manifest) -> Part:
    """Return a finished record's share of its incident's recovery."""
    said = manifest.recovery or {}
    return Part(
        notebook=manifest.notebook,
        started=manifest.started,
        began=moment_in(said.get("began")),
        finished=moment_in(said.get("finished")),
        phases={str(name): float(took) for name, took in (said.get("phases") or {}).items()},
        restored=moment_in(said.get("recovery_point")),
        damage_began=moment_in(manifest.facts.get("damage began")),
    )


def moment_in(text: object) -> datetime | None:
    """Read a moment that a record or a tag holds; None where there is none."""
    try:
        return parse_timestamp(str(text), now=_FAR).moment if text else None
    except InputRefused:
        return None


def measured_recovery(
    run: Run, proposed: Proposed, done: Done | None, verified: Verified | None
) -> dict[str, Any] | None:
    """Measure the recovery that a bring-back has just ended, for its result; None where nothing was brought back.

    An undo ends no recovery: it is not measured.
    """
    if done is None or not done.done or verified is None or proposed.is_undo or done.began is None:
        return None
    from runbook_lib.tags import TAG_PREFIX

    phases: dict[str, float] = {}
    for phase in getattr(done, "phases", ()):
        phases[phase.name] = round(phases.get(phase.name, 0.0) + phase.seconds, 1)
    restored = moment_in(proposed.pairing.copy.tags.get(f"{TAG_PREFIX}moment"))
    this = Part(
        notebook=BRING_BACK,
        started=run.now,
        began=done.began,
        finished=verified.finished,
        phases=phases,
        restored=restored,
    )
    measured = recovery_of_incident(run.incident, cluster=proposed.pairing.name, this=this)
    own = {"way": proposed.wanted.way, "began": iso(done.began), "finished": iso(verified.finished), "phases": phases}
    return {**measured.as_json(), **own}


def recovery_lines(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write a measured recovery, as `Recovery.as_json` gives it, for reading: name and value."""
    lost, total, damage = (said.get(name) for name in ("lost_seconds", "total_seconds", "damage_began"))
    unknown, until = said.get("unknown") or {}, said.get("until")
    since = f"since the damage began ({damage})" if damage else ""
    point = f"{_took(lost)} before the damage, which began at {damage}" if lost is not None else "not known"
    steps = [
        f"{name}: {_took(took)}" if took is not None else f"{name}: not known: {unknown.get(name, '')}"
        for name, took in (said.get("steps") or {}).items()
    ]
    return [
        ("recovery point achieved", point),
        ("recovery time achieved", f"{_took(total)} {since}, until {until}" if total is not None else "not known"),
        ("of that", "\n".join(steps)),
    ]


def _took(seconds: Any) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else duration_text(timedelta(seconds=seconds))
