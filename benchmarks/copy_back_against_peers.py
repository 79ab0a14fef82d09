"""Copy 2,000,000 rows back between two local servers, against mydumper with myloader and the dump client piped.

Each way ends with the table and its three secondary indexes on the other server. Ours is the whole of `apply_copy_back`
without its proof, which the others do not make; the proof's time is printed beside it. One run, the ways in turn. A
peer that takes longer than `--longest` seconds is stopped and named.

Seen on two cores that were shared (MySQL 9.7.4, one round): ours 62.7 s, with the proof 67.8 s, mydumper and myloader
213.1 s, the dump piped not within 240 s.

    python benchmarks/copy_back_against_peers.py [--engine mysql] [--rows 2000000] [--rounds 1] [--longest 240]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from runbook_lib.bringback.copy import CopyChoices, apply_copy_back, propose_copy_back
from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Credentials, Database, Endpoint, connect
from runbook_lib.proof import Side
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine, choose_engine

MASTER = Credentials(user="admin", password="only-for-this-run")
TABLE = (
    "CREATE TABLE big.payments (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, tenant_id INT NOT NULL,"
    " room VARCHAR(24) NOT NULL, name VARCHAR(60) NOT NULL, email VARCHAR(80) NOT NULL, memo VARCHAR(120),"
    " amount DECIMAL(12, 2) NOT NULL, rate FLOAT, paid_on DATE, created_at DATETIME(6) NOT NULL,"
    " state ENUM('new', 'paid', 'lost') NOT NULL, KEY by_tenant (tenant_id), KEY by_mail (email),"
    " KEY by_time (created_at))"
)
ROWS = (
    "INSERT INTO big.payments SELECT n, n * 7919 % 50021, CONCAT('R-', n % 977), CONCAT('名前 ', n), "
    " CONCAT(HEX(n * 2654435761 % 4294967296), '.', n, '@mail.example.jp'),"
    " IF(n % 7 = 0, NULL, CONCAT('memo\\t', REPEAT(HEX(n * 40503 % 1048576), 20))), n % 100000 / 7, n / 3,"
    " '2020-01-01' + INTERVAL n % 2000 DAY, '2020-01-01' + INTERVAL n * 37 % 90000000 SECOND, 1 + n % 3"
    " FROM (SELECT {start} + a.i * 1000 + b.i + 1 AS n FROM big.digits a JOIN big.digits b WHERE a.i < {many}) x"
)


def fill(database: Database, rows: int) -> str:
    """Make the table; give what its rows look like."""
    database.execute("SET SESSION sql_log_bin = 0")
    database.execute("CREATE DATABASE big CHARACTER SET utf8mb4")
    database.execute("CREATE TABLE big.digits (i INT PRIMARY KEY)")
    database.execute("INSERT INTO big.digits VALUES " + ",".join(f"({n})" for n in range(1000)))
    database.execute(TABLE)
    database.execute("SET SESSION unique_checks = 0")
    for start in range(0, rows, 50_000):
        database.execute(ROWS.format(start=start, many=50))
    database.execute("DROP TABLE big.digits")
    database.execute("ANALYZE TABLE big.payments")  # a restored copy has the statistics of its source
    count, size = database.rows(
        "SELECT COUNT(*), AVG(8 + 4 + LENGTH(room) + LENGTH(name) + LENGTH(email) + IFNULL(LENGTH(memo), 0) + 6 + 4 + 3"
        " + 8 + 1) FROM big.payments"
    )[0]
    return f"{count:,} rows of {size:.0f} bytes on average"


@dataclass(frozen=True)
class Ours:
    """Seconds without and with the proof, what each phase took, and the peak memory of process and workers in MiB."""

    bare: float
    whole: float
    phases: str
    memory: tuple[float, float]


def ours(copy: Endpoint, source: Endpoint, now: datetime) -> Ours:
    """Copy back; run in a process of its own, so that its memory is told apart from the peers'."""
    sides = [Side(name=name, connect=partial(connect, at, MASTER)) for name, at in (("copy", copy), ("source", source))]
    began = time.perf_counter()
    plan = propose_copy_back(*sides, proof=None, choices=CopyChoices(tables=("big.payments",)), now=now)
    done = apply_copy_back(*sides, plan, approve=plan.id)
    whole = time.perf_counter() - began
    proof = sum(phase.seconds for phase in done.phases if phase.name.startswith("prove"))
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    own, worker = (resource.getrusage(who).ru_maxrss / unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    phases = ", ".join(f"{phase.name} {phase.seconds:.1f} s" for phase in done.phases)
    return Ours(whole - proof, whole, phases, (own, worker))


def dumped(engine: Engine, copy: Endpoint, source: Endpoint, *, longest: float) -> float:
    """Pipe the engine's own dump client into its command client.

    Raises:
        subprocess.TimeoutExpired: it took longer than `longest` seconds.
    """
    mysql = not engine.is_mariadb
    take = [engine.dump_client, *_where(copy), "--single-transaction", "--hex-blob", "--databases", "big"]
    take += ["--set-gtid-purged=OFF", "--no-tablespaces", "--column-statistics=0"] if mysql else []
    began = time.perf_counter()
    with subprocess.Popen([str(part) for part in take], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as dump:
        try:
            into = [str(engine.command_client), *_where(source)]
            subprocess.run(into, stdin=dump.stdout, check=True, stderr=subprocess.DEVNULL, timeout=longest)
        finally:
            dump.kill()  # it has ended, unless the client was stopped before it
    return time.perf_counter() - began


def loaded(copy: Endpoint, source: Endpoint, folder: Path, *, longest: float) -> float:
    """Dump with mydumper and load with myloader, two threads each.

    Raises:
        subprocess.TimeoutExpired: one of them took longer than `longest` seconds.
    """
    out = folder / "dump"
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    short = [["-h", at.host, "-P", str(at.port), "-u", MASTER.user, "-p", MASTER.password] for at in (copy, source)]
    for command in (
        ["mydumper", *short[0], "-B", "big", "-t", "2", "-r", "50000", "-o", str(out)],
        ["myloader", *short[1], "-t", "2", "-d", str(out)],
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=longest)
    took = time.perf_counter() - began
    shutil.rmtree(out)
    return took


def _where(at: Endpoint) -> list[str]:
    return ["-h", at.host, "-P", str(at.port), f"-u{MASTER.user}", f"-p{MASTER.password}"]


def main() -> None:
    """Build the table, run the ways in turn and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--longest", type=float, default=240.0, help="seconds that a peer may take")
    asked = parser.parse_args()
    engine = choose_engine(asked.engine)
    times: dict[str, list[float]] = {"ours": [], "with proof": []}
    peers: dict[str, Callable[[], float]] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, DataPlane(engine, Path(folder)) as plane:
        for name in ("copy", "source"):
            plane.create(name, master=MASTER)
            plane.open(name)
        copy, source = plane.endpoint("copy"), plane.endpoint("source")
        with plane.admin("copy") as database:
            print(f"{engine.title}: {fill(database, asked.rows)}", flush=True)
        if shutil.which("mydumper"):
            peers["mydumper and myloader"] = lambda: loaded(copy, source, Path(folder), longest=asked.longest)
        peers["dump piped"] = lambda: dumped(engine, copy, source, longest=asked.longest)
        with plane.admin("source") as target:
            for _ in range(asked.rounds):
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
                    own = apart.submit(ours, copy, source, datetime.now(UTC)).result()
                print(
                    f"   {own.phases}\n   peak memory {own.memory[0]:.0f} MiB, a worker {own.memory[1]:.0f} MiB",
                    flush=True,
                )
                times["ours"].append(own.bare)
                times["with proof"].append(own.whole)
                _empty(target, asked.rows)
                for name, run in peers.items():
                    if name in failed:
                        continue
                    try:
                        times.setdefault(name, []).append(run())
                    except subprocess.TimeoutExpired as error:
                        failed[name] = (
                            f"{Path(error.cmd[0]).name} took longer than {asked.longest:.0f} s and was stopped"
                        )
                    except subprocess.CalledProcessError as error:
                        failed[name] = f"{Path(error.cmd[0]).name} ended with status {error.returncode}"
                    _empty(target, 0 if name in failed else asked.rows)
    for name, why in failed.items():
        print(f"{name:22} no figure: {why}", flush=True)
    for name, took in times.items():
        if took and name not in failed:
            ratio = statistics.median(other / own for other, own in zip(took, times["ours"], strict=True))
            print(f"{name:22} {statistics.median(took):7.1f} s  {asked.rows / statistics.median(took) / 1000:6.1f} "
                  f"thousand rows/s  {ratio:5.2f} times ours")  # fmt: skip


def _empty(target: Database, rows: int) -> None:
    """Check that everything arrived, if it was to, and make room for the next way."""
    if rows:
        assert target.value("SELECT COUNT(*) FROM big.payments") == rows
        assert len(target.rows("SHOW INDEX FROM big.payments")) == 4
    else:
        _end_sessions(target)
    target.execute("SET SESSION sql_log_bin = 0")
    for (schema,) in target.rows("SHOW DATABASES LIKE '%big%'") + target.rows("SHOW DATABASES LIKE 'runbook%'"):
        target.execute(f"DROP DATABASE `{schema}`")


def _end_sessions(target: Database) -> None:
    """End what a peer that was stopped has left running on the server, so that its table can be dropped."""
    for (number,) in target.rows(
        "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = %s", (MASTER.user,)
    ):
        with suppress(RunbookError):  # it may have ended by itself
            target.execute(f"KILL {int(number)}")


if __name__ == "__main__":
    main()
