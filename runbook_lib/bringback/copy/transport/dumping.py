"""Carry whole tables by mydumper and myloader: dumped to this machine's disk, loaded into the staging schema.

myloader commits as it goes, so a run that is killed leaves part of a table. That such a load has begun is noted before
it begins, and the next run ends what is left of it and empties the table before any row travels.
"""

from __future__ import annotations

import logging
import re
import subprocess
import tempfile
from pathlib import Path

from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.bringback.copy.transport.pieces import Piece, Pieces
from runbook_lib.errors import StepFailed
from runbook_lib.mysql import Database, write_option_file
from runbook_lib.swap.state import State

log = logging.getLogger(__name__)

_MEGABYTES = 32  # of one file: what one thread loads in one go
_SESSION = "SET SESSION foreign_key_checks = 0, SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"


def clean_half_loaded(damaged: Database, plan: CopyBackPlan, state: State) -> None:
    """Empty every table that a killed run was loading by myloader, and one that another way had begun to fill."""
    pieces = Pieces(damaged, plan.state)
    for number, table in enumerate(plan.tables):
        begun = state.get(_noted(number))
        in_ranges = table.way == "mydumper" and pieces.in_ranges(number)
        if begun or in_ranges:
            _end_sessions(damaged, table)
            damaged.execute(f"TRUNCATE TABLE {table.staging.sql}")
            pieces.forget(number)
            state.forget(_noted(number))


def carry_by_mydumper(restored: Database, damaged: Database, plan: CopyBackPlan, state: State, piece: Piece) -> int:
    """Dump one table, load it, and note it as done; return its rows.

    Raises:
        StepFailed: a tool ended with an error, or not every row arrived. Only the staging schema was changed.
    """
    table = plan.tables[piece.table]
    state.put(_noted(piece.table), True)
    with tempfile.TemporaryDirectory(prefix="runbook-copy-back-") as name:
        folder = Path(name)
        _run(dump_command(folder, table, workers=plan.workers), restored, folder, table)
        _run(load_command(folder, table, workers=plan.workers), damaged, folder, table)
    sent, taken = (
        int(database.value(f"SELECT COUNT(*) FROM {where.sql}"))
        for database, where in ((restored, table.name), (damaged, table.staging))
    )
    if sent != taken:
        raise StepFailed(f"{table.name} holds {sent:,} rows, and {taken:,} arrived by mydumper.", hint=_AGAIN)
    damaged.execute("START TRANSACTION")
    Pieces(damaged, plan.state).finish(piece.number, taken)
    state.forget(_noted(piece.table))
    damaged.execute("COMMIT")
    return taken


def dump_command(folder: Path, table: TablePlan, *, workers: int) -> list[str]:
    """Write the command that dumps a table's rows alone, generated columns left out. The copy is static: no locks.

    Each thread reads in a consistent snapshot, and TIMESTAMP goes in UTC.
    """
    pattern = f"^{re.escape(table.name.schema)}\\.{re.escape(table.name.name)}$"
    return [
        "mydumper", f"--defaults-file={folder / 'mydumper.cnf'}", "--database", table.name.schema, "--regex", pattern,
        "--no-schemas", "--no-locks", "--complete-insert", "--chunk-filesize", str(_MEGABYTES),
        "--threads", str(workers), "--outputdir", str(folder / "rows"),
    ]  # fmt: skip


def load_command(folder: Path, table: TablePlan, *, workers: int) -> list[str]:
    """Write the command that loads those rows into the staging schema; they stay in the binary log."""
    return [
        "myloader", f"--defaults-file={folder / 'myloader.cnf'}", "--directory", str(folder / "rows"),
        "--database", table.staging.schema, "--enable-binlog", "--threads", str(workers),
    ]  # fmt: skip


_AGAIN = (
    "Run the same plan again: the table is loaded again from its beginning. "
    'Or ask for another way ("through: insert" among the `rows`).'
)


def _run(command: list[str], database: Database, folder: Path, table: TablePlan) -> None:
    assert database.credentials is not None
    tool = command[0]
    login = write_option_file(
        folder / f"{tool}.cnf", database.endpoint, database.credentials, groups=("client", tool), first=_SESSION
    )
    log.info("%s of %s", tool, table.name)
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 # our own command
    except OSError as error:
        raise StepFailed(f"{tool} could not be started for {table.name}: {error.strerror}.", hint=_AGAIN) from error
    finally:
        login.unlink()
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip() and "no-locks mode" not in line]
        why = f": {said[-1].strip()[-300:].rstrip('.')}" if said else ""
        raise StepFailed(
            f"{tool} ended with status {done.returncode} for {table.name}{why}. Only the staging schema was changed.",
            hint=_AGAIN,
        )


def _noted(number: int) -> str:
    return f"mydumper {number}"


def _end_sessions(damaged: Database, table: TablePlan) -> None:
    """End this account's sessions in the staging schema: a myloader that outlived its run would load on."""
    for (session,) in damaged.rows(
        "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()"
        " AND user = SUBSTRING_INDEX(USER(), '@', 1)",
        (table.staging.schema,),
    ):
        damaged.execute(f"KILL {int(session)}")
