"""A store of 10,000 records: seconds and memory of list, show, verify and the index, whole and with one record spoilt.

Verifying is held against `sha256sum` of the same files, in the same run: it should be bound by hashing. Each command
is a process of its own, as at the command line; the first list reads every manifest, later ones what is remembered.

    python -m benchmarks.store_of_many_records [--records 10000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

RUNBOOK = [sys.executable, "-c", "from runbook_lib.cli import main; main()", "records"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one command took: seconds on the clock and of the processor, MiB at its peak, and its exit code."""

    wall: float
    cpu: float
    peak_mib: float
    code: int


def measured(command: list[str], *, home: Path) -> Cost:
    """Run a command to its end, its output thrown away."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, "XDG_CACHE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Cost(
        wall=time.perf_counter() - begun,
        cpu=used.ru_utime + used.ru_stime,
        peak_mib=used.ru_maxrss / unit,
        code=process.returncode,
    )


def fill(root: Path, records: int) -> None:
    """Fill a store: a first record as a run leaves it, the others with its files and manifests of their own.

    Runs in a process of its own: what a process has held counts as the peak of those that it starts.
    """
    from runbook_lib.records.chain import append_record
    from runbook_lib.records.manifest import file_of, read_manifest, seal_of_events
    from runbook_lib.records.store import EVENTS, MANIFEST, NOTEBOOK, REPORT, RecordFolder, Store
    from tests.records_support import make_record

    def write(path: Path, content: bytes, **_: object) -> None:
        path.write_bytes(content)

    store = Store(root)
    first = make_record(store, printed=["line\n" * 200] * 12, incident="INC-0")
    manifest = read_manifest((first / "manifest.json").read_bytes(), name=MANIFEST)
    content = {name: (first / name).read_bytes() for name in (NOTEBOOK, REPORT, EVENTS)}
    os.fsync = lambda _: None  # what a store is filled with need not survive a power cut
    for number in range(1, records):
        run_id, started = f"{number:08x}", manifest.started + timedelta(minutes=number)
        folder = root / f"INC-{number // 20}" / f"{started:%Y%m%dT%H%M%SZ}-{manifest.notebook}-{run_id}"
        folder.mkdir(parents=True)
        for file, data in content.items():
            (folder / file).write_bytes(data)
        made = manifest.model_copy(
            update={
                "run_id": run_id,
                "incident": f"INC-{number // 20}",
                "started": started,
                "ended": started + timedelta(seconds=40),
                "cluster": f"cluster-{number % 7}",
                "files": {file: file_of(data) for file, data in content.items()},
                "events": seal_of_events(folder / EVENTS),
            }
        )
        append_record(store, RecordFolder(folder, lock=-1, lock_path=folder, write=write, append=write), made)


def medians(what: str, run: Callable[[], Cost], rounds: int) -> Cost:
    """Measure several times, print and return the medians."""
    costs = [run() for _ in range(rounds)]
    wall, cpu, peak = (statistics.median(getattr(c, part) for c in costs) for part in ("wall", "cpu", "peak_mib"))
    print(f"  {what:34} {wall:7.2f} s wall {cpu:7.2f} s cpu {peak:7.1f} MiB  exit {costs[-1].code}", flush=True)
    return Cost(wall=wall, cpu=cpu, peak_mib=peak, code=costs[-1].code)


def main() -> None:
    """Fill the store, print the figures, spoil a record, print them again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root, home = Path(scratch) / "store", Path(scratch) / "cache"
        begun = time.perf_counter()
        filling = multiprocessing.get_context("spawn").Process(target=fill, args=(root, asked.records))
        filling.start()
        filling.join()
        folders = sorted(root.glob("*/*Z-*"), key=lambda folder: folder.name)
        files = [str(path) for folder in folders for path in folder.iterdir()]
        size = sum(Path(path).stat().st_size for path in files)
        (Path(scratch) / "files").write_text("\0".join(files))
        took = time.perf_counter() - begun
        print(f"{asked.records:,} records, {len(files):,} files, {size / 2**20:.0f} MiB, made in {took:.0f} s")
        for state in ("whole", "one record spoilt"):
            print(f"{state}:")
            _figures(root, home, Path(scratch) / "files", rounds=asked.rounds, last=folders[-1].name)
            (folders[len(folders) // 2] / "manifest.json").write_bytes(b'{"version": 1, "run_id": \xff')


def _figures(root: Path, home: Path, files: Path, *, rounds: int, last: str) -> None:
    def command(*words: str) -> Callable[[], Cost]:
        return lambda: measured([*RUNBOOK, *words, "--records", str(root)], home=home)

    def first_list() -> Cost:
        shutil.rmtree(home, ignore_errors=True)
        return command("list")()

    medians("list, nothing remembered", first_list, 1)
    medians("list", command("list"), rounds)
    medians("list --json", command("list", "--json"), 1)
    medians("show", command("show", last.rpartition("-")[2]), rounds)
    medians("the index", command("report", "--index"), rounds)
    hashing = medians(
        "sha256sum of the same files",
        lambda: measured(["xargs", "-0", "-a", str(files), "sha256sum"], home=home),
        rounds,
    )
    verify = medians("verify", command("verify"), rounds)
    wall, cpu = verify.wall / hashing.wall, verify.cpu / hashing.cpu
    print(f"  verify to sha256sum: {wall:.2f} by wall, {cpu:.2f} by processor")


if __name__ == "__main__":
    main()
