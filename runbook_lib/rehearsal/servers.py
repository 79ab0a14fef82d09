"""One server process on this machine, from its data directory to its end."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket as sockets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import StepFailed, Unreachable
from runbook_lib.mysql import Credentials, Database, Endpoint, connect
from runbook_lib.rehearsal.engines import Engine

LOOPBACK = "127.0.0.1"
SUPERUSER = "rdsadmin"  # the name Aurora gives its own superuser, so that listings of accounts look alike
STRICT = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)

_SECONDS_TO_START = 120.0  # crash recovery on a busy machine; a server that cannot start ends by itself before
_SECONDS_TO_STOP = 60.0
_LOG = logging.getLogger(__name__)


class PortTaken(StepFailed):
    """Another program took the port between our choosing it and the server's binding it."""


@dataclass(frozen=True, kw_only=True)
class ServerFiles:
    """Where one server keeps its things. `socket` lies elsewhere: its path must be short."""

    folder: Path
    socket: Path

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The folder of the binary logs."""
        return self.folder / "log"

    @property
    def index(self) -> Path:
        """The list of the binary logs."""
        return self.log / "binlog.index"

    @property
    def errors(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"


def what_is_wrong(said: str) -> str:
    """Return the first errors of what a server said, which name the cause, else its last lines; in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\[ERROR\]|error while loading", line, re.IGNORECASE)]
    return " · ".join(errors[:3] or lines[-3:]) or "it said nothing"


class Server:
    """A server process on one data directory. Not for several threads at once; its cluster's lock sees to that."""

    def __init__(
        self,
        engine: Engine,
        files: ServerFiles,
        *,
        server_id: int = 1,
        performance_schema: bool = False,
        superuser: str = SUPERUSER,
    ) -> None:
        self.engine = engine
        self._superuser = superuser
        self.files = files
        self.port: int | None = None
        self._server_id = server_id
        self._performance_schema = performance_schema
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self._process.pid if self._process and self.running else None

    def start(self, *, port: int | None = None, options: tuple[str, ...] = ()) -> None:
        """Start the process and wait until it answers on its socket; with `port`, on loopback's TCP port too.

        Raises:
            PortTaken: somebody else listens on the port.
            StepFailed: it cannot start; the message has its log's last words.
        """
        (self.files.folder / "tmp").mkdir(exist_ok=True)
        self.files.log.mkdir(exist_ok=True)
        network = ("--skip-networking",) if port is None else (f"--port={port}", f"--bind-address={LOOPBACK}")
        command = [self.engine.server, "--no-defaults", *self.engine.server_args, *self._settings(), *network, *options]
        with self.files.errors.open("ab") as log:
            said_before = log.tell()
            self._process = subprocess.Popen(  # noqa: S603  # the engine's own program
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.files.folder
            )
        self.port = port
        self._wait_until_it_answers(self._process, said_before)

    def _settings(self) -> list[str]:
        """Return the settings of every server here. loose- marks what only some releases know."""
        files = self.files
        return [
            *(["--user=root"] if os.geteuid() == 0 else []),
            f"--datadir={files.data}",
            f"--socket={files.socket}",
            f"--pid-file={files.folder / 'server.pid'}",
            f"--log-error={files.errors}",
            f"--tmpdir={files.folder / 'tmp'}",
            f"--server-id={self._server_id}",
            f"--log-bin={files.log / 'binlog'}",
            f"--log-bin-index={files.index}",
            "--loose-binlog-format=ROW",
            "--binlog-row-image=FULL",
            "--loose-binlog-expire-logs-seconds=0",  # history is dated in the past: its age says nothing
            "--loose-log-bin-trust-function-creators=1",  # Aurora's binary log is off: no SUPER needed for a trigger
            "--sync-binlog=0",
            "--loose-debug-no-sync=1",
            "--innodb-flush-log-at-trx-commit=2",  # survives the death of the process, which is all that happens here
            "--innodb-use-native-aio=0",  # no write may be under way outside the process while it is frozen
            "--loose-innodb-flush-method=nosync",
            "--innodb-buffer-pool-size=128M",
            "--innodb-log-file-size=64M" if self.engine.is_mariadb else "--loose-innodb-redo-log-capacity=64M",
            "--innodb-buffer-pool-dump-at-shutdown=0",
            "--innodb-buffer-pool-load-at-startup=0",
            f"--performance-schema={'ON' if self._performance_schema else 'OFF'}",
            f"--secure-file-priv={files.folder / 'tmp' if self.engine.is_mariadb else 'NULL'}",
            "--skip-name-resolve",
            "--local-infile=1",
            "--event-scheduler=OFF",
            "--character-set-server=utf8mb4",
            f"--sql-mode={STRICT}",
            "--default-time-zone=+00:00",
            "--max-allowed-packet=1G",
            "--max-connections=100",
            "--loose-mysqlx=OFF",
        ]

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], said_before: int) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise self._cannot_start(said_before)
            if self.files.socket.exists():
                try:
                    self.admin().close()
                    return
                except Unreachable:
                    pass  # the socket is there a moment before somebody listens on it
            time.sleep(0.02)
        self.kill()
        raise StepFailed(
            f"{self.engine.title} did not answer within {_SECONDS_TO_START:.0f} seconds of its start: "
            f"{self._last_words(said_before)}",
            hint="Look whether the machine is short of memory or disk.",
        )

    def _cannot_start(self, said_before: int) -> StepFailed:
        words = self._last_words(said_before)
        if re.search(r"Bind on TCP/IP port|address already in use", words, re.IGNORECASE):
            return PortTaken(f"The port {self.port} was taken by another program.", port=self.port)
        return StepFailed(
            f"{self.engine.title} ({self.engine.server}) cannot start: {words}",
            hint="Name another server by RUNBOOK_MYSQLD, or set right what the message names.",
        )

    def _last_words(self, said_before: int) -> str:
        with self.files.errors.open("rb") as log:
            log.seek(said_before)
            return what_is_wrong(log.read().decode(errors="replace"))

    def admin(self) -> Database:
        """Connect as the superuser over the socket, which only this user can reach."""
        where = Endpoint(host="localhost", port=0, socket=str(self.files.socket))
        return connect(where, Credentials(user=self._superuser, password=""))

    def stop(self) -> None:
        """Shut the server down in good order; kill it when it does not go."""
        if self._process and self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                _LOG.warning("server %s did not shut down in %.0f s; killing it", self._process.pid, _SECONDS_TO_STOP)
                self.kill()
        self._process, self.port = None, None

    def end(self) -> None:
        """End the process in the quicker of two ways that lose no committed transaction.

        MySQL's shutdown waits a second for nothing, its crash recovery takes a fifth of one.
        """
        if self.engine.is_mariadb:
            self.stop()
        else:
            self.kill()

    def kill(self) -> None:
        """End the process at once; its files stay as after a crash."""
        if self._process and self.running:
            self._process.kill()
            self._process.wait()
        self._process, self.port = None, None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the process still, so that its files are those of one moment. Connections survive.

        Raises:
            StepFailed: the process ended instead.
        """
        if not self.running:
            yield
            return
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            _, status = os.waitpid(process.pid, os.WUNTRACED)  # until every thread of it stands still
            if not os.WIFSTOPPED(status):
                process.returncode = os.waitstatus_to_exitcode(status)
                raise StepFailed(f"{self.engine.title} ended by itself: {self._last_words(0)}")
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)


class ReservedPort:
    """A TCP port of loopback that stays ours while no server listens on it: it is bound, but refuses connections."""

    def __init__(self) -> None:
        self.number = 0
        self._holder: sockets.socket | None = None
        self.hold()

    def hold(self) -> None:
        """Bind the port, or any other one when somebody took it meanwhile."""
        for wanted in (self.number, 0):
            holder = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
            holder.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            try:
                holder.bind((LOOPBACK, wanted))
            except OSError:
                holder.close()
                continue
            self._holder, self.number = holder, holder.getsockname()[1]
            return
        raise StepFailed("The system gives no free port on 127.0.0.1.", hint="End programs that hold many connections.")

    def release(self) -> int:
        """Let the port go, for a server to take it, and give its number."""
        if self._holder:
            self._holder.close()
            self._holder = None
        return self.number

    def renew(self) -> None:
        """Choose another port."""
        self.release()
        self.number = 0
        self.hold()
