"""Ask both servers the same thing at the same time, from several workers, each with connections of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from runbook_lib.mysql import Database
from runbook_lib.mysql.connection import Row
from runbook_lib.proof.guard import Watch
from runbook_lib.proof.values import Side


def open_reader(side: Side, *, statement_s: float | None = None) -> Database:
    """Open a connection to one side, set up for reading values the way proofs need them.

    `statement_s` is the longest that a statement may run on it; None: as long as it takes.
    """
    database = side.connect()
    try:
        # Hashes and numbers as text are then in a character set of one byte a letter, which is read faster. A date
        # that some other session was allowed to write has to be understood when it stands in a condition.
        database.execute(
            "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00', collation_connection = 'latin1_bin'"
        )
        database.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY")
        if statement_s is not None:
            database.limit_reads(statement_s)
    except BaseException:
        database.close()
        raise
    return database


class Both:
    """One worker's connections: a statement goes to both servers, and the slower answer is waited for."""

    def __init__(self, expected: Side, found: Side, watch: Watch, *, alone: bool = False) -> None:
        self._watch = watch
        self._alone = alone
        self.statement_s = watch.statement_s
        self.expected = open_reader(expected, statement_s=self.statement_s if alone else None)
        try:
            self.found = open_reader(found, statement_s=self.statement_s)
        except BaseException:
            self.expected.close()
            raise
        self._other = ThreadPoolExecutor(max_workers=1, thread_name_prefix="proof-found")

    def rows(self, expected: str, found: str) -> tuple[list[Row], list[Row]]:
        """Run a statement on each side. An empty statement gives no rows."""
        if found or self._alone:
            self.wait()
        later = self._other.submit(self.found.rows, found) if found else None
        try:
            expected_rows = self.expected.rows(expected) if expected else []
        finally:
            found_rows = later.result() if later else []
        return expected_rows, found_rows

    def wait(self) -> None:
        """Return when the guarded side has room for a statement."""
        self._watch.wait()

    def close(self) -> None:
        """Close both connections."""
        self._other.shutdown()
        self.expected.close()
        self.found.close()


class Board:
    """The work that is still to be done, newest first, and the workers that do it."""

    def __init__(self) -> None:
        self._jobs: list[Callable[[Both], None]] = []
        self._running = 0
        self._changed = threading.Condition()
        self._failure: BaseException | None = None

    def put(self, job: Callable[[Both], None]) -> None:
        """Add work. It is done before all work that was there."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    @property
    def failed(self) -> bool:
        """Tell whether a worker has failed, so that the others should stop."""
        return self._failure is not None

    def work(self, connect: Callable[[], Both], *, workers: int) -> None:
        """Do all work, and what comes of it, on some workers. The first error of any of them ends all and is raised."""
        threads = [
            threading.Thread(target=self._one, args=(connect,), name=f"proof-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.5)
        except BaseException as error:  # an interrupt: the workers end after the statement they are in
            self._fail(error)
            for thread in threads:
                thread.join()
            raise
        if self._failure is not None:
            raise self._failure

    def _one(self, connect: Callable[[], Both]) -> None:
        try:
            both = connect()
        except BaseException as error:  # noqa: BLE001 # raised again where the work was asked for
            self._fail(error)
            return
        try:
            while (job := self._next()) is not None:
                try:
                    job(both)
                finally:
                    self._done()
        except BaseException as error:  # noqa: BLE001 # raised again where the work was asked for
            self._fail(error)
        finally:
            both.close()

    def _next(self) -> Callable[[Both], None] | None:
        with self._changed:
            while not self._jobs and self._running and self._failure is None:
                self._changed.wait()
            if not self._jobs or self._failure is not None:
                self._changed.notify_all()
                return None
            self._running += 1
            return self._jobs.pop()

    def _done(self) -> None:
        with self._changed:
            self._running -= 1
            if not self._running:
                self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()
