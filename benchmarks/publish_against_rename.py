"""A publish of 229 tables and its undo, against a bare RENAME of the same tables, in one run.

The peer is the one statement alone, without a lock, a look or a state. Compared is the exchange (locks, triggers, the
RENAME, the foreign keys); the whole publish, with its looks at every table before, and the undo are given as well.

    python benchmarks/publish_against_rename.py [--engine mysql] [--tables 229] [--pairs 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runbook_lib.guard.generations import published
from runbook_lib.guard.load_audit import Measures, audit_load, look
from runbook_lib.guard.publish import apply_publish, apply_undo_publish, propose_publish, propose_undo_publish
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Credentials, Database
from runbook_lib.proof import Side
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine
from runbook_lib.swap.reading import read_server
from runbook_lib.swap.rename import rename_statement

MASTER = Credentials(user="admin", password="only-for-this-run")


def load(database: Database, schema: str, tables: int, rows: int) -> None:
    """Make the tables of one generation."""
    database.execute(f"CREATE DATABASE IF NOT EXISTS {schema}")
    for number in range(tables):
        database.execute(f"CREATE TABLE {schema}.t{number} (id INT PRIMARY KEY, word VARCHAR(20))")
        values = ", ".join(f"({row}, 'w{row}')" for row in range(rows + number % 3))
        database.execute(f"INSERT INTO {schema}.t{number} VALUES {values}")


def bare(database: Database, tables: int) -> float:
    """Exchange two generations by one RENAME, and put them back unmeasured."""
    for schema in ("bare_was", "live", "live__next"):
        database.execute(f"CREATE DATABASE IF NOT EXISTS {schema}")
    names = [f"t{number}" for number in range(tables)]

    def moved(old: str, new: str) -> list[tuple[TableName, TableName]]:
        return [(TableName(schema=old, name=name), TableName(schema=new, name=name)) for name in names]

    began = time.perf_counter()
    database.execute(rename_statement((*moved("live", "bare_was"), *moved("live__next", "live"))))
    took = time.perf_counter() - began
    database.execute(rename_statement((*moved("live", "live__next"), *moved("bare_was", "live"))))
    return took


def ours(side: Side, database: Database, at: datetime) -> tuple[float, float, float]:
    """Publish and take it back; return the exchange, the whole publish and the undo, in seconds."""
    facts = read_server(database, name="server")
    generation = look(side, facts, live="live", next_schema="live__next")
    audit = audit_load(side, generation, measure_by=Measures(), at=at)
    plan = propose_publish(audit, place="bench", at=at, keep=9, earlier=published(database, "live"))
    began = time.perf_counter()
    done = apply_publish(side, audit, plan, approve=plan.id, approved_by="bench")
    whole = time.perf_counter() - began
    exchange = next(phase.seconds for phase in done.phases if phase.name == "exchange the tables")
    undo = propose_undo_publish(side, live="live")
    began = time.perf_counter()
    undone = apply_undo_publish(side, undo, approve=undo.id)
    back = time.perf_counter() - began
    names = facts.tables
    pairs = [
        (TableName(schema=undone.kept_in, name=name.name), TableName(schema="live__next", name=name.name))
        for name in names
        if name.schema == "live__next"
    ]
    database.execute(rename_statement(tuple(pairs)))
    return exchange, whole, back


def main() -> None:
    """Measure both in turn, and print the medians and ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--engine", default="mysql")
    options.add_argument("--tables", type=int, default=229)
    options.add_argument("--pairs", type=int, default=5)
    given = options.parse_args()
    engine = choose_engine(given.engine)
    with tempfile.TemporaryDirectory() as folder, DataPlane(engine, Path(folder)) as plane:
        plane.create("bench", master=MASTER)
        plane.open("bench")
        side = Side(name="bench", connect=lambda: plane.admin("bench"))
        with plane.admin("bench") as database:
            load(database, "live", given.tables, 10)
            load(database, "live__next", given.tables, 11)
            pairs = []
            for number in range(given.pairs):
                peer = bare(database, given.tables)
                mine = ours(side, database, datetime(2026, 2, 4, tzinfo=UTC) + timedelta(hours=number))
                pairs.append((peer, *mine))
                print(f"bare {peer:.2f} s, exchange {mine[0]:.2f} s, publish {mine[1]:.2f} s, undo {mine[2]:.2f} s")
    peer, exchange, whole, back = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{engine.family} {engine.version}, {given.tables} tables, medians of {len(pairs)} pairs:")
    print(f"  bare RENAME {peer:.2f} s; the exchange is {exchange / peer:.2f} times that")
    print(f"  the whole publish {whole:.2f} s ({whole / peer:.2f} times); the undo {back:.2f} s")


if __name__ == "__main__":
    main()
