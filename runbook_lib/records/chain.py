"""The chain of a store: every finished record names the one that finished before it, and `chain.jsonl` lists them all.

Removing a record from the middle, or its line from the list, leaves a successor that names it. Removing the last one
with its line leaves no trace in the store: publish with object lock where that matters.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from runbook_lib.events import content_of
from runbook_lib.records.manifest import Link, Manifest
from runbook_lib.records.store import CHAIN, MANIFEST, RecordFolder, Store

_TAIL = 1 << 16
_A_FOLDER = re.compile(rb"[^/\0]{1,255}/[^/\0]{1,255}")


def read_chain(store: Store) -> tuple[Link, ...]:
    """Return the links in the order in which the runs finished; a torn last line is left out.

    A line that cannot be read is a link with no names: its place stays, so that its neighbours show it.
    """
    try:
        lines = content_of(store.root / CHAIN).split(b"\n")
    except OSError:
        return ()
    return tuple(_link(line) for line in lines[:-1])


def _link(line: bytes) -> Link:
    try:
        said = json.loads(line)
        if not _A_FOLDER.fullmatch(str(said["folder"]).encode()):
            raise ValueError("no record is there")
        return Link(run_id=str(said["run_id"]), folder=str(said["folder"]), sha256=str(said["sha256"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Link(run_id="", folder="", sha256="")


def append_record(store: Store, folder: RecordFolder, manifest: Manifest) -> Manifest:
    """Write a finished run's manifest, linked to the record that finished last, and list it.

    Raises:
        OSError: it cannot be written.
    """
    with store.locked():
        finished = manifest.model_copy(update={"previous": _last(store)}).sealed()
        content = finished.written()
        folder.write(MANIFEST, content)
        _list(store, finished.run_id, folder.path, content)
    return finished


def _last(store: Store) -> Link | None:
    """Return the last link, without reading those before it."""
    try:
        with open(store.root / CHAIN, "rb", opener=_as_a_file) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    return _link(lines[-1]) if lines else None


def _as_a_file(path: str, flags: int) -> int:
    """Open no link, and wait for nobody at a pipe: that is no chain, and cannot be read or written as one."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)


def _list(store: Store, run_id: str, folder: Path, content: bytes) -> None:
    link = Link(run_id=run_id, folder=store.name_of(folder), sha256=hashlib.sha256(content).hexdigest())
    path = store.root / CHAIN
    with open(path, "ab+", opener=_as_a_file) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")  # a torn line keeps its place
        file.write(json.dumps(link.model_dump()).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
