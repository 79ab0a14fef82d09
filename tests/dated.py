"""A history for tests: statements run in sessions whose clock stands at a chosen second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runbook_lib.mysql import Credentials, Database

MASTER = Credentials(user="admin", password="first 日本 '\"\\")
START = datetime(2026, 2, 4, 0, 0, tzinfo=UTC)


def after(seconds: int) -> datetime:
    """Return the moment so many seconds into the history."""
    return START + timedelta(seconds=seconds)


def at(database: Database, seconds: int, *statements: str) -> None:
    """Run statements at a second of the history; the session's clock stays there."""
    database.execute("SET timestamp = %s", (after(seconds).timestamp(),))
    for statement in statements:
        database.execute(statement)
