"""The store: a local folder of records, `<incident>/<UTC>-<notebook>-<run id>/`, written atomically, never over.

A run that goes on holds a lock in `.running/`; the system lets it go when the process ends, however it ends. So a
record that is not finished and whose lock is free belongs to a run that was killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from runbook_lib import events
from runbook_lib.errors import InputRefused
from runbook_lib.locking import fcntl

STORE_VARIABLE = "RUNBOOK_RECORDS"
DEFAULT_STORE = Path("records")
UNFILED = "unfiled"
SCRATCH_PREFIX = "runbook-"  # of a run's private folder among the system's temporary ones
NOTEBOOK, MANIFEST, EVENTS, REPORT = "record.ipynb", "manifest.json", "events.jsonl", "report.html"
CHAIN = "chain.jsonl"  # lists every finished record of the store
PROOF = "proof.json"  # written by the notebook itself, where there was something to prove
Life = Literal["running", "killed", "ended", "none"]
FILES = (NOTEBOOK, MANIFEST, EVENTS, REPORT)

_LONGEST_NAME = 120
_AS_A_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # no link leads elsewhere, no pipe is waited for
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_LONGEST_SCRATCH_ROOT = 60
_LOCK_ROOM = 4000  # below one block, so that writing it again needs no room
_LEAST_FREE_BYTES = 64 << 20  # a record is a few MB; below this the disk is as good as full


def scratch_root() -> Path:
    """Return where private folders of runs lie: the system's temporary folder, unless its path is too long for sockets.

    A socket's path may have 103 signs on macOS and 107 on Linux.
    """
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= _LONGEST_SCRATCH_ROOT else Path("/tmp")  # noqa: S108 # mkdtemp makes it private


def new_run_id() -> str:
    """Return an id that names one run: 8 hexadecimal digits."""
    return secrets.token_hex(4)


def write_atomically(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    `lasting` waits until it is on the disk; a run in progress leaves that to the system.

    Raises:
        OSError: it cannot be written; the old one is unchanged.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    if lasting:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RecordFolder:
    """The folder of one record while its run goes on. `write` is how bytes get to the disk."""

    def __init__(
        self, path: Path, *, lock: int, lock_path: Path, write: Callable[..., None], append: Callable[..., None]
    ) -> None:
        self.path = path
        self._lock = lock
        self._lock_path = lock_path
        self._write = write
        self._append = append

    def write(self, name: str, content: bytes, *, lasting: bool = True) -> None:
        """Write one of the record's files. Raises OSError when that fails."""
        self._write(self.path / name, content, lasting=lasting)

    def append(self, event: str, *, by: str, facts: Mapping[str, Any]) -> None:
        """Write one line of the record's events. Raises OSError when that fails."""
        self._append(self.path / EVENTS, event, by=by, facts=facts)

    def release(self, *, instead_of_manifest: Mapping[str, Any] | None = None) -> None:
        """Let the run's lock go: the record is finished.

        A manifest that could not be written leaves its gist in the lock's file, so that nobody takes the run for a
        killed one. That file has its room on the disk already.
        """
        with suppress(OSError):
            if instead_of_manifest is None:
                self._lock_path.unlink()
            else:
                os.pwrite(self._lock, json.dumps(dict(instead_of_manifest)).encode().ljust(_LOCK_ROOM), 0)
        os.close(self._lock)


class Store:
    """A folder of records. `write` and `append` may be replaced by what writes elsewhere or, in tests, fails."""

    def __init__(
        self,
        root: Path,
        *,
        write: Callable[..., None] = write_atomically,
        append: Callable[..., None] = events.append,
    ) -> None:
        self.root = root.absolute()
        self._write = write
        self._append = append

    def open_record(self, *, notebook: str, incident: str, run_id: str, started: datetime) -> RecordFolder:
        """Make the folder of a new record and lock it.

        Raises:
            InputRefused: the incident cannot be a folder's name, or the store is full or cannot be written.
        """
        where = incident_folder(incident)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", notebook).strip(".-") or "notebook"
        path = self.root / where / f"{started.strftime('%Y%m%dT%H%M%SZ')}-{stem}-{run_id}"
        try:
            (self.root / ".running").mkdir(parents=True, exist_ok=True)
            lock_path = self.root / ".running" / run_id
            lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(lock, fcntl.LOCK_EX)
            holder = {"folder": str(path.relative_to(self.root)), "pid": os.getpid(), "host": socket.gethostname()}
            os.write(lock, json.dumps(holder).encode().ljust(_LOCK_ROOM))
            path.mkdir(parents=True)
            self._check_room(path)
        except OSError as error:
            raise InputRefused(
                f"No record can be kept in {self.root}: {error.strerror or error}.",
                hint="Nothing was run. Make room or name another folder with --records.",
            ) from error
        return RecordFolder(path, lock=lock, lock_path=lock_path, write=self._write, append=self._append)

    def _check_room(self, path: Path) -> None:
        free = shutil.disk_usage(self.root).free
        if free < _LEAST_FREE_BYTES:
            raise OSError(28, f"only {free >> 20} MiB are free")
        self._write(path / "probe", b"room", lasting=False)
        (path / "probe").unlink(missing_ok=True)

    def life_of(self, folder: Path) -> Life:
        """Tell whether a record's run goes on, was killed, ended without a manifest, or left no trace of itself.

        Reads only. "none" is also the answer where the lock of that run id belongs to another folder.
        """
        return self.life_of_name(self.name_of(folder))

    def life_of_name(self, name: str) -> Life:
        """Tell the same of a record by its name in the store."""
        try:
            descriptor = os.open(f"{self.root}/.running/{name.rpartition('-')[2]}", _AS_A_FILE)
        except OSError:
            return "none"
        try:
            holder = _holder(os.pread(descriptor, _LOCK_ROOM, 0))
            if holder.get("folder") != name:
                return "none"
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return "running"
        except OSError:
            return "none"
        else:
            return "ended" if "outcome" in holder else "killed"
        finally:
            os.close(descriptor)

    def name_of(self, folder: Path) -> str:
        """Return a record's folder as it is named in the store: `<incident>/<folder>`."""
        return f"{folder.parent.name}/{folder.name}"

    @contextmanager
    def lock_of_killed(self, folder: Path) -> Iterator[RecordFolder | None]:
        """Take over the lock of a run that was killed; yields None where there is no such run any more.

        Raises:
            OSError: the store cannot be written.
        """
        lock_path = self.root / ".running" / run_id_of(folder)
        if self.life_of(folder) != "killed":
            yield None
            return
        lock = os.open(lock_path, os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            yield None
            return
        held = RecordFolder(folder, lock=lock, lock_path=lock_path, write=self._write, append=self._append)
        try:
            yield held
        except BaseException:
            os.close(lock)  # it stays what it was: a run that was killed
            raise
        else:
            held.release()

    def left_by(self, folder: Path) -> dict[str, Any]:
        """Return what the lock's file of a run that no longer runs says, or nothing."""
        try:
            return _holder(events.content_of(self.root / ".running" / run_id_of(folder)))
        except OSError:
            return {}

    def folders(self) -> Iterator[Path]:
        """Return every record's folder, oldest first."""
        yield from (Path(f"{self.root}/{name}") for name in self.names())

    def names(self) -> Iterator[str]:
        """Return every record's folder as it is named in the store, oldest first."""
        found: list[tuple[str, str]] = []
        for incident in _folders_in(self.root):
            found += [(name, incident) for name in _folders_in(self.root / incident) if "Z-" in name]
        for name, incident in sorted(found):
            yield f"{incident}/{name}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock: what reads the chain's end and writes the next link happens inside."""
        descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def run_id_of(folder: Path) -> str:
    """Return the run id that a record's folder is named with."""
    return folder.name.rpartition("-")[2]


def _folders_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return [entry.name for entry in found if not entry.name.startswith(".") and _is_folder(entry)]
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: what lies beside it is a store all the same
        return False


def _holder(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def check_incident(incident: str) -> str:
    """Return the incident back if people can read and write it. Raises InputRefused."""
    return check_name(incident, "incident")


def check_name(name: str, what: str) -> str:
    """Return a name back if people can read and write it; `what` it names is for the message. Raises InputRefused."""
    if name and (len(name) > _LONGEST_NAME or name.strip() != name or not name.isprintable()):
        raise InputRefused(
            f"The {what} {name[:80]!r} is not a name that people can write.",
            hint=f"Use at most {_LONGEST_NAME} printable characters, for example INC-2041.",
        )
    return check_open(name, what)


def check_open(name: str, what: str) -> str:
    """Return a name back if it holds no secret: it names a folder, and everybody reads it. Raises InputRefused."""
    from runbook_lib.redaction.patterns import spans  # they take a while, and who only reads a store needs none

    if found := next(iter(spans(name)), None):
        raise InputRefused(
            f"The name of the {what} holds what looks like a secret ({found.kind}). Nothing was run.",
            hint="Rename it: names of records are read by everybody.",
        )
    return name


def incident_folder(incident: str) -> str:
    """Return the name of an incident's folder: its own where that is safe everywhere, else one made of it.

    Two incidents never share a folder: what was made carries a hash of the whole name. Raises InputRefused.
    """
    if not check_incident(incident):
        return UNFILED
    if _SAFE.fullmatch(incident) and incident != UNFILED:
        return incident
    name = unicodedata.normalize("NFC", incident)
    readable = "".join(sign if sign.isalnum() or sign in "._" else "-" for sign in name).strip("-._")[:40]
    return f"{readable or 'incident'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def default_store() -> Store:
    """Return the store $RUNBOOK_RECORDS names, else `records` in the current folder."""
    return Store(Path(os.environ.get(STORE_VARIABLE) or DEFAULT_STORE))
