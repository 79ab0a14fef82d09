"""A thousand clusters, thirteen months: calls to CloudWatch, the rule against a plain loop, memory, the notebook.

    python -m benchmarks.costs_thousand_clusters [CLUSTERS] [--notebook]

The stand-in keeps AWS's limits (500 metrics a request, 100,800 points a page), so the calls counted are those AWS would
see. The peer of the arithmetic is the same rule applied day by day in a loop; both must give the same sums.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from runbook_lib import costs
from runbook_lib.aws import connect
from runbook_lib.costs.rule import automated_backup
from runbook_lib.costs.usage import POINTS_A_PAGE, QUERIES_A_REQUEST
from tests.costs_world import Sim, World, world

MONTHS_OF_DAYS = 400


def sims(count: int) -> list[Sim]:
    """Return clusters of many sizes, retentions and habits."""
    return [
        Sim(
            name=f"cluster-{number:04d}",
            volume=50 + number * 37 % 900,
            changes=number % 7 * 8,
            retention=(7, 1, 14, 35, 7)[number % 5],
            keep=(30, 365, 7, 60, 90)[number % 5],
            every=(7, 60, 1, 14, 30)[number % 5],
            tags={"team": ("data", "web", "ops")[number % 3]},
        )
        for number in range(count)
    ]


def plain_loop(review: costs.Review) -> float:
    """Add the automated backups up by the scalar rule, cluster by cluster and day by day."""
    usage, total = review.amounts.usage, 0.0
    living = review.facts.estate.by_name
    for row, name in enumerate(usage.clusters):
        retention = living[name].retention_days
        volumes = usage.volume_gib[row].tolist()
        billed = usage.billed_gib[row].tolist()
        for column, used in enumerate(usage.used_gib[row].tolist()):
            if math.isnan(used) or math.isnan(volumes[column]) or math.isnan(billed[column]):
                continue
            window = volumes[max(0, column - retention + 1) : column + 1]
            window = [volumes[0]] * (retention - len(window)) + window
            total += automated_backup(
                used_gib=used, volume_gib=volumes[column], retention_days=retention, window_volumes_gib=window
            ).billed_gib()
    return total


def measure(made: World, clusters: int, *, notebook: bool) -> None:
    """Read, work out and, if asked, run the notebook; print the figures."""
    session = connect(region="ap-northeast-1")
    began = time.perf_counter()
    facts = costs.read(session, moment=None, now=made.now, ask="prices, bill")
    print(f"read everything from the stand-in      {time.perf_counter() - began:8.2f} s")
    calls = [request for request in made.metering.requests if request["operation"] == "GetMetricData"]
    days = facts.usage.volume_gib.shape[1]
    least = max(math.ceil(4 * clusters / QUERIES_A_REQUEST), math.ceil(4 * clusters * days / POINTS_A_PAGE))
    what = f"the least AWS allows for {4 * clusters:,} metrics of {days} days: {least}; one a metric: {4 * clusters:,}"
    print(f"GetMetricData calls                    {len(calls):8d}   ({what})")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    review = costs.review(facts)
    ours = time.process_time() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grids = sum(grid.nbytes for grid in (facts.usage.volume_gib, facts.usage.used_gib, facts.usage.snapshot_gib,
                                         facts.usage.billed_gib))  # fmt: skip
    print(f"work the review out                    {ours:8.2f} s of CPU; {grids / 2**20:.0f} MiB of metrics, "
          f"peak memory grew by {(after - before) / 1024:.0f} MiB")  # fmt: skip
    began = time.process_time()
    by_loop = plain_loop(review)
    loop = time.process_time() - began
    by_grid = float(np.nansum(review.amounts.model_gib - np.nan_to_num(review.amounts.snapshot_gib)))
    assert math.isclose(by_loop, by_grid, rel_tol=1e-9), (by_loop, by_grid)
    began = time.process_time()
    from runbook_lib.costs.amounts import amounts

    amounts(facts.usage, facts.who, review.held)
    grid = time.process_time() - began
    print(f"the rule on {clusters * days:,} days           {grid:8.2f} s of CPU, in a plain loop {loop:.2f} s: "
          f"{loop / grid:.0f} times as fast, same sum")  # fmt: skip
    if notebook:
        import papermill

        with tempfile.TemporaryDirectory() as folder:
            began, server = time.perf_counter(), time.process_time()
            kernel = _children_cpu()
            papermill.execute_notebook(
                Path(__file__).parents[1] / "notebooks" / "cost_analysis.ipynb",
                Path(folder) / "record.ipynb",
                parameters={"ask": "prices, bill"},
                progress_bar=False,
                kernel_name="python3",
            )
            wall = time.perf_counter() - began
            cpu = f"{_children_cpu() - kernel:.2f} s its kernel, {time.process_time() - server:.2f} s the stand-in"
            print(f"the notebook, headless                 {wall:8.2f} s on the clock; of CPU {cpu}")


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Seed the stand-in and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clusters", nargs="?", type=int, default=1000)
    parser.add_argument("--notebook", action="store_true", help="run the notebook headless as well")
    asked = parser.parse_args()
    today = datetime.now(UTC).date()
    began = time.perf_counter()
    with world(sims(asked.clusters), today=today, days=MONTHS_OF_DAYS) as made, made.plane.in_environment():
        snapshots = len(made.plane.rds.cluster_snapshots)
        print(f"seeded {asked.clusters:,} clusters, {snapshots:,} snapshots  {time.perf_counter() - began:8.2f} s")
        measure(made, asked.clusters, notebook=asked.notebook)


if __name__ == "__main__":
    sys.exit(main())
