"""The writing session: everything it writes carries the date of the story, in the binary log too.

`SET timestamp` dates what a session writes (MySQL manual, Server System Variables, `timestamp`). The pen only moves
forward and never past `now`, as a real history would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from runbook_lib.mysql import Database

# mysqldump's own setting for ids of 0, strict otherwise; without NO_ZERO_DATE, as vendors' servers of old run.
_SQL_MODE = "STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"


class Pen:
    """A dated writer on one database connection. `moment` is the second it writes in (aware UTC)."""

    def __init__(self, database: Database, *, moment: datetime, now: datetime) -> None:
        self._database = database
        self._now = now
        self.moment = moment
        self.rows = 0

    def at(self, moment: datetime) -> None:
        """Move to a later second, or stay."""
        assert self.moment <= moment <= self._now, f"a history goes forward: {self.moment} to {moment}, now {self._now}"
        self.moment = moment
        self._date()

    def after(self, seconds: int) -> None:
        """Move on by some seconds."""
        self.at(self.moment + timedelta(seconds=seconds))

    def write(self, *statements: str) -> None:
        """Run statements, each its own commit, in this second."""
        for statement in statements:
            self._database.execute(statement)

    def commit(self, statements: Iterable[str]) -> None:
        """Run statements as one transaction, in this second."""
        self.write("START TRANSACTION", *statements, "COMMIT")

    @contextmanager
    def ready(self) -> Iterator[Pen]:
        """Set the session up for writing, and put back what was changed."""
        kept = self._database.rows("SELECT @@SESSION.sql_mode, @@SESSION.time_zone, @@SESSION.foreign_key_checks")[0]
        self.prepare()
        try:
            yield self
        finally:
            self._database.execute(
                "SET timestamp = DEFAULT, sql_mode = %s, time_zone = %s, foreign_key_checks = %s", kept
            )

    def prepare(self) -> None:
        """Set the session up: dated, UTC, foreign keys unchecked as in a dump's head."""
        self._database.execute("SET sql_mode = %s, time_zone = '+00:00', foreign_key_checks = 0", (_SQL_MODE,))
        self._date()

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Write with foreign keys checked, as an application does."""
        self._database.execute("SET foreign_key_checks = 1")
        try:
            yield
        finally:
            self._database.execute("SET foreign_key_checks = 0")

    def _date(self) -> None:
        self._database.execute(f"SET timestamp = {int(self.moment.timestamp())}")
