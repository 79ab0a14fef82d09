"""A drill through its notebook: a copy is made, proved beside a client that goes on writing, and deleted."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from runbook_lib import drills
from runbook_lib.clusters import Cluster, find_cluster
from runbook_lib.drills.plan import drawn, not_its_own
from runbook_lib.errors import ApprovalRefused, CheckFailed, InputRefused
from runbook_lib.events import read_events
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.rehearsal.story import differences, take_proof
from runbook_lib.times import AskedTime, TimeWindow, parse_timestamp, utc_now
from tests.conftest import QUICK
from tests.control_support import until
from tests.publishing import LIVE, clear, make_live
from tests.test_guard_try import CHANGING
from tests.test_policy import run_notebook

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def stand_in(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with (
        StandIn(engine, folder=tmp_path_factory.mktemp("drills"), pace=QUICK) as stand_in,
        stand_in.control.in_environment(),
    ):
        yield stand_in


@dataclass
class Drilling:
    """A stand-in with a small live schema whose cluster is drilled."""

    stand_in: StandIn
    admin: Database

    def source(self) -> Cluster:
        return find_cluster(self.stand_in.session(), self.stand_in.cluster)

    def plan(self, **wanted: Any) -> drills.DrillPlan:
        return drills.propose_drill(
            self.stand_in.session(), self.source(), asked=parse_timestamp("latest", now=utc_now()),
            wanted=drills.Wanted(**wanted), proof=None, now=utc_now(),
        )  # fmt: skip

    def hold(self, plan: drills.DrillPlan) -> drills.Drilled:
        session = self.stand_in.session()
        checks = drills.check_drill(session, plan, identity=session.identity(), now=utc_now())
        return drills.apply_drill(session, plan, checks, approve=plan.id, person="somebody")

    def is_at_rest(self) -> bool:
        """Tell whether nothing of a copy is being made, changed or deleted."""
        instances = self.stand_in.session().client("rds").describe_db_instances()["DBInstances"]
        states = {copy["Status"] for copy in self.copies()} | {one["DBInstanceStatus"] for one in instances}
        return states <= {"available"}

    def copies(self) -> list[dict[str, Any]]:
        found = self.stand_in.session().client("rds").describe_db_clusters()["DBClusters"]
        return [cluster for cluster in found if "-at-drill-" in cluster["DBClusterIdentifier"]]

    @contextmanager
    def client(self) -> Iterator[None]:
        """Let a client write all the while: it inserts, updates, deletes, and changes a definition now and then."""
        over, failed = threading.Event(), list[BaseException]()

        def write() -> None:
            try:
                with self.stand_in.admin() as database:
                    for number in itertools.count(1):
                        if over.wait(0.05):
                            return
                        database.execute(f"INSERT INTO {LIVE}.writes (what) VALUES ('n {number}')")
                        database.execute(f"UPDATE {LIVE}.writes SET what = 'u' WHERE id % 7 = {number % 7}")
                        database.execute(f"DELETE FROM {LIVE}.writes WHERE id = {number - 20}")
                        if number % 25 == 0:
                            database.execute(f"ALTER TABLE {LIVE}.notes ADD COLUMN c{number} INT")
            except BaseException as error:  # noqa: BLE001  # raised below
                failed.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert failed == []


@pytest.fixture
def drilling(stand_in: StandIn) -> Iterator[Drilling]:
    with stand_in.admin() as admin:
        make_live(admin, definer="'admin'@'%'")
        admin.execute(f"CREATE TABLE {LIVE}.writes (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20))")
        yield Drilling(stand_in, admin)
        clear(admin)


@pytest.mark.thorough
def test_a_drill_beside_a_client_that_goes_on_writing_is_proved_and_leaves_nothing(drilling: Drilling) -> None:
    """It should explain every difference, name the source in no changing call, and delete its copy."""
    requests = drilling.stand_in.control.requests
    with drilling.client():
        time.sleep(4)  # the table that is written to is older than the second then
        mark = len(requests)
        planned = run_notebook("drill_restore", timestamp="1 second ago")
        assert planned["result"].outcome == "planned"
        assert {str(request) for request in list(requests)[mark:]} & CHANGING == set()
        plan = planned["plan"]
        moment = f"{plan.restore.moment:%Y-%m-%dT%H:%M:%SZ}"
        ran = run_notebook("drill_restore", timestamp=moment, approve=plan.id, recovery_time_minutes=60.0)
    result = ran["result"]
    proof = ran["drilled"].proof
    assert result.outcome == "succeeded", (str(result), proof and proof.as_json())
    assert drilling.copies() == []
    found = {table.table.name: table for table in proof.tables}
    assert found["writes"].how == "explained"
    assert found["writes"].checked
    assert result.recovery["drill"]["verdict"] == "proved"
    assert result.recovery["recovery_seconds"] > 0
    for request in list(requests)[mark:]:
        if str(request) in CHANGING:
            named = {k: v for k, v in request.parameters.items() if k != "SourceDBClusterIdentifier"}
            assert drilling.stand_in.cluster not in {str(value) for value in named.values()}, request


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_drill_is_refused_before_anything_is_made(drilling: Drilling, tmp_path: Path) -> None:
    """It should hold to its plan's id, its budget, and a standing approval's bounds, and make nothing."""
    plan = drilling.plan()
    session = drilling.stand_in.session()
    checks = drills.check_drill(session, plan, identity=session.identity(), now=utc_now())
    assert drills.apply_drill(session, plan, checks, approve="", person="x").done is False
    with pytest.raises(ApprovalRefused):
        drills.apply_drill(session, plan, checks, approve="0badc0de0bad", person="x")
    standing = tmp_path / "approval.yml"
    content: dict[str, Any] = yaml.safe_load((ROOT / "parameters" / "drill_approval.yml").read_text())
    for change, said in (
        ({}, "for the cluster my-aurora-cluster"),
        ({"cluster": drilling.stand_in.cluster, "until": date(2020, 1, 1)}, "ended"),
        ({"cluster": drilling.stand_in.cluster, "drill": {"budget_usd": 1, "hours": 1}}, "expires after 12 hours"),
        ({"cluster": drilling.stand_in.cluster}, "what the copy costs is not known"),
    ):
        standing.write_text(yaml.safe_dump(content | change))
        held = drilling.plan(standing=str(standing))
        with pytest.raises(CheckFailed, match=said):
            drills.apply_drill(session, held, checks, approve="", person="x")
    with pytest.raises(InputRefused, match="sealed proof"):
        drilling.plan(second="last proof")
    standing.write_text(yaml.safe_dump(content | {"covers": "publish"}))
    with pytest.raises(InputRefused, match="no cluster and no drill"):
        drilling.plan(standing=str(standing))
    assert drilling.copies() == []
    assert not_its_own(plan.restore.calls, copy=plan.restore.target, source=plan.source.identifier) == ()
    assert not_its_own(plan.restore.calls, copy="other-at-drill-1", source=plan.source.identifier) != ()
    assert not_its_own(plan.restore.calls, copy=plan.restore.target, source="other") != ()


def test_a_seed_draws_the_same_second_while_the_window_moves() -> None:
    since = datetime.fromisoformat("2026-05-01T00:00:00Z")
    window = TimeWindow(earliest=since, latest=since + timedelta(days=7))
    found = drawn(window, seed="2026-05-08")
    assert window.earliest <= found <= window.latest
    later = TimeWindow(earliest=since + timedelta(minutes=3), latest=since + timedelta(days=7, minutes=3))
    assert drawn(later, seed="2026-05-08") == found
    assert len({drawn(window, seed=str(number)) for number in range(50)}) > 40
    short = TimeWindow(earliest=since, latest=since + timedelta(minutes=5))
    assert short.earliest <= drawn(short, seed="x") <= short.latest


CHILD = """
import os, signal, sys
from runbook_lib import drills
from runbook_lib.aws import connect
from runbook_lib.aws import calls
from runbook_lib.clusters import find_cluster
from runbook_lib.times import parse_timestamp, utc_now

session, last = connect(), int(sys.argv[1])
asked = parse_timestamp(sys.argv[2], now=utc_now())
plan = drills.propose_drill(
    session, find_cluster(session), asked=asked, wanted=drills.Wanted(), proof=None, now=utc_now()
)
checks = drills.check_drill(session, plan, identity=session.identity(), now=utc_now())
real, made = calls.AwsCall.__call__, []
def call(self, *args, **more):
    answer = real(self, *args, **more)
    if self.mutates:
        made.append(self.operation)
        print(self.operation, flush=True)
        if len(made) == last:
            os.kill(os.getpid(), signal.SIGKILL)
    return answer
calls.AwsCall.__call__ = call
drills.apply_drill(session, plan, checks, approve=plan.id, person="x")
"""


@pytest.mark.release
@pytest.mark.one_engine
def test_killed_after_each_changing_call_no_copy_outlives_its_expiry(drilling: Drilling) -> None:
    """It should leave a copy that carries its expiry from the first call on, or none; the next drill removes it."""
    moment = f"{utc_now():%Y-%m-%dT%H:%M:%SZ}"
    before, session = take_proof(drilling.admin), drilling.stand_in.session()
    operations: list[str] = []
    for last in range(1, 12):
        command = [sys.executable, "-c", CHILD, str(last), moment]
        done = subprocess.run(command, env=dict(os.environ), cwd=ROOT, check=False, capture_output=True, text=True)
        operations = done.stdout.split()
        until(drilling.is_at_rest, seconds=60)  # what was asked of AWS goes on; a drill that begins in it is refused
        for copy in drilling.copies():
            tags = {tag["Key"]: tag["Value"] for tag in copy["TagList"]}
            assert tags["recovery:expires"] > f"{utc_now():%Y-%m-%dT%H}", operations
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0, done.stderr
            break
        if last % 3:  # the next drill of the same second
            continue
        late = utc_now() + timedelta(hours=13)
        asked = AskedTime(text="", moment=utc_now() - timedelta(seconds=1))
        plan = drills.propose_drill(
            session, drilling.source(), asked=asked, wanted=drills.Wanted(), proof=None, now=late
        )  # another second, after the expiry
        left = {copy["DBClusterIdentifier"] for copy in drilling.copies() if copy["Status"] != "deleting"}
        assert left <= {copy.name for copy in plan.earlier}
        drilling.hold(plan)
        assert drilling.copies() == []
    assert operations[0] == "RestoreDBClusterToPointInTime"
    assert operations[-1] == "DeleteDBCluster"
    assert len(operations) >= 5
    assert drilling.copies() == []
    assert differences(before, take_proof(drilling.admin)) == ()


@pytest.mark.release
@pytest.mark.one_engine
def test_drills_by_a_standing_approval_seal_what_the_next_one_is_held_against(
    drilling: Drilling, tmp_path: Path
) -> None:
    """It should run headless with nobody's approval but the signed file's, and leave what scorecard and watch read."""
    store, approval = tmp_path / "records", tmp_path / "approval.yml"
    content: dict[str, Any] = yaml.safe_load((ROOT / "parameters" / "drill_approval.yml").read_text())
    approval.write_text(yaml.safe_dump(content | {"cluster": drilling.stand_in.cluster, "until": date(2999, 1, 1)}))
    points = [(utc_now() - timedelta(days=days), 20.0 * 2**30) for days in range(1, 6)]
    drilling.stand_in.control.history.datapoints(
        "VolumeBytesUsed", cluster=drilling.stand_in.cluster, points=points
    )  # without its size, what a copy costs is not known, and not within a standing approval
    environment = drilling.stand_in.control.whole_environment() | {"XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(notebook: str, code: int, **given: object) -> dict[str, Any]:
        asked = [part for name, value in given.items() for part in ("-p", name, str(value))]
        program = "from runbook_lib.cli import main; main()"
        command = [sys.executable, "-c", program, "run", notebook, "--records", str(store), "--json", *asked]
        done = subprocess.run(command, env=environment, cwd=ROOT, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    card = run("recovery_scorecard", 3)
    assert "1 never drilled" in card["headline"]
    first = run("drill_restore", 0, standing=approval, recovery_time_minutes=30)
    with drilling.client():
        second = run("drill_restore", 0, standing=approval, timestamp="1 second ago", recovery_time_minutes=30)
    manifest = json.loads((Path(first["folder"]) / "manifest.json").read_text())
    assert "standing approval of the owner of the cluster" in manifest["approval"]["by"]
    events = read_events(Path(second["folder"]) / "events.jsonl")
    said = next(event["facts"] for event in events if event["event"] == "drill-proof")
    assert said["earlier"]["run_id"] == first["run_id"]
    assert said["tables"]["sealed"] > 3
    assert said["tables"]["explained"]
    card = run("recovery_scorecard", 0, output=str(tmp_path / "page.html"))
    assert card["headline"].startswith("Score 100 of 100: 1 proved")
    assert first["run_id"] in (tmp_path / "page.html").read_text()
    run("drill_restore", 3, standing=approval, recovery_time_minutes=0.001)
    assert "1 failed" in run("recovery_scorecard", 3)["headline"]
    assert drilling.copies() == []
