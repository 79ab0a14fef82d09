"""Nothing is left behind: no process, no port, no folder, however the owner of a data plane ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.folders import OwnedFolder
from runbook_lib.rehearsal.reaper import is_gone

OWNER = """
import json, signal, sys
from pathlib import Path
from runbook_lib.mysql import Credentials
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine
with DataPlane(choose_engine(sys.argv[1]), Path(sys.argv[2])) as plane:
    plane.create("one", master=Credentials(user="admin", password="p"))
    plane.open("one")
    facts = {"servers": [plane._clusters["one"].server.pid], "port": plane.endpoint("one").port,
             "folder": str(plane.folder), "sockets": str(plane._owned.sockets), "reaper": plane._owned._reaper.pid}
    print(json.dumps(facts), flush=True)
    signal.pause()
"""


@dataclass
class Owner:
    """A process that owns a data plane with one open cluster."""

    process: subprocess.Popen[str]
    servers: list[int]
    port: int
    folder: Path
    sockets: Path
    reaper: int

    @property
    def left(self) -> list[str]:
        """What is still there of it."""
        processes = [f"process {pid}" for pid in self.servers if not is_gone(pid)]
        folders = [str(folder) for folder in (self.folder, self.sockets) if folder.exists()]
        return processes + folders + ([f"port {self.port}"] if self.answers else [])

    @property
    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def owners(engine: Engine, parent: Path, *, count: int) -> list[Owner]:
    """Start owners side by side, and give them when each has its cluster open."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OWNER, engine.family, str(parent)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        for _ in range(count)
    ]
    return [_owner(process) for process in processes]


def _owner(process: subprocess.Popen[str]) -> Owner:
    assert process.stdout is not None
    facts = json.loads(process.stdout.readline())
    owner = Owner(process=process, **facts | {key: Path(facts[key]) for key in ("folder", "sockets")})
    assert len(owner.left) == 4, "its server, its two folders, its port"
    return owner


def until(reached: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.05)
    return reached()


@pytest.mark.one_engine
def test_nothing_is_left_of_owners_that_were_killed_and_a_neighbour_lives_on(engine: Engine, tmp_path: Path) -> None:
    *ended, neighbour = owners(engine, tmp_path, count=4)
    assert len({owner.port for owner in (*ended, neighbour)}) == 4
    assert len({owner.folder for owner in (*ended, neighbour)}) == 4
    for owner, number in zip(ended, (signal.SIGKILL, signal.SIGTERM, signal.SIGINT), strict=True):
        owner.process.send_signal(number)
        owner.process.wait()
    for owner in ended:
        assert until(lambda owner=owner: not owner.left), owner.left
    assert neighbour.answers
    neighbour.process.kill()
    neighbour.process.wait()
    assert until(lambda: not neighbour.left), neighbour.left


@pytest.mark.one_engine
def test_what_an_owner_left_that_was_killed_with_its_reaper_is_swept_by_the_next_start(
    engine: Engine, tmp_path: Path
) -> None:
    (owner,) = owners(engine, tmp_path, count=1)
    neighbour = OwnedFolder(tmp_path)
    os.kill(owner.reaper, signal.SIGKILL)
    owner.process.kill()
    owner.process.wait()
    assert until(lambda: is_gone(owner.reaper)), "it holds the folder's lock until the system has ended it"
    assert len(owner.left) == 4, "nobody was there to clear it"
    OwnedFolder(tmp_path).close()
    assert not owner.left
    assert neighbour.path.exists(), "what has an owner is left alone"
    neighbour.close()


def test_a_folder_whose_reaper_was_killed_is_removed_by_its_owner(tmp_path: Path) -> None:
    owned = OwnedFolder(tmp_path)
    owned._reaper.kill()
    owned._reaper.wait()
    owned.close()
    owned.close()
    assert not owned.path.exists()
    assert not owned.sockets.exists()


def test_a_long_folder_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    """A Unix socket's address holds 103 bytes on macOS."""
    deep = tmp_path / ("d" * 100)
    owned = OwnedFolder(deep)
    assert len(os.fsencode(owned.sockets / "999.sock")) < 103
    assert owned.sockets.stat().st_mode & 0o077 == 0
    owned.close()
    assert not owned.sockets.exists()
    assert not list(deep.glob("plane-*"))
