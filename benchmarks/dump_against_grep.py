"""`runbook dump check` against `grep -c`, and `runbook dump clean` against `cat`, on one dump, in one run.

The dump is made by the machine's own mysqldump or mariadb-dump from a table of an estate like the rehearsal's (names,
addresses, prices, dates, notes with quotes and line ends), its rows repeated until it has the asked size. `grep` is
measured with several of the checker's patterns, since its speed depends on the pattern; the ratio is given to each.

    python benchmarks/dump_against_grep.py [--gib 1] [--pairs 3] [--dump FILE]
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
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


def seconds(command: list[str], output: Path | None = None) -> float:
    """Run a command and give its seconds on the clock; grep ends with 1 where it finds nothing."""
    begun = time.perf_counter()
    with (output or Path("/dev/null")).open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1, 3):
        raise subprocess.CalledProcessError(done.returncode, command, stderr=done.stderr)
    return time.perf_counter() - begun


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
        seconds(["cat", str(dump)])  # into the page cache
        times: dict[str, list[float]] = {}
        for _ in range(asked.pairs):
            times.setdefault("check", []).append(seconds(check))
            for option, pattern in PATTERNS:
                name = f"grep {option} '{pattern}'"
                times.setdefault(name, []).append(seconds(["grep", option, pattern, str(dump)]))
            times.setdefault("clean", []).append(seconds(clean))
            out.unlink(missing_ok=True)
            times.setdefault("cat", []).append(seconds(["cat", str(dump)], out))
            out.unlink(missing_ok=True)
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    for name, found in times.items():
        against = "check" if name.startswith("grep") else "clean" if name == "cat" else ""
        ratio = statistics.median(a / b for a, b in zip(times[against], found, strict=True)) if against else None
        said = f"   {against} takes {ratio:.2f} times this" if ratio else ""
        print(f"{name:36} {statistics.median(found):6.2f} s{said}")
    print(f"peak memory of the largest of these processes: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
