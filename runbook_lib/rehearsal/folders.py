"""A folder with one owner, that is gone when its owner is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runbook_lib.errors import InputRefused
from runbook_lib.locking import fcntl
from runbook_lib.rehearsal import reaper

_LOCK = "owner.lock"
_SOCKETS = "sockets.path"
_LONGEST_SOCKET = 90  # a socket's address holds 107 bytes on Linux, 103 on macOS; the rest is for its name
_PREFIX = "plane-"


def default_parent() -> Path:
    """Return the folder under which stand-ins of this user live: below $TMPDIR, readable by this user alone."""
    parent = Path(tempfile.gettempdir()).resolve() / f"runbook-{os.getuid()}"
    parent.mkdir(mode=0o700, exist_ok=True)
    state = parent.lstat()
    if parent.is_symlink() or state.st_uid != os.getuid():
        raise InputRefused(
            f"{parent} belongs to somebody else, so no stand-in is put there.", hint="Set TMPDIR to a folder of yours."
        )
    return parent


class OwnedFolder:
    """A new folder below `parent` that is removed, with the servers in it, when this process closes it or ends.

    Making one first sweeps what owners left that were killed together with their reaper: folders whose lock nobody
    holds. `path` is the folder, `sockets` one whose path is short enough for Unix sockets.
    """

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        parent = parent.resolve()
        with _alone(parent):
            _sweep(parent)
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self.sockets = self._short_folder()
            (self.path / _SOCKETS).write_text(str(self.sockets))
            lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            # The lock is one open file for both: it is free only when owner and reaper are gone.
            self._reaper = subprocess.Popen(  # noqa: S603  # our own file, run by our own interpreter
                [sys.executable, "-I", "-S", reaper.__file__, self.path, self.sockets],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(lock,),
                cwd="/",
            )
        except OSError:
            reaper.clear(self.path, self.sockets)
            raise
        finally:
            self._lock = lock

    def _short_folder(self) -> Path:
        own = self.path / "s"
        if len(os.fsencode(own)) <= _LONGEST_SOCKET:
            own.mkdir()
            return own
        return Path(tempfile.mkdtemp(prefix="rb-", dir="/tmp")).resolve()  # mkdtemp: new, ours alone

    def close(self) -> None:
        """Have the reaper end the servers and remove the folder, and wait for it; closing twice is harmless."""
        if self._reaper.stdin and not self._reaper.stdin.closed:
            self._reaper.stdin.close()
            self._reaper.wait()
            if self.path.exists():
                reaper.clear(self.path, self.sockets)  # somebody killed the reaper before us
            os.close(self._lock)


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Keep other processes from sweeping a folder that has no lock yet."""
    handle = os.open(parent / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        if folder.is_symlink() or not folder.is_dir() or not _is_free(folder / _LOCK):
            continue
        sockets = folder / "s"
        with suppress(OSError):  # it was killed before it had written where its sockets are: there are none yet
            sockets = Path((folder / _SOCKETS).read_text())
        reaper.clear(folder, sockets)


def _is_free(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # another user's
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
