"""The audit gives the background document's inventory and findings, with advice that is safe to follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook_lib.errors import AccessDenied
from runbook_lib.mysql import Credentials, Database, connect
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.story import INVENTORY
from runbook_lib.schemas import probing
from runbook_lib.schemas.audit import Audit, audit_schemas
from runbook_lib.schemas.verdicts import Advice, Verdict
from tests.storytelling import ToldStory

ROOT = Path(__file__).parents[1]
CONTRACT = str(ROOT / "parameters" / "schemas.yml")
MASTER = Credentials(user="admin", password="audit-tests-7")


def audited(database: Database, now: datetime, **options: str) -> Audit:
    return audit_schemas(database, contract=CONTRACT, now=now, **options)


# The document's two tables, word for word where it was right. It would drop `basis`, `_gold` and `analytics` blindly.
FINDINGS = {
    "staging": (Verdict.ACTIVE, Advice.KEEP),
    "silver": (Verdict.INCOMPLETE, Advice.ASK),
    "gold": (Verdict.EMPTY, Advice.ASK),
    "seeds": (Verdict.EMPTY, Advice.ASK),
    "tokyobeta": (Verdict.ACTIVE, Advice.KEEP),
    "basis": (Verdict.ARTEFACT, Advice.PROVE),
    "_analytics": (Verdict.LEFTOVER, Advice.PROVE),
    "_silver": (Verdict.LEFTOVER, Advice.PROVE),
    "_gold": (Verdict.LEFTOVER, Advice.DROP),
    "analytics": (Verdict.LEFTOVER, Advice.DROP),
    "_test_results": (Verdict.UNKNOWN, Advice.ASK),
}


@pytest.mark.parametrize("moment", ["just-after-the-load", "before-the-wipe"], ids=["before", "recovered"])
def test_before_the_incident_and_after_the_recovery_it_finds_what_the_document_found(
    told_story: ToldStory, moment: str
) -> None:
    with told_story.plane.admin(told_story.restored(moment)) as database:
        audit = audited(database, told_story.story.moments[moment])
    assert {verdict.schema: verdict.tables for verdict in audit.verdicts} == dict(INVENTORY)
    assert {v.schema: (v.verdict, v.advice) for v in audit.verdicts} == FINDINGS
    missing = {d.table for d in audit.broken if d.schema == "silver"}
    assert missing == {"stg_tenants", "stg_movings", "stg_inquiries", "int_contracts"}
    assert {d.schema for d in audit.broken} == {"silver", "gold", "seeds"}
    basis = audit.verdict_on("basis")
    assert basis is not None
    assert (basis.filled, basis.ask) == (0, "whoever delivers the dump")
    assert len([odd for odd in audit.odd_names if odd.schema == "basis"]) == 80
    assert {odd.origin for odd in audit.odd_names if odd.name.meant == "apartments"} == {
        "meant staging.apartments, which exists: quoted as one name by a dump"
    }


def test_after_the_incident_it_names_what_is_gone_and_emptied_and_judges_the_rest_as_before(
    told_story: ToldStory,
) -> None:
    with told_story.plane.admin(told_story.source) as database:
        audit = audited(database, told_story.story.moments["now"])
    found = {v.schema: (v.verdict, v.advice) for v in audit.verdicts}
    assert found == FINDINGS | {"staging": (Verdict.INCOMPLETE, Advice.ASK)}
    staging = audit.verdict_on("staging")
    assert staging is not None
    assert staging.ask == "the log of the Glue job daily_etl"
    proof = told_story.story.proofs[told_story.story.moments["now"]].schemas["staging"]
    empty = {name for name, table in proof.tables.items() if not table.rows}
    assert {d.table for d in audit.broken if d.what == "too few rows" and d.schema == "staging"} >= empty
    assert "inspections" in {d.table for d in audit.broken if d.what == "table is missing"}


def test_the_unknown_schema_is_profiled_without_a_persons_data(told_story: ToldStory) -> None:
    with told_story.plane.admin(told_story.source) as database:
        audit = audited(database, told_story.story.moments["now"])
    found = audit.profiles["_test_results"]
    assert "stored by dbt tests" in found.origin
    assert sum(pattern.tables for pattern in found.patterns) == 60
    assert {"n_records"} <= {column for pattern in found.patterns for column in pattern.columns}
    values = {value for sample in found.samples for row in sample.rows for value in row}
    assert values
    assert not any(len(value) > 3 and value.isdigit() and set(value) != {"9"} for value in values)


def test_the_leftover_copy_is_compared_row_by_row(told_story: ToldStory) -> None:
    with told_story.plane.admin(told_story.source) as database:
        audit = audited(database, told_story.story.moments["now"])
        rows = database.value("SELECT COUNT(*) FROM `_silver`.stg_apartments")
        changed = database.value("SELECT COUNT(*) FROM `_silver`.stg_apartments WHERE apartment_name LIKE '旧 %%'")
    likeness = audit.likenesses["_silver"]
    apartments = next(table for table in likeness.tables if table.table == "stg_apartments")
    assert apartments.rows == rows
    assert apartments.same is not None
    assert 0 < apartments.same <= rows - changed
    assert not likeness.is_copy


def test_dbt_is_compared_both_ways(told_story: ToldStory, tmp_path: Path) -> None:
    nodes = {
        "model.p.stg_rooms": _node("model", "silver", "stg_rooms", columns={"room_id": {}, "floor": {}}),
        "model.p.int_contracts": _node("model", "silver", "int_contracts"),
        "model.p.inline": _node("model", "silver", "inline", config={"materialized": "ephemeral"}),
        "test.p.unique": _node("test", "_test_results", "unique_rooms_id", config={"store_failures": True}),
    }
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"metadata": {"project_name": "p", "generated_at": "2026-02-04"}, "nodes": nodes}))
    with told_story.plane.admin(told_story.source) as database:
        audit = audited(database, told_story.story.moments["now"], dbt_manifest=str(path))
    assert {(d.table, d.what, d.detail) for d in audit.differences if d.by == "dbt"} == {
        ("stg_rooms", "columns are documented otherwise", "without floor"),
        ("int_contracts", "table is missing", "dbt's model model.p.int_contracts is not there"),
        ("stg_apartments", "table is not expected", "dbt does not build it"),
    }
    assert "1 of 60 are in its manifest" in audit.profiles["_test_results"].origin


def _node(kind: str, schema: str, name: str, **more: object) -> dict[str, object]:
    return {"resource_type": kind, "schema": schema, "name": name, "unique_id": f"{kind}.p.{name}", **more}


SMALL = """version: 1
schemas:
  staging: {purpose: raw, ask: the load's log, tables: [{name: rooms, min_rows: 2}, {name: tenants, min_rows: 1}]}
  gold: {purpose: business, ask: dbt's log, tables: [{name: rents, min_rows: 1}]}
"""


@pytest.fixture(scope="module")
def reader_plane(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    with DataPlane(engine, tmp_path_factory.mktemp("readers"), performance_schema=True) as plane:
        plane.create("small", master=MASTER)
        plane.open("small")
        with plane.admin("small") as database:
            for statement in (
                "CREATE DATABASE staging", "CREATE DATABASE gold", "CREATE DATABASE hidden",
                "CREATE TABLE staging.rooms (id INT)", "INSERT INTO staging.rooms VALUES (1), (2), (3)",
                "CREATE TABLE staging.tenants (id INT)", "INSERT INTO staging.tenants VALUES (1)",
                "CREATE TABLE gold.rents (id INT)", "INSERT INTO gold.rents VALUES (1)",
                "CREATE VIEW gold.room_list AS SELECT id FROM staging.rooms",
                "CREATE TRIGGER staging.t BEFORE INSERT ON staging.rooms FOR EACH ROW SET @a = 1",
                "CREATE EVENT staging.e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
                "CREATE PROCEDURE staging.p() SELECT 1",
                "CREATE USER reader IDENTIFIED BY 'r-7'", "CREATE USER narrow IDENTIFIED BY 'r-7'",
                "GRANT SELECT ON staging.* TO narrow", "GRANT SHOW VIEW ON gold.* TO narrow",
            ):  # fmt: skip
                database.execute(statement)
        yield plane


def as_account(plane: DataPlane, user: str) -> Database:
    return connect(plane.endpoint("small"), Credentials(user=user, password="r-7"))


@pytest.fixture
def small_contract(tmp_path: Path) -> str:
    (tmp_path / "contract.yml").write_text(SMALL)
    return str(tmp_path / "contract.yml")


def documented_grant() -> str:
    page = (ROOT / "docs" / "real-account.md").read_text()
    grant = next(line for line in page.splitlines() if line.startswith("GRANT SELECT"))
    return grant.rstrip(";").replace("'runbook'@'%'", "reader")


def test_the_rights_the_docs_name_suffice(reader_plane: DataPlane, small_contract: str) -> None:
    with reader_plane.admin("small") as database:
        database.execute(documented_grant())
        full = audit_schemas(database, contract=small_contract, now=datetime.now(UTC))
    with as_account(reader_plane, "reader") as database:
        audit = audit_schemas(database, contract=small_contract, now=datetime.now(UTC))
        with pytest.raises(AccessDenied):
            database.execute("DROP TABLE staging.rooms")
    assert audit.survey.unseen == ()
    assert audit.survey.counts_usage
    assert [(v.schema, v.verdict) for v in audit.verdicts] == [(v.schema, v.verdict) for v in full.verdicts]
    staging, expected = audit.survey.schemas["staging"], full.survey.schemas["staging"]
    assert [staging.count(kind) for kind in ("ROUTINE", "TRIGGER", "EVENT")] == [1, 1, 1]
    assert staging.code == expected.code
    assert any("narrow" in grant for grant in staging.grants)


def test_with_fewer_rights_it_says_what_it_could_not_see_and_calls_nothing_empty(
    reader_plane: DataPlane, small_contract: str
) -> None:
    with as_account(reader_plane, "narrow") as database:
        audit = audit_schemas(database, contract=small_contract, now=datetime.now(UTC))
    assert {"SELECT on *.*", "SHOW VIEW on *.*", "TRIGGER on *.*", "EVENT on *.*"} <= {
        unseen.right for unseen in audit.survey.unseen
    }
    verdicts = {verdict.schema: verdict.verdict for verdict in audit.verdicts}
    assert verdicts["staging"] is Verdict.ACTIVE
    assert verdicts["gold"] is Verdict.UNSEEN
    assert not [d for d in audit.broken if d.schema == "gold"]
    gold = audit.survey.schemas["gold"]
    assert gold.all_empty is None
    assert not audit.survey.counts_usage


def test_a_table_that_cannot_be_read_does_not_hide_the_others(reader_plane: DataPlane, small_contract: str) -> None:
    with reader_plane.admin("small") as database:
        database.execute(documented_grant())
        database.execute("CREATE DATABASE broken")
        database.execute("CREATE TABLE broken.base (a INT)")
        database.execute("CREATE VIEW broken.stands_on AS SELECT a FROM broken.base")
        database.execute("DROP TABLE broken.base")
        database.execute('CREATE TABLE broken.`it\'s; "odd" ``name``.x` (a INT)')
    with as_account(reader_plane, "reader") as database:
        audit = audit_schemas(database, contract=small_contract, now=datetime.now(UTC))
    assert audit.survey.schemas["staging"].tables["rooms"].empty is False
    assert [table.empty for table in audit.survey.schemas["broken"].base_tables] == [True]


@pytest.mark.parametrize("connections", [0, 1], ids=["as many connections as it likes", "one connection only"])
def test_many_tables_are_probed_over_two_connections_or_one_where_the_server_allows_no_more(
    reader_plane: DataPlane,
    small_contract: str,
    connections: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(probing, "_BATCH", 1)
    monkeypatch.setattr(probing, "_BESIDE", 2)
    caplog.set_level("INFO")
    with reader_plane.admin("small") as database:
        database.execute(f"CREATE USER only{connections} IDENTIFIED BY 'r-7' WITH MAX_USER_CONNECTIONS {connections}")
        database.execute(f"GRANT SELECT ON *.* TO only{connections}")
        database.execute("CREATE TABLE IF NOT EXISTS gold.nothing (id INT)")
    with as_account(reader_plane, f"only{connections}") as database:
        found = audit_schemas(database, contract=small_contract, now=datetime.now(UTC)).survey.schemas
    assert [found["staging"].tables[name].empty for name in ("rooms", "tenants")] == [False, False]
    assert [found["gold"].tables[name].empty for name in ("rents", "nothing")] == [False, True]
    assert ("over one connection only" in caplog.text) == bool(connections)
