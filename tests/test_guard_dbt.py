"""What dbt says of its own run holds a load, and says why a model made no table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.guard.dbt_results import dbt_checks
from runbook_lib.guard.load_checks import Generation
from runbook_lib.inventory import TableName
from runbook_lib.swap.facts import ServerFacts, StoredObject, TableFacts


def table(schema: str, name: str) -> TableFacts:
    return TableFacts(
        name=TableName(schema=schema, name=name), create="", engine="InnoDB", columns=(), key=(), uniques=(),
        counter=None, rows=1, bytes=1,
    )  # fmt: skip


def generation(live: str, loaded: str, *, views: str = "") -> Generation:
    tables = [*(table("gold", name) for name in live.split()), *(table("gold__next", name) for name in loaded.split())]
    objects = tuple(StoredObject(kind="VIEW", schema="gold__next", name=name, statement="") for name in views.split())
    facts = ServerFacts(
        name="server", identity="", version="8.0", is_mariadb=False, schemas={}, tables={t.name: t for t in tables},
        foreign_keys=(), objects=objects, settings={}, rights=frozenset(),
    )  # fmt: skip
    return Generation(live="gold", next="gold__next", facts=facts, measured={})


def result(name: str, status: str = "success", *, kind: str = "model", **more: Any) -> dict[str, Any]:
    found = {"unique_id": f"{kind}.project.{name}", "status": status, "message": None}
    return found | {"relation_name": f"`gold__next`.`{name}`"} | more


def said(tmp_path: Path, results: list[dict[str, Any]], load: Generation, which: str = "build") -> tuple[str, str]:
    path = tmp_path / "run_results.json"
    path.write_text(json.dumps({"metadata": {}, "args": {"which": which}, "results": results}))
    (check,) = dbt_checks(str(path), load)
    return check.state, check.sentence


def test_what_dbt_made_whole_is_right(tmp_path: Path) -> None:
    results = [
        result("rents"), result("codes", kind="seed"), result("unique_rents_id.1f", "pass", kind="test"),
        result("freshness", "warn", kind="test"), result("weekly", "no-op", kind="exposure"),
    ]  # fmt: skip
    state, sentence = said(tmp_path, results, generation("rents codes", "rents codes"))
    assert (state, sentence) == ("ok", "dbt made all of its 2 models, seeds and snapshots, and its tests passed.")


@pytest.mark.parametrize(
    ("results", "load", "why"),
    [
        (
            [result("rents", "error", message="Database Error\n  1205 lock")],
            ("rents", ""),
            "rents: error (Database Error",
        ),
        (
            [result("rooms", "error", message="x"), result("rents", "skipped")],
            ("rents", ""),
            "rents: skipped (something that it is built from failed: rooms)",
        ),
        ([result("rents"), result("rents_id.a", "fail", kind="test")], ("rents", "rents"), "a: fail"),
        ([result("rents", relation_name=None)], ("rents", ""), "it is ephemeral"),
        ([result("rents", relation_name="`dev`.`rents`")], ("rents", ""), "it was made in `dev`, not in `gold__next`"),
        ([result("rents")], ("rents", ""), "dbt says that it was made, and it is not there"),
        ([result("codes", kind="seed")], ("codes", ""), "codes: no table of the load"),
        ([result("rents_id.a", "pass", kind="test")], ("rents", "rents"), "made nothing"),
        ([], ("rents", "rents"), "`dbt build` made nothing"),
        ([result("rents", "partial success")], ("rents", "rents"), "rents: partial success"),
        ([result("rents", "something new")], ("rents", "rents"), "rents: something new"),
    ],
)
def test_why_a_model_made_no_table_is_said_and_holds(
    tmp_path: Path, results: list[dict[str, Any]], load: tuple[str, str], why: str
) -> None:
    state, sentence = said(tmp_path, results, generation(*load))
    assert state == "bad"
    assert why in sentence


def test_a_table_that_became_a_view_is_named_so(tmp_path: Path) -> None:
    state, sentence = said(tmp_path, [result("rents")], generation("rents", "", views="rents"))
    assert (state, "it is a view now" in sentence) == ("bad", True)


def test_a_model_by_another_relation_is_known_by_it(tmp_path: Path) -> None:
    results = [result("stg_rents", relation_name="`gold__next`.`rents`")]
    assert said(tmp_path, results, generation("rents", "rents"))[0] == "ok"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": 3}', '{"results": [{"status": "success"}]}', "null"])
def test_what_is_no_result_of_dbt_is_unknown_never_right(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run_results.json"
    path.write_text(text)
    (check,) = dbt_checks(str(path), generation("rents", "rents"))
    assert check.state == "unknown"
    (absent,) = dbt_checks(str(tmp_path / "none.json"), generation("rents", "rents"))
    assert absent.state == "unknown"
