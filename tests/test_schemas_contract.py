"""Contracts, names and comparisons with the last audit: decisions made from values alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook_lib.errors import InputRefused
from runbook_lib.schemas.comparing import Measured, against_contract, against_dbt
from runbook_lib.schemas.contract import Contract, read_contract
from runbook_lib.schemas.facts import SchemaFacts, Survey, TableFacts
from runbook_lib.schemas.last_audit import changes_since, last_from, own_reads_taken_off, remembered
from runbook_lib.schemas.manifest import read_manifest
from runbook_lib.schemas.names import malformed, same_but_for_case, visible
from runbook_lib.schemas.profile import shape

NOW = datetime(2026, 2, 5, 1, 0, tzinfo=UTC)


def table(name: str, rows: int = 10, reads: int = 0) -> TableFacts:
    return TableFacts(name=name, kind="BASE TABLE", rows_estimate=rows, empty=rows == 0, reads=reads, writes=0)


def survey(**schemas: list[TableFacts]) -> Survey:
    return Survey(
        server="MySQL 8.0", account="a@b", taken=NOW, started=NOW - timedelta(hours=5), counts_usage=True,
        case_sensitive=True,
        schemas={n: SchemaFacts(name=n, tables={t.name: t for t in held}) for n, held in schemas.items()},
    )  # fmt: skip


def differences(contract: str, found: Survey, **measured: Measured) -> set[tuple[str, str]]:
    import yaml

    wanted = Contract.model_validate({"version": 1, "schemas": {"s": {"purpose": "p", **yaml.safe_load(contract)}}})
    columns = {"s": {"t": ("id", "name")}}
    measures = {("s", name): value for name, value in measured.items()}
    return {(d.table, d.what) for d in against_contract(found, wanted, measured=measures, now=NOW, columns=columns)}


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        ("tables: [t, u]", {("u", "table is missing"), ("v", "table is not expected")}),
        ("{tables: [t], others_allowed: true}", set()),
        ("tables: ['x*', '[tv]']", {("x*", "table is missing")}),
        ("{min_tables: 3}", {("", "table is missing")}),
        ("{tables: [{name: t, min_rows: 100}], others_allowed: true}", {("t", "too few rows")}),
        ("{tables: [{name: t, columns: [id, age]}], others_allowed: true}", {("t", "wrong columns")}),
        ("{tables: [{name: t, fresh: {column: c, within_hours: 24}}], others_allowed: true}",
         {("t", "rows are too old")}),
        ("{tables: [{name: t, fresh: {column: c, within_hours: 72}}], others_allowed: true}", set()),
    ],
)  # fmt: skip
def test_the_contract_is_compared_both_ways(contract: str, expected: set[tuple[str, str]]) -> None:
    found = survey(s=[table("t"), table("v")])
    assert differences(contract, found, t=Measured(rows=40, newest=NOW - timedelta(hours=30))) == expected


def test_a_table_that_could_not_be_read_breaks_nothing() -> None:
    hidden = replace(table("t"), empty=None)
    assert differences("tables: [{name: t, min_rows: 1}]", survey(s=[hidden])) == {("t", "could not be seen")}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("version: 2\nschemas: {}", "version"),
        ("version: 1\nschemas: {s: {purpose: p, tabels: []}}", "schemas.s.tabels"),
        ("version: 1\nschemas: {s: {purpose: p, tables: [{name: t, min_rows: -1}]}}", "schemas.s.tables.0.min_rows"),
        ("version: 1\nschemas: {s: {purpose: p, tables: [t, t]}}", "listed twice: t"),
        ("version: 1\nschemas: [", "line 2"),
        ("", "the file"),
    ],
)
def test_a_wrong_contract_is_refused_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "c.yml").write_text(text)
    with pytest.raises(InputRefused, match=place.replace(".", r"\.")):
        read_contract(tmp_path / "c.yml")


def test_the_contract_of_the_repository_lists_the_estate() -> None:
    contract = read_contract(Path(__file__).parents[1] / "parameters" / "schemas.yml")
    counts = {name: len(schema.tables) for name, schema in contract.schemas.items()}
    assert counts == {"staging": 82, "silver": 6, "gold": 4, "seeds": 0, "tokyobeta": 0}  # 81 tables and a view
    assert contract.schemas["seeds"].min_tables == 6


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"nodes": 3}')
    for path in (tmp_path / "m.json", tmp_path / "none.json"):
        with pytest.raises(InputRefused, match="manifest"):
            read_manifest(path)


def test_dbt_is_read_with_its_sources_its_results_and_the_flags_of_its_command_line(tmp_path: Path) -> None:
    def node(kind: str, name: str, **more: object) -> dict[str, object]:
        return {"resource_type": kind, "schema": "Silver", "name": name, "unique_id": f"{kind}.p.{name}", **more}

    columns, enforced = {"id": {}, "gone": {}}, {"contract": {"enforced": True}}
    nodes = [
        node("model", "Rooms", columns=columns), node("model", "rents", columns=columns, config=enforced),
        node("model", "late"), node("test", "unique_rooms", relation_name="`Silver`.`unique_rooms`"),
        node("test", "no"), node("test", "by_flag"),
    ]  # fmt: skip
    source = {**node("source", "landing"), "schema": "raw", "identifier": "land_1"}
    content = {
        "metadata": {},
        "nodes": {str(n["unique_id"]): n for n in nodes},
        "sources": {"source.p.landing": source},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    results = [
        {"unique_id": "model.p.late", "status": "error", "message": "Deadlock\n found"},
        {"unique_id": "test.p.by_flag", "status": "fail", "relation_name": "`Silver`.`by_flag`"},
    ]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": results}))
    manifest = read_manifest(tmp_path / "manifest.json").for_server(case_sensitive=False)
    assert {test.name for test in manifest.tests_in("silver")} == {"unique_rooms", "by_flag"}
    found = survey(silver=[table("rooms"), table("rents"), table("by_flag"), table("odd")], raw=[table("other")])
    there = {"silver": {"rooms": ("id",), "rents": ("id",)}}
    assert {(d.table, d.what, d.breaks) for d in against_dbt(found, manifest, columns=there)} == {
        ("rooms", "columns are documented otherwise", False), ("rents", "wrong columns", True),
        ("late", "dbt's last run failed", False), ("late", "table is missing", True),
        ("odd", "table is not expected", False), ("land_1", "table is missing", True),
    }  # fmt: skip
    assert manifest.explains("raw") == "dbt: 1 landing tables that it reads"
    (tmp_path / "run_results.json").write_text("[]")
    with pytest.raises(InputRefused, match=r"no run_results\.json"):
        read_manifest(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    ("name", "fault", "meant"),
    [
        ("staging.apartments", "a dot in the name", "apartments"),
        ("rooms ", "a space at its end", "rooms"),
        ("two words", "a space in the name", ""),
        ("apart\u200bments", "an invisible or control character", "apartments"),
        ("rоoms", "look-alike characters: CYRILLIC SMALL LETTER O", ""),
        ("roomｓ", "look-alike", "rooms"),
        ("a-b", "characters that need quoting", ""),
        ("2026", "only digits", ""),
        ("v1.2", "a dot in the name", ""),
    ],
)
def test_malformed_names_are_found_and_traced_to_what_was_meant(name: str, fault: str, meant: str) -> None:
    odd = malformed(name)
    assert odd is not None
    assert any(fault in found for found in odd.faults)
    assert odd.meant == meant


@pytest.mark.parametrize(
    "name",
    ["rooms", "_silver", "stg_rooms__dbt_tmp", "部屋", "a$b", "m_1", "заказы_2", "売上２０２６", "ＩＤ", "τιμές"],
)
def test_ordinary_names_of_any_script_are_left_in_peace(name: str) -> None:
    assert malformed(name) is None


def test_invisible_characters_are_made_visible_and_case_twins_are_found() -> None:
    assert visible("apart\u200bments") == "apart\\u200bments"
    assert same_but_for_case(["Rooms", "rooms", "beds"]) == (("Rooms", "rooms"),)


def test_the_past_is_kept_and_compared() -> None:
    before = survey(s=[table("gone"), table("emptied"), table("same"), table("shrunk", 100), table("grown", 100)])
    kept = last_from(remembered(before, reads_now={}), run_id="r1")
    after = survey(s=[table("emptied", 0), table("same", 11), table("shrunk", 50), table("grown", 200), table("new")])
    assert {(c.table, c.what) for c in changes_since(kept, after)} == {
        ("gone", "gone"), ("emptied", "emptied"), ("shrunk", "shrunk"), ("grown", "grown"), ("new", "new"),
    }  # fmt: skip


def test_own_reads_are_taken_off_until_the_server_is_restarted() -> None:
    first = survey(s=[table("t", reads=0)])
    kept = last_from(remembered(first, reads_now={("s", "t"): 2}), run_id="r1")
    second = survey(s=[table("t", reads=5)])
    assert own_reads_taken_off(second, kept).schemas["s"].tables["t"].reads == 3
    made_anew = survey(s=[replace(table("t", reads=5), created=NOW)])
    assert own_reads_taken_off(made_anew, kept).schemas["s"].tables["t"].reads == 5
    restarted = replace(second, started=NOW)
    assert own_reads_taken_off(restarted, kept).schemas["s"].tables["t"].reads == 5
    assert own_reads_taken_off(second, None).schemas["s"].tables["t"].reads == 5


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("O'Brien 42", "A·Aaaaa 99"),
        ("山田 太郎", "字字 字字"),
        ("a@b.jp", "a@a.aa"),
        (12345, "99999"),
        (7, "7"),
        (None, "NULL"),
        (b"secret", "6 bytes"),
        (datetime(1990, 5, 4).date(), "1990-…"),  # noqa: DTZ001  # a database DATE
    ],
)
def test_a_sample_shows_the_shape_and_not_the_person(value: object, shown: str) -> None:
    assert shape(value) == shown
