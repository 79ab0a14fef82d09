"""Copies of data directories."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

# What a server makes anew: its identity, process id, temporary tables and sockets.
_LEFT_OUT = {"auto.cnf", "ibtmp1", "#innodb_temp", "ib_buffer_pool", "multi-master.info", "server.pid"}


def copy_tree(source: Path, target: Path) -> None:
    """Copy a server's data directory to a new folder, holes as holes; leave out what belongs to the one server only."""
    target.mkdir(parents=True)
    for entry in os.scandir(source):
        if entry.name in _LEFT_OUT or entry.name.endswith((".pid", ".sock", ".lock")):
            continue
        if entry.is_dir(follow_symlinks=False):
            copy_tree(Path(entry.path), target / entry.name)
        elif entry.is_file(follow_symlinks=False):
            copy_file(Path(entry.path), target / entry.name)


def copy_file(source: Path, target: Path) -> None:
    """Copy one file. Redo logs and undo spaces are mostly holes: reading them would be most of the work."""
    with source.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
        size = os.fstat(reader.fileno()).st_size
        at = 0
        while at < size:
            try:
                at = os.lseek(reader.fileno(), at, os.SEEK_DATA)
                end = os.lseek(reader.fileno(), at, os.SEEK_HOLE)
            except OSError as error:
                if error.errno == errno.ENXIO:  # only a hole is left
                    break
                end = size  # a file system that knows no holes
            _copy_part(reader.fileno(), writer.fileno(), at, min(end, size))
            at = end
        writer.truncate(size)
    shutil.copymode(source, target)


def _copy_part(source: int, target: int, at: int, end: int) -> None:
    os.lseek(source, at, os.SEEK_SET)
    os.lseek(target, at, os.SEEK_SET)
    while at < end and (block := os.read(source, min(end - at, 1 << 20))):
        os.write(target, block)
        at += len(block)
