"""Make the tables in the staging schemas and fill them, by several processes and from where an earlier run stopped."""

from __future__ import annotations

import json
import logging
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from runbook_lib import errors
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.bringback.copy.transport import lines
from runbook_lib.bringback.copy.transport.dumping import carry_by_mydumper, clean_half_loaded
from runbook_lib.bringback.copy.transport.pieces import Piece, Pieces, cut, order
from runbook_lib.bringback.copy.transport.ways import s3_statements
from runbook_lib.errors import RunbookError, StepFailed, about
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, opened_again, quoted
from runbook_lib.swap.definition import key_name
from runbook_lib.swap.reach import shut
from runbook_lib.swap.rename import create_schema
from runbook_lib.swap.state import State

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


def make_tables(damaged: Database, plan: CopyBackPlan, state: State) -> None:
    """Make the staging schemas and every table in them that is not made yet."""
    for schema, how in plan.schemas.items():
        if schema not in plan.dated_schemas.values() and schema not in plan.new_schemas:
            damaged.execute(create_schema(schema, *how))
    shut(damaged, {table.staging.schema for table in plan.tables}, plan.shut)
    made, pieces = staged(damaged, plan), Pieces(damaged, plan.state)
    pieces.make()
    damaged.execute("SET SESSION foreign_key_checks = 0, SESSION sql_mode = ''")
    for number, table in enumerate(plan.tables):
        if table.staging not in made:
            pieces.forget(number)
            state.forget(f"keys {number}")
            with about(str(table.name)):
                damaged.execute(table.create)


def staged(damaged: Database, plan: CopyBackPlan) -> set[TableName]:
    """Return those tables of the plan that are made in the staging schemas."""
    found = set()
    schemas = sorted({table.staging.schema for table in plan.tables})
    names = {(table.staging.schema, table.staging.name): table.staging for table in plan.tables}
    for schema in schemas:
        for (name,) in damaged.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
            " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
            (schema,),
        ):
            if (schema, str(name)) in names:
                found.add(names[schema, str(name)])
    return found


def note_pieces(restored: Database, damaged: Database, plan: CopyBackPlan, state: State) -> None:
    """Cut every table that has no pieces yet; the largest tables come first."""
    clean_half_loaded(damaged, plan, state)
    pieces = Pieces(damaged, plan.state)
    noted = pieces.tables()
    for number, table in sorted(enumerate(plan.tables), key=lambda pair: -pair[1].bytes):
        if number in noted:
            continue
        key = [column for name in table.key for column in table.columns if column.name == name]
        where = damaged if table.rows_from == "damaged" else restored
        whole = table.way in ("s3", "mydumper") or not table.transactional
        parts = [""] if whole else cut(where, table.name, key, rows=table.rows, size=table.bytes)
        pieces.add(number, parts)


def fill(restored: Database, damaged: Database, plan: CopyBackPlan, state: State, *, progress: Progress | None) -> None:
    """Copy every piece that is left, in the plan's number of processes.

    Raises:
        StepFailed: a piece could not be copied; what is done stays done.
    """
    pieces = Pieces(damaged, plan.state)
    left = pieces.left()
    rows_all = sum(table.rows for table in plan.tables)
    done = sum(pieces.copied().values())
    if not left:
        return
    log.info("%d pieces to copy", len(left))
    for rows in _carried(restored, damaged, plan, state, left):
        done += rows
        if progress:
            progress(done, max(rows_all, done), "rows copied")


def _carried(
    restored: Database, damaged: Database, plan: CopyBackPlan, state: State, left: list[Piece]
) -> Iterator[int]:
    """Carry the pieces and yield the rows of each as it is done; whole tables by mydumper come last, one by one."""
    dumped = [piece for piece in left if plan.tables[piece.table].way == "mydumper"]
    if orders := [_order(plan, piece) for piece in left if piece not in dumped]:
        with _Crew(restored, damaged, plan, min(plan.workers, len(orders))) as crew:
            yield from crew.carry(orders)
    for piece in dumped:
        yield carry_by_mydumper(restored, damaged, plan, state, piece)


def _order(plan: CopyBackPlan, piece: Piece) -> dict[str, Any]:
    """Write down what a worker needs to carry a piece."""
    table = plan.tables[piece.table]
    condition = f" WHERE {piece.where}" if piece.where else ""
    rows = f" FROM {table.name.sql}{condition}{order(table.key)}"
    names = ", ".join(f"{quoted(column.name)}" for column in table.columns)
    written: dict[str, Any] = {
        "number": piece.number,
        "table": str(table.name),
        "way": table.way,
        "empty": "" if table.transactional else f"TRUNCATE TABLE {table.staging.sql}",
        "filled": f"SELECT COUNT(*) FROM (SELECT 1 FROM {table.staging.sql} LIMIT 1) AS found",
        "lines": f"SELECT {lines.line(table.columns)}{rows}",
        "raw": f"SELECT {', '.join(lines.raw(column) for column in table.columns)}{rows}",
        "values": f"SELECT {lines.values(table.columns)}{rows}",
        "load": lines.load_statement(table.staging, table.columns, within="LOCAL INFILE '{file}'"),
        "insert": f"INSERT INTO {table.staging.sql} ({names}) VALUES ",
        "within": f"INSERT INTO {table.staging.sql} ({names}) SELECT {names}{rows}",
        "count": f"SELECT COUNT(*) FROM {table.name.sql}{condition}",
        "done": f"UPDATE {quoted(plan.state, 'pieces')} SET done = %s WHERE number = {piece.number} AND done IS NULL",
    }
    if table.way == "s3":
        written["s3"] = s3_statements(table.name, table.staging, table.columns, bucket=plan.bucket, now=plan.planned_at)
    return written


def add_keys(damaged: Database, plan: CopyBackPlan, state: State, *, progress: Progress | None) -> None:
    """Add secondary indexes and foreign keys to the filled tables, two tables at a time."""
    waiting = [number for number in range(len(plan.tables)) if not state.get(f"keys {number}")]
    todo = [number for number in waiting if plan.tables[number].add_keys]

    def add(number: int) -> None:
        with opened_again(damaged) as own:
            own.execute("SET SESSION sql_mode = '', SESSION foreign_key_checks = 0")
            made = _keys_of(own, plan.tables[number])
            with about(str(plan.tables[number].name)):
                for statement in plan.tables[number].add_keys:
                    if key_name(statement.partition("\n")[2]) not in made:
                        own.execute(statement)

    with ThreadPoolExecutor(max_workers=2) as pool:
        for at, _ in enumerate(pool.map(add, todo), 1):
            if progress:
                progress(at, len(todo), "tables indexed")
    damaged.execute("SET SESSION foreign_key_checks = 0, SESSION sql_mode = ''")
    for number in waiting:
        table = plan.tables[number]
        if table.add_foreign_keys and not _has_foreign_keys(damaged, table):
            with about(str(table.name)):
                damaged.execute(table.add_foreign_keys)
        state.put(f"keys {number}", True)


def _keys_of(damaged: Database, table: TablePlan) -> set[str]:
    return {str(row[2]) for row in damaged.rows(f"SHOW INDEX FROM {table.staging.sql}")}


def _has_foreign_keys(damaged: Database, table: TablePlan) -> bool:
    return bool(
        damaged.value(
            "SELECT COUNT(*) FROM information_schema.table_constraints WHERE constraint_type = 'FOREIGN KEY'"
            " AND table_schema = %s AND table_name = %s",
            (table.staging.schema, table.staging.name),
        )
    )


class _Crew:
    """Worker processes, each with a connection to either server."""

    def __init__(self, restored: Database, damaged: Database, plan: CopyBackPlan, size: int) -> None:
        assert restored.credentials is not None
        assert damaged.credentials is not None
        self._first = {
            "restored": {
                "endpoint": asdict(restored.endpoint),
                "credentials": restored.credentials.plain(restored.endpoint),
            },
            "damaged": {
                "endpoint": asdict(damaged.endpoint),
                "credentials": damaged.credentials.plain(damaged.endpoint),
            },
            "state": plan.state,
            "local_infile": any(table.way == "load" for table in plan.tables),
        }
        self._size = size
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> _Crew:
        for _ in range(self._size):
            worker = subprocess.Popen(  # this very Python, and our own module
                [sys.executable, "-m", "runbook_lib.bringback.copy.transport.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._workers.append(worker)
            self._say(worker, self._first)
        return self

    def carry(self, orders: list[dict[str, Any]]) -> Any:
        """Hand out the orders and yield the rows of each as it is done."""
        waiting = iter(orders)
        under_way = 0
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                assert worker.stdout is not None
                selector.register(worker.stdout, selectors.EVENT_READ, worker)
                under_way += self._next(worker, waiting)
            while under_way:
                for key, _ in selector.select():
                    worker = key.data
                    said = json.loads(worker.stdout.readline() or b"null")
                    under_way -= 1
                    if said is None:
                        raise StepFailed(
                            "A process that copies rows ended without a word.",
                            hint="Run the same plan again: what is copied stays, and it goes on from there.",
                        )
                    if "error" in said:
                        raise _error(said)
                    yield said["rows"]
                    under_way += self._next(worker, waiting)

    def _next(self, worker: subprocess.Popen[bytes], waiting: Any) -> int:
        order = next(waiting, None)
        if order is None:
            return 0
        self._say(worker, order)
        return 1

    def _say(self, worker: subprocess.Popen[bytes], said: dict[str, Any]) -> None:
        assert worker.stdin is not None
        try:
            worker.stdin.write(json.dumps(said).encode() + b"\n")
            worker.stdin.flush()
        except BrokenPipeError:
            log.debug("a worker has ended; its last words follow")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._workers:
            if kind is None:
                self._say(worker, {"number": None})
            else:
                worker.kill()  # its transaction is rolled back
        for worker in self._workers:
            worker.communicate()


def _error(said: dict[str, Any]) -> RunbookError:
    kind = getattr(errors, said["error"], StepFailed)
    raised: RunbookError = kind(
        said["message"], hint="Run the same plan again: what is copied stays, and it goes on from there."
    )
    return raised
