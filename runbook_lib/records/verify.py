"""Whether records are what their runs left: files against their hashes, events and runs against those before them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import CheckFailed
from runbook_lib.events import content_of, hash_of
from runbook_lib.records.chain import read_chain
from runbook_lib.records.manifest import Link, Manifest, read_sealed
from runbook_lib.records.store import CHAIN, EVENTS, MANIFEST, Store


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it was left: which file (relative to the store), and what is wrong with it."""

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


def verify_record(folder: Path, *, store: Store) -> tuple[Finding, ...]:
    """Check one record: its files, its events, and its place in its store's chain."""
    checked, found = _of_folder(store, store.name_of(folder))
    links = read_chain(store)
    place = next((number for number, link in enumerate(links) if link.folder == checked.name), None)
    if place is None:
        found += _unlisted(checked, {link.run_id: link for link in links})
    else:
        found += _of_link(store, links, place, {checked.name: checked})
    return tuple(dict.fromkeys(found))


def verify_store(store: Store) -> tuple[Finding, ...]:
    """Check every record of a store, and that none is missing from its chain. Runs that go on are left out."""
    found: list[Finding] = []
    records: dict[str, _Checked] = {}
    for name in store.names():
        checked, problems = _of_folder(store, name)
        records[name] = checked
        found += problems
    links = read_chain(store)
    by_run = {link.run_id: link for link in links}
    places = {link.folder for link in links}
    if not links and any(checked.sha256 for checked in records.values()):
        found.append(Finding(file=CHAIN, problem="missing"))
    for place in range(len(links)):
        found += _of_link(store, links, place, records)
    for checked in records.values():
        if checked.name not in places and links:
            found += _unlisted(checked, by_run)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """One record's folder as it was found. `sha256` is its manifest's, empty without one that is a file."""

    name: str
    run_id: str
    life: str
    sha256: str = ""
    notebook: str = ""
    is_sealed: bool = False
    previous: Link | None = None


class _Files:
    """What lies in a record's folder. Only regular files are read: what a link leads to is no part of a record."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        with os.scandir(folder) as listed:
            self.names = {entry.name: entry.is_file(follow_symlinks=False) for entry in listed}

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None for what is no file, or cannot be read."""
        if not self.names.get(name):
            return None
        try:
            return content_of(f"{self._folder}/{name}")
        except OSError:
            return None

    def lacks(self, name: str) -> str:
        """Say why a file could not be read."""
        return _NO_FILE if name in self.names else "missing"


def _of_folder(store: Store, name: str) -> tuple[_Checked, list[Finding]]:
    life, run_id, folder = store.life_of_name(name), name.rpartition("-")[2], Path(f"{store.root}/{name}")
    checked = _Checked(name=name, run_id=run_id, life=life)
    if folder.is_symlink() or folder.parent.is_symlink():
        return checked, [Finding(file=name, problem="is a link to somewhere else, not a folder of this store")]
    if life == "running":
        return checked, []
    try:
        files = _Files(folder)
    except OSError as error:
        return checked, [Finding(file=name, problem=f"cannot be read: {error.strerror}")]
    content = files.read(MANIFEST)
    manifest, seal, problems = None, "", []
    if content is None:
        if life != "killed":  # that one has no manifest yet, which is no fault of anybody
            problems.append((MANIFEST, files.lacks(MANIFEST)))
    else:
        try:
            manifest, seal = read_sealed(content, name=MANIFEST)
        except CheckFailed as error:
            problems.append((MANIFEST, f"changed: {error.message}"))
    is_sealed = manifest is not None and manifest.seal == seal
    if manifest is not None and not is_sealed:
        problems.append((MANIFEST, "changed: its seal does not fit what it says"))
    events = files.read(EVENTS)
    problems += _of_files(files, manifest, run_id, events) if manifest else []
    problems += _of_events(events, manifest)
    checked = _Checked(
        name=name,
        run_id=run_id,
        life=life,
        sha256=hashlib.sha256(content).hexdigest() if content is not None else "",
        notebook=manifest.notebook if manifest else "",
        is_sealed=is_sealed,
        previous=manifest.previous if manifest else None,
    )
    return checked, [Finding(file=f"{name}/{file}", problem=problem) for file, problem in problems]


def _of_files(files: _Files, manifest: Manifest, run_id: str, events: bytes | None) -> Iterator[tuple[str, str]]:
    if manifest.run_id != run_id:
        yield MANIFEST, f"changed: it is of run {manifest.run_id}, and its folder is not"
    for name, expected in manifest.files.items():
        found = events if name == EVENTS else files.read(name)
        if found is None:
            yield name, files.lacks(name)
        elif len(found) < expected.bytes:
            yield name, f"cut: {len(found)} of {expected.bytes} bytes are left"
        elif hashlib.sha256(found).hexdigest() != expected.sha256:
            yield name, "changed"
    for name in sorted(files.names):
        if name not in manifest.files and name != MANIFEST:
            yield name, "not part of the record"


_NO_FILE = "is a link or a folder, not a file, or cannot be read"


def _of_events(content: bytes | None, manifest: Manifest | None) -> Iterator[tuple[str, str]]:
    lines = content.rstrip(b"\n").split(b"\n") if content else []
    before = ""
    for number, line in enumerate(lines, start=1):
        if line.endswith(b', "previous": "' + before.encode() + b'"}'):  # as it is written; what is not, is read
            before = hash_of(line)
            continue
        try:
            previous = json.loads(line)["previous"]
        except (ValueError, KeyError, TypeError, RecursionError):
            yield EVENTS, f"line {number} is damaged"
        else:
            if previous != before:
                yield EVENTS, f"line {number} does not follow the line before it: something between was cut or changed"
        before = hash_of(line)
    if manifest is None:
        return
    if manifest.events.problem:
        yield EVENTS, manifest.events.problem
    sealed = manifest.events
    if sealed.lines and (len(lines), before) != (sealed.lines, sealed.last_sha256):
        yield EVENTS, f"ends otherwise than when the run was sealed ({len(lines)} of {sealed.lines} lines)"


def _of_link(store: Store, links: tuple[Link, ...], place: int, records: Mapping[str, _Checked]) -> Iterator[Finding]:
    """Check one line of the chain against the record it names, and that record against the line before."""
    link, number = links[place], place + 1
    if not link.run_id:
        yield Finding(file=CHAIN, problem=f"line {number} is damaged")
        return
    checked = records.get(link.folder)
    if checked is None:
        is_there = os.path.isdir(f"{store.root}/{link.folder}")  # noqa: PTH112 # also for a name that none can have
        problem = "was looked for and not found as a record" if is_there else "the whole record is missing"
        yield Finding(file=link.folder, problem=problem)
        return
    if not checked.sha256:
        yield Finding(file=f"{link.folder}/{MANIFEST}", problem="missing")
    elif checked.sha256 != link.sha256:
        if checked.is_sealed:
            problem = f"line {number} does not fit the manifest of run {link.run_id}: one was replaced"
            yield Finding(file=CHAIN, problem=problem)
        else:
            yield Finding(file=f"{link.folder}/{MANIFEST}", problem="changed: it is not the one that was listed")
    before = links[place - 1] if place else None
    if checked.notebook and checked.previous != before:
        yield from _gap(checked.previous, {entry.run_id for entry in links}, number)


def _unlisted(checked: _Checked, by_run: Mapping[str, Link]) -> Iterator[Finding]:
    """Name a finished record that the chain does not hold: a copy of one that it holds, or one whose line is gone."""
    if checked.life in ("running", "killed") or not checked.sha256:
        return
    original = by_run.get(checked.run_id)
    if original is not None:
        problem = f"is no record of this store: run {checked.run_id} is listed as {original.folder}"
        yield Finding(file=checked.name, problem=problem)
    else:
        said = f" ({checked.notebook})" if checked.notebook else ""
        yield Finding(file=CHAIN, problem=f"the line of run {checked.run_id}{said} is missing")


def _gap(previous: Link | None, listed: set[str], number: int) -> Iterator[Finding]:
    if previous is not None and previous.run_id and previous.run_id not in listed:
        yield Finding(file=previous.folder, problem="the whole record is missing, and so is its line in the chain")
    else:
        yield Finding(file=CHAIN, problem=f"line {number} does not follow the line before it")
