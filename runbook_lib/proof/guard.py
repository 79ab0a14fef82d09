"""Keep the proof from being a load: wait while the server that people use is busy or its replicas lag."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib.errors import RunbookError, TimedOut
from runbook_lib.looking import could_not
from runbook_lib.mysql import Database
from runbook_lib.proof.values import Side

log = logging.getLogger(__name__)


_LAGS: tuple[str, ...] = (
    # Aurora's view of all its instances; elsewhere there is no such table
    "SELECT MAX(replica_lag_in_milliseconds) / 1000 AS lag FROM information_schema.replica_host_status",
    # how far this server is behind its own source
    "SHOW REPLICA STATUS",
)
_LAG_COLUMNS = ("lag", "Seconds_Behind_Source", "Seconds_Behind_Master")


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The bounds of the found side: threads that run at once, and seconds its replicas (or itself as one) may lag.

    Lag is that of an Aurora cluster's readers, and elsewhere that of the server itself if it is a replica: a server
    does not know how far others are behind it. Both are looked at every `every_s`. While one is exceeded nothing more
    is asked of that server, for at most `patience_s`.

    The waiting is between statements, and those on a table with a unique key take a fraction of a second. A table
    without one is read whole by each (see `unkeyed`), one that is only there is counted by one; no pause is possible
    within. For them there is `statement_s`, the longest that any statement may run there; None: as long as it takes.
    """

    threads_running: int = 40
    replica_lag_s: float = 30.0
    every_s: float = 2.0
    patience_s: float = 3600.0
    statement_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Load:
    """What was seen of a server's load. A lag of None: it has no replicas, or could not be looked at."""

    threads_running: int
    replica_lag_s: float | None


class Watch:
    """Look at the guarded server on a connection of its own, at most every `every_s`, and hold back who waits."""

    def __init__(self, guard: Guard | None, side: Side, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._guard = guard
        self._side = side
        self._pause = pause
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._database: Database | None = None
        self._lag = _LAGS
        self.pauses = 0

    @property
    def statement_s(self) -> float | None:
        """Return how long a statement may run on the guarded server."""
        return self._guard.statement_s if self._guard is not None else None

    def wait(self) -> None:
        """Return at once while the server has room, else when it has.

        Raises:
            TimedOut: it had none for longer than the guard's patience.
        """
        if self._guard is None:
            return
        with self._lock:
            began = time.monotonic()
            while began - self._looked >= self._guard.every_s or self._looked > began:
                load = self._look()
                why = _too_much(load, self._guard)
                if not why:
                    self._looked = time.monotonic()
                    return
                if time.monotonic() - began > self._guard.patience_s:
                    raise TimedOut(
                        f"{self._side.name} has been too busy for the proof: {why}.",
                        hint="Run it again at a quieter time, or raise the guard's bounds.",
                    )
                self.pauses += 1
                log.info("pausing: %s has %s", self._side.name, why)
                self._pause(self._guard.every_s)

    def close(self) -> None:
        """Close the connection."""
        if self._database is not None:
            self._database.close()

    def _look(self) -> Load:
        if self._database is None:
            self._database = self._side.connect()
        running = int(self._database.rows("SHOW GLOBAL STATUS LIKE 'Threads_running'")[0][1])
        lags = []
        for sql in self._lag:
            try:
                found = self._database.named_rows(sql)
            except RunbookError as error:
                # the table is Aurora's, the statement needs a right: what cannot be asked is not asked again
                log.debug("replica lag of %s %s", self._side.name, could_not(error))
                self._lag = tuple(other for other in self._lag if other != sql)
                if not self._lag:
                    log.info("replica lag of %s cannot be looked at, so nothing waits for it", self._side.name)
                continue
            lags += [float(row[name]) for row in found for name in _LAG_COLUMNS if row.get(name) is not None]
        return Load(threads_running=running, replica_lag_s=max(lags, default=None))


def _too_much(load: Load, guard: Guard) -> str:
    if load.threads_running > guard.threads_running:
        return f"{load.threads_running} threads running, the bound is {guard.threads_running}"
    if load.replica_lag_s is not None and load.replica_lag_s > guard.replica_lag_s:
        return f"a replica {load.replica_lag_s:.0f} s behind, the bound is {guard.replica_lag_s:.0f} s"
    return ""
