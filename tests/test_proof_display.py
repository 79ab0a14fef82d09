"""A proof is shown as tables and one picture that say the same, and lasts in a record without a value of any row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_lib.display.figure import Figure
from runbook_lib.display.proof import proof_sheet
from runbook_lib.errors import InputRefused
from runbook_lib.events import EVENTS_VARIABLE
from runbook_lib.inventory import TableName
from runbook_lib.proof import Digest, Pair, Proof, RowDifference, TableVerdict, Verdict, read_proof, record_proof

CHANGED = RowDifference(
    kind="changed", key=(("id", "7"),), columns=("rent", "mail"), expected=("100", "(personal)"), found=("1", "NULL")
)


def table(schema: str, name: str, verdict: Verdict, **facts: object) -> TableVerdict:
    named = TableName(schema=schema, name=name)
    digest = Digest(rows=10, total=2**70, fold="sum", ways=(("id", "number"),))
    values = {"expected_rows": 10, "found_rows": 10, "expected_digest": digest} | facts
    return TableVerdict(pair=Pair(expected=named, found=named), verdict=verdict, **values)  # type: ignore[arg-type]


PROOF = Proof(
    expected="copy",
    found="source",
    seconds=3.2,
    tables=(
        table("staging", "rooms", "emptied", found_rows=0, missing=10),
        table("staging", "tenants", "damaged", changed=1, columns=("rent", "mail"), samples=(CHANGED,)),
        table("staging", "gone", "missing", found_rows=None, missing=10, found_digest=None),
        table("staging", "logs", "new since", found_rows=12, extra=2),
        table("silver", "rooms", "same", definition=("`a`: `a` int expected, `a` bigint found",)),
    ),
)
SAME = Proof(expected="copy", found="source", tables=(table("silver", "rooms", "same"),), seconds=3.2)


def test_the_sheet_names_what_is_lost_first_and_says_how_much() -> None:
    said = str(proof_sheet(PROOF))
    assert "Against copy, source has tables 1 missing, 1 emptied, 1 damaged, 1 with rows added: 5 tables" in said
    assert said.index("staging.gone") < said.index("staging.rooms") < said.index("staging.tenants")
    assert "rent: 100 → 1" in said
    assert "mail: (personal) → NULL" in said
    assert "`a` int expected, `a` bigint found" in said
    assert "3 tables lost data: 21 rows are missing or changed in source." in said
    html = proof_sheet(PROOF).html()
    assert "staging.tenants" in html
    assert "<img" in html


def test_the_picture_says_in_words_what_it_shows() -> None:
    figure = next(part for part in proof_sheet(PROOF).tables if isinstance(part, Figure))
    assert figure.png.startswith(b"\x89PNG")
    assert figure.title.endswith("?")
    assert figure.words == "staging: 1 missing, 1 emptied, 1 damaged, 1 with rows added of 4 tables."


def test_equal_servers_are_said_to_be_equal() -> None:
    sheet = proof_sheet(SAME)
    assert sheet.headline == "source holds exactly what copy holds: 1 tables compared row by row in 3 seconds"
    assert "Every table of every schema is the same." in str(sheet)
    assert sheet.closing == "Views, routines, triggers, events and sequences were not compared."
    assert proof_sheet(replace(SAME, objects=())).closing == ""


def test_a_record_keeps_counts_and_hashes_and_gives_them_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert record_proof(PROOF) is None, "outside a recorded run there is nothing to write into"
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    path = record_proof(PROOF)
    assert path == tmp_path / "proof.json"
    read = read_proof(tmp_path)
    assert [one.digest for one in read.tables] == [one.digest for one in PROOF.tables]
    assert read.damaged == PROOF.damaged
    assert "personal" not in path.read_text()
    event = json.loads((tmp_path / "events.jsonl").read_text())
    assert event["facts"]["damaged"] == ["staging.gone", "staging.rooms", "staging.tenants"]
    path.write_text("{}")
    with pytest.raises(InputRefused, match="is not a proof"):
        read_proof(path)
    with pytest.raises(InputRefused, match="There is no proof"):
        read_proof(tmp_path / "elsewhere")


def test_a_proof_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_text(json.dumps({**PROOF.to_json(), "version": 2}))
    with pytest.raises(InputRefused, match="it is of version 2, and only version 3 is read") as refused:
        read_proof(tmp_path)
    assert "made again" in refused.value.hint
