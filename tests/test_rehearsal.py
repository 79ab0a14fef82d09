"""The whole incident: the data of any second comes back exactly, and nothing but what was approved is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_lib import restore
from runbook_lib.backups import list_snapshots
from runbook_lib.clusters import Cluster, find_cluster, instances_of
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.errors import ApprovalRefused, InputRefused
from runbook_lib.proof import read_proof
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_store
from runbook_lib.rehearsal.control import Request
from runbook_lib.rehearsal.rehearse import Clock, bring_back
from runbook_lib.rehearsal.story import EstateProof, differences, take_proof
from runbook_lib.restore import RestorePlan
from runbook_lib.times import AskedTime, iso, parse_timestamp, utc_now
from tests.conftest import Told

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
CHANGING = {"RestoreDBClusterToPointInTime", "ModifyDBCluster", "CreateDBInstance"}


def source_of(told: Told) -> Cluster:
    return find_cluster(told.session, told.stand_in.cluster)


def plan_for(told: Told, at: str, *, purpose: str = "copy", target: str = "") -> RestorePlan:
    asked = AskedTime(text="", moment=told.story.moments[at])
    choices = restore.Choices(purpose=purpose, target=target)
    return restore.propose(told.session, source_of(told), asked=asked, now=utc_now(), choices=choices)


def proof_of(told: Told, identifier: str) -> EstateProof:
    with told.stand_in.data.admin(told.stand_in.control.history.resource_id(identifier)) as database:
        return take_proof(database)


def _lost(expected: EstateProof, now: EstateProof) -> list[str]:
    """Name the tables whose rows are not all there any more, by the story's own proof."""
    lost = []
    for schema, proved in expected.schemas.items():
        for name, table in proved.tables.items():
            there = now.schemas[schema].tables.get(name) if schema in now.schemas else None
            if there is None or (there.rows, there.sha256) != (table.rows, table.sha256):
                lost.append(f"{schema}.{name}")
    return lost


def since(told: Told, mark: int) -> list[Request]:
    return list(told.stand_in.control.requests)[mark:]


def steady(cluster: Cluster) -> dict[str, object]:
    return {**cluster.raw, "LatestRestorableTime": None, "EarliestRestorableTime": None}


def test_the_whole_incident_headless(told: Told, tmp_path: Path) -> None:
    """It should inspect, plan and restore by the notebooks, and change nothing before the approval."""
    requests = told.stand_in.control.requests
    marks: list[int] = []
    source, began = source_of(told), len(requests)
    done = bring_back(
        told.stand_in,
        told.story,
        notebooks=NOTEBOOKS,
        store=Store(tmp_path),
        clock=Clock(lambda text: marks.append(len(requests))),
        target="the-whole-incident",
    )
    assert done.proved, done.left[:5]
    assert [record.outcome for record in done.records] == ["succeeded", "planned", "succeeded"]
    assert all((record.folder / "record.ipynb").exists() for record in done.records)
    kept = read_proof(done.records[2].folder)
    assert len(kept.damaged) > 40
    assert "proof.json" in json.loads((done.records[2].folder / "manifest.json").read_text())["files"]
    assert verify_store(Store(tmp_path)) == ()
    inspecting, planning, restoring, _ = marks
    assert began <= inspecting < planning < restoring
    assert [request for request in list(requests)[inspecting:restoring] if request.mutating] == []
    changing = [request for request in since(told, restoring) if request.mutating]
    assert {request.operation for request in changing} == CHANGING
    for request in changing:
        assert request.parameters["DBClusterIdentifier"] != told.stand_in.cluster
        assert request.parameters.get("DBInstanceIdentifier") not in source.writer_first
    assert steady(source_of(told)) == steady(source)


@pytest.mark.thorough
@pytest.mark.both_at_release
@pytest.mark.parametrize("at", ["inside-a-load", "just-after-the-load", "after-the-wipe"])
def test_the_data_of_any_other_second_comes_back_exactly(told: Told, at: str) -> None:
    plan = plan_for(told, at)
    applied = restore.apply(told.session, plan, approve=plan.id)
    assert applied.changed == (plan.target, f"{plan.target}-1")
    found = proof_of(told, plan.target)
    assert differences(told.story.proofs[plan.moment], found) == ()
    assert differences(told.story.proofs[told.story.restore_point], found), "another second's proof must not fit"


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_snapshot_is_restored_through_the_same_plan_and_approval(told: Told) -> None:
    """It should give what the data was at the snapshot, under the settings of the source."""
    newest = list_snapshots(told.session, source_of(told))[-1]
    choices = restore.Choices(restore_from=newest.identifier)
    asked = parse_timestamp("latest", now=utc_now())
    plan = restore.propose(told.session, source_of(told), asked=asked, now=utc_now(), choices=choices)
    assert plan.calls[0].operation == "RestoreDBClusterFromSnapshot"
    restore.apply(told.session, plan, approve=plan.id)
    assert differences(told.story.proofs[plan.moment], proof_of(told, plan.target)) == ()
    copy, source = find_cluster(told.session, plan.target), source_of(told)
    assert copy.engine_version == source.engine_version
    assert copy.raw["DBClusterParameterGroup"] == source.raw["DBClusterParameterGroup"]


@pytest.mark.thorough
@pytest.mark.one_engine
def test_what_is_verified_is_what_the_copy_holds(told: Told) -> None:
    plan = plan_for(told, "before-the-wipe", target="to-be-verified")
    applied = restore.apply(told.session, plan, approve=plan.id)
    verified = restore.verify(told.session, applied, source=source_of(told))
    assert verified is not None
    expected = told.story.proofs[told.story.restore_point]
    assert len(verified.copy.rows) == expected.tables
    assert sum(verified.copy.rows.values()) == expected.rows
    assert verified.proof is not None
    now = told.story.proofs[told.story.moments["now"]]
    # the application went on writing this one: nothing of it is lost
    assert {str(table.pair.expected) for table in verified.proof.of("new since")} >= {"staging.access_logs"}
    assert {str(table) for table in verified.proof.damaged} == set(_lost(expected, now)) - {"staging.access_logs"}
    assert len(verified.proof.damaged) > 40
    assert verified.proof.of("emptied")
    assert verified.proof.of("missing")
    with open_database(verified.cluster, credentials_for(told.session, verified.cluster)) as database:
        assert database.value("SELECT COUNT(*) FROM staging.rooms") > 0


@pytest.mark.one_engine
def test_a_second_run_of_an_applied_plan_makes_nothing_twice(told: Told) -> None:
    plan = plan_for(told, "after-the-wipe", target="applied-twice")
    restore.apply(told.session, plan, approve=plan.id)
    mark = len(told.stand_in.control.requests)
    again = restore.apply(told.session, plan_for(told, "after-the-wipe", target="applied-twice"), approve=plan.id)
    assert again.adopted == ("applied-twice", "applied-twice-1")
    assert not {request.operation for request in since(told, mark)} & {
        "RestoreDBClusterToPointInTime",
        "CreateDBInstance",
    }


@pytest.mark.one_engine
def test_a_name_that_something_else_has_is_refused(told: Told) -> None:
    plan = plan_for(told, "before-the-wipe", target=f"{told.stand_in.cluster}-taken")
    told.session.client("rds").create_db_cluster(
        DBClusterIdentifier=plan.target, Engine="aurora-mysql", MasterUsername="admin", MasterUserPassword="not-ours-1"
    )
    with pytest.raises(InputRefused, match="exists already"):
        restore.apply(told.session, plan, approve=plan.id)
    told.session.client("rds").delete_db_cluster(DBClusterIdentifier=plan.target, SkipFinalSnapshot=True)


@pytest.mark.one_engine
def test_a_stale_approval_is_refused_and_changes_nothing(told: Told) -> None:
    old = plan_for(told, "before-the-wipe")
    new = plan_for(told, "before-the-wipe", purpose="cutover")
    mark = len(told.stand_in.control.requests)
    with pytest.raises(ApprovalRefused) as refused:
        restore.apply(told.session, new, approve=old.id)
    assert new.id in refused.value.hint
    assert since(told, mark) == []


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_cutover_has_every_instance_and_setting_of_the_source(told: Told) -> None:
    plan = plan_for(told, "just-after-the-load", purpose="cutover", target="taking-over")
    restore.apply(told.session, plan, approve=plan.id)
    copy, source = find_cluster(told.session, plan.target), source_of(told)
    assert len(instances_of(told.session, copy)) == len(instances_of(told.session, source)) == 2
    for setting in (
        "DeletionProtection",
        "BackupRetentionPeriod",
        "DBClusterParameterGroup",
        "DBSubnetGroup",
        "CopyTagsToSnapshot",
        "EnabledCloudwatchLogsExports",
        "PreferredMaintenanceWindow",
    ):
        assert copy.raw.get(setting) == source.raw.get(setting), setting
    groups = [[group["VpcSecurityGroupId"] for group in one.raw["VpcSecurityGroups"]] for one in (copy, source)]
    assert groups[0] == groups[1]


@pytest.mark.one_engine
def test_a_moment_outside_the_window_is_refused_with_the_nearest(told: Told) -> None:
    asked = parse_timestamp("30 days ago", now=utc_now())
    with pytest.raises(InputRefused, match="before the earliest restorable time") as refused:
        restore.propose(told.session, source_of(told), asked=asked, now=utc_now())
    assert iso(refused.value.facts["nearest"]) in refused.value.hint


@pytest.mark.one_engine
@pytest.mark.thorough
def test_plain_papermill_runs_the_notebooks_from_the_parameter_file(told: Told, tmp_path: Path) -> None:
    out = tmp_path / "inspected.ipynb"
    moment = iso(told.story.restore_point)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", "notebooks/inspect_backups.ipynb", str(out)),
            *("-f", "parameters/rehearsal.yml", "-p", "timestamp", moment),
        ],
        cwd=ROOT,
        env={**os.environ, **told.stand_in.environment()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    last = json.loads(out.read_text())["cells"][-1]["outputs"][-1]["data"]["application/json"]["runbook_result"]
    assert last["outcome"] == "succeeded"
    assert moment in last["next"][0]
