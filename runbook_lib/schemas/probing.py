"""Ask each table whether it holds a row: no estimate of a server tells that, neither zero nor more than zero."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from runbook_lib.errors import AccessDenied, RunbookError, StepFailed
from runbook_lib.mysql import Database, opened_again, quoted

log = logging.getLogger(__name__)

# Tables a statement. Both engines answer about 100 soonest: each arm is a table opened for the whole statement, and
# with 400 MySQL takes half as long again (benchmarks/audit_of_many_tables.py).
_BATCH = 100
_BESIDE = 8  # batches from which a second connection is worth opening


class Probes:
    """Probes of many tables. As a context manager they run over a connection of their own beside other work.

    A table that refuses, or is broken, stays out of the answer.
    """

    def __init__(self, database: Database, tables: Sequence[tuple[str, str]]) -> None:
        self._database = database
        self._waiting = deque(tables[start : start + _BATCH] for start in range(0, len(tables), _BATCH))
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probes")
        self._beside: Future[None] | None = None
        self._found: list[tuple[tuple[str, str], bool]] = []
        self.statements = 0

    def __enter__(self) -> Probes:
        if len(self._waiting) >= _BESIDE and self._database.credentials is not None:
            self._beside = self._pool.submit(self._run_beside)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._waiting.clear()  # only an error leaves any
        self._pool.shutdown()

    def empty(self) -> dict[tuple[str, str], bool]:
        """Probe what is left over the first connection too, and tell of each table whether it is empty."""
        self._run(self._database)
        if self._beside:
            self._beside.result()
            self._run(self._database)  # what the other had begun when its connection was lost
        return dict(self._found)

    def _run_beside(self) -> None:
        try:
            with opened_again(self._database) as own:
                self._run(own)
        except RunbookError as error:
            log.info("the tables are probed over one connection only: %s", error.message)

    def _run(self, database: Database) -> None:
        while True:
            try:
                batch = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._probe(database, batch)
            except BaseException:
                self._waiting.append(batch)
                raise

    def _probe(self, database: Database, batch: Sequence[tuple[str, str]]) -> None:
        arms = " UNION ALL ".join(
            f"SELECT {number}, EXISTS (SELECT 1 FROM {quoted(*table)})"  # noqa: S608  # quoted
            for number, table in enumerate(batch)
        )
        self.statements += 1
        try:
            rows = database.rows(arms)
        except (AccessDenied, StepFailed) as error:
            if len(batch) == 1:
                log.info("%s.%s cannot be probed: %s", *batch[0], error.message)
                return
            half = len(batch) // 2  # one refused or broken table must not hide the others
            self._probe(database, batch[:half])
            self._probe(database, batch[half:])
        else:
            self._found += [(batch[int(number)], not int(filled)) for number, filled in rows]
