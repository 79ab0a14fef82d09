"""Glue runs with dates of the past, and such as end when told to; moto's begin now and end by being looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.glue.models import FakeJobRun


class DatedRun(FakeJobRun):
    """A run whose state and times are as they are given."""

    def __init__(self, job_name: str, *, started: datetime, completed: datetime | None, state: str, error: str) -> None:
        super().__init__(job_name=job_name, arguments={}, timeout=2880, worker_type="G.1X", number_of_workers=2)
        self.started_on = started
        self._completed = completed
        self._state = state
        self._error = error

    @property
    def error(self) -> str:
        """Return the error it ended with, empty for none."""
        return self._error

    def end(self, state: str, *, error: str = "") -> None:
        """Let it end now."""
        self._completed, self._state, self._error = datetime.now(UTC), state, error

    def advance(self) -> None:
        """Stay as it is."""

    def as_dict(self) -> dict[str, Any]:
        """Return the run as Glue does."""
        row = super().as_dict() | {
            "StartedOn": self.started_on,
            "LastModifiedOn": self._completed or self.started_on,
            "JobRunState": self._state,
            "GlueVersion": "4.0",
            "ExecutionTime": round((self._completed - self.started_on).total_seconds()) if self._completed else 0,
        }
        if self._completed:
            return row | {"CompletedOn": self._completed} | ({"ErrorMessage": self._error} if self._error else {})
        del row["CompletedOn"]
        return row
