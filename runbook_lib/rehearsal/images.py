"""Physical copies of a server's files, kept as long as somebody needs them."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.rehearsal.binlog import Position, end_of, log_files
from runbook_lib.rehearsal.copying import copy_file, copy_tree
from runbook_lib.rehearsal.servers import Server, ServerFiles

_LOGS_FOR_RECOVERY = 2  # a server that crashed settles its prepared transactions by its newest log, or the one before


@dataclass(frozen=True)
class Image:
    """A server's files as of one moment, and the place in its binary log that they stand for."""

    folder: Path
    position: Position


class Images:
    """The images in a folder. Who takes one holds it until it releases it; nobody holding it, it is removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._holders: Counter[Image] = Counter()
        self._lock = threading.Lock()
        folder.mkdir()

    def take(self, server: Server) -> Image:
        """Copy a server's files while it stands still, and hold the image."""
        folder = self._folder / str(next(self._numbers))
        try:
            with server.frozen():
                copy_tree(server.files.data, folder / "data")
                (folder / "log").mkdir()
                for log in log_files(server.files.log)[-_LOGS_FOR_RECOVERY:]:
                    copy_file(log, folder / "log" / log.name)
            image = Image(folder=folder, position=end_of(folder / "log"))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.hold(image)
        return image

    def place(self, image: Image, files: ServerFiles) -> None:
        """Copy an image to where a new server will find it."""
        copy_tree(image.folder / "data", files.data)
        files.log.mkdir()
        logs = log_files(image.folder / "log")
        for log in logs:
            copy_file(log, files.log / log.name)
        files.index.write_text("".join(f"{files.log / log.name}\n" for log in logs))

    def hold(self, image: Image) -> None:
        """Keep an image for one more holder."""
        with self._lock:
            self._holders[image] += 1

    def release(self, image: Image) -> None:
        """Let go of an image; the last one to do so removes it."""
        with self._lock:
            self._holders[image] -= 1
            unused = self._holders[image] == 0
            if unused:
                del self._holders[image]
        if unused:
            shutil.rmtree(image.folder)

    @contextmanager
    def held(self, image: Image) -> Iterator[Image]:
        """Keep an image while it is copied."""
        self.hold(image)
        try:
            yield image
        finally:
            self.release(image)
