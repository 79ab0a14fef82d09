"""One incident as its records tell it: what happened when, who decided, what was lost and came back, what is open.

Nothing is asked of AWS or a database: the page is of what was recorded, and says so. What no record tells is said to be
not on record. A note of one engineer to the next is a line of its own file, chained like events are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.events import append, read_events
from runbook_lib.records.manifest import Manifest
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.provenance import operator
from runbook_lib.records.recovery import moment_in, recovery_lines, recovery_of_incident
from runbook_lib.records.register import Entry, entries, events_of
from runbook_lib.records.store import Store, incident_folder
from runbook_lib.records.verify import verify_record
from runbook_lib.redaction import Scrubber
from runbook_lib.times import iso, utc_now, utc_text

NOTES = "notes.jsonl"
AS_SEALED = "as sealed"
_LONGEST_NOTE = 4000
_A_DAY = re.compile(r"\$([\d,]+(?:\.\d+)?) a day")
_ENDED_WELL = (Outcome.SUCCEEDED, Outcome.PLANNED)
_DATED = re.compile(r"schema (\w+_(?:damaged|undone)_\d{8}t\d{6}z)$")
_SIZES = {  # facts of results, by what they say on the page
    "tables of the source": "the damage",
    "damaged": "damaged tables",
    "restored": "in the copy",
    "brought back": "brought back",
    "made again": "made again",
    "kept by choice": "kept by choice",
}


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that happened. `kind` is damage, noticed, run, approved, phase, decision, ended or note."""

    at: datetime
    kind: str
    text: str
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run's record as the page lists it; `proof` says whether its files are as the run sealed them."""

    run_id: str
    notebook: str
    outcome: str
    headline: str
    started: datetime
    folder: str
    seal: str
    proof: str


@dataclass(frozen=True, kw_only=True)
class Incident:
    """The page as a value. Pairs are name and value; what no record tells says so."""

    name: str
    clusters: tuple[str, ...]
    outcome: str
    good: bool
    recovery: tuple[tuple[str, str], ...]
    sizes: tuple[tuple[str, str], ...]
    open: tuple[str, ...]
    people: tuple[tuple[str, str], ...]
    cost: tuple[str, ...]
    sealed: str
    notes: tuple[Moment, ...]
    timeline: tuple[Moment, ...]
    records: tuple[Record, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it for machines: moments as ISO 8601 in UTC."""
        said = {name: value for name, value in asdict(self).items() if name not in ("notes", "timeline", "records")}
        for name in ("notes", "timeline"):
            said[name] = [{**asdict(moment), "at": iso(moment.at)} for moment in getattr(self, name)]
        said["records"] = [{**asdict(record), "started": iso(record.started)} for record in self.records]
        return {"runbook_incident": {"version": 1, **said}}


def write_note(store: Store, incident: str, text: str) -> Path:
    """Add a note to an incident, without secrets; give the file. Raises InputRefused where there is nothing to note."""
    if not incident or not text.strip() or len(text) > _LONGEST_NOTE:
        raise InputRefused(
            "A note needs an incident and a text.", hint=f"Write --note with at most {_LONGEST_NOTE:,} characters."
        )
    path = store.root / incident_folder(incident) / NOTES
    path.parent.mkdir(parents=True, exist_ok=True)
    who = operator()
    facts = {"incident": incident, "text": Scrubber().text(text.strip()), **who}
    append(path, "note", by="person", facts=facts)
    return path


def incident_of(store: Store, name: str, *, now: datetime | None = None) -> Incident:
    """Read an incident from its records. Only reads. `now` is until when a copy that is alive has cost.

    Raises:
        NotFound: the store has neither a record nor a note of it.
    """
    found = [entry for entry in entries(store) if name in (entry.incident, entry.folder.parent.name)]
    notes = tuple(_notes(store, name))
    if not found and not notes:
        raise NotFound(
            f"There is no record of the incident {name} in {store.root}.",
            hint="List the runs with `runbook records list`, or name another store with --records.",
        )
    runs = [(entry, entry.manifest) for entry in found]
    whole = [manifest for _, manifest in runs if manifest is not None]
    changing = [manifest for manifest in whole if manifest.changed]
    worst = next((m for m in reversed(changing or whole) if m.outcome not in _ENDED_WELL), None)
    last = worst or next(reversed(changing or whole), None)
    records = tuple(_records(store, runs))
    clusters = tuple(dict.fromkeys(manifest.cluster for manifest in whole if manifest.cluster))
    return Incident(
        name=name,
        clusters=clusters,
        outcome=last.headline if last else "No run of it has ended.",
        good=last is not None and last.outcome in _ENDED_WELL,
        recovery=(*_noticed(runs), *_recovery(store, name, clusters)),
        sizes=tuple(_sizes(whole)),
        open=tuple(_open(runs)),
        people=tuple(_people(whole)),
        cost=tuple(_cost(whole, now or utc_now())),
        sealed=_sealed(records),
        notes=notes,
        timeline=tuple(sorted((*_timeline(runs), *notes), key=lambda moment: moment.at)),
        records=records,
    )


def _notes(store: Store, name: str) -> Iterator[Moment]:
    for event in read_events(store.root / incident_folder(name) / NOTES):
        facts = event.get("facts") or {}
        if moment := moment_in(event.get("at")):
            text = f"{facts.get('os_user', '?')}: {facts.get('text', '')}"
            yield Moment(at=moment, kind="note", text=text)


def _noticed(runs: Sequence[tuple[Entry, Manifest | None]]) -> Iterator[tuple[str, str]]:
    if runs:
        yield "noticed", f"{iso(runs[0][0].started)}, or before: the first run began then"


def _recovery(store: Store, name: str, clusters: Sequence[str]) -> Iterator[tuple[str, str]]:
    for cluster in clusters:
        of = f" of {cluster}" if len(clusters) > 1 else ""
        measured = recovery_of_incident(name, cluster=cluster, store=store).as_json()
        if measured["recovery_point"]:
            yield f"restored to{of}", measured["recovery_point"]
        for said, value in recovery_lines(measured):
            yield f"{said}{of}", value


def _sizes(manifests: Sequence[Manifest]) -> Iterator[tuple[str, str]]:
    for name, said in _SIZES.items():
        told = [m.facts[name] for m in manifests if name in m.facts and m.outcome is Outcome.SUCCEEDED]
        if told:
            yield said, told[-1]
    ended = next((m for m in reversed(manifests) if m.notebook == "bring_back_data" and m.changed), None)
    if ended:
        holds = "yes, compared once more after it" if ended.outcome in _ENDED_WELL else f"NO: {ended.headline}"
        yield "proved afterwards", f"{holds} (run {ended.run_id})"


def _open(runs: Sequence[tuple[Entry, Manifest | None]]) -> Iterator[str]:
    """Say what the records leave open: copies, dated schemas, plans nobody approved, runs without an end."""
    alive: dict[str, str] = {}
    dated: dict[str, str] = {}
    planned: dict[str, Manifest] = {}
    for entry, manifest in runs:
        if manifest is None:
            yield f"run {entry.run_id} ({entry.notebook}): {entry.problem or entry.outcome.value}"
            continue
        if manifest.outcome is Outcome.PLANNED and manifest.plan_id:
            planned[manifest.plan_id] = manifest
        elif manifest.approval or manifest.changed:
            planned.pop(manifest.plan_id, None)
        if manifest.notebook == "restore_to_timestamp" and manifest.changed:
            alive[manifest.changed[0]] = manifest.run_id
        for change in manifest.changed:
            if manifest.notebook == "clean_up_restores":
                for name in [name for name in alive if name in change.split()]:
                    del alive[name]
            if named := _DATED.search(change):
                if manifest.notebook == "bring_back_data":
                    dated[named[1]] = manifest.run_id
                else:
                    dated.pop(named[1], None)
    for name, run_id in alive.items():
        yield f"the restored copy {name} (run {run_id}) costs until clean_up_restores deletes it"
    for schema, run_id in dated.items():
        yield f"the schema {schema} keeps the damaged tables (run {run_id}): an undo is possible until it is dropped"
    for plan_id, manifest in planned.items():
        yield f"plan {plan_id} of {manifest.notebook} (run {manifest.run_id}) is not approved"


def _people(manifests: Sequence[Manifest]) -> Iterator[tuple[str, str]]:
    runs: dict[str, list[str]] = {}
    for manifest in manifests:
        who = manifest.operator
        name = f"{who.os_user} on {who.host}" + (f" as {who.aws_arn}" if who.aws_arn else "")
        runs.setdefault(name, []).append(manifest.notebook)
    for name, notebooks in runs.items():
        yield "ran", f"{name}: {len(notebooks)} runs"
    for manifest in manifests:
        if manifest.approval and manifest.changed:
            yield "approved", f"{manifest.approval.by}: plan {manifest.approval.plan_id} of {manifest.notebook}"


def _cost(manifests: Sequence[Manifest], now: datetime) -> Iterator[str]:
    """Say of each copy what it costs a day, and what that came to until it was deleted, or until now."""
    made = [m for m in manifests if m.notebook == "restore_to_timestamp" and m.changed]
    gone = [m for m in manifests if m.notebook == "clean_up_restores"]
    for manifest in made:
        copy, said = manifest.changed[0], manifest.facts.get("costs", "")
        deleted = next((m for m in gone if any(copy in change.split() for change in m.changed)), None)
        began = moment_in((manifest.recovery or {}).get("began")) or manifest.started
        until = deleted.ended if deleted else now
        fate = f"deleted {utc_text(until)} (run {deleted.run_id})" if deleted else f"alive on record, {utc_text(until)}"
        price = _A_DAY.match(said)
        if price is None:
            yield f"{copy}: {said or 'not on record what it costs a day'}; {fate}"
            continue
        days = max(0.0, (until - began).total_seconds() / 86_400)
        sofar = float(price[1].replace(",", "")) * days
        yield f"{copy}: about ${sofar:,.2f} so far, at {said}; {fate}"
    if not made:
        yield "No copy was made, so nothing that these runbooks make costs anything."


def _sealed(records: Sequence[Record]) -> str:
    wrong = [record for record in records if record.proof != AS_SEALED]
    count = f"{len(records)} record{'' if len(records) == 1 else 's'}"
    if not wrong:
        return f"{count}, each as it was sealed"
    return f"{count}, NOT as sealed: {', '.join(f'{record.run_id} ({record.proof})' for record in wrong)}"


def _timeline(runs: Sequence[tuple[Entry, Manifest | None]]) -> Iterator[Moment]:
    damage = next((m for _, each in runs if each and (m := moment_in(each.facts.get("damage began")))), None)
    if damage:
        yield Moment(at=damage, kind="damage", text="the damage began")
    if runs:
        yield Moment(at=runs[0][0].started, kind="noticed", text="the first run of this incident began")
    for entry, manifest in runs:
        yield Moment(at=entry.started, kind="run", text=f"{entry.notebook} began", run_id=entry.run_id)
        if manifest is None:
            continue
        changes = manifest.approval and manifest.changed
        if manifest.approval and changes:
            text = f"plan {manifest.approval.plan_id} was approved by {manifest.approval.by}"
            yield Moment(at=entry.started, kind="approved", text=text, run_id=entry.run_id)
        for event in events_of(entry) if changes else ():
            facts, moment = event.get("facts") or {}, moment_in(event.get("at"))
            if moment and event.get("event") == "phase":
                yield Moment(at=moment, kind="phase", text=str(facts.get("name", "")), run_id=entry.run_id)
            elif moment and event.get("event") == "approved-unknown":
                said = ", ".join(map(str, facts.get("subjects", ())))
                yield Moment(at=moment, kind="decision", text=f"went on although unknown: {said}", run_id=entry.run_id)
        text = f"{entry.notebook} {manifest.outcome.value}: {manifest.headline}"
        yield Moment(at=manifest.ended, kind="ended", text=text, run_id=entry.run_id)


def _records(store: Store, runs: Sequence[tuple[Entry, Manifest | None]]) -> Iterator[Record]:
    for entry, manifest in runs:
        problems = [] if entry.outcome is Outcome.RUNNING else verify_record(entry.folder, store=store)
        yield Record(
            run_id=entry.run_id,
            notebook=entry.notebook,
            outcome=entry.outcome.value,
            headline=manifest.headline if manifest else entry.problem,
            started=entry.started,
            folder=str(entry.folder),
            seal=manifest.seal[:16] if manifest else "",
            proof="; ".join(problem.problem for problem in problems) or (AS_SEALED if manifest else "has no seal"),
        )


def moment_text(moment: Moment) -> str:
    """Write when something happened: in UTC, to the second."""
    return utc_text(moment.at)
