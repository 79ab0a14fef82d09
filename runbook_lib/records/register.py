"""The register of past runs: every record of a store, finished or not, and those a reader asks for."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import CheckFailed, InputRefused, NotFound, RunbookError
from runbook_lib.events import content_of, read_events
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.store import CHAIN, EVENTS, MANIFEST, NOTEBOOK, Store, write_atomically

if TYPE_CHECKING:
    from runbook_lib.records.manifest import Manifest

_VERSION = 1
_KEYS = {"notebook", "incident", "started", "outcome", "cluster", "seconds", "headline", "publish_to", "recovery"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record as a reader finds it, by what a list needs of it: its folder (`place`), and why it is not whole.

    `summary` holds `cluster`, `seconds`, `headline`, `publish_to` and `recovery` of a finished run.
    """

    place: str
    run_id: str
    notebook: str
    incident: str
    started: datetime
    outcome: Outcome
    summary: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def folder(self) -> Path:
        """Return the record's folder. Made when it is asked for: a list of thousands needs none."""
        return Path(self.place)

    @property
    def cluster(self) -> str:
        """Return the cluster the run was about, as far as it is known."""
        return str(self.summary.get("cluster", ""))

    @property
    def is_whole(self) -> bool:
        """Tell whether the record has a manifest that can be read."""
        return bool(self.summary)

    @cached_property
    def manifest(self) -> Manifest | None:
        """Read the manifest; None while the run goes on and where the record is spoilt."""
        if not self.summary:
            return None
        try:
            return _manifest(str(self.folder / MANIFEST))
        except (RunbookError, OSError):
            return None

    def as_json(self) -> dict[str, Any]:
        """Return the entry for machines: the manifest's facts, or what is known without one."""
        known = {
            "folder": str(self.folder),
            "run_id": self.run_id,
            "notebook": self.notebook,
            "incident": self.incident,
            "started": self.started.isoformat(),
            "outcome": self.outcome.value,
            "problem": self.problem,
        }
        return {**(self.manifest.model_dump(mode="json") if self.manifest else {}), **known}


def entries(store: Store) -> Iterator[Entry]:
    """Return every record of a store, oldest first. Changes nothing in it.

    What manifests say is remembered outside of the store; a manifest that has changed since is read again.
    """
    with Remembered(store) as remembered:
        found = [_entry(store, name, remembered) for name in store.names()]
    yield from sorted(found, key=lambda entry: entry.started)


def check_store(store: Store) -> None:
    """Raises NotFound: there is no store, so nothing can be said of its records."""
    if not any((store.root / mark).exists() for mark in (".running", CHAIN)) and not any(store.folders()):
        raise NotFound(f"There is no store of records in {store.root}.", hint="Name the right folder with --records.")


def read_entry(store: Store, folder: Path) -> Entry:
    """Read one record. A spoilt one is an entry too: it says its problem."""
    return _entry(store, store.name_of(folder), None)


def _entry(store: Store, name: str, remembered: Remembered | None) -> Entry:
    path = f"{store.root}/{name}/{MANIFEST}"
    status = _status(path)
    if status is not None:
        key = [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino]
        summary = remembered.summary(name, key) if remembered else None
        if summary is not None:
            return _of_summary(store, name, summary)
    incident, _, of_folder = name.partition("/")
    started_text, _, rest = of_folder.partition("-")
    notebook, _, run_id = rest.rpartition("-")
    folder = Path(f"{store.root}/{name}")
    named: dict[str, Any] = {"place": str(folder), "run_id": run_id, "notebook": notebook, "incident": incident}
    named["started"] = _started(started_text)
    if status is None:
        return _without_manifest(store, folder, named)
    try:
        if not stat.S_ISREG(status.st_mode):
            raise CheckFailed(f"{path} is not a file.")
        summary = _summary(_manifest(path))
    except RunbookError as error:
        return Entry(**named, outcome=Outcome.SPOILT, problem=error.message)
    except OSError as error:
        return Entry(**named, outcome=Outcome.SPOILT, problem=f"{path} cannot be read: {error.strerror}.")
    if remembered:
        remembered.note(name, key, summary)
    return _of_summary(store, name, summary)


def _manifest(path: str) -> Manifest:
    from runbook_lib.records.manifest import read_manifest  # its model takes long, and a list needs none

    return read_manifest(content_of(path), name=path)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _of_summary(store: Store, name: str, summary: Mapping[str, Any]) -> Entry:
    return Entry(
        place=f"{store.root}/{name}",
        run_id=name.rpartition("-")[2],
        notebook=summary["notebook"],
        incident=summary["incident"],
        started=datetime.fromisoformat(summary["started"]),
        outcome=Outcome(summary["outcome"]),
        summary=summary,
    )


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "notebook": manifest.notebook,
        "incident": manifest.incident,
        "started": manifest.started.isoformat(),
        "outcome": manifest.outcome.value,
        "cluster": manifest.cluster,
        "seconds": manifest.seconds,
        "headline": manifest.headline,
        "publish_to": manifest.publish_to,
        "recovery": manifest.recovery,
    }


def _without_manifest(store: Store, folder: Path, named: dict[str, Any]) -> Entry:
    match store.life_of(folder):
        case "running":
            return Entry(**named, outcome=Outcome.RUNNING)
        case "killed":
            problem = "The run was killed. `runbook records close`, or the next run of its incident, writes its end."
            return Entry(**named, outcome=Outcome.ORPHANED, problem=problem)
        case "ended":
            left = store.left_by(folder)
            where = f" It is kept in {left['rescue']}." if left.get("rescue") else ""
            said = str(left["outcome"])
            outcome = Outcome(said) if said in set(Outcome) else Outcome.SPOILT
            return Entry(**named, outcome=outcome, problem=f"The store did not take the manifest.{where}")
    problem = f"{folder / MANIFEST} is missing, and the run was not killed: it was removed, or is of another store."
    return Entry(**named, outcome=Outcome.SPOILT, problem=problem)


class Remembered:
    """What the manifests of a store say, remembered outside of it, so that a list of thousands takes no time.

    It can be thrown away at any time. `verify` never looks at it.
    """

    def __init__(self, store: Store) -> None:
        name = hashlib.sha256(os.fsencode(store.root)).hexdigest()[:16]
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        self._path = Path(home).expanduser() / "runbook" / f"records-{name}.json"
        self._known: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}

    def __enter__(self) -> Remembered:
        with suppress(OSError, ValueError, RecursionError):
            said = json.loads(self._path.read_bytes())
            if isinstance(said, dict) and said.get("version") == _VERSION and isinstance(said["records"], dict):
                self._known = said["records"]
        return self

    def __exit__(self, *_: object) -> None:
        if self._seen == self._known:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            content = json.dumps({"version": _VERSION, "records": self._seen}, ensure_ascii=True, default=str)
            write_atomically(self._path, content.encode(), lasting=False)

    def summary(self, name: str, key: list[int]) -> dict[str, Any] | None:
        """Return what is known of a manifest, if it is still the file that was read."""
        try:
            known, summary = self._known[name]
            if known != key or not isinstance(summary, dict) or summary.keys() != _KEYS:
                return None
        except (KeyError, ValueError, TypeError):
            return None
        self._seen[name] = self._known[name]
        return summary

    def note(self, name: str, key: list[int], summary: Mapping[str, Any]) -> None:
        """Remember what a manifest says."""
        self._seen[name] = [key, dict(summary)]


def _started(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def find(store: Store, name: str) -> Entry:
    """Find the record somebody names: its folder, its run id or the beginning of one, or `latest`.

    Raises:
        NotFound: no record has that name.
        InputRefused: several do.
    """
    folder = Path(name)
    if folder.is_dir() and any((folder / file).exists() for file in (MANIFEST, NOTEBOOK, EVENTS)):
        return read_entry(Store(folder.absolute().parent.parent), folder.absolute())
    found = list(entries(store))
    if name == "latest" and found:
        return found[-1]
    matching = [entry for entry in found if entry.run_id.startswith(name) or entry.folder.name == name]
    if len(matching) > 1:
        named = ", ".join(_told_apart(matching))
        raise InputRefused(f"{len(matching)} records begin with {name}.", hint=f"Name one: {named}.")
    if not matching:
        raise NotFound(
            f"There is no record {name} in {store.root}.",
            hint="List the records with `runbook records list`, or name another store with --records.",
        )
    return matching[0]


def _told_apart(found: list[Entry]) -> list[str]:
    """Return names by which records can be asked for: run ids, or folders where a run id is there twice (a copy)."""
    ids = [entry.run_id for entry in found]
    return ids if len(set(ids)) == len(ids) else [entry.place for entry in found]


def notebook_of(entry: Entry) -> dict[str, Any]:
    """Read the executed notebook of a record.

    Raises:
        NotFound: it is missing or no JSON.
    """
    path = entry.folder / NOTEBOOK
    try:
        content = json.loads(content_of(path))
    except (OSError, ValueError, RecursionError) as error:
        raise NotFound(f"{path} cannot be read.", hint="Check the record with `runbook records verify`.") from error
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) and "source" in cell for cell in cells):
        raise NotFound(f"{path} is not a notebook.", hint="Check the record with `runbook records verify`.")
    return dict(content)


def events_of(entry: Entry) -> tuple[dict[str, Any], ...]:
    """Read the events of a record."""
    return read_events(entry.folder / EVENTS)
