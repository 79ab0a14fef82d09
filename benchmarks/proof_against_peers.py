"""The proof of 2,000,000 rows on two servers against reladiff, pt-table-sync and one raw statement, in one run.

There are two raw statements, each hashing both whole tables once and at the same time, on connections set up as the
proof's: one with the expression that the proof uses, one with that which is written by hand (SHA-256 of CONCAT_WS of
the columns and of which are NULL). In each round everything is timed in turn. Then 100 rows spread over the table are
deleted and 2 changed on one server, and the proof has to find exactly these; they are put back, one row is changed by
one, and found with its values.
A peer that cannot work with the engine is named with what it said. Peers are found on PATH or by the options.

    python benchmarks/proof_against_peers.py [--engine mysql] [--rows 2000000] [--rounds 3]
        [--reladiff /path/to/reladiff] [--pt-table-sync /path/to/pt-table-sync]
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runbook_lib.inventory import TableName
from runbook_lib.mysql import Credentials, Database, connect
from runbook_lib.proof import ProofOptions, RowDifference, Side, TableVerdict, prove
from runbook_lib.proof.asking import open_reader
from runbook_lib.proof.encoding import rows_folded, ways_of
from runbook_lib.proof.facts import read_facts
from runbook_lib.proof.folding import XOR
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine

MASTER = Credentials(user="admin", password="only-for-this-run")
PEER = Credentials(user="peer", password="only-for-this-run")
TABLE = TableName(schema="bench", name="tenants")
COLUMNS = """(id INT PRIMARY KEY, building INT NOT NULL, name VARCHAR(60) NOT NULL, room VARCHAR(20), mail VARCHAR(190),
 rent DECIMAL(12,2) NOT NULL, note VARCHAR(120), made DATETIME NOT NULL, touched TIMESTAMP NOT NULL)"""
ROWS = """SELECT n, n % 977, CONCAT('Tenant ', LPAD(n, 8, '0')), IF(n % 11 = 0, NULL, CONCAT('A-', n % 500)),
 CONCAT('tenant', n, '@example.com'), n % 100000 / 7, LEFT(CONCAT(SHA2(n, 256), SHA2(n + 1, 256)), 72),
 '2026-01-01' + INTERVAL n SECOND, '2026-01-01' + INTERVAL n SECOND
 FROM (SELECT a.n * 1000 + b.n + 1 + {first} AS n FROM bench.digits a, bench.digits b
 WHERE a.n < 100) q WHERE n <= {last}"""
NATURAL = """SELECT COUNT(*), SUM(CAST(CONV(LEFT(SHA2(CONCAT_WS('#', id, building, name, room, mail, rent, note, made,
 touched, CONCAT(ISNULL(room), ISNULL(mail), ISNULL(note))), 256), 16), 16, 10) AS UNSIGNED)) FROM {table}"""
AT_ONCE = 100_000
EQUAL = "proof of equality"
PEERS = ("reladiff", "pt-table-sync --print")


def build(database: Database, rows: int) -> None:
    """Fill the table on the server itself."""
    database.execute("SET SESSION sql_log_bin = 0")
    database.execute("CREATE DATABASE bench DEFAULT CHARACTER SET utf8mb4")
    database.execute("CREATE TABLE bench.digits (n INT PRIMARY KEY)")
    database.execute(f"INSERT INTO bench.digits VALUES {', '.join(f'({number})' for number in range(1000))}")
    database.execute(f"CREATE TABLE {TABLE.sql} {COLUMNS}")
    for first in range(0, rows, AT_ONCE):
        database.execute(f"INSERT INTO {TABLE.sql} {ROWS.format(first=first, last=rows)}")
    database.execute("DROP TABLE bench.digits")


def timed(work: Callable[[], object]) -> float:
    """Return the seconds some work takes on the clock."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Bench:
    """Two servers with the same rows, and every way to compare them."""

    sample: RowDifference

    def __init__(self, plane: DataPlane, asked: argparse.Namespace) -> None:
        self._plane = plane
        self._asked = asked
        self._sides = tuple(
            Side(name=name, connect=lambda name=name: connect(plane.endpoint(name), MASTER)) for name in ("one", "two")
        )
        with self._sides[0].connect() as database:
            facts = read_facts(database, schemas=("bench",))[TABLE]
            ways = ways_of(facts, facts, packet=database.value("SELECT @@max_allowed_packet"))
            length = database.value(f"SELECT AVG(LENGTH(CONCAT_WS('', {', '.join(facts.columns)}))) FROM {TABLE.sql}")
        self.length = float(length)
        self._raw = f"SELECT COUNT(*), {rows_folded(facts, ways, XOR)} FROM {TABLE.sql}"

    def raw(self) -> None:
        """Hash both whole tables at once, with the expression of the proof."""
        self._both(self._raw)

    def natural(self) -> None:
        """Hash both whole tables at once, with the expression that one would write by hand."""
        self._both(NATURAL.format(table=TABLE.sql))

    def _both(self, sql: str) -> None:
        def one(side: Side) -> None:
            with open_reader(side) as database:
                database.rows(sql)

        threads = [threading.Thread(target=one, args=(side,)) for side in self._sides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _prove(self) -> TableVerdict:
        return prove(*self._sides, schemas=("bench",), options=ProofOptions(workers=self._asked.workers)).table(TABLE)

    def equal(self) -> None:
        """Prove that both are equal."""
        assert self._prove().verdict == "same"

    def unequal(self) -> None:
        """Find 100 missing and 2 changed rows."""
        table = self._prove()
        assert (table.missing, table.extra, table.changed, table.columns) == (100, 0, 2, ("rent",)), table

    def off_by_one(self) -> None:
        """Find the one row whose value is off by one."""
        table = self._prove()
        assert (table.missing, table.extra, table.changed, table.columns) == (0, 0, 1, ("rent",)), table
        (self.sample,) = table.samples
        assert float(self.sample.found[0]) - float(self.sample.expected[0]) == 1

    @contextmanager
    def changed(self, *, delete: int, change: int) -> Iterator[None]:
        """Delete some rows and change some on the second server, and put all of them back."""
        chosen = random.Random(7).sample(range(1, self._asked.rows + 1), delete + change)
        listed = ", ".join(map(str, chosen))
        with self._sides[1].connect() as database:
            database.execute("CREATE DATABASE kept")
            database.execute(f"CREATE TABLE kept.rows_of AS SELECT * FROM {TABLE.sql} WHERE id IN ({listed})")
            if delete:
                database.execute(f"DELETE FROM {TABLE.sql} WHERE id IN ({', '.join(map(str, chosen[:delete]))})")
            altered = ", ".join(map(str, chosen[delete:]))
            database.execute(f"UPDATE {TABLE.sql} SET rent = rent + 1 WHERE id IN ({altered})")
        try:
            yield
        finally:
            with self._sides[1].connect() as database:
                database.execute(f"REPLACE INTO {TABLE.sql} SELECT * FROM kept.rows_of")
                database.execute("DROP DATABASE kept")

    def reladiff(self) -> None:
        """Compare all columns with reladiff, as it comes."""
        places = [f"mysql://{PEER.user}:{PEER.password}@127.0.0.1:{self._port(n)}/bench" for n in ("one", "two")]
        self._run([self._asked.reladiff, places[0], TABLE.name, places[1], TABLE.name, "-k", "id", "-c", "%"])

    def pt_table_sync(self) -> None:
        """Compare with pt-table-sync --print, as it comes."""
        places = [
            f"h=127.0.0.1,P={self._port(name)},u={PEER.user},p={PEER.password},D=bench,t={TABLE.name}"
            for name in ("one", "two")
        ]
        self._run([self._asked.pt_table_sync, "--print", "--charset", "utf8", *places])

    def _port(self, name: str) -> int:
        return self._plane.endpoint(name).port

    def _run(self, command: list[str]) -> None:
        found = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
        # reladiff ends with 0 after an error as well
        if found.returncode or found.stdout.strip() or "ERROR" in found.stderr:
            raise RuntimeError(f"exit {found.returncode}: {(found.stdout + found.stderr).strip()[-300:]}")


def main() -> None:
    """Build the servers, run the rounds and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reladiff", default=shutil.which("reladiff") or "")
    parser.add_argument("--pt-table-sync", default=shutil.which("pt-table-sync") or "")
    asked = parser.parse_args()
    engine = choose_engine(asked.engine)
    with tempfile.TemporaryDirectory() as folder, DataPlane(engine, Path(folder)) as plane:
        plane.create("one", master=MASTER)
        with plane.admin("one") as admin:
            built = timed(lambda: build(admin, asked.rows))
        plane.clone("two", source_id="one")
        for name in ("one", "two"):
            with plane.admin(name) as admin:
                admin.execute("SET GLOBAL innodb_buffer_pool_size = 805306368")
                admin.execute("SET SESSION sql_log_bin = 0")
                # pt-table-sync wants an administrator
                admin.execute(f"CREATE USER {PEER.user} IDENTIFIED BY '{PEER.password}'")
                admin.execute(f"GRANT ALL ON *.* TO {PEER.user}")
            plane.open(name)
        bench = Bench(plane, asked)
        print(f"{engine.title}: {asked.rows:,} rows of {bench.length:.0f} bytes, made in {built:.0f} s", flush=True)
        report(bench, asked)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.0f} MiB")


def report(bench: Bench, asked: argparse.Namespace) -> None:
    """Run everything in turn, so many rounds, and print medians and ratios with their spread."""
    ways: dict[str, Callable[[], None]] = {"raw statement": bench.raw, "raw statement by hand": bench.natural}
    ways |= {EQUAL: bench.equal}
    peers = zip(PEERS, (bench.reladiff, bench.pt_table_sync), (asked.reladiff, asked.pt_table_sync), strict=True)
    ways |= {name: way for name, way, there in peers if there}
    bench.raw()  # both servers are warm for all
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(asked.rounds):
        for name, way in list(ways.items()):
            try:
                times[name].append(timed(way))
            except RuntimeError as error:
                print(f"{name} cannot compare these: {error}")
                del ways[name]
        with bench.changed(delete=100, change=2):
            times["finding 100 missing and 2 changed rows"].append(timed(bench.unequal))
        with bench.changed(delete=0, change=1):
            times["finding 1 row off by one"].append(timed(bench.off_by_one))
    equal = times[EQUAL]
    print(f"{EQUAL}: {spread(equal)} s")
    for name, found in times.items():
        if len(found) == len(equal) and name != EQUAL:
            pairs = list(zip(equal, found, strict=True))
            if name.startswith("finding"):
                said = f"{spread([other / proof for proof, other in pairs])} times equality"
            elif name in PEERS:
                said = f"equality is {spread([other / proof for proof, other in pairs])} times as fast"
            else:
                said = f"equality takes {spread([proof / other for proof, other in pairs])} times this"
            print(f"{name}: {spread(found)} s; {said}")
    row = bench.sample
    print(
        f"1 of {asked.rows:,} rows off by one is found: {' '.join(row.key[0])}, "
        f"{row.columns[0]} {row.expected[0]} expected, {row.found[0]} found"
    )


def spread(values: Sequence[float]) -> str:
    """Write a median, and what lies around it."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
