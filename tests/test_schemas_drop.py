"""A schema is dropped only by an approved plan whose every proof holds, and nothing else with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import ApprovalRefused, CheckFailed, InputRefused
from runbook_lib.mysql import Credentials, Database, connect
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.schemas.audit import Audit, audit_schemas
from runbook_lib.schemas.drop.apply import Dropped, apply_drop, verify_drop
from runbook_lib.schemas.drop.plan import DropPlan, propose_drop
from runbook_lib.schemas.last_audit import last_from, remembered
from runbook_lib.schemas.verdicts import Advice, Verdict
from runbook_lib.times import TimeWindow
from tests.records_support import run_cli
from tests.small_world import World, small_world

MASTER = Credentials(user="admin", password="drop-tests-3")
NOW = datetime.now(UTC).replace(microsecond=0)
WINDOW = TimeWindow(earliest=NOW - timedelta(days=7), latest=NOW)
CONTRACT = "version: 1\nschemas:\n  staging: {purpose: raw data, tables: [rooms]}\n"


class Scene:
    """A small estate on a server that counts usage, and the audit of it."""

    def __init__(self, database: Database, contract: Path) -> None:
        self.database, self.contract = database, str(contract)

    def audit(self) -> Audit:
        return audit_schemas(self.database, contract=self.contract, now=NOW)

    def plan(self, drop: str, audit: Audit | None = None, window: TimeWindow | None = WINDOW) -> DropPlan:
        plan = propose_drop(self.database, audit or self.audit(), drop=drop, cluster="c", window=window)
        assert plan is not None
        return plan

    def apply(self, audit: Audit, plan: DropPlan, approve: str) -> Dropped:
        return apply_drop(self.database, audit, plan, approve=approve, window=WINDOW)

    def schemas(self) -> set[str]:
        return {str(name) for (name,) in self.database.rows("SHOW DATABASES")}


@pytest.fixture(scope="module")
def server(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    with DataPlane(engine, tmp_path_factory.mktemp("drops"), performance_schema=True) as plane:
        plane.create("drops", master=MASTER)
        plane.open("drops")
        yield plane


@pytest.fixture
def scene(server: DataPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr("runbook_lib.schemas.audit._read_before", {})
    (tmp_path / "contract.yml").write_text(CONTRACT)
    made = ("staging", "basis", "silver", "_silver", "other")
    with server.admin("drops") as admin:
        admin.execute("SET foreign_key_checks = 0")
        for schema in made:
            admin.execute(f"DROP DATABASE IF EXISTS {schema}")
            admin.execute(f"CREATE DATABASE {schema}")
        for statement in (
            "CREATE TABLE staging.rooms (id INT PRIMARY KEY, name VARCHAR(20))",
            "INSERT INTO staging.rooms VALUES (1, 'a'), (2, NULL)",
            "CREATE TABLE basis.`staging.rooms` (id INT PRIMARY KEY)",
            "CREATE TABLE basis.`staging.beds` (id INT, room INT, FOREIGN KEY (room) REFERENCES `staging.rooms` (id))",
            "CREATE TABLE silver.stg (id INT, name VARCHAR(20))", "CREATE TABLE _silver.stg (id INT, name VARCHAR(20))",
        ):  # fmt: skip
            admin.execute(statement)
        if admin.value("SELECT @@performance_schema"):
            admin.execute("TRUNCATE TABLE performance_schema.table_lock_waits_summary_by_table")
    with connect(server.endpoint("drops"), MASTER) as database:
        yield Scene(database, tmp_path / "contract.yml")


def test_an_empty_artefact_is_dropped_by_its_plan_and_nothing_else_goes(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = scene.audit()
    plan = scene.plan("basis", audit)
    assert plan.refused == ""
    before = scene.schemas()
    monkeypatch.setenv("RUNBOOK_EVENTS", str(tmp_path / "events.jsonl"))
    dropped = scene.apply(audit, plan, plan.id)
    assert scene.schemas() == before - {"basis"}
    assert dropped.changed == ("table basis.staging.beds", "table basis.staging.rooms", "schema basis")
    verified = verify_drop(scene.database, audit, dropped)
    assert verified is not None
    assert verified.holds
    first, second = (json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines())
    assert first["event"] == "schema-definitions"
    assert first["facts"]["definitions"] == list(plan.ddl)
    assert second["event"] == "schema-drop"


def test_the_recorded_definitions_make_it_again(scene: Scene) -> None:
    audit = scene.audit()
    plan = scene.plan("basis", audit)
    scene.apply(audit, plan, plan.id)
    scene.database.execute("SET foreign_key_checks = 0")
    scene.database.execute(plan.ddl[0])
    scene.database.execute("USE basis")
    for statement in plan.ddl[1:]:
        scene.database.execute(statement)
    scene.database.execute("SET foreign_key_checks = 1")
    assert scene.plan("basis").ddl == plan.ddl


def test_without_an_approval_nothing_happens_and_with_another_it_is_refused(scene: Scene) -> None:
    audit = scene.audit()
    plan = scene.plan("basis", audit)
    assert not scene.apply(audit, plan, "").done
    with pytest.raises(ApprovalRefused, match="not the id"):
        scene.apply(audit, plan, "0123456789ab")
    scene.database.execute("CREATE TABLE basis.`staging.late` (a INT)")
    with pytest.raises(ApprovalRefused, match="changed since"):
        scene.apply(audit, plan, plan.id)
    with pytest.raises(ApprovalRefused, match="no schema is chosen"):
        apply_drop(scene.database, audit, None, approve=plan.id, window=WINDOW)
    assert "basis" in scene.schemas()


def test_a_plan_has_the_same_id_whenever_it_is_made(scene: Scene) -> None:
    first = scene.plan("basis")
    later = TimeWindow(earliest=WINDOW.earliest, latest=WINDOW.latest + timedelta(hours=1))
    assert scene.plan("basis", window=later).id == first.id


@pytest.mark.parametrize(
    ("change", "drop", "why"),
    [
        ("INSERT INTO basis.`staging.rooms` VALUES (1)", "basis", "hold rows, and no copy is known"),
        ("CREATE VIEW other.v AS SELECT id FROM basis.`staging.rooms`", "basis", "view other.v refers to it"),
        ("CREATE TABLE other.k (r INT, FOREIGN KEY (r) REFERENCES basis.`staging.rooms` (id))", "basis", "foreign key"),
        ("CREATE PROCEDURE other.p() DELETE FROM basis.`staging.rooms`", "basis", "procedure other.p"),
        ("SELECT COUNT(*) FROM basis.`staging.rooms`", "basis", "were used since the server started"),
        ("DELETE FROM basis.`staging.rooms`", "basis", "were used since the server started"),
        ("INSERT INTO _silver.stg VALUES (1, 'x')", "_silver", "rows that are not in silver"),
    ],
)
def test_it_is_refused_in_a_sentence_where_a_proof_fails(scene: Scene, change: str, drop: str, why: str) -> None:
    scene.database.execute(change)
    audit = scene.audit()
    plan = scene.plan(drop, audit)
    assert why in plan.refused
    with pytest.raises(CheckFailed, match="is not dropped"):
        scene.apply(audit, plan, plan.id)
    assert drop in scene.schemas()


def test_without_a_restorable_second_or_without_counted_usage_it_is_refused(scene: Scene) -> None:
    assert "no restorable second" in scene.plan("basis", window=None).refused


def test_reads_of_the_audits_themselves_are_not_taken_for_somebodys(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scene.audit()
    assert scene.plan("basis", first).refused == ""
    assert scene.plan("basis", scene.audit()).refused == "", "the same process knows what it has read"
    last = scene.audit()
    monkeypatch.setattr("runbook_lib.schemas.audit._read_before", {})
    last = last_from(remembered(last.survey, reads_now=last.reads_after), run_id="r1")
    recorded = audit_schemas(scene.database, contract=scene.contract, now=NOW, last=last)
    assert scene.plan("basis", recorded).refused == "", "another process knows it from the record"
    monkeypatch.setattr("runbook_lib.schemas.audit._read_before", {})
    assert "were used" in scene.plan("basis", scene.audit()).refused, "without a record nobody can tell who read"


@pytest.mark.parametrize("drop", ["mysql", "sys", "performance_schema", "staging"])
def test_system_schemas_and_active_ones_can_never_be_chosen(scene: Scene, drop: str) -> None:
    with pytest.raises(InputRefused, match="never be dropped"):
        scene.plan(drop)


def test_a_schema_that_is_not_there_is_refused_with_those_to_choose_from(scene: Scene) -> None:
    with pytest.raises(InputRefused, match="_silver"):
        scene.plan("bassis")


def test_schemas_of_a_copy_back_are_known_with_their_run_and_go_by_plan(scene: Scene) -> None:
    ours = (
        "staging_damaged_20260204t100000z", "runbook_copyback_ab12cd34", "x_copyback_ab12cd34",
        "y_undone_20260101t000000z",
    )  # fmt: skip
    plan = {"dated_schemas": {"staging": ours[0]}, "schemas": {}}
    for schema in ours:
        scene.database.execute(f"CREATE DATABASE {schema}")
    try:
        scene.database.execute(f"CREATE TABLE {ours[0]}.rooms (id INT)")
        scene.database.execute(f"INSERT INTO {ours[0]}.rooms VALUES (7)")
        scene.database.execute(f"CREATE TABLE {ours[1]}.facts (name VARCHAR(64) PRIMARY KEY, value LONGTEXT)")
        for name, value in (("run", "r-77"), ("plan", plan), ("done", {"rows": 1})):
            scene.database.execute(f"INSERT INTO {ours[1]}.facts VALUES (%s, %s)", (name, json.dumps(value)))
        audit = scene.audit()
        verdicts = {schema: audit.verdict_on(schema) for schema in ours}
        assert {found.verdict for found in verdicts.values() if found} == {Verdict.OURS}
        dated, _, moving, unknown = (" / ".join(found.evidence) for found in verdicts.values() if found)
        assert "of run r-77: it keeps the damaged tables of staging / the undo of run r-77 needs it" in dated
        assert "tables on their way" in moving
        assert "nobody can say by what" in unknown
        drop = scene.plan(ours[0], audit)
        assert drop.refused == ""
        assert any("the undo of run r-77 needs it" in proof.text for proof in drop.proofs)
        scene.apply(audit, drop, drop.id)
        again = scene.audit().verdict_on(ours[1])
        assert again is not None
        assert again.advice is Advice.PROVE  # nothing is left that the state could undo
        assert "no copy is known" not in scene.plan(ours[3]).refused
    finally:
        for schema in ours:
            scene.database.execute(f"DROP DATABASE IF EXISTS {schema}")


@pytest.mark.engine
@pytest.mark.thorough
def test_an_approval_of_a_drop_read_at_one_cluster_is_none_at_another_of_its_name(tmp_path: Path) -> None:
    """The same schema, by the same statements, at a cluster of the same name: one plan's id drops nothing there."""
    contract = tmp_path / "contract.yml"
    contract.write_text("version: 1\nschemas:\n  shop: {purpose: the shop, tables: [items, notes]}\n")
    ids = []
    for number in (1, 2):
        with small_world(tmp_path / str(number), watched=True) as world:
            world.damage()
            world.run("CREATE DATABASE basis", "CREATE TABLE basis.t (id INT PRIMARY KEY)")

            def audit(approve: str, world: World = world) -> tuple[int, dict[str, Any], bool]:
                asked = {"cluster": "prod", "contract": str(contract), "drop": "basis", "approve": approve}
                given = [part for name, value in asked.items() for part in ("-p", name, value)]
                store = ("--records", str(world.folder / "records"))
                done = run_cli("run", "audit_schemas", *given, *store, cwd=tmp_path)
                newest = max((world.folder / "records").rglob("manifest.json"))
                with world.source() as database:
                    left = bool(
                        database.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'basis'")
                    )
                return done.returncode, json.loads(newest.read_bytes()), left

            code, made, left = audit("")
            ids.append(made["plan_id"])
            assert (code, made["outcome"], left) == (0, "planned", True)
            if number == 2:
                assert ids[0] != ids[1]
                code, made, left = audit(ids[0])
                assert (code, made["outcome"], left) == (4, "failed", True)
                code, made, left = audit(ids[1])
                assert (code, made["outcome"], left) == (0, "succeeded", False)
