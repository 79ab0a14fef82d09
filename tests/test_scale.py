"""However much an account holds, a notebook asks for what it needs: the number of AWS calls of each, and its bound.

The table of docs/real-account.md says why each number is the least. the thorough run fills a small account, the release
run 1,000 clusters with 20,000 snapshots and 9,000 events: the bounds are the same, by pages of 100.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from runbook_lib import costs, restore
from runbook_lib.aws import connect
from runbook_lib.bringback.cutover import check_cut_over, propose_cut_over
from runbook_lib.bringback.cutover.pairing import find_pairing
from runbook_lib.clusters import find_cluster
from runbook_lib.errors import InputRefused, RunbookError
from runbook_lib.times import AskedTime, utc_now
from tests.control_support import Stand, production, stand_in
from tests.matrix import release, thorough
from tests.scale import KINDS, fill
from tests.test_policy import run_notebook

SMALL, LARGE = (105, 250, 600), (1_000, 20_000, 9_000)
PAGE = 100


@dataclass
class Account:
    """A stand-in that holds so much, and a cluster `prod` with two instances and a restored copy of it."""

    stand: Stand
    clusters: int
    snapshots: int
    copy: str = ""
    seen: list[object] = field(default_factory=list)

    @property
    def cluster_pages(self) -> int:
        return math.ceil((self.clusters + 2) / PAGE)

    def snapshot_pages(self, *kinds: str) -> int:
        share = Counter(KINDS)
        return sum(math.ceil(self.snapshots * share[kind] / len(KINDS) / PAGE) for kind in kinds)

    def calls(self) -> Counter[str]:
        """Return what was asked since the last time, sign-in left out."""
        new = [*self.stand.plane.requests][len(self.seen) :]
        self.seen += new
        return Counter(str(request) for request in new if request.service != "sts")


@pytest.fixture(scope="module", params=[thorough(SMALL), release(LARGE)], ids=["small", "large"])
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    clusters, snapshots, events = request.param
    with stand_in() as stand, stand.plane.in_environment():
        production(stand)
        now, history = utc_now(), stand.plane.history
        history.cluster_created("prod", at=now - timedelta(days=20))
        for day in range(1, 8):
            history.automated_snapshot("prod", at=now - timedelta(days=day))
        history.glue_run("daily_etl", started=now - timedelta(hours=3), completed=now - timedelta(hours=2))
        fill(stand.plane, now=now, clusters=clusters, snapshots=snapshots, events=events)
        session = connect()
        latest = AskedTime(text="latest", moment=None)
        plan = restore.propose(session, find_cluster(session, "prod"), asked=latest, now=utc_now())
        restore.apply(session, plan, approve=plan.id)
        found = Account(stand, clusters, snapshots, copy=plan.target)
        found.calls()
        yield found


def test_inspecting_one_cluster_takes_at_most_fifteen_calls(account: Account) -> None:
    """One for the cluster, its instances, snapshots, retained backups, recovery points, figures, runs and secret, one
    for the events of it and of each instance, and as many pages as snapshots were deleted in the region."""
    run_notebook("inspect_backups", cluster="prod")
    asked = account.calls()
    assert asked.total() <= 15, asked
    assert asked.pop("rds:DescribeEvents") <= 3 + 2
    assert asked.pop("cloudwatch:GetMetricData") <= 2  # of the timeline, and the volume's days for the copy's price
    assert set(asked.values()) == {1}, asked


def test_a_restore_asks_for_its_source_and_its_checks_only(account: Account) -> None:
    run_notebook("restore_to_timestamp", cluster="prod")
    asked = account.calls()
    assert asked.pop("iam:SimulatePrincipalPolicy") <= 13
    assert asked.total() <= 17, asked
    assert not {name: count for name, count in asked.items() if count > 2}


def test_bringing_back_reads_the_pair_and_without_the_copys_name_the_list_of_clusters(account: Account) -> None:
    session = connect()
    assert find_pairing(session, cluster="prod", copy=account.copy).copy.identifier == account.copy
    assert account.calls() == {"rds:DescribeDBClusters": 1, "rds:DescribeDBInstances": 1}
    assert find_pairing(session, cluster="prod").copy.identifier == account.copy
    assert account.calls() == {"rds:DescribeDBClusters": account.cluster_pages, "rds:DescribeDBInstances": 1}


def test_a_cut_over_looks_for_the_names_it_needs(account: Account) -> None:
    session = connect()
    plan = propose_cut_over(session, source="prod", copy=account.copy, now=utc_now())
    check_cut_over(session, plan, identity=session.identity(), named="prod")
    asked = account.calls()
    assert asked.pop("iam:SimulatePrincipalPolicy", 0) <= 20
    assert asked.total() <= 20, asked
    assert max(asked.values()) <= 3, asked


def test_cleaning_up_reads_the_clusters_and_only_what_is_kept_for_good_of_the_snapshots(account: Account) -> None:
    run_notebook("clean_up_restores")
    asked = account.calls()
    assert asked["rds:DescribeDBClusters"] == account.cluster_pages
    assert asked["rds:DescribeDBInstances"] == 1
    assert asked["rds:DescribeDBClusterSnapshots"] == 0  # the copy has not expired: nothing is to be counted
    run_notebook("clean_up_restores", only=account.copy)
    asked = account.calls()
    assert asked["rds:DescribeDBClusterSnapshots"] == account.snapshot_pages("manual", "awsbackup")


def test_a_cost_review_reads_each_list_once_and_several_beside_each_other(account: Account) -> None:
    facts = costs.read(connect(), moment=None, now=utc_now(), ask="")
    costs.look_ahead(connect(), costs.review(facts), keep_days=1)
    asked = account.calls()
    assert asked["rds:DescribeDBClusters"] == account.cluster_pages
    assert asked["rds:DescribeDBClusterSnapshots"] <= account.snapshot_pages("automated", "manual", "awsbackup") + 1
    assert asked["cloudwatch:GetMetricData"] == math.ceil((account.clusters + 2) * 4 / 500)
    assert asked["rds:DescribeDBInstances"] == 1
    assert asked["rds:DescribeDBClusterSnapshotAttributes"] <= PAGE


def test_a_watch_of_the_whole_region_reads_each_list_once(account: Account) -> None:
    """It should ask one by one only whom a manual snapshot is shared with, and of a thousand at most."""
    run_notebook("watch_backups", contract="", leave_out="records-chain")
    asked = account.calls()
    manual = min(1_000, account.snapshots * Counter(KINDS)["manual"] // len(KINDS))
    assert asked.pop("rds:DescribeDBClusterSnapshotAttributes", 0) <= manual
    assert asked.pop("rds:DescribeDBClusters") == account.cluster_pages
    assert asked.pop("rds:DescribeDBInstances") <= account.cluster_pages + 1
    assert asked.pop("rds:DescribeDBClusterSnapshots") <= account.snapshot_pages("automated", "manual") + 1
    assert set(asked.values()) == {1}, asked


@pytest.mark.parametrize("notebook", ["audit_schemas", "publish_load"])
def test_a_notebook_about_one_database_asks_for_its_cluster_and_its_account(account: Account, notebook: str) -> None:
    with suppress(RunbookError):  # nobody answers for that database here
        run_notebook(notebook, cluster="prod")
    assert account.calls().total() <= 3


def test_many_clusters_and_no_name_are_refused_with_the_first_of_them(account: Account) -> None:
    with pytest.raises(InputRefused, match="and none was named") as refused:
        run_notebook("inspect_backups")
    assert f"and {account.clusters + 2 - 20} more" in refused.value.hint
    assert account.calls().total() == account.cluster_pages
