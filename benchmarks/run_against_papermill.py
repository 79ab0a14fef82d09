"""`runbook run` with everything it does against the `papermill` command, on the same notebook, in one run.

Prints wall time, processor time and peak memory of both and their ratios, as medians over pairs run one after the
other; the first pair warms the disk cache and is not counted. `papermill` gets no help: it is called as installed.
Without a notebook of your own it takes a small one, then the same with a cell that prints 20 MB in lines.

    python benchmarks/run_against_papermill.py [NOTEBOOK] [--pairs 7]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

RUNBOOK = [sys.executable, "-c", "from runbook_lib.cli import main; main()", "run"]
PAPERMILL = [sys.executable, "-m", "papermill"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one command took: seconds on the clock and of the processor, MiB at its own peak and at its kernel's."""

    wall: float
    cpu: float
    peak_mib: float


PRINTS_20_MB = "for n in range(200_000):\n    print(f'{n:6d}', 'p' * 92)"


def small_notebook(path: Path, *more: str) -> Path:
    """Write the notebook both run: parameters, prints, a table; a few cells of little work, and `more` of them."""
    notebook = new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    sources = [
        'timestamp: str = "latest"  # the moment the incident is about',
        "import html\nrows = [(n, n * n) for n in range(200)]",
        "for n in range(20):\n    print('line', n, timestamp)",
        "from IPython.display import HTML\nHTML('<table>' + ''.join(f'<tr><td>{a}' for a, _ in rows) + '</table>')",
        "sum(b for _, b in rows)",
        *more,
    ]
    notebook.cells = [new_markdown_cell("# A small runbook"), *(new_code_cell(source) for source in sources)]
    notebook.cells[1].metadata.tags = ["parameters"]
    nbformat.write(notebook, path)
    return path


def measured(command: list[str], cwd: Path) -> Cost:
    """Run a command to its end and measure it. Raises CalledProcessError when it fails."""
    reader, writer = os.pipe()
    begun = time.perf_counter()
    child = os.fork()
    if child == 0:  # its own child's usage is then this command's alone
        os.close(reader)
        done = subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(writer, f"{done.returncode} {used.ru_utime + used.ru_stime} {used.ru_maxrss}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        code, cpu, peak = said.read().split()
    os.waitpid(child, 0)
    wall = time.perf_counter() - begun
    if int(code):
        raise subprocess.CalledProcessError(int(code), command)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Cost(wall=wall, cpu=float(cpu), peak_mib=float(peak) / unit)


def compared(notebook: Path, *, pairs: int, cwd: Path) -> tuple[list[Cost], list[Cost]]:
    """Measure so many pairs of one notebook, ours and papermill's, each the first in every other pair."""
    ours: list[Cost] = []
    theirs: list[Cost] = []
    for number in range(pairs + 1):
        pair = [
            (ours, [*RUNBOOK, str(notebook), "--records", str(cwd / "records"), "-p", "timestamp", "latest"]),
            (theirs, [*PAPERMILL, str(notebook), str(cwd / "out.ipynb"), "-p", "timestamp", "latest"]),
        ]
        for costs, command in pair if number % 2 else reversed(pair):
            cost = measured(command, cwd)
            if number:
                costs.append(cost)
    return ours, theirs


def main() -> None:
    """Run the pairs and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="?", type=Path)
    parser.add_argument("--pairs", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        made = (cwd / "small.ipynb", ()), (cwd / "prints-20-mb.ipynb", (PRINTS_20_MB,))
        given = [asked.notebook.absolute()] if asked.notebook else [small_notebook(path, *more) for path, more in made]
        for notebook in given:
            report(notebook, *compared(notebook, pairs=asked.pairs, cwd=cwd))


def report(notebook: Path, ours: list[Cost], theirs: list[Cost]) -> None:
    """Print the medians of the pairs and their ratios."""
    print(f"{notebook.name}, {len(ours)} pairs, medians")
    for what, unit in (("wall", "s"), ("cpu", "s"), ("peak_mib", "MiB")):
        our, their = (statistics.median(getattr(cost, what) for cost in costs) for costs in (ours, theirs))
        ratios = sorted(getattr(a, what) / getattr(b, what) for a, b in zip(ours, theirs, strict=True))
        print(
            f"  {what:9} runbook run {our:8.2f} {unit:4} papermill {their:8.2f} {unit:4} "
            f"ratio {our / their:.2f} (of the pairs: {ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
