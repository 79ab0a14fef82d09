"""The programs of Glue jobs, run for real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runbook_lib.rehearsal.control.glue import DatedRun

Program = Callable[[Mapping[str, str]], None]
"""A job as it is run: given its arguments; what it raises is its error."""


class Jobs:
    """The programs of Glue jobs: StartJobRun runs one for real, in a thread, and GetJobRun tells how it goes."""

    def __init__(self, account: str, region: str) -> None:
        self._place = (account, region)
        self._programs: dict[str, Program] = {}
        self._runs: dict[str, tuple[DatedRun, Thread]] = {}

    def put(self, name: str, program: Program) -> None:
        """Give a job, which is there already, its program."""
        self._programs[name] = program

    def answer(self, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer StartJobRun. A job without a program succeeds at once."""
        from moto.glue.models import glue_backends  # moto reads a service's whole model when it is imported

        from runbook_lib.rehearsal.control.glue import DatedRun

        account, region = self._place
        name = str(asked.get("JobName"))
        job = glue_backends[account][region].jobs.get(name)
        if job is None:
            return 400, {"__type": "EntityNotFoundException", "Message": f"Job {name} not found."}
        run = DatedRun(name, started=datetime.now(UTC), completed=None, state="RUNNING", error="")
        job.job_runs.insert(0, run)
        arguments = {**(job.default_arguments or {}), **(asked.get("Arguments") or {})}
        thread = Thread(target=self._run, args=(run, self._programs.get(name), arguments), name=name, daemon=True)
        self._runs[run.job_run_id] = (run, thread)
        thread.start()
        return 200, {"JobRunId": run.job_run_id}

    def _run(self, run: DatedRun, program: Program | None, arguments: Mapping[str, str]) -> None:
        try:
            if program:
                program(arguments)
        except Exception as error:  # noqa: BLE001  # whatever it is, Glue shows it
            run.end("FAILED", error=str(error))
        else:
            run.end("SUCCEEDED")

    def ended(self, run_id: str) -> str:
        """Wait for a run's end, and return the error it ended with."""
        run, thread = self._runs[run_id]
        thread.join()
        return run.error

    def close(self) -> None:
        """Wait for what is still running; its servers are about to go."""
        for _, thread in self._runs.values():
            thread.join(timeout=10)
