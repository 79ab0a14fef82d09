"""End the servers of a folder and remove it, when the process that owns the folder is gone.

Runs as a program of its own (`python -I -S reaper.py FOLDER SOCKETS`), in a session of its own, so that neither Ctrl-C
at the terminal nor the death of its owner reaches it. It waits for its standard input to end: the owner alone holds
the other end, and the system closes it however the owner ends, SIGKILL included. A child that was being started at
that moment holds a copy of that end until it has become the server, so none is missed.

Only the standard library here: with -I -S nothing else can be imported.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_SECONDS_TO_DIE = 30.0  # after SIGKILL only a process stuck in the kernel takes longer than a moment


def servers_of(folder: Path) -> list[int]:
    """Return the ids of the server processes whose data directory lies in `folder`.

    The command line is what tells them: it names a folder that is made anew for each owner, so an id that the system
    has meanwhile given to somebody else is never taken for ours.
    """
    wanted = f"--datadir={folder}{os.sep}"
    if Path("/proc/self/cmdline").exists():
        return [pid for pid, arguments in _of_proc() if any(each.startswith(wanted) for each in arguments)]
    listing = subprocess.run(["/bin/ps", "-axwwo", "pid=,command="], capture_output=True, text=True, errors="replace")
    rows = (line.strip().partition(" ") for line in listing.stdout.splitlines())
    return [int(pid) for pid, _, command in rows if f" {wanted}" in command]


def _of_proc() -> list[tuple[int, list[str]]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended while we looked, or belongs to another user
                found.append((int(entry.name), os.fsdecode((entry / "cmdline").read_bytes()).split("\0")))
    return found


def end_servers(folder: Path) -> None:
    """Kill the servers of `folder` and wait until they are gone; what they held is about to be removed."""
    deadline = time.monotonic() + _SECONDS_TO_DIE
    killed = servers_of(folder)
    for pid in killed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while not all(map(is_gone, killed)) and time.monotonic() < deadline:
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Tell whether a process holds nothing any more: no file, no port.

    A dying process has no command line before it has closed its files, and its first thread may be done before the
    others. What is left until its parent asks for its exit code (a zombie) holds nothing.
    """
    proc = Path(f"/proc/{pid}")
    if Path("/proc/self/stat").exists():
        try:
            state = (proc / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            return state in "ZX" and len(list((proc / "task").iterdir())) <= 1
        except OSError:
            return True
    command = ["/bin/ps", "-o", "stat=", "-p", str(pid)]
    listing = subprocess.run(command, capture_output=True, text=True)  # noqa: S603  # the system's own ps
    return listing.stdout.strip()[:1] in ("", "Z")


def clear(folder: Path, sockets: Path) -> None:
    """End the servers of `folder`, then remove it and the folder of its sockets."""
    end_servers(folder)
    shutil.rmtree(sockets, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Wait for the owner's end, then clear."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder, sockets = map(Path, sys.argv[1:3])
    while os.read(0, 4096):
        pass
    clear(folder, sockets)


if __name__ == "__main__":
    main()
