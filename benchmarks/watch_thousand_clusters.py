"""A watch of a thousand clusters: the calls of each kind, why they cannot be fewer, and seconds against the stand-in.

    python -m benchmarks.watch_thousand_clusters [CLUSTERS]

Each cluster has seven automated snapshots and an instance, every tenth one a manual snapshot. All but these are lists,
a hundred entries a page; AWS tells of one manual snapshot at a time whom it is shared with. At most 60 seconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from math import ceil
from pathlib import Path

from runbook_lib.aws import connect
from runbook_lib.records.past_watch import past_of_watch
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.control.aurora.models import Snapshot
from runbook_lib.times import utc_now
from runbook_lib.watch import Choices, look_at_aws, watched
from tests.control_support import stand_in
from tests.records_support import make_record
from tests.scale import fill

PAGE, MOST_S = 100, 60.0


def main(clusters: int) -> int:
    """Fill an account, watch all of it, and print what was asked."""
    with stand_in() as stand, stand.plane.in_environment():
        now, rds = utc_now(), stand.plane.rds
        fill(stand.plane, now=now, clusters=clusters, snapshots=0, events=0)
        for number, name in enumerate([*rds.clusters]):
            of = rds.cluster(name)
            for day in range(7):
                at = now - timedelta(days=day, hours=2)
                own = f"rds:{name}-{at:%Y-%m-%d-%H-%M}"
                rds.cluster_snapshots[own] = Snapshot(rds, of, own, snapshot_type="automated", at=at)
            if number % 10 == 0:
                rds.cluster_snapshots[f"{name}-kept"] = Snapshot(rds, of, f"{name}-kept", at=now - timedelta(days=3))
            stand.plane.vault.put(of.arn, at=now - timedelta(days=1), vault="locked")
        stand.plane.vault.lock("locked")
        stand.plane.history.glue_run("daily_etl", started=now - timedelta(hours=2), completed=now - timedelta(hours=1))
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            make_record(store)
            mark, begun = len(stand.plane.requests), time.perf_counter()
            cpu = time.process_time()
            session = connect()
            account = session.identity().account
            facts = look_at_aws(session, Choices(glue_jobs="daily_etl"), cluster=None, account=account, now=now)
            seen = watched(facts, None, past_of_watch(facts, store=store))
            took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    asked = Counter(str(request) for request in [*stand.plane.requests][mark:])
    manual, automated = ceil(clusters / 10), clusters * 7
    least = {
        "rds:DescribeDBClusters": (ceil(clusters / PAGE), "a list, 100 a page"),
        "rds:DescribeDBInstances": (ceil(clusters / PAGE), "a list, 100 a page"),
        "rds:DescribeDBClusterSnapshots": (
            ceil(automated / PAGE) + ceil(manual / PAGE),
            "two lists, automated and manual; AWS has no question for the newest of each",
        ),
        "rds:DescribeDBClusterSnapshotAttributes": (manual, "one for each manual snapshot: AWS has no list of it"),
        "backup:ListRecoveryPointsByBackupVault": (ceil(clusters / PAGE), "a list for each locked vault"),
    }  # fmt: skip
    for name, count in sorted(asked.items()):
        bound, why = least.get(name, (1, "one"))
        print(f"{name:45} {count:5}  at least {bound:5}: {why}")
        assert count <= max(bound, 1), name
    print(f"{clusters:,} clusters: {sum(asked.values())} calls, {took:.1f} s; processor {cpu:.1f} s, stand-in and all")
    print(f"findings: {dict(seen.counts)}")
    return int(took > MOST_S)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 1_000))
