"""AWS Backup's restore test is answered SUCCESSFUL only after a proof; an event of anything else is not answered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.clusters import find_cluster
from runbook_lib.errors import InputRefused
from runbook_lib.mysql import Database
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import entries
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_store
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import utc_now
from tests.conftest import QUICK
from tests.publishing import LIVE, clear, make_live

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def stand_in(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with (
        StandIn(engine, folder=tmp_path_factory.mktemp("tests-of-backup"), pace=QUICK) as stand_in,
        stand_in.control.in_environment(),
    ):
        yield stand_in


@dataclass
class Restored:
    """A cluster that AWS Backup has restored from a recovery point of the source, and the event that says so."""

    stand_in: StandIn
    admin: Database
    folder: Path
    job: str
    cluster: str

    def answer(self, *options: str, **changed: Any) -> tuple[int, str]:
        event = self.folder / "event.json"
        detail = {"restoreJobId": self.job, "status": "COMPLETED", "resourceType": "Aurora"}
        content = {"source": "aws.backup", "detail-type": "Restore Job State Change", "detail": detail, **changed}
        event.write_text(json.dumps(content))
        arguments = ["validate", str(event), "--records", str(self.folder / "records"), *options]
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return int(done.return_value), done.output

    @property
    def approval(self) -> str:
        path = self.folder / "approval.yml"
        content = yaml.safe_load((ROOT / "parameters" / "drill_approval.yml").read_text())
        path.write_text(yaml.safe_dump(content | {"cluster": self.stand_in.cluster}))
        return str(path)

    @property
    def kept(self) -> dict[str, Any]:
        return self.stand_in.control.vault.restore_jobs[self.job]

    def instances(self) -> list[str]:
        found = self.stand_in.session().client("rds").describe_db_instances()["DBInstances"]
        return [one["DBInstanceIdentifier"] for one in found if one["DBClusterIdentifier"] == self.cluster]


@pytest.fixture
def restored(stand_in: StandIn, tmp_path: Path) -> Iterator[Restored]:
    plane, session = stand_in.control, stand_in.session()
    with stand_in.admin() as admin:
        make_live(admin, definer="'admin'@'%'")
        name, rds = f"awsbackup-restore-test-{utc_now():%H%M%S}", session.client("rds")
        point = f"of-{name}"  # a recovery point of a cluster is a snapshot
        rds.create_db_cluster_snapshot(DBClusterIdentifier=stand_in.cluster, DBClusterSnapshotIdentifier=point)
        rds.get_waiter("db_cluster_snapshot_available").wait(
            DBClusterSnapshotIdentifier=point, WaiterConfig={"Delay": 1}
        )
        admin.execute(f"DELETE FROM {LIVE}.rates LIMIT 1")
        source = find_cluster(session, stand_in.cluster)
        made = rds.restore_db_cluster_from_snapshot(
            DBClusterIdentifier=name,
            SnapshotIdentifier=point,
            Engine="aurora-mysql",
            EngineVersion=source.engine_version,
        )["DBCluster"]
        rds.get_waiter("db_cluster_available").wait(DBClusterIdentifier=name, WaiterConfig={"Delay": 1})
        job = plane.vault.restored(source.arn, created_arn=made["DBClusterArn"], at=utc_now())
        yield Restored(stand_in=stand_in, admin=admin, folder=tmp_path, job=job, cluster=name)
        clear(admin)


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_restore_test_is_answered_successful_only_after_a_proof(restored: Restored) -> None:
    """It should fail the test where nothing may be proved, and pass it where every difference is explained."""
    code, said = restored.answer()
    assert (code, restored.kept["ValidationStatus"]) == (3, "FAILED"), said
    assert "no standing approval" in restored.kept["ValidationStatusMessage"]
    del restored.kept["ValidationStatus"]
    code, said = restored.answer("--standing", restored.approval, "--json")
    assert (code, restored.kept["ValidationStatus"]) == (0, "SUCCESSFUL"), said
    proof = json.loads(said)["proof"]
    assert proof["verdict"] == "proved"
    assert proof["rows_proved"] > 0
    assert restored.instances() == []
    failed, passed = entries(store := Store(restored.folder / "records"))
    assert verify_store(store) == ()
    assert (failed.outcome, passed.outcome) == (Outcome.FAILED, Outcome.SUCCEEDED)
    assert str(passed.folder) == json.loads(said)["record"]
    assert passed.cluster == restored.stand_in.cluster
    manifest = passed.manifest
    assert manifest is not None
    assert manifest.approval is not None
    assert "standing approval of" in manifest.approval.by
    assert manifest.changed == (f"{restored.cluster}-validate",)
    assert manifest.headline.startswith("SUCCESSFUL: ")
    assert {"record.ipynb", "report.html", "events.jsonl", "proof.json"} <= manifest.files.keys()
    assert manifest.requested[-1] == f"PutRestoreValidationResult {restored.job}"
    assert failed.manifest is not None
    assert failed.manifest.changed == ()


@pytest.mark.thorough
@pytest.mark.one_engine
def test_an_event_of_anything_else_is_refused_and_not_answered(restored: Restored) -> None:
    other = restored.stand_in.control.vault.restored(
        "arn:aws:rds:ap-northeast-1:123456789012:cluster:x",
        created_arn="",
        at=utc_now() - timedelta(days=1),
        of_test=False,
    )
    for changed in (
        {"source": "aws.rds"}, {"detail": None}, {"detail": {"restoreJobId": 7}}, {"detail": {"restoreJobId": other}},
    ):  # fmt: skip
        with pytest.raises(InputRefused):
            restored.answer(**changed)
    assert "ValidationStatus" not in restored.kept
    store = Store(restored.folder / "records")
    refused = [entry.manifest for entry in entries(store)]
    assert {one.exit_code for one in refused if one} == {2}
    assert verify_store(store) == ()


@pytest.mark.thorough
def test_the_template_is_right_by_cloudformation_s_rules() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(ROOT / "docs" / "restore-testing.cfn.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
