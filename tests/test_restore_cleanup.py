"""Clean-up: what our runs made goes once approved; nothing else is ever named in a call that changes anything."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import restore
from runbook_lib.aws import connect
from runbook_lib.clusters import find_cluster, list_clusters
from runbook_lib.costs import Alive
from runbook_lib.costs.copies import spent
from runbook_lib.costs.pricelist import aurora_instance, aurora_storage
from runbook_lib.costs.prices import shipped_prices
from runbook_lib.display import copies as show
from runbook_lib.errors import AccessDenied, ApprovalRefused, NotFound
from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.control import ControlPlane, Request, brisk
from runbook_lib.rehearsal.source import make_source
from runbook_lib.restore import Choices, CleanedUp, CleanUpPlan
from runbook_lib.restore.copies.leftovers import Leftover, Region, leftovers, not_ours
from runbook_lib.restore.plan import target_name
from runbook_lib.times import AskedTime, iso, utc_now
from tests.builders import NOW
from tests.builders import cluster as cluster_of
from tests.matrix import thorough

ROOT = Path(__file__).parents[1]
SOURCE = "orders-prod"
PAST, FUTURE = "2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


class World:
    """A stand-in with one source, and clusters made as runs or people would make them."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane, self.session = plane, connect()
        make_source(self.session, identifier=SOURCE)
        plane.history.cluster_created(SOURCE, at=utc_now() - timedelta(days=30))
        self.rds = self.session.client("rds")

    def copy(self, *, target: str = "", expires: str = PAST, instances: int = 1, by_us: bool = False) -> str:
        """Make a copy by the calls and tags of a plan (`by_us`: through the library's own application of it)."""
        asked = AskedTime(text="", moment=None)
        source = find_cluster(self.session, SOURCE)
        plan = restore.propose(self.session, source, asked=asked, now=utc_now(), choices=Choices(target=target))
        if by_us:
            restore.apply(self.session, plan, approve=plan.id, incident="INC-1")
            self.tag(plan.target, {"recovery:expires": expires})
        else:
            own = [{"Key": "recovery:plan", "Value": plan.id}, {"Key": "recovery:expires", "Value": expires}]
            request = plan.calls[0].request
            self.rds.restore_db_cluster_to_point_in_time(**{**request, "Tags": [*request["Tags"], *own]})
            self.ready(plan.target)
        for number in range(1 + by_us, instances + 1):
            self.instance(plan.target, f"{plan.target}-{number}", {"recovery:plan": plan.id})
        return plan.target

    def ready(self, name: str) -> None:
        """Wait until a cluster is available."""
        end = time.monotonic() + 60
        while {one.identifier: one.status for one in list_clusters(self.session)}.get(name) != "available":
            assert time.monotonic() < end, f"{name} does not become available"
            time.sleep(0.01)

    def other(self, name: str, tags: dict[str, str] | None = None, **settings: Any) -> str:
        """Make a cluster as somebody else would."""
        self.rds.create_db_cluster(
            DBClusterIdentifier=name,
            Engine="aurora-mysql",
            MasterUsername="admin",
            MasterUserPassword="not-ours-1",
            Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
            **settings,
        )
        self.ready(name)
        return name

    def instance(self, cluster: str, name: str, tags: dict[str, str]) -> None:
        self.rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBClusterIdentifier=cluster,
            DBInstanceClass="db.r6g.large",
            Engine="aurora-mysql",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )

    def tags(self, name: str) -> dict[str, str]:
        return dict(find_cluster(self.session, name).tags)

    def tag(self, name: str, tags: dict[str, str]) -> None:
        arn = find_cluster(self.session, name).arn
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.rds.add_tags_to_resource(ResourceName=arn, Tags=listed)

    @property
    def names(self) -> set[str]:
        return {one["DBClusterIdentifier"] for one in self.rds.describe_db_clusters()["DBClusters"]}

    def plan(self, **given: Any) -> CleanUpPlan:
        return restore.propose_clean_up(self.session, now=utc_now(), **given)

    def clean(self, plan: CleanUpPlan, *, approve: str = "") -> CleanedUp:
        return restore.clean_up(self.session, plan, approve=approve or plan.id)

    @contextmanager
    def changes(self) -> Iterator[list[Request]]:
        """Note the changing requests made inside."""
        mark, found = len(self.plane.requests), list[Request]()
        yield found
        found += [one for one in list(self.plane.requests)[mark:] if one.mutating]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane(None, pace=brisk()) as plane, plane.in_environment():
        yield plane


@pytest.fixture(scope="module")
def shared(plane: ControlPlane) -> World:
    return World(plane)


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """Return the world with nothing but its source, before and after."""
    yield shared
    shared.plane.faults.clear()
    for name in shared.names - {SOURCE}:
        found = find_cluster(shared.session, name)
        shared.rds.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
        shared.ready(name)
        for member in found.writer_first:
            shared.rds.delete_db_instance(DBInstanceIdentifier=member, SkipFinalSnapshot=True)
        shared.rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    while shared.names != {SOURCE}:
        time.sleep(0.02)


def named_in(request: Request) -> str:
    """Return what a changing request would change."""
    asked = request.parameters
    return str(asked.get("DBInstanceIdentifier") or asked.get("DBClusterIdentifier") or asked["ResourceName"])


def reasons(plan: CleanUpPlan) -> dict[str, str]:
    return {one.name: one.stays for one in plan.left}


@pytest.mark.thorough
def test_of_twenty_clusters_the_three_that_are_ours_go(world: World) -> None:
    """It should delete three copies with their instances, and name nothing else in any changing call."""
    ours = {world.copy(target="look-one", instances=2, by_us=True), world.copy(), world.copy(target="look-three")}
    others = {world.other(f"team-{number}", {"team": "data"}) for number in range(16)} | {SOURCE}
    assert len(world.names) == 20
    with world.changes() as planning:
        plan = world.plan()
    assert planning == []
    assert {one.name for one in plan.delete} == ours
    allowed = {one.cluster.arn for one in plan.delete} | {
        part.identifier for one in plan.delete for part in one.members
    }
    with world.changes() as changes:
        done = world.clean(plan)
    assert world.names == others
    assert {one.name for one in done.deleted} == ours
    assert {named_in(request) for request in changes} == ours | allowed
    asked = [request.parameters for request in changes if request.operation == "DeleteDBCluster"]
    assert len(asked) == 3
    assert all(one["SkipFinalSnapshot"] and one["DeleteAutomatedBackups"] for one in asked)
    check = restore.verify_clean_up(world.session, done)
    assert check is not None
    assert check.holds
    assert check.kept == 17


def test_without_its_approval_nothing_changes_and_a_stale_one_is_refused(world: World) -> None:
    world.copy(target="first")
    stale = world.plan()
    world.copy(target="second")
    plan = world.plan()
    with world.changes() as changes:
        assert not restore.clean_up(world.session, plan, approve="").done
        with pytest.raises(ApprovalRefused, match="not the id of this plan"):
            world.clean(plan, approve=stale.id)
    assert changes == []
    assert world.plan().id == plan.id


def test_forged_tags_on_a_cluster_of_another_name_stay_unused(world: World) -> None:
    """It should leave a production cluster that somebody gave all tags of a real copy, and say why."""
    real = world.copy(target="real-copy")
    world.other("payments-prod", {**world.tags(real), "recovery:expires": PAST})
    world.other("half-tagged", {"recovery:expires": PAST})
    itself = {**world.tags(real), "recovery:source": "its-own", "recovery:target": "its-own"}
    world.other("its-own", itself)
    plan = world.plan(also_unexpired=True, only="real-copy, payments-prod, half-tagged, its-own")
    assert [one.name for one in plan.delete] == [real]
    assert "name is not the one in its tags" in reasons(plan)["payments-prod"]
    assert "not complete" in reasons(plan)["half-tagged"]
    assert "itself as the source" in reasons(plan)["its-own"]
    world.clean(plan)
    assert world.names == {SOURCE, "payments-prod", "half-tagged", "its-own"}


def test_a_renamed_copy_that_took_the_sources_place_stays(world: World) -> None:
    name = world.copy(target="was-a-copy")
    new = "is-production-now"
    world.rds.modify_db_cluster(DBClusterIdentifier=name, NewDBClusterIdentifier=new, ApplyImmediately=True)
    world.ready(new)
    assert "was renamed" in reasons(world.plan(also_unexpired=True))[new]


def test_what_is_protected_extended_or_not_expired_is_left_and_named(world: World) -> None:
    for name in ("protected", "extended", "unexpired"):
        world.copy(target=name, expires=FUTURE if name == "unexpired" else PAST)
    world.rds.modify_db_cluster(DBClusterIdentifier="protected", DeletionProtection=True, ApplyImmediately=True)
    world.instance("extended", "somebodys-reader", {"team": "reports"})
    plan = world.plan()
    assert plan.delete == ()
    assert "deletion protection" in reasons(plan)["protected"]
    assert "somebodys-reader" in reasons(plan)["extended"]
    assert "expires at 2999" in reasons(plan)["unexpired"]
    assert [one.name for one in world.plan(also_unexpired=True).delete] == ["unexpired"]
    assert [one.name for one in world.plan(only="unexpired").delete] == ["unexpired"]
    with pytest.raises(NotFound, match=SOURCE):
        world.plan(only=SOURCE)


def test_a_copy_that_something_was_made_from_stays(world: World) -> None:
    cloned, restored = world.copy(target="cloned"), world.copy(target="restored-from")
    world.rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="a-clone", SourceDBClusterIdentifier=cloned, RestoreType="copy-on-write",
        UseLatestRestorableTime=True,
    )  # fmt: skip
    world.other("second-hand", {"recovery:source": restored})
    plan = world.plan()
    assert plan.delete == ()
    assert "a-clone" in reasons(plan)[cloned]
    assert "second-hand was restored from it" in reasons(plan)[restored]


def test_what_is_protected_after_the_plan_is_spared(world: World) -> None:
    for name in ("goes", "spared"):
        world.copy(target=name)
    plan = world.plan()
    world.rds.modify_db_cluster(DBClusterIdentifier="spared", DeletionProtection=True, ApplyImmediately=True)
    with world.changes() as changes:
        done = world.clean(plan)
    assert [one.name for one in done.spared] == ["spared"]
    assert not [request for request in changes if "spared" in named_in(request)]
    assert world.names == {SOURCE, "spared"}


@pytest.mark.parametrize("made", [thorough(1), 2, thorough(3), 4, thorough(5)])
def test_a_run_stopped_after_any_call_is_taken_up_with_the_same_approval(world: World, made: int) -> None:
    """It should go on with what was approved, and with nothing that has expired since."""
    for name in ("one", "two"):
        world.copy(target=name)
    plan = world.plan()
    assert len(plan.calls) == 6
    faults, seen = world.plane.faults, list[Request]()

    def stop(request: Request) -> None:
        seen.append(request)
        if len(seen) == made:
            faults.deny("rds:AddTagsToResource", "rds:DeleteDBInstance", "rds:DeleteDBCluster")

    faults.after = stop
    with pytest.raises(AccessDenied):
        world.clean(plan)
    faults.clear()
    late = {world.copy(target="newly-expired")} if made > 1 else set()  # all are marked from the second call on
    again = world.plan()
    assert late <= {one.name for one in again.delete}
    done = world.clean(again, approve=plan.id)
    assert world.names == {SOURCE} | late
    check = restore.verify_clean_up(world.session, done)
    assert check is not None
    assert check.holds


def test_backups_of_others_stay_and_a_loss_is_noticed(world: World) -> None:
    name = world.copy(target="with-a-snapshot")
    world.rds.create_db_cluster_snapshot(DBClusterIdentifier=SOURCE, DBClusterSnapshotIdentifier="kept")
    world.rds.create_db_cluster_snapshot(DBClusterIdentifier=name, DBClusterSnapshotIdentifier="of-the-copy")
    world.rds.get_waiter("db_cluster_snapshot_available").wait(
        DBClusterSnapshotIdentifier="of-the-copy", WaiterConfig={"Delay": 1}
    )
    bystander = world.other("bystander")
    done = world.clean(world.plan())
    left = {
        one["DBClusterSnapshotIdentifier"] for one in world.rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    }
    assert left >= {"kept", "of-the-copy"}
    check = restore.verify_clean_up(world.session, done)
    assert check is not None
    assert check.holds
    world.rds.delete_db_cluster(DBClusterIdentifier=bystander, SkipFinalSnapshot=True)
    world.rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="kept")
    while bystander in world.names:
        time.sleep(0.02)
    check = restore.verify_clean_up(world.session, done)
    assert check is not None
    assert [thing.split()[0] for thing in check.missing] == ["cluster", "snapshot"]
    assert show.clean_up_result(done, check, {}, {}).outcome == "check-failed"


@pytest.mark.thorough
def test_the_notebook_plans_then_deletes_what_was_approved(world: World, tmp_path: Path) -> None:
    world.copy(target="headless", expires=FUTURE)
    world.copy(target="also-there")

    def run(**parameters: Any) -> Any:
        return run_notebook(
            ROOT / "notebooks" / "clean_up_restores.ipynb",
            parameters={"cluster": SOURCE, **parameters},
            store=Store(Path(os.environ.get("KEEP_RECORDS") or tmp_path)),
            environment=world.plane.environment(),
            cwd=ROOT,
        )

    planned = run()
    assert planned.outcome == "planned", planned.headline
    assert world.names == {SOURCE, "headless", "also-there"}
    done = run(approve=planned.result["plan_id"])
    assert done.outcome == "succeeded", done.headline
    assert done.result["changed"] == ["also-there", "also-there-1"]
    assert world.names == {SOURCE, "headless"}


# The judgement on its own, without a stand-in.

OURS = {
    "DBClusterIdentifier": target_name("staging-db", NOW - timedelta(days=3)),
    "DBClusterArn": "arn:aws:rds:ap-northeast-1:123456789012:cluster:copy",
    "DbClusterResourceId": "cluster-COPY",
    "ClusterCreateTime": NOW - timedelta(days=2),
    "DeletionProtection": False,
    "CloneGroupId": "inherited",
}


def tagged(**tags: str) -> dict[str, list[dict[str, str]]]:
    every = {"source": "staging-db", "moment": iso(NOW - timedelta(days=3)), "plan": "abc", "expires": PAST, **tags}
    return {"TagList": [{"Key": f"recovery:{name}", "Value": value} for name, value in every.items() if value]}


def judged(*others: dict[str, Any], global_arns: dict[str, str] | None = None, **members: Any) -> Leftover:
    own = cluster_of(**{**OURS, **tagged(), **members})
    region = Region(clusters=(own, *(cluster_of(**one) for one in others)), members={}, global_arns=global_arns or {})
    return next(one for one in leftovers(region, now=NOW) if one.name == own.identifier)


def test_a_copy_of_a_run_before_the_target_tag_is_known_by_its_name() -> None:
    assert judged().stays == ""
    assert "name" in judged(DBClusterIdentifier="staging-db-at-20200101-000000").stays


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"ClusterCreateTime": NOW - timedelta(days=400)}, "older than the moment"),
        ({"ReadReplicaIdentifiers": ["a-replica"]}, "a-replica"),
        ({"GlobalClusterIdentifier": "world"}, "global database world"),
        ({"ActivityStreamStatus": "started"}, "activity stream"),
        ({"Status": "backing-up"}, "backing-up"),
        ({"Status": "deleting"}, "somebody is deleting it"),
        (tagged(moment="latest"), "not complete"),
        (tagged(plan=""), "not complete"),
        (tagged(source="Not A Name !"), "name is not the one"),
        (tagged(purpose="cutover"), "to take its source's place"),
        (tagged(expires=""), "no expiry"),
        (tagged(expires="whenever"), "no expiry"),
        (tagged(expires=FUTURE), "expires at"),
    ],
)
def test_each_thing_that_stands_against_it_is_said(members: dict[str, Any], why: str) -> None:
    assert why in judged(**members).stays


def test_being_in_a_global_database_or_replicated_is_seen_from_the_other_side() -> None:
    arn = str(OURS["DBClusterArn"])
    assert "global database world" in judged(global_arns={arn: "world"}).stays
    replica = {"DBClusterIdentifier": "replica", "ReplicationSourceIdentifier": arn, "DbClusterResourceId": "cluster-R"}
    assert "replica" in judged(replica).stays


def test_the_clone_group_that_a_restore_inherits_does_not_keep_it() -> None:
    """It should keep only what a younger stranger of the group may have been cloned from (DBCluster, API reference)."""
    source = {"CloneGroupId": "inherited"}
    sibling = {**OURS, **tagged(target="look-twice"), "DBClusterIdentifier": "look-twice", "ClusterCreateTime": NOW}
    stranger = {"DBClusterIdentifier": "stranger", "CloneGroupId": "inherited", "ClusterCreateTime": NOW}
    assert judged(source, sibling).stays == ""
    assert "stranger" in judged(source, stranger).stays


def test_whoever_writes_every_tag_with_intent_can_forge_them() -> None:
    """The stated limit: tags are only as trustworthy as the permission to write them."""
    forged = cluster_of(**tagged(source="another", target="staging-db", moment="2020-01-01T00:00:00Z"))
    assert not_ours(forged) == ""


def test_cost_so_far_is_the_hours_and_the_volume_or_not_known() -> None:
    made = cluster_of(ClusterCreateTime=NOW - timedelta(days=10), StorageType=None)
    one = Alive(cluster=made, instances=(("db.r6g.large", NOW - timedelta(days=10)), ("db.r6g.large", NOW)))
    book = shipped_prices("ap-northeast-1", (aurora_storage(), aurora_instance("db.r6g.large")))
    hour, gib = book.of(aurora_instance("db.r6g.large")).usd, book.of(aurora_storage()).usd
    known = spent(one, 600.0, book, now=NOW)
    assert known.instances_usd == pytest.approx(240 * hour)
    assert known.storage_usd == pytest.approx(240 * 600 * gib / 730)
    assert known.usd_a_day == pytest.approx(24 * (2 * hour + 600 * gib / 730))
    unsized = spent(one, None, book, now=NOW)
    assert (unsized.usd, unsized.instances_usd) == (None, known.instances_usd)
    assert "CloudWatch" in unsized.unknown
    odd = Alive(cluster=made, instances=(("db.z99.huge", None),))
    assert spent(odd, 600.0, book, now=NOW).usd is None
    assert "db.z99.huge" in spent(odd, 600.0, book, now=NOW).unknown
