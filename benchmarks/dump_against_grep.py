"""`runbook dump check` against `grep -c`, and `runbook dump clean` against `cat`, on one dump, in one run.

The dump is made by the machine's own mysqldump or mariadb-dump from a table of an estate like the rehearsal's (names,
addresses, prices, dates, notes with quotes and line ends), its rows repeated until it has the asked size. `grep` is
measured with several of the checker's patterns, since its speed depends on the pattern; the ratio is given to each.

    python benchmarks/dump_against_grep.py [--gib 1] [--pairs 3] [--dump FILE]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from runbook_lib.mysql import Credentials
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import choose_engine

RUNBOOK = [sys.executable, "-c", "from runbook_lib.cli import main; main()", "dump"]
PATTERNS = (
    ("-ciE", "create +(database|schema)"),
    ("-c", "^USE "),
    ("-ci", "create database"),
    ("-c", "CREATE DATABASE"),
)
MASTER = Credentials(user="admin", password="only-for-this-run")
NOTES = ("", "鍵は管理人室", "it's the blue door", 'says "call first"', "two\nlines", "C:\\plans", "late; sends mail")


def make_dump(path: Path, size: int) -> None:
    """Dump a table with the machine's own tool, and repeat its INSERT statements up to `size` bytes."""
    chance = random.Random(7)
    engine = choose_engine()
    with tempfile.TemporaryDirectory() as folder, DataPlane(engine, Path(folder)) as plane:
        plane.create("bench", master=MASTER)
        plane.open("bench")
        with plane.admin("bench") as database:
            database.execute("CREATE DATABASE staging")
            database.execute(
                "CREATE TABLE staging.rooms (id INT PRIMARY KEY, code VARCHAR(24), house VARCHAR(80),"
                " address VARCHAR(90), rent INT, size DOUBLE, free_from DATE, note TEXT, updated_at DATETIME)"
            )
            rows = [
                (
                    number, f"R-{number:06}", f"シェアハウス {chance.choice('東西南北')}{chance.randrange(99)}",
                    f"東京都{chance.choice('渋谷中野杉並')}区 {chance.randrange(9)}-{chance.randrange(20)}",
                    chance.randrange(30, 90) * 1000, chance.random() * 30, f"2026-{chance.randrange(1, 13):02}-01",
                    chance.choice(NOTES) if chance.random() < 0.2 else None, "2026-02-04 10:00:00",
                )
                for number in range(30_000)
            ]  # fmt: skip
            database.execute_many("INSERT INTO staging.rooms VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s)", rows)
        login = Path(folder) / "login.cnf"
        endpoint = plane.endpoint("bench")
        login.write_text(
            f"[client]\nuser={MASTER.user}\npassword={MASTER.password}\nhost={endpoint.host}\nport={endpoint.port}\n"
        )
        more = [] if engine.is_mariadb else ["--no-tablespaces", "--set-gtid-purged=OFF"]
        tool = [str(engine.dump_client), f"--defaults-file={login}", *more, "staging"]
        dump = subprocess.run(tool, check=True, capture_output=True).stdout
    start, insert = dump.index(b"INSERT INTO"), b""
    end = dump.index(b"/*!40000 ALTER TABLE", start) if b"ENABLE KEYS" in dump else dump.index(b"UNLOCK TABLES", start)
    insert = dump[start:end]
    with path.open("wb") as out:
        out.write(dump[:start])
        for _ in range(max(1, (size - len(dump)) // len(insert) + 1)):
            out.write(insert)
        out.write(dump[end:])


def run(command: list[str], output: Path | None = None) -> tuple[float, float]:
    """Run a command and give its seconds on the clock and its peak memory in MiB. grep ends with 1 for no match."""
    begun = time.perf_counter()
    with (output or Path("/dev/null")).open("wb") as out, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=out, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1, 3):
            said.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, stderr=said.read())
    return took, used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    """Run the pairs and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--dump", type=Path, help="use this dump instead of making one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dump = asked.dump or Path(folder) / "dump.sql"
        if not asked.dump:
            make_dump(dump, int(asked.gib * (1 << 30)))
        out = Path(folder) / "out.sql"
        check = [*RUNBOOK, "check", str(dump), "--schema", "staging"]
        clean = [*RUNBOOK, "clean", str(dump), "--schema", "staging", "-o", str(out)]
        print(f"{dump.stat().st_size / (1 << 30):.2f} GiB")
        run(["cat", str(dump)])  # into the page cache
        greps = {f"grep {option} '{pattern}'": ["grep", option, pattern, str(dump)] for option, pattern in PATTERNS}
        times: dict[str, list[float]] = defaultdict(list)
        peaks: dict[str, float] = defaultdict(float)
        for _ in range(asked.pairs):
            for name, command in {"check": check, **greps, "clean": clean, "cat": ["cat", str(dump)]}.items():
                took, peak = run(command, out if name == "cat" else None)
                times[name].append(took)
                peaks[name] = max(peaks[name], peak)
                out.unlink(missing_ok=True)
    for name, found in times.items():
        against = "check" if name.startswith("grep") else "clean" if name == "cat" else ""
        ratio = statistics.median(a / b for a, b in zip(times[against], found, strict=True)) if against else None
        said = f"   {against} takes {ratio:.2f} times this" if ratio else ""
        print(f"{name:36} {statistics.median(found):6.2f} s{said}")
    print(f"peak memory: check {peaks['check']:.0f} MiB, clean {peaks['clean']:.0f} MiB")


if __name__ == "__main__":
    main()
