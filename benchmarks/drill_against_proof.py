"""A drill's proof, its differences explained by the binary log, against the plain proof of the same rows.

A copy and its source hold the same rows; then one row in `--every` is changed, some are deleted and inserted at the
source, and a column is added. The plain proof says only that they differ. The drill also explains each difference, and
holds each touched row of the copy against the log. Afterwards faults are planted in the copy: one bit of one row, one
row that is missing, one row that the log never touched, one bit of a row that it touched. Each must be named, and no
other.

    python -m benchmarks.drill_against_proof [--engine mysql] [--rows 2000000] [--pairs 3] [--every 1000]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.audit_against_proof import TABLES, load, spent
from runbook_lib.drills.proving import prove_drill
from runbook_lib.drills.source_log import SourceLog
from runbook_lib.drills.values import DrillProof
from runbook_lib.mysql import Credentials
from runbook_lib.proof import ProofOptions, Side, prove
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine

MASTER = Credentials(user="admin", password="only-for-this-run")
SCHEMA = "staging"
OPTIONS = ProofOptions(personal=("*",), workers=2)
PLANTS = (
    ("one bit of one row", "UPDATE {t} SET rent = rent ^ 1 WHERE id = {one}", "is another one than on the source"),
    ("one row is missing", "DELETE FROM {t} WHERE id = {one}", "is on the source and not in the copy"),
    ("a row the log never had", "INSERT INTO {t} (id) VALUES (-7)", "is in the copy and not on the source"),
    ("one bit of a touched row", "UPDATE {t} SET rent = rent ^ 1 WHERE id = {every}", "is not what the log says"),
)


def main() -> None:
    """Measure pairs of both proofs, print their ratio, then plant the faults and print what is said of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--every", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, DataPlane(choose_engine(asked.engine), Path(folder)) as plane:
        for name in ("copy", "source"):
            plane.create(name, master=MASTER)
            plane.open(name)
            with plane.admin(name) as database:
                load(database, SCHEMA, asked.rows)
        time.sleep(4)
        second = datetime.now(UTC).replace(microsecond=0)
        time.sleep(4)
        with plane.admin("source") as source:
            for number in range(TABLES):
                table = f"{SCHEMA}.t{TABLES - 1 - number}"
                source.execute(f"UPDATE {table} SET rent = rent + 1 WHERE id % {asked.every} = 0")
                source.execute(f"INSERT INTO {table} (id, name) VALUES (2000000001, 'new'), (2000000002, 'new')")
            source.execute(f"DELETE FROM {SCHEMA}.t3 WHERE id % {asked.every} = 3")
            source.execute(f"ALTER TABLE {SCHEMA}.t2 ADD COLUMN floor INT DEFAULT 2")
        copy, living = (Side(name=name, connect=lambda name=name: plane.admin(name)) for name in ("copy", "source"))
        log = SourceLog(endpoint=plane.endpoint("source"), account=MASTER)

        def drill() -> DrillProof:
            return prove_drill(copy, living, second=second, source_log=log, options=OPTIONS)

        ratios, clocks = [], []
        for number in range(asked.pairs):
            took = {}
            for what in ("plain", "drill") if number % 2 else ("drill", "plain"):
                cpu, began = spent(folder), time.perf_counter()
                result = drill() if what == "drill" else prove(copy, living, options=OPTIONS)
                took[what] = (spent(folder) - cpu, time.perf_counter() - began)
                if isinstance(result, DrillProof):
                    assert result.verdict == "proved", result.as_json()
            ratios.append(took["drill"][0] / took["plain"][0])
            clocks.append(took["drill"][1] / took["plain"][1])
            print(f"  pair {number + 1}: plain {took['plain'][0]:6.2f} s cpu {took['plain'][1]:6.2f} s wall, "
                  f"drill {took['drill'][0]:6.2f} s cpu {took['drill'][1]:6.2f} s wall", flush=True)  # fmt: skip
        print(f"{asked.rows:,} rows, drill against plain proof: {statistics.median(ratios):.2f} of the processor, "
              f"{statistics.median(clocks):.2f} of the clock (at most 1.5)")  # fmt: skip
        with plane.admin("copy") as database:
            database.execute("SET SESSION foreign_key_checks = 0")
            for number, (_, statement, _) in enumerate(PLANTS):
                database.execute(
                    statement.format(
                        t=f"{SCHEMA}.t{number % TABLES}", every=asked.every, one=asked.rows // TABLES // 2 + 1
                    )
                )
        wrong = [str(each) for table in drill().of("unexplained") for each in table.unexplained]
        for what, _, said in PLANTS:
            found = [each for each in wrong if said in each]
            print(f"  {what}: {'; '.join(found) or 'NOT FOUND'}", flush=True)
            assert len(found) == 1, wrong
        assert len(wrong) == len(PLANTS), wrong


if __name__ == "__main__":
    main()
