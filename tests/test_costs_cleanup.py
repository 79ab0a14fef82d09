"""The clean-up of snapshots: what is never touched, and that nothing happens without the approval of just that plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from runbook_lib import costs
from runbook_lib.aws import connect
from runbook_lib.backups import snapshot_from
from runbook_lib.costs.estate import AWS_BACKUP, BY_HAND, COPIED, Estate, costs_from, origin
from runbook_lib.costs.holdings import Holding
from runbook_lib.costs.snapshots.plan import MOST_AT_ONCE, Keeping, kept_by_tag, plan_cleanup
from runbook_lib.display import costs as show
from runbook_lib.errors import ApprovalRefused, StepFailed
from tests import builders
from tests.costs_world import Sim, world

TODAY = date(2026, 11, 22)


def described(name="monthly", *, age=100, cluster="staging-db", resource="cluster-SOURCE", tags=None, **members):
    created = datetime(2026, 11, 22, 3, tzinfo=UTC) - timedelta(days=age)
    return snapshot_from(
        {
            "DBClusterSnapshotIdentifier": name,
            "DBClusterSnapshotArn": f"arn:aws:rds:ap-northeast-1:123456789012:cluster-snapshot:{name}",
            "DBClusterIdentifier": cluster,
            "DbClusterResourceId": resource,
            "SnapshotType": "manual",
            "Status": "available",
            "SnapshotCreateTime": created,
            "TagList": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
            **members,
        }
    )


def held(snapshot, *, size=600.0, living=True):
    taken = snapshot.created.date()
    return Holding(
        snapshot=snapshot,
        origin=origin(snapshot),
        costs_from=taken + timedelta(days=7 if living else 0),
        size_gib=size,
        sized_by="volume on its day",
        of_living_cluster=living,
    )


def plan(*holdings, keep_days=35, shared=None, **more):
    keeping = Keeping(region="ap-northeast-1", today=TODAY, usd_gib_month=0.023, keep_days=keep_days, **more)
    return plan_cleanup(holdings, keeping, shared=shared or {})


def deleted_and_kept(made):
    return [entry.name for entry in made.delete], {entry.name: entry.reason for entry in made.kept}


NEWEST = held(described("newest", age=40))


def test_an_old_snapshot_that_costs_is_proposed_with_its_dollars_and_what_is_left():
    made = plan(held(described()), NEWEST)
    assert deleted_and_kept(made) == (["monthly"], {"newest": "the newest of its cluster"})
    assert made.usd_month == pytest.approx(13.80)
    assert made.delete[0].copies_left == 1


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (described(tags={"Keep": "yes"}), "tagged to keep: Keep=yes"),
        (described(tags={"legal-hold": ""}), "tagged to keep: legal-hold"),
        (described(tags={"audit-2026": "x"}), "tagged to keep: audit-2026=x"),
        (described("awsbackup:job-1"), "AWS Backup keeps it: change its plan there"),
        (described(SnapshotType="awsbackup"), "AWS Backup keeps it: change its plan there"),
        (described(tags={"aws:backup:source-resource": "x"}), "AWS Backup keeps it: change its plan there"),
        (described(Status="copying"), "its status is copying"),
        (described(age=34), "younger than the 35 days to keep"),
    ],
)
def test_what_somebody_holds_is_never_proposed_and_says_why(snapshot, reason):
    made = plan(held(snapshot), held(described("newest", age=20)), keep_tags=("Keep", "legal-hold", "audit-2026"))
    assert not made.delete
    assert {entry.name: entry.reason for entry in made.kept}[snapshot.identifier] == reason


def test_a_tag_that_says_no_does_not_hold():
    assert not kept_by_tag(described(tags={"keep": "false", "Hold": "No"}))


def test_a_snapshot_shared_with_another_account_is_never_proposed():
    shared = held(described())
    made = plan(shared, NEWEST, shared={shared.snapshot.arn: ("210987654321",)})
    assert deleted_and_kept(made)[1]["monthly"] == "shared with 210987654321"


def test_the_newest_of_each_cluster_stays_even_of_one_that_is_gone_or_has_its_name_again():
    gone = held(described("gone-1", age=300, cluster="old", resource="cluster-OLD"), living=False)
    gone_newest = held(described("gone-2", age=200, cluster="old", resource="cluster-OLD"), living=False)
    before = held(described("before", age=400, resource="cluster-FORMER"), living=False)
    made = plan(gone, gone_newest, before, held(described()), NEWEST)
    assert sorted(deleted_and_kept(made)[0]) == ["gone-1", "monthly"]
    assert deleted_and_kept(made)[1]["before"] == "the newest of its cluster"


def test_a_free_snapshot_inside_the_window_is_not_even_mentioned():
    made = plan(held(described("fresh", age=3)), NEWEST, keep_days=1)
    assert "fresh" not in [*deleted_and_kept(made)[0], *deleted_and_kept(made)[1]]


def test_the_plans_id_is_of_what_would_be_deleted_not_of_sizes_prices_or_the_clock():
    made = plan(held(described()), NEWEST)
    same = replace(made, usd_gib_month=0.05, delete=tuple(replace(c, size_gib=None) for c in made.delete))
    other = plan(held(described()), held(described("second", age=90)), NEWEST)
    assert made.id == same.id == plan(held(described()), NEWEST).id
    assert made.id != other.id


def test_a_plan_holds_at_most_what_can_be_read_and_the_dearest_first():
    many = [held(described(f"s{number:03d}", age=100 + number), size=float(number)) for number in range(150)]
    made = plan(*many, NEWEST)
    assert len(made.delete) == MOST_AT_ONCE
    assert made.delete[0].name == "s149"
    assert deleted_and_kept(made)[1]["s000"].startswith("for the next plan")


def test_a_new_cluster_of_the_same_name_does_not_cover_the_old_ones_snapshots():
    cluster = builders.cluster(DbClusterResourceId="cluster-NEW")
    estate = Estate(clusters=(cluster,), snapshots=(), retained=())
    old, own = described(age=2), described(age=2, resource="cluster-NEW")
    assert costs_from(old, estate) == date(2026, 11, 20)
    assert costs_from(own, estate) == date(2026, 11, 27)


def test_origins_are_told_apart():
    copied = described(SourceDBClusterSnapshotArn="arn:aws:rds:us-east-1:123456789012:cluster-snapshot:x")
    assert [origin(snapshot) for snapshot in (described(), copied, described("awsbackup:job-2"))] == [
        BY_HAND,
        COPIED,
        AWS_BACKUP,
    ]


SIMS = [
    Sim(name="staging-db", volume=600, keep=None, every=20),
    Sim(name="backed", volume=100, keep=None, every=20, backup_service=True),
]


@pytest.fixture
def made():
    with world(SIMS, today=TODAY, days=120) as built, built.plane.in_environment():
        yield built


def look(made):
    session = connect(region="ap-northeast-1")
    facts = costs.read(session, moment=None, now=made.now, ask="")
    return session, costs.look_ahead(session, costs.review(facts), keep_days=35)


def mutations(made):
    return [request.operation for request in made.plane.requests if request.mutating]


def there(made):
    return {name for name in made.plane.rds.cluster_snapshots if name.startswith("staging-db")}


def test_without_an_approval_nothing_is_called_and_it_says_how_to_go_on(made):
    session, outlook = look(made)
    done = costs.apply_cleanup(session, outlook.plan, approve="")
    assert not done.done
    assert mutations(made) == []
    assert f'approve="{outlook.plan.id}"' in str(show.advice_sheet(outlook, approve=""))
    assert "Nothing was deleted" in str(show.deleted_sheet(done))


def test_the_approved_plan_deletes_what_it_names_reads_it_again_and_touches_nothing_else(made):
    session, outlook = look(made)
    before = there(made)
    done = costs.apply_cleanup(session, outlook.plan, approve=outlook.plan.id)
    assert set(done.deleted) == {candidate.name for candidate in outlook.plan.delete}
    assert len(done.deleted) >= 3
    assert there(made) == before - set(done.deleted)
    assert set(mutations(made)) == {"DeleteDBClusterSnapshot"}
    assert not [name for name in done.deleted if name.startswith("awsbackup")]
    assert max(before) in there(made)


def test_the_approval_of_another_plan_is_refused_and_changes_nothing(made):
    session, outlook = look(made)
    with pytest.raises(ApprovalRefused, match="not the id of this plan"):
        costs.apply_cleanup(session, outlook.plan, approve="000000000000")
    assert mutations(made) == []


@pytest.mark.thorough
def test_once_applied_the_same_approval_is_stale(made):
    session, outlook = look(made)
    costs.apply_cleanup(session, outlook.plan, approve=outlook.plan.id)
    session, again = look(made)
    assert not again.plan.delete
    with pytest.raises(ApprovalRefused):
        costs.apply_cleanup(session, again.plan, approve=outlook.plan.id)


@pytest.mark.thorough
def test_a_snapshot_shared_tagged_or_gone_since_the_plan_stops_everything_before_the_first_deletion(made):
    session, outlook = look(made)
    last = outlook.plan.delete[-1].name
    rds = session.client("rds")

    def refused(saying):
        with pytest.raises(ApprovalRefused, match=saying):
            costs.apply_cleanup(session, outlook.plan, approve=outlook.plan.id)
        assert "DeleteDBClusterSnapshot" not in mutations(made)

    share = {"DBClusterSnapshotIdentifier": last, "AttributeName": "restore"}
    rds.modify_db_cluster_snapshot_attribute(**share, ValuesToAdd=["210987654321"])
    refused("now shared with 210987654321")
    rds.modify_db_cluster_snapshot_attribute(**share, ValuesToRemove=["210987654321"])
    made.plane.rds.cluster_snapshots[last].tags = [{"Key": "keep", "Value": ""}]
    refused("now tagged to keep")
    del made.plane.rds.cluster_snapshots[last]
    refused("is gone")


@pytest.mark.thorough
def test_a_shared_snapshot_is_found_out_before_the_plan_is_shown(made):
    session, outlook = look(made)
    name = outlook.plan.delete[0].name
    session.client("rds").modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier=name, AttributeName="restore", ValuesToAdd=["all"]
    )
    _, again = look(made)
    assert name not in {candidate.name for candidate in again.plan.delete}
    assert {kept.name: kept.reason for kept in again.plan.kept}[name] == "shared with all"


@pytest.mark.thorough
def test_a_refusal_half_way_says_what_was_deleted_before_it(made):
    session, outlook = look(made)
    second = outlook.plan.delete[1].name
    made.plane.faults.before = lambda request: (
        made.plane.faults.deny("rds:DeleteDBClusterSnapshot")
        if request.operation == "DeleteDBClusterSnapshot"
        else None
    )
    with pytest.raises(StepFailed, match=f"1 of {len(outlook.plan.delete)} snapshots were deleted.*{second}"):
        costs.apply_cleanup(session, outlook.plan, approve=outlook.plan.id)


def test_snapshots_that_aws_backup_holds_too_are_advised_against(made):
    session = connect(region="ap-northeast-1")
    at = datetime(2026, 9, 1, 2, tzinfo=UTC)
    made.plane.history.manual_snapshot("backed", "by-hand", at=at)
    made.plane.history.manual_snapshot("backed", "awsbackup:job-same-day", at=at + timedelta(hours=3))
    made.plane.rds.cluster_snapshots["by-hand"].status = "available"
    facts = costs.read(session, moment=None, now=made.now, ask="")
    outlook = costs.look_ahead(session, costs.review(facts), keep_days=35)
    twice = [entry for entry in outlook.advice if entry.kind == "twice"]
    assert [entry.what for entry in twice] == ["delete by-hand"]
    assert twice[0].saves_usd_month > 0
