"""The story brought back on both engines, each time held to the story's own proof: cut over, undone, copied, undone.

It happens to a clone of the told source, so that the other tests' source stays as it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import restore
from runbook_lib.aws import AwsSession
from runbook_lib.bringback.bring_back import Wanted, apply_bring_back, propose_bring_back, verify_bring_back
from runbook_lib.bringback.cutover import (
    Pairing,
    apply_cut_over,
    check_cut_over,
    find_pairing,
    propose_cut_over,
    propose_undo_cut_over,
    verify_cut_over,
)
from runbook_lib.bringback.sides import changed_since, prove_pairing
from runbook_lib.clusters import describe_cluster, find_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.mysql import Database
from runbook_lib.records.run import run_notebook
from runbook_lib.records.session import RunRecord
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_store
from runbook_lib.rehearsal.story import differences, take_proof
from runbook_lib.rehearsal.story.kept import wrong_after_keeping
from runbook_lib.times import AskedTime, utc_now
from tests.conftest import QUICK, Told
from tests.control_support import settle, settle_instance

pytestmark = pytest.mark.both_at_release

ROOT = Path(__file__).parents[1]
NAME, COPY = "the-night", "the-night-restored"


@dataclass(frozen=True)
class Night:
    """A cluster that the incident has happened to, and the copy of the second before."""

    told: Told

    @property
    def session(self) -> AwsSession:
        return self.told.session

    @property
    def pairing(self) -> Pairing:
        return find_pairing(self.session, cluster=NAME)

    def admin(self, cluster: str) -> Database:
        return self.told.stand_in.data.admin(describe_cluster(self.session, cluster).resource_id)

    def wrong(self, cluster: str, moment: str) -> tuple[str, ...]:
        """Hold what a cluster's endpoint answers with to the story's own proof of one of its moments."""
        found = describe_cluster(self.session, cluster)
        assert found.endpoint == self.told.stand_in.data.endpoint(found.resource_id)
        with self.admin(cluster) as database:
            return differences(self.told.story.proofs[self.told.story.moments[moment]], take_proof(database))


def change(rds: Any, name: str, **wanted: Any) -> None:
    """Change a cluster and wait for the end of it; "available" is not believed while it may be that of before."""
    rds.modify_db_cluster(DBClusterIdentifier=name, **wanted)
    time.sleep(QUICK.doubt.total_seconds())
    settle(rds, name)


@pytest.fixture(scope="module")
def night(told: Told) -> Iterator[Night]:
    """Clone the damaged source as a cluster of its own, and restore the second before the wipe beside it."""
    session, rds = told.session, told.session.client("rds")
    source = find_cluster(session, told.stand_in.cluster)
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier=NAME,
        SourceDBClusterIdentifier=told.stand_in.cluster,
        RestoreType="copy-on-write",
        DBSubnetGroupName=source.raw["DBSubnetGroup"],
        UseLatestRestorableTime=True,
    )
    settle(rds, NAME)
    change(rds, NAME, ManageMasterUserPassword=True, ApplyImmediately=True)
    rds.create_db_instance(
        DBInstanceIdentifier=f"{NAME}-1",
        DBClusterIdentifier=NAME,
        DBInstanceClass="db.r6g.large",
        Engine="aurora-mysql",
    )
    settle_instance(rds, f"{NAME}-1")
    asked = AskedTime(text="", moment=told.story.restore_point)
    plan = restore.propose(session, source, asked=asked, now=utc_now(), choices=restore.Choices(target=COPY))
    restore.apply(session, plan, approve=plan.id)
    arn = describe_cluster(session, COPY).arn
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "recovery:source", "Value": NAME}])
    yield Night(told)
    for name in (NAME, COPY):
        change(rds, name, DeletionProtection=False)
        for instance in describe_cluster(session, name).writer_first:
            rds.delete_db_instance(DBInstanceIdentifier=instance, SkipFinalSnapshot=True)
        rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)


@pytest.mark.thorough
def test_cut_over_the_name_answers_with_the_restored_data_and_undone_with_the_damaged(night: Night) -> None:
    session = night.session
    before = prove_pairing(session, night.pairing)
    assert len(before.damaged) > 40
    assert sum(one.extra for one in before.tables), "the application wrote after the wipe"
    plan = propose_cut_over(session, source=NAME, now=utc_now())
    checks = check_cut_over(session, plan, identity=session.identity(), named=NAME, proof=before)
    restore.require_checks(checks, plan, approve=plan.id)
    done = apply_cut_over(session, plan, approve=plan.id)
    found = verify_cut_over(session, done)
    assert found is not None
    assert found.holds
    assert night.wrong(NAME, "before-the-wipe") == ()
    assert night.wrong(plan.damaged, "now") == ()
    after = prove_pairing(session, night.pairing)
    assert changed_since(before, after) == (), "the name answers with the very rows that were proved before"
    assert after.damaged == before.damaged
    undo = propose_undo_cut_over(session, source=NAME)
    undone = verify_cut_over(session, apply_cut_over(session, undo, approve=undo.id))
    assert undone is not None
    assert undone.holds
    assert night.wrong(NAME, "now") == ()
    assert night.wrong(COPY, "before-the-wipe") == ()


@pytest.mark.thorough
def test_an_application_that_goes_by_the_name_reads_the_restored_rows_at_once(night: Night) -> None:
    """It should need no other address: only the name, as AWS answers it now, and the account of the copy."""
    session = night.session

    def rooms() -> int:
        cluster = describe_cluster(session, NAME)
        with open_database(cluster, credentials_for(session, cluster)) as database:
            tables = database.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'staging'")
            return int(str(tables))

    damaged = rooms()
    plan = propose_cut_over(session, source=NAME, now=utc_now())
    apply_cut_over(session, plan, approve=plan.id)
    assert rooms() > damaged
    undo = propose_undo_cut_over(session, source=NAME)
    apply_cut_over(session, undo, approve=undo.id)
    assert rooms() == damaged


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_cut_over_and_its_undo_run_headless_each_by_its_own_approval(night: Night, tmp_path: Path) -> None:
    """It should leave records that name each plan, who approved it, what it changed, and prove what is in service."""
    store = Store(tmp_path)

    def run(way: str, approve: str = "") -> RunRecord:
        parameters = {"cluster": NAME, "way": way, "approve": approve}
        return run_notebook(ROOT / "notebooks" / "bring_back_data.ipynb", parameters=parameters, store=store)

    for way, serves, set_aside in (("cutover", "before-the-wipe", "now"), ("undo cutover", "now", "")):
        before = describe_cluster(night.session, NAME).resource_id
        planned = run(way)
        assert (planned.outcome, planned.exit_code) == ("planned", 0), planned.lines
        assert planned.result is not None
        assert planned.result["changed"] == []
        assert describe_cluster(night.session, NAME).resource_id == before
        refused = run(way, approve="000000000000")
        assert refused.exit_code == 4, refused.lines
        assert describe_cluster(night.session, NAME).resource_id == before
        done = run(way, approve=planned.result["plan_id"])
        assert (done.outcome, done.exit_code) == ("succeeded", 0), done.lines
        assert done.result is not None
        assert done.result["plan_id"] == planned.result["plan_id"]
        assert done.result["approved_by"]
        assert done.result["changed"]
        assert describe_cluster(night.session, NAME).resource_id != before
        assert night.wrong(NAME, serves) == ()
        if set_aside:
            (damaged,) = [name for name in done.result["changed"] if "-damaged-" in name and not name.endswith("-1")]
            assert night.wrong(damaged, set_aside) == ()
    assert night.wrong(COPY, "before-the-wipe") == ()
    assert verify_store(store) == ()


@pytest.mark.thorough
def test_copied_back_with_new_rows_kept_the_applications_rows_are_still_there_and_undone_all_is_as_before(
    night: Night,
) -> None:
    """It should hold every row the application wrote after the wipe, beside everything of the second before it."""
    session, story = night.session, night.told.story
    wanted = Wanted(way="copy", rows="keep new", conflicts="source")
    proof = prove_pairing(session, night.pairing)
    proposed = propose_bring_back(
        session, night.pairing, proof, wanted=wanted, identity=session.identity(), now=utc_now()
    )
    assert proposed.plan is not None
    done = apply_bring_back(session, proposed, approve=proposed.id, run_id="test")
    verified = verify_bring_back(session, proposed, done)
    assert verified is not None
    assert verified.wrong == ()
    with night.admin(NAME) as database:
        assert wrong_after_keeping(story, database) == ()
    undo = propose_bring_back(
        session,
        night.pairing,
        proof,
        wanted=Wanted(way="undo copy"),
        identity=session.identity(),
        now=utc_now(),
    )
    undone = verify_bring_back(session, undo, apply_bring_back(session, undo, approve=undo.id))
    assert undone is not None
    assert undone.wrong == ()
    with night.admin(NAME) as database:
        found = take_proof(database)
    left = differences(story.proofs[story.moments["now"]], found)
    own = ("runbook_copyback_", "_undone_")  # how far it came, and the tables brought back, kept for a look
    assert [line for line in left if not any(name in line.split(":")[0] for name in own)] == []
