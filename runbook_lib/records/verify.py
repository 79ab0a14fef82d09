"""Whether records are what their runs left: files against their hashes, events and runs against those before them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import CheckFailed
from runbook_lib.events import event_lines, hash_of
from runbook_lib.records.chain import CHAIN, read_chain
from runbook_lib.records.manifest import Link, Manifest, read_manifest
from runbook_lib.records.store import EVENTS, MANIFEST, Store


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it was left: which file (relative to the store), and what is wrong with it."""

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


def verify_record(folder: Path, *, root: Path) -> tuple[Finding, ...]:
    """Check one record by itself. A record without a manifest is checked by its events' chain alone."""
    name = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)
    return tuple(Finding(file=f"{name}/{file}", problem=problem) for file, problem in _of_record(folder))


def _of_record(folder: Path) -> Iterator[tuple[str, str]]:
    path = folder / MANIFEST
    if not path.exists():
        yield MANIFEST, "missing"
        yield from _of_chain_of_events(folder, None)
        return
    try:
        manifest = read_manifest(path.read_bytes(), name=MANIFEST)
    except CheckFailed as error:
        yield MANIFEST, f"changed: {error.message}"
        yield from _of_chain_of_events(folder, None)
        return
    if manifest.seal != manifest.expected_seal():
        yield MANIFEST, "changed: its seal does not fit what it says"
    for name, expected in manifest.files.items():
        file = folder / name
        if not file.exists():
            yield name, "missing"
            continue
        content = file.read_bytes()
        if len(content) < expected.bytes:
            yield name, f"cut: {len(content)} of {expected.bytes} bytes are left"
        elif hashlib.sha256(content).hexdigest() != expected.sha256:
            yield name, "changed"
    yield from _of_chain_of_events(folder, manifest)
    for file in sorted(folder.iterdir()):
        if file.name not in manifest.files and file.name != MANIFEST:
            yield file.name, "not part of the record"


def _of_chain_of_events(folder: Path, manifest: Manifest | None) -> Iterator[tuple[str, str]]:
    lines = event_lines(folder / EVENTS)
    before = ""
    for number, line in enumerate(lines, start=1):
        try:
            previous = json.loads(line)["previous"]
        except (ValueError, KeyError, TypeError):
            yield EVENTS, f"line {number} is damaged"
        else:
            if previous != before:
                yield EVENTS, f"line {number} does not follow the line before it: something between was cut or changed"
        before = hash_of(line)
    if (
        manifest is not None
        and manifest.events.lines
        and (len(lines), before)
        != (
            manifest.events.lines,
            manifest.events.last_sha256,
        )
    ):
        yield EVENTS, f"ends otherwise than when the run was sealed ({len(lines)} of {manifest.events.lines} lines)"


def verify_store(store: Store) -> tuple[Finding, ...]:
    """Check every record of a store, and that none is missing from its chain. Runs that go on are left out."""
    found: list[Finding] = []
    manifests: dict[str, Manifest] = {}
    for folder in store.folders():
        run_id = folder.name.rpartition("-")[2]
        if store.is_running(run_id):
            continue
        found += verify_record(folder, root=store.root)
        path = folder / MANIFEST
        if path.exists():
            try:
                manifests[run_id] = read_manifest(path.read_bytes(), name=MANIFEST)
            except CheckFailed:
                continue  # named above
    found += _of_store_chain(store, manifests)
    return tuple(dict.fromkeys(found))


def _of_store_chain(store: Store, manifests: dict[str, Manifest]) -> Iterator[Finding]:
    chain = read_chain(store)
    if manifests and not chain:
        yield Finding(file=CHAIN, problem="missing")
    listed = {link.run_id for link in chain}
    before: Link | None = None
    for number, link in enumerate(chain, start=1):
        path = store.root / link.folder / MANIFEST
        if not link.run_id:
            yield Finding(file=CHAIN, problem=f"line {number} is damaged")
        elif not path.parent.is_dir():
            yield Finding(file=link.folder, problem="the whole record is missing")
        elif not path.exists():
            yield Finding(file=f"{link.folder}/{MANIFEST}", problem="missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != link.sha256:
            yield _which_is_wrong(link, manifests.get(link.run_id), number)
        manifest = manifests.get(link.run_id)
        if manifest is not None and manifest.previous != before:
            yield from _gap(manifest.previous, listed, number)
        before = link
    for run_id, manifest in manifests.items():
        if run_id not in listed and chain:
            yield Finding(file=CHAIN, problem=f"the line of run {run_id} ({manifest.notebook}) is missing")


def _which_is_wrong(link: Link, manifest: Manifest | None, number: int) -> Finding:
    if manifest is not None and manifest.seal == manifest.expected_seal():
        return Finding(
            file=CHAIN, problem=f"line {number} does not fit the manifest of run {link.run_id}: one was replaced"
        )
    return Finding(file=f"{link.folder}/{MANIFEST}", problem="changed: it is not the one that was listed")


def _gap(previous: Link | None, listed: set[str], number: int) -> Iterator[Finding]:
    if previous is not None and previous.run_id not in listed:
        yield Finding(file=previous.folder, problem="the whole record is missing, and so is its line in the chain")
    else:
        yield Finding(file=CHAIN, problem=f"line {number} does not follow the line before it")
