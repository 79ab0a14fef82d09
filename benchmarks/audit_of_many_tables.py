"""The whole audit of 20,000 tables in 400 schemas, against the raw statements it needs, in one run.

Two peers, each through the same driver over one connection, reading every row and keeping none: the information_schema
statements alone, and those with the probes that tell an empty table exactly.

    python benchmarks/audit_of_many_tables.py [--engine mysql] [--schemas 400] [--tables 50] [--pairs 3]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.mysql import Credentials, Database, connect, quoted
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine
from runbook_lib.schemas import probing
from runbook_lib.schemas import survey as surveys
from runbook_lib.schemas.audit import audit_schemas

MASTER = Credentials(user="admin", password="only-for-this-run")
CONTRACT = (
    "version: 1\nschemas:\n  s000: {purpose: the first, tables: [{name: t00, min_rows: 1}], others_allowed: true}\n"
)
RAW = ("_SCHEMATA", "_TABLES", "_VIEWS", "_ROUTINES", "_TRIGGERS", "_EVENTS", "_KEYS", "_USAGE")


def build(database: Database, schemas: int, tables: int) -> None:
    """Make the tables; every third holds a row."""
    database.execute("SET SESSION sql_log_bin = 0")
    # Building is not what is measured: one shared file, and no waiting for the disk.
    database.execute("SET GLOBAL innodb_file_per_table = 0")
    database.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
    for schema in range(schemas):
        database.execute(f"CREATE DATABASE s{schema:03}")
        for table in range(tables):
            name = quoted(f"s{schema:03}", f"t{table:02}")
            database.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY, name VARCHAR(20), made DATETIME)")
            if table % 3 == 0:
                database.execute(f"INSERT INTO {name} VALUES (1, 'a', NOW())")


def raw(database: Database, *, probes: bool) -> None:
    """Run the same statements and drop what they give."""
    tables = []
    for name in RAW:
        found = database.rows(getattr(surveys, name).replace("{others}", surveys._OTHERS))
        if name == "_TABLES":
            tables = [(row[0], row[1]) for row in found]
    if probes:
        for start in range(0, len(tables), probing._BATCH):
            arms = [
                f"SELECT {number}, EXISTS (SELECT 1 FROM {quoted(*table)})"
                for number, table in enumerate(tables[start : start + probing._BATCH])
            ]
            database.rows(" UNION ALL ".join(arms))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds some work takes on the clock."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Build the estate, run the rounds and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="")
    parser.add_argument("--schemas", type=int, default=400)
    parser.add_argument("--tables", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    engine = choose_engine(asked.engine)
    with tempfile.TemporaryDirectory() as folder, DataPlane(engine, Path(folder), performance_schema=True) as plane:
        plane.create("many", master=MASTER)
        with plane.admin("many") as admin:
            print(f"{engine.title}: {asked.schemas * asked.tables:,} tables made in "
                  f"{timed(lambda: build(admin, asked.schemas, asked.tables)):.0f} s")  # fmt: skip
        plane.open("many")
        contract = Path(folder) / "contract.yml"
        contract.write_text(CONTRACT)
        times: dict[str, list[float]] = {"audit": [], "statements": [], "with probes": []}
        with connect(plane.endpoint("many"), MASTER) as database:
            raw(database, probes=True)  # the server's caches are warm for all three
            for _ in range(asked.pairs):
                times["statements"].append(timed(lambda: raw(database, probes=False)))
                times["with probes"].append(timed(lambda: raw(database, probes=True)))
                times["audit"].append(
                    timed(lambda: audit_schemas(database, contract=str(contract), now=datetime.now(UTC)))
                )
    audit = times["audit"]
    print(f"audit {statistics.median(audit):.2f} s")
    for name in ("statements", "with probes"):
        ratio = statistics.median(a / b for a, b in zip(audit, times[name], strict=True))
        print(f"raw {name:12} {statistics.median(times[name]):.2f} s; the audit takes {ratio:.2f} times this")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.0f} MiB")


if __name__ == "__main__":
    main()
