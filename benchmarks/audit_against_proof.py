"""The audit of a load and its difference to what is live, against the proof of the same rows on two servers.

The audit reads both generations on one server: it compares them row by row, looks for doubled keys and rows without a
parent, and measures the columns of what differs. The peer only compares them row by row, each on a server of its own.
One row in `--every` is changed: 1000 is a quiet night, 1 a load in which every row has a new value. Processor time is
that of this process and the servers: on a busy machine two servers get more of the clock than one.

    python benchmarks/audit_against_proof.py [--engine mysql] [--rows 2000000] [--pairs 3] [--every 1000]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.guard.load_audit import Measures, audit_load, look
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Credentials, Database
from runbook_lib.proof import Pair, ProofOptions, Side, prove
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine
from runbook_lib.swap.reading import read_server

MASTER = Credentials(user="admin", password="only-for-this-run")
TABLES = 4


def load(database: Database, schema: str, rows: int, *, every: int = 0) -> None:
    """Make one generation of tied tables; one row in `every` is another than it would be, none with 0."""
    database.execute("SET SESSION sql_log_bin = 0")
    database.execute(f"CREATE DATABASE {schema}")
    for number in range(TABLES):
        tie = f", CONSTRAINT f{number} FOREIGN KEY (parent) REFERENCES t0 (id)" if number else ""
        database.execute(
            f"CREATE TABLE {schema}.t{number} (id INT PRIMARY KEY, parent INT, rent INT, name VARCHAR(60),"
            f" note VARCHAR(80), updated_at DATETIME, KEY by_parent (parent){tie}) CHARACTER SET utf8mb4"
        )
        deep = "max_recursive_iterations" if database.is_mariadb else "cte_max_recursion_depth"
        database.execute(f"SET SESSION {deep} = 100000000, foreign_key_checks = 0")
        changed = f"IF(n % {every} = {number % every}, 1, 0)" if every else "0"
        database.execute(
            f"INSERT INTO {schema}.t{number} WITH RECURSIVE c (n) AS"
            f" (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows // TABLES})"
            f" SELECT n, n, 50 + n % 40 + {changed}, CONCAT('house ', n), REPEAT(CHAR(97 + n % 26), 40),"
            " '2026-02-04 02:00:00' + INTERVAL n % 86400 SECOND FROM c"
        )


def spent(folder: str) -> float:
    """Return the processor seconds that this process and the servers below a folder have taken."""
    fields = [
        Path(f"/proc/{path.read_text().strip()}/stat").read_text().rpartition(")")[2].split()
        for path in Path(folder).rglob("server.pid")
    ]
    ticks = sum(int(each[11]) + int(each[12]) for each in fields)  # proc(5): utime, stime
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure both in turn, and print the medians and the ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--engine", default="mysql")
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--every", type=int, default=1000)
    given = options.parse_args()
    engine = choose_engine(given.engine)
    with tempfile.TemporaryDirectory() as folder, DataPlane(engine, Path(folder)) as plane:
        for name in ("one", "two"):
            plane.create(name, master=MASTER)
            plane.open(name)
            with plane.admin(name) as database:
                load(database, "live", given.rows)
                load(database, "live__next", given.rows, every=given.every)
        one, two = (Side(name=name, connect=lambda name=name: plane.admin(name)) for name in ("one", "two"))  # type: ignore[misc]
        tables = [f"t{number}" for number in range(TABLES)]
        pairs = [
            Pair(expected=TableName(schema="live", name=name), found=TableName(schema="live__next", name=name))
            for name in tables
        ]
        at = datetime(2026, 2, 5, 3, tzinfo=UTC)
        proofs, audits, shares = [], [], []
        for _ in range(given.pairs):
            before, began = spent(folder), time.perf_counter()
            proof = prove(one, two, pairs=pairs, options=ProofOptions(personal=("*",)))
            proofs.append(time.perf_counter() - began)
            between, began = spent(folder), time.perf_counter()
            with one.connect() as database:
                generation = look(one, read_server(database, name="one"), live="live", next_schema="live__next")
            audit = audit_load(one, generation, measure_by=Measures(), at=at)
            audits.append(time.perf_counter() - began)
            shares.append((spent(folder) - between) / (between - before))
            assert audit.difference is not None
            changed = [sum(table.changed for table in found.tables) for found in (proof, audit.difference)]
            print(f"proof {proofs[-1]:.1f} s, audit and difference {audits[-1]:.1f} s; changed rows {changed}")
    peer, mine = statistics.median(proofs), statistics.median(audits)
    print(
        f"{engine.family} {engine.version}, {given.rows:,} rows: proof of two servers {peer:.1f} s, audit {mine:.1f} s,"
    )
    print(f"ratio {mine / peer:.2f}, by processor time {statistics.median(shares):.2f}")


if __name__ == "__main__":
    main()
